package merge

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"goalcast"
)

// clipHeard is one word on a clip: by who cut it or by who plays it.
func clipHeard(source string, second int, facts ...goalcast.Event) heard {
	return heard{source, Version{Time: time.Date(2021, 3, 6, 16, 0, second, 0, time.UTC), Digest: source},
		MatchReading{Match: testMatch, Facts: facts}}
}

func cutClip(id string, minute int, c goalcast.Clip) goalcast.Event {
	return goalcast.Event{ID: "cutter:" + id, Kind: goalcast.KindClip, Status: goalcast.Confirmed, Minute: minute,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}, Clip: &c}
}

func playedClip(id, video string) goalcast.Event {
	return goalcast.Event{ID: "cutter:" + id, Kind: goalcast.KindClip, Status: goalcast.Confirmed,
		Clip: &goalcast.Clip{Video: video, Thumbnail: "player's", Poster: "large"}}
}

// mergedClips hears the documents in an order of chance, twice over, and gives the
// clips that come of them.
func mergedClips(t *testing.T, all []heard) map[string]goalcast.Event {
	t.Helper()
	var first map[string]goalcast.Event
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		rec := goalcast.MatchRecord{}
		for range 2 {
			for _, i := range r.Perm(len(all)) {
				done, err := revise(rec, all[i].source, all[i].v, all[i].m, 1)
				if err != nil {
					t.Fatal(err)
				}
				rec = done.Record
			}
		}
		memory, err := merger.recall(rec.Feeds)
		if err != nil {
			t.Fatal(err)
		}
		clips := map[string]goalcast.Event{}
		for id, e := range memory.merge(testMatch, rec.Snapshot).events {
			if e.Kind == goalcast.KindClip {
				clips[id] = e
				if known, _ := rec.Snapshot.Event(id); !known.SameContent(e) {
					t.Errorf("the snapshot has %+v, the truth is %+v", known, e)
				}
			}
		}
		if first == nil {
			first = clips
		} else if !reflect.DeepEqual(first, clips) {
			t.Errorf("another order, another truth:\n%+v\n%+v", first, clips)
		}
	}
	return first
}

func TestClipIsMergedFromWhoCutAndWhoPlaysIt(t *testing.T) {
	clips := mergedClips(t, []heard{
		says(sourceEvents, 27, fixture(), goal(1, home, 27, 5)),
		clipHeard("cutter:a", 1, cutClip("a", 26, goalcast.Clip{Title: "old", URL: "https://old.example"})),
		clipHeard("cutter:a", 2, cutClip("a", 26, goalcast.Clip{Title: "new", URL: "https://new.example",
			Thumbnail: "cutter's", Seconds: 9, Include: []string{"BE"}})),
		clipHeard("player:a", 1, playedClip("a", "v1")),
		clipHeard("cutter:b", 1, cutClip("b", 0, goalcast.Clip{URL: "https://b.example", Thumbnail: "cutter's"})),
		clipHeard("cutter:c", 1, cutClip("c", 26, goalcast.Clip{Title: "cannot be played"})),
		clipHeard("cutter:d", 1, cutClip("d", 26, goalcast.Clip{Title: "gone", Video: "v9"})),
		clipHeard("cutter:d", 2),
	})
	a := clips["cutter:a"]
	if want := (goalcast.Clip{Of: goal(1, home, 27, 5).ID, Title: "new", Video: "v1", Thumbnail: "player's",
		Poster: "large", Seconds: 9, Include: []string{"BE"}}); !reflect.DeepEqual(*a.Clip, want) {
		t.Errorf("clip %+v\nwant %+v", *a.Clip, want)
	}
	if a.Minute != 27 || a.Team != home || a.Goal != nil || !a.Counts() {
		t.Errorf("event %+v", a)
	}
	if b := clips["cutter:b"]; b.Clip.Of != "" || b.Clip.URL == "" || b.Clip.Thumbnail != "cutter's" || !b.Counts() {
		t.Errorf("a clip without a minute: %+v", b.Clip)
	}
	if _, told := clips["cutter:c"]; told {
		t.Error("a clip that cannot be played is told of")
	}
	if d, told := clips["cutter:d"]; !told || d.Counts() {
		t.Errorf("a clip that was taken back: %v %+v", told, d)
	}
}

func TestGoalOfClip(t *testing.T) {
	g := func(id string, minute int, team goalcast.TeamID, player goalcast.PlayerID, period goalcast.Period,
		status goalcast.Status) goalcast.Event {
		return goalcast.Event{ID: id, Kind: goalcast.KindGoal, Minute: minute, Team: team, Period: period,
			Status: status, Player: &goalcast.Player{ID: player}}
	}
	first, second, live, gone := goalcast.FirstHalf, goalcast.SecondHalf, goalcast.Confirmed, goalcast.Cancelled
	clip := func(minute int, team goalcast.TeamID, player goalcast.PlayerID, period goalcast.Period) goalcast.Event {
		e := goalcast.Event{Minute: minute, Team: team, Period: period}
		if player != 0 {
			e.Player = &goalcast.Player{ID: player}
		}
		e.SetClock()
		return e
	}
	for name, tt := range map[string]struct {
		clip  goalcast.Event
		goals []goalcast.Event
		want  string
	}{
		"two minutes off":   {clip(29, 0, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, live)}, "a"},
		"three minutes off": {clip(30, 0, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, live)}, ""},
		"other team":        {clip(27, 2, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, live)}, ""},
		"one of each team": {clip(27, 2, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, live),
			g("b", 28, 2, 6, first, live)}, "b"},
		"two of one team": {clip(27, 1, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, live),
			g("b", 28, 1, 6, first, live)}, ""},
		"told apart by the scorer": {clip(27, 1, 6, first), []goalcast.Event{g("a", 27, 1, 5, first, live),
			g("b", 28, 1, 6, first, live)}, "b"},
		"a scorer nobody knows":      {clip(27, 1, 9, first), []goalcast.Event{g("a", 27, 1, 5, first, live)}, "a"},
		"only one that was annulled": {clip(27, 1, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, gone)}, "a"},
		"annulled and entered again": {clip(27, 1, 0, first), []goalcast.Event{g("a", 27, 1, 5, first, gone),
			g("b", 27, 1, 5, first, live)}, "b"},
		"added time is of its half": {clip(47, 1, 0, first), []goalcast.Event{g("a", 46, 1, 5, second, live),
			g("b", 47, 1, 5, first, live)}, "b"},
		"a bare minute is of either": {clip(46, 1, 0, second), []goalcast.Event{g("a", 47, 1, 5, first, live)}, "a"},
		"no minute":                  {clip(0, 1, 5, ""), []goalcast.Event{g("a", 1, 1, 5, first, live)}, ""},
	} {
		got, ok := GoalOfClip(tt.clip, tt.goals)
		if got.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got.ID, ok, tt.want)
		}
	}
}
