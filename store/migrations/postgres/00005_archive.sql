-- +goose Up

-- A document is two rows: what is known of it, in one table (found by id, match, state and digest whatever its day), and its bytes, in a table that is
-- partitioned by day: the bytes are nearly all of the archive, and dropping a day's table costs nothing where deleting its rows would.
CREATE TABLE document_bodies (
    document BIGINT   NOT NULL, -- documents.id
    received BIGINT   NOT NULL, -- documents.received: tells the partition
    packing  SMALLINT NOT NULL, -- 0: as sent, 1: zstd
    body     BYTEA    NOT NULL,
    PRIMARY KEY (received, document)
) PARTITION BY RANGE (received);
ALTER TABLE document_bodies ALTER COLUMN body SET STORAGE EXTERNAL;

-- Partitions are named document_bodies_YYYYMMDD; store/archive.go makes the others, in the same way.
-- +goose StatementBegin
DO $$
DECLARE day BIGINT; name TEXT;
BEGIN
    FOR day IN SELECT DISTINCT received / 86400000 FROM documents LOOP
        name := 'document_bodies_' || to_char(to_timestamp(day * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD');
        EXECUTE format('CREATE TABLE %I PARTITION OF document_bodies FOR VALUES FROM (%s) TO (%s)', name, day * 86400000, (day + 1) * 86400000);
    END LOOP;
END $$;
-- +goose StatementEnd

ALTER TABLE documents
    ADD COLUMN size    INTEGER NOT NULL DEFAULT 0, -- bytes, as sent
    ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0, -- how often it came again
    ADD COLUMN seen    BIGINT  NOT NULL DEFAULT 0; -- when it came last
UPDATE documents SET size = length(body), seen = received;

-- What came twice before is kept once: the newest, with a count.
WITH same AS (
    SELECT max(id) AS id, count(*) - 1 AS repeats FROM documents GROUP BY digest, provider, feed, match_id HAVING count(*) > 1
)
UPDATE documents d SET repeats = same.repeats FROM same WHERE same.id = d.id;
DELETE FROM documents d USING documents n
    WHERE n.digest = d.digest AND n.provider = d.provider AND n.feed = d.feed AND n.match_id = d.match_id AND n.repeats > 0 AND n.id > d.id;
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
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
ALTER TABLE documents ADD COLUMN body BYTEA NOT NULL DEFAULT '';
DELETE FROM document_bodies WHERE packing <> 0; -- SQL cannot unpack them
UPDATE documents d SET body = b.body FROM document_bodies b WHERE b.document = d.id AND b.received = d.received;
DROP TABLE document_bodies;
DROP INDEX documents_digest;
ALTER TABLE documents DROP COLUMN size, DROP COLUMN repeats, DROP COLUMN seen;
