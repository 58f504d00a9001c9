package cache

import "time"

// Recent keeps values until nobody has asked for them for a while. What was asked for least goes
// first when it is full.
type Recent[K comparable, V any] struct{ values kept }

// NewRecent makes an empty one for so many values, each kept until it has been idle for a time.
func NewRecent[K comparable, V any](size int, idle time.Duration, now func() time.Time) *Recent[K, V] {
	return &Recent[K, V]{keepRecent(size, idle, now)}
}

// Get returns a value, if it is held.
func (r *Recent[K, V]) Get(key K) (value V, ok bool) {
	is, ok := r.values.present(key)
	if !ok {
		return value, false
	}
	value, _ = is.(V)
	return value, true
}

// OrMade returns a value, and makes it if it is not held: once, however many ask.
func (r *Recent[K, V]) OrMade(key K, value func() V) V {
	is, _ := r.values.orMade(key, func() any { return value() }).(V)
	return is
}

// Set holds a value.
func (r *Recent[K, V]) Set(key K, value V) { r.values.set(key, value) }

// Len is about how many values are held.
func (r *Recent[K, V]) Len() int { return r.values.len() }
