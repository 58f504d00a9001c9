-- +goose Up

-- How users want pushes: goalcast.UserPreferences. Most have no row.
CREATE TABLE preferences (
    user_id TEXT   PRIMARY KEY,
    body    TEXT   NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX preferences_updated ON preferences (updated);

-- +goose Down
DROP TABLE preferences;
