package betfair_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/betfair"
	"goalcast/ingest/odds/betfair/betfairtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// viewer is the sink: what a viewer of all matches would see, and what he must not.
type viewer struct {
	t *testing.T

	mu       sync.Mutex // guards the rest
	changed  chan struct{}
	book     map[string]map[string]odds.Market
	open     map[string]bool // an image has come since the source was down
	down     odds.Reason     // empty: alive
	downs    []odds.Reason
	images   int
	since    time.Time // alive is counted for what is later than this
	alive    int
	settled  []string // "event market: ..." in the order told
	fixtures map[string]odds.Fixture
	kept     []byte
}

func newViewer(t *testing.T) *viewer {
	return &viewer{t: t, changed: make(chan struct{}), book: map[string]map[string]odds.Market{},
		open: map[string]bool{}, fixtures: map[string]odds.Fixture{}, down: "start"}
}

// do changes what the viewer knows and wakes who waits for it.
func (v *viewer) do(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *viewer) Alive(at time.Time) {
	v.do(func() {
		v.down = ""
		if at.After(v.since) {
			v.alive++
		}
	})
}

func (v *viewer) Down(reason odds.Reason) {
	v.do(func() {
		v.down, v.alive = reason, 0
		v.downs = append(v.downs, reason)
		clear(v.open)
	})
}

func (v *viewer) Fixture(f odds.Fixture) { v.do(func() { v.fixtures[f.Event] = f }) }

func (v *viewer) Image(event string, at time.Time, markets []odds.Market) {
	v.do(func() {
		v.images++
		v.open[event] = true
		v.book[event] = map[string]odds.Market{}
		for _, m := range markets {
			v.book[event][m.Key] = m
		}
		if len(markets) == 0 {
			delete(v.book, event)
		}
	})
}

func (v *viewer) Change(event string, at time.Time, markets []odds.Market) {
	v.do(func() {
		if !v.open[event] {
			v.t.Errorf("a change of event %s, which has had no image since the source was down", event)
		}
		for _, m := range markets {
			v.book[event][m.Key] = m
		}
	})
}

func (v *viewer) Suspend(string, time.Time, ...string) { v.t.Error("suspend") }

func (v *viewer) Settle(event string, at time.Time, settlements []odds.Settlement) {
	v.do(func() {
		for _, s := range settlements {
			text := fmt.Sprintf("%s %s:", event, s.Market)
			for _, r := range s.Results {
				text += fmt.Sprintf(" %s %s", r.Selection, r.Outcome)
				if r.DeadHeat != 0 {
					text += fmt.Sprintf(" x%d", r.DeadHeat)
				}
			}
			if s.Cancelled {
				text += " cancelled"
			}
			v.settled = append(v.settled, text)
		}
	})
}

func (v *viewer) Quota(int, int) {}

func (v *viewer) Kept() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept
}

func (v *viewer) Keep(text []byte) { v.do(func() { v.kept = text }) }

// wait waits until something is so.
func (v *viewer) wait(what string, so func() bool) {
	v.t.Helper()
	late := time.After(patience)
	for {
		v.mu.Lock()
		ok, changed := so(), v.changed
		v.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			v.t.Fatalf("%s: not in %v; down %q, downs %v", what, patience, v.down, v.downs)
		}
	}
}

// sees returns what is seen of an event: nothing while it is shut.
func (v *viewer) sees(event string) map[string]odds.Market {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.down != "" || !v.open[event] {
		return nil
	}
	out := map[string]odds.Market{}
	for key, m := range v.book[event] {
		out[key] = m
	}
	return out
}

// text is a market in short: "open home=2.1 draw=- away=3.4".
func text(m odds.Market) string {
	out := []string{string(m.Status)}
	for _, s := range m.Selections {
		price := "-"
		if s.Price != 0 {
			price = s.Text
			if p, err := odds.ParsePrice(s.Text); err != nil || p != s.Price {
				price = fmt.Sprintf("%s(%d)", s.Text, s.Price)
			}
		}
		out = append(out, s.Key+"="+price)
	}
	return strings.Join(out, " ")
}

// catchUp waits until all that was published before has been told: the source has been alive twice
// by later messages, so that it is done with the first of them.
func (r *rig) catchUp() {
	r.t.Helper()
	since := r.server.Beat()
	r.viewer.do(func() { r.viewer.since, r.viewer.alive = since, 0 })
	r.server.Beat()
	r.server.Beat()
	r.viewer.wait("caught up", func() bool { return r.viewer.alive >= 2 && r.viewer.down == "" })
}

// rig is a source that runs against a server, again after each end as the runner has it do.
type rig struct {
	t      *testing.T
	server *betfairtest.Server
	viewer *viewer
	cfg    betfair.Config
	reg    *prometheus.Registry
	log    *logs

	stop context.CancelFunc
	done chan struct{}
	mu   sync.Mutex // guards errs
	errs []error
}

// newRig has limits in time that no slow machine comes near.
func newRig(t *testing.T) *rig {
	s := betfairtest.Start(t)
	r := &rig{t: t, server: s, viewer: newViewer(t), log: &logs{}, cfg: betfair.Config{Address: s.Address,
		TLS:     s.ClientTLS(),
		AppKey:  betfairtest.AppKey,
		Session: func(context.Context) (string, error) { return betfairtest.Token, nil },
		API:     s.URL, Silence: patience, Connect: patience, ImageTime: patience, LagAlarm: patience,
		LagLimit:    patience,
		DelayedFrom: time.Hour, APITimeout: patience, KeepEvery: time.Second}}
	t.Cleanup(r.end)
	return r
}

// run starts a source, as another process does that knows only what was kept.
func (r *rig) run() {
	r.end()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done, r.reg = cancel, make(chan struct{}), prometheus.NewRegistry()
	source := betfair.New(r.cfg, slog.New(slog.NewTextHandler(r.log, nil)), r.reg)
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			err := source.Run(ctx, r.viewer)
			r.viewer.do(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.errs = append(r.errs, err)
			})
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
		}
	}()
}

func (r *rig) end() {
	if r.stop != nil {
		r.stop()
		<-r.done
		r.stop = nil
	}
}

// ended says whether a run has ended with the error.
func (r *rig) ended(target error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.errs, func(err error) bool { return errors.Is(err, target) })
}

// fails waits for a run to end with an error that says a word.
func (r *rig) fails(word string) {
	r.t.Helper()
	r.viewer.wait("ends with "+word, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.ContainsFunc(r.errs, func(err error) bool { return strings.Contains(err.Error(), word) })
	})
}

// count sums a counter over those labels' values that are named; all if none.
func (r *rig) count(name string, values ...string) (n float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "goalcast_odds_betfair_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			counts := len(values) == 0
			for _, l := range m.GetLabel() {
				counts = counts || slices.Contains(values, l.GetValue())
			}
			if counts {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// publish sends changes of markets.
func (r *rig) publish(markets ...string) {
	r.server.Publish(raw(markets...)...)
	r.catchUp()
}

func raw(texts ...string) (out []json.RawMessage) {
	for _, text := range texts {
		out = append(out, json.RawMessage(text))
	}
	return out
}

// want compares what is seen of an event with what should be: "key: text".
func (r *rig) want(event string, lines ...string) {
	r.t.Helper()
	var got []string
	for key, m := range r.viewer.sees(event) {
		got = append(got, key+": "+text(m))
	}
	slices.Sort(got)
	if lines = slices.Sorted(slices.Values(lines)); !slices.Equal(got, lines) {
		r.t.Errorf("event %s is\n%s\nwant\n%s", event, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// settled takes the settlements told so far.
func (r *rig) settled() (out []string) {
	r.viewer.do(func() { out, r.viewer.settled = r.viewer.settled, nil })
	return out
}

// logs is what was logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines of a made-up event.
var definition, active, was, back = betfairtest.Definition, betfairtest.Active, betfairtest.Was, betfairtest.Back
