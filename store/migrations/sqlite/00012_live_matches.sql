-- +goose Up

-- Matches in play are in lists whenever they were planned.
CREATE INDEX matches_live ON matches (id) WHERE state = 'live';

-- +goose Down
DROP INDEX matches_live;
