//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"goalcast/loadtest/swarm"
)

// The odds storm: every viewer looks at the prices of one match, and all follow the competition in
// which the goals fall.
const (
	stormMatches = 50
	stormKeys    = 40
)

func (b *bench) stormStage(ctx context.Context) (*stage, error) {
	viewers := max(b.scaled(10_000)/stormMatches, 1) * stormMatches
	return b.set(ctx, goalcastWS, crowd{viewers: viewers, numbers: stormMatches, topics: "match:{n},odds:{n}",
		also: "competition:1"})
}

func (b *bench) oddsStorm(ctx context.Context, r *row) error {
	s, err := b.stormStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	changes := 5000 * b.scale
	span := 3 * b.hold
	f, err := b.play(ctx, s, r.name, plan{Matches: stormMatches, Keys: stormKeys, Prices: changes, For: span},
		func(published) int64 {
			return 0
		})
	if err != nil {
		return err
	}
	asked := float64(f.published.States) / stormMatches * float64(s.joined.Conns)
	r.add("%d changes in %s, %.0f/s", f.published.States, span, float64(f.published.States)/span.Seconds())
	r.add("%d wrong of %d last prices", f.verdict.Prices, s.joined.Conns*stormKeys)
	r.add("%d values delivered, %.0f/s; %.2f of those published to viewers (conflation %.2f)", f.stats.States,
		float64(f.stats.States)/span.Seconds(),
		float64(f.stats.States)/asked, asked/float64(max(f.stats.States, 1)))
	r.add("CPU of hub %.2f, Redis %.2f, publisher %.2f cores; %.2f us per value in all",
		f.use.CPU.Seconds()/span.Seconds(), f.redis.Seconds()/span.Seconds(),
		f.published.CPU.Seconds()/span.Seconds(), f.cpu())
	r.add("age of a value p50 %.0f, p99 %.0f ms", ms(f.stats.StateLatency, .5), ms(f.stats.StateLatency, .99))
	r.reached = f.wrong() == "" && f.stats.States > 0
	if w := f.wrong(); w != "" {
		r.note("%s", w)
	}
	if late := f.published.OddsTimeLate; late > time.Second {
		r.note("the publisher was up to %s late: Redis or this machine was the limit", late.Round(time.Millisecond))
	}
	return nil
}

func ms(l *swarm.Latency, share float64) float64 {
	return float64(l.Quantile(share).Microseconds()) / 1000
}

func (b *bench) goalInStorm(ctx context.Context, r *row) error {
	var quiet, storm, gates []float64
	for n := range b.repeat {
		s, err := b.stormStage(ctx)
		if err != nil {
			return err
		}
		goals := plan{Streams: []int64{1}, Topic: "competition", Rate: 0.5, For: 2 * b.hold}
		all := func(p published) int64 { return p.Events * s.joined.Conns }
		without, err := b.play(ctx, s, fmt.Sprintf("goal-quiet-%d", n), goals, all)
		if err == nil {
			goals.Shut, goals.Matches, goals.Keys, goals.Prices = true, stormMatches, stormKeys, 5000*b.scale
			var with figures
			if with, err = b.play(ctx, s, fmt.Sprintf("goal-storm-%d", n), goals, all); err == nil {
				quiet, storm = append(quiet, without.p(.99)), append(storm, with.p(.99))
				gates = append(gates, ms(with.stats.GateLatency, .99))
				fmt.Fprintf(os.Stderr, "p99 %.1f ms without, %.1f ms with odds, gate %.1f ms; swarm %.0f %% busy\n",
					without.p(.99), with.p(.99), gates[n], 100*with.stats.LoopBusy)
				want := with.published.Events * s.joined.Conns / stormMatches
				if got := with.stats.GateLatency.Count(); got != want {
					r.note("%d gates were seen, not %d", got, want)
				}
				if w := without.wrong() + with.wrong(); w != "" {
					r.note("%s", w)
				}
			}
		}
		if closing := s.close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
	}
	var goals, shut []float64
	for n, without := range quiet {
		goals, shut = append(goals, storm[n]/without), append(shut, gates[n]/without)
	}
	r.add("p99 of a goal %s ms without odds, %s ms with; of the gate it shuts %s ms", spread("%.1f", quiet),
		spread("%.1f", storm), spread("%.1f", gates))
	r.add("ratio of each run %s, of the gate's %s", spread("%.2f", goals), spread("%.2f", shut))
	r.reached = max(slices.Max(goals), slices.Max(shut)) <= 1.3 && len(r.notes) == 0
	return nil
}

// slow has some viewers never read. They follow a match of their own besides, with so much going on
// that the kernels' buffers fill; with 300-byte goals that would take hours. In the run to compare
// with the same viewers read.
func (b *bench) slow(ctx context.Context, r *row) error {
	var p99 [2][]float64
	var rss [2][]float64
	var cut, others, resumed, reset float64
	for n := range b.repeat {
		for i, share := range []float64{0, 0.01} {
			s, err := b.set(ctx, goalcastWS, crowd{viewers: b.scaled(10_000), numbers: 100, topics: "match:{n}",
				also: "competition:500", slow: share})
			if err != nil {
				return err
			}
			f, err := b.flood(ctx, s, fmt.Sprintf("slow-%d-%d", i, n))
			if err == nil {
				p99[i], rss[i] = append(p99[i], f.p(.99)), append(rss[i], float64(f.use.RSS)/1e6)
				fmt.Fprintf(os.Stderr, "%.0f %% slow: p99 %.1f ms, RSS %+.1f MB\n", 100*share, f.p(.99),
					float64(f.use.RSS)/1e6)
			}
			if err == nil && i == 1 {
				var c, o, back, again float64
				c, o, back, again, err = b.revive(ctx, s, r)
				cut, others, resumed, reset = cut+c, others+o, resumed+back, reset+again
			}
			if closing := s.close(); err == nil {
				err = closing
			}
			if err != nil {
				return err
			}
		}
	}
	a, c := middle(p99[0]), middle(p99[1])
	r.add("p99 of the others %s ms without, %s ms with slow viewers; ratio %.2f", spread("%.1f", p99[0]),
		spread("%.1f", p99[1]), c/a)
	r.add("RSS %+.1f MB without, %+.1f MB with", middle(rss[0]), middle(rss[1]))
	r.add("%.0f cut as too slow, %.0f as stalled; of those who came back %.0f resumed, %.0f were reset", cut, others,
		resumed, reset)
	r.reached = c <= 1.1*a && cut > 0 && reset == 0 && len(r.notes) == 0
	return nil
}

// flood publishes 2 events/s to all and a torrent to match 1, which the first of
// every 100 viewers follows.
func (b *bench) flood(ctx context.Context, s *stage, name string) (figures, error) {
	torrent := s.plan(plan{Streams: []int64{1}, Rate: 30, For: b.hold, Size: 20_000, NoTime: true})
	wait, err := startPublisher(ctx, torrent)
	if err != nil {
		return figures{}, err
	}
	// stream 500: not a viewer's number, so that it is told from matches
	f, err := b.play(ctx, s, name, plan{Streams: []int64{500}, Topic: "competition", Rate: 4, For: b.hold},
		func(p published) int64 {
			return 0
		})
	if _, e := wait(); err == nil {
		err = e
	}
	return f, err
}

// revive lets the slow read and counts how they were treated.
func (b *bench) revive(ctx context.Context, s *stage, r *row) (cut, stalled, resumed, reset float64, err error) {
	for name, to := range map[string]*float64{`reason="too_slow"`: &cut, `reason="stalled"`: &stalled} {
		if *to, err = s.server.metric("goalcast_hub_closed_total", name); err != nil {
			return
		}
	}
	before, err := s.swarm.Counts()
	if err != nil {
		return
	}
	if err = s.swarm.Revive(); err != nil {
		return
	}
	time.Sleep(3 * time.Second)
	after, err := s.swarm.Await(ctx, 20*time.Second, swarm.AllJoined)
	if err != nil {
		return
	}
	reset = float64(after.Resets - before.Resets)
	resumed = float64(after.Joins-before.Joins) - reset
	if n := after.Closes["4008"]; n > 0 {
		r.figures = append(r.figures, fmt.Sprintf("%d read close code 4008", n))
	}
	if after.Missed+after.Repeated > 0 {
		r.note("%d missed, %d repeated by those who came back", after.Missed, after.Repeated)
	}
	return
}

// returns is the storm after a network breaks: all come back at once.
func (b *bench) returns(ctx context.Context, r *row) error {
	var rates []float64
	for n := range b.repeat {
		s, err := b.set(ctx, goalcastWS, crowd{viewers: b.scaled(15_000), numbers: 300, topics: "match:{n},team:{n}",
			also: "competition:1"})
		if err != nil {
			return err
		}
		rate, err := b.storm(ctx, s, r, n)
		if closing := s.close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	r.add("%s handshakes and resumes/s", spread("%.0f", rates))
	r.add("%s; no reading from the database", strings.Join(r.calls, ", "))
	r.reached = middle(rates) >= 8000 && len(r.notes) == 0
	return nil
}

// idleCalls is how many Redis calls a second there are while nothing happens.
func (s *stage) idleCalls(span time.Duration) (float64, error) {
	before, err := redisCalls(s.redis.url)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	time.Sleep(span)
	after, err := redisCalls(s.redis.url)
	return float64(after-before-1) / time.Since(begin).Seconds(), err
}

func (b *bench) storm(ctx context.Context, s *stage, r *row, n int) (float64, error) {
	goals := plan{Streams: []int64{1}, Topic: "competition", Rate: 20, Count: 10}
	if _, err := b.play(ctx, s, fmt.Sprintf("returns-before-%d", n), goals, func(p published) int64 {
		return p.Events * s.joined.Conns
	}); err != nil {
		return 0, err
	}
	if err := s.swarm.Reset(); err != nil {
		return 0, err
	}
	idle, err := s.idleCalls(2 * time.Second)
	if err != nil {
		return 0, err
	}
	var calls int64
	var readings float64
	var begin time.Time
	var profiled <-chan struct{}
	report, err := s.swarm.Storm(ctx, time.Minute, func() error {
		time.Sleep(500 * time.Millisecond) // the hub notices
		p, err := publish(ctx, s.plan(goals))
		if err != nil {
			return err
		}
		s.done = p.Done
		time.Sleep(200 * time.Millisecond)
		if readings, err = s.server.metric("goalcast_hub_board_readings_total", ""); err != nil {
			return err
		}
		profiled = b.profile(s.server, fmt.Sprintf("returns-%d", n), 2*time.Second)
		begin = time.Now()
		calls, err = redisCalls(s.redis.url)
		return err
	})
	if err != nil {
		return 0, err
	}
	after, err := redisCalls(s.redis.url)
	if err != nil {
		return 0, err
	}
	// The bus's own beat and pings go on during a storm; the one call more is the
	// question how many there were.
	took := time.Since(begin).Seconds()
	r.calls = append(r.calls, fmt.Sprintf("%d Redis calls in %.1f s (an idle hub: %.1f)", after-calls-1, took,
		idle*took))
	if float64(after-calls-1) > 2*idle*took+6 {
		r.note("%d Redis calls during the storm", after-calls-1)
	}
	<-profiled
	now, err := s.server.metric("goalcast_hub_board_readings_total", "")
	if err != nil {
		return 0, err
	}
	if now != readings {
		r.note("%.0f readings from the database during the storm", now-readings)
	}
	want := s.joined.Conns * int64(goals.Count)
	_, late := s.swarm.Await(ctx, 10*time.Second, func(c swarm.Stats) bool { return c.Events >= want })
	stats, err := s.swarm.Stats()
	if err != nil {
		return 0, err
	}
	verdict, err := s.swarm.Check(s.done)
	if err != nil {
		return 0, err
	}
	f := figures{stats: stats, verdict: verdict}
	fmt.Fprintf(os.Stderr, "%.0f/s, %d resumed, %d Redis calls, join p99 %.0f ms, swarm %.0f %% busy\n",
		report.PerSecond, report.Resumed, after-calls, ms(stats.JoinLatency, .99), 100*stats.LoopBusy)
	if w := f.wrong(); w != "" || late != nil {
		r.note("%s %v", w, late)
	}
	if report.Resumed != report.Viewers {
		r.note("%d of %d were reset", report.Viewers-report.Resumed, report.Viewers)
	}
	if stats.Failed > 0 {
		r.note("%d handshakes failed: %v", stats.Failed, stats.Errors)
	}
	return report.PerSecond, nil
}
