package stream

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast/ingest/odds"
)

func TestMain(m *testing.M) {
	// net/http lingers half a second over a connection that it closes with bytes unread.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for anything before it fails.
const patience = 60 * time.Second

var quietLog = slog.New(slog.DiscardHandler)

// recorder is a sink that writes down what it is told, each call a text.
type recorder struct {
	t    *testing.T
	busy atomic.Bool // it is told by one at a time

	mu    sync.Mutex
	calls []string
	grown chan struct{} // closed when there is another call
}

func newRecorder(t *testing.T) *recorder { return &recorder{t: t, grown: make(chan struct{})} }

func (r *recorder) note(format string, args ...any) {
	if !r.busy.CompareAndSwap(false, true) {
		r.t.Error("told by two at once")
	}
	defer r.busy.Store(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, strings.TrimSpace(fmt.Sprintf(format, args...)))
	close(r.grown)
	r.grown = make(chan struct{})
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return fmt.Sprint(at.UnixMilli())
}

func marketsText(markets []odds.Market) string {
	var out strings.Builder
	for _, m := range markets {
		fmt.Fprintf(&out, " %s=%s", m.Key, m.Status)
		for _, s := range m.Selections {
			fmt.Fprintf(&out, ",%s:%d(%s)", s.Key, s.Price, s.Text)
		}
	}
	return out.String()
}

func (r *recorder) Alive(at time.Time)      { r.note("alive %s", stamp(at)) }
func (r *recorder) Down(reason odds.Reason) { r.note("down %s", reason) }
func (r *recorder) Fixture(f odds.Fixture) {
	r.note("fixture %s %s %s %s-%s", f.Event, f.Competition, stamp(f.Kickoff), f.Home, f.Away)
}
func (r *recorder) Image(event string, at time.Time, markets []odds.Market) {
	r.note("image %s %s%s", event, stamp(at), marketsText(markets))
}
func (r *recorder) Change(event string, at time.Time, markets []odds.Market) {
	r.note("change %s %s%s", event, stamp(at), marketsText(markets))
}
func (r *recorder) Suspend(event string, at time.Time, markets ...string) {
	r.note("suspend %s %s %s", event, stamp(at), strings.Join(markets, " "))
}
func (r *recorder) Settle(event string, at time.Time, settlements []odds.Settlement) {
	var out strings.Builder
	for _, s := range settlements {
		fmt.Fprintf(&out, " %s cancelled=%v", s.Market, s.Cancelled)
		for _, x := range s.Results {
			fmt.Fprintf(&out, ",%s:%s:%d", x.Selection, x.Outcome, x.DeadHeat)
		}
	}
	r.note("settle %s %s%s", event, stamp(at), out.String())
}
func (r *recorder) Quota(remaining, limit int) { r.note("quota %d %d", remaining, limit) }
func (r *recorder) Kept() []byte               { return nil }
func (r *recorder) Keep([]byte)                {}

// all is what was told, but who was heard.
func (r *recorder) all() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if !strings.HasPrefix(c, "alive") {
			out = append(out, c)
		}
	}
	return out
}

// wait waits for calls, which have to come in this order, others between them.
func (r *recorder) wait(want ...string) {
	r.t.Helper()
	limit := time.After(patience)
	for {
		r.mu.Lock()
		calls, grown := slices.Clone(r.calls), r.grown
		r.mu.Unlock()
		left := want
		for _, c := range calls {
			if len(left) > 0 && c == left[0] {
				left = left[1:]
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-grown:
		case <-limit:
			r.t.Fatalf("not told %q; told %q", left, calls)
		}
	}
}

func (r *recorder) want(want ...string) {
	r.t.Helper()
	if got := r.all(); !slices.Equal(got, want) {
		r.t.Errorf("told %q, want %q", got, want)
	}
}

// counts are a test's metrics.
type counts struct {
	t *testing.T
	*Metrics
}

func newCounts(t *testing.T) counts {
	return counts{t, NewMetrics(prometheus.NewRegistry())}
}

func (c counts) want(what string, of *prometheus.CounterVec, label string, want float64) {
	c.t.Helper()
	if got := testutil.ToFloat64(of.WithLabelValues("test", label)); got != want {
		c.t.Errorf("%s %s: counted %v, want %v", what, label, got, want)
	}
}

// A line for tests, and what is told of it.
func img(event string) string {
	return `{"type":"image","event":"` + event + `","markets":[{"market":"1x2","status":"open","prices":{"home":"2.35"}}]}`
}

func toldImg(event string) string { return "image " + event + " - 1x2=open,home:2350(2.35)" }
