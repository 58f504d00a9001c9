package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// withoutGoal takes the goal out of mill: prices would be shut for it for half a minute.
func withoutGoal(f9 []byte) []byte {
	f9 = regexp.MustCompile(`<Goal [^>]*/>`).ReplaceAll(f9, nil)
	return bytes.Replace(f9, []byte(`Score="1"`), []byte(`Score="0"`), 1)
}

// bookmaker posts prices of the match of mill to whichever process takes them: one whole number
// after the other, ten in a second, each as the price of one selection.
type bookmaker struct {
	t         *testing.T
	processes []*process
	mute      atomic.Bool  // it says nothing, and its connection stays
	last      atomic.Int64 // the last number
}

const firstPrice = 2000

func (b *bookmaker) work(ctx context.Context) {
	for ctx.Err() == nil {
		for _, p := range b.processes {
			b.post(ctx, p)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// post tells a process prices until it takes no more.
func (b *bookmaker) post(ctx context.Context, p *process) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	defer r.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.public+"/feeds/odds", r)
	if err != nil {
		b.t.Error(err)
		return
	}
	req.Header.Set("Accept", "application/x-ndjson")
	go func() {
		defer w.Close()
		_, err := fmt.Fprintf(w, `{"type":"fixture","event":"4711","kickoff":%q,"home":"Millpond Athletic",`+
			`"away":"Quarry Town"}`+"\n",
			time.Now().UTC().Add(-12*time.Minute).Format(time.RFC3339))
		for kind := "image"; err == nil && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			if b.mute.Load() {
				continue
			}
			_, err = fmt.Fprintf(w, `{"type":%q,"event":"4711","markets":[{"market":"1x2","status":"open",`+
				`"prices":{"home":"%d"}}]}`+"\n",
				kind, firstPrice+b.last.Add(1))
			kind = "change"
		}
	}()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return // a process that is being killed
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		continue
	}
}

// screen is what a viewer of prices would show, without a timer of its own.
type screen struct{ *viewer }

func newScreen(t *testing.T, p *process) screen {
	s := screen{newViewer(t, p.public, overSSE, goalcast.ForOdds(pricedMatch))}
	s.Join()
	return s
}

// pricedMatch is that of mill.
const pricedMatch goalcast.MatchID = 9000000007

// shown is the price that is visible, as the bookmaker counts; 0 if none is.
func (s screen) shown() int64 {
	var market struct {
		Selections map[string]struct {
			Price int64 `json:"p"`
		} `json:"sel"`
	}
	st, ok := s.Shown(pricedMatch)["1x2"]
	if !ok || json.Unmarshal(st.Value, &market) != nil {
		return 0
	}
	return market.Selections["home"].Price/1000 - firstPrice
}

func (s screen) String() string {
	return fmt.Sprintf("gate %+v, price %d", s.Gate(pricedMatch), s.shown())
}

// TestNoPriceOutlivesItsLink cuts each link between a provider and viewers while prices move: no
// viewer goes on showing a price, and each sees newer ones when the link is there again. The last
// two links, the network and the viewer, are cut in clients/js/test/odds.test.mjs.
func TestNoPriceOutlivesItsLink(t *testing.T) {
	t.Parallel()
	redis := testservers.NewRedis(t)
	env := common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t), "GOALCAST_REDIS_URL="+redis.URL)
	a, b := launch(t, env, "serve"), launch(t, env, "serve")
	a.waitReady()
	b.waitReady()
	a.take(delivery{header: http.Header{"X-Meta-Feed-Type": {"F9"}},
		body: withoutGoal(mill(time.Now().UTC().Truncate(time.Second)))})
	maker := &bookmaker{t: t, processes: []*process{a, b}}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	t.Cleanup(func() { stop(); working.Wait() })
	working.Go(func() { maker.work(ctx) })
	screens := map[string]screen{"a": newScreen(t, a), "b": newScreen(t, b)}

	shown := func(what string, names ...string) {
		t.Helper()
		from := maker.last.Load()
		for _, name := range names {
			waitFor(t, 40*time.Second, what+": prices at "+name, func() error {
				if n := screens[name].shown(); n <= from {
					return fmt.Errorf("price %d is shown, %d and more were told, %s", n, from, screens[name])
				}
				return nil
			})
		}
	}
	hidden := func(what string, names ...string) {
		t.Helper()
		for _, name := range names {
			waitFor(t, 20*time.Second, what+": no price at "+name, func() error {
				if n := screens[name].shown(); n > 0 {
					return fmt.Errorf("price %d is shown", n)
				}
				return nil
			})
		}
	}
	shown("at first", "a", "b")

	maker.mute.Store(true)
	hidden("the provider says nothing", "a", "b")
	maker.mute.Store(false)
	shown("the provider is back", "a", "b")

	redis.Pause(12 * time.Second)
	hidden("Redis hangs", "a", "b")
	shown("Redis goes on", "a", "b")

	redis.Stop()
	hidden("Redis is gone", "a", "b")
	redis.Start()
	shown("Redis is back, without its memory", "a", "b")

	holder, other, cut, left := a, b, "a", "b"
	if b.metric("goalcast_odds_holds_sources") == 1 {
		holder, other, cut, left = b, a, "b", "a"
	}
	if sum := holder.metric("goalcast_odds_holds_sources") + other.metric("goalcast_odds_holds_sources"); sum != 1 {
		t.Errorf("%v processes hold the sources", sum)
	}
	maker.processes = []*process{other}
	holder.kill() // with its hub: its viewers have no connection
	old := maker.last.Load()
	hidden("the process that holds the sources is gone", cut)
	waitFor(t, 20*time.Second, "prices of the process that is gone to be hidden, or replaced", func() error {
		if n := screens[left].shown(); n > 0 && n <= old {
			return fmt.Errorf("price %d is shown, of %d", n, old)
		}
		return nil
	})
	shown("another process took over", left)

	var archive struct{ Documents []struct{ Feed string } }
	if err := other.operator("/admin/documents", &archive); err != nil || len(archive.Documents) != 1 ||
		archive.Documents[0].Feed != "F9" {
		t.Errorf("the archive has %+v, want the F9 and no prices: %v", archive.Documents, err)
	}
}
