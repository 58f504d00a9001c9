package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// maxMatches is how many matches one call lists at most, and by default.
const maxMatches = 1000

// UpdateMatch changes a match under its lock. fn gets the current record (one with only Snapshot.ID
// if the match is new) and returns it changed, with the new event revisions, in Seq order and
// complete but for Times.Published. One transaction then writes the record, the events, their
// outbox rows and the teams and competition of a fixture. Nothing is written when fn returns an
// error, which is then returned unchanged, nor when there are no events and the same Feeds; the
// snapshot is written only with events, since it follows from them.
//
// Other updates of the same match wait. fn may be called more than once, so it changes nothing
// outside. Under Silent no push follows.
func (s *Store) UpdateMatch(ctx context.Context, id goalcast.MatchID,
	fn func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error)) error {
	var refused error // by fn; kept apart so that it is never taken for one of the database
	err := s.tx(ctx, fmt.Sprintf("update match %d", id), func(tx *tx) error {
		refused = nil
		old, err := tx.lockMatch(ctx, id)
		if err != nil {
			return err
		}
		feeds := bytes.Clone(old.Feeds)
		changed, events, err := fn(old)
		if err != nil {
			refused = err
			return errRollback
		}
		sameFeeds := bytes.Equal(feeds, changed.Feeds)
		switch {
		case len(events) == 0 && sameFeeds:
			return errRollback
		case len(events) == 0:
			_, err := tx.exec(ctx, `UPDATE matches SET feeds = $2 WHERE id = $1`, id, notNil(changed.Feeds))
			return err
		}
		if err := tx.saveMatch(ctx, id, changed, sameFeeds); err != nil {
			return err
		}
		if err := tx.saveNames(ctx, events); err != nil {
			return err
		}
		return tx.saveEvents(ctx, events, s.Now())
	})
	return errors.Join(err, refused)
}

// lockMatch reads a match for change; a new one is inserted, so that there is a row to lock.
func (t *tx) lockMatch(ctx context.Context, id goalcast.MatchID) (goalcast.MatchRecord, error) {
	read := func() (goalcast.MatchRecord, error) {
		return scanRecord(t.queryRow(ctx, `SELECT id, snapshot, feeds FROM matches
			WHERE id = $1`+t.dialect.forUpdate, id))
	}
	record, err := read()
	if !errors.Is(err, sql.ErrNoRows) {
		return record, err
	}
	record = goalcast.MatchRecord{Snapshot: goalcast.Snapshot{ID: id}}
	snapshot, err := json.Marshal(record.Snapshot)
	if err != nil {
		return record, err
	}
	result, err := t.exec(ctx, `INSERT INTO matches (id, snapshot, feeds) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, id, string(snapshot), []byte{})
	if err != nil {
		return record, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return record, err
	}
	return read() // another transaction was first, and has ended since: INSERT waited for it
}

func scanRecord(row scanner) (goalcast.MatchRecord, error) {
	var r goalcast.MatchRecord
	var id goalcast.MatchID
	var snapshot []byte
	if err := row.Scan(&id, &snapshot, &r.Feeds); err != nil {
		return r, err
	}
	if len(r.Feeds) == 0 {
		r.Feeds = nil
	}
	if err := json.Unmarshal(snapshot, &r.Snapshot); err != nil {
		return r, &unreadable{fmt.Sprintf("match %d", id), err}
	}
	return r, nil
}

// saveMatch writes the record; feeds only if they changed: a column that is not set keeps its place
// on disk.
func (t *tx) saveMatch(ctx context.Context, id goalcast.MatchID, r goalcast.MatchRecord, sameFeeds bool) error {
	snapshot, err := jsonText(r.Snapshot)
	if err != nil {
		return err
	}
	m := r.Snapshot
	query := `UPDATE matches SET competition = $2, home = $3, away = $4, kickoff = $5, state = $6, seq = $7,
		updated = $8, snapshot = $9`
	args := []any{id, m.Competition.ID, m.Home.ID, m.Away.ID, toMillis(m.Kickoff), m.State, m.Seq, m.Updated, snapshot}
	if !sameFeeds {
		query += `, feeds = $10`
		args = append(args, notNil(r.Feeds))
	}
	_, err = t.exec(ctx, query+` WHERE id = $1`, args...)
	return err
}

// MatchRecords reads matches without a lock, for a look before UpdateMatch. Those that do not exist
// are missing.
func (s *Store) MatchRecords(
	ctx context.Context, ids []goalcast.MatchID,
) (map[goalcast.MatchID]goalcast.MatchRecord, error) {
	found := make(map[goalcast.MatchID]goalcast.MatchRecord, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), maxMatches)
		args := make([]any, n)
		for i, id := range ids[:n] {
			args[i] = id
		}
		rows, err := s.query(ctx, `SELECT id, snapshot, feeds FROM matches WHERE id IN `+valuesList(1, n, 1), args...)
		records, err := collectReadable(s, rows, err, scanRecord)
		if err != nil {
			return nil, s.wrap("match records", err)
		}
		for _, r := range records {
			found[r.Snapshot.ID] = r
		}
		ids = ids[n:]
	}
	return found, nil
}

func scanSnapshot(row scanner) (goalcast.Snapshot, error) {
	var m goalcast.Snapshot
	var id goalcast.MatchID
	var text []byte
	if err := row.Scan(&id, &text); err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, &unreadable{fmt.Sprintf("match %d", id), err}
	}
	return m, nil
}

// Match returns a match's snapshot; ErrNotFound, also for a match without any event yet.
func (s *Store) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	m, err := scanSnapshot(s.queryRow(ctx, `SELECT id, snapshot FROM matches WHERE id = $1 AND seq > 0`, id))
	return m, s.wrap(fmt.Sprintf("match %d", id), err)
}

// placeColumn is when a match is, as Snapshot.Time has it.
const placeColumn = `(CASE WHEN kickoff <> 0 THEN kickoff ELSE updated END)`

// Matches lists matches by their time, then id; at most 1000. Those without any event, of which
// only a feed's memory is known, are left out, and so is the canary match.
func (s *Store) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = maxMatches
	}
	w := where{}
	w.when(true, "seq >= ", 1)
	w.when(true, "id <> ", goalcast.CanaryMatch)
	w.within(f)
	w.when(f.State != "", "state = ", f.State)
	w.when(f.Competition != 0, "competition = ", f.Competition)
	if f.Team != 0 {
		w.args = append(w.args, f.Team)
		w.conditions = append(w.conditions, fmt.Sprintf("(home = $%d OR away = $%[1]d)", len(w.args)))
	}
	if f.After != (goalcast.MatchPlace{}) {
		w.args = append(w.args, toMillis(f.After.Time), f.After.ID)
		w.conditions = append(w.conditions, fmt.Sprintf("(%s, id) > ($%d, $%d)", placeColumn,
			len(w.args)-1, len(w.args)))
	}
	w.args = append(w.args, min(limit, maxMatches))
	var list []goalcast.Snapshot
	read := func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, fmt.Sprintf(`SELECT id, snapshot FROM matches%s ORDER BY %s, id
			LIMIT $%d`, w.String(), placeColumn, len(w.args)), w.args...)
		list, err = collectReadable(s, rows, err, scanSnapshot)
		return err
	}
	var err error
	if f.MayLag {
		err = s.lagging(ctx, read)
	} else {
		err = read(ctx, s)
	}
	return list, s.wrap("list matches", err)
}

// KickoffsAround returns the last planned kick-off before from and the first at or after to; zero
// times where there is none. Of one competition or, with 0, of all but some.
func (s *Store) KickoffsAround(ctx context.Context, from, to time.Time, of goalcast.CompetitionID,
	without []goalcast.CompetitionID) (before, after time.Time, err error) {
	counts := ""
	if of != 0 {
		counts = fmt.Sprintf(" AND competition = %d", of)
	}
	if len(without) > 0 {
		ids := make([]string, len(without))
		for i, id := range without {
			ids[i] = strconv.FormatInt(int64(id), 10)
		}
		counts += " AND competition NOT IN (" + strings.Join(ids, ", ") + ")"
	}
	for _, side := range []struct {
		kickoff   *time.Time
		condition string
		at        time.Time
	}{
		{&before, ` AND kickoff < $1 AND kickoff > 0 ORDER BY kickoff DESC`, from},
		{&after, ` AND kickoff >= $1 AND kickoff > 0 ORDER BY kickoff`, to},
	} {
		var ms int64
		err := s.lagging(ctx, func(ctx context.Context, q querier) error {
			return q.queryRow(ctx, `SELECT kickoff FROM matches
				WHERE seq > 0`+counts+side.condition+` LIMIT 1`, toMillis(side.at)).Scan(&ms)
		})
		if err = s.wrap("kick-offs around a day", err); err != nil && !errors.Is(err, goalcast.ErrNotFound) {
			return before, after, err
		}
		if err == nil {
			*side.kickoff = fromMillis(ms)
		}
	}
	return before, after, nil
}

// within adds a filter's time. Each of its parts has an index.
func (w *where) within(f goalcast.MatchFilter) {
	span := func(column string, from, to time.Time) string {
		text := ""
		for _, end := range []struct {
			at time.Time
			op string
		}{{from, ">="}, {to, "<"}} {
			if end.at.IsZero() {
				continue
			}
			w.args = append(w.args, toMillis(end.at))
			text += fmt.Sprintf(" AND %s %s $%d", column, end.op, len(w.args))
		}
		return text
	}
	if f.From.IsZero() && f.To.IsZero() {
		return
	}
	planned := "TRUE"
	if f.Unplanned {
		planned = "kickoff <> 0"
	}
	parts := []string{planned + span("kickoff", f.From, f.To)}
	if f.Unplanned {
		parts = append(parts, "kickoff = 0"+span("updated", f.From, f.To))
	}
	if f.Live {
		parts = append(parts, "state = 'live'"+span("updated", f.From, time.Time{}))
	}
	w.conditions = append(w.conditions, "("+strings.Join(parts, " OR ")+")")
}

// Known calls visit with the topic of every match that has an event, and of every team and
// competition that a fixture named.
func (s *Store) Known(ctx context.Context, visit func(goalcast.Topic)) error {
	for _, kind := range []struct {
		kind  goalcast.TopicKind
		query string
	}{
		{goalcast.MatchTopic, `SELECT id FROM matches WHERE seq > 0`},
		{goalcast.TeamTopic, `SELECT id FROM teams`},
		{goalcast.CompetitionTopic, `SELECT id FROM competitions`},
	} {
		rows, err := s.query(ctx, kind.query)
		if err == nil {
			err = func() error {
				defer rows.Close()
				for rows.Next() {
					var id int64
					if err := rows.Scan(&id); err != nil {
						return err
					}
					visit(goalcast.Topic{Kind: kind.kind, ID: id})
				}
				return rows.Err()
			}()
		}
		if err != nil {
			return s.wrap("all topics", err)
		}
	}
	return nil
}

// notNil is for columns that are NOT NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// jsonText encodes for a text column. Broken UTF-8, which a RawMessage can carry and PostgreSQL
// refuses, is replaced.
func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), err
}
