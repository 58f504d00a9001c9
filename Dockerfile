# A static binary on an empty base: no shell, no package manager, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /goalcast ./cmd/goalcast && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /goalcast /goalcast
COPY --from=build --chown=nonroot:nonroot /data /data
# SQLite's file, if no other database is set.
WORKDIR /data
ENV GOALCAST_LISTEN=0.0.0.0:8080 GOALCAST_ADMIN_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
# Longer than GOALCAST_DRAIN_TIME must be what the platform waits before it kills.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/goalcast"]
CMD ["serve"]
