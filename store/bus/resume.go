package bus

import (
	"context"
	"time"

	"goalcast"
)

// resume brings the listener to the head of the stream: with what it missed, or with a Reset and
// the history that there is.
func (r *reader) resume(ctx context.Context) error {
	missed, restarted := 0, false
	for {
		seen := r.cursor()
		p, err := r.bus.read(ctx, max(1, seen.Offset), readPage) // from the last one seen, to compare it
		if err != nil {
			return err
		}
		switch r.compare(p, seen) {
		case forged:
			if err := r.bus.roll(ctx, seen, p.head.Offset >= seen.Offset); err != nil {
				return err
			}
			continue // there is another epoch now
		case torn:
			if err := r.restart(ctx, p.head); err != nil {
				return err
			}
			restarted = true
		}
		n, atHead := r.catchUp(p, seen)
		if missed += n; atHead {
			break
		}
	}
	if missed > 0 && !restarted {
		r.bus.metrics.gaps.Inc()
		r.bus.log.Info("missed events read from the stream", "events", missed)
	}
	r.fresh()
	return nil
}

func (r *reader) isStale() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stale
}

func (r *reader) cursor() goalcast.Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// What compare finds.
const (
	whole  = iota // the stream goes on where the listener is
	torn          // it does not: another epoch, or what was missed is no longer there
	forged        // the same epoch has another past: the bus went back in time
)

func (r *reader) compare(p page, seen goalcast.Cursor) int {
	switch {
	case p.head.Epoch != seen.Epoch:
		return torn
	case p.head.Offset < seen.Offset:
		return forged
	case len(p.entries) == 0:
		if p.head.Offset == seen.Offset {
			return whole
		}
		return torn
	}
	first := p.entries[0]
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case first.offset == seen.Offset && !r.samePastLocked(first.offset, first.body):
		return forged
	case first.offset > seen.Offset+1:
		return torn
	}
	return whole
}

// catchUp delivers those events of a page that follow what was seen, counts them, and reports
// whether the head is reached. After a restart the page is of no use, and it returns 0, false.
func (r *reader) catchUp(p page, seen goalcast.Cursor) (n int, atHead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen != seen {
		return 0, false
	}
	r.lastSign = time.Now()
	for _, e := range p.entries {
		if e.offset == r.seen.Offset+1 {
			r.deliverLocked(e)
			n++
		}
	}
	return n, r.seen.Offset == p.head.Offset
}

// restart places the listener so that it gets the newest History events of the stream.
func (r *reader) restart(ctx context.Context, head goalcast.Cursor) error {
	from := head.Offset - min(head.Offset, uint64(r.bus.options.History)) + 1
	p, err := r.bus.read(ctx, from, 1)
	if err != nil {
		return err
	}
	start := p.head // nothing there: from the head on
	if len(p.entries) > 0 {
		start.Offset = p.entries[0].offset - 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bus.log.Info("stream begins", "after", start.String(), "before", r.seen.String())
	r.seen, r.fingerprints = start, [fingerprintsKept]uint64{}
	r.lastSign = time.Now()
	r.stale = true // until the history is delivered
	r.bus.metrics.resets.Inc()
	r.listener.Reset(start)
	return nil
}

// fresh tells the listener that it is live: at the start, after a reset, and after a silence.
func (r *reader) fresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastSign = time.Now()
	if r.stale {
		if r.reported {
			r.bus.log.Info("the bus is back")
		}
		r.stale, r.reported = false, false
		r.bus.metrics.stale.Set(0)
		r.listener.Stale(false)
	}
}
