package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
)

const (
	rollingViewers = 300
	rollingRate    = 40 // handshakes a second and node; bursts of 41
	rollingDrain   = 2 * time.Second
	// rollingHaste divides the waits that servers ask viewers for: a test has no ten seconds. Their
	// spread keeps its shape.
	rollingHaste = 5
)

// fleet is the hub nodes as a balancer knows them, and what viewers did with them.
type fleet struct {
	mu         sync.Mutex
	ready      []string // base URLs
	handshakes map[string][]span
	byes       map[string][]time.Time
	refused    int // 503
}

// span is when a handshake was begun and when its answer was there: somewhere
// between the node let it in.
type span struct{ from, to time.Time }

func (f *fleet) add(base string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = append(f.ready, base)
}

func (f *fleet) remove(base string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = slices.DeleteFunc(f.ready, func(b string) bool { return b == base })
}

func (f *fleet) note(what func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what()
}

func (f *fleet) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready[rand.IntN(len(f.ready))]
}

// fan is a viewer who comes back as wire.md asks for. Nothing else is played, so that events'
// offsets must follow one another.
type fan struct {
	*viewer
	fleet *fleet

	mu     sync.Mutex
	offset uint64 // of the newest event or of the snapshot
	played int    // events
	joins  int
	wait   time.Duration // before the next visit, as the hub said goodbye
}

func newFan(t *testing.T, all *fleet) *fan {
	v := &fan{fleet: all}
	v.viewer = newViewer(t, "", v.visit, goalcast.ForMatch(1))
	v.Also = v.take
	v.Join()
	return v
}

// visit is one connection, to whichever node, and the wait for the next one.
func (v *fan) visit(ctx context.Context, _, topics, since string, frame func(string, []byte)) error {
	v.mu.Lock()
	v.wait = rand.N(time.Second)
	v.mu.Unlock()
	err := v.listen(ctx, v.fleet.pick(), topics, since, frame)
	v.mu.Lock()
	wait := v.wait
	v.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(wait / rollingHaste):
	}
	return err
}

func (v *fan) listen(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	begin := time.Now()
	c, answer, err := websocket.Dial(ctx, fmt.Sprintf("ws%s/v1/live?topics=%s&since=%s",
		strings.TrimPrefix(base, "http"), topics, since), nil)
	if err != nil {
		if answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
			seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
			v.mu.Lock()
			v.wait += time.Duration(seconds) * time.Second
			v.mu.Unlock()
			v.fleet.note(func() { v.fleet.refused++ })
		}
		return err
	}
	defer func() { _ = c.CloseNow() }()
	v.fleet.note(func() { v.fleet.handshakes[base] = append(v.fleet.handshakes[base], span{begin, time.Now()}) })
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if f, err := decodeFrame(text); err == nil && f.Type == goalcast.FrameBye {
			v.mu.Lock()
			v.wait = time.Duration(f.Retry) * time.Millisecond
			v.mu.Unlock()
			v.fleet.note(func() { v.fleet.byes[base] = append(v.fleet.byes[base], time.Now()) })
		}
		frame("", text)
	}
}

// take accounts for a frame.
func (v *fan) take(f goalcast.Frame, _ []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch f.Type {
	case goalcast.FrameHello:
		v.joins++
	case goalcast.FrameSnapshot:
		if v.joins > 1 {
			v.Wrong(errors.New("a snapshot instead of what was missed"))
		}
		if f.Cursor != nil {
			v.offset = f.Cursor.Offset
		}
	case goalcast.FrameReset:
		v.Wrong(fmt.Errorf("reset: %s", f.Reason))
	case goalcast.FrameEvent:
		if f.Cursor.Offset != v.offset+1 {
			v.Wrong(fmt.Errorf("event %d after %d", f.Cursor.Offset, v.offset))
		}
		v.offset = f.Cursor.Offset
		v.played++
	}
}

// account is how often the fan has joined, its offset, how many events it got, and what was wrong.
func (v *fan) account() (joins int, offset uint64, played int, problem error) {
	_, _, problem = v.State(0)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.joins, v.offset, v.played, problem
}

// TestRollingDeploy replaces three hub nodes one after another while 300 viewers watch and messages
// are published: every viewer gets every message once, in order, without a reset, and no node lets
// in more viewers at once than it may.
func TestRollingDeploy(t *testing.T) {
	env := onServers(t, "GOALCAST_DRAIN_TIME="+rollingDrain.String(), "GOALCAST_HANDSHAKE_RATE="+
		strconv.Itoa(rollingRate))
	source := start(t, env, "serve", "--roles=ingest,rest")
	if err := source.tell(0); err != nil { // the stream exists
		t.Fatal(err)
	}
	all := &fleet{handshakes: map[string][]span{}, byes: map[string][]time.Time{}}
	var nodes []*process
	for range 3 {
		nodes = append(nodes, launch(t, env, "serve", "--roles=hub"))
	}
	for _, p := range nodes {
		p.waitReady()
		all.add(p.public)
	}

	fans := make([]*fan, rollingViewers)
	for i := range fans {
		fans[i] = newFan(t, all)
	}
	everybody := func(what string, right func(joins int, offset uint64, played int) bool) {
		t.Helper()
		waitFor(t, 40*time.Second, what, func() error {
			for i, v := range fans {
				joins, offset, played, problem := v.account()
				if problem != nil {
					t.Fatalf("viewer %d: %v", i, problem)
				}
				if !right(joins, offset, played) {
					return fmt.Errorf("viewer %d: %d joins, offset %d, %d messages", i, joins, offset, played)
				}
			}
			return nil
		})
	}
	everybody("all viewers to have a snapshot", func(joins int, offset uint64, _ int) bool {
		return joins > 0 && offset > 0
	})
	stop := publishing(t, source)

	begin := time.Now()
	for i, old := range nodes {
		roll(t, all, old)
		nodes[i] = start(t, env, "serve", "--roles=hub")
		all.add(nodes[i].public)
	}
	played := stop()
	everybody("all viewers to have all messages", func(_ int, _ uint64, n int) bool { return n >= played })
	t.Logf("rolled in %v; %d messages; %d handshakes were refused", time.Since(begin).Round(time.Millisecond), played,
		all.refused)
	for _, v := range fans {
		v.Cut()
	}
	all.judge(t, fans, played)
}

// roll ends a node as a deploy does: it must be not ready while it says goodbye, spread over the
// drain time, and then end well.
func roll(t *testing.T, all *fleet, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, rollingDrain, "a leaving node to be not ready", func() error {
		answer, err := http.Get(p.admin + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable {
			return errors.New(answer.Status)
		}
		return nil
	})
	all.remove(p.public) // as a balancer would
	select {
	case <-p.done:
		if p.err != nil {
			t.Fatalf("a node ended with %v", p.err)
		}
	case <-time.After(rollingDrain + 20*time.Second):
		t.Fatal("a node does not end")
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	byes := all.byes[p.public]
	if len(byes) == 0 {
		t.Fatal("nobody was said goodbye to")
	}
	if spread := byes[len(byes)-1].Sub(byes[0]); spread < rollingDrain/3 {
		t.Errorf("%d goodbyes within %v of the %v there were", len(byes), spread, rollingDrain)
	}
}

// judge is the account after all.
func (f *fleet) judge(t *testing.T, fans []*fan, played int) {
	t.Helper()
	returns := 0
	for i, v := range fans {
		joins, _, got, problem := v.account()
		if got != played || problem != nil {
			t.Errorf("viewer %d: %d of %d messages, %v", i, got, played, problem)
		}
		returns += joins - 1
	}
	if returns < rollingViewers {
		t.Errorf("%d returns: the deploy has gone past the viewers", returns)
	}
	if f.refused == 0 {
		t.Error("no handshake was ever refused: the limit was not put to the test")
	}
	for base, spans := range f.handshakes {
		slices.SortFunc(spans, func(a, b span) int { return a.to.Compare(b.to) })
		for _, first := range spans {
			within := 0
			for _, s := range spans {
				if s.from.Before(first.from) {
					continue
				}
				within++ // between first.from and s.to it was let in for certain
				if most := rollingRate + 1 + rollingRate*s.to.Sub(first.from).Seconds(); float64(within) > most {
					t.Fatalf("%s let %d viewers in within %v", base, within, s.to.Sub(first.from))
				}
			}
		}
	}
}

// publishing posts messages until stop is called, which tells how many there were.
func publishing(t *testing.T, p *process) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	played := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := p.tell(n + 1); err != nil {
				t.Error(err)
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		played <- n
	}()
	t.Cleanup(cancel)
	return func() int { cancel(); return <-played }
}
