package goalcast_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

var update = flag.Bool("update", false, "rewrite testdata/reducer from what the reducer says now")

// reducerCase is a file of testdata/reducer: events, and the snapshot after each of them, starting
// from the empty one. The reducers of all clients are tested with the same files.
type reducerCase struct {
	About     string              `json:"about"`
	Events    []goalcast.Event    `json:"events"`
	Snapshots []goalcast.Snapshot `json:"snapshots"`
}

var (
	home, away = goalcast.Team{ID: 11, Name: "KVC Oosterveke"}, goalcast.Team{ID: 22, Name: "RFC Valmorin"}
	kickoff    = time.Date(2026, 8, 15, 18, 30, 0, 0, time.UTC)
)

// reducerCases are the events of each file, by its name.
func reducerCases() map[string]reducerCase {
	fixture := revised(goalcast.Event{ID: "match:1:fixture", Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{
		Competition: goalcast.Competition{ID: 9, Name: "Kroonliga"}, Season: "2026", Matchday: 1, Home: home,
		Away: away, Kickoff: kickoff,
		Venue: "Lindenpark", City: "Oosterveke"}})
	begin, pause := period(goalcast.FirstHalf, 0), period(goalcast.HalfTime, 50)
	again, end := period(goalcast.SecondHalf, 65), period(goalcast.FullTime, 115)
	first := goalAt("opta:101", home.ID, goalcast.FirstHalf, 12, goalcast.OpenPlay)
	own := goalAt("opta:102", away.ID, goalcast.FirstHalf, 46, goalcast.OwnGoal)
	penalty := goalAt("opta:103", home.ID, goalcast.SecondHalf, 93, goalcast.PenaltyGoal)
	return map[string]reducerCase{
		"every-kind": {About: "one event of every kind, in order", Events: everyKind(fixture, begin, pause, again, end,
			first, penalty)},
		"own-goal": {About: "an own goal counts for the side that gains it", Events: events(fixture, begin, own,
			pause)},
		"cancelled": {About: "a goal that is taken back counts for nothing and stays in the timeline; so does one " +
			"that was never seen before",
			Events: events(fixture, begin, first, as(first, 2, goalcast.Cancelled), own,
				as(own, 2, goalcast.Provisional), as(own, 3, goalcast.Cancelled), pause,
				as(goalAt("opta:104", away.ID, goalcast.SecondHalf, 60, goalcast.OpenPlay), 1, goalcast.Cancelled))},
		"corrected-scorer": {About: "another scorer is the next revision; the score stays",
			Events: events(fixture, begin, first, scorer(first, 2, 7))},
		"late-revision": {About: "an older revision that comes after a newer one changes nothing",
			Events: events(fixture, begin, as(first, 3, goalcast.Cancelled), first, scorer(first, 2, 7))},
		"repeated": {About: "the same revisions again change nothing", Events: events(fixture, begin, first,
			first, begin, fixture, first)},
		"out-of-order": {About: "whatever the order: events before the fixture count once it is known; a half time " +
			"that comes before its goals",
			Events: events(penalty, own, pause, again, first, fixture, end, begin)},
		"extra-time-and-shootout": {
			About:  "minute 94 of the second half is before 93 of extra time; kicks are no goals",
			Events: shootout(fixture, penalty),
		},
		"moved-period": {About: "a period whose start is corrected; a cancelled full time brings the " +
			"second half back", Events: events(fixture, begin, moved(begin, 2, 3), pause, again, end,
			as(end, 2, goalcast.Cancelled))},
		"fixture-only": {About: "a result in a fixture list counts until a feed of the match itself is known",
			Events: events(reported(fixture, 1, goalcast.FullTime, 3, 1), reported(fixture, 2, goalcast.FullTime, 3, 2),
				clip("wsc:1", ""), first)},
		"postponed": {About: "a postponed match comes back with a new date",
			Events: events(fixture, halted(fixture, 2, goalcast.Postponed), as(fixture, 3, goalcast.Confirmed))},
		"abandoned": {About: "an abandoned match keeps its score", Events: events(fixture, begin, first,
			halted(fixture, 2, goalcast.Abandoned))},
		"lineups": {About: "line-ups: home first, a newer revision replaces, an older one does not",
			Events: events(lineup(away.ID, 1, "433"), lineup(home.ID, 2, "442"), fixture, lineup(home.ID, 1, "352"),
				lineup(away.ID, 2, "4231"))},
		"same-moment": {About: "what happens in the same minute is ordered by second, time of day and id; a period " +
			"opens its minute",
			Events: events(fixture, at(first, "opta:9", 30, 123456789), at(first, "opta:8", 30, 123456788),
				at(first, "opta:10", 30, 123456789), at(first, "opta:7", 12, 0), pause, begin)},
		"not-ours": {About: "messages, other matches and unknown kinds: only the last has a place",
			Events: events(fixture, message(), other(first), unknown())},
		"delayed": {About: "a late start holds a match up until it begins; a suspension until it is resumed or the " +
			"next part begins",
			Events: events(fixture, delay("opta:401", goalcast.PreMatch, 0, goalcast.LateStart), begin,
				delay("opta:402", goalcast.FirstHalf, 20, goalcast.Suspended),
				delay("opta:403", goalcast.FirstHalf, 21, goalcast.Resumed), delay("opta:404", goalcast.FirstHalf, 44,
					goalcast.Stopped), pause)},
		"suspended": {About: "an abandonment that is announced makes a match abandoned; taken back it is suspended " +
			"still",
			Events: events(fixture, begin, first, delay("opta:402", goalcast.FirstHalf, 20, goalcast.Suspended),
				delay("opta:405", goalcast.FirstHalf, 21, goalcast.Abandonment),
				as(delay("opta:405", goalcast.FirstHalf, 21, goalcast.Abandonment), 2, goalcast.Cancelled))},
		"awarded": {About: "an awarded result is the score, and ends the match, whatever was played",
			Events: events(fixture, begin, first, pause, awarded(fixture, 2, 0, 3))},
		"better-cut": {About: "a better cut of a clip replaces the one before, whichever comes first; one that is " +
			"withdrawn stays, cancelled, and is not played",
			Events: events(fixture, begin, first, clip("wsc:1", first.ID), betterCut(clip("wsc:1", first.ID)),
				betterCut(clip("wsc:2", first.ID)), clip("wsc:2", first.ID),
				withdrawn(betterCut(clip("wsc:1", first.ID))))},
		"no-side": {About: "a goal for neither side counts for nobody", Events: events(fixture, begin,
			goalAt("opta:105", 33, goalcast.FirstHalf, 5, goalcast.OpenPlay))},
	}
}

// revised makes an event of match 1 complete.
func revised(e goalcast.Event) goalcast.Event {
	e.Revision, e.Status, e.Match = max(1, e.Revision), goalcast.Confirmed, 1
	e.Topics = []goalcast.Topic{goalcast.ForMatch(1)}
	e.SetClock()
	return e
}

// events numbers them as they are committed: the sequence goes up with every new revision, a
// repeat keeps its own.
func events(all ...goalcast.Event) []goalcast.Event {
	seen := map[string]int64{}
	for i := range all {
		e := &all[i]
		if e.Kind == goalcast.KindMessage || e.Kind == goalcast.KindSettlement {
			continue
		}
		if seen[e.Key()] == 0 {
			seen[e.Key()] = int64(len(seen) + 1)
		}
		e.Seq = seen[e.Key()]
		e.Times = goalcast.Times{Received: kickoff.UnixMilli() + e.Seq*1000, Published: kickoff.UnixMilli() +
			e.Seq*1000 + 4}
	}
	return all
}

func period(p goalcast.Period, minutes int) goalcast.Event {
	return revised(goalcast.Event{ID: "match:1:period:" + string(p), Kind: goalcast.KindPeriod, Period: p,
		At: kickoff.Add(time.Duration(minutes)*time.Minute + 23*time.Second + 635*time.Millisecond)})
}

func moved(e goalcast.Event, revision, minutes int) goalcast.Event {
	e.Revision, e.At = revision, e.At.Add(time.Duration(minutes)*time.Minute)
	return e
}

func goalAt(id string, team goalcast.TeamID, p goalcast.Period, minute int, kind goalcast.GoalType) goalcast.Event {
	return revised(goalcast.Event{ID: id, Kind: goalcast.KindGoal, Team: team, Period: p, Minute: minute, Second: 30,
		Player: &goalcast.Player{ID: 5, Name: "Wout Pypaertsz"}, Goal: &goalcast.Goal{Type: kind}})
}

func as(e goalcast.Event, revision int, s goalcast.Status) goalcast.Event {
	e.Revision, e.Status = revision, s
	return e
}

func scorer(e goalcast.Event, revision int, id goalcast.PlayerID) goalcast.Event {
	e.Revision, e.Player = revision, &goalcast.Player{ID: id, Name: "Noé Marchalon"}
	return e
}

func at(e goalcast.Event, id string, second, nanos int) goalcast.Event {
	e.ID, e.Second, e.At = id, second, kickoff.Add(time.Duration(nanos))
	return e
}

func reported(e goalcast.Event, revision int, p goalcast.Period, h, a int) goalcast.Event {
	f := *e.Fixture
	f.Reported = &goalcast.Result{Period: p, Score: goalcast.Score{Home: h, Away: a}, Shootout: &goalcast.Score{Home: 5,
		Away: 4}}
	e.Revision, e.Fixture = revision, &f
	return e
}

func halted(e goalcast.Event, revision int, s goalcast.MatchState) goalcast.Event {
	f := *e.Fixture
	f.Halted, f.Reason = s, "fog"
	e.Revision, e.Fixture = revision, &f
	return e
}

func delay(id string, p goalcast.Period, minute int, kind goalcast.DelayType) goalcast.Event {
	return revised(goalcast.Event{ID: id, Kind: goalcast.KindDelay, Period: p, Minute: minute,
		Delay: &goalcast.Delay{Type: kind, Reason: "weather"}})
}

func awarded(e goalcast.Event, revision, h, a int) goalcast.Event {
	f := *e.Fixture
	f.Halted, f.Reason, f.Awarded = goalcast.Abandoned, "fog", &goalcast.Score{Home: h, Away: a}
	f.Officials = []goalcast.Official{{ID: 44, Name: "Anke Roelandts", Role: "referee"}}
	e.Revision, e.Fixture = revision, &f
	return e
}

func lineup(team goalcast.TeamID, revision int, formation string) goalcast.Event {
	return revised(goalcast.Event{ID: "match:1:lineup:" + goalcast.ForTeam(team).String(), Revision: revision,
		Kind: goalcast.KindLineup, Team: team,
		Lineup: &goalcast.Lineup{Team: team, Formation: formation, Players: []goalcast.LineupPlayer{
			{Player: goalcast.Player{ID: 5, Name: "Wout Pypaertsz"}, Shirt: 9, Position: "striker", Place: 11,
				Start: true, Captain: true},
			{Player: goalcast.Player{ID: 6}, Shirt: 12}}}})
}

func clip(id, of string) goalcast.Event {
	return revised(goalcast.Event{ID: id, Kind: goalcast.KindClip, Clip: &goalcast.Clip{Of: of, Version: 1,
		Title: "1-0", Account: "9000001", Video: "v1", Seconds: 31}})
}

func withdrawn(e goalcast.Event) goalcast.Event {
	clip := *e.Clip
	clip.Account, clip.Video = "", ""
	e.Revision, e.Status, e.Clip = e.Revision+1, goalcast.Cancelled, &clip
	return e
}

// betterCut is the next revision of a clip: nothing but its version is another.
func betterCut(e goalcast.Event) goalcast.Event {
	clip := *e.Clip
	clip.Version++
	e.Revision, e.Clip = e.Revision+1, &clip
	return e
}

func message() goalcast.Event {
	return goalcast.Event{ID: "message:1", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Match:  1,
		Topics: []goalcast.Topic{goalcast.ForMatch(1)}, Message: json.RawMessage(`{"text":"sold out"}`)}
}

func settlement() goalcast.Event {
	return goalcast.Event{ID: "settlement:ou:2.5", Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindSettlement, Match: 1, Topics: []goalcast.Topic{goalcast.ForOdds(1)},
		Settlement: &goalcast.Settlement{Market: "ou:2.5", Line: "2.5", Results: []goalcast.SettlementResult{
			{Selection: "over", Result: goalcast.Won}, {Selection: "under", Result: goalcast.Lost}}}}
}

func other(e goalcast.Event) goalcast.Event {
	e.Match = 2
	return e
}

func unknown() goalcast.Event {
	return revised(goalcast.Event{ID: "opta:777", Kind: "streaker", Period: goalcast.FirstHalf, Minute: 3})
}

func everyKind(fixture, begin, pause, again, end, first, penalty goalcast.Event) []goalcast.Event {
	card := func(id string, minute int, kind goalcast.CardType) goalcast.Event {
		return revised(goalcast.Event{ID: id, Kind: goalcast.KindCard, Team: away.ID, Period: goalcast.SecondHalf,
			Minute: minute,
			Player: &goalcast.Player{ID: 15, Name: "Emre Okonjale"}, Card: &goalcast.Card{Type: kind, Reason: "Foul"}})
	}
	return events(fixture, lineup(home.ID, 1, "433"), lineup(away.ID, 1, "442"), begin, first, clip("wsc:1", first.ID),
		clip("wsc:2", ""),
		revised(goalcast.Event{ID: "opta:201", Kind: goalcast.KindMissedPenalty, Team: away.ID,
			Period: goalcast.FirstHalf, Minute: 33,
			Player: &goalcast.Player{ID: 16}}),
		revised(goalcast.Event{ID: "opta:202", Kind: goalcast.KindAddedTime, Period: goalcast.FirstHalf, Minute: 45,
			AddedTime: 3}),
		pause, again, card("opta:203", 55, goalcast.Yellow), card("opta:204", 71, goalcast.SecondYellow),
		card("opta:205", 72, goalcast.StraightRed),
		revised(goalcast.Event{ID: "opta:206", Kind: goalcast.KindSubstitution, Team: home.ID,
			Period: goalcast.SecondHalf, Minute: 80,
			Substitution: &goalcast.Substitution{Off: &goalcast.Player{ID: 5, Name: "Wout Pypaertsz"},
				On: &goalcast.Player{ID: 6}, Reason: "injury"}}),
		revised(goalcast.Event{ID: "opta:207", Kind: goalcast.KindVAR, Team: home.ID, Period: goalcast.SecondHalf,
			Minute: 92,
			VAR:    &goalcast.VAR{Subject: "penalty", Outcome: "awarded"}}),
		revised(goalcast.Event{ID: "opta:208", Kind: goalcast.KindPenalty, Team: home.ID, Period: goalcast.SecondHalf,
			Minute: 91, Player: &goalcast.Player{ID: 6}}),
		delay("opta:209", goalcast.SecondHalf, 85, goalcast.Stopped), delay("opta:210", goalcast.SecondHalf, 87,
			goalcast.Resumed),
		penalty, message(), settlement(), end)
}

func shootout(fixture, penalty goalcast.Event) []goalcast.Event {
	kick := func(id string, team goalcast.TeamID, scored bool) goalcast.Event {
		return revised(goalcast.Event{ID: id, Kind: goalcast.KindShootoutKick, Team: team, Period: goalcast.Shootout,
			Kick: &goalcast.Kick{Scored: scored}})
	}
	late := goalAt("opta:301", away.ID, goalcast.SecondHalf, 94, goalcast.OpenPlay)
	early := goalAt("opta:302", home.ID, goalcast.ExtraFirstHalf, 93, goalcast.OpenPlay)
	last := goalAt("opta:303", away.ID, goalcast.ExtraSecondHalf, 121, goalcast.OpenPlay)
	return events(fixture, period(goalcast.FirstHalf, 0), period(goalcast.HalfTime, 47),
		period(goalcast.SecondHalf, 62), early, late, penalty,
		period(goalcast.FullTime90, 112), period(goalcast.ExtraFirstHalf, 117), period(goalcast.ExtraHalfTime, 132),
		period(goalcast.ExtraSecondHalf, 134),
		last, period(goalcast.ExtraFullTime, 150), period(goalcast.Shootout, 155), kick("opta:310", home.ID, true),
		kick("opta:311", away.ID, false),
		kick("opta:312", home.ID, false), kick("opta:313", away.ID, true), kick("opta:314", home.ID, true),
		as(kick("opta:313", away.ID, true), 2, goalcast.Cancelled), period(goalcast.FullTime, 165))
}

func apply(all []goalcast.Event) []goalcast.Snapshot {
	var out []goalcast.Snapshot
	var s goalcast.Snapshot
	for _, e := range all {
		s = goalcast.Apply(s, e)
		out = append(out, s)
	}
	return out
}

// The files hold what was checked by reading once; a change of the reducer shows as a difference
// here and in every client.
func TestReducerFiles(t *testing.T) {
	cases := reducerCases()
	dir := filepath.Join("testdata", "reducer")
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			c := cases[name]
			c.Snapshots = apply(c.Events)
			got, err := json.MarshalIndent(c, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join(dir, name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs from %s; if that is meant: go test . -run TestReducerFiles -update", path)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != len(cases) {
		t.Errorf("%d files for %d cases, %v", len(files), len(cases), err)
	}
}

// What the files say is true by a count that is not the reducer's.
func TestReducerResults(t *testing.T) {
	for name, want := range map[string]struct {
		score    goalcast.Score
		shootout *goalcast.Score
		half     *goalcast.Score
		state    goalcast.MatchState
		timeline string
	}{
		"every-kind":       {score: goalcast.Score{Home: 2}, half: &goalcast.Score{Home: 1}, state: goalcast.Finished},
		"own-goal":         {score: goalcast.Score{Away: 1}, half: &goalcast.Score{Away: 1}, state: goalcast.Live},
		"cancelled":        {half: &goalcast.Score{}, state: goalcast.Live},
		"corrected-scorer": {score: goalcast.Score{Home: 1}, state: goalcast.Live},
		"late-revision":    {state: goalcast.Live},
		"repeated":         {score: goalcast.Score{Home: 1}, state: goalcast.Live},
		"out-of-order": {score: goalcast.Score{Home: 2, Away: 1}, half: &goalcast.Score{Home: 1, Away: 1},
			state: goalcast.Finished},
		"extra-time-and-shootout": {score: goalcast.Score{Home: 2, Away: 2}, shootout: &goalcast.Score{Home: 2},
			half: &goalcast.Score{}, state: goalcast.Finished,
			timeline: "opta:103 opta:301 opta:302 opta:303 opta:310 opta:311 opta:312 opta:313 opta:314"},
		"moved-period": {half: &goalcast.Score{}, state: goalcast.Live},
		"fixture-only": {score: goalcast.Score{Home: 1}, state: goalcast.Scheduled},
		"postponed":    {state: goalcast.Scheduled},
		"abandoned":    {score: goalcast.Score{Home: 1}, state: goalcast.Abandoned},
		"lineups":      {state: goalcast.Scheduled},
		"same-moment": {score: goalcast.Score{Home: 4}, half: &goalcast.Score{Home: 4}, state: goalcast.Live,
			timeline: "opta:7 opta:8 opta:10 opta:9"},
		"delayed":    {half: &goalcast.Score{}, state: goalcast.Live},
		"suspended":  {score: goalcast.Score{Home: 1}, state: goalcast.Live, timeline: "opta:101 opta:402 opta:405"},
		"awarded":    {score: goalcast.Score{Away: 3}, half: &goalcast.Score{Home: 1}, state: goalcast.Finished},
		"not-ours":   {state: goalcast.Scheduled},
		"no-side":    {state: goalcast.Live},
		"better-cut": {score: goalcast.Score{Home: 1}, state: goalcast.Live, timeline: "wsc:1 wsc:2 opta:101"},
	} {
		all := apply(reducerCases()[name].Events)
		s := all[len(all)-1]
		if s.Score != want.score || !reflect.DeepEqual(s.Shootout, want.shootout) || !reflect.DeepEqual(s.HalfTime,
			want.half) || s.State != want.state {
			t.Errorf("%s: %v, shoot-out %v, half time %v, %s", name, s.Score, s.Shootout, s.HalfTime, s.State)
		}
		var ids []string
		for _, e := range s.Timeline {
			if e.Kind != goalcast.KindPeriod {
				ids = append(ids, e.ID)
			}
		}
		if got := strings.Join(ids, " "); want.timeline != "" && got != want.timeline {
			t.Errorf("%s: timeline %s, want %s", name, got, want.timeline)
		}
	}
	if cases := reducerCases(); len(cases) != 20 {
		t.Errorf("%d cases, 20 are checked here", len(cases))
	}
}

// Whatever the order in which events arrive, and however often, the snapshot
// in the end is the same.
func TestReducerOrderMakesNoDifference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range reducerCases() {
		if name == "not-ours" { // the first event settles which match it is
			continue
		}
		all := apply(c.Events)
		want := all[len(all)-1]
		for range 50 {
			mixed := append(slices.Clone(c.Events), c.Events[rng.IntN(len(c.Events))])
			rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
			got := apply(mixed)
			if last := got[len(got)-1]; !reflect.DeepEqual(last, want) {
				t.Fatalf("%s: another order gives\n%+v\nwant\n%+v", name, last, want)
			}
		}
	}
}

func TestApplyLeavesItsArgumentAlone(t *testing.T) {
	for name, c := range reducerCases() {
		var s goalcast.Snapshot
		for _, e := range c.Events {
			before, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			next := goalcast.Apply(s, e)
			after, err := json.Marshal(s)
			if err != nil || !bytes.Equal(before, after) {
				t.Fatalf("%s: Apply of %s changed the snapshot that it was given (%v)", name, e.ID, err)
			}
			s = next
		}
	}
}
