package live

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"goalcast"
)

var kickoff = time.Date(2026, 11, 28, 19, 45, 0, 0, time.UTC)

// match is one between teams 1 and 2 with these events.
func match(events ...goalcast.Event) goalcast.Snapshot {
	m := goalcast.Snapshot{}
	add := func(e goalcast.Event) {
		e.Match, e.Seq, e.Revision = 7, m.Seq+1, 1
		e.SetClock()
		m = goalcast.Apply(m, e)
	}
	add(goalcast.Event{ID: "f", Kind: goalcast.KindFixture, Status: goalcast.Confirmed, Fixture: &goalcast.Fixture{
		Competition: goalcast.Competition{ID: 23, Name: "Eredivisie der Dromen"}, Kickoff: kickoff,
		Home: goalcast.Team{ID: 1, Name: "Noordzand"}, Away: goalcast.Team{ID: 2, Name: "Eikendal"}}})
	for _, e := range events {
		add(e)
	}
	return m
}

func period(p goalcast.Period, at time.Time) goalcast.Event {
	return goalcast.Event{ID: "p:" + string(p), Kind: goalcast.KindPeriod, Status: goalcast.Confirmed, Period: p,
		At: at}
}

func goal(id string, team goalcast.TeamID, minute int) goalcast.Event {
	return goalcast.Event{ID: id, Kind: goalcast.KindGoal, Status: goalcast.Confirmed, Period: goalcast.FirstHalf,
		Minute: minute, Team: team, Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
		Player: &goalcast.Player{ID: 5, Name: "Joris Wuyts"}}
}

func red(id string, team goalcast.TeamID, minute int) goalcast.Event {
	return goalcast.Event{ID: id, Kind: goalcast.KindCard, Status: goalcast.Confirmed, Period: goalcast.FirstHalf,
		Minute: minute, Team: team, Card: &goalcast.Card{Type: goalcast.StraightRed}}
}

// What activities show is as the schema says that apps read.
func TestStatesAreAsDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/live-activity.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Definitions map[string]*openapi3.Schema `json:"definitions"`
	}
	if err := json.Unmarshal(text, &described); err != nil {
		t.Fatal(err)
	}
	first := period(goalcast.FirstHalf, kickoff)
	own := goal("own", 2, 44)
	own.Goal = &goalcast.Goal{Type: goalcast.OwnGoal}
	gone := goal("gone", 1, 45)
	gone.Status = goalcast.Cancelled
	stopped := goalcast.Event{ID: "d", Kind: goalcast.KindDelay, Status: goalcast.Confirmed, Period: goalcast.FirstHalf,
		Minute: 45, Delay: &goalcast.Delay{Type: goalcast.Stopped}}
	kick := goalcast.Event{ID: "k", Kind: goalcast.KindShootoutKick, Status: goalcast.Confirmed,
		Period: goalcast.Shootout, Team: 1, Kick: &goalcast.Kick{Scored: true}}
	for want, m := range map[string]goalcast.Snapshot{
		`{"state":"scheduled","period":"pre_match","score":{"home":0,"away":0},"red_cards":{"home":0,"away":0}}`: match(),
		`{"state":"live","period":"first_half","period_started":1795895100,"score":{"home":1,"away":1},` +
			`"red_cards":{"home":0,"away":1},"delay":"stopped",` +
			`"last":{"kind":"own_goal","side":"away","player":"Joris Wuyts","clock":"44"}}`: match(first,
			goal("g", 1, 20), red("r", 2, 30), own, gone, stopped),
		`{"state":"live","period":"shootout","score":{"home":0,"away":0},"shootout":{"home":1,"away":0},` +
			`"red_cards":{"home":0,"away":0}}`: match(kick, period(goalcast.Shootout, time.Time{})),
		`{"state":"finished","period":"full_time","score":{"home":0,"away":0},` +
			`"red_cards":{"home":0,"away":0}}`: match(first, period(goalcast.FullTime, time.Time{})),
	} {
		got, err := encodeState(StateOf(&m))
		if err != nil || string(got) != want {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
		attributes, err := attributesOf(&m)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"content-state": got, "attributes": attributes} {
			var v any
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			if err := described.Definitions[name].VisitJSON(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, text := range map[string]string{"content-state": `{"state":"live"}`,
		"attributes": `{"match":1,"home":{},"away":{}}`} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if described.Definitions[name].VisitJSON(v) == nil {
			t.Errorf("%s: the schema takes %s", name, text)
		}
	}
}

// keeperOnly is a service with channels, which nobody asks.
type keeperOnly struct{ Keeper }

func TestPushOfAMatch(t *testing.T) {
	turn := &turn{Runner: &Runner{cfg: Config{}.withDefaults(), keeper: keeperOnly{}}}
	first := period(goalcast.FirstHalf, kickoff)
	play := match(first)
	one := match(first, goal("g", 1, 20))
	stopped := match(first, goalcast.Event{ID: "d", Kind: goalcast.KindDelay, Status: goalcast.Confirmed,
		Period: goalcast.FirstHalf, Minute: 3, Delay: &goalcast.Delay{Type: goalcast.Stopped}})
	sent := match(first, red("r", 2, 30))
	overTime := match(first, period(goalcast.FullTime, time.Time{}))
	off := play
	off.State = goalcast.Abandoned
	now := kickoff.Add(30*time.Minute + 400*time.Millisecond)
	sec := now.Truncate(time.Second)
	state := func(m goalcast.Snapshot) []byte {
		text, err := encodeState(StateOf(&m))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, tt := range map[string]struct {
		m    goalcast.Snapshot
		c    goalcast.LiveChannel
		want Push // without State
	}{
		"before": {match(), goalcast.LiveChannel{}, Push{Event: Update, At: kickoff.Add(-time.Hour),
			Stale: kickoff.Add(5 * time.Minute), Expires: kickoff.Add(5 * time.Minute)}},
		"nothing new": {play, goalcast.LiveChannel{Shown: state(play), Sent: sec.Add(-time.Minute)}, Push{}},
		"fresh again": {play, goalcast.LiveChannel{Shown: state(play), Sent: sec.Add(-4 * time.Minute)},
			Push{Event: Update, At: sec, Stale: sec.Add(5 * time.Minute), Expires: sec.Add(5 * time.Minute)}},
		"goal": {one, goalcast.LiveChannel{Shown: state(play), Sent: sec.Add(-2 * time.Second)},
			Push{Event: Update, At: sec, Stale: sec.Add(5 * time.Minute), Expires: sec.Add(5 * time.Minute),
				High: true}},
		"goal taken back, in the same second": {play, goalcast.LiveChannel{Shown: state(one), Sent: sec},
			Push{Event: Update, At: sec.Add(time.Second), Stale: sec.Add(301 * time.Second),
				Expires: sec.Add(301 * time.Second), High: true}},
		"red card": {sent, goalcast.LiveChannel{Shown: state(play), Sent: sec.Add(-2 * time.Second)},
			Push{Event: Update, At: sec, Stale: sec.Add(5 * time.Minute), Expires: sec.Add(5 * time.Minute),
				High: true}},
		"delay": {stopped, goalcast.LiveChannel{Shown: state(play), Sent: sec.Add(-2 * time.Second)},
			Push{Event: Update, At: sec, Stale: sec.Add(5 * time.Minute), Expires: sec.Add(5 * time.Minute)}},
		"full time": {overTime, goalcast.LiveChannel{Shown: state(overTime), Opened: kickoff},
			Push{Event: End, At: sec, Dismiss: sec.Add(30 * time.Minute), Expires: sec.Add(time.Hour), High: true}},
		"abandoned": {off, goalcast.LiveChannel{Shown: state(play), Opened: kickoff},
			Push{Event: End, At: sec, Dismiss: sec.Add(30 * time.Minute), Expires: sec.Add(time.Hour), High: true}},
		"eight hours": {play, goalcast.LiveChannel{Shown: state(play), Opened: now.Add(-MaxAge + time.Minute),
			Sent: sec.Add(-time.Minute)},
			Push{Event: End, At: sec, Dismiss: sec.Add(30 * time.Minute), Expires: sec.Add(time.Hour), High: true}},
		"not yet eight hours": {play, goalcast.LiveChannel{Shown: state(play), Opened: now.Add(-MaxAge + 2*time.Minute),
			Sent: sec.Add(-time.Minute)}, Push{}},
	} {
		at := now
		if name == "before" {
			at = kickoff.Add(-time.Hour)
		}
		got, _, err := turn.pushOf(tt.c, &tt.m, at)
		if got.Event != "" {
			if string(got.State) != string(state(tt.m)) {
				t.Errorf("%s: %s", name, got.State)
			}
			got.State = nil
		}
		if err != nil || got.Event != tt.want.Event || !got.At.Equal(tt.want.At) || !got.Stale.Equal(tt.want.Stale) ||
			!got.Expires.Equal(tt.want.Expires) || !got.Dismiss.Equal(tt.want.Dismiss) || got.High != tt.want.High {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, tt.want)
		}
	}
}
