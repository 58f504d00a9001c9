package simulator

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"
)

// laneLength is how many documents of a match may wait for the one before them;
// then the whole day waits.
const laneLength = 64

// Run hands the day's documents to post when they are due, those of one match one after the other,
// those of different matches side by side. A document whose time is past goes at once. With
// Config.Repeat the next day follows, and so on.
//
// It returns nil when the day is over or ctx has ended, and else the first error of post, with
// everything that it started ended.
func (d *Day) Run(ctx context.Context, post func(context.Context, Document) error) error {
	for {
		if d.cfg.Begins != nil {
			d.cfg.Begins(d)
		}
		if err := d.runOnce(ctx, post); err != nil && ctx.Err() == nil {
			return err
		}
		if !d.cfg.Repeat || !sleep(ctx, d.cfg.Pause) {
			return nil
		}
		d = d.next(time.Now())
	}
}

// next is the day after: another seed, other match ids, and the table that this one ends with.
func (d *Day) next(start time.Time) *Day {
	cfg := d.cfg
	cfg.Seed++
	cfg.Start = start
	day := New(cfg)
	if cfg.Tables {
		day.before = d.leagueAt(math.MaxInt64)
	}
	return day
}

func (d *Day) runOnce(ctx context.Context, post func(context.Context, Document) error) error {
	g, ctx := errgroup.WithContext(ctx)
	lanes := map[int64]chan Document{}
	lane := func(match int64) chan Document {
		if lanes[match] == nil {
			c := make(chan Document, laneLength)
			lanes[match] = c
			g.Go(func() error {
				for doc := range c {
					if err := post(ctx, doc); err != nil {
						return fmt.Errorf("post %s of match %d: %w", doc.Feed, doc.Match, err)
					}
				}
				return nil
			})
		}
		return lanes[match]
	}
	g.Go(func() error {
		defer func() {
			for _, c := range lanes {
				close(c)
			}
		}()
		for doc := range d.Documents() {
			if !sleep(ctx, time.Until(d.cfg.Start.Add(doc.Due))) {
				return nil
			}
			select {
			case lane(doc.Match) <- doc:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	return g.Wait()
}

// sleep waits and says whether it was left in peace.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
