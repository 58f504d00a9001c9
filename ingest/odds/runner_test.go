package odds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus"
	"goalcast/store/bus/bustest"
)

// script is a source that tells what the test says.
type script struct{ tell chan func(Sink) error }

func (s script) Run(ctx context.Context, sink Sink) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case do := <-s.tell:
			if err := do(sink); err != nil {
				return err
			}
		}
	}
}

// turns give the lease to whom the test says.
type turns struct{ fences chan int64 }

func (l turns) Hold(ctx context.Context, _ string, run func(context.Context, int64) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case fence := <-l.fences:
			if err := run(ctx, fence); err != nil && !errors.Is(err, errFenced) {
				return err
			}
		}
	}
}

// known maps every event to the test's match, and keeps nothing.
type known struct{}

func (known) Run(ctx context.Context, _ func(func(*Books, time.Time))) error {
	<-ctx.Done()
	return ctx.Err()
}

func (known) Describe(string, Fixture) error                          { return nil }
func (known) Match(string, string) goalcast.MatchID                   { return testMatch }
func (known) KeepOdds(context.Context, string, []byte) error          { return nil }
func (known) KeptOdds(context.Context, string) (text []byte, _ error) { return nil, nil }

// ledger remembers what a runner would have saved, published and raised.
type ledger struct {
	mu       sync.Mutex
	shown    []goalcast.OddsShown
	settled  []goalcast.Event
	failures int // of SaveSettlements, still to come
	alarms   []goalcast.Alarm
}

func (l *ledger) Record(rows []goalcast.OddsShown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = append(l.shown, rows...)
}

func (l *ledger) SaveSettlements(_ context.Context, events []goalcast.Event) ([]goalcast.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures > 0 {
		l.failures--
		return nil, goalcast.ErrUnavailable
	}
	l.settled = append(l.settled, events...)
	return events, nil
}

func (l *ledger) Publish(context.Context, []goalcast.Event) error { return nil }

func (l *ledger) raise(_ context.Context, firing []goalcast.Alarm) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarms = firing
	return nil
}

// until waits for a condition, which is asked under the lock.
func (l *ledger) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	await(t, func() (string, bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return what, condition()
	})
}

// await asks over and over until the answer is right; what it was last is told if it never is.
func await(t *testing.T, ask func() (was string, right bool)) {
	t.Helper()
	for deadline := time.Now().Add(bustest.Patience); ; time.Sleep(2 * time.Millisecond) {
		was, right := ask()
		if right {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not in time: ", was)
		}
	}
}

// office is a process that may hold a source, on a real bus.
type office struct {
	*Runner
	ledger ledger
	source script
	turns  turns
	stop   func() // ends it, and waits
}

func newOffice(t *testing.T, b Bus) *office { return newOfficeWith(t, b, known{}, time.Now) }

func newOfficeWith(t *testing.T, b Bus, mapper Mapper, now func() time.Time) *office {
	t.Helper()
	level := slog.LevelError + 1
	if os.Getenv("GOALCAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	o := &office{source: script{make(chan func(Sink) error)}, turns: turns{make(chan int64)}}
	o.Runner = NewRunner(RunnerConfig{
		Sources: []Named{{SourceConfig{Name: "test", TTL: time.Minute}, o.source}},
		Bus:     b, Leases: o.turns, Mapper: mapper, Keeper: known{}, Step: 5 * time.Millisecond, Now: now,
		History: &o.ledger, Settlements: &o.ledger, Publisher: &o.ledger, Alarm: o.ledger.raise, MaxStates: 2000,
	}, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level})), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(o.stop)
	return o
}

// says has the source tell something, and waits until it has.
func (o *office) says(do func(Sink)) {
	told := make(chan struct{})
	o.source.tell <- func(s Sink) error {
		defer close(told)
		do(s)
		return nil
	}
	<-told
}

func newBus(t *testing.T, url string) *bus.Bus {
	t.Helper()
	redis, err := bus.OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	return bus.New(redis, bus.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestSourcesReachTheBus(t *testing.T) {
	url := testservers.Redis(t)
	b := newBus(t, url)
	ear := bustest.RecordLive(t, b.Listen)
	if _, _, err := b.Follow(t.Context(), goalcast.ForOdds(testMatch)); err != nil {
		t.Fatal(err)
	}
	gate := func() string {
		g := goalcast.ReadGate(ear.States["odds:7/!"].Value)
		return string(g.State) + " " + string(g.Reason)
	}
	price := func() string { return string(ear.States["odds:7/1x2"].Value) }
	market := func(p Price) []Market {
		return []Market{{Key: "1x2", Status: Open, Selections: []Selection{{Key: "home", Price: p}}}}
	}
	value := map[Price]string{2000: `{"st":"open","sel":{"home":{"p":2000}}}`,
		3000: `{"st":"open","sel":{"home":{"p":3000}}}`}

	first := newOffice(t, newBus(t, url))
	first.turns.fences <- 1
	first.says(func(s Sink) { s.Image("x", time.Time{}, market(2000)) })
	ear.Until("the image", func() bool { return gate() == "open " && price() == value[2000] })
	first.says(func(s Sink) { s.Change("x", time.Time{}, market(3000)) })
	ear.Until("the change", func() bool { return price() == value[3000] })

	// A second process takes over while the first one does not know: it publishes nothing more, and
	// ends its turn.
	second := newOffice(t, newBus(t, url))
	second.turns.fences <- 2
	second.says(func(s Sink) { s.Image("x", time.Time{}, market(2000)) })
	ear.Until("the second's image", func() bool { return gate() == "open " && price() == value[2000] })
	first.turns.fences <- 3 // which it takes only when its turn has ended
	first.says(func(s Sink) { s.Image("x", time.Time{}, market(3000)) })
	ear.Until("the first, in a turn of its own", func() bool { return price() == value[3000] })

	// A source that ends is shut, run again, and opens with its next image.
	first.source.tell <- func(Sink) error { return errors.New("cut") }
	ear.Until("cut", func() bool { return gate() == "suspended connection" })
	first.says(func(s Sink) { s.Change("x", time.Time{}, market(2000)) })
	first.says(func(s Sink) { s.Image("x", time.Time{}, market(2000)) })
	ear.Until("it is back", func() bool { return gate() == "open " && price() == value[2000] })

	first.says(func(s Sink) { s.Suspend("x", time.Time{}) })
	ear.Until("suspended by the provider", func() bool { return gate() == "suspended provider" })
	first.Shut(testMatch, goalcast.GateOperator)
	ear.Until("by hand", func() bool { return gate() == "suspended operator" })
}

// While Redis is away prices are kept; when it is back, and has forgotten everything, all
// of them are published.
func TestRedisAwayFromPrices(t *testing.T) {
	server := testservers.NewRedis(t)
	b := newBus(t, server.URL)
	o := newOffice(t, newBus(t, server.URL))
	o.turns.fences <- 1
	market := []Market{{Key: "1x2", Status: Open, Selections: []Selection{{Key: "home", Price: 2000}}}}
	o.says(func(s Sink) { s.Image("x", time.Time{}, market) })
	shown := func(what, want string) {
		t.Helper()
		await(t, func() (string, bool) {
			list, unfollow, err := b.Follow(t.Context(), goalcast.ForOdds(testMatch))
			got := ""
			if err == nil {
				unfollow()
				for _, st := range list {
					if got += st.Key; st.Key == goalcast.GateKey {
						g := goalcast.ReadGate(st.Value)
						got += string(g.State) + " " + string(g.Reason) + " "
					}
				}
			}
			return fmt.Sprintf("%s: %q, want %q (%v)", what, got, want, err), got == want
		})
	}
	shown("before", "!open  1x2")
	server.Stop()
	o.says(func(s Sink) { s.Change("x", time.Time{}, append(market, Market{Key: "btts", Status: Open})) })
	server.RestartEmpty()
	shown("after a wipe", "!open  1x2btts")
}

func TestASourceIsRunAgainAfterAPause(t *testing.T) {
	some := errors.New("no connection")
	for what, tt := range map[string]struct {
		err                 error
		well, planned, want time.Duration
	}{
		"it fails at once":         {some, 0, 4 * time.Second, 4 * time.Second},
		"it was up":                {some, time.Hour, 16 * time.Second, firstPause},
		"it was up for as short":   {some, 3 * time.Second, 4 * time.Second, 4 * time.Second},
		"it was up for longer":     {some, 5 * time.Second, 4 * time.Second, firstPause},
		"a person has to mend it":  {goalcast.ErrPermanent, 0, firstPause, refusedPause},
		"that has been mended":     {some, 0, refusedPause, firstPause},
		"its provider says when":   {Later{some, 90 * time.Second}, 0, firstPause, 90 * time.Second},
		"at once, says it":         {Later{some, -time.Second}, 0, firstPause, firstPause},
		"tomorrow, says it":        {Later{some, 24 * time.Hour}, 0, firstPause, longestPause},
		"after what it said first": {some, 0, longestPause, firstPause},
	} {
		if got := pauseAfter(tt.err, tt.well, tt.planned); got != tt.want {
			t.Errorf("%s: %s, want %s", what, got, tt.want)
		}
	}
}
