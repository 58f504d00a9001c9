package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// KeepPartnerEvents is how long partners can be told of an event, or told again.
const KeepPartnerEvents = 30 * 24 * time.Hour

// NumberEvents gives numbers to events of the outbox that have none, in the order in which they
// were committed; of one match that is the order of Seq. It returns to how many: limit means that
// there may be more. One process at a time should call it; of two that do, one may get an error.
func (s *Store) NumberEvents(ctx context.Context, limit int) (count int, err error) {
	err = s.tx(ctx, "number events", func(tx *tx) error {
		type row struct {
			id, match, created int64
			event              string
			revision           int
			silent             bool
		}
		locked := tx.dialect.forUpdate
		if locked != "" {
			locked += " NOWAIT" // rather again than a deadlock with the relay, which marks several rows as well
		}
		rows, err := tx.query(ctx, `SELECT id, match_id, event_id, revision, created, silent FROM outbox
			WHERE NOT numbered ORDER BY id LIMIT $1`+locked, limit)
		list, err := collect(rows, err, func(sc scanner) (r row, err error) {
			return r, sc.Scan(&r.id, &r.match, &r.event, &r.revision, &r.created, &r.silent)
		})
		if count = len(list); err != nil || count == 0 {
			return errors.Join(err, errRollback)
		}
		var last int64
		if err := tx.queryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM partner_events`).Scan(&last); err != nil {
			return err
		}
		var values, ids []any
		for i, r := range list {
			values = append(values, last+1+int64(i), r.match, r.event, r.revision, r.silent, r.created)
			ids = append(ids, r.id)
		}
		if _, err := tx.exec(ctx, `INSERT INTO partner_events (number, match_id, event_id, revision, silent, created)
			VALUES `+valuesList(count, 6, 1), values...); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE outbox SET numbered = TRUE WHERE id IN `+valuesList(1, count, 1), ids...)
		return err
	})
	return count, err
}

// PartnerEvents lists events behind a number, in order; at most limit.
func (s *Store) PartnerEvents(ctx context.Context, after int64, limit int) ([]goalcast.PartnerEvent, error) {
	rows, err := s.query(ctx, `SELECT p.number, p.silent, p.created, p.match_id, p.event_id, p.revision, e.body
		FROM partner_events p
		LEFT JOIN events e ON e.match_id = p.match_id AND e.id = p.event_id AND e.revision = p.revision
		WHERE p.number > $1 ORDER BY p.number LIMIT $2`, after, limit)
	list, err := collect(rows, err, func(row scanner) (e goalcast.PartnerEvent, err error) {
		var body sql.Null[[]byte]
		var created int64
		if err := row.Scan(&e.Number, &e.Silent, &created, &e.Event.Match, &e.Event.ID, &e.Event.Revision,
			&body); err != nil {
			return e, err
		}
		e.At, e.Raw = fromMillis(created), body.V
		if !body.Valid {
			e.Broken = errors.New("it is not among the events")
		} else {
			e.Broken = json.Unmarshal(body.V, &e.Event)
		}
		return e, nil
	})
	return list, s.wrap("events for partners", err)
}

const partnerColumns = `name, cursor, sets, configured, taken, failing, attempts, retry, reason, error, paused,
	(SELECT COALESCE(MAX(number), 0) FROM partner_events),
	COALESCE((SELECT e.created FROM partner_events e WHERE e.number > partners.cursor ORDER BY e.number LIMIT 1),
		(SELECT created FROM outbox WHERE NOT numbered ORDER BY id LIMIT 1), 0)`

func scanPartner(row scanner) (p goalcast.PartnerState, err error) {
	var configured, taken, failing, retry, paused, oldest int64
	err = row.Scan(&p.Name, &p.Cursor, &p.Sets, &configured, &taken, &failing, &p.Attempts, &retry, &p.Reason, &p.Error,
		&paused, &p.Newest, &oldest)
	p.Configured, p.Taken, p.Failing = fromMillis(configured), fromMillis(taken), fromMillis(failing)
	p.Retry, p.Paused, p.Oldest = fromMillis(retry), fromMillis(paused), fromMillis(oldest)
	return p, err
}

// Partners lists where all partners stand, by name; also those that are in no file any more, for
// KeepPartnerEvents.
func (s *Store) Partners(ctx context.Context) ([]goalcast.PartnerState, error) {
	rows, err := s.query(ctx, `SELECT `+partnerColumns+` FROM partners ORDER BY name`)
	list, err := collect(rows, err, scanPartner)
	return list, s.wrap("read partners", err)
}

// ConfigurePartners notes that a process has these partners in its file. A new one is told of what
// gets a number from now on.
func (s *Store) ConfigurePartners(ctx context.Context, names []string) error {
	return s.tx(ctx, "configure partners", func(tx *tx) error {
		for _, name := range names {
			if _, err := tx.exec(ctx, `INSERT INTO partners (name, cursor, configured)
				VALUES ($1, (SELECT COALESCE(MAX(number), 0) FROM partner_events), `+tx.dialect.now+`)
				ON CONFLICT (name) DO UPDATE SET configured = excluded.configured`, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// SavePartner keeps what became of a partner's next event, unless it does not stand any more where
// it did before: another process went on with it, or an operator set its cursor.
func (s *Store) SavePartner(ctx context.Context, before, after goalcast.PartnerState) (kept bool, err error) {
	result, err := s.exec(ctx, `UPDATE partners SET cursor = $4, taken = $5, failing = $6, attempts = $7, retry = $8,
		reason = $9, error = $10, paused = $11 WHERE name = $1 AND cursor = $2 AND sets = $3 AND paused = 0`,
		before.Name, before.Cursor, before.Sets, after.Cursor, toMillis(after.Taken), toMillis(after.Failing),
		after.Attempts, toMillis(after.Retry), after.Reason, clean(after.Error), toMillis(after.Paused))
	if err != nil {
		return false, s.wrap("save partner", err)
	}
	n, err := result.RowsAffected()
	return n > 0, s.wrap("save partner", err)
}

// ReplayPartner has a partner told of all events behind a number, or of those committed since a
// time if that is not zero, and ends its pause. It returns where the partner stood and stands.
// ErrNotFound; a goalcast.ReachError if events behind the number are not kept any more, or there is
// no such number yet.
func (s *Store) ReplayPartner(ctx context.Context, name string, cursor int64, since time.Time) (before,
	after goalcast.PartnerState, err error) {
	err = s.tx(ctx, "set the cursor of partner "+name, func(tx *tx) error {
		if before, err = scanPartner(tx.queryRow(ctx, `SELECT `+partnerColumns+` FROM partners WHERE name = $1`,
			name)); err != nil {
			return err
		}
		var oldest, at int64
		if err := tx.queryRow(ctx, `SELECT COALESCE(MIN(number), $1), COALESCE(MIN(CASE WHEN created >= $2
			THEN number END), $1) FROM partner_events`, before.Newest+1, toMillis(since)).Scan(&oldest, &at); err != nil {
			return err
		}
		if !since.IsZero() {
			cursor = at - 1
		}
		if cursor < oldest-1 || cursor > before.Newest {
			return &goalcast.ReachError{First: oldest - 1, Last: before.Newest}
		}
		if _, err := tx.exec(ctx, `UPDATE partners SET cursor = $2, sets = sets + 1, failing = 0, attempts = 0, retry = 0,
			reason = '', error = '', paused = 0 WHERE name = $1`, name, cursor); err != nil {
			return err
		}
		after, err = scanPartner(tx.queryRow(ctx, `SELECT `+partnerColumns+` FROM partners WHERE name = $1`, name))
		return err
	})
	return before, after, err
}

// PrunePartners deletes numbers of events that were committed before a time, and partners that no
// process has had in its file since then. It returns how many of each. The newest number stays.
func (s *Store) PrunePartners(ctx context.Context, before time.Time) (numbers, partners int64, err error) {
	for query, count := range map[string]*int64{
		`DELETE FROM partner_events WHERE created < $1
			AND number < (SELECT MAX(number) FROM partner_events)`: &numbers,
		`DELETE FROM partners WHERE configured < $1`: &partners,
	} {
		result, err := s.exec(ctx, query, toMillis(before))
		if err != nil {
			return numbers, partners, s.wrap("prune what partners are told", err)
		}
		if *count, err = result.RowsAffected(); err != nil {
			return numbers, partners, fmt.Errorf("prune what partners are told: %w", err)
		}
	}
	return numbers, partners, nil
}
