-- +goose Up

-- What became of the devices of a push, for who asks later: see PushFigures.
ALTER TABLE pushes ADD COLUMN withheld TEXT NOT NULL DEFAULT ''; -- JSON: devices whose users want it otherwise, by reason
ALTER TABLE push_batches ADD COLUMN devices INTEGER NOT NULL DEFAULT 0; -- how many the batch has; of one with a source 0 until it is done
ALTER TABLE push_batches ADD COLUMN due INTEGER NOT NULL DEFAULT 0; -- when it should have gone: what its messages took counts from here
ALTER TABLE push_batches ADD COLUMN tally TEXT NOT NULL DEFAULT ''; -- JSON of PushTally

-- +goose Down
ALTER TABLE push_batches DROP COLUMN tally;
ALTER TABLE push_batches DROP COLUMN due;
ALTER TABLE push_batches DROP COLUMN devices;
ALTER TABLE pushes DROP COLUMN withheld;
