-- +goose Up

-- An event's id is unique in its match: providers count their events anew, and what one calls goal-1 is in many matches.
ALTER TABLE events DROP CONSTRAINT events_pkey, ADD PRIMARY KEY (match_id, id, revision);
DROP INDEX outbox_event;
CREATE UNIQUE INDEX outbox_event ON outbox (match_id, event_id, revision);

-- +goose Down
DROP INDEX outbox_event;
CREATE UNIQUE INDEX outbox_event ON outbox (event_id, revision);
ALTER TABLE events DROP CONSTRAINT events_pkey, ADD PRIMARY KEY (id, revision);
