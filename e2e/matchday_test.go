package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/loadtest/check"
	"goalcast/loadtest/simulator"
	"goalcast/loadtest/swarm"
	"goalcast/notify/fcm/fcmtest"
)

// Settings of TestMatchDay: the plan, a file of testdata/matchdays or a path; and for how long
// one day is to be played after the other, each with the next seed.
const (
	matchDaySetting = "MATCHDAY_PLAN"
	forSetting      = "MATCHDAY_FOR"
)

// TestMatchDay plays a match day as its plan says, to processes of all roles behind an HAProxy,
// while things break. Nobody may miss an event, get one twice or out of order; phones show each
// goal once; in the end all know what really happened. A plan with limits is judged by them, too.
//
// Here it is the short one. `make matchday` plays a night.
func TestMatchDay(t *testing.T) {
	t.Parallel()
	path := os.Getenv(matchDaySetting)
	if path == "" {
		path = "short"
	}
	if !strings.Contains(path, "/") {
		path = filepath.Join("testdata", "matchdays", path+".yaml")
	}
	plan, err := readDayPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	span := time.Duration(0)
	if text := os.Getenv(forSetting); text != "" {
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatal(forSetting, ": ", err)
		}
	}
	for end := time.Now().Add(span); ; plan.Seed++ {
		right := t.Run(fmt.Sprint("seed ", plan.Seed), func(t *testing.T) {
			d := newDayRig(t, plan)
			d.play()
			d.judge()
		})
		if !right || !time.Now().Before(end) {
			return
		}
	}
}

// dayRig is a match day on its way.
type dayRig struct {
	*house
	plan     dayPlan
	day      *simulator.Day
	firebase *fcmtest.Server
	history  *check.History
	viewers  map[string]*viewer // who take note of every frame
	far      *testservers.Relay // their way to HAProxy
	waves    []*swarm.Swarm     // by place in the plan; nil who are not there

	quiet sync.RWMutex // held for writing while the provider is to wait

	mu       sync.Mutex
	received map[string]time.Time // when the document of an event's revision was there, by Event.Key
	pushes   []push
	late     []lateEvent // what came later than the plan allows

	troubles []trouble
	calm     swarm.Stats // while nothing was wrong
}

// push is an event's revision, by Event.Key, and when Firebase took it for a phone.
type push struct {
	key string
	at  time.Time
}

// lateEvent is what came later than the plan allows, to the viewer who notes when documents were
// there.
type lateEvent struct {
	event goalcast.Event
	at    time.Time
}

func (l lateEvent) received() time.Time  { return time.UnixMilli(l.event.Times.Received) }
func (l lateEvent) delay() time.Duration { return l.at.Sub(l.received()) }

// trouble is a time in which something was wrong, and what came of it.
type trouble struct {
	what     string
	from, to time.Time
	stats    swarm.Stats
}

// aftermath is for how long after the house is ready again, and has caught up, something may still
// be late.
const aftermath = 3 * time.Second

func newDayRig(t *testing.T, plan dayPlan) *dayRig {
	t.Helper()
	d := &dayRig{plan: plan, firebase: &fcmtest.Server{Project: "test"}, viewers: map[string]*viewer{},
		received: map[string]time.Time{}, waves: make([]*swarm.Swarm, len(plan.Audience)), calm: swarm.NewStats()}
	var err error
	// Whoever sends may be killed when Firebase has taken a push and the answer is lost.
	limits := check.Limits{PushAgain: true}
	if plan.Limits.Push > 0 { // else a push may lose its sender twice, and wait each time until the lease ends
		limits.PushWithin = time.Minute
	}
	if d.history, err = check.New("", limits); err != nil {
		t.Fatal(err)
	}
	d.firebase.Deliver = d.pushed
	firebase := httptest.NewServer(d.firebase)
	t.Cleanup(firebase.Close)
	d.house = newHouse(t, plan.Processes, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1")
	d.far = testservers.NewRelay(t, strings.TrimPrefix(d.front.URL, "http://"))
	d.day = simulator.New(simulator.Config{Seed: plan.Seed, Matches: plan.Matches, Speed: plan.Speed,
		Stagger: time.Duration(plan.Stagger * float64(time.Minute)), Every: time.Duration(plan.Every) * time.Minute,
		TouchesPerMinute: plan.Touches, Clips: true, Start: time.Now(),
		Noise: simulator.Noise{Double: plan.Noise, Swap: plan.Noise, Late: plan.Noise}})
	var teams []goalcast.TeamID
	var topics, prices []goalcast.Topic
	for n, m := range d.day.Matches() {
		teams = append(teams, goalcast.TeamID(m.Home.ID))
		topics = append(topics, goalcast.ForMatch(goalcast.MatchID(m.ID)))
		if n < pricedMatches {
			prices = append(prices, topics[n], goalcast.ForOdds(goalcast.MatchID(m.ID)))
		}
	}
	followersOf(t, openPostgres(t, d.postgres.URL), plan.Phones, teams...)
	for n := range plan.Phones {
		d.history.Phone(tokenOf(n+1), goalcast.MatchID(topics[(n+1)%len(topics)].ID))
	}
	for name, over := range transports {
		d.viewers[name] = newRecorder(t, d.history, name, "http://"+d.far.Addr, over, topics...)
	}
	d.viewers["prices"] = newRecorder(t, d.history, "prices", "http://"+d.far.Addr, overWebSocket, prices...)
	for _, v := range d.viewers {
		v.Also = d.note
		v.join()
	}
	return d
}

// pricedMatches is of how many matches somebody follows the prices.
const pricedMatches = 4

// pushed notes what Firebase took for a phone.
func (d *dayRig) pushed(p fcmtest.Delivery) {
	pushesInto(d.history)(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pushes = append(d.pushes, push{p.Data["event"] + "#" + p.Data["revision"], p.At})
}

// note remembers when the document was there that told of an event.
func (d *dayRig) note(f goalcast.Frame, _ []byte) {
	if f.Type == goalcast.FrameEvent {
		d.mu.Lock()
		defer d.mu.Unlock()
		received := time.UnixMilli(f.Event.Times.Received)
		_, known := d.received[f.Event.Key()]
		d.received[f.Event.Key()] = received
		if limit := d.plan.Limits.Goal; !known && limit > 0 && f.Event.Kind != goalcast.KindFixture &&
			time.Since(received) > limit {
			d.late = append(d.late, lateEvent{*f.Event, time.Now()})
		}
	}
}

// span is so many minutes of the match, on the wall's clock.
func (d *dayRig) span(minutes int) time.Duration {
	return time.Duration(float64(minutes) / d.plan.Speed * float64(time.Minute))
}

// play has the day happen: documents and prices are posted, viewers come and go, things break.
func (d *dayRig) play() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	var told errgroup.Group
	documents := simulator.Poster(d.front.URL+"/feeds/opta", houseSecret, nil, slog.New(slog.DiscardHandler))
	clips := simulator.Poster(d.front.URL+"/feeds/wsc", houseSecret, nil, slog.New(slog.DiscardHandler))
	prices := simulator.NewOddsPoster(d.front.URL+"/feeds/odds", houseSecret, nil, slog.New(slog.DiscardHandler))
	prices.Show(d.day)
	told.Go(func() error { return prices.Run(ctx) })
	told.Go(func() error {
		defer cancel() // no prices any more
		return d.day.Run(d.t.Context(), func(ctx context.Context, doc simulator.Document) error {
			d.quiet.RLock()
			defer d.quiet.RUnlock()
			switch {
			case doc.Feed == simulator.ClipFeed:
				return clips(ctx, doc)
			case d.plan.Bare:
				doc = withoutProduction(doc)
			}
			return documents(ctx, doc)
		})
	})
	told.Go(func() error { d.askREST(ctx); return nil })
	var held time.Duration
	if d.plan.Limits.Goal == 0 {
		db := openPostgres(d.t, d.postgres.URL)
		defer db.Close()
		told.Go(func() error { held = d.keepPace(ctx, db); return nil })
	}
	type step struct {
		minute int
		do     func()
	}
	var steps []step
	for i, w := range d.plan.Audience {
		steps = append(steps, step{w.From, func() { d.come(i, w) }})
		if w.To > 0 {
			steps = append(steps, step{w.To, func() { d.leave(i) }})
		}
	}
	for _, f := range d.plan.Faults {
		steps = append(steps, step{f.Minute, func() { d.trouble(f) }})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.minute - b.minute })
	for _, s := range steps {
		time.Sleep(time.Until(d.day.Minute(s.minute)))
		s.do()
	}
	if err := told.Wait(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Logf("the provider was held up for %v", held.Round(time.Millisecond))
}

// come has a wave join.
func (d *dayRig) come(i int, w wave) {
	d.t.Helper()
	first := d.day.Matches()[0].ID
	cfg := swarm.Config{URLs: []string{d.front.URL}, Transport: w.Over, Conns: w.Viewers, Topics: "match:{n}",
		First: int(first), Numbers: min(10, d.plan.Matches), Reconnect: true, FromPost: true,
		Rate: float64(w.Viewers) / d.span(2).Seconds()}
	if w.All {
		cfg.Topics, cfg.Also = "", fmt.Sprint("competition:", simulator.CompetitionID)
	}
	s, err := swarm.Start(d.t.Context(), cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = s.Close() })
	if err := s.Connect(); err != nil {
		d.t.Fatal(err)
	}
	if _, err := s.Await(d.t.Context(), time.Minute, swarm.AllJoined); err != nil {
		d.t.Fatal(err)
	}
	d.waves[i] = s
}

// leave has it go; what it saw is counted.
func (d *dayRig) leave(i int) {
	d.t.Helper()
	d.calm = d.counted(d.calm, i)
	if err := d.waves[i].Close(); err != nil {
		d.t.Error(err)
	}
	d.waves[i] = nil
}

// counted adds what those waves have counted since they were asked last.
func (d *dayRig) counted(to swarm.Stats, waves ...int) swarm.Stats {
	d.t.Helper()
	for _, i := range waves {
		s := d.waves[i]
		if s == nil {
			continue
		}
		stats, err := s.Stats()
		if err == nil {
			err = to.Add(stats)
		}
		if err == nil {
			err = s.Reset()
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return to
}

// pause ends a time in which nothing was wrong.
func (d *dayRig) pause(what string) {
	d.t.Helper()
	stats := d.counted(swarm.NewStats(), d.everybody()...)
	d.t.Logf("%-30s all was well: %s", what, told(stats))
	if err := d.calm.Add(stats); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dayRig) everybody() (waves []int) {
	for i := range d.waves {
		waves = append(waves, i)
	}
	return waves
}

// trouble has something go wrong, waits until all is well, and counts what viewers saw of it.
func (d *dayRig) trouble(f mishap) {
	d.t.Helper()
	d.pause(fmt.Sprintf("before %d' %s", f.Minute, f.Do))
	ctx, cancel := context.WithCancel(d.t.Context())
	unready := d.silence(ctx)
	now := trouble{what: fmt.Sprintf("%d' %s", f.Minute, f.Do), from: time.Now()}
	mishaps[f.Do](d, d.span(f.For))
	done := time.Since(now.from)
	for _, p := range d.posts {
		p.waitReady()
	}
	cancel()
	ready := time.Since(now.from)
	if d.plan.Limits.Goal > 0 {
		d.catchUp() // a machine that is judged by limits does
	}
	caught := time.Since(now.from)
	time.Sleep(aftermath)
	now.to, now.stats = time.Now(), d.counted(swarm.NewStats(), d.everybody()...)
	d.troubles = append(d.troubles, now)
	hubs := unready()
	d.t.Logf("%-22s done in %.1f s, all ready after %.1f s, all documents applied after %.1f s; %s; "+
		"hubs not ready after %v", now.what, done.Seconds(), ready.Seconds(), caught.Seconds(), told(now.stats), hubs)
	if limit := d.plan.Limits.NotReady; limit > 0 && strings.HasPrefix(f.Do, "redis") {
		for _, after := range hubs {
			if after > limit {
				d.t.Errorf("%s: a hub was not ready after %v, want %v", now.what, after, limit)
			}
		}
		if f.Do == "redis away" && len(hubs) == 0 {
			d.t.Errorf("%s: all hubs were ready all the time", now.what)
		}
	}
}

// fewWait is how many documents may wait at any time.
const fewWait = 5

// catchUp waits until what came while something was wrong is worked off: what is kept and not
// applied, in a process or in the queue, which tries again after ever longer pauses.
func (d *dayRig) catchUp() {
	d.t.Helper()
	db := openPostgres(d.t, d.postgres.URL)
	defer db.Close()
	waitFor(d.t, 2*time.Minute, "ingest to catch up", func() error {
		waiting, err := documentsWaiting(d.t.Context(), db)
		if err == nil && waiting > fewWait {
			err = fmt.Errorf("%d documents wait", waiting)
		}
		return err
	})
}

// keepPace has the provider wait while documents pile up, and says for how long it did: on a
// machine that is too slow for the plan's speed, all would come later and later. What a fault holds
// up is less than that.
func (d *dayRig) keepPace(ctx context.Context, db *sql.DB) (held time.Duration) {
	const many = 25
	var since time.Time // it waits
	goOn := func() {
		if !since.IsZero() {
			held += time.Since(since)
			since = time.Time{}
			d.quiet.Unlock()
		}
	}
	look := time.NewTicker(300 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
		waiting, err := documentsWaiting(ctx, db)
		switch {
		case err != nil || waiting <= fewWait: // a database that is away holds nobody up
			goOn()
		case waiting > many && since.IsZero():
			d.quiet.Lock()
			since = time.Now()
		}
	}
	goOn()
	return held
}

// documentsWaiting is how many documents are kept and not applied.
func documentsWaiting(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM documents WHERE state = 'received'`).Scan(&n)
	return n, err
}

// told is what viewers saw, in a line.
func told(s swarm.Stats) string {
	return fmt.Sprintf("%d events, p50 %v, p99 %v, last %v; %d viewers cut, %d joined, %d had to begin anew", s.Events,
		s.EventLatency.Quantile(.5).Round(time.Millisecond), s.EventLatency.Quantile(.99).Round(time.Millisecond),
		s.EventLatency.Quantile(1).Round(time.Millisecond), s.Lost, s.Joins, s.Resets)
}

func (d *dayRig) hush(span time.Duration) {
	d.quiet.Lock()
	defer d.quiet.Unlock()
	time.Sleep(span)
}

// slow makes the ways long from goalcast to its database and from its viewers to goalcast.
func (d *dayRig) slow(span time.Duration) {
	d.postgres.SetDelay(20 * time.Millisecond)
	d.far.SetDelay(300 * time.Millisecond)
	time.Sleep(span)
	d.postgres.SetDelay(0)
	d.far.SetDelay(0)
}

// askREST asks for two matches every now and then, as apps do.
func (d *dayRig) askREST(ctx context.Context) {
	matches := d.day.Matches()
	first, last := goalcast.MatchID(matches[0].ID), goalcast.MatchID(matches[len(matches)-1].ID)
	for ctx.Err() == nil {
		d.history.Ask(ctx, "rest", d.front.URL, first, last)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// waitREST waits until all who answer REST have the match as it is, and has it noted.
func (d *dayRig) waitREST(final goalcast.Snapshot) {
	d.t.Helper()
	for _, p := range d.posts {
		if !p.has("rest") {
			continue
		}
		waitFor(d.t, time.Minute, "REST", func() error {
			s, err := p.snapshot(final.ID)
			if err == nil && s.Seq < final.Seq {
				err = fmt.Errorf("match %d is at %d of %d", final.ID, s.Seq, final.Seq)
			}
			return err
		})
	}
	d.history.Ask(d.t.Context(), "rest", d.front.URL, final.ID)
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
