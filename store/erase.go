package store

import (
	"context"

	"goalcast"
)

// Erase deletes all that is kept of a user, in one transaction; a user of whom nothing is kept is
// no error. Pushes under way go to none of the user's devices any more, since who gets a batch is
// read when it is sent. What is left in batches until they are deleted themselves
// (notify.Config.Keep) are numbers of devices that are nobody's.
func (s *Store) Erase(ctx context.Context, user goalcast.UserID) error {
	return s.tx(ctx, "erase user", func(tx *tx) error {
		if err := tx.lockUser(ctx, user); err != nil {
			return err
		}
		for _, table := range userTables {
			if _, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE user_id = $1`, string(user)); err != nil {
				return err
			}
		}
		return nil
	})
}

// userTables are all tables with a column user_id.
var userTables = []string{"devices", "follows", "preferences"}
