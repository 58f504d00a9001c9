-- +goose Up

-- A document is two rows: what is known of it, and its bytes. See the PostgreSQL side, where the bytes are partitioned by day.
CREATE TABLE document_bodies (
    document INTEGER PRIMARY KEY, -- documents.id
    received BIGINT   NOT NULL,
    packing  SMALLINT NOT NULL, -- 0: as sent, 1: zstd
    body     BLOB     NOT NULL
);

ALTER TABLE documents ADD COLUMN size    INTEGER NOT NULL DEFAULT 0; -- bytes, as sent
ALTER TABLE documents ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0; -- how often it came again
ALTER TABLE documents ADD COLUMN seen    BIGINT  NOT NULL DEFAULT 0; -- when it came last
UPDATE documents SET size = length(body), seen = received;

-- What came twice before is kept once: the newest, with a count. The index is for this step alone. Without it each document was compared with all others,
-- which took hours for an archive of some ten thousand; what comes out is the same, so that this migration could be changed after it was made.
CREATE INDEX documents_same ON documents (digest, provider, feed, match_id, id);
UPDATE documents SET repeats = (SELECT count(*) - 1 FROM documents o
    WHERE o.digest = documents.digest AND o.provider = documents.provider AND o.feed = documents.feed AND o.match_id = documents.match_id);
DELETE FROM documents WHERE repeats > 0 AND id NOT IN (SELECT max(id) FROM documents GROUP BY digest, provider, feed, match_id);
DROP INDEX documents_same;
CREATE UNIQUE INDEX documents_digest ON documents (digest, provider, feed, match_id);

INSERT INTO document_bodies (document, received, packing, body) SELECT id, received, 0, body FROM documents;
ALTER TABLE documents DROP COLUMN body;

-- Work that exactly one of many processes does, period by period: see jobs.go.
CREATE TABLE jobs (
    name     TEXT    PRIMARY KEY,
    slot     BIGINT  NOT NULL DEFAULT -1, -- the number of the period that was begun last
    owner    TEXT    NOT NULL DEFAULT '', -- who is at it; empty when it is done
    lease    BIGINT  NOT NULL DEFAULT 0,  -- until when the owner is taken for alive
    began    BIGINT  NOT NULL DEFAULT 0,
    ended    BIGINT  NOT NULL DEFAULT 0,
    runs     BIGINT  NOT NULL DEFAULT 0,
    failures BIGINT  NOT NULL DEFAULT 0,
    error    TEXT    NOT NULL DEFAULT ''  -- of the last run
);

CREATE TABLE alarms (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT   NOT NULL, -- one alarm of a name is open at a time: "silent:match:1009316"
    kind     TEXT   NOT NULL,
    match_id BIGINT NOT NULL DEFAULT 0,
    text     TEXT   NOT NULL,
    opened   BIGINT NOT NULL,
    closed   BIGINT NOT NULL DEFAULT 0,
    acked    BIGINT NOT NULL DEFAULT 0,
    acked_by TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alarms_open ON alarms (name) WHERE closed = 0;
CREATE INDEX alarms_closed ON alarms (closed) WHERE closed > 0;

-- +goose Down
DROP TABLE alarms;
DROP TABLE jobs;
ALTER TABLE documents ADD COLUMN body BLOB NOT NULL DEFAULT x'';
UPDATE documents SET body = COALESCE((SELECT b.body FROM document_bodies b WHERE b.document = documents.id AND b.packing = 0), x'');
DROP TABLE document_bodies;
DROP INDEX documents_digest;
ALTER TABLE documents DROP COLUMN size;
ALTER TABLE documents DROP COLUMN repeats;
ALTER TABLE documents DROP COLUMN seen;
