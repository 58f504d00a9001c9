package odds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store"
	"goalcast/store/bus"
	"goalcast/store/bus/bustest"
)

// town is a database, a bus with ears, and processes that may hold the source "test".
type town struct {
	t   *testing.T
	db  *store.Store
	url string
	bus *bus.Bus
	ear *bustest.Recorder
}

// inTowns runs a test on both databases.
func inTowns(t *testing.T, test func(*testing.T, *town)) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "goalcast.db") },
		"postgres": func(t *testing.T) string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), url(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			redis := testservers.Redis(t)
			b := newBus(t, redis)
			test(t, &town{t, db, redis, b, bustest.RecordLive(t, b.Listen)})
		})
	}
}

// holder is a process with a mapper of its own.
func (w *town) holder(fence int64) (*office, *StoreMapper) {
	w.t.Helper()
	m := NewMapper(w.db, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	m.look, m.again = 10*time.Millisecond, 20*time.Millisecond
	o := newOfficeWith(w.t, newBus(w.t, w.url), m, w.db.Now)
	o.turns.fences <- fence
	return o, m
}

// match makes a match known, and hears its prices.
func (w *town) match(id goalcast.MatchID, home, away string) {
	w.t.Helper()
	err := w.db.UpdateMatch(w.t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		f := &goalcast.Fixture{Kickoff: w.kickoff(), Competition: goalcast.Competition{ID: 23, Name: "Coastal League"},
			Home: goalcast.Team{ID: goalcast.TeamID(10 * id), Name: home},
			Away: goalcast.Team{ID: goalcast.TeamID(10*id + 1), Name: away}}
		e := goalcast.Event{ID: "fixture", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindFixture,
			Match: id, Seq: 1, Fixture: f, Topics: f.Topics(id)}
		r.Snapshot = goalcast.Apply(r.Snapshot, e)
		return r, []goalcast.Event{e}, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.bus.Follow(w.t.Context(), goalcast.ForOdds(id)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) kickoff() time.Time { return w.db.Now().Truncate(time.Hour).Add(time.Hour) }

// tells has a source describe an event and tell its image.
func (w *town) tells(o *office, event, home, away string, p Price) {
	w.t.Helper()
	o.says(func(s Sink) {
		s.Image(event, time.Time{}, []Market{{Key: "1x2", Status: Open,
			Selections: []Selection{{Key: "home", Price: p}}}})
		s.Fixture(Fixture{Event: event, Competition: "Coastal League", Kickoff: w.kickoff(), Home: home, Away: away})
	})
}

// want waits until a match shows "2000", or its gate is "suspended unmapped"; nothing was told of
// it if empty.
func (w *town) want(what string, id goalcast.MatchID, want string) {
	w.t.Helper()
	w.ear.Until(what, func() bool { return w.shown(id) == want })
}

func (w *town) shown(id goalcast.MatchID) string {
	gate, prices, err := w.bus.Odds(w.t.Context(), id, w.db.Now())
	switch {
	case err != nil:
		w.t.Error(err)
	case gate.State == "":
		return ""
	case gate.State != goalcast.GateOpen:
		return strings.TrimSpace(string(gate.State) + " " + string(gate.Reason))
	case len(prices) == 1:
		text := strings.TrimPrefix(string(prices[0].Value), `{"st":"open","sel":{"home":{"p":`)
		return strings.TrimSuffix(text, "}}}")
	}
	return "open"
}

// mapping waits until the database has a mapping as described.
func (w *town) mapping(event string, want func(goalcast.OddsMapping) bool) {
	w.t.Helper()
	await(w.t, func() (string, bool) {
		list, err := w.db.Mappings(w.t.Context(), goalcast.OddsMappingFilter{Source: "test"})
		i := slices.IndexFunc(list, func(m goalcast.OddsMapping) bool { return m.Event == event })
		return fmt.Sprintf("mapping of %s: %+v, %v", event, list, err), i >= 0 && want(list[i])
	})
}

// decide is what any process does with an operator's word.
func (w *town) decide(event string, match goalcast.MatchID) {
	w.t.Helper()
	d, err := w.db.DecideOdds(w.t.Context(), "test", event, match, "operator")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range d.Matches() {
		w.shut(id, goalcast.GateUnmapped)
	}
}

func (w *town) shut(id goalcast.MatchID, reason goalcast.GateReason) {
	w.t.Helper()
	_, err := w.bus.PublishOdds(w.t.Context(), w.db.Now(), []goalcast.OddsStep{{Topic: goalcast.ForOdds(id),
		Set: &goalcast.Gate{State: goalcast.GateSuspended, Reason: reason, Since: w.db.Now().UnixMilli()}}})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestPricesThatCameBeforeTheirMatchAreShown(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		o, m := w.holder(1)
		w.tells(o, "x", "Amberhaven FC", "Saltmarsh", 2000)
		w.mapping("x", func(o goalcast.OddsMapping) bool { return o.Decision == goalcast.MappingOpen })
		await(t, func() (string, bool) { // it is counted after it is saved
			n := testutil.ToFloat64(m.metrics.unmapped.WithLabelValues("test"))
			return fmt.Sprint(n, " events are unmapped"), n == 1
		})
		o.says(func(s Sink) {
			s.Change("x", time.Time{}, []Market{{Key: "1x2", Status: Open, Selections: []Selection{{Key: "home",
				Price: 3000}}}})
		})
		w.match(7, "Amberhaven", "Saltmarsh Rovers")
		w.want("the match is known", 7, "3000")
		w.mapping("x", func(o goalcast.OddsMapping) bool {
			return o.Decision == goalcast.MappingFound && o.Match == 7 && len(o.Candidates) == 0
		})
	})
}

func TestWrongMappingIsTakenBack(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		w.match(7, "Amberhaven", "Saltmarsh")
		w.match(8, "Orme", "Dunes")
		o, _ := w.holder(1)
		w.tells(o, "wrong", "Amberhaven", "Saltmarsh", 2000)
		w.want("found", 7, "2000")
		w.decide("wrong", 0)
		w.want("taken back", 7, "suspended unmapped")
		w.tells(o, "wrong", "Amberhaven", "Saltmarsh", 2500) // what it is told of now reaches nobody
		w.tells(o, "right", "Elsewhere", "Nowhere", 4000)
		w.mapping("right", func(o goalcast.OddsMapping) bool { return o.Decision == goalcast.MappingOpen })
		if got := w.shown(7); got != "suspended unmapped" {
			t.Errorf("before another event is mapped: %q", got)
		}
		w.decide("right", 7)
		w.want("the right one", 7, "4000")
		w.decide("wrong", 8)
		w.want("the wrong one where it belongs", 8, "2500")
	})
}

// Whoever decides shuts the gate himself: there may be nobody who holds the sources.
func TestWrongMappingIsTakenBackWithoutHolder(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		w.match(7, "Amberhaven", "Saltmarsh")
		o, _ := w.holder(1)
		w.tells(o, "wrong", "Amberhaven", "Saltmarsh", 2000)
		w.want("found", 7, "2000")
		o.stop()
		w.decide("wrong", 0)
		if got := w.shown(7); got != "suspended unmapped" {
			t.Errorf("at once: %q", got)
		}
		o, _ = w.holder(2) // which knows of the decision before it is told anything
		w.tells(o, "wrong", "Amberhaven", "Saltmarsh", 2500)
		w.tells(o, "right", "Elsewhere", "Nowhere", 4000)
		w.mapping("right", func(o goalcast.OddsMapping) bool { return o.Decision == goalcast.MappingOpen })
		w.decide("right", 7)
		w.want("the right one", 7, "4000")
	})
}

func TestSecondEventOfASourceIsNotTheSameMatch(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		w.match(7, "Amberhaven", "Saltmarsh")
		o, _ := w.holder(1)
		w.tells(o, "first", "Amberhaven", "Saltmarsh", 2000)
		w.want("the first", 7, "2000")
		w.tells(o, "second", "Amberhaven", "Saltmarsh", 3000)
		w.mapping("second", func(o goalcast.OddsMapping) bool {
			return o.Decision == goalcast.MappingOpen && slices.Equal(o.Candidates, ids(7))
		})
		if got := w.shown(7); got != "2000" {
			t.Errorf("shown %q", got)
		}
		// An operator's word counts more than what was found.
		w.decide("second", 7)
		w.want("the second", 7, "3000")
		w.mapping("first", func(o goalcast.OddsMapping) bool {
			return o.Decision == goalcast.MappingOpen && slices.Equal(o.Candidates, ids(7))
		})
	})
}

func TestShutByHandSurvivesItsHolder(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		w.match(7, "Amberhaven", "Saltmarsh")
		o, _ := w.holder(1)
		w.tells(o, "x", "Amberhaven", "Saltmarsh", 2000)
		w.want("found", 7, "2000")
		gate := func(shut bool) {
			t.Helper()
			if _, err := w.db.ShutOdds(t.Context(), 7, shut, "operator"); err != nil {
				t.Fatal(err)
			}
		}
		gate(true) // and the bus is not told: the holder shuts it too
		w.want("by hand", 7, "suspended operator")
		o.stop()
		o, _ = w.holder(2)
		w.tells(o, "x", "Amberhaven", "Saltmarsh", 3000)
		w.mapping("x", func(o goalcast.OddsMapping) bool { return o.Match == 7 })
		if got := w.shown(7); got != "suspended operator" {
			t.Errorf("a new holder shows %q", got)
		}
		gate(false)
		w.want("opened", 7, "3000")
		w.shut(7, goalcast.GateOperator) // somebody whose word did not get into the database
		w.want("the database knows", 7, "3000")
	})
}

// What was described otherwise is looked at again, and may not be the match any more.
func TestOtherDescriptionIsLookedAtAgain(t *testing.T) {
	inTowns(t, func(t *testing.T, w *town) {
		w.match(7, "Amberhaven", "Saltmarsh")
		w.match(8, "Orme", "Dunes")
		o, _ := w.holder(1)
		w.tells(o, "x", "Amberhaven", "Saltmarsh", 2000)
		w.want("found", 7, "2000")
		w.tells(o, "x", "Orme", "Dunes", 3000)
		w.want("it is another", 8, "3000")
		w.want("it is not this one", 7, "suspended unmapped")
	})
}

func TestTooManyEventsAreNotRemembered(t *testing.T) {
	m := NewMapper(nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	m.events = 2
	for i, event := range []string{"a", "b", "a", "c"} {
		if err := m.Describe("test", Fixture{Event: event}); (err != nil) != (i == 3) {
			t.Errorf("%s: %v", event, err)
		}
	}
	if n := testutil.ToFloat64(m.metrics.refused.WithLabelValues("test")); n != 1 {
		t.Errorf("%v were counted", n)
	}
}

// stalled is a database that does not answer.
type stalled struct{ MappingStore }

func (stalled) Now() time.Time { return saturday }

func (stalled) RecentMappings(context.Context, time.Time) ([]goalcast.OddsMapping, error) {
	return nil, goalcast.ErrUnavailable
}

func TestNothingIsMappedBeforeTheDatabaseAnswers(t *testing.T) {
	m := NewMapper(stalled{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	m.known[eventKey{"test", "x"}] = goalcast.OddsMapping{Match: 7} // of a turn before
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx, func(func(*Books, time.Time)) { t.Error("told") }) }()
	await(t, func() (string, bool) { return "it is mapped as in the turn before", m.Match("test", "x") == 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
