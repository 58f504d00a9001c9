package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
)

// viewer follows topics over one transport, keeps account of what it gets, and can be cut off and
// come back with its cursor.
type viewer struct {
	t         testing.TB
	transport transport
	topics    string
	polls     bool                                // one who resumes by polling is not said hello to
	also      func(f goalcast.Frame, text []byte) // is told of each frame before it counts; may be nil

	mu       sync.Mutex
	base     string // of the node it connects to next
	cursor   string
	seen     map[string]int   // events by Event.Key, since the last reset
	events   []goalcast.Event // since the last reset
	resets   int
	hellos   int
	followed map[goalcast.MatchID]bool              // those of which a snapshot came: no event of theirs may be missing
	matches  map[goalcast.MatchID]goalcast.Snapshot // by the frames alone: snapshots, then events
	problem  error                                  // what a viewer must never see

	cancel context.CancelFunc
	ended  chan struct{}
}

// transport connects, calls frame for each frame with its SSE id (empty elsewhere), and returns
// when the connection is over.
type transport func(ctx context.Context, base, topics, since string, frame func(id string, text []byte)) error

var transports = map[string]transport{"websocket": overWebSocket, "sse": overSSE, "poll": overPoll}

func newViewer(t testing.TB, base string, over transport, topics ...goalcast.Topic) *viewer {
	names := make([]string, len(topics))
	for i, topic := range topics {
		names[i] = topic.String()
	}
	v := &viewer{t: t, transport: over, base: base, topics: strings.Join(names, ","), seen: map[string]int{},
		followed: map[goalcast.MatchID]bool{}, matches: map[goalcast.MatchID]goalcast.Snapshot{}}
	t.Cleanup(v.cut)
	return v
}

// join connects and stays connected, whatever happens to the server, until cut; it returns when the
// hub has said hello once more.
func (v *viewer) join() {
	v.t.Helper()
	before := v.count(func() int { return v.hellos })
	v.joinLater()
	if v.polls && before > 0 {
		return
	}
	waitFor(v.t, 20*time.Second, "hello", func() error {
		if v.count(func() int { return v.hellos }) == before {
			return errors.New("no hello")
		}
		return nil
	})
}

// joinLater is join that does not wait.
func (v *viewer) joinLater() {
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel, v.ended = cancel, make(chan struct{})
	go func() {
		defer close(v.ended)
		for ctx.Err() == nil {
			v.mu.Lock()
			base, since := v.base, v.cursor
			v.mu.Unlock()
			_ = v.transport(ctx, base, v.topics, since, v.frame) // however it ended: come back
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
}

// cut ends the connection; the cursor stays.
func (v *viewer) cut() {
	if v.cancel != nil {
		v.cancel()
		<-v.ended
		v.cancel = nil
	}
}

func (v *viewer) count(what func() int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return what()
}

func decodeFrame(text []byte) (f goalcast.Frame, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("frame %.200s: %w", text, err)
	}
	return f, nil
}

func (v *viewer) frame(id string, text []byte) {
	f, err := decodeFrame(text)
	if err == nil && v.also != nil {
		v.also(f, text)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.wrongLocked(err)
		return
	}
	if f.Cursor != nil {
		v.cursor = f.Cursor.String()
	}
	switch f.Type {
	case goalcast.FrameHello:
		v.hellos++
	case goalcast.FrameReset: // the viewer starts over: what follows is of another epoch
		v.resets++
		v.events = nil
		clear(v.seen)
		clear(v.followed)
	case goalcast.FrameSnapshot:
		if f.Topic.Kind == goalcast.MatchTopic && len(f.Matches) == 1 {
			m := f.Matches[0]
			v.matches[m.ID], v.followed[m.ID] = m, true
		}
	case goalcast.FrameEvent:
		if id != "" && id != f.Cursor.String() {
			v.wrongLocked(fmt.Errorf("SSE id %q, cursor %s", id, f.Cursor))
		}
		v.eventLocked(*f.Event)
	}
}

// eventLocked accounts for an event: once, in order, and of a match that is
// followed none is left out.
func (v *viewer) eventLocked(e goalcast.Event) {
	if v.seen[e.Key()]++; v.seen[e.Key()] > 1 {
		v.wrongLocked(fmt.Errorf("%s came %d times", e.Key(), v.seen[e.Key()]))
	}
	if n := len(v.events); n > 0 && e.Seq > 0 && v.events[n-1].Match == e.Match && e.Seq <= v.events[n-1].Seq {
		v.wrongLocked(fmt.Errorf("seq %d after %d", e.Seq, v.events[n-1].Seq))
	}
	if known := v.matches[e.Match].Seq; v.followed[e.Match] && e.Seq > known+1 {
		v.wrongLocked(fmt.Errorf("match %d: %d after %d: something is missing", e.Match, e.Seq, known))
	}
	v.events = append(v.events, e)
	v.matches[e.Match] = goalcast.Apply(v.matches[e.Match], e)
}

func (v *viewer) wrongLocked(err error) { v.problem = errors.Join(v.problem, err) }

// wrong notes what a viewer must never see.
func (v *viewer) wrong(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrongLocked(err)
}

// state gives copies of what the viewer holds.
func (v *viewer) state(match goalcast.MatchID) ([]goalcast.Event, goalcast.Snapshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.events), v.matches[match], v.problem
}

// waitEvents waits until the events that the viewer got are as they should be, and fails the test
// if it has seen what it must not.
func (v *viewer) waitEvents(within time.Duration, what string, right func([]goalcast.Event) error) {
	v.t.Helper()
	waitFor(v.t, within, what, func() error {
		events, _, problem := v.state(0)
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
		if _, s, _ := v.state(match); s.Seq < seq {
			return fmt.Errorf("at %d after %d events", s.Seq, len(events))
		}
		return nil
	})
}

func overWebSocket(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws%s/v1/live?topics=%s&since=%s", strings.TrimPrefix(base, "http"),
		topics, since), nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(4 << 20)
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		frame("", text)
	}
}

func overSSE(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/live?topics="+topics, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if since != "" {
		request.Header.Set("Last-Event-ID", since)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	lines := bufio.NewReader(answer.Body)
	var id, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); name {
		case "id":
			id = strings.TrimPrefix(value, " ")
		case "data":
			data += strings.TrimPrefix(value, " ")
		case "":
			if line == "\n" && data != "" {
				frame(id, []byte(data))
				id, data = "", ""
			}
		}
	}
}

func overPoll(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			fmt.Sprintf("%s/v1/live?topics=%s&since=%s&wait=5s", base, topics, since), nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %w", answer.Status, err)
		}
		var polled struct {
			Cursor string
			Frames []json.RawMessage
		}
		if err := json.Unmarshal(text, &polled); err != nil {
			return err
		}
		for _, f := range polled.Frames {
			frame("", f)
		}
		since = polled.Cursor
	}
	return ctx.Err()
}
