package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/ingest/merge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// front is a front door that greets viewers and takes documents. The goal comes out of it on the
// ways that are open.
type front struct {
	open   map[string]bool
	refuse int // status of a POST, if it is not taken

	mu   sync.Mutex
	goal []byte        // an event frame, once there is one
	came chan struct{} // closed then
	auth string
}

const hello = `{"type":"hello","v":1}`

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	heard := func(way string) []byte { // nil: the viewer went away
		if !f.open[way] {
			<-r.Context().Done()
			return nil
		}
		select {
		case <-f.came:
			return f.goal
		case <-r.Context().Done():
			return nil
		}
	}
	switch {
	case r.Method == http.MethodPost:
		f.take(w, r)
	case strings.HasPrefix(r.URL.Path, "/v1/matches/"):
		if m := f.match(); f.open[REST] && m != nil {
			_, _ = w.Write(m)
			return
		}
		http.NotFound(w, r)
	case r.Header.Get("Upgrade") != "":
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		ctx := c.CloseRead(r.Context())
		r = r.WithContext(ctx)
		if c.Write(ctx, websocket.MessageText, []byte(hello)) == nil {
			if text := heard(WebSocket); text != nil {
				_ = c.Write(ctx, websocket.MessageText, text)
			}
		}
	case r.Header.Get("Accept") == "text/event-stream":
		_, _ = io.WriteString(w, "event: hello\ndata: "+hello+"\n\n")
		_ = http.NewResponseController(w).Flush()
		_, _ = fmt.Fprintf(w, "data: %s\n\n", heard(SSE))
	case r.URL.Query().Get("since") == "":
		_, _ = io.WriteString(w, `{"cursor":"1-1","frames":[`+hello+`]}`)
	default:
		_, _ = fmt.Fprintf(w, `{"cursor":"1-2","frames":[%s]}`, heard(Poll))
	}
}

func (f *front) take(w http.ResponseWriter, r *http.Request) {
	if f.refuse != 0 {
		http.Error(w, "no", f.refuse)
		return
	}
	body, _ := io.ReadAll(r.Body)
	reading, err := Provider{}.Read(goalcast.Document{Body: body})
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	e := reading.Matches[0].Facts[0]
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auth = r.Header.Get("Authorization")
	f.goal, _ = json.Marshal(goalcast.Frame{Type: goalcast.FrameEvent, Event: &e})
	close(f.came)
}

func (f *front) match() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var frame goalcast.Frame
	if json.Unmarshal(f.goal, &frame) != nil {
		return nil
	}
	text, _ := json.Marshal(goalcast.Snapshot{ID: goalcast.CanaryMatch, Timeline: []goalcast.Event{*frame.Event}})
	return text
}

// play lets a canary score one goal, and returns it with what it logged.
func play(t *testing.T, url string, limit time.Duration) (*Canary, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := New(Config{URL: url, Limit: limit}, map[string][]string{"canary": {"old", "new"}},
		slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	if err := c.Run(t.Context()); err != nil {
		t.Error(err)
	}
	return c, &log
}

// failures are the ways on which goals were lost.
func failures(c *Canary) (lost []string) {
	for _, way := range []string{Post, WebSocket, SSE, Poll, REST, Push} {
		if testutil.ToFloat64(c.metrics.failures.WithLabelValues(way)) > 0 {
			lost = append(lost, way)
		}
	}
	return lost
}

func TestEachWayShowsByItself(t *testing.T) {
	all := []string{WebSocket, SSE, Poll, REST}
	for _, shut := range append(all, "") {
		t.Run("shut: "+shut, func(t *testing.T) {
			t.Parallel()
			f := &front{open: map[string]bool{}, came: make(chan struct{})}
			limit := time.Minute
			var want []string
			for _, way := range all {
				f.open[way] = way != shut
			}
			if shut != "" {
				limit, want = 2*time.Second, []string{shut}
			}
			server := httptest.NewServer(f)
			defer server.Close()
			c, log := play(t, server.URL, limit)
			if got := failures(c); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("lost on %v\n%s", got, log)
			}
			if f.auth != "Bearer new" {
				t.Errorf("it showed %q", f.auth)
			}
		})
	}
}

func TestNothingPostedIsNotLostOnItsWay(t *testing.T) {
	f := &front{open: map[string]bool{}, came: make(chan struct{}), refuse: http.StatusServiceUnavailable}
	server := httptest.NewServer(f)
	defer server.Close()
	c, log := play(t, server.URL, time.Minute)
	if got := failures(c); fmt.Sprint(got) != "[post]" {
		t.Errorf("lost on %v\n%s", got, log)
	}
}

// A wrong address is told once for each way, and that it is right again, too.
func TestTroubleIsLoggedOnce(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, log := play(t, gone.URL, time.Minute)
	_ = c.Run(t.Context())
	if got := failures(c); len(got) != 4 && len(got) != 5 || got[0] != Post {
		t.Errorf("lost on %v", got) // REST may be asked, or not any more
	}
	if n := strings.Count(log.String(), "way=post"); n != 1 {
		t.Errorf("%d lines of it:\n%s", n, log)
	}
	c.count(Post, time.Millisecond, nil)
	if !strings.Contains(log.String(), "comes again") {
		t.Errorf("that it is right again is not told:\n%s", log)
	}
}

func TestWhatEndsIsNotCounted(t *testing.T) {
	f := &front{open: map[string]bool{}, came: make(chan struct{})}
	server := httptest.NewServer(f)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := New(Config{URL: server.URL}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	go func() {
		<-f.came
		cancel()
	}()
	_ = c.Run(ctx)
	if got := failures(c); len(got) > 0 {
		t.Errorf("lost on %v", got)
	}
}

func TestPushes(t *testing.T) {
	c := New(Config{}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	c.ExpectPushes()
	at := time.Now()
	e := goalcast.Event{Times: goalcast.Times{Received: at.UnixMilli()}}
	c.Pushed(e, at.Add(time.Second), nil)
	if got := failures(c); len(got) > 0 {
		t.Errorf("lost on %v", got)
	}
	c.Pushed(e, at.Add(time.Minute), nil) // far too late
	c.Pushed(e, at, io.ErrUnexpectedEOF)
	if got := testutil.ToFloat64(c.metrics.failures.WithLabelValues(Push)); got != 2 {
		t.Errorf("%v lost", got)
	}
}

// However often the goal is scored, the match stays as it is: one event, and as much remembered.
func TestTheMatchDoesNotGrow(t *testing.T) {
	m := merge.New(Provider{}.Sources())
	var rec goalcast.MatchRecord
	size := 0
	for i := range 100 {
		received := time.Date(2026, 5, 17, 14, 30, i, 7e6, time.UTC)
		body, _ := json.Marshal(document{received})
		reading, err := Provider{}.Read(goalcast.Document{Body: body, Received: received})
		if err == nil {
			reading, _, err = merge.Check(reading, received, time.Minute)
		}
		if err != nil {
			t.Fatal(err)
		}
		done, err := m.Apply(rec, reading, reading.Matches[0], received.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Events) != 1 || done.Events[0].ID != goalID || !done.Events[0].At.Equal(received) {
			t.Fatalf("goal %d: %+v", i, done.Events)
		}
		if rec = done.Record; i == 9 {
			size = len(rec.Feeds)
		}
	}
	if n := len(rec.Snapshot.Timeline); n != 1 || rec.Snapshot.State != goalcast.Scheduled {
		t.Errorf("%d events, %s", n, rec.Snapshot.State)
	}
	if len(rec.Feeds) > size+200 {
		t.Errorf("it remembers %d bytes, and %d after 10 goals", len(rec.Feeds), size)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for _, body := range []string{``, `{}`, `[]`, `{"time":"yesterday"}`} {
		if r, err := (Provider{}).Read(goalcast.Document{Body: []byte(body)}); err == nil {
			t.Errorf("%s: %+v", body, r)
		}
	}
}

// Nobody else tells of the match, and the canary of no other.
func TestTheMatchIsTheCanarysAlone(t *testing.T) {
	for source, match := range map[string]goalcast.MatchID{"json": goalcast.CanaryMatch, goalcast.CanaryFeed: 1} {
		r := merge.Reading{Source: source, Matches: []merge.MatchReading{{Match: match}}}
		if _, _, err := merge.Check(r, time.Now(), time.Minute); err == nil {
			t.Errorf("%s tells of match %d", source, match)
		}
	}
}
