package ingest

import "sync/atomic"

// budget is memory that is shared: who finds too little left goes away.
type budget struct {
	limit int64 // bytes
	used  atomic.Int64
}

// lease is what one of those who share a budget holds of it. It belongs to one goroutine.
type lease struct {
	from *budget
	held int64
}

func (b *budget) lease() *lease { return &lease{from: b} }

// take takes n bytes more; false if there are not so many left.
func (l *lease) take(n int64) bool {
	if l.from.used.Add(n) > l.from.limit {
		l.from.used.Add(-n)
		return false
	}
	l.held += n
	return true
}

// release gives all back.
func (l *lease) release() {
	l.from.used.Add(-l.held)
	l.held = 0
}
