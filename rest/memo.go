package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"goalcast"
)

// memo stands before the database for what matches in memory do not answer: names, and days far from today. However many ask for the same
// thing, it is read once per age; and only so many readings run at one time, whoever asks for what.
type memo[K comparable, V any] struct {
	age     time.Duration // how long a value is good
	missing time.Duration // how long "there is none" is believed
	limit   time.Duration // of one reading
	max     int           // values held
	slots   chan struct{} // one in it per reading under way; shared by all memos of a server
	now     func() time.Time

	mu     sync.Mutex
	values map[K]*memoized[V]
}

func newMemo[K comparable, V any](cfg Config, slots chan struct{}, age time.Duration, size int) *memo[K, V] {
	return &memo[K, V]{age: age, missing: age / 6, limit: cfg.Timeout, max: size, slots: slots, now: cfg.Now, values: make(map[K]*memoized[V])}
}

// memoized is a value, or one that is being read until done is closed.
type memoized[V any] struct {
	done  chan struct{}
	value V
	err   error
	until time.Time
}

// get returns the value, reading it if nobody has lately. The first to ask reads, and reads on if its client goes away: others wait for it.
// What was read is shared and must not be changed. Errors: load's, and ErrUnavailable when there was no time to wait for it.
func (m *memo[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	m.mu.Lock()
	v, ok := m.values[key]
	if ok && v.fresh(m.now()) {
		m.mu.Unlock()
		select {
		case <-v.done:
			return v.value, v.err
		case <-ctx.Done():
			return v.zero(), fmt.Errorf("%w: waiting for another's reading: %w", goalcast.ErrUnavailable, ctx.Err())
		}
	}
	v = &memoized[V]{done: make(chan struct{})}
	m.makeRoomLocked()
	m.values[key] = v
	m.mu.Unlock()
	m.fill(ctx, key, v, load)
	return v.value, v.err
}

func (v *memoized[V]) fresh(now time.Time) bool {
	select {
	case <-v.done:
		return now.Before(v.until)
	default:
		return true
	}
}

func (*memoized[V]) zero() (none V) { return none }

// fill reads. An error is not kept, but for "there is none".
func (m *memo[K, V]) fill(ctx context.Context, key K, v *memoized[V], load func(context.Context) (V, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limit)
	defer cancel()
	v.err = fmt.Errorf("%w: a reading ended in a panic", goalcast.ErrUnavailable) // for those who wait; overwritten where there was none
	defer func() {
		keep := m.age
		if v.err != nil {
			keep = 0
			if errors.Is(v.err, goalcast.ErrNotFound) {
				keep = m.missing
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		v.until = m.now().Add(keep)
		close(v.done)
		if keep == 0 && m.values[key] == v {
			delete(m.values, key)
		}
	}()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		v.err = fmt.Errorf("%w: too many readings at one time", goalcast.ErrUnavailable)
		return
	}
	v.value, v.err = load(ctx)
}

// makeRoomLocked forgets what is old, or else anything that is read: the one in ten thousand who asks for it again reads it again.
func (m *memo[K, V]) makeRoomLocked() {
	if len(m.values) < m.max {
		return
	}
	now := m.now()
	for k, v := range m.values {
		if !v.fresh(now) {
			delete(m.values, k)
		}
	}
	for k := range m.values {
		if len(m.values) < m.max {
			return
		}
		delete(m.values, k) // one that is being read is finished by its reader and found by those who wait already
	}
}
