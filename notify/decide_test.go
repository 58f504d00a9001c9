package notify

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// game plays a match of invented clubs and keeps its snapshot.
type game struct {
	goalcast.Snapshot
}

func newGame() *game {
	g := &game{Snapshot: goalcast.Snapshot{ID: 900}}
	g.apply(goalcast.Event{ID: "match:900:fixture", Revision: 1, Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{
		Competition: goalcast.Competition{ID: 5, Name: "Harbour League"}, Home: goalcast.Team{ID: 1, Name: "Noordzand"},
		Away:    goalcast.Team{ID: 2, Name: "Val-Rouge"},
		Kickoff: noon.Add(-30 * time.Minute)}})
	return g
}

// apply completes an event and plays it.
func (g *game) apply(e goalcast.Event) goalcast.Event {
	e.Match, e.Topics = 900, []goalcast.Topic{goalcast.ForMatch(900), goalcast.ForTeam(1), goalcast.ForTeam(2),
		goalcast.ForCompetition(5)}
	e.Revision = max(1, e.Revision)
	if e.Status == "" {
		e.Status = goalcast.Confirmed
	}
	if e.Times.Received == 0 {
		e.Times.Received = noon.UnixMilli()
	}
	e.SetClock()
	g.Snapshot = goalcast.Apply(g.Snapshot, e)
	score := g.Snapshot.Score
	e.Score = &score
	return e
}

func goalEvent(id string, team goalcast.TeamID, minute int, scorer string) goalcast.Event {
	e := goalcast.Event{ID: id, Kind: goalcast.KindGoal, Team: team, Period: goalcast.FirstHalf, Minute: minute,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}, At: noon}
	if scorer != "" {
		e.Player = &goalcast.Player{ID: 11, Name: scorer}
	}
	return e
}

func testNotifier(cfg Config) *Notifier {
	var err error
	if cfg.Templates, err = readTemplates(files); err != nil {
		panic(err)
	}
	n := New(cfg, nil, nil, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	n.now = func() time.Time { return noon }
	return n
}

// named are names by language.
type named []goalcast.Name

func (n named) Names() *goalcast.Names { return goalcast.NewNames("1", n) }

// Pushes name teams and competitions in the language of the phone, as far as there are such names.
func TestPushesNameThingsInTheirLanguage(t *testing.T) {
	names := named{{Kind: goalcast.FoundTeam, ID: 1, Language: "fr", Name: "Le Port"},
		{Kind: goalcast.FoundCompetition, ID: 3, Language: "fr", Name: "Ligue de la Côte"}}
	for _, tt := range []struct {
		book      NameBook
		team, cup string // in French
	}{
		{names, "Le Port", "Ligue de la Côte"},
		{named(nil), "Alpha", "Coastal"},
		{nil, "Alpha", "Coastal"},
	} {
		match := goalcast.Snapshot{Fixture: goalcast.Fixture{Competition: goalcast.Competition{ID: 3, Name: "Coastal"},
			Home: goalcast.Team{ID: 1, Name: "Alpha"}, Away: goalcast.Team{ID: 2, Name: "Beta"}}}
		texts, err := testNotifier(Config{Names: tt.book}).texts(facts{kind: kindPeriod, match: match,
			event: goalcast.Event{Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := texts["fr"]; got.Title != "Coup d'envoi : "+tt.team+" - Beta" || got.Body != tt.cup {
			t.Errorf("fr: %+v", got)
		}
		if got := texts["nl"]; got.Title != "Aftrap: Alpha - Beta" || got.Body != "Coastal" {
			t.Errorf("nl: %+v", got)
		}
	}
}

func TestTextsGolden(t *testing.T) {
	n := testNotifier(Config{Names: named{{Kind: goalcast.FoundTeam, ID: 2, Language: "nl", Name: "Roodendal"},
		{Kind: goalcast.FoundTeam, ID: 2, Language: "en", Name: "Red Valley"},
		{Kind: goalcast.FoundTeam, ID: 1, Language: "nl-BE", Name: "of another language"}},
		Zone: time.FixedZone("", 3600)})
	var out strings.Builder
	show := func(title, kind string, e goalcast.Event, g *game) {
		t.Helper()
		raw, _, err := n.content(goalcast.PushRecord{}, factsOf(kind, statusOf(
			goalcast.PushRecord{State: goalcast.RecordShown}, e, g.Snapshot, noon), e, g.Snapshot))
		if err != nil {
			t.Fatal(err)
		}
		var c Content
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "# %s: tag %s, collapse %s, channel %s, high %t\n", title, c.Tag, c.Collapse, c.Channel,
			c.High)
		for _, l := range languages {
			fmt.Fprintf(&out, "%s | %s | %s\n", l, c.Texts[l].Title, c.Texts[l].Body)
		}
		out.WriteByte('\n')
	}
	period := func(g *game, p goalcast.Period) goalcast.Event {
		return g.apply(goalcast.Event{ID: "match:900:period:" + string(p), Kind: goalcast.KindPeriod, Period: p,
			At: noon})
	}
	g := newGame()
	show("kick-off", kindPeriod, period(g, goalcast.FirstHalf), g)
	show("goal without scorer", kindGoal, g.apply(goalEvent("opta:1", 1, 27, "")), g)
	scored := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	scored.Revision = 2
	show("goal", kindGoal, g.apply(scored), g)
	own := goalEvent("opta:2", 2, 47, "Bram Okel")
	own.Goal.Type = goalcast.OwnGoal
	show("own goal in added time", kindGoal, g.apply(own), g)
	penalty := goalEvent("opta:3", 2, 48, "Léon Hardi")
	penalty.Goal.Type = goalcast.PenaltyGoal
	show("penalty", kindGoal, g.apply(penalty), g)
	penalty.Revision, penalty.Status = 2, goalcast.Cancelled
	show("goal taken back", kindGoalOff, g.apply(penalty), g)
	show("half time", kindPeriod, period(g, goalcast.HalfTime), g)
	show("second half", kindPeriod, period(g, goalcast.SecondHalf), g)
	card := goalcast.Event{ID: "opta:4", Kind: goalcast.KindCard, Team: 2, Period: goalcast.SecondHalf, Minute: 61,
		At:     noon,
		Player: &goalcast.Player{ID: 12, Name: "Léon Hardi"}, Card: &goalcast.Card{Type: goalcast.StraightRed}}
	show("red card", kindRed, g.apply(card), g)
	second := card
	second.ID, second.Player, second.Card = "opta:5", nil, &goalcast.Card{Type: goalcast.SecondYellow}
	show("second yellow of nobody known", kindRed, g.apply(second), g)
	card.Revision, card.Status = 2, goalcast.Cancelled
	show("red card taken back", kindRedOff, g.apply(card), g)
	show("full time", kindPeriod, period(g, goalcast.FullTime), g)
	g = newGame()
	show("after 90 minutes", kindPeriod, period(g, goalcast.FullTime90), g)
	period(g, goalcast.ExtraFirstHalf)
	show("full time after extra time", kindPeriod, period(g, goalcast.FullTime), g)
	g = newGame()
	show("shoot-out", kindPeriod, period(g, goalcast.Shootout), g)
	for i := range 4 {
		g.apply(goalcast.Event{ID: fmt.Sprint("kick", i), Kind: goalcast.KindShootoutKick,
			Team: goalcast.TeamID(1 + i%2), Period: goalcast.Shootout,
			Kick: &goalcast.Kick{Scored: i != 1}})
	}
	show("full time on penalties", kindPeriod, period(g, goalcast.FullTime), g)
	fixture := g.Fixture
	fixture.Halted = goalcast.Postponed
	show("postponed", kindStatus, g.apply(goalcast.Event{ID: "match:900:fixture", Revision: 2,
		Kind: goalcast.KindFixture, Fixture: &fixture}), g)
	abandoned := fixture
	abandoned.Halted = goalcast.Abandoned
	show("abandoned", kindStatus, g.apply(goalcast.Event{ID: "match:900:fixture", Revision: 3,
		Kind: goalcast.KindFixture, Fixture: &abandoned}), g)

	fixture.Halted, fixture.Kickoff = "", noon.Add(10*24*time.Hour)
	show("new date", kindStatus, g.apply(goalcast.Event{ID: "match:900:fixture", Revision: 4,
		Kind: goalcast.KindFixture, Fixture: &fixture}), g)
	fixture.Awarded = &goalcast.Score{Home: 0, Away: 3}
	show("result awarded", kindStatus, g.apply(goalcast.Event{ID: "match:900:fixture", Revision: 5,
		Kind: goalcast.KindFixture, Fixture: &fixture}), g)
	g = newGame()
	delay := func(id string, p goalcast.Period, minute int, what goalcast.DelayType) goalcast.Event {
		return g.apply(goalcast.Event{ID: id, Kind: goalcast.KindDelay, Period: p, Minute: minute, At: noon,
			Delay: &goalcast.Delay{Type: what}})
	}
	show("kick-off delayed", kindStatus, delay("opta:6", goalcast.PreMatch, 0, goalcast.LateStart), g)
	period(g, goalcast.FirstHalf)
	g.apply(goalEvent("opta:1", 1, 27, "Joris Wuyts"))
	show("suspended", kindStatus, delay("opta:7", goalcast.FirstHalf, 30, goalcast.Suspended), g)
	show("resumed", kindStatus, delay("opta:8", goalcast.FirstHalf, 31, goalcast.Resumed), g)
	given := goalcast.Event{ID: "opta:9", Kind: goalcast.KindPenalty, Team: 2, Period: goalcast.FirstHalf, Minute: 40,
		At: noon}
	show("penalty given", kindPenalty, g.apply(given), g)
	show("penalty missed", kindMissed, g.apply(goalcast.Event{ID: "opta:10", Kind: goalcast.KindMissedPenalty, Team: 2,
		Period: goalcast.FirstHalf, Minute: 41, At: noon,
		Player: &goalcast.Player{ID: 12, Name: "Léon Hardi"}}), g)
	given.Revision, given.Status = 2, goalcast.Cancelled
	show("penalty taken back", kindPenaltyOff, g.apply(given), g)

	file := filepath.Join("testdata", "texts.txt")
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != out.String() {
		t.Errorf("texts differ from %s (%v); with -update they are written:\n%s", file, err, out.String())
	}
}

func TestScoreOfAGoalIsTheScoreAfterIt(t *testing.T) {
	g := newGame()
	first := g.apply(goalEvent("opta:1", 1, 10, "A"))
	g.apply(goalEvent("opta:2", 1, 20, "B"))
	g.apply(goalEvent("opta:3", 2, 30, "C"))
	first.Revision, first.Player = 2, &goalcast.Player{ID: 3, Name: "D"}
	first = g.apply(first)
	if got := scoreAt(kindGoal, first, g.Snapshot); got != (goalcast.Score{Home: 1}) {
		t.Errorf("the corrected first goal shows %v", got)
	}
	if got := scoreAt(kindGoalOff, first, g.Snapshot); got != (goalcast.Score{Home: 2, Away: 1}) {
		t.Errorf("a goal taken back shows %v", got)
	}
}

// step is a revision that the notifier decides on, at a time after noon, and what it must decide.
type step struct {
	after  time.Duration
	change func(*goalcast.Event)
	kind   string
	fresh  bool
	state  string
	reason string
}

func TestDecide(t *testing.T) {
	cancelled := func(e *goalcast.Event) { e.Status = goalcast.Cancelled }
	confirmed := func(e *goalcast.Event) { e.Status = goalcast.Confirmed }
	same := func(*goalcast.Event) {}
	scorer := func(e *goalcast.Event) { e.Player = &goalcast.Player{ID: 5, Name: "Another"} }
	quality := func(e *goalcast.Event) {
		e.Goal = &goalcast.Goal{Type: goalcast.OpenPlay, Assist: &goalcast.Player{ID: 6, Name: "Helper"}}
	}
	untimed := func(e *goalcast.Event) { e.At = time.Time{} }
	goal := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	card := goalcast.Event{ID: "opta:4", Kind: goalcast.KindCard, Team: 2, Period: goalcast.FirstHalf, Minute: 30,
		At: noon, Card: &goalcast.Card{Type: goalcast.Yellow}}
	red := func(e *goalcast.Event) {
		e.Card = &goalcast.Card{Type: goalcast.StraightRed}
		e.At = noon.Add(time.Minute)
	}
	second := goalcast.Event{ID: "match:900:period:second_half", Kind: goalcast.KindPeriod, Period: goalcast.SecondHalf,
		At: noon}
	half := goalcast.Event{ID: "match:900:period:half_time", Kind: goalcast.KindPeriod, Period: goalcast.HalfTime,
		At: noon}
	for name, tt := range map[string]struct {
		event goalcast.Event
		steps []step
	}{
		"goal": {goal, []step{{after: 20 * time.Second, change: same, kind: kindGoal,
			fresh: true, state: goalcast.RecordShown}}},
		"goal told after a long review": {goal, []step{{after: 14 * time.Minute, change: same, kind: kindGoal,
			fresh: true, state: goalcast.RecordShown}}},
		"goal in a document that took minutes to come": {goal,
			[]step{{after: 10 * time.Minute, change: func(e *goalcast.Event) {
				e.Times.Provider = noon.Add(time.Second).UnixMilli()
			}, kind: kindGoal, fresh: true, state: goalcast.RecordShown}}},
		"goal told too late": {goal, []step{{after: 16 * time.Minute, change: same, state: goalcast.RecordMuted,
			reason: "expired"},
			{after: 17 * time.Minute, change: scorer, state: goalcast.RecordMuted, reason: "muted"},
			{after: 18 * time.Minute, change: cancelled, state: goalcast.RecordNone}}},
		"goal without a time, in a document of days ago": {goal, []step{{change: func(e *goalcast.Event) {
			e.At = time.Time{}
			e.Times.Provider, e.Times.Received = noon.Add(-72*time.Hour).UnixMilli(), noon.UnixMilli()
		}, state: goalcast.RecordMuted, reason: "expired"}}},
		"goal without a time, received now": {goal,
			[]step{{change: untimed, kind: kindGoal, fresh: true, state: goalcast.RecordShown}}},
		"goal without a time, of a match long over": {goal,
			[]step{{after: 4 * time.Hour, change: untimed, state: goalcast.RecordMuted, reason: "expired"}}},
		"goal in the future (a wrong zone)": {goal, []step{{change: func(e *goalcast.Event) {
			e.At = noon.Add(time.Hour)
		}, kind: kindGoal, fresh: true,
			state: goalcast.RecordShown}}},
		"goal cancelled": {goal, []step{{change: same, kind: kindGoal, fresh: true, state: goalcast.RecordShown},
			{after: 4 * time.Minute, change: cancelled, kind: kindGoalOff, state: goalcast.RecordWithdrawn},
			{after: 5 * time.Minute, change: func(e *goalcast.Event) {
				e.Status = goalcast.Cancelled
				e.Minute = 28
			}, state: goalcast.RecordWithdrawn}}},
		"goal cancelled, and given after all": {goal,
			[]step{{change: same, kind: kindGoal, fresh: true, state: goalcast.RecordShown},
				{after: time.Minute, change: cancelled, kind: kindGoalOff, state: goalcast.RecordWithdrawn},
				{after: 4 * time.Minute, change: confirmed, kind: kindGoal, fresh: true, state: goalcast.RecordShown}}},
		"goal cancelled long after": {goal, []step{{change: same, kind: kindGoal, fresh: true,
			state: goalcast.RecordShown},
			{after: 48 * time.Hour, change: cancelled, state: goalcast.RecordNone, reason: "late_correction"},
			{after: 49 * time.Hour, change: confirmed, state: goalcast.RecordShown, reason: "told_already"}}},
		"goal that was never told, cancelled": {goal, []step{{change: cancelled, state: goalcast.RecordNone}}},
		"scorer corrected": {goal, []step{{change: same, kind: kindGoal, fresh: true, state: goalcast.RecordShown},
			{after: 5 * time.Minute, change: scorer, kind: kindGoal, state: goalcast.RecordShown}}},
		"scorer corrected days later": {goal, []step{{change: same, kind: kindGoal, fresh: true,
			state: goalcast.RecordShown},
			{after: 72 * time.Hour, change: scorer, state: goalcast.RecordShown, reason: "late_correction"}}},
		"assist corrected": {goal, []step{{change: same, kind: kindGoal, fresh: true, state: goalcast.RecordShown},
			{after: time.Minute, change: quality, state: goalcast.RecordShown}}},
		"possible goal, confirmed": {goal, []step{{change: func(e *goalcast.Event) {
			e.Status = goalcast.Provisional
		}, kind: kindGoal, fresh: true, state: goalcast.RecordShown},
			{after: time.Minute, change: confirmed, state: goalcast.RecordShown}}},
		"yellow card": {card, []step{{change: same, state: goalcast.RecordNone}}},
		"yellow that becomes red": {card, []step{{change: same, state: goalcast.RecordNone},
			{after: 2 * time.Minute, change: red, kind: kindRed, fresh: true, state: goalcast.RecordShown},
			{after: 4 * time.Minute, change: func(e *goalcast.Event) {
				e.Card = card.Card
			}, kind: kindRedOff, state: goalcast.RecordWithdrawn}}},
		"half time": {half, []step{{after: 9 * time.Minute, change: same, kind: kindPeriod, fresh: true,
			state: goalcast.RecordShown},
			{after: 9*time.Minute + time.Second, change: func(e *goalcast.Event) {
				e.At = noon.Add(time.Second)
			}, state: goalcast.RecordShown}}},
		"half time told late": {half, []step{{after: 14 * time.Minute, change: same, kind: kindPeriod, fresh: true,
			state: goalcast.RecordShown}}},
		"half time too late": {half, []step{{after: 16 * time.Minute, change: same, state: goalcast.RecordMuted,
			reason: "expired"}}},
		"half time cancelled": {half, []step{{change: same, kind: kindPeriod, fresh: true, state: goalcast.RecordShown},
			{after: time.Minute, change: cancelled, state: goalcast.RecordNone, reason: "withdrawn_unseen"},
			{after: 2 * time.Minute, change: confirmed, state: goalcast.RecordShown, reason: "told_already"},
			{after: 3 * time.Minute, change: cancelled, state: goalcast.RecordNone, reason: "withdrawn_unseen"},
			{after: 4 * time.Minute, change: confirmed, state: goalcast.RecordShown, reason: "told_already"}}},
		"second half begins late, and once more after a long pause": {second, []step{
			{after: 4 * time.Minute, change: same, kind: kindPeriod, fresh: true, state: goalcast.RecordShown},
			{after: 5 * time.Minute, change: cancelled, state: goalcast.RecordNone, reason: "withdrawn_unseen"},
			{after: 40 * time.Minute, change: func(e *goalcast.Event) {
				e.At = noon.Add(40 * time.Minute)
			}, kind: kindPeriod, fresh: true, state: goalcast.RecordShown}}},
		"second half told too late": {second, []step{{after: 5 * time.Minute, change: same, state: goalcast.RecordMuted,
			reason: "expired"}}},
		"extra time's pause": {goalcast.Event{ID: "p", Kind: goalcast.KindPeriod, Period: goalcast.ExtraHalfTime,
			At: noon}, []step{{change: same, state: goalcast.RecordNone}}},
	} {
		t.Run(name, func(t *testing.T) {
			n := testNotifier(Config{})
			g := newGame()
			var rec goalcast.PushRecord
			for i, s := range tt.steps {
				e := tt.event
				e.Revision, e.Times.Received = i+1, noon.Add(s.after).UnixMilli()
				s.change(&e)
				e = g.apply(e)
				v, err := n.decide(rec, e, g.Snapshot, noon.Add(s.after))
				if err != nil {
					t.Fatal(err)
				}
				if v.kind != s.kind || v.fresh != s.fresh || v.reason != s.reason || v.record.State != s.state ||
					v.record.Revision != i+1 {
					t.Fatalf("revision %d: kind %q, fresh %t, state %q, reason %q; want %+v", i+1, v.kind, v.fresh,
						v.record.State, v.reason, s)
				}
				if v.kind != "" && (v.record.Told != i+1 || len(v.record.Content) == 0 ||
					!v.expires.After(noon.Add(s.after))) {
					t.Errorf("revision %d: record %+v, expires %v", i+1, v.record, v.expires)
				}
				rec = v.record
				again, err := n.decide(rec, e, g.Snapshot, noon.Add(s.after))
				if err != nil || again.kind != "" || again.reason != "superseded" {
					t.Errorf("revision %d twice: %+v, %v", i+1, again, err)
				}
			}
		})
	}
}

// A feed that begins in mid-match tells what everybody knows; what happened a moment ago is news
// all the same, and so is what it tells from then on.
func TestFeedThatBeginsInMidMatch(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	at := func(e goalcast.Event, before time.Duration) goalcast.Event {
		e.At = noon.Add(-before)
		return e
	}
	kickoff := goalcast.Event{ID: "match:900:period:first_half", Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf}
	var first []goalcast.Event
	for _, e := range []goalcast.Event{at(kickoff, 40*time.Minute), at(goalEvent("opta:1", 1, 30, ""), 10*time.Minute),
		at(goalEvent("opta:2", 1, 39, ""), time.Minute)} {
		first = append(first, g.apply(e))
	}
	for i, want := range []string{"expired", "expired", "+goal"} {
		decided(t, n, goalcast.PushRecord{}, first[i], g, noon, want)
	}
	late := at(goalEvent("opta:3", 1, 38, ""), 2*time.Minute)
	late.Times.Received = noon.Add(3 * time.Minute).UnixMilli()
	decided(t, n, goalcast.PushRecord{}, g.apply(late), g, noon.Add(3*time.Minute), "+goal")
}

// Neither the planned kick-off nor the day decides what is new, where anybody tells a time: a match
// goes on after a long suspension, or next day.
func TestMatchThatGoesOnNextDay(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	now := noon.Add(20 * time.Hour)
	next := func(e goalcast.Event) goalcast.Event {
		e.Times.Received = now.UnixMilli()
		return g.apply(e)
	}
	half := goalcast.Event{ID: "match:900:period:half_time", Kind: goalcast.KindPeriod, Period: goalcast.HalfTime,
		At: noon.Add(15 * time.Minute)}
	second := goalcast.Event{ID: "match:900:period:second_half", Kind: goalcast.KindPeriod, Period: goalcast.SecondHalf,
		At: now.Add(-3 * time.Minute)}
	goal := goalEvent("opta:1", 1, 47, "")
	goal.Period, goal.At = goalcast.SecondHalf, now.Add(-5*time.Second)
	untold := goalEvent("opta:2", 2, 48, "") // only its document tells a time
	untold.Period, untold.At = goalcast.SecondHalf, time.Time{}
	untold.Times.Provider = now.Add(-time.Second).UnixMilli()
	old := goalEvent("opta:3", 2, 20, "") // it was before the second half, whoever does not say so
	old.At, old.Times.Provider = time.Time{}, now.Add(-time.Second).UnixMilli()
	for _, tt := range []struct {
		e    goalcast.Event
		want string
	}{{half, "expired"}, {second, "+period"}, {goal, "+goal"}, {untold, "+goal"}} {
		decided(t, n, goalcast.PushRecord{}, next(tt.e), g, now, tt.want)
	}
	now = now.Add(30 * time.Minute)
	decided(t, n, goalcast.PushRecord{}, next(old), g, now, "expired")
}

// An event keeps its id when it turns out to be something else. Nothing that is not so stays on
// phones, and a goal is news whatever it was before.
func TestEventOfAnotherKind(t *testing.T) {
	goal := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	as := func(kind goalcast.Kind, change func(*goalcast.Event)) goalcast.Event {
		e := goalcast.Event{ID: goal.ID, Kind: kind, Team: 1, Period: goal.Period, Minute: goal.Minute, At: goal.At,
			Player: goal.Player}
		if change != nil {
			change(&e)
		}
		return e
	}
	red := as(goalcast.KindCard, func(e *goalcast.Event) { e.Card = &goalcast.Card{Type: goalcast.StraightRed} })
	yellow := as(goalcast.KindCard, func(e *goalcast.Event) { e.Card = &goalcast.Card{Type: goalcast.Yellow} })
	missed, penalty, review := as(goalcast.KindMissedPenalty, nil), as(goalcast.KindPenalty, nil), as(goalcast.KindVAR,
		nil)
	suspended := as(goalcast.KindDelay, func(e *goalcast.Event) { e.Delay = &goalcast.Delay{Type: goalcast.Suspended} })
	for name, tt := range map[string]struct {
		was, is    goalcast.Event
		first      string
		want, tag  string // where penalties are not pushed
		penalties  string // where they are
		wantsFirst string // same, of was
	}{
		"goal, missed penalty": {was: goal, is: missed, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"goal, penalty": {was: goal, is: penalty, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"goal, red card": {was: goal, is: red, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"goal, yellow card": {was: goal, is: yellow, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"goal, review": {was: goal, is: review, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"goal, suspension": {was: goal, is: suspended, first: "+goal", want: kindGoalOff, penalties: kindGoalOff,
			tag: "goal:900:opta:1"},
		"red card, goal": {was: red, is: goal, first: "+red_card", want: "+goal", penalties: "+goal",
			tag: "red:900:opta:1"},
		"red card, missed": {was: red, is: missed, first: "+red_card", want: kindRedOff, penalties: kindRedOff,
			tag: "red:900:opta:1"},
		"missed penalty, goal": {was: missed, is: goal, want: "+goal", wantsFirst: "+penalty_missed",
			penalties: "+goal"},
		"penalty, missed penalty": {was: penalty, is: missed, wantsFirst: "+penalty", penalties: "+penalty_missed"},
		"penalty, yellow card":    {was: penalty, is: yellow, wantsFirst: "+penalty", penalties: kindPenaltyOff},
	} {
		for _, pushed := range []bool{false, true} {
			first, want := tt.first, tt.want
			if pushed {
				want = tt.penalties
				if first == "" {
					first = tt.wantsFirst
				}
			}
			n, g := testNotifier(Config{Penalties: pushed}), newGame()
			rec := decided(t, n, goalcast.PushRecord{}, g.apply(tt.was), g, noon, first)
			tt.is.Revision = 2
			rec = decided(t, n, rec, g.apply(tt.is), g, noon, want)
			var c Content
			if want != "" && (json.Unmarshal(rec.Content, &c) != nil || tt.tag != "" && c.Tag != tt.tag ||
				c.Texts["nl"].Title == "") {
				t.Errorf("%s: %+v", name, c)
			}
			if t.Failed() {
				t.Fatalf("%s, penalties pushed: %t", name, pushed)
			}
		}
	}
}

func TestRevisionsThatWereCommittedTogether(t *testing.T) {
	n, g := testNotifier(Config{}), newGame()
	first := g.apply(goalEvent("opta:1", 1, 27, ""))
	second := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	second.Revision = 2
	second = g.apply(second)
	v1, err := n.decide(goalcast.PushRecord{}, first, g.Snapshot, noon)
	if err != nil || v1.kind != "" || v1.reason != "superseded" {
		t.Fatalf("the older one: %+v, %v", v1, err)
	}
	v2, err := n.decide(v1.record, second, g.Snapshot, noon)
	if err != nil || v2.kind != kindGoal || !v2.fresh {
		t.Fatalf("the newer one: %+v, %v", v2, err)
	}
	if late, err := n.decide(v2.record, first, g.Snapshot, noon); err != nil || late.kind != "" ||
		late.record.Revision != 2 {
		t.Errorf("the older one after the newer: %+v, %v", late, err)
	}
}

func TestKeys(t *testing.T) {
	for kind, want := range map[string][2]string{
		kindGoal: {"goal:900:opta:1", "goal:900"}, kindGoalOff: {"goal:900:opta:1", "goal:900"},
		kindRed:    {"red:900:opta:1", "red:900"},
		kindPeriod: {"period:900", "period:900"}, kindStatus: {"status:900", "status:900"},
		kindPenalty: {"penalty:900:opta:1", "period:900"}, kindPenaltyOff: {"penalty:900:opta:1", "period:900"},
		kindClip: {"clip:900:opta:1", "period:900"}, kindSummary: {"summary:900", "period:900"},
		kindLineups: {"lineups:900", "period:900"},
	} {
		e := goalcast.Event{ID: "opta:1", Match: 900}
		if kind == kindClip {
			e.ID, e.Clip = "wsc:7", &goalcast.Clip{Of: "opta:1"}
		}
		if tag, collapse := keys(kind, e); tag != want[0] || collapse != want[1] {
			t.Errorf("%s: %s, %s", kind, tag, collapse)
		}
	}
	long := goalcast.Event{ID: strings.Repeat("x", 120), Match: 9_000_000_000_000_000_000}
	other := long
	other.ID = long.ID[1:] + "y"
	a, _ := keys(kindGoal, long)
	b, _ := keys(kindGoal, other)
	if len(a) > maxTag || a == b {
		t.Errorf("long ids: %s (%d), %s", a, len(a), b)
	}
}

func TestPauses(t *testing.T) {
	n := testNotifier(Config{})
	var fault []time.Duration
	for attempt := 1; attempt <= 12; attempt++ {
		fault = append(fault, n.pause(Result{Outcome: Later, Reason: "internal"}, attempt).Truncate(time.Second/2))
	}
	if !slices.IsSortedFunc(fault[:8], func(a, b time.Duration) int {
		return int(a - b)
	}) || fault[0] < time.Second || fault[11] > 6*time.Minute+15*time.Second {
		t.Errorf("pauses after faults: %v", fault)
	}
	if d := n.pause(Result{Outcome: Later, Reason: ReasonQuota}, 1); d < time.Minute || d > 75*time.Second {
		t.Errorf("quota without Retry-After: %v", d)
	}
	if d := n.pause(Result{Outcome: Later, Reason: ReasonQuota, After: 7 * time.Second}, 3); d != 7*time.Second {
		t.Errorf("Retry-After: %v", d)
	}
}
