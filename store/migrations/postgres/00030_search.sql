-- +goose Up
-- The words of names, folded (internal/fold): a search asks for their beginnings. folded is the whole name.
CREATE TABLE search_words (
	kind   TEXT   NOT NULL, -- team, competition, player
	id     BIGINT NOT NULL,
	word   TEXT COLLATE "C" NOT NULL,
	folded TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (kind, id, word)
);
CREATE INDEX search_words_word ON search_words (word);

-- The name that a row's words were made of: a job finds those that are not up to date, at first all.
ALTER TABLE teams ADD COLUMN indexed TEXT NOT NULL DEFAULT '';
ALTER TABLE competitions ADD COLUMN indexed TEXT NOT NULL DEFAULT '';
ALTER TABLE players ADD COLUMN indexed TEXT NOT NULL DEFAULT '';
CREATE INDEX teams_unindexed ON teams (id) WHERE indexed <> name;
CREATE INDEX competitions_unindexed ON competitions (id) WHERE indexed <> name;
CREATE INDEX players_unindexed ON players (id) WHERE indexed <> name;

-- Who is in which squad, and whether that was taken from the squad's body: the job does it for those from before.
CREATE TABLE squad_players (
	player      BIGINT NOT NULL,
	competition BIGINT NOT NULL,
	season      TEXT   NOT NULL,
	team        BIGINT NOT NULL,
	PRIMARY KEY (player, competition, season, team)
);
CREATE INDEX squad_players_list ON squad_players (competition, season);
ALTER TABLE squads ADD COLUMN listed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX squads_unlisted ON squads (competition, season, team) WHERE NOT listed;

-- The seasons of matches; those of tables and squads have their own rows.
CREATE TABLE seasons (
	competition BIGINT NOT NULL,
	season      TEXT   NOT NULL,
	PRIMARY KEY (competition, season)
);
INSERT INTO seasons (competition, season) SELECT DISTINCT competition, season FROM
	(SELECT competition, substring(snapshot from '"season":"([^"\\]+)"') AS season FROM matches WHERE competition > 0) m
	WHERE season IS NOT NULL;

-- +goose Down
DROP TABLE seasons;
DROP INDEX squads_unlisted;
ALTER TABLE squads DROP COLUMN listed;
DROP TABLE squad_players;
DROP INDEX players_unindexed;
DROP INDEX competitions_unindexed;
DROP INDEX teams_unindexed;
ALTER TABLE players DROP COLUMN indexed;
ALTER TABLE competitions DROP COLUMN indexed;
ALTER TABLE teams DROP COLUMN indexed;
DROP TABLE search_words;
