-- +goose Up
-- Work that one process at a time holds for long, as opposed to jobs, which are done once in a period.
CREATE TABLE leases (
	name  TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	fence BIGINT NOT NULL, -- of the turn: higher with each
	ends  BIGINT NOT NULL  -- ms since 1970, by the database's clock; 0 when it was given back
);

-- +goose Down
DROP TABLE leases;
