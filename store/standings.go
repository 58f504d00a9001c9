package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"goalcast"
)

// maxCounts is how many counts of replaced tables are kept: those of some days of play.
const maxCounts = 64

// SaveStandings stores the tables of a competition's season, unless the stored ones are of the same
// or a newer edition: then changed is false. How many matches the replaced ones held is kept.
func (s *Store) SaveStandings(ctx context.Context, table goalcast.Standings) (changed bool, err error) {
	body, err := jsonText(table)
	if err != nil {
		return false, fmt.Errorf("save standings: %w: %w", goalcast.ErrPermanent, err)
	}
	doing := fmt.Sprintf("save standings of competition %d", table.Competition.ID)
	err = s.tx(ctx, doing, func(tx *tx) error {
		changed = false
		counts, err := tx.replacedCounts(ctx, table)
		if err != nil {
			return err
		}
		result, err := tx.exec(ctx, `INSERT INTO standings (competition, season, edition, updated, body, counts)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (competition, season) DO UPDATE SET edition = excluded.edition, updated = excluded.updated,
				body = excluded.body, counts = excluded.counts
			WHERE standings.edition < excluded.edition`,
			table.Competition.ID, clean(table.Season), clean(string(table.Edition)), toMillis(table.Updated), body,
			counts)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		changed = n > 0
		return err
	})
	return changed && err == nil, err
}

// replacedCounts locks the row of a season's tables and gives the counts that newer ones are stored
// with, as JSON. What is stored and cannot be read is left out: it only tells of a time before.
func (t *tx) replacedCounts(ctx context.Context, newer goalcast.Standings) (string, error) {
	var body, text []byte
	err := t.queryRow(ctx, `SELECT body, counts FROM standings WHERE competition = $1
		AND season = $2`+t.dialect.forUpdate, newer.Competition.ID, clean(newer.Season)).Scan(&body, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return "[]", nil
	}
	if err != nil {
		return "", err
	}
	var counts []goalcast.TableCount
	var old goalcast.Standings
	if json.Unmarshal(text, &counts) != nil {
		counts = nil
	}
	if json.Unmarshal(body, &old) == nil {
		count := old.Count()
		if n := len(counts); n == 0 || !maps.Equal(counts[n-1].Played, count.Played) {
			counts = append(counts, count)
		}
	}
	return jsonText(counts[max(0, len(counts)-maxCounts):])
}

// StandingsToPlayOn returns the newest tables of a competition, and the counts of those before them
// in the season, oldest first. ErrNotFound.
func (s *Store) StandingsToPlayOn(ctx context.Context, competition goalcast.CompetitionID) (table goalcast.Standings,
	earlier []goalcast.TableCount, err error) {
	var body, counts []byte
	err = s.queryRow(ctx, `SELECT body, counts FROM standings WHERE competition = $1
		ORDER BY updated DESC, season DESC LIMIT 1`, competition).Scan(&body, &counts)
	if err == nil {
		err = errors.Join(json.Unmarshal(body, &table), json.Unmarshal(counts, &earlier))
	}
	return table, earlier, s.wrap(fmt.Sprintf("standings of competition %d", competition), err)
}

// CompetitionsAt lists the competitions with a match whose planned kick-off is from <= kick-off <
// to, or that is in play.
func (s *Store) CompetitionsAt(ctx context.Context, from, to time.Time) ([]goalcast.CompetitionID, error) {
	rows, err := s.query(ctx, `SELECT DISTINCT competition FROM matches WHERE competition <> 0 AND seq > 0
		AND (kickoff >= $1 AND kickoff < $2 OR state = 'live') ORDER BY competition`, toMillis(from), toMillis(to))
	list, err := collect(rows, err, func(row scanner) (id goalcast.CompetitionID, err error) {
		return id, row.Scan(&id)
	})
	return list, s.wrap("competitions of a time", err)
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
