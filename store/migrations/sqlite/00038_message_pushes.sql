-- +goose Up

-- When an editor's message was last pushed to a topic: see goalcast.MessagePause.
CREATE TABLE message_pushes (
    topic TEXT    PRIMARY KEY,
    at    INTEGER NOT NULL
);

-- +goose Down
DROP TABLE message_pushes;
