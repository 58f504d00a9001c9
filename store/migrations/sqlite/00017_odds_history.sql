-- +goose Up
-- What was shown of prices, and when: goalcast.OddsShown. The market "!" is the gate.
CREATE TABLE odds_history (
	match_id   BIGINT NOT NULL,
	market     TEXT   NOT NULL,
	at         BIGINT NOT NULL, -- published, ms
	gate       TEXT   NOT NULL DEFAULT '', -- goalcast.Gate as JSON
	source     TEXT   NOT NULL DEFAULT '',
	status     TEXT   NOT NULL DEFAULT '', -- empty: the market is gone
	selections TEXT   NOT NULL DEFAULT '', -- goalcast.ShownSelection as JSON
	provider   BIGINT NOT NULL DEFAULT 0,
	received   BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (match_id, market, at)
);
CREATE INDEX odds_history_at ON odds_history (at);

-- +goose Down
DROP TABLE odds_history;
