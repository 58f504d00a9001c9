package store

import (
	"context"
	"fmt"
	"slices"

	"goalcast"
)

// Merge gives a user the devices, follows and preferences that another has, in one transaction,
// after which the other has none: it is a user no longer. Preferences that the user has set stay.
// Once more changes nothing. ErrTooMany if that would be more than a user may have; then nothing
// has changed.
//
// The place among followers is the earlier one of the two. Devices whose place moves while an event
// is being planned may miss its push; whoever is just logging in looks at the app.
func (s *Store) Merge(ctx context.Context, from, to goalcast.UserID) (m goalcast.Merged, err error) {
	if from == to {
		return m, nil
	}
	err = s.tx(ctx, "merge users", func(tx *tx) error {
		m = goalcast.Merged{}
		users := []goalcast.UserID{from, to}
		slices.Sort(users) // two that merge the same two the other way round wait for each other
		for _, user := range users {
			if err := tx.lockUser(ctx, user); err != nil {
				return err
			}
		}
		for _, step := range []struct {
			count *int
			query string
		}{
			{&m.Devices, `UPDATE devices SET user_id = $2 WHERE user_id = $1`},
			{&m.Follows, `INSERT INTO follows (user_id, kind, topic, created, place)
				SELECT $2, kind, topic, created, place FROM follows WHERE user_id = $1
				ON CONFLICT (user_id, kind, topic) DO NOTHING`},
			{new(int), `UPDATE follows SET place = (SELECT MIN(place) FROM follows WHERE user_id IN ($1, $2))
				WHERE user_id = $2`},
			{new(int), `DELETE FROM follows WHERE user_id = $1 AND $2 <> $1`},
		} {
			result, err := tx.exec(ctx, step.query, string(from), string(to))
			if err != nil {
				return err
			}
			changed, err := result.RowsAffected()
			if err != nil {
				return err
			}
			*step.count = int(changed)
		}
		if err := tx.mergePreferences(ctx, from, to, toMillis(s.Now())); err != nil {
			return err
		}
		return tx.withinLimits(ctx, to)
	})
	if err != nil {
		return goalcast.Merged{}, err
	}
	return m, nil
}

// withinLimits says whether a user has no more than a user may have.
func (t *tx) withinLimits(ctx context.Context, user goalcast.UserID) error {
	for _, has := range []struct {
		what  string
		max   int
		query string
	}{
		{"devices", MaxDevices, `SELECT COUNT(*) FROM devices WHERE user_id = $1`},
		{"follows", MaxFollows, `SELECT COUNT(*) FROM follows WHERE user_id = $1`},
	} {
		var n int
		if err := t.queryRow(ctx, has.query, string(user)).Scan(&n); err != nil {
			return err
		}
		if n > has.max {
			return fmt.Errorf("%w %s: %d", goalcast.ErrTooMany, has.what, has.max)
		}
	}
	return nil
}
