// Package table keeps the tables of competitions as they stand while matches are played: the
// provider's, with each goal since. They are a state of the competition's topic. One process of
// all, the holder of a lease, does this for all competitions; it owns nothing that another would
// need: each table is made anew from what the database, the board and the bus have.
package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// Lease is the name of the lease whose holder does everything here.
const Lease = "tables"

// Limits that are no settings.
const (
	// Back is how long after its kick-off a match that the provider's table lacks counts, at most.
	// It is within what the board holds.
	Back = 23 * time.Hour
	// ahead of the planned kick-off a match may begin.
	ahead = time.Hour
	// forget is how long after its last kick-off a competition is looked at, to take its state
	// away: longer than the bus keeps states, from when the last one may have been set.
	forget = 3 * 24 * time.Hour
	// look is how often all competitions that play are looked at; events of theirs come sooner.
	// Tables of the provider are found so.
	look = 10 * time.Second
)

// Board has the matches in memory. hub/board is one.
type Board interface {
	// Matches lists matches by kick-off, then id.
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// Store is what is needed of the database.
type Store interface {
	// Now is the clock that all who share the store go by.
	Now() time.Time
	// StandingsToPlayOn returns the newest tables of a competition, and the counts of those before
	// them, oldest first. ErrNotFound.
	StandingsToPlayOn(context.Context, goalcast.CompetitionID) (goalcast.Standings, []goalcast.TableCount, error)
	// CompetitionsAt lists the competitions with a match that kicks off from <= kickoff < to, or is
	// in play.
	CompetitionsAt(ctx context.Context, from, to time.Time) ([]goalcast.CompetitionID, error)
}

// Bus keeps states and takes them to viewers.
type Bus interface {
	States(context.Context, goalcast.Topic) ([]goalcast.State, error)
	SetState(context.Context, []goalcast.State) error
}

// Leases make one process of all the holder. store.Leases is one.
type Leases interface {
	Hold(ctx context.Context, name string, run func(ctx context.Context, fence int64) error) error
}

// Runner keeps the tables, in one process of all.
type Runner struct {
	board  Board
	store  Store
	bus    Bus
	leases Leases
	log    *slog.Logger

	published, failed prometheus.Counter
	live              prometheus.Gauge

	mu    sync.Mutex
	hints map[goalcast.CompetitionID]bool // in which something happened; nil: it is not this process's turn
	wake  chan struct{}                   // one token: there are hints
}

// New makes a runner; it starts nothing.
func New(board Board, store Store, bus Bus, leases Leases, log *slog.Logger, reg prometheus.Registerer) *Runner {
	f := promauto.With(reg)
	return &Runner{board: board, store: store, bus: bus, leases: leases, log: log,
		published: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_tables_published_total",
			Help: "Tables as they stand that were published, by the process whose turn it is."}),
		failed: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_tables_failed_total",
			Help: "Tables that could not be made or published; each is tried again within 10 s."}),
		live: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_tables_live",
			Help: "Competitions whose tables have a match that the provider's have not, at the last look."}),
		wake: make(chan struct{}, 1)}
}

// Wake says that something happened in a competition. It never blocks and may be called at any
// time.
func (r *Runner) Wake(id goalcast.CompetitionID) {
	r.mu.Lock()
	if r.hints != nil && id != 0 {
		r.hints[id] = true
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works whenever it is this process's turn, until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	return r.leases.Hold(ctx, Lease, func(ctx context.Context, _ int64) error { return r.turn(ctx) })
}

// take takes the hints there are, and has more collected.
func (r *Runner) take() []goalcast.CompetitionID {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Sorted(maps.Keys(r.hints))
	r.hints = map[goalcast.CompetitionID]bool{}
	return all
}

func (r *Runner) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hints = nil
	r.live.Set(0)
}

// turn keeps the tables until ctx ends.
func (r *Runner) turn(ctx context.Context) error {
	r.take()
	defer r.forget()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for err := r.all(ctx); ; {
		if err != nil && ctx.Err() == nil {
			r.failed.Inc()
			r.log.Warn("tables as they stand: competitions not listed, trying again", "error", err)
		}
		err = nil
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
			for _, id := range r.take() {
				r.keep(ctx, id)
			}
		case <-tick.C:
			err = r.all(ctx)
		}
	}
}

// all looks at every competition that plays, or did lately.
func (r *Runner) all(ctx context.Context) error {
	now := r.store.Now()
	ids, err := r.store.CompetitionsAt(ctx, now.Add(-forget), now.Add(ahead))
	if err != nil {
		return err
	}
	live := 0
	for _, id := range ids {
		if r.keep(ctx, id) {
			live++
		}
	}
	r.live.Set(float64(live))
	return nil
}

// keep keeps the table of one competition, and says whether it has what the provider's has not.
func (r *Runner) keep(ctx context.Context, id goalcast.CompetitionID) (live bool) {
	live, err := r.publish(ctx, id)
	if err != nil && ctx.Err() == nil {
		r.failed.Inc()
		r.log.Warn("table as it stands not published, trying again", "competition", id, "error", err)
	}
	return live
}

// publish makes the table and publishes it if it is another than the bus has. Where nothing was
// played lately there is none.
func (r *Runner) publish(ctx context.Context, id goalcast.CompetitionID) (live bool, err error) {
	official, earlier, err := r.store.StandingsToPlayOn(ctx, id)
	if errors.Is(err, goalcast.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := r.store.Now()
	matches, err := r.board.Matches(ctx, goalcast.MatchFilter{Competition: id, From: now.Add(-Back),
		To: now.Add(ahead), Live: true})
	if err != nil {
		return false, fmt.Errorf("matches of competition %d: %w", id, err)
	}
	topic := goalcast.ForCompetition(id)
	states, err := r.bus.States(ctx, topic)
	if err != nil {
		return false, err
	}
	has := goalcast.State{Topic: topic, Key: goalcast.TableKey}
	if i := slices.IndexFunc(states, func(s goalcast.State) bool { return s.Key == goalcast.TableKey }); i >= 0 {
		has = states[i]
	}
	begun := slices.ContainsFunc(matches, func(m goalcast.Snapshot) bool {
		return m.State != goalcast.Scheduled && m.State != goalcast.Postponed
	})
	value := json.RawMessage("null")
	if begun {
		table := official.AsItStands(earlier, matches)
		live = table.Live
		if value, err = json.Marshal(table); err != nil {
			return false, fmt.Errorf("table of competition %d: %w: %w", id, goalcast.ErrPermanent, err)
		}
	}
	if string(value) == string(has.Value) || !begun && has.Removed() {
		return live, nil
	}
	at := now.UnixMilli()
	err = r.bus.SetState(ctx, []goalcast.State{{Topic: topic, Key: goalcast.TableKey,
		Version: max(at, cmp.Or(has.Version, -1)+1), Value: value, At: at}})
	if err == nil {
		r.published.Inc()
	}
	return live, err
}
