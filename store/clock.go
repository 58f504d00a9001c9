package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// clockSlack is how far two readings of the database's clock may lie apart without meaning
// anything: the way there and back.
const clockSlack = 2 * time.Second

// clock is the database's clock, as last read: all processes that share a database share it,
// however wrong their own clocks are. Between two readings time passes as the process's monotonic
// clock says, so that setting the machine's clock changes nothing.
type clock struct {
	read atomic.Pointer[reading] // nil before the first reading
}

// reading is what the database's clock said at a moment of the process's clock.
type reading struct{ database, process time.Time }

// set takes a reading; asked is when the question was sent.
func (c *clock) set(database, asked time.Time) {
	now := time.Now()
	c.read.Store(&reading{database.Add(now.Sub(asked) / 2), now})
}

// Now is the time by the database's clock. Whatever one process writes and another compares with
// the time goes by it: leases, sweeps, the outbox, what is due. Open reads the clock, and Jobs go
// on doing so every second; it is right to a few milliseconds.
func (s *Store) Now() time.Time {
	r := s.clock.read.Load()
	if r == nil {
		return time.Now()
	}
	return r.database.Add(time.Since(r.process))
}

// readClock asks the database for the time.
func (s *Store) readClock(ctx context.Context) error {
	asked := time.Now()
	var ms int64
	if err := s.queryRow(ctx, `SELECT `+s.dialect.now).Scan(&ms); err != nil {
		return s.wrap("read the database's clock", err)
	}
	s.clock.set(time.UnixMilli(ms), asked)
	return nil
}

// past is the condition that a time in a column is before $n (with "<"), or not after it ("<=").
// What claims to be of the future is past as well: it was written by another clock, of a server
// that is gone or a process of an older version, and would wait for nobody knows how long.
func (s *Store) past(column, before string, n int) string {
	return fmt.Sprintf("(%[1]s %[2]s $%[3]d OR %[1]s > %[4]s + %[5]d)", column, before, n, s.dialect.now, clockSlack.Milliseconds())
}
