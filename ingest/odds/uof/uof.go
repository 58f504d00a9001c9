package uof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"goalcast/ingest/odds"
)

// Source is one account's feed. Make it with New; it starts nothing.
type Source struct {
	cfg Config
	api *api
	log *slog.Logger
	m   *metrics

	// The rest belongs to Run. It outlives it: after a new connection only what was missed is asked
	// for.
	book        *book
	producers   map[int]*producer // nil before the first answer
	virtualHost string
	lastRequest int64
}

var _ odds.Source = (*Source)(nil)

// New makes a Source. Where there are several in one process, reg gives each a label.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Source {
	s := &Source{cfg: cfg.WithDefaults(), log: log, m: newMetrics(reg)}
	s.api = newAPI(&s.cfg, s.m)
	s.book = newBook(&s.cfg, func(reason string) { s.m.refused.WithLabelValues(reason).Inc() })
	return s
}

// session is one Run.
type session struct {
	*Source
	ctx   context.Context
	sink  odds.Sink
	feed  *connection
	calls sync.WaitGroup
	done  chan func() // what calls bring back, to be run by the session's goroutine

	heard     time.Time    // when anything came last
	shown     map[int]bool // the producers that the sink knows to be open
	unacked   uint64       // the delivery to be acknowledged; 0 is none
	grouped   bool         // the groups of markets were asked for
	groupsDue time.Time    // they are asked for again then
	cleaned   time.Time
	kept      map[string]int64 // what the sink was given to keep
	keptText  string
	fixtures  fixtures
}

// Run reads the feed until ctx ends or the connection is of no more use. It is not called twice at
// a time.
func (s *Source) Run(ctx context.Context, sink odds.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &session{Source: s, ctx: ctx, sink: sink, done: make(chan func()), shown: map[int]bool{}}
	defer s.api.http.CloseIdleConnections()
	defer r.calls.Wait()
	defer cancel()
	if err := r.prepare(); err != nil {
		return err
	}
	var err error
	if r.feed, err = connect(ctx, &s.cfg, s.virtualHost); err != nil {
		return err
	}
	defer r.feed.close()
	defer r.down(odds.ReasonConnection)
	s.log.Info("odds feed connected", "producers", s.cfg.Producers)
	return r.loop()
}

// prepare asks, the first time, who we are and what the producers are, and begins anew with what
// does not outlive a connection.
func (r *session) prepare() (err error) {
	if r.virtualHost == "" {
		if r.virtualHost, err = r.api.virtualHost(r.ctx); err != nil {
			r.virtualHost = ""
			return err
		}
	}
	if r.producers == nil {
		if r.producers, err = r.api.producers(r.ctx); err != nil {
			r.producers = nil
			return err
		}
		r.resume()
	}
	r.kept = map[string]int64{}
	for _, p := range r.producers {
		p.disconnected()
		r.m.producer.WithLabelValues(strconv.Itoa(p.id)).Set(0)
		if p.trusted.IsZero() {
			continue
		}
		r.kept[strconv.Itoa(p.id)] = p.trusted.UnixMilli()
	}
	r.fixtures = fixtures{limit: r.cfg.MaxEvents}
	for id, e := range r.book.events {
		e.named, e.told = false, false
		if e.fixture == nil {
			r.fixtures.need(id)
		}
	}
	r.heard = time.Now()
	return nil
}

// resume reads up to when each producer was followed, by whatever process. The odds of then are
// gone with it, so that all are asked for; what was settled since is asked for besides.
func (r *session) resume() {
	var kept map[string]int64
	if err := json.Unmarshal(r.sink.Kept(), &kept); err != nil {
		return // nothing was kept, or nothing that we can read
	}
	for _, p := range r.producers {
		p.missed = moment(kept[strconv.Itoa(p.id)])
	}
}

// loop takes what comes until something ends.
func (r *session) loop() error {
	tick := time.NewTicker(r.cfg.Tick)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return r.ctx.Err()
		case d, ok := <-r.feed.deliveries:
			if !ok {
				return r.feed.ended()
			}
			r.delivery(d)
		case f := <-r.done:
			f()
		case <-tick.C:
			if err := r.tick(); err != nil {
				return err
			}
		}
		r.react()
	}
}

// ackEvery is how many messages are acknowledged at once; fewer with a tick.
const ackEvery = 200

// delivery takes one message.
func (r *session) delivery(d amqp.Delivery) {
	r.heard = time.Now()
	m, err := message{}, error(nil)
	if len(d.Body) > r.cfg.MaxMessage {
		err = fmt.Errorf("a message of %d bytes", len(d.Body))
	} else {
		m, err = read(d.Body)
	}
	if err != nil {
		r.book.refused(refusedMessage)
		r.log.Warn("message of the odds feed not read", "routing_key", d.RoutingKey, "error", err)
		r.distrust(d.RoutingKey)
	} else {
		r.take(&m)
	}
	if r.unacked = d.DeliveryTag; r.unacked%ackEvery == 0 {
		r.acknowledge()
	}
}

// acknowledge has the server send more. An error ends the deliveries too.
func (r *session) acknowledge() {
	if r.unacked != 0 {
		_ = r.feed.channel.Ack(r.unacked, true)
		r.unacked = 0
	}
}

// tick notes that time has passed. The error says that the connection is of no more use.
func (r *session) tick() error {
	now := time.Now()
	if silence := now.Sub(r.heard); silence > r.cfg.Silence {
		return fmt.Errorf("feed: nothing came for %v", silence.Round(time.Second))
	}
	r.acknowledge()
	for _, p := range r.producers {
		p.tick(now)
	}
	if now.Sub(r.cleaned) > time.Minute {
		r.cleaned = now
		r.book.clean(now)
		r.m.events.Set(float64(len(r.book.events)))
	}
	r.askGroups(now)
	r.askFixture(now)
	r.keep()
	return nil
}

// react does what follows from what the producers have become: it asks for recoveries, opens and
// shuts.
func (r *session) react() {
	now := time.Now()
	for _, p := range r.producers {
		if c, due := p.ask(now, r.number); due {
			r.ask(p, c)
		}
		if open := p.open(); open != r.shown[p.id] {
			r.shown[p.id] = open
			r.turn(p, open)
		}
	}
}

// number is a new id for a recovery. It goes on after a restart, for nobody asks for a thousand a
// second.
func (r *session) number() int64 {
	r.lastRequest = max(r.lastRequest+1, time.Now().UnixMilli()%(1<<31-1))
	return r.lastRequest
}

// call runs f beside the session and what it returns in the session's goroutine.
func (r *session) call(f func() func()) {
	r.calls.Go(func() {
		done := f()
		select {
		case r.done <- done:
		case <-r.ctx.Done():
		}
	})
}

// ask asks for a recovery.
func (r *session) ask(p *producer, c call) {
	what := "missed"
	switch {
	case c.settled:
		what = "settlements"
	case c.after.IsZero():
		what = "all"
		r.book.forget(p.id)
	}
	id, product := p.id, p.product
	r.call(func() func() {
		err := r.api.beginRecovery(r.ctx, product, c)
		return func() {
			p.answered(time.Now(), c.request, err)
			if err != nil {
				r.log.Warn("recovery of odds not begun, trying again", "producer", id, "what", what, "error", err)
				return
			}
			r.m.recoveries.WithLabelValues(strconv.Itoa(id), what).Inc()
			r.log.Info("recovery of odds", "producer", id, "what", what, "request", c.request)
		}
	})
}

// askGroups asks once which groups the markets belong to. Until it is known each belongs to all.
func (r *session) askGroups(now time.Time) {
	if r.grouped || r.book.groups != nil || now.Before(r.groupsDue) {
		return
	}
	r.grouped = true
	r.call(func() func() {
		groups, err := r.api.groups(r.ctx)
		return func() {
			if r.grouped = err == nil; err != nil {
				r.groupsDue = time.Now().Add(r.cfg.RetryLast)
				r.log.Warn("groups of markets not known, a bet stop suspends all", "error", err)
				return
			}
			r.book.groups = groups
		}
	})
}

// keep remembers up to when each producer was followed.
func (r *session) keep() {
	for _, p := range r.producers {
		from := p.trusted
		if !p.missed.IsZero() {
			from = p.missed
		}
		if !from.IsZero() {
			r.kept[strconv.Itoa(p.id)] = from.UnixMilli()
		}
	}
	text, err := json.Marshal(r.kept)
	if err != nil || string(text) == r.keptText || len(r.kept) == 0 {
		return
	}
	r.keptText = string(text)
	r.sink.Keep(text)
}

// eventOf is the match that a routing key names, "hi.-.live.odds_change.1.sr:match.123.-"; empty if
// it names none.
func eventOf(routingKey string) string {
	parts := strings.Split(routingKey, ".")
	if len(parts) < 7 || parts[5]+":" != matchURN {
		return ""
	}
	return matchURN + parts[6]
}

// retry says whether it makes sense to ask again after an error of the API, and when at the
// earliest.
func retry(err error) (wait time.Duration, again bool) {
	var refused *apiError
	if !errors.As(err, &refused) {
		return 0, true
	}
	return refused.wait, refused.status == http.StatusTooManyRequests || refused.status >= 500
}
