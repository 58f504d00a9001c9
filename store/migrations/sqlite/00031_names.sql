-- +goose Up
-- What teams and competitions are called in a language: goalcast.Name. No row: as the provider calls them.
CREATE TABLE names (
	kind     TEXT   NOT NULL, -- team, competition
	id       BIGINT NOT NULL,
	language TEXT   NOT NULL,
	name     TEXT   NOT NULL,
	PRIMARY KEY (kind, id, language)
);
-- One row, another text with each change of names: processes that hold them look at it alone.
CREATE TABLE names_version (
	one     BIGINT PRIMARY KEY CHECK (one = 1),
	version TEXT   NOT NULL
);
INSERT INTO names_version (one, version) VALUES (1, '');

-- +goose Down
DROP TABLE names_version;
DROP TABLE names;
