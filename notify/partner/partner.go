// Package partner tells installations of others of events: a media house, a gateway of text
// messages. Each partner gets the events of its topics by POST, one after the other, in the order
// of their numbers, signed as Standard Webhooks has it; docs/partners.md is the contract with it.
//
// One process at a time does it for all partners: the holder of a lease. It gives the events of the
// outbox their numbers (store.NumberEvents), and a goroutine for each partner sends what is behind
// its cursor, which is in the database. A partner that does not take an event holds up nobody but
// itself, and is paused after Config.GiveUp; nothing is left out.
package partner

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/internal/upstream"
)

// Lease is the name of the lease whose holder does everything here.
const Lease = "partners"

// Store is what is needed of the database.
type Store interface {
	// Now is the clock that all who share the store go by.
	Now() time.Time
	// Match returns the match as it stands, or ErrNotFound.
	Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error)
	// NumberEvents gives numbers to committed events that have none, and returns to how many.
	NumberEvents(ctx context.Context, limit int) (int, error)
	// PartnerEvents lists events behind a number, in order.
	PartnerEvents(ctx context.Context, after int64, limit int) ([]goalcast.PartnerEvent, error)
	// ConfigurePartners sees to it that partners have a state.
	ConfigurePartners(ctx context.Context, names []string) error
	// Partners lists the states of all.
	Partners(ctx context.Context) ([]goalcast.PartnerState, error)
	// SavePartner changes a state, unless it is another one by now.
	SavePartner(ctx context.Context, before, after goalcast.PartnerState) (bool, error)
}

// Leases make one process of all the holder. store.Leases is one.
type Leases interface {
	Hold(ctx context.Context, name string, run func(ctx context.Context, fence int64) error) error
}

// Config says who the partners are. Zero fields take the default.
type Config struct {
	Partners []Partner // at most MaxPartners
	// Private says which competitions not everybody may see: their events go to partners that name
	// them.
	Private goalcast.Private
	// Alarm tells operators which partners are paused; nil: nobody is told.
	Alarm func(context.Context, []goalcast.Alarm) error

	Timeout time.Duration // of one request; 10 s
	// FirstPause is how long after an attempt that failed the next one is made. It doubles up to
	// LastPause, and is longer where the partner asks for it. 1 s, 5 min
	FirstPause, LastPause time.Duration
	GiveUp                time.Duration // how long one event is tried before the partner is paused; 24 h
	Poll                  time.Duration // how often the database is looked at; hints come sooner; 1 s

	// Endpoint is the address of a server that gets all requests instead, whatever host they are
	// for; RootCAs check its certificate, Resolver finds addresses. For tests.
	Endpoint string
	RootCAs  *x509.CertPool
	Resolver *net.Resolver
	// Fault is called where a test may want the process to die: "sent" after a partner took an
	// event. nil for nothing.
	Fault func(point string)
}

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(max(c.Timeout, 0), 10*time.Second)
	c.FirstPause = cmp.Or(max(c.FirstPause, 0), time.Second)
	c.LastPause = cmp.Or(max(c.LastPause, 0), 5*time.Minute)
	c.GiveUp = cmp.Or(max(c.GiveUp, 0), 24*time.Hour)
	c.Poll = cmp.Or(max(c.Poll, 0), time.Second)
	if c.Alarm == nil {
		c.Alarm = func(context.Context, []goalcast.Alarm) error { return nil }
	}
	if c.Fault == nil {
		c.Fault = func(string) {}
	}
	return c
}

// Limits that are no settings.
const (
	MaxPartners = 32
	// MaxBody is how long a request's body may be, in bytes; the longest events are line-ups, with
	// some 20,000.
	MaxBody = 256 << 10
	// maxAnswer is how much of an answer is read, in bytes: so its connection can be used again.
	maxAnswer = 16 << 10
	maxAfter  = 24 * time.Hour   // the longest that a partner can ask to be left alone
	page      = 100              // events that are read at once
	alarmsAge = 15 * time.Second // how often operators are told who is paused, if nothing changed
	saveTime  = 5 * time.Second  // for what became of an event, also when the turn is over
)

// Runner tells partners, in one process of all.
type Runner struct {
	cfg     Config
	store   Store
	leases  Leases
	log     *slog.Logger
	http    *http.Client
	close   func()
	metrics *metrics
	wake    chan struct{} // one token: there may be something new
	// secrets are those of partners that were exchanged since the start, by name; nil: none were
	secrets atomic.Pointer[map[string][]Secret]
}

// New makes a runner; it starts nothing and calls nobody. No error shows a secret.
func New(cfg Config, store Store, leases Leases, log *slog.Logger, reg prometheus.Registerer) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := CheckAll(cfg.Partners); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, store: store, leases: leases, log: log, wake: make(chan struct{}, 1)}
	r.http, r.close = upstream.NewClient(upstream.Config{Endpoint: cfg.Endpoint, RootCAs: cfg.RootCAs,
		Resolver: cfg.Resolver, Connect: cfg.Timeout, PerHost: 1, Header: maxAnswer})
	r.metrics = newMetrics(r, reg)
	return r, nil
}

// Close ends idle connections.
func (r *Runner) Close() { r.close() }

// UseSecrets exchanges the secrets of partners, by name, from the next request on. One that is not
// named keeps its own, and what is no partner's is left alone.
func (r *Runner) UseSecrets(fresh map[string][]Secret) {
	all := map[string][]Secret{}
	if before := r.secrets.Load(); before != nil {
		maps.Copy(all, *before)
	}
	maps.Copy(all, fresh)
	r.secrets.Store(&all)
}

// signing is a partner with the secrets that sign requests now.
func (r *Runner) signing(p Partner) Partner {
	if all := r.secrets.Load(); all != nil && len((*all)[p.Name]) > 0 {
		p.Secrets = (*all)[p.Name]
	}
	return p
}

// Wake says that there may be a new event. It never blocks and may be called at any time.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works whenever it is this process's turn, until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	return r.leases.Hold(ctx, Lease, func(ctx context.Context, _ int64) error { return r.turn(ctx) })
}

// turn looks at the database, and hands each partner that has something to do to its goroutine,
// until ctx ends.
func (r *Runner) turn(ctx context.Context) error {
	if err := r.number(ctx); err != nil { // a new partner begins behind what is there
		return err
	}
	if err := r.store.ConfigurePartners(ctx, r.names()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	work := map[string]chan struct{}{} // taken from by a goroutine that has nothing to do
	for _, p := range r.cfg.Partners {
		due := make(chan struct{})
		work[p.Name] = due
		g.Go(func() error {
			(&sender{r, p}).run(ctx, due)
			return nil
		})
	}
	g.Go(func() error { return r.look(ctx, work) })
	return g.Wait()
}

// look hands out work until ctx ends, or the database cannot be read: then the turn begins anew.
func (r *Runner) look(ctx context.Context, work map[string]chan struct{}) error {
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	alarms := alarms{runner: r}
	for configured := r.store.Now(); ; {
		if err := r.number(ctx); err != nil {
			return err
		}
		if now := r.store.Now(); now.Sub(configured) > time.Hour {
			configured = now
			if err := r.store.ConfigurePartners(ctx, r.names()); err != nil {
				return err
			}
		}
		states, err := r.store.Partners(ctx)
		if err != nil {
			return err
		}
		alarms.tell(ctx, states)
		for _, s := range states {
			if !isDue(s, r.store.Now()) {
				continue
			}
			select {
			case work[s.Name] <- struct{}{}: // nil, which never goes, for one that is not in the file any more
			default: // it is at work
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// isDue says whether there may be something to send to a partner.
func isDue(s goalcast.PartnerState, now time.Time) bool {
	return s.Paused.IsZero() && s.Cursor < s.Newest && !s.Retry.After(now)
}

// number gives all events of the outbox their numbers.
func (r *Runner) number(ctx context.Context) error {
	for {
		n, err := r.store.NumberEvents(ctx, page)
		if err != nil || n < page {
			return err
		}
	}
}

func (r *Runner) names() (list []string) {
	for _, p := range r.cfg.Partners {
		list = append(list, p.Name)
	}
	return list
}

func (r *Runner) has(name string) bool {
	for _, p := range r.cfg.Partners {
		if p.Name == name {
			return true
		}
	}
	return false
}

// alarms tells operators which partners are paused.
type alarms struct {
	runner *Runner
	paused string // those that were told last
	at     time.Time
}

func (a *alarms) tell(ctx context.Context, states []goalcast.PartnerState) {
	var firing []goalcast.Alarm
	paused := ""
	for _, s := range states {
		if !s.Paused.IsZero() && a.runner.has(s.Name) {
			paused += " " + s.Name
			firing = append(firing, goalcast.Alarm{Name: "partner_paused:" + s.Name, Kind: goalcast.AlarmPartner,
				Text: fmt.Sprintf("nothing is sent to the partner %q since %s, behind cursor %d: %s", s.Name,
					s.Paused.UTC().Format(time.RFC3339), s.Cursor, s.Error)})
		}
	}
	now := a.runner.store.Now()
	if paused == a.paused && !a.at.IsZero() && now.Sub(a.at) < alarmsAge {
		return
	}
	if err := a.runner.cfg.Alarm(ctx, firing); err != nil {
		if !errors.Is(err, context.Canceled) {
			a.runner.log.Warn("alarms of partners stay as they are", "error", err)
		}
		return
	}
	a.paused, a.at = paused, now
}
