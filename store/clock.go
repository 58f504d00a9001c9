package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// clockSlack is how far two readings of the database's clock may differ without meaning anything:
// the round trip.
const clockSlack = 2 * time.Second

// clock is the database's clock, as last read: all processes on one database share it, however
// wrong their own clocks are. Between two readings the process's monotonic clock counts, so that
// setting the machine's clock changes nothing.
type clock struct {
	read atomic.Pointer[reading] // nil before the first reading
}

// reading is what the database's clock said at a moment of the process's clock.
type reading struct{ database, process time.Time }

// set takes a reading, in whole milliseconds; asked is when the query was sent. Where both clocks
// may show the same time they do, as on one machine: half of the round trip, which may have been
// a long wait, would only make that wrong.
func (c *clock) set(database, asked time.Time) {
	now := time.Now()
	then := database.Add(now.Sub(asked) / 2)
	if !database.Before(asked.Truncate(time.Millisecond)) && !database.After(now) {
		then = now.Round(0) // a time of the wall's clock alone, as those that are read
	}
	c.read.Store(&reading{then, now})
}

// Now is the time by the database's clock. Every time that one process writes and another compares
// goes by it: leases, sweeps, the outbox, what is due. Open reads the clock, and Jobs read it every
// second; it is right to a few milliseconds.
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

// past is the condition that the time in a column is before $n (with "<"), or not after it ("<=").
// A time in the future is past as well: another clock wrote it, of a server that is gone or of an
// older version, and the row would wait for it.
func (s *Store) past(column, before string, n int) string {
	return fmt.Sprintf("(%[1]s %[2]s $%[3]d OR %[1]s > %[4]s + %[5]d)", column, before, n, s.dialect.now,
		clockSlack.Milliseconds())
}
