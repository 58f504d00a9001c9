package notify

import (
	"testing"
	"time"

	"goalcast"
)

func lineupEvent(team goalcast.TeamID) goalcast.Event {
	return goalcast.Event{ID: "match:900:lineup:" + string(rune('0'+team)), Kind: goalcast.KindLineup, Team: team,
		Period: goalcast.PreMatch, Lineup: &goalcast.Lineup{Team: team, Players: []goalcast.LineupPlayer{
			{Player: goalcast.Player{ID: goalcast.PlayerID(10 * team), Name: "Joris Wuyts"}, Start: true}}}}
}

// Line-ups are told once, when both are known, and not once the match has begun or will not be
// played that day.
func TestDecideLineups(t *testing.T) {
	home, away := lineupEvent(1), lineupEvent(2)
	bench := lineupEvent(2)
	bench.Lineup.Players[0].Start = false
	off := lineupEvent(2)
	off.Status = goalcast.Cancelled
	second := func(e goalcast.Event) goalcast.Event {
		e.Revision = 2
		return e
	}
	kickoff := noon.Add(time.Hour)
	fixture := func(revision int, kickoff time.Time, halted goalcast.MatchState) goalcast.Event {
		return goalcast.Event{ID: "match:900:fixture", Revision: revision, Kind: goalcast.KindFixture,
			Fixture: &goalcast.Fixture{Home: goalcast.Team{ID: 1, Name: "Noordzand"}, Kickoff: kickoff, Halted: halted,
				Away: goalcast.Team{ID: 2, Name: "Val-Rouge"}}}
	}
	begin := goalcast.Event{ID: "match:900:period:first_half", Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf,
		At: noon}
	for name, tt := range map[string]struct {
		events []goalcast.Event
		told   int    // which of the events leads to the push, from 1; 0 for none
		reason string // of the last one
	}{
		"one":             {[]goalcast.Event{home}, 0, ""},
		"both":            {[]goalcast.Event{home, away}, 2, ""},
		"the other first": {[]goalcast.Event{away, home}, 2, ""},
		"corrected":       {[]goalcast.Event{home, away, second(home), second(away)}, 2, "told_already"},
		"one corrected before the other is known": {[]goalcast.Event{home, second(home), away}, 3, ""},
		"nobody starts":          {[]goalcast.Event{home, bench}, 0, ""},
		"nobody starts at first": {[]goalcast.Event{home, bench, second(away)}, 3, ""},
		"taken back":             {[]goalcast.Event{home, off}, 0, ""},
		"in play":                {[]goalcast.Event{begin, home, away}, 0, "expired"},
		"past kick-off":          {[]goalcast.Event{fixture(2, noon, ""), home, away}, 0, "expired"},
		"no kick-off":            {[]goalcast.Event{fixture(2, time.Time{}, ""), home, away}, 0, "expired"},
		"postponed":              {[]goalcast.Event{fixture(2, kickoff, goalcast.Postponed), home, away}, 0, "expired"},
		"postponed, and a new date": {[]goalcast.Event{fixture(2, kickoff, goalcast.Postponed), home, away,
			fixture(3, kickoff, ""), second(home)}, 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, n, rec := newGame(), testNotifier(Config{}), goalcast.PushRecord{}
			g.apply(fixture(1, kickoff, ""))
			g.Fixture.Kickoff = kickoff
			told := 0
			var v verdict
			for i, e := range tt.events {
				if e = g.apply(e); e.Kind != goalcast.KindLineup {
					continue
				}
				var err error
				if v, err = n.decide(rec, e, g.Snapshot, noon); err != nil {
					t.Fatal(err)
				}
				rec = v.record
				if v.kind == "" {
					continue
				}
				if told > 0 || v.kind != kindLineups || !v.fresh || !v.expires.Equal(kickoff) {
					t.Errorf("step %d: %s, fresh %v, until %s", i+1, v.kind, v.fresh, v.expires)
				}
				told = i + 1
			}
			if told != tt.told || v.reason != tt.reason {
				t.Errorf("told in step %d, then %q; want %d, %q", told, v.reason, tt.told, tt.reason)
			}
			if (rec.State == goalcast.RecordShown) != (told > 0) || told > 0 && rec.Event != "match:900:lineups" {
				t.Errorf("record %q of %q", rec.State, rec.Event)
			}
		})
	}
}
