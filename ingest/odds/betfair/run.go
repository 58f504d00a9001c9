package betfair

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"goalcast/ingest/odds"
)

// maxResubscribed is how often a connection subscribes anew without an image in between.
const maxResubscribed = 3

// run is one Run of a source: a connection and what is owed to its sink.
type run struct {
	*Source
	sink  odds.Sink
	conn  *conn
	names *names // nil: nobody is asked

	id           int // of the subscription
	awaiting     bool
	since        time.Time // when it was subscribed
	segments     segments
	resubscribed int
	silence      time.Duration

	trusted bool      // what is told is taken for fresh
	anew    bool      // there was an image that was not told
	recent  time.Time // when a message was last not as old as those of a delayed key
	late    bool      // behind by more than the alarm allows
	kept    time.Time
}

// Run implements odds.Source.
func (s *Source) Run(ctx context.Context, sink odds.Sink) error {
	sink.Down(odds.ReasonConnection)
	helpersCtx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	r := &run{Source: s, sink: sink}
	err := r.run(ctx, func(f func(context.Context)) { helpers.Go(func() { f(helpersCtx) }) })
	sink.Down(odds.ReasonConnection)
	cancel()
	helpers.Wait()
	if s.api != nil {
		s.api.http.CloseIdleConnections()
	}
	if ctx.Err() != nil {
		s.metrics.connections.WithLabelValues("stopped").Inc()
		r.keep(time.Now())
		return ctx.Err()
	}
	end := "broken"
	for _, e := range ends {
		if errors.Is(err, e.err) {
			end = e.word
			break
		}
	}
	s.metrics.connections.WithLabelValues(end).Inc()
	switch end {
	case "delayed":
		s.book = nil // nothing of it was ever live
	case "unreadable", "limit":
		r.forgetPlace() // or the same message comes again
	}
	r.keep(time.Now())
	return err
}

func (r *run) run(ctx context.Context, start func(func(context.Context))) error {
	session, err := r.session(ctx)
	if err != nil {
		return err
	}
	if r.api != nil && !r.live {
		if err := r.metrics.called("key", r.api.checkKey(ctx, session)); err != nil {
			return err
		}
		r.live = true
	}
	conn, closeConn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn()
	r.conn = conn
	if err := r.authenticate(conn, session); err != nil {
		return err
	}
	r.help(session, start)
	r.resume()
	r.recent = time.Now()
	if err := r.subscribe(); err != nil {
		return err
	}
	for {
		if err := r.step(); err != nil {
			return err
		}
	}
}

// session asks for a session token, under a deadline of ours.
func (s *Source) session(ctx context.Context) (string, error) {
	limit, cancel := context.WithTimeout(ctx, 2*s.cfg.APITimeout) // keep alive, then log in
	defer cancel()
	token, err := s.cfg.Session(limit)
	if s.metrics.called("session", err) != nil {
		return "", fmt.Errorf("%w: session: %w", errUnreachable, err)
	}
	return token, nil
}

// help starts the goroutines that ask Betfair for what the stream does not say.
func (r *run) help(session string, start func(func(context.Context))) {
	var mu sync.Mutex // guards session
	start(func(ctx context.Context) {
		tick := time.NewTicker(r.cfg.SessionEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			token, err := r.session(ctx)
			if err != nil {
				if ctx.Err() == nil {
					r.log.Warn("session with betfair not kept alive", "error", err)
				}
				continue
			}
			mu.Lock()
			session = token
			mu.Unlock()
		}
	})
	if r.api == nil {
		return
	}
	r.names = &names{api: r.api, every: r.cfg.NamesEvery, log: r.log, metrics: r.metrics,
		session: func() string { mu.Lock(); defer mu.Unlock(); return session },
		work:    make(chan []string, 1), answers: make(chan []odds.Fixture, 1), asked: map[string]time.Time{}}
	start(r.names.run)
}

func (r *run) limits() limits { return limits{r.cfg.MaxMarkets, r.cfg.MaxRunners, r.cfg.Virtual} }

// request is the subscription without its place.
func (r *run) request() subscription {
	field := "EX_BEST_OFFERS"
	if r.cfg.Virtual {
		field = "EX_BEST_OFFERS_DISP"
	}
	return subscription{Op: "marketSubscription", Segments: true, Filter: r.cfg.Filter,
		Data:        dataFilter{1, []string{field, "EX_MARKET_DEF"}},
		HeartbeatMS: r.cfg.Heartbeat.Milliseconds()}
}

// fingerprint tells subscriptions apart: a place in one is none in another.
func (s subscription) fingerprint() string {
	s.ID, s.HeartbeatMS = 0, 0
	text, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// resume takes the newer of the book in memory and the one that was kept.
func (r *run) resume() {
	if r.book != nil {
		r.book.untold()
	}
	text := r.sink.Kept()
	if len(text) == 0 {
		return
	}
	b, err := unpack(text, r.request().fingerprint(), r.limits())
	if err != nil {
		r.log.Warn("place in betfair's stream is unreadable, starting anew", "error", err)
	}
	if b != nil && (r.book == nil || b.publishedMS > r.book.publishedMS) {
		r.book = b
	}
}

// subscribe asks for everything that changed since the book, or for everything.
func (r *run) subscribe() error {
	r.id++
	r.awaiting, r.since, r.trusted = true, time.Now(), false
	r.segments.drop()
	r.silence = r.cfg.Silence
	request := r.request()
	request.ID = r.id + firstSubscription
	if r.book != nil {
		request.InitialClk, request.Clk = r.book.initialClk, r.book.clk
	}
	return r.conn.write(request)
}

// firstSubscription is the id before the first one; those of other requests are below.
const firstSubscription = 100

// resubscribe makes the subscription anew on the same connection. What comes for the old one is
// ignored from now on.
func (r *run) resubscribe(why string) error {
	r.metrics.resubscribe.WithLabelValues(why).Inc()
	if r.trusted {
		r.sink.Down(odds.ReasonConnection)
	}
	if r.resubscribed++; r.resubscribed > maxResubscribed {
		return fmt.Errorf("%w: subscribed %d times without an image", errProtocol, r.resubscribed)
	}
	r.log.Warn("subscribing to betfair anew", "why", why)
	return r.subscribe()
}

// step reads a message and does what it says.
func (r *run) step() error {
	deadline := time.Now().Add(r.silence)
	if r.awaiting {
		deadline = r.since.Add(r.cfg.ImageTime)
	}
	m, size, err := r.conn.read(deadline)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := r.handle(m, size, now); err != nil {
		return err
	}
	if r.awaiting && now.Sub(r.since) > r.cfg.ImageTime {
		return fmt.Errorf("%w: no image", errSilent)
	}
	if r.awaiting || r.book == nil {
		return nil
	}
	if r.names != nil {
		r.tellNames(r.names.step(r.book, now))
	}
	if now.Sub(r.kept) >= r.cfg.KeepEvery {
		r.keep(now)
	}
	return nil
}

func (r *run) handle(m *message, size int, now time.Time) error {
	if m.Op == opStatus {
		r.metrics.messages.WithLabelValues("status").Inc()
		return r.status(m)
	}
	if m.Op != opChange {
		r.metrics.messages.WithLabelValues("unknown").Inc()
		return nil
	}
	if m.ID != r.id+firstSubscription {
		r.metrics.messages.WithLabelValues("old").Inc()
		return nil
	}
	if m.delayed() || m.ConflateMS > 0 {
		// We ask for no conflation; a delayed subscription has it all the same.
		return ErrDelayed
	}
	if err := r.age(m, now); err != nil {
		return err
	}
	if m.Change == ctHeartbeat {
		r.metrics.messages.WithLabelValues("heartbeat").Inc()
		return r.heartbeat(m, now)
	}
	if m.Segment != "" {
		r.metrics.messages.WithLabelValues("segment").Inc()
	}
	whole, err := r.segments.add(m, size, r.cfg.MaxSegmented, now)
	switch {
	case errors.Is(err, errSegments):
		return r.resubscribe("segments")
	case err != nil:
		return err
	case whole == nil:
		return nil
	}
	return r.change(whole, now)
}

// status takes the answer to a request, or Betfair's word that something ended.
func (r *run) status(m *message) error {
	if m.StatusCode == "SUCCESS" && !m.ConnectionClosed {
		return nil
	}
	if m.ErrorCode == "INVALID_CLOCK" {
		r.forgetPlace()
		if !m.ConnectionClosed {
			return r.resubscribe("clock")
		}
	}
	return refused("subscription", m)
}

// forgetPlace makes the next subscription one from the beginning; what was told stays known.
func (r *run) forgetPlace() {
	if r.book != nil {
		r.book.initialClk, r.book.clk, r.book.publishedMS = "", "", 0
	}
}

// age measures how old a message is.
func (r *run) age(m *message, now time.Time) error {
	if m.PublishedMS <= 0 {
		return nil
	}
	lag := now.Sub(m.at())
	r.metrics.lag.Set(lag.Seconds())
	late := lag > r.cfg.LagAlarm
	if late {
		r.metrics.late.Inc()
	}
	if late != r.late {
		r.late = late
		if late {
			r.log.Error("betfair's prices are late", "lag", lag, "alarm", r.cfg.LagAlarm, "shut_from", r.cfg.LagLimit)
		} else {
			r.log.Info("betfair's prices are in time again", "lag", lag)
		}
	}
	if lag < r.cfg.DelayedFrom {
		r.recent = now
	}
	if now.Sub(r.recent) > r.cfg.ImageTime {
		return fmt.Errorf("%w, or a clock is wrong: messages are %v old", ErrDelayed, lag.Round(time.Second))
	}
	return nil
}

// fresh says whether what was told up to a message may be shown.
func (r *run) fresh(m *message, now time.Time) bool {
	return m.Status == 0 && m.PublishedMS > 0 && now.Sub(m.at()) <= r.cfg.LagLimit
}

// heartbeat says that there was nothing to say. Amid segments it is of no use: what they have
// begun to say is not known yet, so the place is not moved beyond it and the source is not alive.
func (r *run) heartbeat(m *message, now time.Time) error {
	if r.segments.whole != nil {
		if now.Sub(r.segments.since) > r.cfg.ImageTime {
			return r.resubscribe("segments")
		}
		return nil
	}
	if r.awaiting {
		return nil
	}
	r.move(m)
	r.tell(m, now)
	return nil
}

// move takes a message's place.
func (r *run) move(m *message) {
	if m.InitialClk != "" {
		r.book.initialClk = m.InitialClk
	}
	if m.Clk != "" {
		r.book.clk = m.Clk
	}
	r.book.publishedMS = max(r.book.publishedMS, m.PublishedMS)
}

// change applies a whole message to the book and tells what came of it.
func (r *run) change(m *message, now time.Time) error {
	kind := "delta"
	switch m.Change {
	case ctImage:
		kind = "image"
		old := r.book
		r.book = newBook()
		f := r.apply(m)
		if old != nil {
			r.book.inherit(old)
		}
		r.count(f)
		r.complete(m, "image")
	case ctResumed:
		if r.book == nil || r.book.clk == "" {
			return fmt.Errorf("%w: it goes on from no place", errProtocol)
		}
		kind = "resumed"
		r.count(r.apply(m))
		r.complete(m, "resumed")
	default:
		if r.awaiting {
			r.metrics.messages.WithLabelValues("early").Inc()
			return nil // the image will have it
		}
		r.count(r.apply(m))
	}
	if m.Status != 0 {
		kind = "unreliable"
	}
	r.metrics.messages.WithLabelValues(kind).Inc()
	r.move(m)
	r.tell(m, now)
	return nil
}

// complete notes that the answer to the subscription is all there: everything is told again.
func (r *run) complete(m *message, kind string) {
	r.metrics.images.WithLabelValues(kind).Inc()
	r.awaiting, r.resubscribed, r.anew = false, 0, true
	if m.HeartbeatMS > 0 {
		r.silence = max(r.cfg.Silence, 3*time.Duration(m.HeartbeatMS)*time.Millisecond)
	}
}

func (r *run) apply(m *message) faults {
	f := faults{}
	for i := range m.Markets {
		r.book.apply(&m.Markets[i], r.limits(), m.PublishedMS, f)
	}
	return f
}

func (r *run) count(f faults) {
	for fault, n := range f {
		r.metrics.markets.WithLabelValues(fault).Add(float64(n))
	}
	if f["limit"] > 0 {
		r.log.Error("betfair has more than is taken", "max_markets", r.cfg.MaxMarkets, "max_runners", r.cfg.MaxRunners)
	}
}

// keep hands the place to the sink, and forgets what was closed long ago.
func (r *run) keep(now time.Time) {
	r.kept = now
	if r.book == nil {
		return
	}
	r.book.forget(r.book.publishedMS - r.cfg.ClosedFor.Milliseconds())
	r.metrics.book.Set(float64(len(r.book.markets)))
	text, err := r.book.pack(r.request().fingerprint())
	if err != nil {
		r.log.Error("place in betfair's stream not kept", "error", err)
		return
	}
	if len(text) > r.cfg.MaxKept {
		r.metrics.unkept.Inc()
		text = nil
	}
	r.sink.Keep(text)
}
