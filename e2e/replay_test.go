package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// TestAMatchIsPlayedAgain: what a live viewer was told of a match comes again from the database,
// the goal that was taken back included; not before the match is over.
func TestAMatchIsPlayedAgain(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-the-json-feed"
	p := startEmbedded(t, "GOALCAST_FEED_SECRETS=json="+secret).ingest
	const id goalcast.MatchID = 9000000001
	now := time.Now().UTC().Format(time.RFC3339)
	post := func(events string) {
		t.Helper()
		document := fmt.Sprintf(`{"time":%q,"match":%d,"fixture":{"competition":{"id":9000000001,"name":"Sunday"},
			"home":{"id":9000000011,"name":"Millpond"},"away":{"id":9000000012,"name":"Quarry"},"kickoff":%q},
			"events":[%s]}`, now, id, now, events)
		got, text := ask(t, http.MethodPost, p.public+"/feeds/json?wait=1", bearer(secret), document)
		if got != http.StatusOK {
			t.Fatalf("%d: %s", got, text)
		}
	}
	post("")
	live := newViewer(t, p.public, overWebSocket, goalcast.ForMatch(id))
	live.join()
	const kickoff, goal = `{"id":"kick-off","kind":"period","period":"first_half"}`,
		`{"id":"goal-1","kind":"goal","team":9000000011,"period":"first_half","minute":20`
	post(kickoff)
	post(goal + "}")
	again := "/v1/live?check=1&replay=kickoff&topics=" + goalcast.ForMatch(id).String()
	if got, text := ask(t, http.MethodGet, p.public+again, nil, ""); got != http.StatusNotFound {
		t.Errorf("in mid-match: %d %s", got, text)
	}
	post(goal + `,"status":"cancelled"}`)
	post(`{"id":"half-time","kind":"period","period":"half_time"}`)
	post(`{"id":"end","kind":"period","period":"full_time"}`)
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
	for name, over := range map[string]transport{"websocket": overWebSocket, "sse": overSSE} {
		var events []goalcast.Event
		var bye goalcast.Frame
		_ = over(t.Context(), p.public, goalcast.ForMatch(id).String()+"&replay=kickoff&speed=60", "",
			func(_ string, text []byte) { // up to its end, however that looks
				var f goalcast.Frame
				if err := json.Unmarshal(text, &f); err != nil {
					t.Errorf("%s: %v", text, err)
				}
				if f.Event != nil {
					events = append(events, *f.Event)
				}
				bye = f
			})
		if got := texts(events); !slices.Equal(got, want) || bye.Reason != goalcast.ByeReplayOver {
			t.Errorf("%s:\n%v\nwant\n%v\nand the end: %+v", name, got, want, bye)
		}
	}
}
