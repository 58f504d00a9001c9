-- +goose Up

-- What replicas.go writes to the primary every moment and looks for on replicas, to know how far
-- each is behind. Always empty: SQLite has no replicas.
CREATE TABLE replica_beats (
    token TEXT NOT NULL PRIMARY KEY, -- random: it is in this history of the database and in no other
    at BIGINT NOT NULL -- ms since 1970 UTC, by the primary's clock
);
CREATE INDEX replica_beats_at ON replica_beats (at);

-- +goose Down
DROP TABLE replica_beats;
