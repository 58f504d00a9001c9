package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// The databases must not differ in anything that a caller can see: every test here runs on all of
// them.

var kickoff = time.Date(2025, 8, 16, 18, 45, 0, 0, time.UTC)

// fixtureOf is a made-up match between two made-up clubs.
func fixtureOf(home, away goalcast.TeamID) *goalcast.Fixture {
	return &goalcast.Fixture{
		Competition: goalcast.Competition{ID: 23, Name: "Eredivisie der Dromen"},
		Home:        goalcast.Team{ID: home, Name: fmt.Sprintf("FC Nummer %d", home)},
		Away:        goalcast.Team{ID: away, Name: fmt.Sprintf("SV Nummer %d", away)},
		Kickoff:     kickoff,
	}
}

// matchEvent is an event of a match between teams 1 and 2.
func matchEvent(match goalcast.MatchID, seq int64, kind goalcast.Kind) goalcast.Event {
	e := goalcast.Event{
		ID: fmt.Sprintf("test:%d:%d", match, seq), Revision: 1, Status: goalcast.Confirmed, Kind: kind, Seq: seq,
		Match:  match,
		Topics: fixtureOf(1, 2).Topics(match), Times: goalcast.Times{Received: kickoff.UnixMilli() + seq},
	}
	switch kind {
	case goalcast.KindFixture:
		e.Fixture = fixtureOf(1, 2)
	case goalcast.KindGoal:
		e.Team, e.Period, e.Minute, e.Goal = 1, goalcast.FirstHalf, int(seq), &goalcast.Goal{Type: goalcast.OpenPlay}
	}
	return e
}

// score appends n goals to a match, and the fixture first if it is new, as ingest would; it returns
// the new events.
func score(t testing.TB, s *Store, id goalcast.MatchID, n int) (made []goalcast.Event) {
	t.Helper()
	err := s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
		made = nil
		add := func(kind goalcast.Kind) {
			e := matchEvent(id, r.Snapshot.Seq+1, kind)
			r.Snapshot = goalcast.Apply(r.Snapshot, e)
			score := r.Snapshot.Score
			e.Score = &score
			made = append(made, e)
		}
		if r.Snapshot.Seq == 0 {
			add(goalcast.KindFixture)
		}
		for range n {
			add(goalcast.KindGoal)
		}
		r.Feeds = fmt.Appendf(nil, `{"seq":%d}`, r.Snapshot.Seq)
		return r, made, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestUpdateMatchWritesEverythingOrNothing(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, err := s.Match(ctx, 5); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("match 5: %v, want ErrNotFound", err)
		}
		mine := fmt.Errorf("mine: %w", goalcast.ErrPermanent)
		for name, fn := range map[string]func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error){
			"error": func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
				return r, []goalcast.Event{matchEvent(5, 1, goalcast.KindFixture)}, mine
			},
			"nothing new": func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
				if r.Snapshot.ID != 5 || r.Feeds != nil {
					t.Errorf("new record: %+v", r)
				}
				return r, nil, nil
			},
		} {
			if err := s.UpdateMatch(ctx, 5, fn); !errors.Is(err, goalcast.ErrPermanent) && name == "error" ||
				err != nil && name != "error" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := s.MatchRecords(ctx, []goalcast.MatchID{5}); err != nil || len(got) != 0 {
			t.Errorf("records = %v, %v; want none", got, err)
		}
		want := score(t, s, 5, 2)
		got, err := s.Events(ctx, 5, 0, 10)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("events = %+v, %v\nwant %+v", got, err, want)
		}
		if got, err := s.Events(ctx, 5, 1, 1); err != nil || !reflect.DeepEqual(got, want[1:2]) {
			t.Errorf("events after 1 = %+v, %v", got, err)
		}
		if got, err := s.Revisions(ctx, 5, 1, 1); err != nil || len(got) != 1 ||
			!reflect.DeepEqual(got[0].Event, want[1]) || time.Since(got[0].At).Abs() > time.Minute {
			t.Errorf("revisions after 1 = %+v, %v", got, err)
		}
		for _, e := range want {
			if times, err := s.EventTimes(ctx, 5, e.ID, e.Revision); err != nil || times != e.Times {
				t.Errorf("times of %s = %+v, %v", e.Key(), times, err)
			}
		}
		if _, err := s.EventTimes(ctx, 5, want[0].ID, 99); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("times of a revision that is not there: %v", err)
		}
		snapshot, err := s.Match(ctx, 5)
		if err != nil || snapshot.Seq != 3 || snapshot.Score.Home != 2 || !snapshot.Kickoff.Equal(kickoff) {
			t.Errorf("snapshot = %+v, %v", snapshot, err)
		}
		rows, err := s.unpublished(ctx, time.Now().Add(time.Minute), 10)
		if err != nil || len(rows) != 3 {
			t.Fatalf("outbox = %v, %v", rows, err)
		}
		for i, r := range rows {
			if r.broken != nil || !reflect.DeepEqual(r.event, want[i]) {
				t.Errorf("outbox row %d = %+v, want %+v", i, r, want[i])
			}
		}
		if team, err := s.Team(ctx, 2); err != nil || team.Name != "SV Nummer 2" {
			t.Errorf("team = %v, %v", team, err)
		}
		if c, err := s.Competition(ctx, 23); err != nil || c.Name != "Eredivisie der Dromen" {
			t.Errorf("competition = %v, %v", c, err)
		}
		if _, err := s.Team(ctx, 99); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("team 99: %v", err)
		}
	})
}

func TestUpdateMatchKeepsFeedsAlone(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		remember := func(id goalcast.MatchID, memory string) {
			t.Helper()
			err := s.UpdateMatch(ctx, id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
				r.Feeds = append(r.Feeds[:0], memory...) // in place, as a caller may
				return r, nil, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		score(t, s, 5, 1)
		remember(5, `{"x":"1234"}`)
		remember(5, `{"x":"4321"}`)
		remember(6, `{}`)
		records, err := s.MatchRecords(ctx, []goalcast.MatchID{5, 6, 7})
		if err != nil || len(records) != 2 || string(records[5].Feeds) != `{"x":"4321"}` ||
			records[5].Snapshot.Seq != 2 || records[6].Snapshot.ID != 6 {
			t.Errorf("records = %+v, %v", records, err)
		}
		if list, err := s.Matches(ctx, goalcast.MatchFilter{}); err != nil || len(list) != 1 {
			t.Errorf("matches = %+v, %v; want only match 5", list, err)
		}
	})
}

func TestUpdateMatchOneAtATime(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		const writers, each = 8, 5
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range each {
					// two matches, four writers each; both upsert the same teams
					score(t, s, goalcast.MatchID(1+w%2), 1)
				}
			})
		}
		wg.Wait()
		for id := goalcast.MatchID(1); id <= 2; id++ {
			events, err := s.Events(t.Context(), id, 0, 1000)
			if err != nil || len(events) != 1+writers/2*each {
				t.Fatalf("match %d: %d events, %v; want %d", id, len(events), err, 1+writers/2*each)
			}
			for i, e := range events {
				if e.Seq != int64(i+1) {
					t.Fatalf("match %d: event %d has seq %d", id, i, e.Seq)
				}
			}
			if m, err := s.Match(t.Context(), id); err != nil || m.Score.Home != writers/2*each {
				t.Errorf("match %d: score %v, %v", id, m.Score, err)
			}
		}
	})
}

// A revision or a Seq that is already there is a defect of the caller and must not pass silently,
// nor leave half a change.
func TestUpdateMatchRefusesARevisionTwice(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		made := score(t, s, 5, 1)
		err := s.UpdateMatch(t.Context(), 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
			error) {
			r.Feeds = []byte("changed")
			return r, []goalcast.Event{made[1]}, nil
		})
		if err == nil {
			t.Error("the same revision was written twice")
		}
		records, err := s.MatchRecords(t.Context(), []goalcast.MatchID{5})
		if err != nil || string(records[5].Feeds) != `{"seq":2}` {
			t.Errorf("feeds = %s, %v; want them unchanged", records[5].Feeds, err)
		}
	})
}

func TestUpdateMatchWithManyEvents(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		const n = 1007
		err := s.UpdateMatch(t.Context(), 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
			error) {
			r.Snapshot.Seq = n // the events are not applied: how many are written is what counts
			return r, goals(5, 1, n), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.Events(t.Context(), 5, 0, 5000)
		if err != nil || len(events) != n || events[n-1].Seq != n {
			t.Errorf("%d events, %v; want %d", len(events), err, n)
		}
		if rows, err := s.unpublished(t.Context(), s.Now().Add(time.Minute), 5000); err != nil || len(rows) != n {
			t.Errorf("%d rows in the outbox, %v; want %d", len(rows), err, n)
		}
	})
}

func TestMatchesFilter(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		for i, f := range []*goalcast.Fixture{fixtureOf(1, 2), fixtureOf(3, 1), fixtureOf(4, 5), fixtureOf(6, 7)} {
			f.Kickoff = kickoff.Add(time.Duration(3-i) * time.Hour)
			f.Competition.ID = goalcast.CompetitionID(1 + i%2)
			if i == 3 {
				f.Kickoff = time.Time{}
			}
			id := goalcast.MatchID(10 + i)
			err := s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				e := matchEvent(id, 1, goalcast.KindFixture)
				e.Fixture = f
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				return r, []goalcast.Event{e}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			name   string
			filter goalcast.MatchFilter
			want   []goalcast.MatchID
		}{
			{"all", goalcast.MatchFilter{}, []goalcast.MatchID{13, 12, 11, 10}},
			{"from", goalcast.MatchFilter{From: kickoff.Add(2 * time.Hour)}, []goalcast.MatchID{11, 10}},
			{"to", goalcast.MatchFilter{From: kickoff, To: kickoff.Add(2 * time.Hour)}, []goalcast.MatchID{12}},
			{"team home and away", goalcast.MatchFilter{Team: 1}, []goalcast.MatchID{11, 10}},
			{"competition", goalcast.MatchFilter{Competition: 1}, []goalcast.MatchID{12, 10}},
			{"both", goalcast.MatchFilter{Competition: 1, Team: 1}, []goalcast.MatchID{10}},
			{"limit", goalcast.MatchFilter{From: kickoff, Limit: 2}, []goalcast.MatchID{12, 11}},
		} {
			list, err := s.Matches(t.Context(), tt.filter)
			var got []goalcast.MatchID
			for _, m := range list {
				got = append(got, m.ID)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
			}
		}
		// Planned: at 1, 2 and 3 hours. The match without a kick-off is on no day.
		hour := func(n int) time.Time { return kickoff.Add(time.Duration(n) * time.Hour) }
		for _, tt := range []struct {
			from, to, before, after time.Time
			of                      goalcast.CompetitionID
			without                 []goalcast.CompetitionID
		}{
			{hour(2), hour(3), hour(1), hour(3), 0, nil},
			{hour(1), hour(2), time.Time{}, hour(2), 0, nil},
			{hour(4), hour(5), hour(3), time.Time{}, 0, nil},
			{hour(3), hour(3), hour(2), time.Time{}, 0, []goalcast.CompetitionID{0, 1}},
			{hour(2), hour(3), time.Time{}, time.Time{}, 0, []goalcast.CompetitionID{1}},
			{hour(2), hour(3), hour(1), hour(3), 1, nil},
			{hour(2), hour(3), time.Time{}, time.Time{}, 2, nil},
			{hour(2), hour(3), time.Time{}, time.Time{}, 1, []goalcast.CompetitionID{1}},
		} {
			before, after, err := s.KickoffsAround(t.Context(), tt.from, tt.to, tt.of, tt.without)
			if err != nil || !before.Equal(tt.before) || !after.Equal(tt.after) {
				t.Errorf("around %v to %v: %v, %v, %v; want %v, %v", tt.from, tt.to, before, after, err, tt.before,
					tt.after)
			}
		}
	})
}

// TestMatchesByTime lists matches that have no planned kick-off, and those in play on another day
// than planned, page by page.
func TestMatchesByTime(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		at := func(d time.Duration) time.Time { return kickoff.Add(d) }
		const day = 24 * time.Hour
		for id, m := range map[goalcast.MatchID]struct {
			kickoff, updated time.Time
			live             bool
		}{
			1: {at(time.Hour), at(-day), false},
			2: {at(time.Hour), at(-day), false}, // at the same time
			3: {time.Time{}, at(2 * time.Hour), false},
			4: {time.Time{}, at(-9 * day), true}, // forgotten
			5: {at(5 * day), at(3 * time.Hour), true},
			6: {at(5 * day), at(3 * time.Hour), false},
			7: {at(-5 * day), at(-5 * day), true}, // forgotten as well
			8: {at(0), at(0), true},
		} {
			err := s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				e := matchEvent(id, 1, goalcast.KindFixture)
				e.Fixture = fixtureOf(1, 2)
				e.Fixture.Kickoff = m.kickoff
				e.Times.Received = m.updated.UnixMilli()
				events := []goalcast.Event{e}
				if m.live {
					e := matchEvent(id, 2, goalcast.KindPeriod)
					e.Period, e.Times.Received = goalcast.FirstHalf, m.updated.UnixMilli()
					events = append(events, e)
				}
				for _, e := range events {
					r.Snapshot = goalcast.Apply(r.Snapshot, e)
				}
				return r, events, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		window := goalcast.MatchFilter{From: at(-day), To: at(day)}
		all := window
		all.Unplanned, all.Live = true, true
		team := all
		team.Team = 2
		other := all
		other.Team = 3
		for _, tt := range []struct {
			name   string
			filter goalcast.MatchFilter
			want   []goalcast.MatchID
		}{
			{"planned", window, []goalcast.MatchID{8, 1, 2}},
			{"and unplanned, and in play", all, []goalcast.MatchID{8, 1, 2, 3, 5}},
			{"of a team", team, []goalcast.MatchID{8, 1, 2, 3, 5}},
			{"of another", other, nil},
		} {
			for _, limit := range []int{1, 2, 5, 100} {
				var got []goalcast.MatchID
				f := tt.filter
				f.Limit = limit
				for {
					list, err := s.Matches(t.Context(), f)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range list {
						got = append(got, m.ID)
						if !f.Chooses(m) {
							t.Errorf("%s: the filter itself does not choose match %d", tt.name, m.ID)
						}
					}
					if len(list) < limit {
						break
					}
					f.After = list[limit-1].Place()
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s, %d at a time: %v, want %v", tt.name, limit, got, tt.want)
				}
			}
		}
		topics := map[goalcast.Topic]bool{}
		if err := s.Known(t.Context(), func(t goalcast.Topic) { topics[t] = true }); err != nil {
			t.Fatal(err)
		}
		if !topics[goalcast.ForMatch(8)] || topics[goalcast.ForMatch(9)] || !topics[goalcast.ForTeam(2)] ||
			topics[goalcast.ForTeam(8)] || len(topics) < 10 {
			t.Errorf("known: %v", topics)
		}
		for _, info := range goalcast.TopicKinds {
			known := false
			for topic := range topics {
				known = known || topic.Kind == info.Kind
			}
			if shown := info.Matches != goalcast.NoMatches; known != shown {
				t.Errorf("topics %s: known %t, and their snapshots show %s of matches", info.Name, known, info.Matches)
			}
		}
	})
}

// TestMatchesOfACompetitionDoNotWait has the fixture of one match committed while that of another
// one of the same competition and teams is about to be.
func TestMatchesOfACompetitionDoNotWait(t *testing.T) {
	t.Parallel()
	url := testservers.Postgres(t)
	here, there := openTest(t, url), openTest(t, url)
	fixture := func(s *Store, id goalcast.MatchID) error {
		e := matchEvent(id, 1, goalcast.KindFixture)
		return s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
			error) {
			r.Snapshot = goalcast.Apply(r.Snapshot, e)
			return r, []goalcast.Event{e}, nil
		})
	}
	score(t, here, 1, 0)
	here.hooks.beforeCommit = func() error {
		done := make(chan error, 1)
		go func() { done <- fixture(there, 3) }()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("it waits for the names")
		}
	}
	if err := fixture(here, 2); err != nil {
		t.Error(err)
	}
}

func TestNamesFollowTheFixture(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		score(t, s, 5, 0)
		seq := int64(1)
		rename := func(name string) string {
			t.Helper()
			err := s.UpdateMatch(t.Context(), 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				e := matchEvent(5, seq+1, goalcast.KindFixture)
				e.Revision = int(seq + 1)
				e.Fixture.Home.Name = name
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				return r, []goalcast.Event{e}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			seq++
			team, err := s.Team(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return team.Name
		}
		if got := rename("FC Anders"); got != "FC Anders" {
			t.Errorf("team = %q, want FC Anders", got)
		}
		if got := rename(""); got != "FC Anders" {
			t.Errorf("team = %q, want FC Anders: an empty name replaces nothing", got)
		}
	})
}

func message(id string, body string) goalcast.Event {
	return goalcast.Event{ID: id, Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{goalcast.ForTeam(1)}, Message: json.RawMessage(body)}
}

func TestSaveMessage(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for range 2 { // the second time changes nothing
			if _, err := s.SaveMessages(ctx, nil, message("message:1", `{"text":"a\u0000b é"}`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.SaveMessages(ctx, nil, message("message:2", "\"\xff\"")); err != nil {
			t.Fatalf("broken UTF-8: %v", err)
		}
		_, err := s.SaveMessages(ctx, nil, matchEvent(1, 1, goalcast.KindGoal))
		if !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("a goal as a message: %v, want ErrPermanent", err)
		}
		rows, err := s.unpublished(ctx, time.Now().Add(time.Minute), 10)
		if err != nil || len(rows) != 2 || !strings.Contains(string(rows[0].event.Message), `\u0000`) {
			t.Errorf("outbox = %+v, %v", rows, err)
		}
	})
}

// One message is pushed to a topic in ten minutes. One that is refused is not there; the same one
// again is none.
func TestMessagesArePushedWithAPause(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		pushed := func(id string, topic goalcast.Topic) error {
			m := message(id, `"x"`)
			m.Topics, m.Push = []goalcast.Topic{topic}, map[string]goalcast.PushText{"en": {Title: "a", Body: "b"}}
			_, err := s.SaveMessages(ctx, nil, m)
			return err
		}
		start := time.Now()
		after := func(d time.Duration) { s.clock.set(start.Add(d), time.Now()) }
		after(0)
		for _, id := range []string{"message:1", "message:1"} {
			if err := pushed(id, goalcast.ForTeam(1)); err != nil {
				t.Fatal(err)
			}
		}
		after(time.Minute)
		var pause *goalcast.PauseError
		if err := pushed("message:2", goalcast.ForTeam(1)); !errors.As(err, &pause) ||
			(pause.Wait-9*time.Minute).Abs() > 30*time.Second {
			t.Fatalf("a minute later: %v", err)
		}
		if err := pushed("message:3", goalcast.ForTeam(2)); err != nil {
			t.Errorf("to another topic: %v", err)
		}
		if _, err := s.SaveMessages(ctx, nil, message("message:4", `"x"`)); err != nil {
			t.Errorf("without a push: %v", err)
		}
		after(11 * time.Minute)
		if err := pushed("message:2", goalcast.ForTeam(1)); err != nil {
			t.Errorf("later: %v", err)
		}
		rows, err := s.UnplannedEvents(ctx, 10)
		if err != nil || len(rows) != 3 {
			t.Errorf("%d for phones, %v: want 1, 3 and 2", len(rows), err)
		}
	})
}

// What was told of a match comes back in that order: its events by number, whatever clocks said,
// and messages between them. What is of prices, or of another match, is not in it.
func TestToldIsInTheOrderOfTelling(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		at := func(second int) {
			s.clock.set(kickoff.Add(time.Duration(second)*time.Second), time.Now())
		}
		say := func(match goalcast.MatchID, id string) {
			m := message(id, `"x"`)
			m.Match = match
			if _, err := s.SaveMessages(ctx, nil, m); err != nil {
				t.Fatal(err)
			}
		}
		at(100)
		say(5, "message:first")
		at(200)
		score(t, s, 5, 1)
		at(300)
		say(6, "message:elsewhere")
		say(5, "message:between")
		at(600)
		score(t, s, 5, 1)
		at(500) // of another process
		score(t, s, 5, 1)
		at(700)
		say(5, "message:last")
		if _, err := s.exec(ctx, `INSERT INTO events (id, revision, match_id, seq, body, created)
			VALUES ('settlement:1', 1, 5, 0, '{"id":"settlement:1","kind":"settlement"}', 0)`); err != nil {
			t.Fatal(err)
		}
		list, err := s.Told(ctx, 5, 100)
		var got []string
		for _, rev := range list {
			got = append(got, cmp.Or(strings.TrimPrefix(rev.Event.ID, "message:"), "?")[:4])
			if rev.Event.Seq > 0 {
				got[len(got)-1] = fmt.Sprint(rev.Event.Seq)
			}
		}
		if want := "firs 1 2 betw 3 4 last"; err != nil || strings.Join(got, " ") != want {
			t.Errorf("told %v, %v; want %s", got, err, want)
		}
		if off := list[0].At.Sub(kickoff.Add(100 * time.Second)); off.Abs() > 10*time.Second {
			t.Errorf("the first at %v", list[0].At)
		}
		if list, err := s.Told(ctx, 5, 3); err != nil || len(list) > 3 {
			t.Errorf("at most 3: %d, %v", len(list), err)
		}
		if list, err := s.Told(ctx, 77, 3); err != nil || len(list) > 0 {
			t.Errorf("of no match: %v, %v", list, err)
		}
	})
}

// Providers count events from one in each match: an id, a revision of it, its row in the outbox and
// its pushes are of one match.
func TestAnEventsIDIsOfItsMatch(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		commit := func(match goalcast.MatchID, seq int64, revision int) (goalcast.Event, error) {
			e := matchEvent(match, seq, goalcast.KindGoal)
			e.ID, e.Revision = "test:goal-1", revision
			return e, s.UpdateMatch(ctx, match, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				return r, []goalcast.Event{e}, nil
			})
		}
		here, err := commit(5, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		there, err := commit(6, 1, 1)
		if err != nil {
			t.Fatalf("the same id in another match: %v", err)
		}
		if _, err := commit(5, 2, 1); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("the same revision again in one match: %v, want ErrPermanent", err)
		}
		if err := s.markPublished(ctx, []goalcast.Event{here}, s.Now()); err != nil {
			t.Fatal(err)
		}
		if rows, err := s.unpublished(ctx, s.Now(), 10); err != nil || len(rows) != 1 || rows[0].event.Match != 6 {
			t.Errorf("one was published, %+v is not, %v", rows, err)
		}
		if err := s.MarkPlanned(ctx, []string{here.KeyOfAll()}); err != nil {
			t.Fatal(err)
		}
		if left, err := s.UnplannedEvents(ctx, 10); err != nil || len(left) != 1 || left[0].Match != 6 {
			t.Errorf("one asks for no push, %+v is left, %v", left, err)
		}
		here, err = commit(5, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []goalcast.Event{here, there} {
			before, err := s.PushRecordOf(ctx, e)
			if err != nil || before.Revision != 0 {
				t.Fatalf("before anything of match %d was planned: %+v, %v", e.Match, before, err)
			}
			batch := goalcast.PushBatch{ID: fmt.Sprint(before.Event, "/", e.Revision), Event: before.Event,
				Revision: e.Revision, Devices: []int64{int64(e.Match)}, Expires: s.Now().Add(time.Hour)}
			planned, err := s.PlanPush(ctx, e, func(r goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch,
				error) {
				r.Revision, r.Base = e.Revision, e.Revision
				return r, []goalcast.PushBatch{batch}, nil
			})
			if err != nil || !planned {
				t.Fatalf("plan of match %d: %v, %v", e.Match, planned, err)
			}
			if r, err := s.PushRecordOf(ctx, e); err != nil || r.Event != before.Event || r.Match != e.Match ||
				r.Revision != e.Revision {
				t.Errorf("record of match %d: %+v, %v", e.Match, r, err)
			}
			c, ok, err := s.ClaimBatch(ctx, batch.ID, s.Now(), time.Minute)
			if err != nil || !ok || c.Newest != e.Revision || c.Record.Match != e.Match ||
				!slices.Equal(c.Devices, []int64{int64(e.Match)}) {
				t.Errorf("claim of match %d: %+v, %v, %v", e.Match, c, ok, err)
			}
			if current, err := s.BatchCurrent(ctx, c); err != nil || !current {
				t.Errorf("batch of match %d is not current, %v", e.Match, err)
			}
		}
	})
}

func TestOutboxIsPrunedOncePublished(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		made := score(t, s, 5, 3)
		if err := s.markPublished(ctx, made[:3], time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.PruneOutbox(ctx, time.Now().Add(-time.Hour)); err != nil || n != 0 {
			t.Errorf("pruned %d rows, %v; want none so young", n, err)
		}
		if n, err := s.PruneOutbox(ctx, time.Now().Add(time.Minute)); err != nil || n != 3 {
			t.Errorf("pruned %d rows, %v; want 3", n, err)
		}
		rows, err := s.unpublishedOf(ctx, 5, 100)
		if err != nil || len(rows) != 1 || rows[0].event.Seq != 4 {
			t.Errorf("unpublished = %+v, %v; want seq 4", rows, err)
		}
		if events, err := s.Events(ctx, 5, 0, 10); err != nil || len(events) != 4 {
			t.Errorf("%d events, %v; want all 4", len(events), err)
		}
	})
}
