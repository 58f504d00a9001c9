-- +goose Up

-- Which push service reaches a device, as far as that can be told without its token: Device.Carrier. With GOALCAST_DEVICE_KEYS it is not known of browsers that were there before, until
-- they register again: '' until then.
ALTER TABLE devices ADD COLUMN carrier TEXT NOT NULL DEFAULT '';
UPDATE devices SET carrier = 'bank' WHERE platform = 'bank';
UPDATE devices SET carrier = lower(substr(token, 1, 8 + instr(substr(token, 9), '/') - 1)) WHERE token LIKE 'https://_%/%';
DROP INDEX devices_user;
CREATE INDEX devices_user ON devices (user_id, id, carrier);

-- The push service that a batch goes to; '': to several, or it was planned before. Batches of one service do not wait for those of another.
ALTER TABLE push_batches ADD COLUMN service TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE push_batches DROP COLUMN service;
DROP INDEX devices_user;
CREATE INDEX devices_user ON devices (user_id, id);
ALTER TABLE devices DROP COLUMN carrier;
