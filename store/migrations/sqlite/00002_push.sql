-- +goose Up

CREATE TABLE devices (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    token    TEXT   NOT NULL UNIQUE,
    user_id  TEXT   NOT NULL,
    platform TEXT   NOT NULL,
    language TEXT   NOT NULL,
    created  BIGINT NOT NULL
);
CREATE INDEX devices_user ON devices (user_id, id);

CREATE TABLE follows (
    user_id TEXT    NOT NULL,
    kind    INTEGER NOT NULL, -- goalcast.TopicKind
    topic   BIGINT  NOT NULL,
    created BIGINT  NOT NULL,
    PRIMARY KEY (user_id, kind, topic)
);
CREATE INDEX follows_topic ON follows (kind, topic, user_id);

-- Where the pushes of an event stand: see PushRecord.
CREATE TABLE pushes (
    event_id TEXT    PRIMARY KEY,
    match_id BIGINT  NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0,
    state    TEXT    NOT NULL DEFAULT '',
    since    BIGINT  NOT NULL DEFAULT 0,
    shown    BIGINT  NOT NULL DEFAULT 0,
    base     INTEGER NOT NULL DEFAULT 0,
    told     INTEGER NOT NULL DEFAULT 0,
    batches  INTEGER NOT NULL DEFAULT 0,
    print    TEXT    NOT NULL DEFAULT '',
    topics   TEXT    NOT NULL DEFAULT '[]',
    content  TEXT    NOT NULL DEFAULT '',
    planned  BIGINT  NOT NULL
);
CREATE INDEX pushes_planned ON pushes (planned);

-- Parts of an audience: see PushBatch. remaining and reached are lists of device ids, packed.
CREATE TABLE push_batches (
    id           TEXT    PRIMARY KEY,
    event_id     TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    first_device BIGINT  NOT NULL,
    last_device  BIGINT  NOT NULL,
    source       TEXT    NOT NULL,
    created      BIGINT  NOT NULL,
    expires      BIGINT  NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'planned',
    reason       TEXT    NOT NULL DEFAULT '',
    attempt      INTEGER NOT NULL DEFAULT 0,
    lease_until  BIGINT  NOT NULL DEFAULT 0,
    not_before   BIGINT  NOT NULL DEFAULT 0,
    unsure       INTEGER NOT NULL DEFAULT 0, -- 1: claimed once, and what became of it was never said
    sent         INTEGER NOT NULL DEFAULT 0, -- the revision that was shown
    remaining    BLOB,
    reached      BLOB
);
CREATE INDEX push_batches_open ON push_batches (created) WHERE state IN ('planned', 'claimed');
CREATE INDEX push_batches_event ON push_batches (event_id, revision);

-- +goose Down
DROP TABLE push_batches;
DROP TABLE pushes;
DROP TABLE follows;
DROP TABLE devices;
