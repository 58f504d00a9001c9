-- +goose Up

-- How many matches the teams had played by the tables that the row's replaced: see TableCount.
ALTER TABLE standings ADD COLUMN counts TEXT NOT NULL DEFAULT '[]'; -- JSON, oldest first

-- +goose Down
ALTER TABLE standings DROP COLUMN counts;
