package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// maxKept is how much a source of odds may keep, in bytes: a place to resume from, no prices.
const maxKept = 256 << 10

// KeepOdds remembers what a source needs to resume. More than 256 kB is refused: ErrPermanent.
func (s *Store) KeepOdds(ctx context.Context, source string, text []byte) error {
	if len(text) > maxKept {
		return fmt.Errorf("place of source %q: %w: %d bytes, at most %d", source, goalcast.ErrPermanent, len(text),
			maxKept)
	}
	_, err := s.exec(ctx, `INSERT INTO odds_kept (source, kept, at) VALUES ($1, $2, `+s.dialect.now+`)
		ON CONFLICT (source) DO UPDATE SET kept = excluded.kept, at = excluded.at`, clean(source), notNil(text))
	return s.wrap(fmt.Sprintf("keep place of source %q", source), err)
}

// KeptOdds gives what KeepOdds got last; nil if there is nothing.
func (s *Store) KeptOdds(ctx context.Context, source string) ([]byte, error) {
	var text []byte
	err := s.wrap(fmt.Sprintf("place of source %q", source),
		s.queryRow(ctx, `SELECT kept FROM odds_kept WHERE source = $1`, source).Scan(&text))
	if errors.Is(err, goalcast.ErrNotFound) {
		return nil, nil
	}
	return text, err
}

// PruneOdds deletes mappings of matches that kicked off before a time, or were described last
// before it where nobody knows the kick-off, with the gates that were shut and the places
// that were kept before it.
func (s *Store) PruneOdds(ctx context.Context, before time.Time) (mappings int64, err error) {
	err = s.tx(ctx, "prune mappings of odds", func(tx *tx) error {
		result, err := tx.exec(ctx, `DELETE FROM odds_mappings
			WHERE CASE WHEN kickoff <> 0 THEN kickoff ELSE described END < $1`, toMillis(before))
		if err != nil {
			return err
		}
		if mappings, err = result.RowsAffected(); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM odds_gates WHERE since < $1`, toMillis(before)); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `DELETE FROM odds_kept WHERE at < $1`, toMillis(before))
		return err
	})
	return mappings, err
}
