-- +goose Up

-- Everything that partners can be told, in one order: numbers rise by one, without a hole, and those of a match are in the order of its events. An event gets its number after its commit:
-- the ids of the outbox are given out before, so that whoever read by them would pass over what is committed late.
CREATE TABLE partner_events (
    number   BIGINT  PRIMARY KEY,
    match_id BIGINT  NOT NULL,
    event_id TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    silent   BOOLEAN NOT NULL, -- phones get nothing of it
    created  BIGINT  NOT NULL  -- when the event was committed
);
CREATE INDEX partner_events_created ON partner_events (created);

ALTER TABLE outbox ADD COLUMN silent BOOLEAN NOT NULL DEFAULT FALSE, ADD COLUMN numbered BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX outbox_unnumbered ON outbox (id) WHERE NOT numbered;

-- Where each partner stands.
CREATE TABLE partners (
    name       TEXT    PRIMARY KEY,
    cursor     BIGINT  NOT NULL,           -- number of the last event that it took, or that is not for it
    sets       INTEGER NOT NULL DEFAULT 0, -- how often an operator has set the cursor
    configured BIGINT  NOT NULL,           -- when a process last had it in its file
    taken      BIGINT  NOT NULL DEFAULT 0, -- when it last took one
    failing    BIGINT  NOT NULL DEFAULT 0, -- since when it has not taken the next one; 0: it was not tried
    attempts   INTEGER NOT NULL DEFAULT 0, -- of the next one
    retry      BIGINT  NOT NULL DEFAULT 0, -- not before this time
    reason     TEXT    NOT NULL DEFAULT '', -- of the last attempt
    error      TEXT    NOT NULL DEFAULT '',
    paused     BIGINT  NOT NULL DEFAULT 0  -- since when nothing is sent until an operator sets the cursor
);

-- +goose Down
DROP TABLE partners;
DROP INDEX outbox_unnumbered;
ALTER TABLE outbox DROP COLUMN numbered, DROP COLUMN silent;
DROP TABLE partner_events;
