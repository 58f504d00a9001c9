package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/loadtest/simulator"
	"goalcast/loadtest/swarm"
	"goalcast/store/bus"
)

// judge holds what everybody saw against what happened.
func (d *dayRig) judge() {
	d.t.Helper()
	rest := d.posts[slices.IndexFunc(d.posts, func(p *post) bool { return p.has("rest") })]
	rest.waitFinished()
	waitFor(d.t, 2*time.Minute, "all pushes to be sent", allSent(openPostgres(d.t, d.postgres.URL)))
	last := map[int64]int64{}
	clips, goals := 0, 0
	for n, truth := range d.day.Matches() {
		final := rest.match(goalcast.MatchID(truth.ID))
		checkTruth(d.t, truth, final)
		last[truth.ID] = final.Seq
		for name, v := range d.viewers {
			if name != "prices" || n < pricedMatches {
				v.knows(name, final)
			}
		}
		goals += len(truth.Goals)
		for _, e := range final.Timeline {
			if e.Kind == goalcast.KindClip && e.Counts() {
				clips++
			}
		}
		d.waitREST(final)
	}
	d.history.Told(truthOf(d.day)...)
	for _, v := range d.history.Check() {
		d.t.Error(v)
	}
	d.judgeWaves(last)
	d.judgePushes()
	d.judgeKeys()
	if clips < goals*3/4 { // a goal that was taken back has none
		d.t.Errorf("%d clips of %d goals", clips, goals)
	}
}

// checkTruth holds a match as the database has it against what really happened.
func checkTruth(t *testing.T, truth simulator.Match, s goalcast.Snapshot) {
	t.Helper()
	if s.Score != (goalcast.Score{Home: truth.Score[0], Away: truth.Score[1]}) || s.State != goalcast.Finished {
		t.Errorf("%s: %v, %s", truth, s.Score, s.State)
	}
	for _, g := range truth.Goals {
		e, ok := s.Event(fmt.Sprintf("opta:%d", g.EventID))
		if !ok || e.Counts() == g.Cancelled || int64(e.Team) != g.Team || e.Player == nil ||
			int64(e.Player.ID) != g.Scorer {
			t.Errorf("%s: goal %d is %+v, want %+v", truth, g.EventID, e, g)
		}
	}
}

// judgeWaves: nobody missed anything, got it twice, or in another order.
func (d *dayRig) judgeWaves(last map[int64]int64) {
	d.t.Helper()
	for _, s := range d.waves {
		if s == nil {
			continue
		}
		waitFor(d.t, time.Minute, "the viewers to know all", func() error {
			v, err := s.Check(swarm.Expected{Streams: last})
			if err == nil && v.Behind > 0 {
				err = fmt.Errorf("%d events are missing to %d of %d viewers", v.Behind, v.Viewers, v.Conns)
			}
			return err
		})
	}
	d.pause("until the end")
	all := append([]trouble{{what: "else", stats: d.calm}}, d.troubles...)
	for _, w := range all {
		s := w.stats
		if s.Missed+s.Repeated+s.CursorsBack+s.Backwards > 0 {
			d.t.Errorf("%s: %d events missed, %d repeated, %d cursors and %d prices went back", w.what, s.Missed,
				s.Repeated, s.CursorsBack, s.Backwards)
		}
		if s.Resets > 0 && !strings.Contains(w.what, "redis") { // what a Redis had not passed on when it died is lost
			d.t.Errorf("%s: %d viewers had to begin anew", w.what, s.Resets)
		}
	}
	d.t.Logf("while nothing was wrong: %s", told(d.calm))
	d.logLate()
	if p99 := d.calm.EventLatency.Quantile(.99); d.plan.Limits.Goal > 0 && p99 > d.plan.Limits.Goal {
		d.t.Errorf("p99 from document to socket is %v, want %v", p99, d.plan.Limits.Goal)
	}
}

// logLate names what was late while nothing was wrong, the latest first.
func (d *dayRig) logLate() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	const most = 30
	late := slices.DeleteFunc(d.late, func(l lateEvent) bool { return !d.wasCalm(l.received()) })
	slices.SortFunc(late, func(a, b lateEvent) int { return cmp.Compare(b.delay(), a.delay()) })
	for _, l := range late[:min(len(late), most)] {
		d.t.Logf("%v late, %d ms of it until it was published: %s %s of %s, %s, there at %s",
			l.delay().Round(time.Millisecond), l.event.Times.Published-l.event.Times.Received, l.event.Topics[0],
			l.event.Kind, l.event.Clock, l.event.Key(), l.received().Format(time.StampMilli))
	}
}

// judgePushes: Firebase had nothing to say against them, and they came soon.
func (d *dayRig) judgePushes() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	late := hdrhistogram.New(1, int64(time.Hour/time.Millisecond), 3)
	for _, p := range d.pushes {
		received, ok := d.received[p.key]
		if ok && d.wasCalm(received) {
			_ = late.RecordValue(max(1, p.at.Sub(received).Milliseconds()))
		}
	}
	if v := d.firebase.Violations(); len(v) > 0 {
		d.t.Errorf("Firebase would refuse: %v", v[:min(len(v), 10)])
	}
	p99 := time.Duration(late.ValueAtQuantile(99)) * time.Millisecond
	d.t.Logf("%d pushes; from document to push service, while nothing was wrong: %d, p50 %d ms, p99 %v", len(d.pushes),
		late.TotalCount(), late.ValueAtQuantile(50), p99)
	if late.TotalCount() == 0 {
		d.t.Error("no push could be timed")
	}
	if d.plan.Limits.Push > 0 && p99 > d.plan.Limits.Push {
		d.t.Errorf("p99 from document to push service is %v, want %v", p99, d.plan.Limits.Push)
	}
}

// judgeKeys: Redis holds nothing that docs/redis.md does not list, and nothing for longer.
func (d *dayRig) judgeKeys() {
	d.t.Helper()
	ctx := d.t.Context()
	client := redis.NewClient(&redis.Options{Addr: d.redis.Master()})
	defer client.Close()
	count := 0
	for names := client.Scan(ctx, 0, "", 1000).Iterator(); names.Next(ctx); count++ {
		key, err := bus.FindKey("goalcast", names.Val())
		if err != nil {
			d.t.Error(err)
			continue
		}
		if ttl := client.PTTL(ctx, names.Val()).Val(); key.TTL > 0 && (ttl == -1 || ttl > key.TTL) {
			d.t.Errorf("%s expires in %v, listed with %v", names.Val(), ttl, key.TTL)
		}
	}
	if count < 10 {
		d.t.Errorf("only %d keys after a whole day", count)
	}
}

// wasCalm says whether nothing was wrong at the time.
func (d *dayRig) wasCalm(at time.Time) bool {
	return !slices.ContainsFunc(d.troubles, func(w trouble) bool {
		return at.After(w.from.Add(-time.Second)) && at.Before(w.to)
	})
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
