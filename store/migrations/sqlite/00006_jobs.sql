-- +goose Up
-- A period is known by its beginning instead of its number, which means another time when a job's period is changed.
UPDATE jobs SET slot = began;
ALTER TABLE jobs ADD COLUMN period    BIGINT NOT NULL DEFAULT 0; -- ms, as of the runner that took it last
ALTER TABLE jobs ADD COLUMN succeeded BIGINT NOT NULL DEFAULT 0; -- when a run ended well last; before that, since when it is tried
UPDATE jobs SET succeeded = ended;

-- +goose Down
UPDATE jobs SET slot = -1;
ALTER TABLE jobs DROP COLUMN succeeded;
ALTER TABLE jobs DROP COLUMN period;
