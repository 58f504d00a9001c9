-- +goose Up
-- The broadcast channel of each match at Apple, from before kick-off until some time after the end.
CREATE TABLE live_channels (
	channel  TEXT PRIMARY KEY,       -- its id there
	match_id BIGINT NOT NULL UNIQUE,
	created  BIGINT NOT NULL,        -- this and the times below in ms since 1970; 0 is never
	sent     BIGINT NOT NULL DEFAULT 0,
	shown    BLOB,
	opened   BIGINT NOT NULL DEFAULT 0,
	ended    BIGINT NOT NULL DEFAULT 0,
	started  BIGINT NOT NULL DEFAULT 0 -- id of a device
);

-- +goose Down
DROP TABLE live_channels;
