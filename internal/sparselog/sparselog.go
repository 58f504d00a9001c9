// Package sparselog keeps a log readable while something is away that everybody asks again and
// again: Redis, the database.
package sparselog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Every is how often a Log writes, at most.
const Every = time.Minute

// Log writes the first warning, then one a minute with the number of those left out before it. All
// that complains about the same thing shares one. It may be used by several goroutines.
type Log struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time // when a warning was written
	skipped int       // since then
}

// New makes a Log that writes to log.
func New(log *slog.Logger) *Log { return &Log{log: log} }

// Warn writes the warning, with the attribute "skipped", or leaves it out.
func (l *Log) Warn(msg string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && time.Since(l.last) < Every {
		l.skipped++
		return
	}
	l.log.With("skipped", l.skipped).Log(context.Background(), slog.LevelWarn, msg, args...)
	l.last, l.skipped = time.Now(), 0
}
