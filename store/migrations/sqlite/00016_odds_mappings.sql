-- +goose Up
-- Which match an event of a provider of odds is: goalcast.OddsMapping.
CREATE TABLE odds_mappings (
	source      TEXT   NOT NULL,
	event       TEXT   NOT NULL, -- the provider's id
	match_id    BIGINT NOT NULL DEFAULT 0,
	decision    TEXT   NOT NULL DEFAULT 'unmapped',
	candidates  TEXT   NOT NULL DEFAULT '[]', -- ids of matches, JSON
	competition TEXT   NOT NULL DEFAULT '',
	kickoff     BIGINT NOT NULL DEFAULT 0,
	home        TEXT   NOT NULL DEFAULT '',
	away        TEXT   NOT NULL DEFAULT '',
	described   BIGINT NOT NULL DEFAULT 0, -- by the provider, last
	decided     BIGINT NOT NULL DEFAULT 0, -- when decision or match changed, by the database's clock
	decided_by  TEXT   NOT NULL DEFAULT '',
	PRIMARY KEY (source, event)
);
-- A source has one event for a match.
CREATE UNIQUE INDEX odds_mappings_match ON odds_mappings (source, match_id) WHERE match_id <> 0;
CREATE INDEX odds_mappings_described ON odds_mappings (described);
CREATE INDEX odds_mappings_decided ON odds_mappings (decided);

-- Matches whose prices an operator has shut.
CREATE TABLE odds_gates (
	match_id BIGINT PRIMARY KEY,
	since    BIGINT NOT NULL,
	shut_by  TEXT   NOT NULL DEFAULT ''
);

-- What a source of odds needs to resume, in whatever process.
CREATE TABLE odds_kept (
	source TEXT   PRIMARY KEY,
	kept   BLOB NOT NULL,
	at     BIGINT NOT NULL
);

-- +goose Down
DROP TABLE odds_kept;
DROP TABLE odds_gates;
DROP TABLE odds_mappings;
