package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
)

// allStarted is LiveChannel.Started once nothing more is to be started.
const allStarted = math.MaxInt64

// activity is a match with a channel. The turn's loop owns it; a step works on a copy of
// LiveChannel and hands back what became of it.
type activity struct {
	goalcast.LiveChannel
	dirty    bool      // the match may have changed
	busy     bool      // a step is under way
	starting bool      // activities are being started
	after    time.Time // no step before
	pause    time.Duration
	repeat   time.Time // the same state is sent again, so that phones take it for fresh; zero: never

	shown atomic.Pointer[shown] // the newest state that was taken, for starts
}

type shown struct {
	state []byte
	at    time.Time
}

// turn is the time for which this process holds the lease. Its loop owns everything but what
// steps were given.
type turn struct {
	*Runner
	ctx   context.Context
	slots chan struct{} // as many as requests at one time
	done  chan func()   // what steps hand back, for the loop to do
	steps sync.WaitGroup

	all      map[goalcast.MatchID]*activity
	creating map[goalcast.MatchID]bool
	suspects map[string]bool // channels that the last sweep found on one side only
	sweeping bool
	denied   bool
	until    time.Time // no request before: the service denied us, or takes no more channels
}

// turn works until ctx ends, and returns when all steps have.
func (r *Runner) turn(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	t := &turn{Runner: r, ctx: ctx, slots: make(chan struct{}, r.cfg.Workers), done: make(chan func()),
		all: map[goalcast.MatchID]*activity{}, creating: map[goalcast.MatchID]bool{}}
	defer func() {
		cancel()
		r.forget()
		t.steps.Wait()
		r.metrics.channels.Set(0)
		r.metrics.denied.Set(0)
	}()
	r.take()
	if err := t.load(); err != nil {
		return err
	}
	look, sweep := time.NewTicker(r.cfg.Look), time.NewTicker(r.cfg.Sweep)
	defer look.Stop()
	defer sweep.Stop()
	t.plan()
	t.sweep()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(t.work())
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			t.plan()
		case <-sweep.C:
			t.sweep()
		case <-r.wake:
			for id := range r.take() {
				if a := t.all[id]; a != nil {
					a.dirty = true
				}
			}
		case f := <-t.done:
			f()
		case <-timer.C:
		}
	}
}

// load reads the channels that there are and that this process does not know.
func (t *turn) load() error {
	list, err := t.kept()
	if err != nil {
		return err
	}
	for _, c := range list {
		if t.all[c.Match] == nil {
			t.add(c)
		}
	}
	return nil
}

// kept are the service's channels that the database has.
func (t *turn) kept() ([]goalcast.LiveChannel, error) {
	all, err := t.store.LiveChannels(t.ctx)
	return slices.DeleteFunc(all, func(c goalcast.LiveChannel) bool { return c.Service != t.service.Name() }), err
}

func (t *turn) add(c goalcast.LiveChannel) {
	a := &activity{LiveChannel: c, dirty: true}
	a.shown.Store(&shown{c.Shown, c.Sent})
	t.all[c.Match] = a
	t.metrics.channels.Set(float64(len(t.all)))
}

func (t *turn) drop(a *activity) {
	if t.all[a.Match] == a {
		delete(t.all, a.Match)
	}
	t.metrics.channels.Set(float64(len(t.all)))
}

// step runs f beside the loop, when there is a slot; what f returns is done by the loop.
func (t *turn) step(f func() func()) {
	t.steps.Go(func() {
		select {
		case t.slots <- struct{}{}:
		case <-t.ctx.Done():
			return
		}
		after := f()
		<-t.slots
		select {
		case t.done <- after:
		case <-t.ctx.Done():
		}
	})
}

// failed notes what went wrong with a step; the loop calls it.
func (t *turn) failed(step string, match goalcast.MatchID, err error) {
	if ended(t.ctx, err) {
		return
	}
	var busy *BusyError
	switch {
	case errors.Is(err, ErrDenied):
		if !t.denied {
			t.log.Error("the push service does not accept us: no lock screen moves", "step", step, "error", err,
				"retry_in", t.cfg.Pause)
		}
		t.denied, t.until = true, t.store.Now().Add(t.cfg.Pause)
		t.metrics.denied.Set(1)
		return
	case errors.As(err, &busy):
		t.log.Info("live activities: the push service takes no more for now", "step", step, "match", match,
			"after", busy.After)
	default:
		t.log.Warn("live activities", "step", step, "match", match, "error", err)
	}
	t.metrics.errors.WithLabelValues(step).Inc()
}

// accepted notes that the service took something.
func (t *turn) accepted() {
	if t.denied {
		t.denied = false
		t.metrics.denied.Set(0)
		t.log.Info("the push service accepts us again")
	}
}

// plan looks at all matches that are soon or in play: those without a channel get one, those that
// changed are to be sent.
func (t *turn) plan() {
	now := t.store.Now()
	f := goalcast.MatchFilter{From: now.Add(-MaxAge), To: now.Add(t.cfg.Lead), Live: true}
	seen := map[goalcast.MatchID]bool{}
	for {
		page, err := t.store.Matches(t.ctx, f)
		if err != nil {
			t.failed("plan", 0, err)
			return
		}
		for i := range page {
			seen[page[i].ID] = true
			t.consider(&page[i])
		}
		if len(page) == 0 || page[len(page)-1].Place() == f.After {
			break
		}
		f.After = page[len(page)-1].Place()
	}
	for id, a := range t.all {
		if !seen[id] {
			a.dirty = true // it moved, or is over for long
		}
	}
}

// consider decides about one match as it stands.
func (t *turn) consider(m *goalcast.Snapshot) {
	now := t.store.Now()
	if a := t.all[m.ID]; a != nil {
		p, _, err := t.pushOf(a.LiveChannel, m, now)
		a.dirty = a.dirty || err != nil || p.Event != "" || a.Opened.IsZero() && !t.wanted(m, now)
		return
	}
	if t.creating[m.ID] || !t.wanted(m, now) || t.waiting() {
		return
	}
	t.creating[m.ID] = true
	match := m.ID
	t.step(func() func() { return t.create(match) })
}

// wanted says whether a match is to have a channel.
func (t *turn) wanted(m *goalcast.Snapshot, now time.Time) bool {
	return (m.State == goalcast.Live || m.State == goalcast.Scheduled && m.Kickoff.After(now.Add(-MaxAge)) &&
		m.Kickoff.Before(now.Add(t.cfg.Lead))) &&
		m.Home.Name != "" && m.Away.Name != "" && t.cfg.Private.Match(m) == 0
}

// waiting says that nothing is to be asked now.
func (t *turn) waiting() bool { return t.store.Now().Before(t.until) }

// errTaken says that a match got its channel by another process; ours is an orphan.
var errTaken = errors.New("the match has a channel by another process")

// create makes the channel of a match. A crash between the service and the database leaves an
// orphan, which the sweep deletes.
func (t *turn) create(match goalcast.MatchID) func() {
	id, err := t.service.CreateChannel(t.ctx, match)
	c := goalcast.LiveChannel{Service: t.service.Name(), ID: id, Match: match, Created: t.store.Now()}
	added := false
	if err == nil {
		t.cfg.Fault("created")
		if added, err = t.store.AddLiveChannel(t.ctx, c); err == nil && !added {
			err = errTaken
		}
		t.cfg.Fault("added")
	}
	return func() {
		delete(t.creating, match)
		var busy *BusyError
		switch {
		case errors.Is(err, errTaken):
			err = errors.Join(err, t.load())
		case added:
			if t.keeper != nil {
				t.accepted()
			}
			t.metrics.created.Inc()
			t.add(c)
			return
		case errors.As(err, &busy), errors.Is(err, ErrFull):
			t.until = t.store.Now().Add(min(maxPause, t.cfg.Look)) // whatever else needs one
		}
		t.failed("create", match, err)
	}
}

// work begins all steps that are due, and says after how long the next one is.
func (t *turn) work() time.Duration {
	now, next := t.store.Now(), time.Hour
	if wait := t.until.Sub(now); wait > 0 {
		return wait
	}
	for _, a := range t.all {
		if !a.repeat.IsZero() && !now.Before(a.repeat) {
			a.dirty = true
		}
		if a.busy {
			continue
		}
		if a.dirty && !now.Before(a.after) {
			a.dirty, a.busy = false, true
			c := a.LiveChannel
			t.step(func() func() { return t.update(a, c) })
			continue
		}
		if a.dirty {
			next = min(next, a.after.Sub(now))
		} else if !a.repeat.IsZero() {
			next = min(next, a.repeat.Sub(now))
		}
		if t.toStart(a, now) {
			a.starting = true
			c := a.LiveChannel
			t.steps.Go(func() { t.start(a, c) }) // it takes many requests, and has slots of its own
		}
	}
	return max(next, time.Millisecond)
}

// update does what is to be done for a match, if anything.
func (t *turn) update(a *activity, c goalcast.LiveChannel) func() {
	m, err := t.store.Match(t.ctx, c.Match)
	now := t.store.Now()
	switch {
	case errors.Is(err, goalcast.ErrNotFound):
		return t.remove(a, c, whyMoved)
	case err != nil:
		return t.again(a, "update", err)
	case !c.Ended.IsZero() && now.Before(c.Ended.Add(t.cfg.Keep)):
		return func() { a.busy = false; a.after, a.dirty = c.Ended.Add(t.cfg.Keep), true }
	case !c.Ended.IsZero():
		return t.remove(a, c, whyOver)
	case c.Opened.IsZero() && !over(&m) && !t.wanted(&m, now):
		return t.remove(a, c, whyMoved)
	}
	return t.push(a, c, &m, now)
}

// push sends the match as it stands, if phones do not show that.
func (t *turn) push(a *activity, c goalcast.LiveChannel, m *goalcast.Snapshot, now time.Time) func() {
	p, state, err := t.pushOf(c, m, now)
	if err != nil || p.Event == "" {
		return func() {
			a.busy = false
			if err != nil {
				t.failed("update", c.Match, err)
			}
		}
	}
	if ok, err := t.store.StampLivePush(t.ctx, c, p.At); err != nil || !ok {
		return t.stampFailed(a, c, err)
	}
	t.cfg.Fault("stamped")
	changed := string(p.State) != string(c.Shown)
	err = t.service.Broadcast(t.ctx, c.ID, p)
	t.cfg.Fault("sent")
	if !ended(t.ctx, err) {
		t.metrics.pushes.WithLabelValues(result(err)).Inc()
	}
	after := t.store.Now().Add(interval) // since the answer: this one may have come just before it
	c.Sent = p.At
	var saved error
	// What is refused would be refused again.
	if err == nil || errors.Is(err, ErrRefused) {
		c.Shown = p.State
		if state.State == goalcast.Live && c.Opened.IsZero() {
			c.Opened = now
		}
		if p.Event == End {
			c.Ended = now
		}
		saved = t.store.SaveLivePush(t.ctx, c)
	}
	if err == nil && changed && m.Updated > 0 {
		t.metrics.delay.Observe(max(0, t.store.Now().Sub(time.UnixMilli(m.Updated)).Seconds()))
	}
	if errors.Is(err, ErrNoChannel) {
		return t.lost(a, c)
	}
	if err != nil && !errors.Is(err, ErrRefused) {
		again := t.again(a, "update", err)
		return func() { a.Sent = c.Sent; again() }
	}
	return func() {
		a.busy, a.LiveChannel = false, c
		a.pause, a.after = 0, after
		a.shown.Store(&shown{c.Shown, c.Sent})
		a.repeat = time.Time{}
		switch {
		case !c.Ended.IsZero():
			a.dirty, a.after = true, c.Ended.Add(t.cfg.Keep)
		case state.State == goalcast.Live && t.keeper != nil:
			a.repeat = now.Add(t.cfg.Fresh * 4 / 5)
		}
		if err == nil {
			t.accepted()
		}
		if err != nil || saved != nil {
			t.failed("update", c.Match, errors.Join(err, saved))
		}
	}
}

// pushOf is the push for a match as it stands; without an Event if phones show that. Topics are not
// told again what phones show: Google slows down whoever sends a phone one push in 3 min of those
// that replace each other.
func (t *turn) pushOf(c goalcast.LiveChannel, m *goalcast.Snapshot, now time.Time) (Push, State, error) {
	state := StateOf(m)
	text, err := encodeState(state)
	if err != nil {
		return Push{}, state, err
	}
	before, known := decodeState(c.Shown)
	end := over(m) || !c.Opened.IsZero() && now.Sub(c.Opened) >= MaxAge-endBefore
	live := m.State == goalcast.Live
	again := live && t.keeper != nil && now.Sub(c.Sent) >= t.cfg.Fresh*4/5
	if !end && !again && string(text) == string(c.Shown) {
		return Push{}, state, nil
	}
	p := Push{Match: m.ID, Event: Update, State: text, At: second(now)}
	if p.At.Before(c.Sent.Add(interval)) { // our clock was set back, or another process sent just now
		p.At = c.Sent.Add(interval)
	}
	p.High = end || known && state.matters(before)
	p.Stale = p.At.Add(t.cfg.Fresh)
	if m.State == goalcast.Scheduled && m.Kickoff.After(p.At) {
		p.Stale = m.Kickoff.Add(t.cfg.Fresh)
	}
	p.Expires = p.Stale
	if t.keeper == nil && live {
		p.Stale, p.Expires = time.Time{}, p.At.Add(MaxAge)
	}
	if end {
		p.Event, p.Stale = End, time.Time{}
		p.Dismiss, p.Expires = p.At.Add(keepShown), p.At.Add(t.cfg.Keep)
	}
	return p, state, nil
}

// again has a step that failed tried again after a pause: as long as the service asked for, else
// doubled each time. By then the match may stand otherwise: the newest state is sent.
func (t *turn) again(a *activity, step string, err error) func() {
	return func() {
		a.busy, a.dirty = false, true
		a.pause = min(max(2*a.pause, interval), maxPause)
		wait := a.pause
		var busy *BusyError
		if errors.As(err, &busy) && busy.After > wait {
			wait = busy.After
		}
		a.after = t.store.Now().Add(wait)
		t.failed(step, a.Match, err)
	}
}

// stampFailed is for a push that another process has overtaken: what it did is read.
func (t *turn) stampFailed(a *activity, c goalcast.LiveChannel, err error) func() {
	if err != nil {
		return t.again(a, "update", err)
	}
	list, err := t.kept()
	if err != nil {
		return t.again(a, "update", err)
	}
	return func() {
		t.drop(a)
		for _, now := range list {
			if now.Match == c.Match {
				t.add(now)
				t.all[c.Match].after = t.store.Now().Add(interval)
			}
		}
	}
}

// remove deletes a channel: at the service first, so that a crash leaves a row that leads there.
func (t *turn) remove(a *activity, c goalcast.LiveChannel, why string) func() {
	var err error
	if t.keeper != nil {
		if err = t.keeper.DeleteChannel(t.ctx, c.ID); errors.Is(err, ErrNoChannel) {
			err = nil
		}
	}
	if err == nil {
		t.cfg.Fault("deleted")
		err = t.store.DeleteLiveChannel(t.ctx, c)
	}
	if err != nil {
		return t.again(a, "delete", err)
	}
	return func() {
		if t.keeper != nil {
			t.accepted()
		}
		t.metrics.deleted.WithLabelValues(why).Inc()
		t.drop(a)
	}
}

// lost forgets a channel that the service does not know any more; plan makes another one, which
// phones that start from now on listen to.
func (t *turn) lost(a *activity, c goalcast.LiveChannel) func() {
	if err := t.store.DeleteLiveChannel(t.ctx, c); err != nil {
		return t.again(a, "delete", err)
	}
	return func() {
		t.log.Warn("the push service does not know a match's channel any more", "match", c.Match)
		t.metrics.deleted.WithLabelValues(whyLost).Inc()
		t.drop(a)
		t.plan()
	}
}

// sweep compares the service's channels with ours. One that only one side has is deleted if the
// sweep before found it too: what is just being made is on one side for a moment.
func (t *turn) sweep() {
	if t.keeper == nil || t.sweeping || t.waiting() {
		return
	}
	t.sweeping = true
	t.step(func() func() {
		suspects, lost, err := t.compare()
		return func() {
			t.sweeping = false
			if err != nil {
				t.failed("sweep", 0, err)
				return
			}
			t.accepted()
			t.suspects = suspects
			for _, a := range t.all {
				if lost[a.ID] && !a.busy { // a step that is under way finds that there is no row
					t.drop(a)
				}
			}
		}
	})
}

// compare deletes what was suspect before and is so still. It returns what is suspect now, and
// which channels of ours the service had no more.
func (t *turn) compare() (suspects, lost map[string]bool, err error) {
	before := t.suspects // only sweeps write it, one at a time
	there, err := t.keeper.Channels(t.ctx)
	if err != nil {
		return nil, nil, err
	}
	ours, err := t.kept()
	if err != nil {
		return nil, nil, err
	}
	known, exists := map[string]bool{}, map[string]bool{}
	suspects, lost = map[string]bool{}, map[string]bool{}
	for _, c := range ours {
		known[c.ID] = true
	}
	for _, id := range there {
		exists[id] = true
		switch {
		case known[id]:
		case before[id]:
			if err := t.keeper.DeleteChannel(t.ctx, id); err != nil && !errors.Is(err, ErrNoChannel) {
				return nil, nil, fmt.Errorf("channel of nobody: %w", err)
			}
			t.metrics.deleted.WithLabelValues(whyOrphan).Inc()
			t.log.Warn("deleted a channel at the push service that belonged to no match")
		default:
			suspects[id] = true
		}
	}
	for _, c := range ours {
		switch {
		case exists[c.ID] || !c.Ended.IsZero():
		case before[c.ID]:
			if err := t.store.DeleteLiveChannel(t.ctx, c); err != nil {
				return nil, nil, err
			}
			lost[c.ID] = true
			t.metrics.deleted.WithLabelValues(whyLost).Inc()
		default:
			suspects[c.ID] = true
		}
	}
	return suspects, lost, nil
}
