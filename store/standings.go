package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"goalcast"
)

// SaveStandings stores the tables of a competition's season, unless the stored ones are of the same
// or a newer edition: then changed is false.
func (s *Store) SaveStandings(ctx context.Context, table goalcast.Standings) (changed bool, err error) {
	body, err := jsonText(table)
	if err != nil {
		return false, fmt.Errorf("save standings: %w: %w", goalcast.ErrPermanent, err)
	}
	doing := fmt.Sprintf("save standings of competition %d", table.Competition.ID)
	err = s.tx(ctx, doing, func(tx *tx) error {
		changed = false
		result, err := tx.exec(ctx, `INSERT INTO standings (competition, season, edition, updated, body)
			VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (competition, season) DO UPDATE
			SET edition = excluded.edition, updated = excluded.updated, body = excluded.body
			WHERE standings.edition < excluded.edition`,
			table.Competition.ID, clean(table.Season), clean(string(table.Edition)), toMillis(table.Updated), body)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		changed = n > 0
		return err
	})
	return changed && err == nil, err
}

// Standings returns the tables of a competition's season; with an empty season those of the newest.
// ErrNotFound.
func (s *Store) Standings(
	ctx context.Context, competition goalcast.CompetitionID, season string,
) (goalcast.Standings, error) {
	w := where{}
	w.when(true, "competition = ", competition)
	w.when(season != "", "season = ", clean(season))
	var table goalcast.Standings
	var body []byte
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		return q.queryRow(ctx, `SELECT body
			FROM standings`+w.String()+` ORDER BY updated DESC, season DESC LIMIT 1`, w.args...).Scan(&body)
	})
	if err == nil {
		err = json.Unmarshal(body, &table)
	}
	return table, s.wrap(fmt.Sprintf("standings of competition %d", competition), err)
}

// edition reads the stored edition of a competition's season in a table, and locks its row; "" if
// there is none yet.
func (t *tx) edition(
	ctx context.Context, table string, competition goalcast.CompetitionID, season string,
) (edition string, err error) {
	err = t.queryRow(ctx, `SELECT edition FROM `+table+` WHERE competition = $1
		AND season = $2`+t.dialect.forUpdate, competition, season).Scan(&edition)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return edition, err
}
