package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// errUnreadable marks a row that cannot be decoded: a later version's, or damaged. It will not get
// better by itself.
var errUnreadable = errors.New("unreadable")

// SetAside counts rows of the push tables that this process could not read and has set aside, so
// that nothing waits for them.
func (s *Store) SetAside() int64 { return s.aside.Load() }

func (s *Store) setAside(what string, id any, err error) {
	s.aside.Add(1)
	s.log.Error("unreadable row: set aside", "what", what, "id", id, "error", err)
}

// UnplannedEvents returns the events of the outbox that no notifier has planned and that are not
// postponed (PostponePlans), oldest first. A row that cannot be read is set aside: it counts as
// planned.
func (s *Store) UnplannedEvents(ctx context.Context, limit int) ([]goalcast.Event, error) {
	for {
		rows, err := s.query(ctx, `SELECT id, created, body FROM outbox WHERE planned_at IS NULL
			AND plan_after <= `+s.dialect.now+` ORDER BY id LIMIT $1`, limit)
		list, err := collect(rows, err, scanOutbox)
		if err != nil {
			return nil, s.wrap("read unplanned events", err)
		}
		var events []goalcast.Event
		for _, row := range list {
			if row.broken == nil {
				events = append(events, row.event)
				continue
			}
			if _, err := s.exec(ctx, `UPDATE outbox SET planned_at = 0 WHERE id = $1`, row.id); err != nil {
				return nil, s.wrap("mark outbox row", err)
			}
			s.setAside("event in the outbox", row.id, row.broken)
		}
		if len(events) > 0 || len(list) == 0 {
			return events, nil
		}
	}
}

// rowQuery is Store.queryRow or a transaction's.
type rowQuery func(ctx context.Context, query string, args ...any) scanner

// pushID is the id under which the pushes of an event are stored: its PushID or, if that has the
// pushes of another match's event, the id with the match in front. It locks nothing: the first
// transaction to insert has it.
func pushID(ctx context.Context, queryRow rowQuery, e goalcast.Event) (string, error) {
	var match goalcast.MatchID
	err := queryRow(ctx, `SELECT match_id FROM pushes WHERE event_id = $1`, e.PushID()).Scan(&match)
	if noRows(err) || err == nil && match == e.Match {
		return e.PushID(), nil
	}
	return fmt.Sprintf("%d/%s", e.Match, e.PushID()), err
}

// sameEvent is the condition that a row of events (e), and unplanned that a row of the outbox (x)
// still to be planned, is of the event whose pushes are kept in a row of pushes (p).
const (
	sameEvent = `e.match_id = p.match_id
		AND e.id IN (p.event_id, substr(p.event_id, length(CAST(p.match_id AS TEXT)) + 2))`
	unplanned = `x.planned_at IS NULL AND x.match_id = p.match_id
		AND x.event_id IN (p.event_id, substr(p.event_id, length(CAST(p.match_id AS TEXT)) + 2))`
)

// MarkPlanned marks the revisions with these keys (Event.KeyOfAll; Event.Key means those of every
// match) as needing no push.
func (s *Store) MarkPlanned(ctx context.Context, keys []string) error {
	return s.eachUnplanned(ctx, "mark events as planned", `planned_at = `+s.dialect.now, keys)
}

// postponeMost is the longest that PostponePlans postpones an event.
const postponeMost = 15 * time.Second

// PostponePlans postpones revisions that cannot be planned yet for as long as they have waited: 1 s
// at least, 15 s at most.
func (s *Store) PostponePlans(ctx context.Context, keys []string) error {
	waited := s.dialect.now + ` - created`
	return s.eachUnplanned(ctx, "postpone plans", fmt.Sprintf(`plan_after = %[1]s + CASE WHEN %[2]s < 1000
		THEN 1000 WHEN %[2]s > %[3]d THEN %[3]d ELSE %[2]s END`,
		s.dialect.now, waited, postponeMost.Milliseconds()), keys)
}

func (s *Store) eachUnplanned(ctx context.Context, doing, set string, keys []string) error {
	for part := range slices.Chunk(keys, 500) {
		var args []any
		for _, key := range part {
			args = append(args, key)
		}
		keysList := valuesList(1, len(part), 1)
		err := s.tx(ctx, doing, func(tx *tx) error {
			_, err := tx.exec(ctx, `UPDATE outbox SET `+set+` WHERE planned_at IS NULL
				AND (match_id || '/' || event_id || '#' || revision IN `+
				keysList+` OR event_id || '#' || revision IN `+keysList+`)`, args...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PushBacklog counts what waits: events that are not planned, audiences that are not all in
// batches, batches that are not done, and those whose users want them later.
func (s *Store) PushBacklog(ctx context.Context) (b goalcast.PushBacklog, err error) {
	held := `(attempt = 0 AND not_before > ` + s.dialect.now + `)`
	err = s.queryRow(ctx, `SELECT (SELECT COUNT(*) FROM outbox WHERE planned_at IS NULL),
		(SELECT COUNT(*) FROM pushes WHERE open),
		(SELECT COUNT(*) FROM push_batches WHERE state IN ('planned', 'claimed') AND NOT `+held+`),
		(SELECT COUNT(*) FROM push_batches WHERE state = 'planned' AND `+held+`)`).Scan(&b.Events, &b.Audiences,
		&b.Batches, &b.Held)
	return b, s.wrap("count what waits to be pushed", err)
}

const pushColumns = `event_id, match_id, revision, state, since, shown, base, told, batches, print, topics, content,
	open, cut, expires, withheld, by_topic`

func scanPush(row scanner) (goalcast.PushRecord, error) {
	var r goalcast.PushRecord
	var since, shown, expires int64
	var topics, withheld []byte
	err := row.Scan(&r.Event, &r.Match, &r.Revision, &r.State, &since, &shown, &r.Base, &r.Told, &r.Batches, &r.Print,
		&topics, &r.Content, &r.Open, &r.Cut, &expires, &withheld, &r.ByTopic)
	if err != nil {
		return r, err
	}
	r.Since, r.Shown, r.Expires = fromMillis(since), fromMillis(shown), fromMillis(expires)
	if json.Unmarshal(topics, &r.Topics) != nil {
		r.Topics = nil // damage: whoever is in a batch is told, and nobody else
	}
	r.Withheld = readCounts(withheld)
	return r, nil
}

// PushRecordOf returns the state of an event's pushes; Revision 0 if there are none yet. Its Event
// is what the other methods take.
func (s *Store) PushRecordOf(ctx context.Context, e goalcast.Event) (goalcast.PushRecord, error) {
	id, err := pushID(ctx, s.queryRow, e)
	if err != nil {
		return goalcast.PushRecord{}, s.wrap("read push record", err)
	}
	r, err := s.PushRecord(ctx, id)
	r.Event = id
	return r, err
}

// PushRecord returns what is kept under PushRecord.Event; Revision 0 if there is nothing.
func (s *Store) PushRecord(ctx context.Context, event string) (goalcast.PushRecord, error) {
	r, err := scanPush(s.queryRow(ctx, `SELECT `+pushColumns+` FROM pushes WHERE event_id = $1`, event))
	if err = s.wrap("read push record", err); errors.Is(err, goalcast.ErrNotFound) {
		return goalcast.PushRecord{}, nil
	}
	return r, err
}

// planFunc changes a record and returns it with the batches to add.
type planFunc = func(goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch, error)

// PlanPush plans one revision in one transaction: it marks the outbox row, locks the event's
// record, calls plan and writes the record and the batches that it returns. false: the revision was
// planned before, and nothing was written.
func (s *Store) PlanPush(ctx context.Context, e goalcast.Event, plan planFunc) (planned bool, err error) {
	err = s.tx(ctx, "plan push", func(tx *tx) error {
		planned = false
		now := toMillis(s.Now())
		result, err := tx.exec(ctx, `UPDATE outbox SET planned_at = $1 WHERE match_id = $4 AND event_id = $2
			AND revision = $3 AND planned_at IS NULL`,
			now, e.ID, e.Revision, e.Match)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errRollback)
		}
		row := func(ctx context.Context, q string, args ...any) scanner { return tx.queryRow(ctx, q, args...) }
		id, err := pushID(ctx, row, e)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO pushes (event_id, match_id, planned) VALUES ($1, $2, $3)
			ON CONFLICT (event_id) DO NOTHING`, id, e.Match, now); err != nil {
			return err
		}
		// Claims share this lock: once the newer revision is in the record, no claim of an older
		// one can be on its way unseen.
		rec, err := scanPush(tx.queryRow(ctx, `SELECT `+pushColumns+` FROM pushes
			WHERE event_id = $1`+tx.dialect.forUpdate, id))
		if err != nil {
			return err
		}
		if rec.Match != e.Match { // another match was first, since pushID looked
			return errAgain
		}
		rec, batches, err := plan(rec)
		if err != nil {
			return err
		}
		rec.Event, rec.Match = id, e.Match
		if err := tx.writePlan(ctx, rec, batches, now); err != nil {
			return err
		}
		planned = true
		return nil
	})
	return planned && err == nil, err
}

// ExtendPush adds batches to a push that is planned already, in one transaction: it locks the
// event's record, calls extend and writes the record and the batches that it returns. ErrNotFound
// without a record; an error of extend ends the transaction and is returned.
func (s *Store) ExtendPush(ctx context.Context, event string, extend planFunc) error {
	return s.tx(ctx, "extend push", func(tx *tx) error {
		rec, err := scanPush(tx.queryRow(ctx, `SELECT `+pushColumns+` FROM pushes
			WHERE event_id = $1`+tx.dialect.forUpdate, event))
		if err != nil {
			return err
		}
		rec, batches, err := extend(rec)
		if err != nil {
			return err
		}
		return tx.writePlan(ctx, rec, batches, toMillis(s.Now()))
	})
}

// OpenPushes returns the events whose audience is not all in batches, and to which nothing was
// added since before; oldest first.
func (s *Store) OpenPushes(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := s.query(ctx, `SELECT event_id FROM pushes WHERE open AND planned <= $1 ORDER BY planned
		LIMIT $2`, toMillis(before), limit)
	events, err := collect(rows, err, func(row scanner) (event string, err error) {
		err = row.Scan(&event)
		return event, err
	})
	return events, s.wrap("read open pushes", err)
}

// readCounts reads counts by reason; nil for none, and for what cannot be read: they only inform.
func readCounts(text []byte) (counts map[string]int) {
	if json.Unmarshal(text, &counts) != nil {
		return nil
	}
	return counts
}

func (t *tx) writePlan(ctx context.Context, r goalcast.PushRecord, batches []goalcast.PushBatch, now int64) error {
	topics, err := json.Marshal(append([]goalcast.Topic{}, r.Topics...))
	if err != nil {
		return err
	}
	var withheld []byte
	if len(r.Withheld) > 0 {
		if withheld, err = json.Marshal(r.Withheld); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `UPDATE pushes
		SET match_id = $2, revision = $3, state = $4, since = $5, shown = $6, base = $7, told = $8, batches = $9,
		print = $10, topics = $11, content = $12, planned = $13, open = $14, cut = $15, expires = $16,
		withheld = $17, by_topic = $18
		WHERE event_id = $1`,
		r.Event, int64(r.Match), r.Revision, r.State, toMillis(r.Since), toMillis(r.Shown), r.Base, r.Told, r.Batches,
		r.Print, string(topics),
		string(r.Content), now, r.Open, string(r.Cut), toMillis(r.Expires), string(withheld), r.ByTopic)
	if err != nil {
		return err
	}
	const columns = 16
	for part := range slices.Chunk(batches, 1000) {
		var args []any
		for _, b := range part {
			args = append(args, b.ID, b.Event, b.Revision, b.Number, b.Source, toMillis(b.Created), toMillis(b.Expires),
				packIDs(b.Devices), b.Late, toMillis(b.NotBefore), b.Silent, b.NoScores, len(b.Devices),
				toMillis(b.Due), b.Service, b.Language)
		}
		if _, err := t.exec(ctx, `INSERT INTO push_batches (id, event_id, revision, number, source, created,
			expires, remaining, late, not_before, silent, no_scores, devices, due, service, language) VALUES `+
			valuesList(len(part), columns, 1)+` ON CONFLICT (id) DO NOTHING`, args...); err != nil {
			return err
		}
	}
	return nil
}

// claimable is the condition for claiming a batch whose not_before is at most %[2]s (ms). Leases go
// by the database's clock, %[1]s, which all claimants share. A batch waits for one of an older
// revision of its event that is being sent, if both go to the same devices, and for a newer
// revision that is to be planned.
const claimable = `(state = 'planned' AND not_before <= %[2]s OR state = 'claimed' AND lease_until <= %[1]s)
	AND NOT EXISTS (SELECT 1 FROM push_batches o WHERE o.event_id = push_batches.event_id
	AND o.revision < push_batches.revision
		AND o.state = 'claimed' AND o.lease_until > %[1]s
		AND (push_batches.source = '' OR push_batches.source IN (o.id, o.source)))
	AND NOT EXISTS (SELECT 1 FROM pushes p JOIN outbox x ON ` + unplanned + ` WHERE p.event_id = push_batches.event_id
	AND x.revision > p.revision)`

// ClaimBatch leases the batch to the caller, by the database's clock; now only decides whether a
// postponed batch is due. false: it is done, claimed by another, not due yet, cannot be read, or
// has to wait for another revision of its event: an older one that is being sent, or a newer one
// that is to be planned.
func (s *Store) ClaimBatch(
	ctx context.Context, id string, now time.Time, lease time.Duration,
) (claim goalcast.PushClaim, ok bool, err error) {
	err = s.tx(ctx, "claim batch", func(tx *tx) error {
		claim, ok = goalcast.PushClaim{}, false
		share := ""
		if tx.dialect.forUpdate != "" {
			share = " FOR SHARE" // many claims of one push go on side by side, but none while it is planned
		}
		claim.Record, err = scanPush(tx.queryRow(ctx, `SELECT `+pushColumns+` FROM pushes
			WHERE event_id = (SELECT event_id FROM push_batches WHERE id = $1)`+share, id))
		if noRows(err) {
			_, err = tx.exec(ctx, `UPDATE push_batches SET state = 'dropped', reason = 'no record' WHERE id = $1
				AND state IN ('planned', 'claimed')`, id)
			return err
		}
		if err != nil {
			return err
		}
		if err := tx.claim(ctx, id, now, lease, &claim); err != nil {
			return err
		}
		ok = true
		return nil
	})
	switch {
	case errors.Is(err, goalcast.ErrNotFound): // no such batch (any more), or it is not to be had
		return goalcast.PushClaim{}, false, nil
	case errors.Is(err, errUnreadable):
		s.setAside("batch", id, err)
		_, err = s.exec(ctx, `UPDATE push_batches SET state = 'failed', reason = 'unreadable' WHERE id = $1`, id)
		return goalcast.PushClaim{}, false, s.wrap("set batch aside", err)
	}
	return claim, ok && err == nil, err
}

func (t *tx) claim(ctx context.Context, id string, now time.Time, lease time.Duration, c *goalcast.PushClaim) error {
	b := &c.Batch
	var created, expires, notBefore, due int64
	var remaining, reached []byte
	var unsure bool
	err := t.queryRow(ctx, fmt.Sprintf(`UPDATE push_batches
		SET state = 'claimed', attempt = attempt + 1, lease_until = %[1]s + $3, unsure = (state = 'claimed')
		WHERE id = $1 AND `+claimable+`
		RETURNING id, event_id, revision, number, source, created, expires, attempt, remaining, reached,
			unsure, not_before, silent, no_scores, due, service, language`, t.dialect.now, "$2"),
		id, toMillis(now), lease.Milliseconds()).Scan(
		&b.ID, &b.Event, &b.Revision, &b.Number, &b.Source, &created, &expires, &c.Attempt, &remaining, &reached,
		&unsure, &notBefore, &b.Silent, &b.NoScores, &due, &b.Service, &b.Language)
	if err != nil {
		return err
	}
	b.Created, b.Expires, b.NotBefore = fromMillis(created), fromMillis(expires), fromMillis(notBefore)
	b.Due = fromMillis(due)
	if c.Devices, err = unpackIDs(remaining); err != nil {
		return err
	}
	// The state before tells: the previous claimant is dead or slow, and may have sent all of it. A
	// correction must not miss those devices.
	if unsure {
		if reached, err = joinIDs(reached, remaining); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE push_batches SET reached = $2 WHERE id = $1`, id, reached); err != nil {
			return err
		}
	}
	if err := t.claimNewest(ctx, c); err != nil || b.Source == "" {
		return err
	}
	return t.claimSource(ctx, c)
}

// claimNewest looks for a revision that is newer than the record and of which phones get nothing: a
// replay made it.
func (t *tx) claimNewest(ctx context.Context, c *goalcast.PushClaim) error {
	var body []byte
	err := t.queryRow(ctx, `SELECT e.revision, e.body FROM pushes p JOIN events e ON `+sameEvent+` WHERE p.event_id = $1
		ORDER BY e.revision DESC LIMIT 1`, c.Batch.Event).Scan(&c.Newest, &body)
	if noRows(err) {
		return nil
	}
	if err != nil || c.Newest <= c.Record.Revision {
		return err
	}
	c.Void = takesBack(body)
	return nil
}

// claimSource reads which devices got the source of a claimed batch, or may have got it, and in
// which way.
func (t *tx) claimSource(ctx context.Context, c *goalcast.PushClaim) error {
	var remaining, reached []byte
	var dead bool
	// A live claim of the source was made after this batch's own, and so after this revision was
	// planned: it sends nothing older.
	err := t.queryRow(ctx, `SELECT remaining, reached, sent, state = 'claimed'
		AND lease_until <= `+t.dialect.now+`, silent, no_scores, language FROM push_batches WHERE id = $1`,
		c.Batch.Source).Scan(&remaining, &reached, &c.Sent, &dead, &c.Batch.Silent, &c.Batch.NoScores,
		&c.Batch.Language)
	if noRows(err) {
		return nil // it is gone, and with it who got it
	}
	if err != nil {
		return err
	}
	if dead {
		if reached, err = joinIDs(reached, remaining); err != nil {
			return err
		}
	}
	c.Reached, err = unpackIDs(reached)
	return err
}

// BatchCurrent reports whether a claim still stands, the revision of its record is the newest that
// is planned or is to be planned, and nothing newer withdraws the event.
func (s *Store) BatchCurrent(ctx context.Context, c goalcast.PushClaim) (bool, error) {
	var newer []byte
	err := s.queryRow(ctx, `SELECT (SELECT e.body FROM events e WHERE `+sameEvent+` AND e.revision > $3
		ORDER BY e.revision DESC LIMIT 1)
		FROM push_batches b JOIN pushes p ON p.event_id = b.event_id
		WHERE b.id = $1 AND b.attempt = $2 AND b.state = 'claimed' AND p.revision = $3
			AND NOT EXISTS (SELECT 1 FROM outbox x WHERE `+unplanned+` AND x.revision > $3)`,
		c.Batch.ID, c.Attempt, c.Record.Revision).Scan(&newer)
	if noRows(err) {
		return false, nil
	}
	return err == nil && !takesBack(newer), s.wrap("look at batch", err)
}

// takesBack reports whether the body of an event withdraws it; nil does not.
func takesBack(body []byte) bool {
	var e goalcast.Event
	return json.Unmarshal(body, &e) == nil && !e.Counts()
}

// FinishBatch returns a claim with what became of the batch. false: the claim was lost, and nothing
// is written. Reached is added to what earlier attempts reached.
func (s *Store) FinishBatch(ctx context.Context, c goalcast.PushClaim, r goalcast.PushResult) (kept bool, err error) {
	err = s.tx(ctx, "finish batch", func(tx *tx) error {
		kept = false
		var reached, remaining, before []byte
		err := tx.queryRow(ctx, `SELECT reached, remaining, tally FROM push_batches WHERE id = $1 AND attempt = $2
			AND state = 'claimed'`+tx.dialect.forUpdate,
			c.Batch.ID, c.Attempt).Scan(&reached, &remaining, &before)
		if err != nil {
			return err
		}
		if reached, err = joinIDs(reached, packIDs(r.Reached)); err != nil {
			return err
		}
		if r.Remaining != nil || r.State != goalcast.BatchPlanned {
			remaining = packIDs(r.Remaining)
		}
		tally, err := addTally(before, r.Tally)
		if err != nil {
			return err
		}
		sent := 0
		if len(r.Reached) > 0 {
			sent = r.Revision
		}
		_, err = tx.exec(ctx, `UPDATE push_batches
			SET state = $2, reason = $3, not_before = $4, remaining = $5, reached = $6,
			sent = CASE WHEN sent = 0 THEN $7 ELSE sent END, lease_until = 0, tally = $8,
			devices = CASE WHEN devices = 0 THEN $9 ELSE devices END WHERE id = $1`,
			c.Batch.ID, r.State, r.Reason, toMillis(r.NotBefore), remaining, reached, sent, tally, len(c.Reached))
		kept = err == nil
		return err
	})
	if errors.Is(err, goalcast.ErrNotFound) {
		return false, nil
	}
	return kept && err == nil, err
}

// addTally adds what an attempt counted to what was kept of those before. What cannot be read is
// given up: it only informs.
func addTally(before []byte, attempt goalcast.PushTally) (string, error) {
	var sum goalcast.PushTally
	if json.Unmarshal(before, &sum) != nil || sum == nil {
		sum = goalcast.PushTally{}
	}
	if sum.Add(attempt); len(sum) == 0 {
		return "", nil
	}
	text, err := json.Marshal(sum)
	return string(text), err
}

// DueBatches lists batches that ClaimBatch would lease now, oldest first, but for late ones and
// those of the services that are left out.
func (s *Store) DueBatches(ctx context.Context, now time.Time, limit int, without []string) ([]goalcast.DueBatch,
	error) {
	return s.due(ctx, now, limit, without, false)
}

// DueLate lists late batches (PushBatch.Late) that ClaimBatch would lease now, oldest first, but
// for those of the services that are left out.
func (s *Store) DueLate(ctx context.Context, now time.Time, limit int, without []string) ([]goalcast.DueBatch, error) {
	return s.due(ctx, now, limit, without, true)
}

func (s *Store) due(ctx context.Context, now time.Time, limit int, without []string, late bool) ([]goalcast.DueBatch,
	error) {
	left, args := "", []any{toMillis(now), limit, late}
	if len(without) > 0 {
		left = ` AND service NOT IN ` + valuesList(1, len(without), 4)
		for _, service := range without {
			args = append(args, service)
		}
	}
	rows, err := s.query(ctx, fmt.Sprintf(`SELECT id, service FROM push_batches WHERE state IN ('planned', 'claimed')
		AND late = $3`+left+` AND `+claimable+` ORDER BY created LIMIT $2`, s.dialect.now, "$1"), args...)
	batches, err := collect(rows, err, func(row scanner) (b goalcast.DueBatch, err error) {
		err = row.Scan(&b.ID, &b.Service)
		return b, err
	})
	return batches, s.wrap("read due batches", err)
}

// BatchServices lists the services of the batches that a revision's push has, by their number.
func (s *Store) BatchServices(ctx context.Context, event string, revision int) ([]string, error) {
	rows, err := s.query(ctx, `SELECT service FROM push_batches WHERE event_id = $1 AND revision = $2 ORDER BY number`,
		event, revision)
	services, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
	return services, s.wrap("read services of batches", err)
}

// PrunePushes deletes the batches and texts of pushes that were planned before a time, and counts
// them. What was pushed, or would have been said of what never was, stays in their records: pruning
// makes no news of whatever comes of such an event later.
func (s *Store) PrunePushes(ctx context.Context, before time.Time) (count int64, err error) {
	const old = ` WHERE planned < $1 AND planned > 0` // 0: pruned
	err = s.tx(ctx, "prune pushes", func(tx *tx) error {
		count = 0
		for i, query := range []string{
			`DELETE FROM push_batches WHERE event_id IN (SELECT event_id FROM pushes` + old + `)`,
			`DELETE FROM pushes` + old + ` AND base = 0 AND print = ''`,
			`UPDATE pushes SET planned = 0, content = '', topics = '[]', cut = '', open = FALSE,
				withheld = ''` + old,
		} {
			result, err := tx.exec(ctx, query, toMillis(before))
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if i > 0 {
				count += n
			}
		}
		return nil
	})
	return count, err
}

// packIDs writes ids in rising order, each once, as the differences between neighbours: 500
// followers of one match take less than a kilobyte. No ids are nil.
func packIDs(ids []int64) []byte {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var b []byte
	last := int64(0)
	for _, id := range ids {
		b = binary.AppendVarint(b, id-last)
		last = id
	}
	return b
}

// joinIDs makes one packed list of two.
func joinIDs(a, b []byte) ([]byte, error) {
	first, err := unpackIDs(a)
	if err != nil {
		return nil, err
	}
	second, err := unpackIDs(b)
	return packIDs(append(first, second...)), err
}

// unpackIDs reads what packIDs wrote; nil for nil.
func unpackIDs(b []byte) ([]int64, error) {
	var ids []int64
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: list of device ids is broken after %d", errUnreadable, len(ids))
		}
		last += d
		ids = append(ids, last)
		b = b[n:]
	}
	return ids, nil
}
