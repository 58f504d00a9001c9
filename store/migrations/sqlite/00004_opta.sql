-- +goose Up

-- What is told around matches. An edition is text; of two documents of the same thing the newer one's sorts higher (SQLite compares bytes).

CREATE TABLE standings (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    edition     TEXT   NOT NULL,
    updated     BIGINT NOT NULL, -- ms since 1970 UTC, of the document
    body        TEXT   NOT NULL, -- goalcast.Standings
    PRIMARY KEY (competition, season)
);

CREATE TABLE squad_lists (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    edition     TEXT   NOT NULL,
    PRIMARY KEY (competition, season)
);

CREATE TABLE squads (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    team        BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    players     INTEGER NOT NULL, -- how many; a placeholder has none
    body        TEXT   NOT NULL, -- goalcast.Squad
    PRIMARY KEY (competition, season, team)
);
CREATE INDEX squads_team ON squads (team, updated);

CREATE TABLE players (
    id      INTEGER PRIMARY KEY,
    name    TEXT   NOT NULL,
    edition TEXT   NOT NULL -- of the list that named the player
);

CREATE TABLE commentary (
    match_id BIGINT  NOT NULL,
    language TEXT    NOT NULL,
    line     TEXT    NOT NULL, -- the provider's id
    modified BIGINT  NOT NULL, -- ms since 1970 UTC; the later edit holds
    place    BIGINT  NOT NULL, -- period, minute and second as one number
    body     TEXT    NOT NULL, -- goalcast.CommentaryLine
    PRIMARY KEY (match_id, language, line)
);
CREATE INDEX commentary_newest ON commentary (match_id, language, place, modified, line);

-- +goose Down
DROP TABLE commentary;
DROP TABLE players;
DROP TABLE squads;
DROP TABLE squad_lists;
DROP TABLE standings;
