package e2e

import (
	"context"
	secret "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/loadtest/check"
	"goalcast/loadtest/simulator"
	"goalcast/notify/fcm/fcmtest"
)

// usualSeed is the one of the ordinary suite: always the same, so that a change is judged by what
// it changes and not by its luck. `make seeds` plays others, each time a different set.
const usualSeed = 14

// seedsToPlay are usualSeed, or the one named in SEED, or as many as SEEDS says.
func seedsToPlay(t *testing.T) (first, count uint64) {
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	switch {
	case os.Getenv("SEED") != "":
		return number("SEED"), 1
	case os.Getenv("SEEDS") != "":
		return uint64(time.Now().Unix()), number("SEEDS")
	}
	return usualSeed, 1
}

// TestSeeds plays a short match day with prices and phones while processes are killed, connections
// to Redis are cut and viewers go and come back, all as a seed decides, and holds what everybody
// was told against the invariants of loadtest/check.
func TestSeeds(t *testing.T) {
	t.Parallel()
	first, count := seedsToPlay(t)
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playSeed(t, seed) })
	}
}

// night is what a seed plays to.
type night struct {
	t       *testing.T
	history *check.History
	day     *simulator.Day
	redis   *testservers.RedisServer
	env     settings
	at      map[string]string // address of each process, over its restarts
	roles   map[string]string // their roles
	running map[string]*process
	viewers []*viewer
}

// fault is something that goes wrong, so long after the day's start.
type fault struct {
	at   time.Duration
	what string
	who  string // a process
	n    int    // a viewer
}

func (f fault) String() string {
	return fmt.Sprintf("%.1fs %s%s", f.at.Seconds(), f.what, map[bool]string{true: " " + f.who,
		false: fmt.Sprint(" ", f.n)}[f.who != ""])
}

// The faults.
const (
	killed      = "kill"        // a process; it is started again
	unsubscribe = "unsubscribe" // Redis ends all connections that listen
	leaves      = "leaves"      // a viewer
	returns     = "returns"     // to the node where it was
	movesOn     = "moves"       // to the other node
)

// faults decides by the seed alone what goes wrong in so long a day: each kind comes.
func faults(seed uint64, length time.Duration, viewers int) (list []fault) {
	rng := rand.New(rand.NewPCG(seed, 0xfa017))
	at := func() time.Duration { return length/20 + time.Duration(rng.Int64N(int64(length)*8/10)) }
	for _, who := range []string{"ingest", "a"} {
		list = append(list, fault{at: at(), what: killed, who: who})
	}
	for range 1 + rng.IntN(3) {
		list = append(list, fault{at: at(), what: unsubscribe, who: "Redis"})
	}
	if rng.IntN(2) == 0 {
		list = append(list, fault{at: at(), what: killed, who: []string{"ingest", "a"}[rng.IntN(2)]})
	}
	for n := range viewers { // each is away for a while, some of them twice
		for from := at(); from < length; from += length/4 + time.Duration(rng.Int64N(int64(length))) {
			away := time.Duration(rng.Int64N(int64(length) / 5))
			list = append(list, fault{at: from, what: leaves, n: n},
				fault{at: from + away, what: []string{returns, movesOn}[rng.IntN(2)], n: n})
			from += away
		}
	}
	slices.SortStableFunc(list, func(a, b fault) int { return int(a.at - b.at) })
	return list
}

// playSeed plays a seed. The history of one that fails is kept, as is that of a SEED.
func playSeed(t *testing.T, seed uint64) {
	t.Logf("again: make seeds SEED=%d", seed)
	folder := filepath.Join("..", "tmp", "seeds")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, fmt.Sprintf("%d.ndjson", seed))
	history, err := check.New(file, check.Limits{PushWithin: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := history.Close(); err != nil {
			t.Error(err)
		}
		if !t.Failed() && os.Getenv("SEED") == "" {
			_ = os.Remove(file)
		}
	})
	n := newNight(t, history)
	n.play(seed)
	found := history.Check()
	for _, v := range found {
		t.Error(v)
	}
	tally := check.Tally(history.Notes())
	t.Logf("%d violations in %v", len(found), tally)
	for _, kind := range []string{"frame event", "frame state", "frame snapshot", "answer", "push"} {
		if tally[kind] == 0 {
			t.Errorf("no %s: no test", kind)
		}
	}
}

func newNight(t *testing.T, history *check.History) *night {
	fake := &fcmtest.Server{Project: "test", Deliver: pushesInto(history)}
	firebase := httptest.NewServer(fake)
	t.Cleanup(firebase.Close)
	redis := testservers.NewRedis(t)
	n := &night{t: t, history: history, redis: redis, at: map[string]string{}, running: map[string]*process{},
		roles: map[string]string{"ingest": "ingest,rest", "a": "hub,rest", "b": "hub,odds,notify,rest"},
		env: common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t), "GOALCAST_REDIS_URL="+redis.URL,
			"GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1")}
	for name := range n.roles {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n.at[name] = l.Addr().String()
		_ = l.Close()
		n.launch(name)
	}
	for _, p := range n.running {
		p.waitReady()
	}
	return n
}

// launch starts a process at its address.
func (n *night) launch(name string) {
	n.running[name] = launch(n.t, n.env, "serve", "--roles="+n.roles[name], "--listen="+n.at[name])
}

// pushesInto notes what a push service takes.
func pushesInto(h *check.History) func(fcmtest.Delivery) {
	return func(d fcmtest.Delivery) {
		match, _ := strconv.ParseInt(d.Data["match"], 10, 64)
		revision, _ := strconv.Atoi(d.Data["revision"])
		h.Push(check.Push{Token: d.Token, Match: goalcast.MatchID(match), Event: d.Data["event"], Revision: revision,
			Kind: d.Data["kind"], Key: d.Key, At: d.At})
	}
}

// truthOf is what a simulated day comes to.
func truthOf(day *simulator.Day) (truths []check.Told) {
	for _, m := range day.Matches() {
		t := check.Told{Match: goalcast.MatchID(m.ID), Score: goalcast.Score{Home: m.Score[0], Away: m.Score[1]}}
		for _, g := range m.Goals {
			t.Goals = append(t.Goals, check.Goal{Event: fmt.Sprintf("opta:%d", g.EventID),
				Team: goalcast.TeamID(g.Team), Cancelled: g.Cancelled})
		}
		truths = append(truths, t)
	}
	return truths
}

// play plays the day of a seed, with its faults, until everybody knows how it ended.
func (n *night) play(seed uint64) {
	n.t.Helper()
	n.day = simulator.New(simulator.Config{Seed: seed, Matches: 2, Speed: 720, Start: time.Now(), Stagger: time.Minute,
		Lead: 10 * time.Minute, TouchesPerMinute: 2, Noise: simulator.Noise{Double: 0.05, Swap: 0.05, Late: 0.05}})
	began := time.Now()
	truths := truthOf(n.day)
	var matches []goalcast.MatchID
	for _, t := range truths {
		matches = append(matches, t.Match)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	n.follow(matches)
	odds := simulator.NewOddsPoster(n.running["b"].public+"/feeds/odds", "", nil, slog.New(slog.DiscardHandler))
	odds.Show(n.day)
	working.Go(func() {
		if err := odds.Run(ctx); err != nil {
			n.t.Error(err)
		}
	})
	working.Go(func() { n.keepAsking(ctx, matches) })
	played := make(chan error, 1)
	working.Go(func() {
		played <- n.day.Run(ctx, simulator.Poster("http://"+n.at["ingest"]+"/feeds/opta", "", nil,
			slog.New(slog.DiscardHandler)))
	})
	var done []string
	for _, f := range faults(seed, n.day.Length(), len(n.viewers)) {
		time.Sleep(time.Until(began.Add(f.at)))
		n.do(f)
		done = append(done, f.String())
	}
	n.t.Logf("%v long; %s", n.day.Length().Round(time.Second), strings.Join(done, ", "))
	if err := <-played; err != nil {
		n.t.Fatal(err)
	}
	n.settle(matches)
	n.history.Told(truths...)
}

// follow has viewers of both nodes and all transports follow the matches, and phones.
func (n *night) follow(matches []goalcast.MatchID) {
	n.t.Helper()
	for _, at := range []string{"a", "b"} {
		for _, name := range []string{"websocket", "sse", "poll"} {
			var topics []goalcast.Topic
			for _, m := range n.day.Matches() {
				id := goalcast.MatchID(m.ID)
				topics = append(topics, goalcast.ForMatch(id), goalcast.ForTeam(goalcast.TeamID(m.Home.ID)))
				if name != "poll" {
					topics = append(topics, goalcast.ForOdds(id))
				}
			}
			v := newRecorder(n.t, n.history, name+" at "+at, "http://"+n.at[at], transports[name], topics...)
			n.viewers = append(n.viewers, v)
			v.Join()
		}
	}
	for i := range 2 {
		a := app{n.t, n.running["b"].public, fmt.Sprintf("a-device-token-%d", i), secret.Text() + secret.Text()}
		a.put("/v1/me/devices/"+a.token, `{"platform":"android","language":"en"}`)
		for _, id := range matches {
			a.put("/v1/me/follows/"+goalcast.ForMatch(id).String(), "")
		}
		n.history.Phone(a.token, matches...)
	}
}

// keepAsking asks all processes with REST, in turn.
func (n *night) keepAsking(ctx context.Context, matches []goalcast.MatchID) {
	for {
		for name, at := range n.at {
			n.history.Ask(ctx, "REST of "+name, "http://"+at, matches...)
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// do does what goes wrong. Who comes back is not waited for.
func (n *night) do(f fault) {
	n.t.Helper()
	switch f.what {
	case killed:
		n.running[f.who].kill()
		n.launch(f.who)
	case unsubscribe:
		n.redis.KillSubscribers()
	case leaves:
		n.viewers[f.n].Cut()
	case returns, movesOn:
		v := n.viewers[f.n]
		v.Cut() // who is to leave twice may be away
		if f.what == movesOn {
			v.Move("http://" + n.at[[]string{"a", "b"}[(f.n/3+1)%2]])
		}
		v.Join()
	}
}

// settle waits until all documents are applied, all viewers know it, and all phones were told.
func (n *night) settle(matches []goalcast.MatchID) {
	n.t.Helper()
	for _, p := range n.running {
		p.waitReady()
	}
	ingest := n.running["ingest"]
	ingest.waitFinished()
	for _, id := range matches {
		final := ingest.match(id)
		for _, v := range n.viewers {
			waitFor(n.t, time.Minute, fmt.Sprintf("the end of match %d", id), func() error {
				if _, m, problem := v.State(id); m.Seq < final.Seq {
					return fmt.Errorf("%s is at %d of %d, %w", v.Name(), m.Seq, final.Seq, problem)
				}
				return nil
			})
		}
	}
	waitFor(n.t, time.Minute, "pushes", allSent(openPostgres(n.t, n.env.database())))
	for name, at := range n.at {
		waitFor(n.t, time.Minute, "REST of "+name, func() error {
			for _, id := range matches {
				if m, err := n.running[name].snapshot(id); err != nil || m.State != goalcast.Finished {
					return errors.Join(err, fmt.Errorf("match %d is %s", id, m.State))
				}
			}
			return nil
		})
		n.history.Ask(n.t.Context(), "REST of "+name, "http://"+at, matches...)
	}
}
