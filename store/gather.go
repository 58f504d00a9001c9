package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// gatherLimit is how long each step of one call for many may take, whatever becomes of those who
// wait for it.
const gatherLimit = 3 * time.Second

// errNoAnswer is the error of whose call ended in a panic.
var errNoAnswer = errors.New("the call for all who waited has no result")

// gather makes one call of many: what comes while a call is made waits, and the next call takes all
// of it. Nothing waits for others to come. Whoever is first of those who wait makes the call, on
// his own goroutine; then it is the turn of the first of those who came meanwhile. Any goroutine
// may call it.
type gather[T any] struct {
	// call does the work of the items, which came in this order, and returns an error for each, or
	// none at all.
	call func(context.Context, []T) (errs []error)
	// then is done with the items of a call when the next call may be made, and before those who
	// wait have their answers.
	then func(ctx context.Context, items []T, errs []error)
	most int         // of a call, by size; one item may have more
	size func(T) int // nil: each is 1

	mu      sync.Mutex
	busy    bool // somebody makes a call, or is about to
	waiting []*gathered[T]
}

// gathered is one item on its way.
type gathered[T any] struct {
	item T
	turn chan struct{} // closed when it is up to this one to make the call
	done chan struct{} // closed when it was in a call
	err  error         // of that; set before done is closed
}

// do has the item be part of a call and returns its error. If ctx ends before, the item is in no
// call: ctx's error. One that is in a call waits for its end.
func (g *gather[T]) do(ctx context.Context, item T) error {
	w := &gathered[T]{item: item, turn: make(chan struct{}), done: make(chan struct{})}
	if g.enter(w) {
		close(w.turn)
	}
	select {
	case <-w.done:
		return w.err
	case <-w.turn:
	case <-ctx.Done():
	}
	switch {
	case ctx.Err() == nil:
		return g.lead(w)
	case g.leave(w):
		return ctx.Err()
	}
	<-w.done
	return w.err
}

// enter queues an item, and reports whether its turn is now.
func (g *gather[T]) enter(w *gathered[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, w)
	first := !g.busy
	g.busy = true
	return first
}

// leave takes an item back and passes its turn on; false if it is in a call.
func (g *gather[T]) leave(w *gathered[T]) bool {
	g.mu.Lock()
	i := slices.Index(g.waiting, w)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	g.mu.Unlock()
	select {
	case <-w.turn:
		if i >= 0 {
			g.next()
		}
	default:
	}
	return i >= 0
}

// next gives the turn to the first who waits, if anybody does.
func (g *gather[T]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy = len(g.waiting) > 0; g.busy {
		close(g.waiting[0].turn)
	}
}

// take removes from the queue what the next call is for: w, which is the first, and those behind.
func (g *gather[T]) take() []*gathered[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, sum := 0, 0
	for _, w := range g.waiting {
		size := 1
		if g.size != nil {
			size = g.size(w.item)
		}
		if sum += size; n > 0 && sum > g.most {
			break
		}
		n++
	}
	list := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return list
}

// lead makes the call for w and all who wait behind it.
func (g *gather[T]) lead(w *gathered[T]) error {
	g.answer(g.take())
	return w.err
}

// answer makes the call for a list and gives each its answer: also if it panics, so that nobody
// waits for ever.
func (g *gather[T]) answer(list []*gathered[T]) {
	defer func() {
		for _, each := range list {
			close(each.done)
		}
	}()
	items := make([]T, len(list))
	for i, each := range list {
		items[i], each.err = each.item, errNoAnswer
	}
	errs := g.turn(items)
	if errs == nil {
		errs = make([]error, len(list))
	}
	for i, each := range list {
		each.err = errs[i]
	}
	if g.then != nil {
		ctx, cancel := context.WithTimeout(context.Background(), gatherLimit)
		defer cancel()
		g.then(ctx, items, errs)
	}
}

// turn makes the call for the items, and lets the next one be made.
func (g *gather[T]) turn(items []T) []error {
	defer g.next()
	ctx, cancel := context.WithTimeout(context.Background(), gatherLimit) // for all, not with anybody's values
	defer cancel()
	return g.call(ctx, items)
}
