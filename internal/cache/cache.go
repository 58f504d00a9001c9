// Package cache stands before the database for what is not held in memory: however many ask for the
// same, it is read once and kept for a while, and only so many readings run at one time. Recent is
// for what is in memory anyway. The caches themselves are otter's, which is safe for concurrent
// use; nothing runs here that would have to be ended.
package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// Options say how much is kept and for how long.
type Options struct {
	Size    int                           // values held; those that are asked for least go first
	Bytes   int                           // instead of Size: what the values may take, by their Size method
	Evicted func()                        // called for each value that was dropped to make room; may be nil
	Age     time.Duration                 // how long a value is good
	AgeOf   func(value any) time.Duration // instead of Age: how long this one is
	Missing time.Duration                 // how long "there is none" is believed
	Timeout time.Duration                 // of one reading, its wait for a slot included; 0: load has limits of its own
	Slots   chan struct{}                 // one in it per reading under way; caches may share it. nil: no limit
	Now     func() time.Time              // the clock
}

// Sized is a value that knows how many bytes of memory it takes, its key included. That never
// changes.
type Sized interface{ Size() int }

// Cache keeps values by key.
type Cache[K comparable, V any] struct {
	slots   chan struct{}
	timeout time.Duration
	answers kept
}

// answer is what a reading brought: a value, or that there is none.
type answer struct {
	value   any
	missing error // goalcast.ErrNotFound, wrapped
}

// New makes an empty cache.
func New[K comparable, V any](o Options) *Cache[K, V] {
	return &Cache[K, V]{slots: o.Slots, timeout: o.Timeout, answers: keepAnswers(o)}
}

// Get returns the value, reading it if nobody has lately. The first to ask reads, and reads on if
// its client goes away, up to its deadline: others wait for it. What was read is shared and must
// not be changed. Errors: load's, of which only goalcast.ErrNotFound is kept, and
// goalcast.ErrUnavailable when there was no time to wait.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	found, err := c.answers.get(ctx, key, func(ctx context.Context) (any, error) {
		value, err := c.read(ctx, load)
		if errors.Is(err, goalcast.ErrNotFound) {
			return answer{value: value, missing: err}, nil
		}
		return answer{value: value}, err
	})
	a, _ := found.(answer) // none with an error
	value, _ := a.value.(V)
	switch {
	case err != nil && ctx.Err() != nil:
		return value, fmt.Errorf("%w: not read in time: %w", goalcast.ErrUnavailable, err)
	case err != nil:
		return value, err
	}
	return value, a.missing
}

// Clear forgets everything, also what is being read.
func (c *Cache[K, V]) Clear() { c.answers.clear() }

// Bytes is what the values take that are held, where that is what is limited.
func (c *Cache[K, V]) Bytes() int { return c.answers.bytes() }

// Len is how many values are held.
func (c *Cache[K, V]) Len() int { return c.answers.len() }

// read loads when it has a slot.
func (c *Cache[K, V]) read(ctx context.Context, load func(context.Context) (V, error)) (none V, err error) {
	if c.timeout == 0 {
		return load(ctx)
	}
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
