package store

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

const (
	// namesEvery is how often a process looks whether names have changed: editors see what they
	// changed within seconds everywhere, and it is one row by its key.
	namesEvery = 2 * time.Second
	// namesTime is what looking, and reading all of them, gets.
	namesTime = 5 * time.Second
)

// NameBook holds the names by language in memory, as they were at most a few seconds ago; older
// while the database is away. It may be used by many goroutines.
type NameBook struct {
	store *Store
	log   *slog.Logger
	now   atomic.Pointer[goalcast.Names]

	mu sync.Mutex // of who reads: what is older does not replace what is newer
}

// NewNameBook makes a book without names: Refresh reads them.
func NewNameBook(s *Store, log *slog.Logger, reg prometheus.Registerer) *NameBook {
	b := &NameBook{store: s, log: log}
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_store_names",
		Help: "Names by language that the process holds."}, func() float64 { return float64(b.Names().Len()) })
	return b
}

// Names are the names as far as the process knows. It asks nobody.
func (b *NameBook) Names() *goalcast.Names { return b.now.Load() }

// Refresh reads the names if they have changed.
func (b *NameBook) Refresh(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	version, err := b.store.NamesVersion(ctx)
	if err != nil || version == b.now.Load().Version() {
		return err
	}
	names, err := b.store.Names(ctx)
	if err == nil {
		b.now.Store(names)
	}
	return err
}

// Run keeps the names fresh until ctx ends.
func (b *NameBook) Run(ctx context.Context) error {
	ticker := time.NewTicker(namesEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		err := b.Refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			b.log.Warn("names by language cannot be read: those from before stay", "error", err)
		}
		failing = err != nil
	}
}
