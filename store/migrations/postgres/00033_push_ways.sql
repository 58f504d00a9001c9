-- +goose Up

-- How a batch is sent where its devices' users want it another way: see PushBatch. One that waits has not_before from the start.
ALTER TABLE push_batches ADD COLUMN silent BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE push_batches ADD COLUMN no_scores BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE push_batches DROP COLUMN no_scores;
ALTER TABLE push_batches DROP COLUMN silent;
