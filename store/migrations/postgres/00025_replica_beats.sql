-- +goose Up

-- What replicas.go writes to the primary every moment and looks for on replicas, to know how far
-- each is behind. Empty without replicas.
CREATE TABLE replica_beats (
    token TEXT PRIMARY KEY, -- random: it is in this history of the database and in no other
    at BIGINT NOT NULL -- ms since 1970 UTC, by the primary's clock
);
CREATE INDEX replica_beats_at ON replica_beats (at);

-- +goose Down
DROP TABLE replica_beats;
