package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"goalcast"
)

// outboxRow is an event that was committed and is not known to be on the bus.
type outboxRow struct {
	id      int64
	created time.Time
	event   goalcast.Event
	broken  error // the body cannot be read: a later version's, or damage
}

func scanOutbox(row scanner) (outboxRow, error) {
	var r outboxRow
	var body []byte
	var created int64
	if err := row.Scan(&r.id, &created, &body); err != nil {
		return r, err
	}
	r.created = fromMillis(created)
	r.broken = json.Unmarshal(body, &r.event)
	return r, nil
}

// unpublished lists rows created before a time (by Now), in the order in which they were written;
// for one match that is the order of Seq, since rows of a match are written under its lock.
func (s *Store) unpublished(ctx context.Context, before time.Time, limit int) ([]outboxRow, error) {
	rows, err := s.query(ctx, `SELECT id, created, body FROM outbox WHERE published_at IS NULL
		AND `+s.past("created", "<=", 1)+` ORDER BY id LIMIT $2`,
		before.UnixMilli(), limit)
	list, err := collect(rows, err, scanOutbox)
	return list, s.wrap("unpublished events", err)
}

// unpublishedOf lists a match's unpublished rows below a Seq, in order.
func (s *Store) unpublishedOf(ctx context.Context, match goalcast.MatchID, below int64) ([]outboxRow, error) {
	rows, err := s.query(ctx, `SELECT id, created, body FROM outbox WHERE published_at IS NULL AND match_id = $1
		AND seq > 0 AND seq < $2 ORDER BY seq`,
		match, below)
	list, err := collect(rows, err, scanOutbox)
	return list, s.wrap(fmt.Sprintf("unpublished events of match %d", match), err)
}

// markPublished notes that the bus has these revisions. It does not ask whether that is noted
// already: PostgreSQL would then look in the index of what is not, and read all of a match for
// each, or all messages, which are of match 0.
func (s *Store) markPublished(ctx context.Context, events []goalcast.Event, now time.Time) error {
	rows := given{columns: []string{"match_id bigint", "event_id text", "revision bigint"}}
	for _, e := range events {
		rows.add(int64(e.Match), e.ID, int64(e.Revision))
	}
	table, args, err := s.dialect.table(rows, 2)
	if err == nil {
		_, err = s.exec(ctx, `UPDATE outbox SET published_at = $1 FROM `+table+` WHERE outbox.match_id = r.match_id
			AND outbox.event_id = r.event_id AND outbox.revision = r.revision`, append([]any{now.UnixMilli()}, args...)...)
	}
	return s.wrap("mark events as published", err)
}

// markBroken marks a row that cannot be read, so that it is not tried again.
func (s *Store) markBroken(ctx context.Context, id int64) error {
	_, err := s.exec(ctx, `UPDATE outbox SET published_at = 0 WHERE id = $1`, id)
	return s.wrap("mark outbox row", err)
}

// PruneOutbox deletes rows from before a time that are on the bus, planned for phones or not: no
// push waits as long as rows are kept, and there may be no notifier at all. Where there are
// partners, rows that have no number for them stay for KeepPartnerEvents. It returns how many it
// deleted. The events stay.
func (s *Store) PruneOutbox(ctx context.Context, before time.Time) (int64, error) {
	result, err := s.exec(ctx, `DELETE FROM outbox WHERE created < $1 AND published_at IS NOT NULL
		AND (numbered OR created < $2 OR NOT EXISTS (SELECT 1 FROM partners))`,
		before.UnixMilli(), before.Add(-KeepPartnerEvents).UnixMilli())
	if err != nil {
		return 0, s.wrap("prune outbox", err)
	}
	n, err := result.RowsAffected()
	return n, s.wrap("prune outbox", err)
}
