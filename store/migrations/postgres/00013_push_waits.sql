-- +goose Up

-- An event that cannot be planned yet (its match has no names) is looked at again after this time, by the database's clock, and nothing waits behind it.
ALTER TABLE outbox ADD COLUMN plan_after BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE outbox DROP COLUMN plan_after;
