-- +goose Up

-- Teams and competitions are found by their names by language too: the job takes those apart that have one.
UPDATE teams SET indexed = '' WHERE id IN (SELECT id FROM names WHERE kind = 'team');
UPDATE competitions SET indexed = '' WHERE id IN (SELECT id FROM names WHERE kind = 'competition');

-- +goose Down
