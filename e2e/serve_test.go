package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// TestEditorsReachViewers: a message goes to who follows its topic, once, over every transport,
// and only with a token.
func TestEditorsReachViewers(t *testing.T) {
	t.Parallel()
	const editorToken = "editor-token-of-the-tests"
	p := startEmbedded(t, "GOALCAST_ADMIN_TOKENS=editor="+editorToken+",operator="+operatorToken).ingest
	viewers := map[string]*viewer{}
	for name, over := range transports {
		viewers[name] = newViewer(t, p.public, over, goalcast.ForTeam(7), goalcast.ForMatch(8))
		viewers[name].join()
	}
	post := func(token, body string) (int, string) {
		header := bearer(token)
		header.Set("Content-Type", "application/json")
		return ask(t, http.MethodPost, p.admin+"/admin/messages", header, body)
	}
	for _, token := range []string{"", "wrong-token-of-nobody"} {
		if status, text := post(token, `{"topic":"team:7","body":"x"}`); status != http.StatusUnauthorized {
			t.Errorf("token %q: %d %s", token, status, text)
		}
	}
	for _, body := range []string{`{"topic":"team:9","body":{"not":"ours"}}`,
		`{"topic":"team:7","body":{"text":"Doors open"},"id":"a"}`,
		`{"topic":"team:7","body":{"text":"Doors open"},"id":"a"}`, `{"topic":"match:8","body":[1,"two"]}`,
		`[{"topic":"team:7","body":"A","id":"b"},{"topic":"match:8","body":"B"},{"topic":"team:7","body":"C"}]`,
		`[{"topic":"team:7","body":"D"},{"topic":"team:7","body":"E","id":"b"}]`} {
		if status, text := post(editorToken, body); status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", body, status, text)
		}
	}
	if status, text := post(editorToken, `[{"topic":"team:7","body":"F"},{"topic":"all","body":"G"}]`); status !=
		http.StatusBadRequest || !strings.Contains(text, "[1].topic") {
		t.Errorf("an array with a bad message: %d %s", status, text)
	}
	want := []string{`{"text":"Doors open"}`, `[1,"two"]`, `"A"`, `"B"`, `"C"`, `"D"`}
	for name, v := range viewers {
		v.waitEvents(20*time.Second, "the messages over "+name, func(events []goalcast.Event) error {
			var got []string
			for _, e := range events {
				if e.Kind != goalcast.KindMessage || e.Score != nil {
					t.Fatalf("got %+v", e)
				}
				got = append(got, string(e.Message))
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("got %v", got)
			}
			return nil
		})
	}
}

// TestLeaving: on SIGTERM viewers get a goodbye with cursor and delay, and the
// process ends by itself.
func TestLeaving(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t)
	byes := make(chan goalcast.Frame, 10)
	for _, over := range []transport{overWebSocket, overSSE} {
		v := newViewer(t, s.hub.public, over, goalcast.ForMatch(1))
		v.Also = func(f goalcast.Frame, _ []byte) {
			if f.Type == goalcast.FrameBye {
				byes <- f
			}
		}
		v.join()
	}
	s.hub.stop(20 * time.Second)
	for range 2 {
		select {
		case f := <-byes:
			if f.Retry <= 0 {
				t.Errorf("bye without a delay: %+v", f)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no bye")
		}
	}
	if !strings.Contains(s.hub.log.String(), `"leaving"`) {
		t.Error("the log does not say that the process is leaving")
	}
}
