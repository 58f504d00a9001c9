package store

import (
	"context"
	"encoding/json"
	"fmt"

	"goalcast"
)

// MaxFollowPreferences is how many follows of a user may have preferences of their own: they are
// read with each push to that user.
const MaxFollowPreferences = 100

// Preferences returns all that a user has set; nothing is the default.
func (s *Store) Preferences(ctx context.Context, user goalcast.UserID) (goalcast.UserPreferences, error) {
	p, err := readPreferences(ctx, s.queryRow, user)
	return p, s.wrap("read preferences", err)
}

// SavePreferences replaces a user's preferences, but for those of follows.
func (s *Store) SavePreferences(ctx context.Context, user goalcast.UserID, p goalcast.Preferences) error {
	return s.tx(ctx, "save preferences", func(tx *tx) error {
		return tx.changePreferences(ctx, user, toMillis(s.Now()), func(u *goalcast.UserPreferences) error {
			u.Preferences = p
			return nil
		})
	})
}

// SaveFollowPreferences replaces what a user has set for one topic that he follows; ErrNotFound if
// he does not. ErrTooMany beyond MaxFollowPreferences.
func (s *Store) SaveFollowPreferences(ctx context.Context, user goalcast.UserID, topic goalcast.Topic,
	p goalcast.FollowPreferences) error {
	return s.tx(ctx, "save preferences of follow", func(tx *tx) error {
		return tx.changePreferences(ctx, user, toMillis(s.Now()), func(u *goalcast.UserPreferences) error {
			var one int
			if err := tx.queryRow(ctx, `SELECT 1 FROM follows WHERE user_id = $1 AND kind = $2 AND topic = $3`,
				string(user), int(topic.Kind), topic.ID).Scan(&one); err != nil {
				return err
			}
			if u.Follows == nil {
				u.Follows = map[goalcast.Topic]goalcast.FollowPreferences{}
			}
			if u.Follows[topic] = p; p.IsZero() {
				delete(u.Follows, topic)
			}
			if len(u.Follows) > MaxFollowPreferences {
				return fmt.Errorf("%w follows with preferences: %d", goalcast.ErrTooMany, MaxFollowPreferences)
			}
			return nil
		})
	})
}

// changePreferences changes a user's row, whatever else changes it at the same time.
func (t *tx) changePreferences(ctx context.Context, user goalcast.UserID, now int64,
	change func(*goalcast.UserPreferences) error) error {
	if err := t.lockUser(ctx, user); err != nil {
		return err
	}
	p, err := readPreferences(ctx, func(ctx context.Context, q string, args ...any) scanner {
		return t.queryRow(ctx, q, args...)
	}, user)
	if err != nil {
		return err
	}
	if err := change(&p); err != nil {
		return err
	}
	if err := t.topicsChanged(ctx, user, now); err != nil {
		return err
	}
	return t.writePreferences(ctx, user, p, now)
}

func (t *tx) writePreferences(ctx context.Context, user goalcast.UserID, p goalcast.UserPreferences, now int64) error {
	optsIn := p.OptsIn()
	if _, err := t.exec(ctx, `UPDATE follows SET opted_in = $2 WHERE user_id = $1 AND opted_in <> $2`, string(user),
		optsIn); err != nil {
		return err
	}
	if p.IsZero() {
		_, err := t.exec(ctx, `DELETE FROM preferences WHERE user_id = $1`, string(user))
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO preferences (user_id, body, updated, opted_in) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET body = excluded.body, updated = excluded.updated,
			opted_in = excluded.opted_in`,
		string(user), string(body), now, optsIn)
	return err
}

// readPreferences takes a row that cannot be read for none: its user can set them again.
func readPreferences(ctx context.Context, queryRow rowQuery, user goalcast.UserID) (goalcast.UserPreferences, error) {
	var body []byte
	err := queryRow(ctx, `SELECT body FROM preferences WHERE user_id = $1`, string(user)).Scan(&body)
	if noRows(err) {
		return goalcast.UserPreferences{}, nil
	}
	var p goalcast.UserPreferences
	if err == nil && json.Unmarshal(body, &p) != nil {
		return goalcast.UserPreferences{}, nil
	}
	return p, err
}

// forgetFollow ends the preferences of a topic that a user follows no longer.
func (t *tx) forgetFollow(ctx context.Context, user goalcast.UserID, topic goalcast.Topic, now int64) error {
	return t.changePreferences(ctx, user, now, func(u *goalcast.UserPreferences) error {
		delete(u.Follows, topic)
		return nil
	})
}

// mergePreferences gives a user what another has set and he has not; the other has none afterwards.
// The follows of both are his already.
func (t *tx) mergePreferences(ctx context.Context, from, to goalcast.UserID, now int64) error {
	var other goalcast.UserPreferences
	if err := t.changePreferences(ctx, from, now, func(u *goalcast.UserPreferences) error {
		other, *u = *u, goalcast.UserPreferences{}
		return nil
	}); err != nil {
		return err
	}
	return t.changePreferences(ctx, to, now, func(u *goalcast.UserPreferences) error {
		*u = u.Merge(other)
		if len(u.Follows) > MaxFollowPreferences {
			return fmt.Errorf("%w follows with preferences: %d", goalcast.ErrTooMany, MaxFollowPreferences)
		}
		return nil
	})
}
