package merge

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"goalcast"
)

var kickoff = time.Date(2021, 3, 6, 15, 0, 0, 0, time.UTC)

// version is that of a document made so many minutes after kick-off.
func version(minute int) Version {
	return Version{Time: kickoff.Add(time.Duration(minute) * time.Minute), Digest: fmt.Sprint(minute)}
}

func goal(n int, team goalcast.TeamID, minute int, scorer goalcast.PlayerID) goalcast.Event {
	e := goalcast.Event{
		ID: fmt.Sprint("plain:", n), Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Team: team,
		Period: goalcast.FirstHalf, Minute: minute,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
	}
	if scorer != 0 {
		e.Player = &goalcast.Player{ID: scorer}
	}
	return e
}

func cancelled(e goalcast.Event) goalcast.Event {
	e.Status = goalcast.Cancelled
	return e
}

func fixture() *goalcast.Fixture {
	return &goalcast.Fixture{Home: goalcast.Team{ID: home}, Away: goalcast.Team{ID: away},
		Competition: goalcast.Competition{ID: 9}, Kickoff: kickoff}
}

func says(source string, minute int, f *goalcast.Fixture, facts ...goalcast.Event) heard {
	return heard{source, version(minute), MatchReading{Match: testMatch, Fixture: f, Facts: facts}}
}

// event finds an event of the timeline.
func event(t *testing.T, rec goalcast.MatchRecord, id string) goalcast.Event {
	t.Helper()
	e, ok := rec.Snapshot.Event(id)
	if !ok {
		t.Fatalf("no event %s in %+v", id, rec.Snapshot.Timeline)
	}
	return e
}

// keys lists revisions as "plain:1#2 cancelled 0-1".
func keys(log []goalcast.Event) (out []string) {
	for _, e := range log {
		out = append(out, fmt.Sprintf("%s %s %d-%d", e.Key(), e.Status, e.Score.Home, e.Score.Away))
	}
	return out
}

func wantKeys(t *testing.T, log []goalcast.Event, want ...string) {
	t.Helper()
	if got := keys(log); !slices.Equal(got, want) {
		t.Fatalf("emitted\n%q\nwant\n%q", got, want)
	}
}

func TestEachFieldFromWhoeverKnowsIt(t *testing.T) {
	at := kickoff.Add(26*time.Minute + 57*time.Second)
	official, touch := goal(1, home, 27, 5), goal(1, home, 26, 6)
	official.Goal.Type, official.Second, official.At = goalcast.PenaltyGoal, 1, at.Add(time.Minute)
	touch.Goal.Assist, touch.Second, touch.At, touch.Status = &goalcast.Player{ID: 8}, 57, at, goalcast.Provisional
	booked := goalcast.Event{ID: "plain:2", Kind: goalcast.KindCard, Status: goalcast.Confirmed, Team: away,
		Period: goalcast.FirstHalf}
	yellow, red := booked, booked
	yellow.Card, red.Card = &goalcast.Card{Type: goalcast.SecondYellow}, &goalcast.Card{Type: goalcast.StraightRed,
		Reason: "Foul"}
	red.Minute = 31

	documents := []heard{says(sourceEvents, 30, fixture(), touch, red), says(sourceMatch, 29, nil, official, yellow)}
	documents[1].m.Players = map[goalcast.PlayerID]string{5: "Five", 8: "Eight"}
	rec, _ := through(t, documents)

	got := event(t, rec, "plain:1")
	want := goalcast.Event{
		ID: "plain:1", Match: testMatch, Kind: goalcast.KindGoal, Status: goalcast.Provisional, Team: home,
		Player: &goalcast.Player{ID: 5, Name: "Five"},
		Period: goalcast.FirstHalf, Minute: 27, Second: 57, Clock: "27", At: at, Topics: fixture().Topics(testMatch),
		Goal: &goalcast.Goal{Type: goalcast.PenaltyGoal, Assist: &goalcast.Player{ID: 8, Name: "Eight"}},
	}
	if !got.SameContent(want) {
		t.Errorf("goal %+v, want %+v", got, want)
	}
	card := event(t, rec, "plain:2")
	if want := (goalcast.Card{Type: goalcast.SecondYellow, Reason: "Foul"}); *card.Card != want || card.Minute != 31 {
		t.Errorf("card %+v in minute %d, want %+v in 31", card.Card, card.Minute, want)
	}
}

func TestScorerFilledLaterIsARevisionAndTheSameAgainIsNone(t *testing.T) {
	_, log := through(t, []heard{
		says(sourceEvents, 27, fixture(), goal(1, home, 27, 0)),
		says(sourceMatch, 28, fixture(), goal(1, home, 27, 5)),
		says(sourceEvents, 29, fixture(), goal(1, home, 27, 0)),
		says(sourceMatch, 30, fixture(), goal(1, home, 27, 5)),
	})
	wantKeys(t, log, "match:77:fixture#1 confirmed 0-0", "plain:1#1 confirmed 1-0", "plain:1#2 confirmed 1-0")
	if log[2].Player.ID != 5 {
		t.Errorf("scorer %+v", log[2].Player)
	}
	if log[2].Times.Provider != version(28).Time.UnixMilli() || log[2].Times.Received != 1001 {
		t.Errorf("times %+v", log[2].Times)
	}
}

func TestRetractionByAnySourceWins(t *testing.T) {
	g := goal(1, home, 27, 5)
	for name, documents := range map[string][]heard{
		"deleted in one, the other still has it": {says(sourceMatch, 27, fixture(), g),
			says(sourceEvents, 27, nil, g), says(sourceEvents, 28, nil, cancelled(g))},
		"gone from one, the other still has it": {says(sourceMatch, 27, fixture(), g),
			says(sourceEvents, 27, nil, g), says(sourceMatch, 28, nil)},
		"one is late with the goal": {says(sourceEvents, 27, fixture(), g),
			says(sourceEvents, 28, nil, cancelled(g)), says(sourceMatch, 29, nil, g)},
		"never seen alive": {says(sourceEvents, 28, fixture(), cancelled(g))},
		"never seen alive, and the older document": {says(sourceEvents, 28, fixture(), cancelled(g)),
			says(sourceEvents, 27, nil, g)},
		"gone before the document that had it came": {says(sourceMatch, 28, fixture()),
			says(sourceMatch, 27, nil, g)},
		"taken back under the same id and time, last": {says(sourceMatch, 27, fixture(), g),
			says(sourceEvents, 30, nil, cancelled(g)), says(sourceMatch, 30, nil, g)},
	} {
		rec, log := through(t, documents)
		checkLog(t, rec, log)
		if e := event(t, rec, "plain:1"); e.Counts() || e.Goal == nil || rec.Snapshot.Score != (goalcast.Score{}) {
			t.Errorf("%s: %+v, score %v", name, e, rec.Snapshot.Score)
		}
	}
	// A source that has it again stands by it again.
	rec, log := through(t, []heard{says(sourceMatch, 27, fixture(), g), says(sourceMatch, 28, nil),
		says(sourceMatch, 29, nil, g)})
	wantKeys(t, log[1:], "plain:1#1 confirmed 1-0", "plain:1#2 cancelled 0-0", "plain:1#3 confirmed 1-0")
	if rec.Snapshot.Score.Home != 1 {
		t.Errorf("score %v", rec.Snapshot.Score)
	}
}

func TestFixtureByWhoKnowsItBest(t *testing.T) {
	list, own := fixture(), fixture()
	list.Home.Name, list.Competition.Name = "Harbour (list)", "Ninth League"
	list.Reported = &goalcast.Result{Period: goalcast.FullTime, Score: goalcast.Score{Home: 4}}
	list.Kickoff, list.Halted, list.Reason = kickoff.Add(24*time.Hour), goalcast.Postponed, "Frozen Pitch"
	own.Home.Name = "Harbour"

	rec, _ := through(t, []heard{says(sourceList, 10, list)})
	if s := rec.Snapshot; s.Score.Home != 4 || s.State != goalcast.Postponed {
		t.Errorf("of the list alone: score %v, state %s", s.Score, s.State)
	}
	for _, order := range [][]heard{
		{says(sourceList, 10, list), says(sourceMatch, 5, own)},
		{says(sourceMatch, 5, own), says(sourceList, 10, list)},
	} {
		rec, _ := through(t, order)
		f := rec.Snapshot.Fixture
		if f.Home.Name != "Harbour" || f.Competition.Name != "Ninth League" || f.Halted != goalcast.Postponed ||
			!f.Kickoff.Equal(list.Kickoff) || f.Reported == nil {
			t.Errorf("list is newer: %+v", f)
		}
	}
	claims := fixture()
	claims.Reported = &goalcast.Result{Score: goalcast.Score{Away: 9}}
	rec, _ = through(t, []heard{says(sourceEvents, 10, claims)})
	if f := rec.Snapshot.Fixture; f.Reported != nil {
		t.Errorf("a result from elsewhere than a list: %+v", f.Reported)
	}
	rec, _ = through(t, []heard{says(sourceList, 10, list), says(sourceMatch, 15, own),
		says(sourceEvents, 20, fixture())})
	if f := rec.Snapshot.Fixture; f.Halted != "" || f.Reason != "" || !f.Kickoff.Equal(kickoff) {
		t.Errorf("the match's own feed is newer: %+v", f)
	}
}

func lineup(team goalcast.TeamID, formation string, players ...goalcast.PlayerID) goalcast.Event {
	l := &goalcast.Lineup{Team: team, Formation: formation}
	for _, p := range players {
		l.Players = append(l.Players, goalcast.LineupPlayer{Player: goalcast.Player{ID: p}, Start: true})
	}
	return goalcast.Event{ID: fmt.Sprint("match:77:lineup:", team), Status: goalcast.Confirmed,
		Kind: goalcast.KindLineup, Team: team, Lineup: l}
}

func TestLineups(t *testing.T) {
	named := says(sourceMatch, 3, nil)
	named.m.Players = map[goalcast.PlayerID]string{4: "Four"}
	rec, log := through(t, []heard{
		says(sourceEvents, 1, fixture(), lineup(home, "442", 4, 5), lineup(away, "", 6)),
		says(sourceMatch, 2, nil, lineup(home, "", 5, 4)),
		named, // without line-ups: they stay, and get a name
	})
	wantKeys(t, log, "match:77:fixture#1 confirmed 0-0", "match:77:lineup:1#1 confirmed 0-0",
		"match:77:lineup:2#1 confirmed 0-0",
		"match:77:lineup:1#2 confirmed 0-0", "match:77:lineup:1#3 confirmed 0-0")
	l := rec.Snapshot.Lineups[0]
	if l.Team != home || l.Formation != "442" || l.Players[0].ID != 5 || l.Players[1].Name != "Four" ||
		l.Revision != 3 {
		t.Errorf("line-up %+v", l)
	}
	rec, log = through(t, []heard{says(sourceEvents, 1, fixture(), lineup(home, "442", 4)),
		says(sourceEvents, 2, nil, cancelled(lineup(home, "442", 4)))})
	checkLog(t, rec, log)
	if l := rec.Snapshot.Lineups[0]; len(l.Players) != 0 || log[2].Status != goalcast.Cancelled {
		t.Errorf("deleted line-up: %+v, event %+v", l, log[2])
	}
}

func TestFollowersOfATeamGetWhatHappenedBeforeTheFixtureWasKnown(t *testing.T) {
	rec, log := through(t, []heard{
		says(sourceMatch, 27, nil, goal(1, home, 27, 5), lineup(home, "442", 5)),
		says(sourceEvents, 28, fixture()),
	})
	wantKeys(t, log, "match:77:lineup:1#1 confirmed 0-0", "plain:1#1 confirmed 0-0",
		"match:77:fixture#1 confirmed 1-0", "match:77:lineup:1#2 confirmed 1-0", "plain:1#2 confirmed 1-0")
	if want := fixture().Topics(testMatch); !reflect.DeepEqual(log[4].Topics, want) || !reflect.DeepEqual(log[3].Topics,
		want) {
		t.Errorf("topics %v and %v, want %v", log[3].Topics, log[4].Topics, want)
	}
	checkLog(t, rec, log)
}

func TestEventsOfOneDocumentComeAsTheyHappened(t *testing.T) {
	began := goalcast.Event{ID: "match:77:period:first_half", Status: goalcast.Confirmed, Kind: goalcast.KindPeriod,
		Period: goalcast.FirstHalf}
	_, log := through(t, []heard{says(sourceEvents, 40, fixture(), goal(1, away, 33, 3), goal(2, home, 12, 4), began,
		lineup(away, "442", 3))})
	wantKeys(t, log, "match:77:fixture#1 confirmed 0-0", "match:77:lineup:2#1 confirmed 0-0",
		"match:77:period:first_half#1 confirmed 0-0",
		"plain:2#1 confirmed 1-0", "plain:1#1 confirmed 1-1")
}

func TestReplayAfterTheReaderWasMended(t *testing.T) {
	misread, right := says(sourceMatch, 27, fixture(), goal(1, home, 27, 5), goal(2, away, 27, 5)), says(sourceMatch,
		27, fixture(), goal(1, home, 27, 6))
	rec, _ := through(t, []heard{misread, right})
	if e := event(t, rec, "plain:1"); e.Player.ID != 6 {
		t.Errorf("scorer %+v", e.Player)
	}
	if e := event(t, rec, "plain:2"); e.Counts() {
		t.Errorf("misread goal still counts: %+v", e)
	}
}

func TestUnreadableMemoryIsPermanent(t *testing.T) {
	for _, feeds := range []string{"{", `{"desk:events":{"versions":[]}}`,
		`{"desk:events":{"versions":[{"time":"2031-03-08T15:00:00Z"}],"facts":{"a":{"v":7}}}}`} {
		if _, err := revise(goalcast.MatchRecord{Feeds: []byte(feeds)}, sourceEvents, version(1),
			MatchReading{Match: 1}, 0); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("%s: %v", feeds, err)
		}
	}
}

func TestLateIsToldApart(t *testing.T) {
	rec, _ := through(t, []heard{says(sourceEvents, 27, fixture())})
	for minute, want := range map[int]bool{26: true, 27: false, 28: false} {
		if done, err := revise(rec, sourceEvents, version(minute), MatchReading{Match: testMatch}, 0); err != nil ||
			done.Late != want {
			t.Errorf("minute %d: late %v, %v", minute, done.Late, err)
		}
	}
}

// The coach stands with the line-up of whichever source knows him, and is no reason for a revision
// when he is told again.
func TestCoachOfALineup(t *testing.T) {
	coached := lineup(home, "", 4, 5)
	coached.Lineup.Coach = &goalcast.Coach{ID: 9, Name: "Jo Maes"}
	rec, log := through(t, []heard{
		says(sourceMatch, 1, fixture(), coached),
		says(sourceEvents, 2, nil, lineup(home, "442", 4, 5)),
		says(sourceMatch, 3, nil, coached),
	})
	wantKeys(t, log, "match:77:fixture#1 confirmed 0-0", "match:77:lineup:1#1 confirmed 0-0",
		"match:77:lineup:1#2 confirmed 0-0")
	if l := rec.Snapshot.Lineups[0]; l.Formation != "442" || l.Coach == nil || *l.Coach != *coached.Lineup.Coach {
		t.Errorf("%+v", l)
	}
}

// A review of which nobody says what came of it is over when the match has gone on, and
// after a while anyway.
func TestReviewThatNobodyEnds(t *testing.T) {
	review := goalcast.Event{ID: "plain:65", Status: goalcast.Confirmed, Kind: goalcast.KindVAR, Team: home,
		Period: goalcast.FirstHalf, Minute: 27, Second: 10,
		At: kickoff.Add(27 * time.Minute), VAR: &goalcast.VAR{Subject: "red_card", Outcome: "under_review"}}
	next := review
	next.ID, next.Minute, next.Second, next.At = "plain:66", 30, 0, kickoff.Add(30*time.Minute)
	decided := review
	decided.VAR = &goalcast.VAR{Subject: "goal", Outcome: "under_review", Decision: "awarded"}
	shown := card("plain:17", home, 28, 5, goalcast.StraightRed)
	shown.Period = goalcast.FirstHalf
	for name, tt := range map[string]struct {
		said heard
		want string
	}{
		"goes on":                   {says(sourceEvents, 36, fixture(), review), "under_review"},
		"a card of the same minute": {says(sourceEvents, 30, fixture(), review, shown), "under_review"},
		"after a while":             {says(sourceEvents, 37, fixture(), review), "not_told"},
		"with what was decided":     {says(sourceEvents, 37, fixture(), decided), "awarded"},
		"another review":            {says(sourceEvents, 30, fixture(), review, next), "not_told"},
		"a goal":                    {says(sourceEvents, 30, fixture(), review, goal(1, away, 30, 5)), "not_told"},
		"half time": {says(sourceEvents, 30, fixture(), review, period(goalcast.FirstHalf),
			period(goalcast.HalfTime)), "not_told"},
		"half time that was taken back": {says(sourceEvents, 30, fixture(), review,
			cancelled(period(goalcast.HalfTime))), "under_review"},
	} {
		rec, _ := through(t, []heard{tt.said})
		if got := event(t, rec, "plain:65").VAR.Outcome; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
