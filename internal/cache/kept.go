package cache

import (
	"context"
	"math"
	"time"

	"github.com/maypok86/otter/v2"
)

// kept is an otter cache of keys and values of any type. otter is generic: Go compiles its thousand
// functions anew for each pair of types, in each package that has one. For the twenty caches of
// package rest that took a minute and 100 MB, with each of its tests again. Here it is compiled
// once. It has to be an interface: a type whose methods are put in where they are called would have
// otter compiled there.
type kept interface {
	get(ctx context.Context, key any, load func(context.Context) (any, error)) (any, error)
	present(key any) (any, bool)
	orMade(key any, value func() any) any
	set(key, value any)
	clear()
	bytes() int
	len() int
}

// keepAnswers makes what is behind a Cache.
func keepAnswers(o Options) kept {
	options := &otter.Options[any, any]{
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[any, any]) time.Duration {
			a := e.Value.(answer)
			switch {
			case a.missing != nil:
				return o.Missing
			case o.AgeOf != nil:
				return o.AgeOf(a.value)
			}
			return o.Age
		}),
		OnDeletion: func(e otter.DeletionEvent[any, any]) {
			if e.Cause == otter.CauseOverflow && o.Evicted != nil {
				o.Evicted()
			}
		},
	}
	if o.Bytes > 0 {
		options.MaximumWeight, options.Weigher = uint64(o.Bytes), weigh
	} else {
		options.MaximumSize = o.Size
	}
	return open(options, o.Now)
}

// keepRecent makes what is behind a Recent.
func keepRecent(size int, idle time.Duration, now func() time.Time) kept {
	return open(&otter.Options[any, any]{MaximumSize: size,
		ExpiryCalculator: otter.ExpiryAccessing[any, any](idle)}, now)
}

func open(o *otter.Options[any, any], now func() time.Time) kept {
	o.Clock, o.Executor = clock(now), func(task func()) { task() }
	return held{otter.Must(o)}
}

// weighsNothing is what is counted for "there is none".
const weighsNothing = 256

func weigh(_, value any) uint32 {
	a := value.(answer)
	if sized, ok := a.value.(Sized); ok && a.missing == nil {
		return uint32(min(max(sized.Size(), 1), math.MaxUint32))
	}
	return weighsNothing
}

// held is the one kept there is.
type held struct{ cache *otter.Cache[any, any] }

func (h held) get(ctx context.Context, key any, load func(context.Context) (any, error)) (any, error) {
	return h.cache.Get(ctx, key, otter.LoaderFunc[any, any](func(ctx context.Context, _ any) (any, error) {
		return load(ctx)
	}))
}

func (h held) present(key any) (any, bool) { return h.cache.GetIfPresent(key) }

func (h held) orMade(key any, value func() any) any {
	is, _ := h.cache.ComputeIfAbsent(key, func() (any, bool) { return value(), false })
	return is
}

func (h held) set(key, value any) { h.cache.Set(key, value) }
func (h held) clear()             { h.cache.InvalidateAll() }
func (h held) bytes() int         { return int(h.cache.WeightedSize()) }
func (h held) len() int           { return h.cache.EstimatedSize() }

// clock is otter's view of a clock. It has no ticks, so that there is no goroutine that waits for
// them: what is too old goes when something is read.
type clock func() time.Time

func (c clock) NowNano() int64                    { return c().UnixNano() }
func (clock) Tick(time.Duration) <-chan time.Time { return nil }
