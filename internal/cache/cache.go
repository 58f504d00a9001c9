// Package cache stands before the database for what is not held in memory: however many ask for the
// same, it is read once and kept for a while, and only so many readings run at one time. The cache
// itself is otter's, which is safe for concurrent use; nothing runs here that would have to be
// ended.
package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"goalcast"
)

// Options say how much is kept and for how long.
type Options struct {
	Size    int              // values held; those that are asked for least go first
	Bytes   int              // instead of Size: what the values may take, by their Size method
	Evicted func()           // called for each value that was dropped to make room; may be nil
	Age     time.Duration    // how long a value is good
	Missing time.Duration    // how long "there is none" is believed
	Timeout time.Duration    // of one reading, its wait for a slot included
	Slots   chan struct{}    // one in it per reading under way; caches may share it. nil: no limit
	Now     func() time.Time // the clock
}

// Sized is a value that knows how many bytes of memory it takes, its key included. That never
// changes.
type Sized interface{ Size() int }

// Cache keeps values by key.
type Cache[K comparable, V any] struct {
	slots   chan struct{}
	timeout time.Duration
	answers *otter.Cache[K, answer[V]]
}

// answer is what a reading brought: a value, or that there is none.
type answer[V any] struct {
	value   V
	missing error // goalcast.ErrNotFound, wrapped
}

// New makes an empty cache.
func New[K comparable, V any](o Options) *Cache[K, V] {
	options := &otter.Options[K, answer[V]]{
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, answer[V]]) time.Duration {
			if e.Value.missing != nil {
				return o.Missing
			}
			return o.Age
		}),
		Clock:    Clock(o.Now),
		Executor: func(task func()) { task() },
		OnDeletion: func(e otter.DeletionEvent[K, answer[V]]) {
			if e.Cause == otter.CauseOverflow && o.Evicted != nil {
				o.Evicted()
			}
		},
	}
	if o.Bytes > 0 {
		options.MaximumWeight, options.Weigher = uint64(o.Bytes), weigh[K, V]
	} else {
		options.MaximumSize = o.Size
	}
	return &Cache[K, V]{slots: o.Slots, timeout: o.Timeout, answers: otter.Must(options)}
}

// weighsNothing is what is counted for "there is none".
const weighsNothing = 256

func weigh[K comparable, V any](_ K, a answer[V]) uint32 {
	if sized, ok := any(a.value).(Sized); ok && a.missing == nil {
		return uint32(min(max(sized.Size(), 1), math.MaxUint32))
	}
	return weighsNothing
}

// Get returns the value, reading it if nobody has lately. The first to ask reads, and reads on if
// its client goes away, up to its deadline: others wait for it. What was read is shared and must
// not be changed. Errors: load's, of which only goalcast.ErrNotFound is kept, and
// goalcast.ErrUnavailable when there was no time to wait.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	a, err := c.answers.Get(ctx, key, otter.LoaderFunc[K, answer[V]](func(ctx context.Context, _ K) (answer[V], error) {
		value, err := c.read(ctx, load)
		if errors.Is(err, goalcast.ErrNotFound) {
			return answer[V]{value: value, missing: err}, nil
		}
		return answer[V]{value: value}, err
	}))
	switch {
	case err != nil && ctx.Err() != nil:
		return a.value, fmt.Errorf("%w: not read in time: %w", goalcast.ErrUnavailable, err)
	case err != nil:
		return a.value, err
	}
	return a.value, a.missing
}

// Clear forgets everything, also what is being read.
func (c *Cache[K, V]) Clear() { c.answers.InvalidateAll() }

// Bytes is what the values take that are held, where that is what is limited.
func (c *Cache[K, V]) Bytes() int { return int(c.answers.WeightedSize()) }

// Len is how many values are held.
func (c *Cache[K, V]) Len() int { return c.answers.EstimatedSize() }

// read loads when it has a slot.
func (c *Cache[K, V]) read(ctx context.Context, load func(context.Context) (V, error)) (none V, err error) {
	deadline := time.Now().Add(c.timeout)
	if asked, ok := ctx.Deadline(); ok && asked.Before(deadline) {
		deadline = asked // or else one who waited, and reads since another's time was over, would take twice its time
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if c.slots == nil {
		return load(ctx)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
		return load(ctx)
	case <-ctx.Done():
		return none, fmt.Errorf("%w: too many readings at one time", goalcast.ErrUnavailable)
	}
}

// Clock is otter's view of a clock. It has no ticks, so that there is no goroutine that waits for
// them: what is too old goes when something is read.
type Clock func() time.Time

func (c Clock) NowNano() int64                    { return c().UnixNano() }
func (Clock) Tick(time.Duration) <-chan time.Time { return nil }
