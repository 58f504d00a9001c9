-- +goose Up

-- With keys (GOALCAST_DEVICE_KEYS) token is a keyed hash, by which a device is found, and sealed is the token itself, encrypted with the key sealed_by.
-- Without, token is the token, sealed is empty and sealed_by ''.
ALTER TABLE devices ADD COLUMN sealed BLOB;
ALTER TABLE devices ADD COLUMN sealed_by TEXT NOT NULL DEFAULT '';
CREATE INDEX devices_sealed_by ON devices (sealed_by, id);

-- +goose Down
DROP INDEX devices_sealed_by;
ALTER TABLE devices DROP COLUMN sealed_by;
ALTER TABLE devices DROP COLUMN sealed;
