-- +goose Up

-- A push's audience is put into batches in steps: see PushRecord. A batch has the ids of its devices (remaining) and no range of them; ranges that nobody
-- has tried to send before this migration are not sent any more.
ALTER TABLE pushes
    ADD COLUMN open    BOOLEAN NOT NULL DEFAULT FALSE, -- users after cut are not in a batch yet
    ADD COLUMN cut     TEXT    NOT NULL DEFAULT '',
    ADD COLUMN expires BIGINT  NOT NULL DEFAULT 0;
CREATE INDEX pushes_open ON pushes (planned) WHERE open;
UPDATE push_batches SET state = 'dropped', reason = 'migrated' WHERE state IN ('planned', 'claimed') AND source = '' AND remaining IS NULL;
ALTER TABLE push_batches DROP COLUMN first_device, DROP COLUMN last_device, DROP COLUMN unsure;
ALTER TABLE push_batches ADD COLUMN unsure BOOLEAN NOT NULL DEFAULT FALSE; -- who had claimed it before never said what became of it

-- +goose Down
UPDATE push_batches SET state = 'dropped', reason = 'migrated' WHERE state IN ('planned', 'claimed') AND source = '';
ALTER TABLE push_batches DROP COLUMN unsure;
ALTER TABLE push_batches
    ADD COLUMN first_device BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN last_device  BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN unsure       INTEGER NOT NULL DEFAULT 0;
DROP INDEX pushes_open;
ALTER TABLE pushes DROP COLUMN open, DROP COLUMN cut, DROP COLUMN expires;
