-- +goose Up

-- One row that is written from time to time, to know whether the database can be written to: see health.go.
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY,
    at BIGINT NOT NULL -- ms since 1970 UTC
);
INSERT INTO heartbeat (id, at) VALUES (1, 0);

-- +goose Down
DROP TABLE heartbeat;
