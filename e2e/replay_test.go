package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// TestAMatchIsPlayedAgain: what a live viewer was told of a match comes again from the database,
// the goal that was taken back included; not before the match is over. After each revision it
// stands as REST says that it stood then.
func TestAMatchIsPlayedAgain(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-the-json-feed"
	p := startEmbedded(t, "GOALCAST_FEED_SECRETS=json="+secret).ingest
	const id goalcast.MatchID = 9000000001
	began := time.Now().UTC().Format(time.RFC3339)
	var moments []string             // after each document
	post := func(events ...string) { // all of the match each time
		t.Helper()
		time.Sleep(2 * time.Millisecond) // moments have milliseconds
		now := time.Now().UTC().Format(time.RFC3339Nano)
		document := fmt.Sprintf(`{"time":%q,"match":%d,"fixture":{"competition":{"id":9000000001,"name":"Sunday"},
			"home":{"id":9000000011,"name":"Millpond"},"away":{"id":9000000012,"name":"Quarry"},"kickoff":%q},
			"events":[%s]}`, now, id, began, strings.Join(events, ","))
		got, text := ask(t, http.MethodPost, p.public+"/feeds/json?wait=1", bearer(secret), document)
		if got != http.StatusOK {
			t.Fatalf("%d: %s", got, text)
		}
		moments = append(moments, time.Now().UTC().Format(time.RFC3339Nano))
	}
	post()
	live := newViewer(t, p.public, overWebSocket, goalcast.ForMatch(id))
	live.join()
	const kickoff, goal = `{"id":"kick-off","kind":"period","period":"first_half"}`,
		`{"id":"goal-1","kind":"goal","team":9000000011,"period":"first_half","minute":20`
	const noGoal, halfTime, end = goal + `,"status":"cancelled"}`, `{"id":"half-time","kind":"period","period":"half_time"}`,
		`{"id":"end","kind":"period","period":"full_time"}`
	post(kickoff)
	post(kickoff, goal+"}")
	again := "/v1/live?check=1&replay=kickoff&topics=" + goalcast.ForMatch(id).String()
	if got, text := ask(t, http.MethodGet, p.public+again, nil, ""); got != http.StatusNotFound {
		t.Errorf("in mid-match: %d %s", got, text)
	}
	post(kickoff, noGoal)
	post(kickoff, noGoal, halfTime)
	post(kickoff, noGoal, halfTime, end)
	texts := func(events []goalcast.Event) (out []string) {
		for _, e := range events {
			e.Times.Published = 0
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(text))
		}
		return out
	}
	var want []string
	live.waitEvents(20*time.Second, "the end", func(events []goalcast.Event) error {
		if want = texts(events); len(want) != 5 {
			return fmt.Errorf("%d events", len(want))
		}
		return nil
	})
	if got, text := ask(t, http.MethodGet, p.public+again, nil, ""); got != http.StatusNoContent {
		t.Fatalf("when it is over: %d %s", got, text)
	}
	then := func(query string) goalcast.Snapshot {
		t.Helper()
		var m goalcast.Snapshot
		if err := get(fmt.Sprintf("%s/v1/matches/%d?%s", p.public, id, query), nil, &m); err != nil {
			t.Error(err)
		}
		return m
	}
	for name, over := range map[string]transport{"websocket": overWebSocket, "sse": overSSE} {
		var events []goalcast.Event
		var bye goalcast.Frame
		var m goalcast.Snapshot
		var goals []int
		_ = over(t.Context(), p.public, goalcast.ForMatch(id).String()+"&replay=kickoff&speed=60", "",
			func(_ string, text []byte) { // up to its end, however that looks
				var f goalcast.Frame
				if err := json.Unmarshal(text, &f); err != nil {
					t.Errorf("%s: %v", text, err)
				}
				if f.Type == goalcast.FrameSnapshot && len(f.Matches) == 1 {
					m = f.Matches[0]
				}
				if f.Event != nil {
					events = append(events, *f.Event)
					m = goalcast.Apply(m, *f.Event)
					goals = append(goals, m.Score.Home)
					after := fmt.Sprint("seq=", f.Event.Seq)
					sameMatch(t, name+", "+after, m, then(after))
					at := "at=" + moments[min(len(events), len(moments)-1)] // the first is the fixture's
					sameMatch(t, name+", "+at, m, then(at))
				}
				bye = f
			})
		if !slices.Equal(goals, []int{0, 1, 0, 0, 0}) {
			t.Errorf("%s: goals of the home team %v", name, goals)
		}
		if got := texts(events); !slices.Equal(got, want) || bye.Reason != goalcast.ByeReplayOver {
			t.Errorf("%s:\n%v\nwant\n%v\nand the end: %+v", name, got, want, bye)
		}
	}
}

// sameMatch compares a match as frames tell it with REST's.
func sameMatch(t *testing.T, what string, frames, rest goalcast.Snapshot) {
	t.Helper()
	told, err := json.Marshal(frames)
	if err != nil {
		t.Fatal(err)
	}
	if asked, err := json.Marshal(rest); err != nil || string(asked) != string(told) {
		t.Errorf("%s: REST says\n%s\nframes\n%s %v", what, asked, told, err)
	}
}
