package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// eventColumns are what rows of events and of the outbox have in common.
var eventColumns = []string{"event_id text", "revision bigint", "match_id bigint", "seq bigint", "body text"}

// saveEvents writes event revisions and their outbox rows.
func (t *tx) saveEvents(ctx context.Context, events []goalcast.Event, now time.Time) error {
	rows := given{columns: eventColumns}
	for _, e := range events {
		body, err := jsonText(e)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Key(), err)
		}
		rows.add(e.ID, int64(e.Revision), int64(e.Match), e.Seq, body)
	}
	if rows.count() == 0 {
		return nil
	}
	table, args, err := t.dialect.table(rows, 2)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO events (id, revision, match_id, seq, body, created)
		SELECT event_id, revision, match_id, seq, body, $1 FROM `+table, append([]any{toMillis(now)}, args...)...)
	if err != nil {
		return fmt.Errorf("events from %s: %w", events[0].Key(), err)
	}
	if err := t.saveOutbox(ctx, rows, isSilent(ctx), now); err != nil {
		return fmt.Errorf("outbox from %s: %w", events[0].Key(), err)
	}
	return nil
}

// saveOutbox writes rows of eventColumns to the outbox, as already planned for phones if they have
// no interest in them. Partners are never told of the canary match: its rows get no number.
func (t *tx) saveOutbox(ctx context.Context, events given, planned bool, now time.Time) error {
	table, args, err := t.dialect.table(events, 5)
	if err != nil {
		return err
	}
	var at any
	if planned {
		at = toMillis(now)
	}
	_, err = t.exec(ctx, `INSERT INTO outbox (event_id, revision, match_id, seq, body, created, planned_at, silent,
		numbered) SELECT event_id, revision, match_id, seq, body, $1, $2, $3, match_id = $4 FROM `+table,
		append([]any{toMillis(now), at, isSilent(ctx), goalcast.CanaryMatch}, args...)...)
	return err
}

// Events returns the revisions of a match's events with a Seq above afterSeq, in order; at most
// limit.
func (s *Store) Events(
	ctx context.Context, match goalcast.MatchID, afterSeq int64, limit int,
) ([]goalcast.Event, error) {
	rows, err := s.query(ctx, `SELECT body FROM events WHERE match_id = $1 AND seq > $2 AND seq > 0 ORDER BY seq
		LIMIT $3`, match, afterSeq, limit)
	events, err := collect(rows, err, func(row scanner) (e goalcast.Event, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return e, err
		}
		return e, json.Unmarshal(body, &e)
	})
	return events, s.wrap(fmt.Sprintf("events of match %d", match), err)
}

// EventText returns a revision of a match's events by its Seq, as the JSON that was committed; it
// never changes. ErrNotFound.
func (s *Store) EventText(ctx context.Context, match goalcast.MatchID, seq int64) ([]byte, error) {
	var body []byte
	err := s.queryRow(ctx, `SELECT body FROM events WHERE match_id = $1 AND seq = $2 AND seq > 0`, match, seq).
		Scan(&body)
	return body, s.wrap(fmt.Sprintf("event %d of match %d", seq, match), err)
}

// EventTimes returns the moments that a revision of a match's event passed, as they were committed;
// they never change. Match 0 is that of the event's push. ErrNotFound.
func (s *Store) EventTimes(ctx context.Context, match goalcast.MatchID, event string, revision int) (goalcast.Times,
	error) {
	var body []byte
	var e goalcast.Event
	of, args := `$3`, []any{event, revision, match}
	if match == 0 {
		of, args = `(SELECT match_id FROM pushes WHERE event_id = $1)`, args[:2]
	}
	err := s.queryRow(ctx, `SELECT body FROM events WHERE match_id = `+of+` AND id = $1 AND revision = $2`, args...).
		Scan(&body)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	return e.Times, s.wrap(fmt.Sprintf("times of event %q of match %d", event, match), err)
}

// Revisions returns the revisions of a match's events with a Seq above afterSeq, in order, with
// when they were committed; at most limit. It asks the primary: what is made of them is kept for
// good.
func (s *Store) Revisions(ctx context.Context, match goalcast.MatchID, afterSeq int64,
	limit int) ([]goalcast.Revision, error) {
	rows, err := s.query(ctx, `SELECT body, created FROM events WHERE match_id = $1 AND seq > $2 AND seq > 0
		ORDER BY seq LIMIT $3`, match, afterSeq, limit)
	list, err := collect(rows, err, scanRevision)
	return list, s.wrap(fmt.Sprintf("revisions of match %d", match), err)
}

func scanRevision(row scanner) (rev goalcast.Revision, err error) {
	var body []byte
	var ms int64
	if err := row.Scan(&body, &ms); err != nil {
		return rev, err
	}
	rev.At = fromMillis(ms)
	return rev, json.Unmarshal(body, &rev.Event)
}

// Told returns what viewers of a match were told, in that order: its revisions by Seq, and between
// them, by when they were committed, an editor's messages of the match. It reads at most limit.
func (s *Store) Told(ctx context.Context, match goalcast.MatchID, limit int) ([]goalcast.Revision, error) {
	rows, err := s.query(ctx, `SELECT body, created FROM events WHERE match_id = $1
		ORDER BY created, seq, id, revision LIMIT $2`, match, limit)
	all, err := collect(rows, err, scanRevision)
	if err != nil {
		return nil, s.wrap(fmt.Sprintf("what was told of match %d", match), err)
	}
	var revisions, messages []goalcast.Revision
	for _, rev := range all {
		switch {
		case rev.Event.Seq > 0:
			revisions = append(revisions, rev)
		case rev.Event.Kind == goalcast.KindMessage:
			messages = append(messages, rev)
		}
	}
	// the clocks of those that commit differ: times do not say what came first
	slices.SortFunc(revisions, func(a, b goalcast.Revision) int { return cmp.Compare(a.Event.Seq, b.Event.Seq) })
	list := make([]goalcast.Revision, 0, len(revisions)+len(messages))
	for _, rev := range revisions {
		for len(messages) > 0 && messages[0].At.Before(rev.At) {
			list, messages = append(list, messages[0]), messages[1:]
		}
		list = append(list, rev)
	}
	return append(list, messages...), nil
}

// saveNames stores the teams and competitions that fixtures name. An empty name does not replace
// one.
func (t *tx) saveNames(ctx context.Context, events []goalcast.Event) error {
	teams, competitions := map[int64]string{}, map[int64]string{}
	for _, e := range events {
		if e.Kind != goalcast.KindFixture || e.Fixture == nil {
			continue
		}
		competitions[int64(e.Fixture.Competition.ID)] = e.Fixture.Competition.Name
		teams[int64(e.Fixture.Home.ID)] = e.Fixture.Home.Name
		teams[int64(e.Fixture.Away.ID)] = e.Fixture.Away.Name
		if err := t.saveSeason(ctx, e.Fixture.Competition.ID, e.Fixture.Season); err != nil {
			return err
		}
	}
	return cmp.Or(t.saveNamesIn(ctx, "competitions", goalcast.FoundCompetition, competitions),
		t.saveNamesIn(ctx, "teams", goalcast.FoundTeam, teams))
}

// saveSeason notes that a competition has matches in a season.
func (t *tx) saveSeason(ctx context.Context, competition goalcast.CompetitionID, season string) error {
	if season = clean(season); competition == 0 || season == "" {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO seasons (competition, season) VALUES ($1, $2) ON CONFLICT DO NOTHING`, competition,
		season)
	return err
}

// saveNamesIn writes those rows that are new or have another name, in the order of their ids: two
// transactions that lock the same rows in the same order do not deadlock. What is known is only
// read: on PostgreSQL an upsert locks also a row that it leaves as it is, and the matches of one
// competition would be committed one after the other.
func (t *tx) saveNamesIn(ctx context.Context, table, kind string, names map[int64]string) error {
	delete(names, 0)
	if err := t.forgetKnown(ctx, table, names); err != nil || len(names) == 0 {
		return err
	}
	var args []any
	ids := slices.Sorted(maps.Keys(names))
	for _, id := range ids {
		args = append(args, id, clean(names[id]))
	}
	if _, err := t.exec(ctx, strings.NewReplacer("TABLE", table, "ROWS", valuesList(len(names), 2, 1)).Replace(
		`INSERT INTO TABLE (id, name) VALUES ROWS ON CONFLICT (id) DO UPDATE SET name = excluded.name
		WHERE TABLE.name <> excluded.name AND excluded.name <> ''`), args...); err != nil {
		return err
	}
	return t.indexNames(ctx, table, kind, ids)
}

// forgetKnown takes from names those that a table has, and whose words are indexed.
func (t *tx) forgetKnown(ctx context.Context, table string, names map[int64]string) error {
	if len(names) == 0 {
		return nil
	}
	ids := make([]any, 0, len(names))
	for id := range names {
		ids = append(ids, id)
	}
	type named struct {
		id   int64
		name string
	}
	rows, err := t.query(ctx, `SELECT id, name FROM `+table+` WHERE indexed = name AND id IN `+
		strings.TrimSpace(valuesList(1, len(ids), 1)), ids...)
	known, err := collect(rows, err, func(row scanner) (n named, err error) { return n, row.Scan(&n.id, &n.name) })
	for _, n := range known {
		if name := clean(names[n.id]); name == n.name || name == "" {
			delete(names, n.id)
		}
	}
	return err
}

// Team returns a team that a fixture named; ErrNotFound.
func (s *Store) Team(ctx context.Context, id goalcast.TeamID) (goalcast.Team, error) {
	team := goalcast.Team{ID: id}
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		return q.queryRow(ctx, `SELECT name FROM teams WHERE id = $1`, id).Scan(&team.Name)
	})
	return team, s.wrap(fmt.Sprintf("team %d", id), err)
}

// Competition returns a competition that a fixture named; ErrNotFound.
func (s *Store) Competition(ctx context.Context, id goalcast.CompetitionID) (goalcast.Competition, error) {
	c := goalcast.Competition{ID: id}
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		return q.queryRow(ctx, `SELECT name FROM competitions WHERE id = $1`, id).Scan(&c.Name)
	})
	return c, s.wrap(fmt.Sprintf("competition %d", id), err)
}
