-- +goose Up

-- What is known of each clip and where its upload stands. body is its owner's record (JSON); the other columns are copies out of it, to look for and to look at.
CREATE TABLE clips (
    id       TEXT    PRIMARY KEY, -- the provider's content id
    match_id BIGINT  NOT NULL DEFAULT 0, -- 0 while it is not known
    event    TEXT    NOT NULL DEFAULT '', -- id of the clip event
    version  BIGINT  NOT NULL DEFAULT 0, -- of the cut, by the provider
    video    TEXT    NOT NULL DEFAULT '', -- id at the player
    job      TEXT    NOT NULL DEFAULT '', -- the upload under way or done
    state    TEXT    NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT    NOT NULL DEFAULT '',
    due      BIGINT  NOT NULL DEFAULT 0, -- when somebody has to look at it again, ms since 1970 UTC; 0 is never
    updated  BIGINT  NOT NULL DEFAULT 0,
    body     TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX clips_due ON clips (due) WHERE due > 0;
CREATE INDEX clips_video ON clips (video) WHERE video <> '';
CREATE INDEX clips_match ON clips (match_id, id);

-- +goose Down
DROP TABLE clips;
