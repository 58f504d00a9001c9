//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"goalcast/loadtest/swarm"
)

// arm is one side of a comparison.
type arm struct {
	name      string
	peer      string // nchan or bun; empty is goalcast
	transport string
	roles     string   // of goalcast; empty is the hub alone
	embedded  bool     // goalcast has its Redis in the process
	args      []string // of goalcast
	byAdmin   bool     // events by POST /admin/messages
	deflate   bool
	login     bool // viewers show the token of a user, who may see a private competition
}

var (
	goalcastWS = arm{name: "goalcast"}
	nchanWS    = arm{name: nchan, peer: nchan}
	bunWS      = arm{name: bun, peer: bun}
)

// stage is a server with viewers on it.
type stage struct {
	arm    arm
	issuer *issuer // nil: nobody logs in
	redis  *server
	server *server
	swarm  *swarm.Swarm
	joined swarm.Stats
	empty  swarm.Use // the server's before the first viewer
	// of a hub: the bytes that a collection left of its heap before the first viewer
	emptyHeap float64
	done      swarm.Expected
}

// crowd says who the viewers are.
type crowd struct {
	viewers, numbers int
	topics, also     string
	slow             float64
	rate             float64
}

func (b *bench) scaled(n int) int { return max(int(float64(n)*b.scale), 20) }

// set starts the servers and has the viewers join.
func (b *bench) set(ctx context.Context, a arm, c crowd) (_ *stage, err error) {
	s := &stage{arm: a}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	cfg := swarm.Config{Conns: c.viewers, Transport: a.transport, Topics: c.topics, Also: c.also, Numbers: c.numbers,
		FromOne: true, Deflate: a.deflate,
		Slow: c.slow, Rate: c.rate, Seed: 1,
		PerWorker: (c.viewers + 1) / 2} // two workers: one thread each
	if a.login {
		if s.issuer, err = b.startIssuer(); err != nil {
			return s, err
		}
		a.args = append(slices.Clip(a.args), "--identity-file", s.issuer.file)
		cfg.Header = map[string]string{"Authorization": "Bearer " + s.issuer.token}
	}
	redis := "embedded"
	if a.peer == "" && !a.embedded {
		if s.redis, err = b.redis(ctx); err != nil {
			return s, err
		}
		redis = s.redis.url
	}
	if a.peer == "" {
		s.server, err = b.hub(ctx, redis, a.roles, a.args...)
	} else {
		cfg.Protocol = swarm.Plain
		s.server, err = b.peer(ctx, a.peer)
	}
	if err != nil {
		return s, err
	}
	cfg.URLs = []string{s.server.url}
	time.Sleep(300 * time.Millisecond) // what a start leaves to do
	if a.peer == "" {
		if s.emptyHeap, err = s.server.liveHeap(); err != nil {
			return s, err
		}
	}
	if s.empty, err = s.server.use(); err != nil {
		return s, err
	}
	if s.swarm, err = swarm.Start(ctx, cfg); err != nil {
		return s, err
	}
	if err := s.swarm.Connect(); err != nil {
		return s, err
	}
	if _, err := s.swarm.Await(ctx, time.Minute, swarm.AllJoined); err != nil {
		return s, err
	}
	s.joined, err = s.swarm.Stats()
	return s, err
}

func (s *stage) close() error {
	var err error
	if s.swarm != nil {
		err = s.swarm.Close()
	}
	if s.server != nil {
		s.server.stop()
	}
	if s.redis != nil {
		s.redis.stop()
	}
	if s.issuer != nil {
		s.issuer.stop()
	}
	return err
}

// use is what the server and Redis have used so far.
func (s *stage) use() (server, redis swarm.Use, err error) {
	if server, err = s.server.use(); err == nil && s.redis != nil {
		redis, err = s.redis.use()
	}
	return server, redis, err
}

// plan fills in where this stage's events go and what was published on it before.
func (s *stage) plan(p plan) plan {
	p.Done = s.done
	switch {
	case s.arm.peer != "":
		p.Peer = s.server.admin
	case s.arm.byAdmin:
		p.Admin = s.server.admin
	default:
		p.Redis = s.redis.url
	}
	if p.Topic == "" {
		p.Topic = "match"
	}
	if p.Size == 0 {
		p.Size = 300
	}
	return p
}

// figures are what one measurement gave.
type figures struct {
	published published
	stats     swarm.Stats
	verdict   swarm.Verdict
	use       swarm.Use     // of the server
	redis     time.Duration // CPU of Redis; 0 for those who have none
	took      time.Duration // from the first event published to the last one delivered
}

// cpu is the CPU of all that takes part, in microseconds per delivery: the server, Redis and
// whoever publishes. Only the viewers are left out: they are the same for every server.
func (f figures) cpu() float64 { return f.ofServer() + f.ofRedis() + f.ofPublisher() }

func (f figures) ofServer() float64    { return f.each(f.use.CPU) }
func (f figures) ofRedis() float64     { return f.each(f.redis) }
func (f figures) ofPublisher() float64 { return f.each(f.published.CPU) }

func (f figures) each(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(max(1, f.stats.Events+f.stats.States))
}
func (f figures) rate() float64 { return float64(f.stats.Events) / f.took.Seconds() }
func (f figures) bytes() float64 {
	return float64(f.stats.Bytes) / float64(max(1, f.stats.Events+f.stats.States))
}
func (f figures) p(share float64) float64 { // ms
	return float64(f.stats.EventLatency.Quantile(share).Microseconds()) / 1000
}

// wrong says what viewers did not get right; empty if all did.
func (f figures) wrong() string {
	s, v := f.stats, f.verdict
	if s.Missed+s.Repeated+s.CursorsBack+s.Backwards+v.Behind+v.Prices+v.Missing+s.Lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d missed, %d repeated, %d cursors back, %d prices back, %d behind at the end, %d wrong last "+
		"prices, %d without prices, %d cut",
		s.Missed, s.Repeated, s.CursorsBack, s.Backwards, v.Behind, v.Prices, v.Missing, s.Lost)
}

// play publishes, waits until each viewer has what it is to get, and counts. name
// is that of the profile.
func (b *bench) play(ctx context.Context, s *stage, name string, p plan, deliveries func(published) int64) (f figures,
	err error) {
	if err := s.swarm.Reset(); err != nil {
		return f, err
	}
	time.Sleep(500 * time.Millisecond)
	span := p.For
	if span == 0 {
		span = 2 * time.Second
	}
	profiled := b.profile(s.server, name, span)
	before, beforeRedis, err := s.use()
	if err != nil {
		return f, err
	}
	if f.published, err = publish(ctx, s.plan(p)); err != nil {
		return f, err
	}
	s.done = f.published.Done
	want := deliveries(f.published)
	_, late := s.swarm.Await(ctx, 60*time.Second, func(c swarm.Stats) bool { return c.Events >= want })
	if p.Prices > 0 { // prices may be on their way longer
		if err := settled(ctx, s.swarm); err != nil {
			return f, err
		}
	}
	after, afterRedis, err := s.use()
	if err != nil {
		return f, err
	}
	<-profiled
	f.use, f.redis = after.Since(before), afterRedis.CPU-beforeRedis.CPU
	if f.stats, err = s.swarm.Stats(); err != nil {
		return f, err
	}
	f.took = time.Duration(f.stats.LastEvent-f.published.First) * time.Microsecond
	// What settled took for silence may have been a busy machine.
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		f.verdict, err = s.swarm.Check(s.done)
		if err != nil || f.verdict.Prices+f.verdict.Missing == 0 || time.Since(begin) > 10*time.Second {
			break
		}
	}
	if err != nil {
		return f, err
	}
	if late != nil && f.wrong() == "" {
		return f, fmt.Errorf("%d of %d deliveries: %w", f.stats.Events, want, late)
	}
	return f, nil
}

// settled waits until no more states come for half a second.
func settled(ctx context.Context, s *swarm.Swarm) error {
	for last, quiet := int64(-1), 0; quiet < 5; {
		c, err := s.Counts()
		if err != nil {
			return err
		}
		if quiet++; c.States != last {
			last, quiet = c.States, 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// compare measures arms in turn, as often as asked for, and returns the figures of each.
func (b *bench) compare(ctx context.Context, arms []arm, one func(arm, int) (figures, error)) (map[string][]figures,
	[]string, error) {
	all := map[string][]figures{}
	var notes []string
	for n := range b.repeat {
		for _, a := range arms {
			if why := b.missing[a.peer]; why != "" {
				if n == 0 {
					notes = append(notes, a.peer+" skipped: "+why)
				}
				continue
			}
			f, err := one(a, n)
			if err != nil {
				return all, notes, fmt.Errorf("%s: %w", a.name, err)
			}
			fmt.Fprintf(os.Stderr, "%-14s %7.2f us CPU per delivery (server %.2f, Redis %.2f, publisher %.2f), %8.0f "+
				"deliveries/s, p50 %.1f p99 %.1f ms, swarm %.0f %% busy %s\n",
				a.name, f.cpu(), f.ofServer(), f.ofRedis(), f.ofPublisher(), f.rate(), f.p(.5), f.p(.99),
				100*f.stats.LoopBusy, f.wrong())
			if w := f.wrong(); w != "" {
				notes = append(notes, a.name+": "+w)
			}
			all[a.name] = append(all[a.name], f)
			if ctx.Err() != nil {
				return all, notes, ctx.Err()
			}
		}
	}
	return all, notes, nil
}

// median of what is looked at; 0 without measurements.
func median(list []figures, of func(figures) float64) float64 {
	return middle(values(list, of))
}

// spread writes the median and, behind it, the least and the most that was measured.
func spread(format string, values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	middle := fmt.Sprintf(format, middle(values))
	if len(values) == 1 {
		return middle
	}
	return fmt.Sprintf("%s ("+format+"-"+format+")", middle, slices.Min(values), slices.Max(values))
}

// values are what is looked at of each measurement.
func values(list []figures, of func(figures) float64) (out []float64) {
	for _, f := range list {
		out = append(out, of(f))
	}
	return out
}

func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
