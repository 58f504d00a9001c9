# A static binary on an empty base: no shell, no package manager, not root, nothing written but in /data.
#
#   docker build --build-arg VERSION=$(git describe --tags --always --dirty) --build-arg REVISION=$(git rev-parse HEAD) -t goalcast .
#
# Modules come through GOPROXY (--build-arg GOPROXY=https://proxy.example.org). After `go mod vendor` they come from
# vendor/, and the build needs no network but for the two base images. docs/deploy.md has more.
FROM golang:1.26 AS build
ARG GOPROXY
ARG VERSION=
ARG REVISION=
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION -X main.revision=$REVISION" \
	-o /goalcast ./cmd/goalcast \
	&& /goalcast version --sbom > /goalcast.cdx.json && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title=goalcast \
	org.opencontainers.image.description="A push hub for live football" \
	org.opencontainers.image.version=$VERSION \
	org.opencontainers.image.revision=$REVISION \
	org.opencontainers.image.base.name=gcr.io/distroless/static-debian12:nonroot
COPY --from=build /goalcast /goalcast
# What it is made of, in CycloneDX: for scanners, which look for this name. `goalcast version --sbom` prints the same.
COPY --from=build /goalcast.cdx.json /goalcast.cdx.json
COPY --from=build --chown=nonroot:nonroot /data /data
# SQLite's file, if no other database is set. Nothing else is ever written: run it with --read-only.
WORKDIR /data
VOLUME /data
ENV GOALCAST_LISTEN=0.0.0.0:8080 GOALCAST_ADMIN_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
# Longer than GOALCAST_DRAIN_TIME must be what the platform waits before it kills.
STOPSIGNAL SIGTERM
USER 65532:65532
ENTRYPOINT ["/goalcast"]
CMD ["serve"]
