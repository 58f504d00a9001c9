-- +goose Up
-- What starts a Live Activity on a device; live_token is empty where its app cannot. It is kept as the device's own token is, in the clear or sealed.
ALTER TABLE devices ADD COLUMN live_token TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN live_sealed BYTEA;
ALTER TABLE devices ADD COLUMN live_sealed_by TEXT NOT NULL DEFAULT '';
CREATE INDEX devices_live ON devices (user_id, id) WHERE live_token <> '';

-- +goose Down
DROP INDEX devices_live;
ALTER TABLE devices DROP COLUMN live_sealed_by;
ALTER TABLE devices DROP COLUMN live_sealed;
ALTER TABLE devices DROP COLUMN live_token;
