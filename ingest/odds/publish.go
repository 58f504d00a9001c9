package odds

import (
	"context"
	"time"

	"goalcast"
)

// press publishes what the books have to say. One batch is on its way at a time, and the books go
// on taking in what sources tell: a bus that hangs must not look like a source that is silent.
type press struct {
	*Runner
	books *Books
	fence int64
	away  chan outcome // the batch that is on its way comes back here
	busy  bool
	again bool // something may have to be shut, and a batch was on its way
}

// outcome is what became of a batch.
type outcome struct {
	steps []goalcast.OddsStep
	done  []goalcast.OddsDone // of the first steps
	at    time.Time
	err   error
}

// publish owns the books: it takes in what sources tell and publishes in steps, until ctx ends or
// another process holds the sources.
func (r *Runner) publish(ctx context.Context, fence int64, inbox <-chan func(*Books, time.Time)) error {
	var configs []SourceConfig
	for _, s := range r.sources {
		configs = append(configs, s.SourceConfig)
	}
	p := &press{Runner: r, books: NewBooks(configs, beat), fence: fence, away: make(chan outcome, 1)}
	defer p.wait(ctx)
	tick, look := time.NewTicker(r.step), time.NewTicker(beat)
	defer tick.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case do := <-inbox:
			if do(p.books, r.now()); p.books.Urgent() {
				p.send(ctx)
			}
		case <-tick.C:
			p.send(ctx)
		case o := <-p.away:
			if p.busy = false; p.back(ctx, o) {
				return errFenced
			}
		case <-look.C:
			stats := p.books.Stats(r.now())
			r.metrics.show(stats)
			r.health.show(stats)
			r.beginAgain(p.books.Silenced())
		}
	}
}

// send publishes what the books have to say now, unless a batch is on its way.
func (p *press) send(ctx context.Context) {
	if p.busy {
		p.again = true
		return
	}
	p.again = false
	now := p.now()
	steps := p.books.Steps(p.fence, now)
	if len(steps) == 0 {
		return
	}
	p.busy = true
	go func() {
		limited, cancel := context.WithTimeout(ctx, publishTime)
		defer cancel()
		done, err := p.bus.PublishOdds(limited, now, steps)
		p.away <- outcome{steps, done, now, err}
	}()
}

// wait takes in the batch that is on its way when the turn ends, for the history.
func (p *press) wait(ctx context.Context) {
	if p.busy {
		p.again = false
		p.back(ctx, <-p.away)
	}
}

// back takes in what became of a batch, and says whether another process holds the sources. What
// the bus did not take the books keep.
func (p *press) back(ctx context.Context, o outcome) (fenced bool) {
	for i, d := range o.done {
		if d.Outcome == goalcast.OddsFenced {
			return true
		}
		if d.Outcome == goalcast.OddsPublished {
			p.metrics.published.Add(float64(len(o.steps[i].Prices)))
		}
		if shown := p.books.Done(o.steps[i], d, o.at); len(shown) > 0 {
			p.remember(shown)
		}
	}
	for _, step := range o.steps[len(o.done):] {
		p.books.Lost(step)
	}
	if o.err != nil && ctx.Err() == nil {
		p.log.Warn("odds not published, will be tried again", "matches", len(o.steps)-len(o.done), "error", o.err)
	} else if p.again {
		p.send(ctx)
	}
	return false
}

// remember has the history remember what was shown, and measures how long it took.
func (p *press) remember(shown []goalcast.OddsShown) {
	now := p.now().UnixMilli()
	for _, row := range shown {
		if row.Received > 0 {
			lag := max(0, time.Duration(now-row.Received)*time.Millisecond)
			p.metrics.publish.WithLabelValues(row.Source).Observe(lag.Seconds())
		}
	}
	p.history.Record(shown)
}
