-- +goose Up

-- An event's id is unique in its match: providers count their events anew, and what one calls goal-1 is in many matches.
CREATE TABLE events_by_match (
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    match_id BIGINT  NOT NULL, -- 0 for a message of no one match
    seq      BIGINT  NOT NULL, -- 0 for messages
    body     TEXT    NOT NULL, -- goalcast.Event
    created  BIGINT  NOT NULL,
    PRIMARY KEY (match_id, id, revision)
);
INSERT INTO events_by_match (id, revision, match_id, seq, body, created) SELECT id, revision, match_id, seq, body, created FROM events;
DROP TABLE events;
ALTER TABLE events_by_match RENAME TO events;
CREATE UNIQUE INDEX events_sequence ON events (match_id, seq) WHERE seq > 0;
DROP INDEX outbox_event;
CREATE UNIQUE INDEX outbox_event ON outbox (match_id, event_id, revision);

-- +goose Down
DROP INDEX outbox_event;
CREATE UNIQUE INDEX outbox_event ON outbox (event_id, revision);
CREATE TABLE events_by_id (
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    match_id BIGINT  NOT NULL,
    seq      BIGINT  NOT NULL,
    body     TEXT    NOT NULL,
    created  BIGINT  NOT NULL,
    PRIMARY KEY (id, revision)
);
INSERT INTO events_by_id (id, revision, match_id, seq, body, created) SELECT id, revision, match_id, seq, body, created FROM events;
DROP TABLE events;
ALTER TABLE events_by_id RENAME TO events;
CREATE UNIQUE INDEX events_sequence ON events (match_id, seq) WHERE seq > 0;
