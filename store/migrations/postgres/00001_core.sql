-- +goose Up

-- All times are ms since 1970 UTC; 0 is not known. JSON is text: it is read whole, never searched, and jsonb would refuse \u0000.

CREATE TABLE documents (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider  TEXT     NOT NULL,
    feed      TEXT     NOT NULL,
    match_id  BIGINT   NOT NULL,
    headers   TEXT     NOT NULL, -- a JSON object
    body      BYTEA    NOT NULL, -- exactly as sent
    digest    BYTEA    NOT NULL, -- SHA-256 of body
    received  BIGINT   NOT NULL,
    state     TEXT     NOT NULL DEFAULT 'received',
    error     TEXT     NOT NULL DEFAULT '',
    attempts  INTEGER  NOT NULL DEFAULT 0
);
-- Kept out of line and not compressed: PostgreSQL's own compression of 1 MB takes longer than writing it.
ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX documents_unfinished ON documents (id) WHERE state = 'received';
CREATE INDEX documents_failed ON documents (id) WHERE state = 'failed';
CREATE INDEX documents_match ON documents (match_id, id);
CREATE INDEX documents_received ON documents (received);

CREATE TABLE matches (
    id          BIGINT PRIMARY KEY,
    competition BIGINT NOT NULL DEFAULT 0,
    home        BIGINT NOT NULL DEFAULT 0,
    away        BIGINT NOT NULL DEFAULT 0,
    kickoff     BIGINT NOT NULL DEFAULT 0,
    state       TEXT   NOT NULL DEFAULT '',
    seq         BIGINT NOT NULL DEFAULT 0,
    snapshot    TEXT   NOT NULL, -- goalcast.Snapshot
    feeds       BYTEA  NOT NULL, -- ingest's memory
    updated     BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE matches ALTER COLUMN snapshot SET STORAGE EXTERNAL, ALTER COLUMN feeds SET STORAGE EXTERNAL;
CREATE INDEX matches_kickoff ON matches (kickoff, id);
CREATE INDEX matches_competition ON matches (competition, kickoff);
CREATE INDEX matches_home ON matches (home, kickoff);
CREATE INDEX matches_away ON matches (away, kickoff);

CREATE TABLE teams (
    id   BIGINT PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE competitions (
    id   BIGINT PRIMARY KEY,
    name TEXT NOT NULL
);

-- Every revision of every event, for good.
CREATE TABLE events (
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    match_id BIGINT  NOT NULL, -- 0 for a message of no one match
    seq      BIGINT  NOT NULL, -- 0 for messages
    body     TEXT    NOT NULL, -- goalcast.Event
    created  BIGINT  NOT NULL,
    PRIMARY KEY (id, revision)
);
CREATE UNIQUE INDEX events_sequence ON events (match_id, seq) WHERE seq > 0;

-- What was committed and still has to be told: to the bus (published_at) and to phones (planned_at).
CREATE TABLE outbox (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    match_id     BIGINT  NOT NULL,
    seq          BIGINT  NOT NULL,
    body         TEXT    NOT NULL,
    created      BIGINT  NOT NULL,
    published_at BIGINT,
    planned_at   BIGINT
);
CREATE UNIQUE INDEX outbox_event ON outbox (event_id, revision);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_unpublished_match ON outbox (match_id, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unplanned ON outbox (id) WHERE planned_at IS NULL;

-- +goose Down
DROP TABLE outbox, events, competitions, teams, matches, documents;
