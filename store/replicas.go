package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// How replicas are watched.
const (
	// beatsKept is how long a beat stays: of a replica that is further behind nothing is known.
	beatsKept = 5 * time.Minute
	// slowestWatch is how long there is between two looks at most, fastestWatch at least.
	slowestWatch = time.Second
	fastestWatch = 50 * time.Millisecond
)

// ReplicaOptions say where replicas are; zero fields take the default.
type ReplicaOptions struct {
	URLs   []string      // of PostgreSQL standbys, one server each
	MaxLag time.Duration // beyond which a replica is not read; 2 s
}

// Replicas are streaming replicas of the database. They take reads of what may be as it was a
// moment ago, and nothing else:
//
//	names of teams and competitions       cached for a minute anyway
//	tables, squads, commentary            likewise, for seconds
//	kick-offs around an empty day         likewise
//	matches, where the filter has MayLag  days that are far from now
//
// All else is asked of the primary: what feeds the board, which has heard of newer events; what was
// just written by whoever reads it (devices, follows, operators' decisions, documents and alarms);
// and what decides (the outbox, leases, jobs, mappings, prices and settlements).
//
// A replica is read while it is certain how far it is behind, and that is at most MaxLag. To know
// it, the processes write a random token to the primary every moment (a beat), and look for the
// newest one that the replica has: all that was committed before that beat is there. So it does not
// matter whether the primary has anything else to do, what the clocks of replicas say, or which
// pooler is between. A token that the primary does not know is of another database, or of a history
// that a failover has cut off: such a replica is not read either, nor is a server that is no
// standby.
//
// Run watches; without it no replica is read.
type Replicas struct {
	store  *Store
	maxLag time.Duration
	every  time.Duration // between two looks, and two beats
	log    *slog.Logger
	list   []*replica
	turn   atomic.Uint64

	byPrimary prometheus.Counter // reads that might have been a replica's
}

// OpenReplicas gives a store its replicas, before anybody uses it; it connects to none yet, and the
// store closes them. It fails only for URLs that cannot be right. Without URLs there is nothing to
// watch, and the store is as it was.
func OpenReplicas(s *Store, o ReplicaOptions, log *slog.Logger, reg prometheus.Registerer) (*Replicas, error) {
	rs := &Replicas{store: s, maxLag: cmp.Or(o.MaxLag, 2*time.Second), log: log}
	rs.every = min(max(rs.maxLag/4, fastestWatch), slowestWatch)
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_store_replicas_left_out",
		Help: "Replicas of the database that are not read now."}, rs.leftOut)
	if len(o.URLs) == 0 {
		return rs, nil
	}
	if s.dialect.name != "postgres" {
		return nil, errors.New("an SQLite file has no replicas")
	}
	names := map[string]bool{}
	for i, url := range o.URLs {
		r, err := newReplica(rs, url)
		if err == nil {
			if rs.list = append(rs.list, r); names[r.name] {
				err = fmt.Errorf("%s is named twice", r.name)
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replica %d: %w", i+1, err), rs.close())
		}
		names[r.name] = true
	}
	rs.count(reg)
	s.replicas = rs
	return rs, nil
}

// count makes the metrics of each replica.
func (rs *Replicas) count(reg prometheus.Registerer) {
	f := promauto.With(reg)
	reads := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_store_replica_reads_total",
		Help: "Reads that a replica may answer, by the server that did: a replica, or primary."}, []string{"server"})
	fallbacks := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_store_replica_fallbacks_total",
		Help: "Reads that a replica did not answer, so that the primary was asked: it failed, or the row was missing."},
		[]string{"replica", "reason"})
	gauge := func(name, help, replica string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_store_replica_" + name, Help: help,
			ConstLabels: prometheus.Labels{"replica": replica}}, value)
	}
	rs.byPrimary = reads.WithLabelValues("primary")
	for _, r := range rs.list {
		r.reads = reads.WithLabelValues(r.name)
		r.failed, r.missing = fallbacks.WithLabelValues(r.name, "failed"), fallbacks.WithLabelValues(r.name, "missing")
		gauge("up", "Whether the replica is read: it answers, is a standby of our primary, and is at most "+
			"GOALCAST_DATABASE_MAX_LAG behind.", r.name, func() float64 {
			if r.fit() {
				return 1
			}
			return 0
		})
		gauge("lag_seconds", "How far the replica may be behind the primary: everything older is known to be there. "+
			"It grows while nothing is known.", r.name, func() float64 { return r.lag().Seconds() })
	}
}

// leftOut counts the replicas that are not read.
func (rs *Replicas) leftOut() (n float64) {
	for _, r := range rs.list {
		if !r.fit() {
			n++
		}
	}
	return n
}

// Run watches the replicas until ctx ends.
func (rs *Replicas) Run(ctx context.Context) error {
	if len(rs.list) == 0 {
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { rs.beats(ctx) })
	for _, r := range rs.list {
		wg.Go(func() {
			rs.tick(ctx, func() { r.look(ctx) })
		})
	}
	wg.Wait()
	return ctx.Err()
}

// tick calls f at once and then every moment, until ctx ends.
func (rs *Replicas) tick(ctx context.Context, f func()) {
	ticker := time.NewTicker(rs.every)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// beats has a beat written every moment.
func (rs *Replicas) beats(ctx context.Context) {
	failing := false
	rs.tick(ctx, func() {
		limited, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		err := rs.beat(limited)
		if err != nil && !failing && ctx.Err() == nil {
			rs.log.Warn("no beat written to the primary: replicas are not read before there is one", "error", err)
		}
		failing = err != nil
	})
}

// beat writes a beat, unless another process has written one since.
func (rs *Replicas) beat(ctx context.Context) error {
	now := rs.store.dialect.now
	_, err := rs.store.exec(ctx, `WITH old AS (DELETE FROM replica_beats WHERE at < `+now+` - $3 OR at > `+now+`)
		INSERT INTO replica_beats (token, at) SELECT $1, `+now+` WHERE NOT EXISTS
			(SELECT 1 FROM replica_beats WHERE at > `+now+` - $2 AND at <= `+now+`)
		ON CONFLICT DO NOTHING`, rand.Text(), rs.every.Milliseconds()/2, beatsKept.Milliseconds())
	return err
}

// pick gives the replica whose turn it is among those that may be read; nil if there is none.
func (rs *Replicas) pick() *replica {
	n := uint64(len(rs.list))
	first := rs.turn.Add(1)
	for i := range n {
		if r := rs.list[(first+i)%n]; r.fit() {
			return r
		}
	}
	return nil
}

func (rs *Replicas) close() error {
	if rs == nil {
		return nil
	}
	var errs []error
	for _, r := range rs.list {
		errs = append(errs, r.db.Close())
	}
	return errors.Join(errs...)
}

// querier reads from the primary, as a Store does, or from a replica.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	queryRow(ctx context.Context, query string, args ...any) scanner
}

// lagging runs f, which reads what may be as it was a moment ago: on a replica, and then on the
// primary if no replica may be read, or it failed, or has no such row. f takes the context it is
// given, and may run twice.
func (s *Store) lagging(ctx context.Context, f func(context.Context, querier) error) error {
	if s.replicas == nil || ctx.Value(primaryOnly{}) != nil {
		return f(ctx, s)
	}
	if r := s.replicas.pick(); r != nil {
		if err := r.read(ctx, f); err == nil || ctx.Err() != nil {
			return err
		}
	}
	s.replicas.byPrimary.Inc()
	return f(ctx, s)
}

// primaryOnly marks a context in which nothing may lag.
type primaryOnly struct{}

// fromPrimary has what may lag read from the primary all the same: it changed a moment ago.
func fromPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, primaryOnly{}, true)
}
