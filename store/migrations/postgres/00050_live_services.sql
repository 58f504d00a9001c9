-- +goose Up
-- A match has a channel at each push service; those that there are were all made at Apple.
ALTER TABLE live_channels ADD COLUMN service TEXT NOT NULL DEFAULT 'apns';
ALTER TABLE live_channels ALTER COLUMN service DROP DEFAULT;
ALTER TABLE live_channels DROP CONSTRAINT live_channels_pkey;
ALTER TABLE live_channels DROP CONSTRAINT live_channels_match_id_key;
ALTER TABLE live_channels ADD PRIMARY KEY (service, channel);
ALTER TABLE live_channels ADD UNIQUE (service, match_id);

-- +goose Down
DELETE FROM live_channels WHERE service <> 'apns';
ALTER TABLE live_channels DROP CONSTRAINT live_channels_pkey;
ALTER TABLE live_channels DROP COLUMN service;
ALTER TABLE live_channels ADD PRIMARY KEY (channel);
ALTER TABLE live_channels ADD UNIQUE (match_id);
