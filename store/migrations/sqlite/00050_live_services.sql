-- +goose Up
-- A match has a channel at each push service; those that there are were all made at Apple.
CREATE TABLE live_channels_new (
	service  TEXT NOT NULL,
	channel  TEXT NOT NULL,          -- its id there
	match_id BIGINT NOT NULL,
	created  BIGINT NOT NULL,        -- this and the times below in ms since 1970; 0 is never
	sent     BIGINT NOT NULL DEFAULT 0,
	shown    BLOB,
	opened   BIGINT NOT NULL DEFAULT 0,
	ended    BIGINT NOT NULL DEFAULT 0,
	started  BIGINT NOT NULL DEFAULT 0, -- id of a device
	PRIMARY KEY (service, channel),
	UNIQUE (service, match_id)
);
INSERT INTO live_channels_new
	SELECT 'apns', channel, match_id, created, sent, shown, opened, ended, started FROM live_channels;
DROP TABLE live_channels;
ALTER TABLE live_channels_new RENAME TO live_channels;

-- +goose Down
CREATE TABLE live_channels_old (
	channel  TEXT PRIMARY KEY,
	match_id BIGINT NOT NULL UNIQUE,
	created  BIGINT NOT NULL,
	sent     BIGINT NOT NULL DEFAULT 0,
	shown    BLOB,
	opened   BIGINT NOT NULL DEFAULT 0,
	ended    BIGINT NOT NULL DEFAULT 0,
	started  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO live_channels_old
	SELECT channel, match_id, created, sent, shown, opened, ended, started FROM live_channels WHERE service = 'apns';
DROP TABLE live_channels;
ALTER TABLE live_channels_old RENAME TO live_channels;
