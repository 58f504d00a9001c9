package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"goalcast"
	"goalcast/loadtest/check"
)

// viewer is a check.Viewer of a test, which ends with it.
type viewer struct {
	*check.Viewer
	t     testing.TB
	polls bool // one who resumes by polling is not said hello to
}

type transport = check.Transport

var (
	transports    = check.Transports
	overWebSocket = check.WebSocket
	overSSE       = check.SSE
	overPoll      = check.Poll
)

func newViewer(t testing.TB, base string, over transport, topics ...goalcast.Topic) *viewer {
	return newRecorder(t, nil, "viewer", base, over, topics...)
}

// newRecorder is newViewer whose notes go into a history.
func newRecorder(t testing.TB, h *check.History, name, base string, over transport, topics ...goalcast.Topic) *viewer {
	v := &viewer{t: t, Viewer: check.NewViewer(h, name, base, over, topics...)}
	t.Cleanup(v.Cut)
	return v
}

// join connects and stays connected, whatever happens to the server, until cut; it returns when the
// hub has said hello once more.
func (v *viewer) join() {
	v.t.Helper()
	before := v.Hellos()
	v.Join()
	if v.polls && before > 0 {
		return
	}
	waitFor(v.t, 20*time.Second, "hello", func() error {
		if v.Hellos() == before {
			return errors.New("no hello")
		}
		return nil
	})
}

// events counts those that the viewer got since the last reset.
func (v *viewer) events() int {
	events, _, _ := v.State(0)
	return len(events)
}

func decodeFrame(text []byte) (f goalcast.Frame, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("frame %.200s: %w", text, err)
	}
	return f, nil
}

// waitEvents waits until the events that the viewer got are as they should be, and fails the test
// if it has seen what it must not.
func (v *viewer) waitEvents(within time.Duration, what string, right func([]goalcast.Event) error) {
	v.t.Helper()
	waitFor(v.t, within, what, func() error {
		events, _, problem := v.State(0)
		if problem != nil {
			v.t.Fatal(problem)
		}
		return right(events)
	})
}

// waitSeq waits until the viewer knows the match up to that sequence number.
func (v *viewer) waitSeq(match goalcast.MatchID, seq int64) {
	v.t.Helper()
	v.waitEvents(20*time.Second, fmt.Sprintf("event %d of match %d", seq, match), func(events []goalcast.Event) error {
		if _, s, _ := v.State(match); s.Seq < seq {
			return fmt.Errorf("at %d after %d events", s.Seq, len(events))
		}
		return nil
	})
}
