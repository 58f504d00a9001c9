package e2e

import (
	"bytes"
	"context"
	"encoding/json"
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
	"goalcast/internal/testservers"
)

const (
	rollingViewers = 300
	rollingRate    = 40 // handshakes a second and node; bursts of 41
	rollingDrain   = 2 * time.Second
	// rollingHaste divides the waits that servers ask viewers for: a test has no ten seconds. Their spread keeps its shape.
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

// span is when a handshake was begun and when its answer was there: somewhere between the node let it in.
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

func (f *fleet) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready[rand.IntN(len(f.ready))]
}

// fan is a viewer who comes back as wire.md asks for, and keeps account.
type fan struct {
	fleet *fleet

	mu      sync.Mutex
	cursor  string
	offset  uint64 // of the newest event or of the snapshot
	events  int
	joins   int
	problem error
}

// watch stays connected until the context ends.
func (v *fan) watch(ctx context.Context) {
	for ctx.Err() == nil {
		wait := v.visit(ctx, v.fleet.pick())
		select {
		case <-ctx.Done():
		case <-time.After(wait / rollingHaste):
		}
	}
}

// visit is one connection; it returns how long to wait before the next.
func (v *fan) visit(ctx context.Context, base string) (wait time.Duration) {
	v.mu.Lock()
	url := "ws" + strings.TrimPrefix(base, "http") + "/v1/live?topics=match:1&since=" + v.cursor
	v.mu.Unlock()
	begin := time.Now()
	wait = rand.N(time.Second)
	c, answer, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		if answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
			seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
			wait = time.Duration(seconds)*time.Second + wait
			v.fleet.mu.Lock()
			v.fleet.refused++
			v.fleet.mu.Unlock()
		}
		return wait
	}
	defer func() { _ = c.CloseNow() }()
	v.fleet.mu.Lock()
	v.fleet.handshakes[base] = append(v.fleet.handshakes[base], span{begin, time.Now()})
	v.fleet.mu.Unlock()
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return wait
		}
		var f goalcast.Frame
		if err := json.Unmarshal(text, &f); err != nil {
			v.note(fmt.Errorf("frame %.100s: %w", text, err))
			return wait
		}
		if v.take(f); f.Type == goalcast.FrameBye {
			wait = time.Duration(f.Retry) * time.Millisecond
			v.fleet.mu.Lock()
			v.fleet.byes[base] = append(v.fleet.byes[base], time.Now())
			v.fleet.mu.Unlock()
		}
	}
}

func (v *fan) note(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problem = errors.Join(v.problem, err)
}

// take accounts for a frame. Nothing else is played, so that events' offsets must follow one another.
func (v *fan) take(f goalcast.Frame) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.Cursor != nil {
		v.cursor = f.Cursor.String()
	}
	switch f.Type {
	case goalcast.FrameHello:
		v.joins++
	case goalcast.FrameSnapshot:
		if v.joins > 1 {
			v.problem = errors.Join(v.problem, errors.New("a snapshot instead of what was missed"))
		}
		if f.Cursor != nil {
			v.offset = f.Cursor.Offset
		}
	case goalcast.FrameReset:
		v.problem = errors.Join(v.problem, fmt.Errorf("reset: %s", f.Reason))
	case goalcast.FrameEvent:
		if f.Cursor.Offset != v.offset+1 {
			v.problem = errors.Join(v.problem, fmt.Errorf("event %d after %d", f.Cursor.Offset, v.offset))
		}
		v.offset = f.Cursor.Offset
		v.events++
	}
}

// TestRollingDeploy replaces three hub nodes one after another while 300 viewers watch and messages are published: every viewer gets every
// message once, in order, without a reset, and no node lets in more viewers at once than it may.
func TestRollingDeploy(t *testing.T) {
	redis := testservers.NewRedis(t)
	env := []string{"GOALCAST_ADMIN_TOKENS=operator=" + operatorToken, "GOALCAST_DATABASE_URL=" + testservers.Postgres(t), "GOALCAST_REDIS_URL=" + redis.URL,
		"GOALCAST_DRAIN_TIME=" + rollingDrain.String(), "GOALCAST_HANDSHAKE_RATE=" + strconv.Itoa(rollingRate)}
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

	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	t.Cleanup(func() { cancel(); watching.Wait() })
	fans := make([]*fan, rollingViewers)
	for i := range fans {
		fans[i] = &fan{fleet: all}
		watching.Go(func() { fans[i].watch(ctx) })
	}
	everybody := func(what string, check func(*fan) error) {
		t.Helper()
		waitFor(t, 40*time.Second, what, func() error {
			for i, v := range fans {
				v.mu.Lock()
				err := check(v)
				problem := v.problem
				v.mu.Unlock()
				if problem != nil {
					t.Fatalf("viewer %d: %v", i, problem)
				}
				if err != nil {
					return fmt.Errorf("viewer %d: %w", i, err)
				}
			}
			return nil
		})
	}
	everybody("all viewers to have a snapshot", func(v *fan) error {
		if v.joins == 0 || v.offset == 0 {
			return errors.New("not there")
		}
		return nil
	})
	stop := publishing(t, source)

	begin := time.Now()
	for i, old := range nodes {
		roll(t, all, old)
		nodes[i] = start(t, env, "serve", "--roles=hub")
		all.add(nodes[i].public)
	}
	played := stop()
	everybody("all viewers to have all messages", func(v *fan) error {
		if v.events < played {
			return fmt.Errorf("%d of %d messages, %d joins", v.events, played, v.joins)
		}
		return nil
	})
	t.Logf("rolled in %v; %d messages; %d handshakes were refused", time.Since(begin).Round(time.Millisecond), played, all.refused)
	cancel()
	watching.Wait()
	all.judge(t, fans, played)
}

// roll ends a node as a deploy does: it must be not ready while it says goodbye, spread over the drain time, and then end well.
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
		if v.events != played || v.problem != nil {
			t.Errorf("viewer %d: %d of %d messages, %v", i, v.events, played, v.problem)
		}
		returns += v.joins - 1
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

// tell posts an editor's message.
func (p *process) tell(n int) error { return p.tellMore(n, "") }

// tellMore posts one with more text in it.
func (p *process) tellMore(n int, more string) error {
	body := fmt.Appendf(nil, `{"topic":"match:1","id":"rolling-%d","body":{"n":%d,"more":%q}}`, n, n, more)
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.admin+"/admin/messages", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+operatorToken)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("message %d: %s", n, answer.Status)
	}
	return nil
}
