package merge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// named gives an event another id: that of a source with numbers of its own, or with none.
func named(id string, e goalcast.Event) goalcast.Event {
	e.ID = id
	return e
}

// ids lists what viewers know, but for the fixture, as "id status".
func ids(rec goalcast.MatchRecord) (out []string) {
	for _, e := range rec.Snapshot.Timeline {
		out = append(out, e.ID+" "+string(e.Status))
	}
	return out
}

func wantIDs(t *testing.T, rec goalcast.MatchRecord, want ...string) {
	t.Helper()
	if got := ids(rec); !slices.Equal(got, want) {
		t.Errorf("viewers know\n%q\nwant\n%q", got, want)
	}
}

func TestEnteredAgainUnderANewIDIsTheSameEvent(t *testing.T) {
	first, again := goal(1, home, 27, 5), goal(2, home, 26, 5)
	for name, documents := range map[string][]heard{
		"deleted and entered in one document": {says(sourceEvents, 27, fixture(), first),
			says(sourceEvents, 28, nil, cancelled(first), again)},
		"the old one is gone without a word": {says(sourceEvents, 27, fixture(), first),
			says(sourceEvents, 28, nil, again)},
		"another source still has the old id": {says(sourceEvents, 27, fixture(), first),
			says(sourceMatch, 27, nil, first), says(sourceEvents, 28, nil, cancelled(first), again)},
		"another source has the new id, later": {says(sourceEvents, 27, fixture(), first),
			says(sourceEvents, 28, nil, cancelled(first), again), says(sourceMatch, 29, nil, again)},
	} {
		rec, log := through(t, documents)
		checkLog(t, rec, log)
		wantIDs(t, rec, "plain:1 confirmed")
		for _, e := range log {
			if !e.Counts() {
				t.Errorf("%s: told as cancelled: %s", name, e.Key())
			}
		}
	}
	// Entered again only later, it was taken back meanwhile, and comes back as what it was. Taken
	// back for good it is one event that is cancelled.
	rec, log := through(t, []heard{says(sourceEvents, 27, fixture(), first),
		says(sourceEvents, 28, nil, cancelled(first)), says(sourceEvents, 29, nil, cancelled(first), again)})
	wantKeys(t, log[1:], "plain:1#1 confirmed 1-0", "plain:1#2 cancelled 0-0", "plain:1#3 confirmed 1-0")
	rec = hear(t, rec, says(sourceEvents, 30, nil, cancelled(first), cancelled(again)))
	wantIDs(t, rec, "plain:1 cancelled")
	// Two things of one document are two, and a goal minutes after one that was
	// taken back is another.
	rec, _ = through(t, []heard{says(sourceEvents, 27, fixture(), first, again)})
	wantIDs(t, rec, "plain:2 confirmed", "plain:1 confirmed")
	rec, _ = through(t, []heard{says(sourceEvents, 27, fixture(), first), says(sourceEvents, 31, nil, cancelled(first),
		goal(3, home, 30, 5))})
	wantIDs(t, rec, "plain:1 cancelled", "plain:3 confirmed")
}

func card(id string, team goalcast.TeamID, minute int, player goalcast.PlayerID,
	kind goalcast.CardType) goalcast.Event {
	e := goalcast.Event{ID: id, Status: goalcast.Confirmed, Kind: goalcast.KindCard, Team: team,
		Period: goalcast.SecondHalf, Minute: minute, Card: &goalcast.Card{Type: kind}}
	if player != 0 {
		e.Player = &goalcast.Player{ID: player}
	}
	return e
}

func swap(id string, team goalcast.TeamID, minute int, off, on goalcast.PlayerID) goalcast.Event {
	return goalcast.Event{ID: id, Status: goalcast.Confirmed, Kind: goalcast.KindSubstitution, Team: team,
		Period: goalcast.SecondHalf, Minute: minute,
		Substitution: &goalcast.Substitution{Off: &goalcast.Player{ID: off}, On: &goalcast.Player{ID: on}}}
}

func TestCardsAndSubstitutionsEnteredAgain(t *testing.T) {
	at := func(e goalcast.Event, second int) goalcast.Event {
		e.At = kickoff.Add(110*time.Minute + time.Duration(second)*time.Second)
		return e
	}
	rec, log := through(t, []heard{
		says(sourceEvents, 94, fixture(), at(card("desk:1", home, 94, 5, goalcast.Yellow), 55),
			swap("desk:5", away, 60, 21, 22)),
		// without its player, and with another who came on
		says(sourceEvents, 95, nil, at(card("desk:2", home, 94, 0, goalcast.Yellow), 53),
			swap("desk:6", away, 61, 21, 23)),
	})
	checkLog(t, rec, log)
	wantIDs(t, rec, "desk:5 confirmed", "desk:1 confirmed")
	if e := event(t, rec, "desk:5"); e.Substitution.On.ID != 23 || e.Minute != 61 {
		t.Errorf("%+v", e.Substitution)
	}
	// Two yellow cards of a player in a minute, both there, are two.
	rec, _ = through(t, []heard{says(sourceEvents, 94, fixture(), card("desk:1", home, 94, 5, goalcast.Yellow),
		card("desk:2", home, 94, 5, goalcast.SecondYellow))})
	wantIDs(t, rec, "desk:1 confirmed", "desk:2 confirmed")
	// So are two players who come on in one minute.
	rec, _ = through(t, []heard{says(sourceEvents, 94, fixture(), swap("desk:1", home, 80, 5, 6)),
		says(sourceEvents, 95, nil, swap("desk:1", home, 80, 5, 6), swap("desk:2", home, 80, 7, 8))})
	wantIDs(t, rec, "desk:1 confirmed", "desk:2 confirmed")
}

// A source that has no ids in common with the others tells of the same incidents: each is one, has
// one id for good, and is not taken back because the one that tells it later does not have it yet.
func TestTwoSourcesWithoutACommonIDTellOfOneGoal(t *testing.T) {
	first, second := named("desk:1", goal(1, home, 27, 5)), named("desk:2", goal(2, home, 29, 6))
	byHand := named("json:77:a", goal(1, home, 26, 5))
	nameless := named("json:77:b", goal(1, home, 30, 0))
	began := named("json:77:kick-off", period(goalcast.FirstHalf))
	for name, documents := range map[string][]heard{
		"the other is later": {says(sourceEvents, 27, fixture(), period(goalcast.FirstHalf), first, second),
			says("json", 28, nil, began), says("json", 29, nil, began, byHand, nameless)},
		"the other is sooner": {says("json", 26, fixture(), byHand, began), says(sourceEvents, 27, fixture(),
			period(goalcast.FirstHalf), first), says("json", 29, nil, byHand, began, nameless),
			says(sourceEvents, 30, fixture(), period(goalcast.FirstHalf), first, second)},
	} {
		rec, log := through(t, documents)
		checkLog(t, rec, log)
		if got := rec.Snapshot.Score; got.Home != 2 || len(rec.Snapshot.Timeline) != 3 {
			t.Errorf("%s: score %v, viewers know %q", name, got, ids(rec))
		}
		revisions := map[string]bool{}
		for _, e := range log {
			if !e.Counts() {
				t.Errorf("%s: told as cancelled: %s", name, e.Key())
			}
			revisions[e.ID] = true
		}
		if len(revisions) != 4 {
			t.Errorf("%s: %d ids", name, len(revisions))
		}
		// Whoever told it and takes it back is right, and under the id that viewers know.
		sooner := ids(rec)
		rec = hear(t, rec, says("json", 40, nil, began, byHand))
		if rec.Snapshot.Score.Home != 1 || len(ids(rec)) != len(sooner) {
			t.Errorf("%s: taken back by one, score %v, viewers know %q", name, rec.Snapshot.Score, ids(rec))
		}
	}
}

// Each of several goals in a row has its own twin.
func TestGoalsInARowAreNotMixedUp(t *testing.T) {
	f24 := says(sourceEvents, 30, fixture(), named("desk:1", goal(1, home, 27, 5)),
		named("desk:2", goal(2, home, 28, 5)), named("desk:3", goal(3, home, 29, 7)))
	hand := says("json", 30, nil, named("json:77:a", goal(1, home, 27, 5)), named("json:77:b", goal(2, home, 29, 5)),
		named("json:77:c", goal(3, home, 30, 7)))
	for _, order := range [][]heard{{f24, hand}, {hand, f24}} {
		rec, log := through(t, order)
		checkLog(t, rec, log)
		if rec.Snapshot.Score.Home != 3 || len(rec.Snapshot.Timeline) != 3 {
			t.Errorf("score %v, viewers know %q", rec.Snapshot.Score, ids(rec))
		}
	}
	// Known as two before it could be seen that they are one: the double goes.
	rec, _ := through(t, []heard{says(sourceEvents, 30, fixture(), named("desk:1", goal(1, home, 27, 5))),
		says("json", 31, nil, named("json:77:a", goal(1, home, 37, 5)))})
	wantIDs(t, rec, "desk:1 confirmed", "json:77:a confirmed")
	rec = hear(t, rec, says("json", 32, nil, named("json:77:a", goal(1, home, 27, 5))))
	if rec.Snapshot.Score.Home != 1 {
		t.Errorf("score %v, viewers know %q", rec.Snapshot.Score, ids(rec))
	}
}

const (
	f7 = sourceMatch + "/F7"
	f9 = sourceMatch + "/F9"
)

// F7 and F9 in turns: what one leaves out is kept from the other, and what one has not heard of
// yet is not taken back.
func TestVariantsOfASourceFillEachOther(t *testing.T) {
	places := func(l goalcast.Event) goalcast.Event {
		lineup := *l.Lineup
		lineup.Formation = "442"
		lineup.Players = slices.Clone(lineup.Players)
		for i := range lineup.Players {
			lineup.Players[i].Place = i + 1
		}
		l.Lineup = &lineup
		return l
	}
	bare := lineup(home, "", 4, 5, 6)
	full := places(lineup(home, "", 5, 4, 6)) // the places tell the order
	rich := goal(1, home, 27, 5)
	rich.Goal.Assist, rich.At = &goalcast.Player{ID: 8}, kickoff.Add(27*time.Minute)
	var documents []heard
	for n := range 4 {
		documents = append(documents, says(f7, 30+2*n, fixture(), bare, goal(1, home, 27, 5)),
			says(f9, 31+2*n, fixture(), full, rich))
	}
	rec, log := through(t, documents)
	checkLog(t, rec, log)
	if len(log) != 5 { // the fixture, the line-up and the goal; the line-up and the goal filled
		t.Errorf("made %q", keys(log))
	}
	if l := rec.Snapshot.Lineups[0]; l.Formation != "442" || l.Players[0].ID != 5 || l.Players[2].Place != 3 {
		t.Errorf("%+v", l)
	}
	// A goal that F9 has not heard of yet, though it is newer; then it is gone
	// from the F7 that had it.
	rec, log = through(t, []heard{says(f9, 20, fixture()), says(f7, 27, nil, goal(1, home, 27, 5)), says(f9, 28, nil),
		says(f9, 29, nil, goal(1, home, 27, 5)), says(f7, 30, nil), says(f9, 31, nil, goal(1, home, 27, 5))})
	wantKeys(t, log[1:], "plain:1#1 confirmed 1-0", "plain:1#2 cancelled 0-0")
	if rec.Snapshot.Score.Home != 0 {
		t.Errorf("score %v", rec.Snapshot.Score)
	}
	// F7 is not sent any more: its word lapses.
	rec, _ = through(t, []heard{says(f7, 20, fixture(), goal(1, home, 20, 5)), says(f9, 21, nil, goal(2, away, 21, 5)),
		says(f9, 26, nil, goal(2, away, 21, 5))})
	wantIDs(t, rec, "plain:1 cancelled", "plain:2 confirmed")
}

// A memory that was written when F7 and F9 were one source goes on as that of
// whichever comes first.
func TestMemoryOfBeforeThereWereVariants(t *testing.T) {
	rec, _ := through(t, []heard{says(sourceMatch, 20, fixture(), goal(1, home, 20, 5), goal(2, away, 21, 5)),
		says(f9, 22, nil, goal(2, away, 21, 5))})
	wantIDs(t, rec, "plain:1 cancelled", "plain:2 confirmed")
}

// In any order of documents of sources without common ids the same things stand, each once; only
// which of its ids each has depends on who told it first.
func TestAnyOrderOfTwinsEndsTheSame(t *testing.T) {
	var all []heard
	for step := range 6 {
		var a, b []goalcast.Event
		for n := range step {
			a = append(a, named(fmt.Sprint("desk:", n), goal(n, home+goalcast.TeamID(n%2), 5+4*n,
				goalcast.PlayerID(n))))
			if n < step-1 {
				b = append(b, named(fmt.Sprint("json:77:", n), goal(n, home+goalcast.TeamID(n%2), 6+4*n,
					goalcast.PlayerID(n))))
			}
		}
		all = append(all, says(sourceEvents, 30+2*step, fixture(), a...), says("json", 31+2*step, nil, b...))
	}
	for range 20 {
		shuffled := slices.Clone(all)
		slices.Reverse(shuffled[:len(shuffled)/2])
		all = append(all[3:], all[:3]...)
		rec, log := through(t, append(shuffled, all...))
		checkLog(t, rec, log)
		if got := rec.Snapshot.Score; got != (goalcast.Score{Home: 3, Away: 2}) || len(rec.Snapshot.Timeline) != 5 {
			t.Fatalf("score %v, viewers know %q", got, ids(rec))
		}
	}
}
