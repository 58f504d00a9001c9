package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"goalcast/internal/sparselog"
)

// How a lease is kept. Another process has it at the latest LeaseTime + leaseLook after its holder
// died, which is within five seconds.
const (
	LeaseTime  = 3 * time.Second
	leaseRenew = time.Second
	leaseLook  = 500 * time.Millisecond
)

// Leases gives out leases by name: of all processes on one database at most one has a lease at a
// time. Each turn has a fence, higher than those of all turns before: whoever takes work from
// holders refuses a fence that is lower than one it has seen, since a process that was stopped for
// a while does not know that its turn is over.
type Leases struct {
	store *Store
	owner string
	log   *slog.Logger
	// unsure is for all leases: while the database is away each is asked for about every second.
	unsure *sparselog.Log
}

// NewLeases makes the leases of this process; it starts nothing.
func NewLeases(s *Store, log *slog.Logger) *Leases {
	return &Leases{s, rand.Text()[:12], log, sparselog.New(log)}
}

// Hold waits for the lease and calls run with the fence of the turn, again and again until ctx
// ends. The context of run ends when the turn does. What run returns is logged; it is called again
// in the same turn after a moment.
func (l *Leases) Hold(ctx context.Context, name string, run func(ctx context.Context, fence int64) error) error {
	for {
		fence, err := l.claim(ctx, name)
		switch {
		case err != nil && ctx.Err() == nil:
			l.unsure.Warn("lease: nobody knows whose turn it is", "lease", name, "error", err)
		case fence > 0:
			l.log.Info("lease taken", "lease", name, "fence", fence)
			l.turn(ctx, name, fence, run)
			l.release(ctx, name, fence)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leaseLook):
		}
	}
}

// turn calls run while the lease can be renewed.
func (l *Leases) turn(ctx context.Context, name string, fence int64, run func(context.Context, int64) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		l.renewAll(ctx, name, fence)
	}()
	for ctx.Err() == nil {
		if err := run(ctx, fence); err != nil && ctx.Err() == nil {
			l.log.Error("lease: its work ended", "lease", name, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(leaseLook):
		}
	}
	cancel()
	<-done
}

// renewAll renews the lease until ctx ends or the turn is over.
func (l *Leases) renewAll(ctx context.Context, name string, fence int64) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for until := time.Now().Add(LeaseTime); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begin := time.Now()
		held, err := l.renew(ctx, name, fence)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && held:
			until = begin.Add(LeaseTime)
		case err == nil:
			l.log.Warn("lease: another process took over", "lease", name, "fence", fence)
			return
		case time.Now().Add(leaseRenew).After(until): // it would be over before the next look
			l.log.Warn("lease lost", "lease", name, "fence", fence, "error", err)
			return
		}
	}
}

// claim takes the lease if it is free; 0 if it is not.
func (l *Leases) claim(ctx context.Context, name string) (fence int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	// An end that no turn of now can have is of a server whose clock was ahead. The fence is a time
	// where it can be: a database that came back from a backup gives no turn out twice.
	query := fmt.Sprintf(`INSERT INTO leases (name, owner, fence, ends) VALUES ($1, $2, %[1]s, %[1]s + %[2]d)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends,
		fence = CASE WHEN leases.fence >= excluded.fence THEN leases.fence + 1 ELSE excluded.fence END
		WHERE leases.ends <= %[1]s OR leases.ends > %[1]s + 2 * %[2]d RETURNING fence`,
		l.store.dialect.now, LeaseTime.Milliseconds())
	err = l.store.tx(ctx, "claim lease "+name, func(tx *tx) error {
		fence = 0
		err := tx.queryRow(ctx, query, name, l.owner).Scan(&fence)
		if noRows(err) {
			return errRollback
		}
		return err
	})
	return fence, err
}

// renew makes the lease last from now on; false if it is another's.
func (l *Leases) renew(ctx context.Context, name string, fence int64) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	result, err := l.store.exec(ctx, fmt.Sprintf(`UPDATE leases SET ends = %s + %d
		WHERE name = $1 AND owner = $2 AND fence = $3`, l.store.dialect.now, LeaseTime.Milliseconds()),
		name, l.owner, fence)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// release ends the turn, so that the next process need not wait.
func (l *Leases) release(ctx context.Context, name string, fence int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
	defer cancel()
	_, err := l.store.exec(ctx, `UPDATE leases SET ends = 0 WHERE name = $1 AND owner = $2 AND fence = $3`, name,
		l.owner, fence)
	if err != nil {
		l.log.Warn("lease not given back, it ends by itself", "lease", name, "error", err)
	}
}
