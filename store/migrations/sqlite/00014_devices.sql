-- +goose Up

-- Devices expire when their app has not been heard of for long; those that never got a push come last and expire sooner. Those from before count as heard
-- of today and as having got one.
ALTER TABLE devices ADD COLUMN seen BIGINT NOT NULL DEFAULT 0;
UPDATE devices SET seen = unixepoch() * 1000;
ALTER TABLE devices ADD COLUMN proven BOOLEAN NOT NULL DEFAULT TRUE; -- given with each new one
CREATE INDEX devices_seen ON devices (seen);
CREATE INDEX devices_new ON devices (id) WHERE NOT proven;

-- Who came first is told first: place is when a user first followed something, the same in all rows of a user, 0 from before. Nobody can choose it.
ALTER TABLE follows ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
DROP INDEX follows_topic;
CREATE INDEX follows_topic ON follows (kind, topic, place, user_id);

ALTER TABLE push_batches ADD COLUMN late BOOLEAN NOT NULL DEFAULT FALSE; -- see PushBatch.Late
DROP INDEX push_batches_open;
CREATE INDEX push_batches_open ON push_batches (late, created) WHERE state IN ('planned', 'claimed');

-- +goose Down
DROP INDEX push_batches_open;
CREATE INDEX push_batches_open ON push_batches (created) WHERE state IN ('planned', 'claimed');
ALTER TABLE push_batches DROP COLUMN late;
DROP INDEX follows_topic;
CREATE INDEX follows_topic ON follows (kind, topic, user_id);
ALTER TABLE follows DROP COLUMN place;
DROP INDEX devices_new;
DROP INDEX devices_seen;
ALTER TABLE devices DROP COLUMN proven;
ALTER TABLE devices DROP COLUMN seen;
