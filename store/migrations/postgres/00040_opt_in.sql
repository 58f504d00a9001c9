-- +goose Up

-- Whether a user has switched on a kind of push that is off by default: UserPreferences.OptsIn. The
-- same in all rows of a user.
ALTER TABLE preferences ADD COLUMN opted_in BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE follows ADD COLUMN opted_in BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX follows_opted_in ON follows (kind, topic, place, user_id) WHERE opted_in;

-- +goose Down
DROP INDEX follows_opted_in;
ALTER TABLE follows DROP COLUMN opted_in;
ALTER TABLE preferences DROP COLUMN opted_in;
