package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"goalcast"
)

// maxAlarms is how many alarms one call lists at most, and by default.
const maxAlarms = 1000

const alarmColumns = `id, name, kind, match_id, text, opened, closed, acked, acked_by`

func scanAlarm(row scanner) (a goalcast.Alarm, err error) {
	var opened, closed, acked int64
	err = row.Scan(&a.ID, &a.Name, &a.Kind, &a.Match, &a.Text, &opened, &closed, &acked, &a.AckedBy)
	a.Opened, a.Closed, a.Acked = fromMillis(opened), fromMillis(closed), fromMillis(acked)
	return a, err
}

// SettleAlarms opens the alarms of the given kinds that are firing and not open, closes those that
// are not firing any more, and updates the text of the others. Of firing only Name, Kind, Match and
// Text are read. It returns what it opened and closed.
func (s *Store) SettleAlarms(
	ctx context.Context, kinds []goalcast.AlarmKind, firing []goalcast.Alarm, now time.Time,
) (opened, closed []goalcast.Alarm, err error) {
	err = s.tx(ctx, "settle alarms", func(tx *tx) error {
		opened, closed = nil, nil
		rows, err := tx.query(ctx, `SELECT `+alarmColumns+` FROM alarms WHERE closed = 0
			ORDER BY id`+s.dialect.forUpdate)
		open, err := collect(rows, err, scanAlarm)
		if err != nil {
			return err
		}
		known := map[string]goalcast.Alarm{}
		for _, a := range open {
			known[a.Name] = a
			if !slices.Contains(kinds, a.Kind) || slices.ContainsFunc(firing,
				func(f goalcast.Alarm) bool { return f.Name == a.Name }) {
				continue
			}
			if _, err := tx.exec(ctx, `UPDATE alarms SET closed = $2 WHERE id = $1`, a.ID, toMillis(now)); err != nil {
				return err
			}
			a.Closed = fromMillis(toMillis(now))
			closed = append(closed, a)
		}
		for _, f := range firing {
			f.Text = clean(f.Text)
			if old, there := known[f.Name]; there {
				if old.Text != f.Text {
					if _, err := tx.exec(ctx, `UPDATE alarms SET text = $2 WHERE id = $1`, old.ID, f.Text); err != nil {
						return err
					}
				}
				continue
			}
			a, err := scanAlarm(tx.queryRow(ctx, `INSERT INTO alarms (name, kind, match_id, text, opened)
				VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT DO NOTHING RETURNING `+alarmColumns, clean(f.Name), f.Kind, f.Match, f.Text, toMillis(now)))
			if noRows(err) {
				continue // another process opened it just now
			}
			if err != nil {
				return err
			}
			known[f.Name] = a
			opened = append(opened, a)
		}
		return nil
	})
	return opened, closed, err
}

// AckAlarm notes that an operator takes care of an alarm, and returns it; the first one stays.
// ErrNotFound.
func (s *Store) AckAlarm(
	ctx context.Context, id int64, by string, now time.Time,
) (alarm goalcast.Alarm, first bool, err error) {
	err = s.tx(ctx, fmt.Sprintf("acknowledge alarm %d", id), func(tx *tx) error {
		result, err := tx.exec(ctx, `UPDATE alarms SET acked = $2, acked_by = $3 WHERE id = $1
			AND acked = 0`, id, toMillis(now), clean(by))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		first = n > 0
		alarm, err = scanAlarm(tx.queryRow(ctx, `SELECT `+alarmColumns+` FROM alarms WHERE id = $1`, id))
		return err
	})
	return alarm, first, err
}

// Alarms lists alarms, newest first.
func (s *Store) Alarms(ctx context.Context, f goalcast.AlarmFilter) ([]goalcast.Alarm, error) {
	w := where{}
	w.when(f.Open, "closed = ", 0)
	w.when(f.Kind != "", "kind = ", f.Kind)
	w.when(f.Match != 0, "match_id = ", f.Match)
	w.when(f.Before > 0, "id < ", f.Before)
	limit := f.Limit
	if limit <= 0 {
		limit = maxAlarms
	}
	w.args = append(w.args, min(limit, maxAlarms))
	rows, err := s.query(ctx, `SELECT `+alarmColumns+` FROM alarms`+w.String()+
		` ORDER BY id DESC LIMIT $`+strconv.Itoa(len(w.args)), w.args...)
	list, err := collect(rows, err, scanAlarm)
	return list, s.wrap("list alarms", err)
}

// OpenAlarms counts the alarms that are open, by kind.
func (s *Store) OpenAlarms(ctx context.Context) (map[goalcast.AlarmKind]int, error) {
	rows, err := s.query(ctx, `SELECT kind, COUNT(*) FROM alarms WHERE closed = 0 GROUP BY kind`)
	out := map[goalcast.AlarmKind]int{}
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var kind goalcast.AlarmKind
		var n int
		err = row.Scan(&kind, &n)
		out[kind] = n
		return none, err
	})
	return out, s.wrap("count alarms", err)
}

// PruneAlarms deletes alarms that were closed before a time.
func (s *Store) PruneAlarms(ctx context.Context, before time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM alarms WHERE closed > 0 AND closed < $1`, toMillis(before))
	return s.wrap("prune alarms", err)
}

// LastDocuments returns when the last document of each match came; one that came again counts too.
// Matches without any are missing.
func (s *Store) LastDocuments(ctx context.Context, matches []goalcast.MatchID) (map[goalcast.MatchID]time.Time, error) {
	out := map[goalcast.MatchID]time.Time{}
	for chunk := range slices.Chunk(matches, maxMatches) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		rows, err := s.query(ctx, `SELECT match_id, MAX(seen) FROM documents
			WHERE match_id IN `+valuesList(1, len(chunk), 1)+` GROUP BY match_id`, args...)
		_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
			var id goalcast.MatchID
			var seen int64
			err = row.Scan(&id, &seen)
			out[id] = fromMillis(seen)
			return none, err
		})
		if err != nil {
			return nil, s.wrap("last documents", err)
		}
	}
	return out, nil
}

func scanFailedFeed(row scanner) (f goalcast.FailedFeed, err error) {
	return f, row.Scan(&f.Provider, &f.Feed, &f.Documents, &f.Newest)
}

// FailedFeeds counts the documents that came since a time and could not be understood.
func (s *Store) FailedFeeds(ctx context.Context, since time.Time) ([]goalcast.FailedFeed, error) {
	rows, err := s.query(ctx, `SELECT provider, feed, COUNT(*), MAX(id) FROM documents WHERE state = 'failed'
		AND seen >= $1 GROUP BY provider, feed ORDER BY provider, feed`,
		toMillis(since))
	list, err := collect(rows, err, scanFailedFeed)
	return list, s.wrap("failed feeds", err)
}
