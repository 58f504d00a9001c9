-- +goose Up

-- A line of commentary is withdrawn when a document newer than all that had it tells of what came before it, and not of it.
ALTER TABLE commentary ADD COLUMN told TEXT NOT NULL DEFAULT ''; -- edition of the newest document that had the line
CREATE TABLE commentary_spans (
    match_id INTEGER NOT NULL,
    language TEXT   NOT NULL,
    edition  TEXT NOT NULL, -- of the document
    low      INTEGER NOT NULL, -- place of its oldest line: it tells all that came after
    PRIMARY KEY (match_id, language, edition)
);

-- +goose Down
DROP TABLE commentary_spans;
ALTER TABLE commentary DROP COLUMN told;
