package notify

import (
	"testing"
	"time"

	"goalcast"
)

// fixtureNow is a revision of the fixture an hour before its kick-off, changed.
func (g *game) fixtureNow(revision int, change func(*goalcast.Fixture)) goalcast.Event {
	f := g.Fixture
	f.Kickoff = noon.Add(time.Hour)
	change(&f)
	return g.apply(goalcast.Event{ID: "match:900:fixture", Revision: revision, Kind: goalcast.KindFixture, Fixture: &f})
}

// decided fails the test if n does not decide on e what is wanted: "kind reason", the kind with a
// plus sign if it goes to all followers.
func decided(t *testing.T, n *Notifier, rec goalcast.PushRecord, e goalcast.Event, g *game, now time.Time,
	want string) goalcast.PushRecord {
	t.Helper()
	v, err := n.decide(rec, e, g.Snapshot, now)
	if err != nil {
		t.Fatal(err)
	}
	got := v.kind + v.reason
	if v.fresh {
		got = "+" + got
	}
	if got != want {
		t.Errorf("revision %d of %s: %q, want %q; %+v", e.Revision, e.ID, got, want, v.record)
	}
	return v.record
}

func TestStatusOfAMatch(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	halted := func(state goalcast.MatchState) func(*goalcast.Fixture) {
		return func(f *goalcast.Fixture) { f.Halted = state }
	}
	on := func(at time.Time) func(*goalcast.Fixture) {
		return func(f *goalcast.Fixture) { f.Halted, f.Kickoff = "", at }
	}
	awarded := func(f *goalcast.Fixture) { f.Halted, f.Awarded = "", &goalcast.Score{Away: 3} }
	rec := decided(t, n, goalcast.PushRecord{}, g.fixtureNow(2, halted("")), g, noon, "")
	rec = decided(t, n, rec, g.fixtureNow(3, halted(goalcast.Postponed)), g, noon, "+status")
	if rec.Expires = noon; rec.State != goalcast.RecordShown {
		t.Errorf("%+v", rec)
	}
	rec = decided(t, n, rec, g.fixtureNow(4, halted(goalcast.Postponed)), g, noon, "")
	rec = decided(t, n, rec, g.fixtureNow(5, on(noon.Add(24*time.Hour))), g, noon, "+status")
	rec = decided(t, n, rec, g.fixtureNow(6, func(f *goalcast.Fixture) {
		on(noon.Add(24 * time.Hour))(f)
		f.Venue = "Kadepark"
	}), g, noon, "")
	rec = decided(t, n, rec, g.fixtureNow(7, on(noon.Add(48*time.Hour))), g, noon, "+status") // yet another date
	rec = decided(t, n, rec, g.fixtureNow(8, halted(goalcast.Abandoned)), g, noon, "+status")
	rec = decided(t, n, rec, g.fixtureNow(9, awarded), g, noon, "+status")
	later := g.fixtureNow(10, func(f *goalcast.Fixture) { awarded(f); f.Awarded.Home = 1 })
	later.Times.Received = noon.Add(72 * time.Hour).UnixMilli()
	decided(t, n, rec, later, g, noon.Add(72*time.Hour), "late_correction")
	// A date that moves while the match goes its way is in the lists, and no push; nor is what
	// an old document tells.
	g = newGame()
	rec = decided(t, n, goalcast.PushRecord{}, g.fixtureNow(2, on(noon.Add(time.Hour))), g, noon, "")
	rec = decided(t, n, rec, g.fixtureNow(3, on(noon.Add(24*time.Hour))), g, noon, "")
	decided(t, n, rec, g.fixtureNow(4, awarded), g, noon.Add(7*time.Hour), "expired")
}

// TestStatusThatIsNotNew: a list that is read for the first time tells of what everybody knows.
// What comes after that is news.
func TestStatusThatIsNotNew(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	g.FixtureRevision = 0
	postponed := func(f *goalcast.Fixture) { f.Halted = goalcast.Postponed }
	rec := decided(t, n, goalcast.PushRecord{}, g.fixtureNow(1, postponed), g, noon, "not_new")
	rec = decided(t, n, rec, g.fixtureNow(2, postponed), g, noon, "muted")
	decided(t, n, rec, g.fixtureNow(3, func(f *goalcast.Fixture) { f.Halted = "" }), g, noon, "+status")
}

// TestAwardedDaysLater: a result is awarded when the match is long over.
func TestAwardedDaysLater(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	now := noon.Add(5 * 24 * time.Hour)
	e := g.fixtureNow(2, func(f *goalcast.Fixture) { f.Awarded = &goalcast.Score{Home: 3} })
	e.Times.Received = now.UnixMilli()
	decided(t, n, goalcast.PushRecord{}, e, g, now, "+status")
}

func TestDelays(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	delay := func(id string, minute int, what goalcast.DelayType) goalcast.Event {
		e := goalcast.Event{ID: id, Kind: goalcast.KindDelay, Period: goalcast.FirstHalf, Minute: minute, At: noon,
			Delay: &goalcast.Delay{Type: what}}
		if what == goalcast.LateStart {
			e.Period = goalcast.PreMatch
		}
		return g.apply(e)
	}
	none := goalcast.PushRecord{}
	late := delay("opta:1", 0, goalcast.LateStart)
	decided(t, n, none, late, g, noon, "+status")
	g.apply(goalcast.Event{ID: "match:900:period:first_half", Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf,
		At: noon})
	decided(t, n, none, late, g, noon, "") // they play
	decided(t, n, none, delay("opta:2", 10, goalcast.Stopped), g, noon, "")
	decided(t, n, none, delay("opta:3", 10, goalcast.Resumed), g, noon, "") // of what was not told
	suspended := delay("opta:4", 20, goalcast.Suspended)
	rec := decided(t, n, none, suspended, g, noon, "+status")
	resumed := delay("opta:5", 20, goalcast.Resumed)
	decided(t, n, none, resumed, g, noon, "+status")
	decided(t, n, none, suspended, g, noon, "") // planned late, when it was over
	suspended.Revision, suspended.Status = 2, goalcast.Cancelled
	decided(t, n, rec, g.apply(suspended), g, noon, "withdrawn_unseen")
	decided(t, n, none, resumed, g, noon, "")
	decided(t, n, none, delay("opta:6", 30, goalcast.Abandonment), g, noon, "+status")
	// The fixture says the same later.
	rec = decided(t, n, none, g.fixtureNow(2, func(f *goalcast.Fixture) {
		f.Halted = goalcast.Abandoned
	}), g, noon, "told_already")
	rec = decided(t, n, rec, g.fixtureNow(3, func(f *goalcast.Fixture) {
		f.Halted, f.Kickoff = "", noon.Add(48*time.Hour)
	}), g, noon, "+status")
	decided(t, n, rec, g.fixtureNow(4, func(f *goalcast.Fixture) {
		f.Awarded = &goalcast.Score{Home: 3}
	}), g, noon, "+status")
}

func TestPenaltiesArePushedIfChosen(t *testing.T) {
	given := goalcast.Event{ID: "opta:1", Kind: goalcast.KindPenalty, Team: 1, Period: goalcast.FirstHalf, Minute: 40,
		At: noon}
	missed := goalcast.Event{ID: "opta:2", Kind: goalcast.KindMissedPenalty, Team: 1, Period: goalcast.FirstHalf,
		Minute: 41, At: noon}
	for _, tt := range []struct {
		cfg                    Config
		given, missed, refused string
	}{
		{Config{}, "", "", ""},
		{Config{Penalties: true}, "+penalty", "+penalty_missed", "penalty_cancelled"},
	} {
		n, g := testNotifier(tt.cfg), newGame()
		rec := decided(t, n, goalcast.PushRecord{}, g.apply(given), g, noon, tt.given)
		decided(t, n, goalcast.PushRecord{}, g.apply(missed), g, noon, tt.missed)
		off := given
		off.Revision, off.Status = 2, goalcast.Cancelled
		decided(t, n, rec, g.apply(off), g, noon, tt.refused)
	}
}
