package store

import (
	"context"
	"fmt"

	"goalcast"
)

// MaxOddsGates is how many matches may be shut by hand at once.
const MaxOddsGates = 1000

// ShutOdds notes that an operator has shut the prices of a match, or opens them again, and returns
// the gate; who was first stays. ErrNotFound: there is no such match; ErrTooMany.
func (s *Store) ShutOdds(ctx context.Context, match goalcast.MatchID, shut bool, by string) (gate goalcast.OddsGate,
	err error) {
	err = s.tx(ctx, fmt.Sprintf("gate of match %d", match), func(tx *tx) error {
		gate = goalcast.OddsGate{Match: match}
		if !shut {
			_, err := tx.exec(ctx, `DELETE FROM odds_gates WHERE match_id = $1`, match)
			return err
		}
		var one, count int
		if err := tx.queryRow(ctx, `SELECT 1 FROM matches WHERE id = $1 AND seq > 0`, match).Scan(&one); err != nil {
			return err
		}
		if err := tx.queryRow(ctx, `SELECT COUNT(*) FROM odds_gates WHERE match_id <> $1`,
			match).Scan(&count); err != nil {
			return err
		}
		if count >= MaxOddsGates {
			return fmt.Errorf("%w: %d matches are shut", goalcast.ErrTooMany, count)
		}
		_, err := tx.exec(ctx, `INSERT INTO odds_gates (match_id, since, shut_by) VALUES ($1, `+s.dialect.now+`, $2)
			ON CONFLICT (match_id) DO NOTHING`, match, clean(by))
		if err != nil {
			return err
		}
		gate, err = scanOddsGate(tx.queryRow(ctx, `SELECT match_id, since, shut_by FROM odds_gates WHERE match_id = $1`,
			match))
		return err
	})
	return gate, err
}

// OddsGates lists the matches that operators have shut, newest first.
func (s *Store) OddsGates(ctx context.Context) ([]goalcast.OddsGate, error) {
	rows, err := s.query(ctx, fmt.Sprintf(`SELECT match_id, since, shut_by FROM odds_gates
		ORDER BY since DESC, match_id LIMIT %d`, 2*MaxOddsGates))
	list, err := collect(rows, err, scanOddsGate)
	return list, s.wrap("gates of odds", err)
}

func scanOddsGate(row scanner) (g goalcast.OddsGate, err error) {
	var since int64
	err = row.Scan(&g.Match, &since, &g.By)
	g.Shut, g.Since = true, fromMillis(since)
	return g, err
}
