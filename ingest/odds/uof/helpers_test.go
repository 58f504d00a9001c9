package uof_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/uof"
	"goalcast/ingest/odds/uof/uoftest"
)

// all are the tests of the package; a goroutine left behind fails it.
type all struct{ *testing.M }

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait for silence to be noticed
		panic(err)
	}
	goleak.VerifyTestMain(all{m})
}

// Run ends the server that the tests share when they have ended.
func (a all) Run() int {
	defer uoftest.Stop()
	return a.M.Run()
}

// viewer is a sink that shows prices as the contract of odds.Sink has it.
type viewer struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and made again with each call
	matches  map[string]*match
	fixtures map[string]odds.Fixture
	settled  []string
	downs    []odds.Reason
	images   int
	alive    int
	kept     []byte
}

type match struct {
	open, image bool // image: one came since the last Down
	markets     map[string]odds.Market
}

func newViewer() *viewer {
	return &viewer{changed: make(chan struct{}), matches: map[string]*match{}, fixtures: map[string]odds.Fixture{}}
}

func (v *viewer) do(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *viewer) match(event string) *match {
	if v.matches[event] == nil {
		v.matches[event] = &match{markets: map[string]odds.Market{}}
	}
	return v.matches[event]
}

func (v *viewer) Alive(time.Time) { v.do(func() { v.alive++ }) }

func (v *viewer) Down(reason odds.Reason) {
	v.do(func() {
		v.downs = append(v.downs, reason)
		for _, m := range v.matches {
			m.open, m.image = false, false
		}
	})
}

func (v *viewer) Fixture(f odds.Fixture) { v.do(func() { v.fixtures[f.Event] = f }) }

func (v *viewer) Image(event string, _ time.Time, markets []odds.Market) {
	v.do(func() {
		v.images++
		m := v.match(event)
		m.markets = map[string]odds.Market{}
		for _, mk := range markets {
			m.markets[mk.Key] = mk
		}
		m.open, m.image = true, true
	})
}

func (v *viewer) Change(event string, _ time.Time, markets []odds.Market) {
	v.do(func() {
		m := v.match(event)
		for _, mk := range markets {
			m.markets[mk.Key] = mk
		}
		m.open = m.image
	})
}

func (v *viewer) Suspend(event string, _ time.Time, keys ...string) {
	v.do(func() {
		m := v.match(event)
		if len(keys) == 0 {
			m.open = false
		}
		for _, key := range keys {
			if mk, ok := m.markets[key]; ok {
				mk.Status = odds.Suspended
				m.markets[key] = mk
			}
		}
	})
}

func (v *viewer) Settle(event string, _ time.Time, all []odds.Settlement) {
	v.do(func() {
		for _, s := range all {
			v.settled = append(v.settled, event+" "+settlementText(s))
		}
	})
}

func (v *viewer) Quota(int, int) {}

func (v *viewer) Kept() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept
}

func (v *viewer) Keep(text []byte) { v.do(func() { v.kept = bytes.Clone(text) }) }

func settlementText(s odds.Settlement) string {
	var b strings.Builder
	b.WriteString(s.Market)
	if s.Cancelled {
		b.WriteString(" taken back")
	}
	if s.Void {
		b.WriteString(" void")
	}
	for _, at := range []time.Time{s.From, s.Until} {
		if !at.IsZero() {
			fmt.Fprintf(&b, " %d", at.UnixMilli())
		}
	}
	for _, r := range s.Results {
		fmt.Fprintf(&b, " %s=%s", r.Selection, r.Outcome)
		if r.DeadHeat != 0 {
			fmt.Fprintf(&b, "/%d", r.DeadHeat)
		}
	}
	return b.String()
}

// prices are those that are shown: "event market selection" and the price.
func (v *viewer) prices() map[string]odds.Price {
	v.mu.Lock()
	defer v.mu.Unlock()
	shown := map[string]odds.Price{}
	for event, m := range v.matches {
		for key, mk := range m.markets {
			for _, s := range mk.Selections {
				if m.open && mk.Status == odds.Open && s.Price != 0 {
					shown[event+" "+key+" "+s.Key] = s.Price
				}
			}
		}
	}
	return shown
}

// until waits for a condition.
func (v *viewer) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(90 * time.Second)
	for {
		v.mu.Lock()
		changed := v.changed
		v.mu.Unlock()
		if condition() {
			return
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%s: not so; shown %v", what, v.prices())
		}
	}
}

// untilShown waits until exactly these prices are shown.
func (v *viewer) untilShown(t *testing.T, what string, want map[string]odds.Price) {
	t.Helper()
	v.until(t, what, func() bool { return maps.Equal(v.prices(), want) })
}

// untilSettled waits for a settlement.
func (v *viewer) untilSettled(t *testing.T, want string) {
	t.Helper()
	v.until(t, want, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.Contains(v.settled, want)
	})
}

var naive = uoftest.Naive

// quick is a configuration with short times.
func quick(p *uoftest.Provider) uof.Config {
	return uof.Config{AMQP: p.AMQP, API: p.API, Token: uoftest.Token, AliveLimit: 5 * time.Second,
		Silence: 7 * time.Second, WriteTime: 2 * time.Second, AskEvery: 100 * time.Millisecond,
		RetryFirst: 50 * time.Millisecond, RetryLast: time.Second, Tick: 20 * time.Millisecond,
		CompleteWait: time.Minute}
}

// run reads the feed into the viewer until the test ends or stop is called, dialing again like the
// runner. It fails if the log shows the token.
func run(t *testing.T, s *uof.Source, v *viewer, log *logged) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := s.Run(ctx, v); ctx.Err() == nil {
				slog.New(log).Warn("ended", "error", err)
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(func() {
		stop()
		log.mu.Lock()
		defer log.mu.Unlock()
		if strings.Contains(log.text.String(), uoftest.Token) {
			t.Error("the log shows the token")
		}
		if t.Failed() {
			t.Log(log.text.String())
		}
	})
	return stop
}

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (*logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, "%s %s", r.Time.Format("05.000"), r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&l.text, " %v", a)
		return true
	})
	l.text.WriteByte('\n')
	return nil
}

func (l *logged) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logged) WithGroup(string) slog.Handler      { return l }

func begin(t *testing.T, cfg uof.Config, v *viewer) (*uof.Source, func()) {
	t.Helper()
	log := &logged{}
	s := uof.New(cfg, slog.New(log), prometheus.NewRegistry())
	return s, run(t, s, v, log)
}

func keptOf(v *viewer) (kept map[string]int64) {
	_ = json.Unmarshal(v.Kept(), &kept)
	return kept
}
