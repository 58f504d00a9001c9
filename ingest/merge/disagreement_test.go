package merge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// quarrels are a record's disagreements as "what event sources since-minute".
func quarrels(rec goalcast.MatchRecord) (out []string) {
	for _, d := range disagreements(rec) {
		out = append(out, fmt.Sprint(d.What, " ", d.Event, " ", d.Sources, " ", int(d.Since.Sub(kickoff).Minutes())))
	}
	return out
}

// hear applies a document that arrives at its own minute.
func hear(t *testing.T, rec goalcast.MatchRecord, h heard) goalcast.MatchRecord {
	t.Helper()
	done, err := revise(rec, h.source, h.v, h.m, h.v.Time.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	return done.Record
}

func claims(h heard, p goalcast.Period, home, away int, events ...goalcast.Event) heard {
	h.m.Claims = &Claims{Period: p, Score: &goalcast.Score{Home: home, Away: away}, Events: events}
	return h
}

func TestSourcesThatDisagree(t *testing.T) {
	first := goalcast.Event{ID: "match:77:period:first_half", Kind: goalcast.KindPeriod, Status: goalcast.Confirmed,
		Period: goalcast.FirstHalf}
	want := func(rec goalcast.MatchRecord, want ...string) {
		t.Helper()
		if got := quarrels(rec); !slices.Equal(got, want) {
			t.Errorf("%q\nwant\n%q", got, want)
		}
	}
	var rec goalcast.MatchRecord
	rec = hear(t, rec, claims(says(sourceMatch, 20, fixture(), first, goal(1, home, 10, 5)), goalcast.FirstHalf, 1, 0))
	want(rec)
	// F24 has the goal too, of another player, and one more; its own sum agrees with what is
	// shown, F7's does not.
	touch := goal(1, home, 10, 6)
	h := claims(says(sourceEvents, 21, fixture(), first, touch, goal(2, away, 20, 7)), "", 1, 1)
	rec = hear(t, rec, h)
	want(rec, "score  [desk:match] 21", "player plain:1 [desk:events desk:match] 21", "missing plain:2 [desk:match] 21")
	// It goes on for a while: since is when it began, whatever is told again.
	rec = hear(t, rec, claims(says(sourceMatch, 22, fixture(), first, goal(1, home, 10, 5)), goalcast.FirstHalf, 1, 0))
	rec = hear(t, rec, claims(says(sourceEvents, 23, fixture(), first, touch, goal(2, away, 20, 7)), "", 1, 1))
	want(rec, "score  [desk:match] 21", "player plain:1 [desk:events desk:match] 21", "missing plain:2 [desk:match] 21")
	// F7 comes round, F24 takes the first goal back; then all agree.
	rec = hear(t, rec, claims(says(sourceMatch, 24, fixture(), first, goal(1, home, 10, 5), goal(2, away, 24, 7)),
		goalcast.HalfTime, 1, 1))
	want(rec, "period  [desk:match] 24", "player plain:1 [desk:events desk:match] 21",
		"minute plain:2 [desk:events desk:match] 24")
	rec = hear(t, rec, claims(says(sourceEvents, 25, fixture(), first, cancelled(touch), goal(2, away, 24, 7)), "", 0,
		1))
	want(rec, "score  [desk:match] 25", "period  [desk:match] 24", "withdrawn plain:1 [desk:match] 25")
	rec = hear(t, rec, claims(says(sourceMatch, 26, fixture(), first, goal(2, away, 24, 7)), goalcast.FirstHalf, 0, 1))
	want(rec)
}

// The ticker names no event: what it tells is found among the events that are known, or is a reason
// to look; it never makes one.
func TestTickerIsMatchedAndMakesNoEvent(t *testing.T) {
	told := func(e goalcast.Event) goalcast.Event { e.ID = ""; return e }
	card := goalcast.Event{Kind: goalcast.KindCard, Team: away, Period: goalcast.FirstHalf, Minute: 31,
		Player: &goalcast.Player{ID: 9}, Card: &goalcast.Card{Type: goalcast.Yellow}}
	ticker := func(minute, h, a int, events ...goalcast.Event) heard {
		f := fixture()
		f.Reported = &goalcast.Result{Period: goalcast.FirstHalf, Score: goalcast.Score{Home: h, Away: a}}
		return claims(says(sourceTicker, minute, f), goalcast.FirstHalf, h, a, events...)
	}
	// Alone its score stands in, and newer than the list's it goes first; without a feed of the
	// match there is nobody to disagree with.
	listed := fixture()
	listed.Reported = &goalcast.Result{Period: goalcast.FirstHalf}
	rec, log := through(t, []heard{says(sourceList, 15, listed), ticker(20, 1, 0, told(goal(1, home, 10, 5)))})
	if s := rec.Snapshot; s.Score != (goalcast.Score{Home: 1}) || s.Period != goalcast.FirstHalf ||
		s.State != goalcast.Live || len(s.Timeline) != 0 || len(log) != 2 || len(quarrels(rec)) != 0 {
		t.Errorf("%v %s, %d events, %v", s.Score, s.Period, len(s.Timeline), quarrels(rec))
	}
	// A feed of the match knows: the ticker confirms, from two minutes away, also an own goal under
	// the other team and one without a player.
	first := goalcast.Event{ID: "match:77:period:first_half", Kind: goalcast.KindPeriod, Status: goalcast.Confirmed,
		Period: goalcast.FirstHalf}
	own := goal(2, home, 20, 7)
	own.Goal.Type = goalcast.OwnGoal
	reversed := told(own)
	reversed.Team = away
	better := says(sourceMatch, 21, fixture(), first, goal(1, home, 12, 5), own, goal(3, away, 25, 0))
	documents := []heard{ticker(25, 2, 1, told(goal(1, home, 10, 5)), reversed, told(goal(9, away, 25, 8))), better}
	rec, _ = through(t, documents)
	if s := rec.Snapshot; s.Reported != nil || len(s.Timeline) != 4 || len(quarrels(rec)) != 0 {
		t.Errorf("%+v, %d events, %v", s.Reported, len(s.Timeline), quarrels(rec))
	}
	// A second goal of the same player in the same minute fits none that is left; neither does a
	// card nobody knows. A scorer whom nobody else has named yet is no comparison.
	h := ticker(26, 3, 1, told(goal(1, home, 10, 5)), told(goal(1, home, 10, 5)), card, told(goal(8, away, 25, 9)))
	h.v.Time = h.v.Time.Add(time.Minute)
	rec, _ = through(t, append(documents, h))
	var what []string
	for _, d := range disagreements(rec) {
		what = append(what, d.What+" "+d.Event)
	}
	if want := []string{"score ", "unmatched goal 1 5 10", "unmatched card 2 9 31"}; !slices.Equal(what, want) ||
		len(rec.Snapshot.Timeline) != 4 {
		t.Errorf("%q, want %q; %d events", what, want, len(rec.Snapshot.Timeline))
	}
}

func TestDisagreementsOfWhatCannotBeRead(t *testing.T) {
	if got := disagreements(goalcast.MatchRecord{Feeds: []byte("{")}); got != nil {
		t.Errorf("%+v", got)
	}
	if got := disagreements(goalcast.MatchRecord{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
