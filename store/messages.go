package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// messagesPerCommit is how many messages one transaction saves at most of those that wait; a single
// array may have more.
const messagesPerCommit = 1000

// saving is what one caller wants committed. Callers that wait share a transaction.
type saving struct {
	messages []goalcast.Event
	bodies   []string             // their JSON
	action   *goalcast.AuditEntry // how the action ended that they are; nil for none
	marks    []goalcast.Event     // which the bus has
	alone    bool                 // it shares no transaction

	// of the last attempt
	again       []goalcast.Event // messages that were there
	unpublished []goalcast.Event

	published bool // the bus has what was unpublished
}

func newSaving(ctx context.Context, action *goalcast.AuditEntry, messages []goalcast.Event) (*saving, error) {
	v := &saving{messages: messages, action: action, alone: isSilent(ctx)}
	for _, e := range messages {
		if e.Kind != goalcast.KindMessage || e.Seq != 0 || e.ID == "" || len(e.Topics) == 0 {
			return nil, fmt.Errorf("save message %q: %w: want kind message, an id, topics and no seq", e.ID,
				goalcast.ErrPermanent)
		}
		body, err := jsonText(e)
		if err != nil {
			return nil, fmt.Errorf("save message %s: %w: %w", e.Key(), goalcast.ErrPermanent, err)
		}
		v.bodies = append(v.bodies, body)
		v.alone = v.alone || len(e.Push) > 0 // which may be refused
	}
	return v, nil
}

func (v *saving) size() int { return max(1, len(v.messages)) }

// SaveMessages commits editors' messages and their outbox rows: all of them, or none. One that is
// already there (same id and revision) changes nothing. It returns what has to be published now:
// each message as it was first saved, but for those that are published. action is what saving them
// is in the audit, with its end; it is committed with them, and filled in. One that is to be pushed
// too soon after another one is refused: goalcast.PauseError. Relay.Post does this, and publishes.
func (s *Store) SaveMessages(ctx context.Context, action *goalcast.AuditEntry, messages ...goalcast.Event) (
	unpublished []goalcast.Event, err error) {
	v, err := newSaving(ctx, action, messages)
	if err == nil {
		err = s.commit(ctx, []*saving{v})
	}
	if err != nil {
		return nil, err
	}
	return v.unpublished, nil
}

// commitAll commits for many callers. Where that fails, and not because nobody answers, one of them
// may be to blame: then each has a transaction of his own.
func (s *Store) commitAll(ctx context.Context, list []*saving) (errs []error) {
	err := s.commit(ctx, list)
	if err == nil {
		return nil
	}
	errs = slices.Repeat([]error{err}, len(list))
	if len(list) == 1 || errors.Is(err, goalcast.ErrUnavailable) {
		return errs
	}
	for i := range list {
		errs[i] = s.commit(ctx, list[i:i+1])
	}
	return errs
}

// commit is one transaction. What it locks, it locks in this order: outbox rows, events, the audit.
func (s *Store) commit(ctx context.Context, list []*saving) error {
	var marks []goalcast.Event
	var actions []goalcast.AuditEntry
	for _, v := range list {
		marks = append(marks, v.marks...)
		if v.action != nil {
			actions = append(actions, begun(*v.action), *v.action)
		}
	}
	chain := auditChain{entries: actions, pairs: true}
	err := s.tx(ctx, "save messages", func(tx *tx) error {
		now := s.Now()
		if err := tx.markMessages(ctx, marks, now); err != nil {
			return err
		}
		if err := tx.saveMessages(ctx, list, now); err != nil {
			return err
		}
		return chain.add(ctx, tx, now)
	})
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.action != nil {
			*v.action, chain.entries = chain.entries[1], chain.entries[2:]
		}
	}
	return nil
}

// messageKey is what a message is known by.
type messageKey struct {
	match    goalcast.MatchID
	id       string
	revision int
}

func keyOf(e goalcast.Event) messageKey { return messageKey{e.Match, e.ID, e.Revision} }

// saveMessages inserts the messages of all callers, and says what each has to publish.
func (t *tx) saveMessages(ctx context.Context, list []*saving, now time.Time) error {
	rows := given{columns: eventColumns}
	for _, v := range list {
		for i, e := range v.messages {
			rows.add(e.ID, int64(e.Revision), int64(e.Match), e.Seq, v.bodies[i])
		}
	}
	if rows.count() == 0 {
		return nil
	}
	fresh, err := t.addMessages(ctx, rows, now)
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	outbox, place, mayPush := given{columns: rows.columns}, rows.values, false
	for _, v := range list {
		v.unpublished, v.again = make([]goalcast.Event, 0, len(v.messages)), nil
		for _, e := range v.messages {
			if key := keyOf(e); fresh[key] {
				delete(fresh, key) // the same again, behind it, is not
				if err := t.takeMessagePush(ctx, e, now); err != nil {
					return err
				}
				outbox.add(place[:len(rows.columns)]...)
				mayPush = mayPush || len(e.Push) > 0 || e.Revision > 1 // in place of one that was pushed
				v.unpublished = append(v.unpublished, e)
			} else {
				v.again = append(v.again, e)
			}
			place = place[len(rows.columns):]
		}
	}
	if outbox.count() > 0 {
		if err := t.saveOutbox(ctx, outbox, isSilent(ctx) || !mayPush, now); err != nil {
			return fmt.Errorf("outbox of messages: %w", err)
		}
	}
	return t.findUnpublished(ctx, list)
}

// markMessages notes that the bus has these. Of one match and revision, as those of no match are,
// they have one statement, which reads what is not published once for all of them.
func (t *tx) markMessages(ctx context.Context, published []goalcast.Event, now time.Time) error {
	type group struct {
		match    goalcast.MatchID
		revision int
	}
	ids := map[group][]string{}
	for _, e := range published {
		g := group{e.Match, e.Revision}
		ids[g] = append(ids[g], e.ID)
	}
	for g, all := range ids {
		among, list, err := t.dialect.among(4, all)
		if err == nil {
			_, err = t.exec(ctx, `UPDATE outbox SET published_at = $1 WHERE published_at IS NULL AND match_id = $2
				AND revision = $3 AND event_id `+among, now.UnixMilli(), g.match, g.revision, list)
		}
		if err != nil {
			return fmt.Errorf("mark messages: %w", err)
		}
	}
	return nil
}

// addMessages inserts rows that are not there, and says which those were.
func (t *tx) addMessages(ctx context.Context, messages given, now time.Time) (map[messageKey]bool, error) {
	table, args, err := t.dialect.table(messages, 2)
	if err != nil {
		return nil, err
	}
	rows, err := t.query(ctx, `INSERT INTO events (id, revision, match_id, seq, body, created)
		SELECT event_id, revision, match_id, seq, body, $1 FROM `+table+` WHERE TRUE
		ON CONFLICT DO NOTHING RETURNING match_id, id, revision`, append([]any{toMillis(now)}, args...)...)
	added, err := collect(rows, err, func(row scanner) (key messageKey, err error) {
		return key, row.Scan(&key.match, &key.id, &key.revision)
	})
	fresh := make(map[messageKey]bool, len(added))
	for _, key := range added {
		fresh[key] = true
	}
	return fresh, err
}

// findUnpublished adds the messages that were there before and are not published, as they are in
// the outbox: after a wipe the bus knows no messages, and a message that is posted again with other
// words must not change what was said.
func (t *tx) findUnpublished(ctx context.Context, list []*saving) error {
	for _, v := range list {
		for _, e := range v.again {
			row, err := scanOutbox(t.queryRow(ctx, `SELECT id, created, body FROM outbox WHERE published_at IS NULL
				AND seq = 0 AND match_id = $1 AND event_id = $2 AND revision = $3`, e.Match, e.ID, e.Revision))
			if err != nil && !noRows(err) {
				return err
			}
			if err == nil && row.broken == nil {
				v.unpublished = append(v.unpublished, row.event)
			}
		}
	}
	return nil
}

// takeMessagePush notes that a message is pushed to its topic now, if it is, unless one was just
// before.
func (t *tx) takeMessagePush(ctx context.Context, e goalcast.Event, now time.Time) error {
	if len(e.Push) == 0 {
		return nil
	}
	topic := e.Topics[0].String()
	done, err := t.exec(ctx, `INSERT INTO message_pushes (topic, at) VALUES ($1, $2)
		ON CONFLICT (topic) DO UPDATE SET at = excluded.at WHERE message_pushes.at <= $3`, topic, now.UnixMilli(),
		now.Add(-goalcast.MessagePause).UnixMilli())
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var last int64
	if err := t.queryRow(ctx, `SELECT at FROM message_pushes WHERE topic = $1`, topic).Scan(&last); err != nil {
		return err
	}
	return &goalcast.PauseError{Wait: fromMillis(last).Add(goalcast.MessagePause).Sub(now)}
}
