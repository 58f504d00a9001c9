package swarm

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/hub"
	"goalcast/hub/board"
)

// The test binary is its own swarm's workers.
func TestMain(m *testing.M) {
	RunWorker()
	// Workers end at once: the race detector's own sleep for a second first. Tests wait for
	// them, most of the time.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=20")
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// empty is a hub's database that knows no match, and a bus that knows no state.
type empty struct{}

func (empty) Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) {
	return goalcast.Snapshot{}, goalcast.ErrNotFound
}
func (empty) Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	return nil, nil
}
func (empty) Follow(context.Context, goalcast.Topic) ([]goalcast.State, func(), error) {
	return nil, func() {}, nil
}

// realHub is a hub on a socket, fed by the test in place of a bus.
type realHub struct {
	*hub.Hub
	url    string
	offset uint64
	sent   Expected
}

func startHub(t *testing.T, cfg hub.Config) *realHub {
	t.Helper()
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	h := &realHub{Hub: hub.New(cfg, board.New(empty{}, log, reg), empty{}, log, reg),
		sent: Expected{Streams: map[int64]int64{}, Odds: map[int64][]int64{}}}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewServer(h)
	h.url = web.URL
	t.Cleanup(func() {
		stop()
		running.Wait()
		web.Close()
	})
	h.Reset(goalcast.Cursor{Epoch: "test"})
	h.Stale(false)
	eventually(t, "the hub is ready", func() bool { return h.Ready() == nil })
	return h
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("never: %s", what)
		}
	}
}

// play has the next events of a match's stream delivered.
func (h *realHub) play(match int64, count int) {
	for range count {
		h.offset++
		h.sent.Streams[match]++
		n := h.sent.Streams[match]
		e := goalcast.Event{ID: fmt.Sprintf("t-%d-%d", match, n), Revision: 1, Status: goalcast.Confirmed,
			Kind:    goalcast.KindMessage,
			Topics:  []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(match))},
			Message: fmt.Appendf(nil, `{"swarm":[%d,%d,%d]}`, match, n, time.Now().UnixMicro())}
		raw, _ := json.Marshal(e)
		h.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "test", Offset: h.offset}, Event: e, Raw: raw})
	}
}

func (h *realHub) price(match int64, key int) {
	for len(h.sent.Odds[match]) <= key {
		h.sent.Odds[match] = append(h.sent.Odds[match], 0)
	}
	h.sent.Odds[match][key]++
	n := h.sent.Odds[match][key]
	h.State(goalcast.State{Topic: goalcast.ForOdds(goalcast.MatchID(match)), Key: fmt.Sprint(key), Version: n,
		Value: fmt.Appendf(nil, `{"odds":[%d,%d,%d,%d]}`, match, key, n, time.Now().UnixMicro())})
}

// start makes a swarm whose viewers have joined.
func start(t *testing.T, cfg Config) *Swarm {
	t.Helper()
	s, err := Start(context.WithoutCancel(t.Context()), cfg) // the test's own context ends before its cleanup
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, s.Connect())
	await(t, s, "all joined", AllJoined)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, s *Swarm, what string, done func(Stats) bool) Stats {
	t.Helper()
	counts, err := s.Await(t.Context(), 20*time.Second, done)
	if err != nil {
		t.Fatalf("never: %s: %v; %+v", what, err, counts)
	}
	return counts
}

func (s Stats) faults() int64 {
	return s.Missed + s.Repeated + s.CursorsBack + s.Backwards + s.Unmarked + s.Lost
}

func TestRealHub(t *testing.T) {
	for _, way := range []string{WebSocket, "deflate", "deflate without context", SSE} {
		t.Run(way, func(t *testing.T) {
			transport, _, _ := strings.Cut(way, " ")
			deflate := transport == "deflate"
			if deflate {
				transport = WebSocket
			}
			h := startHub(t, hub.Config{StateInterval: 10 * time.Millisecond, DeflateMin: 64})
			const viewers, matches = 200, 4
			s := start(t, Config{URLs: []string{h.url}, Transport: transport, Conns: viewers, PerWorker: 120,
				Topics:  "match:{n},odds:{n}",
				Numbers: matches, PerConn: 2, FromOne: true, Deflate: deflate, NoContext: strings.Contains(way, " ")})
			for n := range int64(matches) {
				h.play(n+1, 10)
				for key := range 5 {
					h.price(n+1, key)
					h.price(n+1, key)
				}
			}
			const deliveries = viewers * 2 * 10
			await(t, s, "events of both matches", func(c Stats) bool { return c.Events == deliveries })
			eventually(t, "last prices", func() bool {
				v, err := s.Check(h.sent)
				must(t, err)
				return v.Prices+v.Missing == 0
			})
			report, err := s.Storm(t.Context(), 20*time.Second, func() error {
				h.play(1, 3)
				h.price(1, 0)
				return nil
			})
			must(t, err)
			if report.Viewers != viewers || report.Resumed != viewers {
				t.Errorf("returns %+v", report)
			}
			await(t, s, "what was missed", func(c Stats) bool { return c.Events == deliveries+100*3 })
			eventually(t, "the price changed meanwhile", func() bool {
				v, err := s.Check(h.sent)
				must(t, err)
				return v == Verdict{Conns: viewers}
			})
			stats, err := s.Stats()
			must(t, err)
			if stats.faults() != 0 || stats.EventLatency.Count() != stats.Events ||
				stats.EventLatency.Quantile(.5) <= 0 || stats.Joins != 2*viewers {
				t.Errorf("%+v", stats)
			}
			if (stats.Compressed > 0) != deflate || len(stats.Errors) > 0 {
				t.Errorf("%d compressed; errors %v", stats.Compressed, stats.Errors)
			}
			h.sent.Streams[2]++ // what was never sent is found missing
			h.sent.Odds[3][1]++
			v, err := s.Check(h.sent)
			must(t, err)
			if v.Behind != 100 || v.Viewers != 100 || v.Prices != 100 {
				t.Errorf("verdict of what was not sent: %+v", v)
			}
		})
	}
}

func TestSlowViewersAreCutAndComeBack(t *testing.T) {
	const events = 120 // 480 kB: more than the 32 x MaxPending at which the hub cuts at once, and what kernels hold
	h := startHub(t, hub.Config{MaxPending: 4 << 10, SendBuffer: 4096})
	s := start(t, Config{URLs: []string{h.url}, Conns: 50, Topics: "match:{n}", Slow: 0.02, FromOne: true})
	for range events {
		h.offset++
		e := goalcast.Event{ID: fmt.Sprint(h.offset), Revision: 1, Topics: []goalcast.Topic{goalcast.ForMatch(1)},
			Kind: goalcast.KindMessage,
			Message: fmt.Appendf(nil, `{"swarm":[1,%d,%d],"filling":%q}`, h.offset, time.Now().UnixMicro(),
				strings.Repeat("x", 4000))}
		raw, _ := json.Marshal(e)
		h.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "test", Offset: h.offset}, Event: e, Raw: raw})
		time.Sleep(2 * time.Millisecond) // for those who read
	}
	await(t, s, "events of those who read", func(c Stats) bool { return c.Events >= 49*events })
	must(t, s.Revive())
	c := await(t, s, "the slow one is back", func(c Stats) bool { return c.Joined == 50 && c.Lost == 1 })
	if c.Closes["4008"] != 1 || c.Repeated+c.Missed != 0 {
		t.Errorf("closes %v, %d repeated, %d missed", c.Closes, c.Repeated, c.Missed)
	}
}

func TestCommand(t *testing.T) {
	h := startHub(t, hub.Config{})
	var stop atomic.Bool
	var playing sync.WaitGroup
	playing.Go(func() {
		for !stop.Load() {
			h.play(1, 1)
			time.Sleep(5 * time.Millisecond)
		}
	})
	defer playing.Wait()
	defer stop.Store(true)
	var out bytes.Buffer
	must(t, Command(t.Context(), strings.Fields(fmt.Sprintf("-url %s -viewers 30 -hold 300ms -returns -json -pid %d "+
		"-token tell-nobody", h.url, os.Getpid())), &out, io.Discard))
	var r Report
	must(t, json.Unmarshal(out.Bytes(), &r))
	if r.Stats.Events == 0 || r.Latency["event"].P50 <= 0 || r.Server.RSSAfter == 0 || r.Returns.Viewers != 30 ||
		r.Stats.EventLatency.Count() == 0 {
		t.Errorf("report %s", out.String())
	}
	if strings.Contains(out.String(), "tell-nobody") {
		t.Error("the report shows the viewers' token")
	}
	out.Reset()
	must(t, Command(t.Context(), strings.Fields("-url "+h.url+" -viewers 30 -hold 100ms -transport sse"), &out,
		io.Discard))
	if text := out.String(); !strings.Contains(text, "30 joined of 30") || !strings.Contains(text, "event latency") {
		t.Errorf("table:\n%s", text)
	}
	for _, wrong := range []string{"-viewers 0", "-transport pigeon", "-url here", "-url https://example.com",
		"-zipf 0.5", "-each 2", "-slow 2", "-pid x", "stray"} {
		if err := Command(t.Context(), strings.Fields(wrong), io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", wrong)
		}
	}
}

func TestRateOfJoining(t *testing.T) {
	h := startHub(t, hub.Config{})
	s := start(t, Config{URLs: []string{h.url}, Conns: 40, Topics: "match:1", Rate: 100})
	c, err := s.Counts()
	must(t, err)
	if took := time.Duration(c.LastJoin-c.FirstDial) * time.Microsecond; took < 300*time.Millisecond {
		t.Errorf("40 viewers at 100/s joined in %s", took)
	}
}

func TestRefusedHandshakesAreTriedAgain(t *testing.T) {
	h := startHub(t, hub.Config{HandshakeRate: 100, HandshakeMax: 5})
	s := start(t, Config{URLs: []string{h.url}, Conns: 40, Topics: "match:1", Retry: 100 * time.Millisecond})
	c, err := s.Counts()
	must(t, err)
	if c.Failed == 0 || c.Errors["status 503"] != c.Failed || c.Joins != 40 {
		t.Errorf("%+v", c)
	}
}
