package uof

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// producer is what is known of one producer of odds and of its recovery. It has no clock: now is
// ours, passed in; at is the provider's.
//
//	waiting --alive--> asking --accepted--> replaying --snapshot_complete--> up
//
// Silence leads back to waiting from anywhere, as does the end of the connection; an alive message
// that says that we are not subscribed leads back to asking.
type producer struct {
	id          int
	name        string
	product     string        // its part of the API's addresses: "liveodds"
	live        bool          // it quotes during the match, and goes before one that does not
	completions int           // snapshot_completes that end one recovery: one for each scope
	window      time.Duration // how far back a recovery may go
	cfg         *Config

	phase   phase
	heard   time.Time // when alive came last
	late    bool      // the last alive was older than a producer may be silent
	current time.Time // the provider's time of the newest alive
	// trusted is the provider's time up to which everything of this producer is in the book; zero:
	// nothing is. A recovery goes on from there.
	trusted time.Time
	// missed is where settlements are missing from, while odds are asked for in full: those come
	// without the settlements of the past. Zero is nowhere.
	missed time.Time

	request   int64 // of the recovery; 0 is none
	inFlight  *call // waits for its answer
	notBefore time.Time
	failures  int       // calls since the last that was of use
	accepted  time.Time // when the recovery began
	completed int       // snapshot_completes of it
	stirred   time.Time // when it was heard of last
}

type phase int

const (
	waiting   phase = iota // for an alive message
	asking                 // a recovery is to be asked for, or was and is not answered
	replaying              // the recovery is on its way
	up                     // everything is known
)

func (p phase) String() string { return [...]string{"waiting", "asking", "replaying", "up"}[p] }

// call is a recovery to be asked for.
type call struct {
	request int64
	after   time.Time // the provider's; zero: all current odds
	begun   time.Time // ours
	// settled says that it is for settlements; the old odds that come with it are of no use.
	settled bool
}

// windowMargin is kept from the end of the window, for the way of the request and other clocks.
const windowMargin = time.Minute

// open says whether the producer's prices may be shown.
func (p *producer) open() bool { return p.phase == up && !p.late }

// alive notes an alive message.
func (p *producer) alive(now, at time.Time, subscribed bool) {
	p.tick(now) // it may come after a silence that nobody has noted
	p.heard = now
	p.late = now.Sub(at) > p.cfg.AliveLimit
	if at.After(p.current) {
		p.current = at
	}
	switch {
	case p.phase == waiting:
		p.again()
	case !subscribed && p.phase == up, !subscribed && p.phase == replaying && now.Sub(p.accepted) > p.cfg.AliveLimit:
		// It says so until a recovery has begun, so not at once after that. A recovery that it
		// forgot would never be complete.
		p.again()
	case subscribed && p.phase == up:
		p.trusted = p.current
	}
}

// again has a recovery asked for. Whatever is on its way counts no more.
func (p *producer) again() {
	p.phase, p.request, p.inFlight = asking, 0, nil
}

// disconnected notes that messages may be missing from now on.
func (p *producer) disconnected() {
	p.again()
	p.phase = waiting
}

// tick notes that time has passed.
func (p *producer) tick(now time.Time) {
	switch {
	case p.phase != waiting && now.Sub(p.heard) > p.cfg.AliveLimit:
		p.disconnected()
	case p.phase == replaying && p.completed > 0 && now.Sub(p.stirred) > p.cfg.CompleteWait:
		p.complete()
	case p.phase == replaying && now.Sub(p.accepted) > p.cfg.RecoveryTime:
		p.again()
		p.failed(now, 0)
	}
}

// ask says which call is to be made now, if any; number makes its id.
func (p *producer) ask(now time.Time, number func() int64) (call, bool) {
	if p.inFlight != nil || now.Before(p.notBefore) {
		return call{}, false
	}
	earliest := p.current.Add(windowMargin - p.window)
	c := call{begun: now}
	switch {
	case p.phase == asking:
		if p.trusted.Before(earliest) {
			p.full()
		}
		c.after = p.trusted
	case p.phase == up && !p.missed.IsZero():
		c.settled = true
		c.after = p.missed
		if c.after.Before(earliest) {
			c.after = earliest
		}
	default:
		return call{}, false
	}
	c.request = number()
	if !c.settled {
		p.request = c.request
	}
	p.inFlight = &c
	p.notBefore = now.Add(p.cfg.RetryFirst) // also where it is given up before its answer
	return c, true
}

// full has the next recovery bring all odds, and notes that settlements are missing.
func (p *producer) full() {
	if p.missed.IsZero() {
		p.missed = p.trusted
	}
	p.trusted = time.Time{}
}

// answered notes the answer to a call.
func (p *producer) answered(now time.Time, request int64, err error) {
	c := p.inFlight
	if c == nil || c.request != request {
		return // of another connection, or given up
	}
	p.inFlight = nil
	if err == nil || !c.settled && p.phase != asking { // or its messages came, whatever became of the answer
		p.notBefore = c.begun.Add(p.cfg.AskEvery)
		if c.settled {
			p.missed = time.Time{}
		} else if p.phase == asking {
			p.begin(now)
		}
		return
	}
	var refused *apiError
	if errors.As(err, &refused) && (refused.status == http.StatusBadRequest ||
		refused.status == http.StatusUnprocessableEntity) && !c.after.IsZero() {
		// It does not go back so far.
		if c.settled {
			p.missed = time.Time{}
		} else {
			p.full()
		}
	}
	var wait time.Duration
	if refused != nil {
		wait = refused.wait
	}
	p.failed(now, wait)
}

// failed puts the next call off: longer each time, and at least as long as the provider wants.
func (p *producer) failed(now time.Time, wait time.Duration) {
	pause := p.cfg.RetryLast
	if p.failures < 16 {
		pause = min(pause, p.cfg.RetryFirst<<p.failures)
	}
	p.failures++
	p.notBefore = now.Add(max(pause, wait))
}

func (p *producer) begin(now time.Time) {
	p.phase, p.accepted, p.stirred, p.completed = replaying, now, now, 0
}

// recovered notes a message that belongs to a recovery.
func (p *producer) recovered(now time.Time, request int64) {
	if request == p.request {
		p.stirred = now
	}
}

// snapshotComplete notes the end of a recovery, or of one scope of it. It may come before the
// answer to the call.
func (p *producer) snapshotComplete(now time.Time, request int64) {
	if request == 0 || request != p.request || p.phase != asking && p.phase != replaying {
		return
	}
	if p.phase == asking {
		p.begin(now)
	}
	p.completed++
	p.stirred = now
	if p.completed >= p.completions {
		p.complete()
	}
}

// complete ends a recovery. The feed is in order, so that everything up to the newest alive is
// there.
func (p *producer) complete() {
	p.phase, p.failures, p.trusted = up, 0, p.current
}

// newProducer reads the provider's description of a producer.
func newProducer(e *element, cfg *Config) (*producer, error) {
	id, err := e.number("id", 0)
	minutes, other := e.number("stateful_recovery_window_in_minutes", 600)
	if err = errors.Join(err, other); err != nil {
		return nil, err
	}
	p := &producer{id: int(id), name: e.text("name"), window: time.Duration(minutes) * time.Minute, cfg: cfg}
	address := strings.TrimRight(e.text("api_url"), "/")
	p.product = address[strings.LastIndexByte(address, '/')+1:]
	for scope := range strings.SplitSeq(e.text("scope"), "|") {
		p.completions++
		p.live = p.live || scope == "live"
	}
	return p, nil
}
