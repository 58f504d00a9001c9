package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/loadtest/simulator"
)

// TestSoak plays simulated match days to goalcast while, at random, the process that takes feeds in
// is killed, Redis is wiped, and Redis and PostgreSQL fail over to their replicas. The documents of
// the second day have no production header: those of one second are told apart by their arrival
// only. Viewers over every transport record everything: none may miss an event, get one twice or
// out of order, and in the end all know what really happened.
//
// It is short and fast here; `make soak` plays ten matches at 20 times their speed, for as long as
// it is told to, each day another one.
func TestSoak(t *testing.T) {
	t.Parallel()
	soak := os.Getenv("GOALCAST_SOAK")
	if soak == "" {
		soakDay(t, 70, 300, 2, 2*time.Second)
		return
	}
	span, err := time.ParseDuration(soak)
	if err != nil {
		t.Fatal("GOALCAST_SOAK: ", err)
	}
	end := time.Now().Add(span)
	for seed := uint64(70); seed == 70 || time.Now().Before(end); seed += 2 {
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { soakDay(t, seed, 20, 5, 12*time.Second) }) {
			return
		}
	}
}

// soakDay plays the days of two seeds at once, and does harm with so long a pause between.
func soakDay(t *testing.T, seed uint64, speed float64, matches int, pause time.Duration) {
	r := newSoakRig(t)
	var days []*simulator.Day
	for n := range uint64(2) {
		days = append(days, simulator.New(simulator.Config{Seed: seed + n, Matches: matches, Speed: speed,
			Start: time.Now(), Stagger: time.Minute, Lead: 2 * time.Minute}))
	}
	viewers := map[string]*viewer{}
	for name, over := range transports {
		viewers[name] = follow(t, r.hub.public, over, days)
	}
	played := make(chan error, len(days))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for n, day := range days {
		post := simulator.Poster(r.ingest.public+"/feeds/opta", "", nil, slog.New(slog.DiscardHandler))
		if n == 1 {
			headed := post
			post = func(ctx context.Context, d simulator.Document) error { return headed(ctx, withoutProduction(d)) }
		}
		go func() { played <- day.Run(ctx, post) }()
	}
	harm := r.harm(pause, played, len(days))
	t.Logf("done to it: %v", harm)
	if len(harm) < 3 {
		t.Fatal("too little was done to it: no test")
	}
	r.ingest.waitFinished()
	for _, day := range days {
		for _, truth := range day.Matches() {
			final := r.checkTruth(truth)
			for name, v := range viewers {
				v.knows(name, final)
			}
		}
	}
}

var productionHeader = regexp.MustCompile(`(?s)<!-- PRODUCTION HEADER.*?-->`)

// withoutProduction takes from a document what tells when it was made, but for its
// time in whole seconds.
func withoutProduction(d simulator.Document) simulator.Document {
	d.Body = productionHeader.ReplaceAll(d.Body, nil)
	d.Headers = maps.Clone(d.Headers)
	for _, name := range []string{"X-Meta-Production-Server-TimeStamp", "X-Meta-Last-Updated",
		"X-Meta-Message-Digest"} {
		delete(d.Headers, name)
	}
	return d
}

// soakRig is goalcast on servers that can be stopped: one process for feeds, always at the same
// address, and one for viewers.
type soakRig struct {
	t           *testing.T
	redis       *testservers.RedisPair
	postgres    *testservers.PostgresPair
	env         settings
	ingest, hub *process
	ingestAt    string
}

func newSoakRig(t *testing.T) *soakRig {
	r := &soakRig{t: t, redis: testservers.NewRedisPair(t), postgres: testservers.NewPostgresPair(t)}
	r.env = common.with("GOALCAST_DATABASE_URL="+r.postgres.URL, "GOALCAST_REDIS_URL="+r.redis.URL)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.ingestAt = l.Addr().String()
	_ = l.Close()
	r.startIngest()
	r.hub = start(t, r.env, "serve", "--roles=hub,rest")
	return r
}

func (r *soakRig) startIngest() {
	r.ingest = start(r.t, r.env, "serve", "--roles=ingest,rest", "--listen="+r.ingestAt)
}

// harm does something to goalcast every now and then until all days are played, and lists what.
func (r *soakRig) harm(pause time.Duration, played <-chan error, days int) (done []string) {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	ways := []struct {
		name string
		do   func()
	}{
		{"ingest killed", func() { r.ingest.kill(); r.startIngest() }},
		{"redis wiped", r.redis.Wipe},
		{"postgres restarted", r.postgres.Restart},
		{"redis failed over", r.redis.FailOver},
		{"postgres failed over", r.postgres.FailOver},
	}
	for n := 0; days > 0; {
		select {
		case err := <-played:
			if err != nil {
				r.t.Fatal(err)
			}
			days--
		case <-time.After(pause/2 + time.Duration(rng.Int64N(int64(pause)))):
			way := ways[n%len(ways)] // each comes, in turn at first
			if n >= len(ways) {
				way = ways[rng.IntN(len(ways))]
			}
			n++
			way.do()
			done = append(done, way.name)
		}
	}
	return done
}

// checkTruth holds a match as the database has it against what really happened.
func (r *soakRig) checkTruth(truth simulator.Match) goalcast.Snapshot {
	r.t.Helper()
	s := r.ingest.match(goalcast.MatchID(truth.ID))
	if s.Score != (goalcast.Score{Home: truth.Score[0], Away: truth.Score[1]}) || s.State != goalcast.Finished {
		r.t.Errorf("%s: %v, %s", truth, s.Score, s.State)
	}
	for _, g := range truth.Goals {
		e, ok := s.Event(fmt.Sprintf("opta:%d", g.EventID))
		if !ok || e.Counts() == g.Cancelled || int64(e.Team) != g.Team || e.Player == nil ||
			int64(e.Player.ID) != g.Scorer {
			r.t.Errorf("%s: goal %d is %+v, want %+v", truth, g.EventID, e, g)
		}
	}
	return s
}

// follow joins a viewer of all matches of the days and of their home teams.
func follow(t *testing.T, base string, over transport, days []*simulator.Day) *viewer {
	var topics []goalcast.Topic
	for _, day := range days {
		for _, m := range day.Matches() {
			topics = append(topics, goalcast.ForMatch(goalcast.MatchID(m.ID)),
				goalcast.ForTeam(goalcast.TeamID(m.Home.ID)))
		}
	}
	slices.SortFunc(topics, func(a, b goalcast.Topic) int { return strings.Compare(a.String(), b.String()) })
	v := newViewer(t, base, over, slices.Compact(topics)...)
	v.join()
	return v
}

// knows waits until the viewer knows the match as it ended, and looks at what it knows.
func (v *viewer) knows(name string, final goalcast.Snapshot) {
	v.t.Helper()
	waitFor(v.t, 30*time.Second, fmt.Sprintf("the end of match %d over %s", final.ID, name), func() error {
		if _, s, problem := v.State(final.ID); s.Seq < final.Seq {
			return fmt.Errorf("at %d of %d, %w", s.Seq, final.Seq, problem)
		}
		return nil
	})
	_, s, problem := v.State(final.ID)
	if problem != nil || s.Score != final.Score || len(s.Timeline) != len(final.Timeline) {
		v.t.Errorf("%s, match %d: %v; %v with %d events, want %v with %d; %d resets", name, final.ID, problem, s.Score,
			len(s.Timeline),
			final.Score, len(final.Timeline), v.Resets())
	}
}
