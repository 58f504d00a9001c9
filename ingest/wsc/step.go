package wsc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/wsc/brightcove"
)

// Task makes the next step of a clip; the queue calls it for TaskUpload and TaskCheck. Its errors
// are the store's, the queue tries again.
func (c *Clips) Task(ctx context.Context, payload []byte) error {
	id, step := readPayload(payload)
	return c.step(ctx, id, step)
}

// payload names a clip and the step that a task is for.
func payload(id string, step int64) []byte { return fmt.Appendf(nil, "%s#%d", id, step) }

// readPayload reads a payload; step is 0 where it tells none, as those of an older version.
func readPayload(payload []byte) (id string, step int64) {
	id, text, _ := strings.Cut(string(payload), "#")
	step, _ = strconv.ParseInt(text, 10, 64)
	return id, step
}

// step looks at a clip's record and does the next thing, if it is due, and if no other step was
// scheduled since: that one has a task of its own, and two at a time would make two uploads.
func (c *Clips) step(ctx context.Context, id string, step int64) error {
	r, err := c.load(ctx, id)
	if errors.Is(err, goalcast.ErrNotFound) {
		return fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
	} else if err != nil {
		return err
	}
	if r.Due == 0 || step != 0 && step != r.Step || r.Due > c.now().Add(time.Second).UnixMilli() {
		return nil // an old task
	}
	//exhaustive:enforce
	switch r.State {
	case unresolved:
		err = c.pipeline.Process(ctx, r.Document)
	case waiting:
		err = c.upload(ctx, id, r)
	case processing:
		err = c.check(ctx, id, r)
	case ready:
		err = c.finish(ctx, id, r)
	case withdrawn:
		err = c.hide(ctx, id, r)
	case local, failed: // nothing is left to do
		_, err = c.change(ctx, id, func(r *record) error { r.Due = 0; return nil })
	}
	if err == nil {
		return nil
	}
	return c.settle(ctx, id, r, err)
}

// settle decides what comes of a step that did not succeed: it is made again later, or never.
func (c *Clips) settle(ctx context.Context, id string, r record, failure error) error {
	var told *brightcove.Error
	byPlayer := errors.As(failure, &told)
	of := "ingest"
	if byPlayer || r.State != unresolved && r.State != ready {
		of = "brightcove"
	}
	c.metrics.trouble.WithLabelValues(of).Inc()
	step, alarm := r.Step, ""
	now, err := c.change(ctx, id, func(r *record) error {
		alarm = ""
		if r.Step != step {
			return errSame // something else is scheduled by now
		}
		r.Error = failure.Error()
		switch wait := brightcove.Wait(failure); {
		case wait > 0:
			c.schedule(r, wait)
		case brightcove.Hopeless(failure), errors.Is(failure, goalcast.ErrPermanent):
			r.State, r.Due, alarm = failed, 0, "refused"
		default:
			if byPlayer && (told.Status == 401 || told.Status == 403) {
				alarm = "account"
			}
			r.Tries++
			c.schedule(r, growing(c.cfg.RetryDelay, maxRetryDelay, r.Tries))
		}
		return nil
	})
	if err != nil {
		return errors.Join(failure, err)
	}
	if alarm != "" {
		c.alarm(alarm, id, now)
	} else {
		c.log.Warn("clip's step not made, will be tried again", "clip", id, "state", now.State, "tries", now.Tries,
			"error", failure)
	}
	return nil
}

// Wake says that something may be new about a video; Brightcove's callbacks call it.
// ErrNotFound: it is of no clip.
func (c *Clips) Wake(ctx context.Context, video string) error {
	id, err := c.store.ClipOfVideo(ctx, video)
	if err != nil {
		return err
	}
	_, err = c.change(ctx, id, func(r *record) error {
		if r.State == waiting { // of a job that is being started, and not noted yet
			r.Wakes++
			return nil
		}
		fresh := r.State == ready && c.now().Sub(fromMillis(r.Played)) < c.cfg.ImageWait
		if r.State != processing && !fresh {
			return errSame
		}
		r.Wakes++
		if r.Due > c.now().Add(time.Second).UnixMilli() {
			c.schedule(r, 0)
		}
		return nil
	})
	return err
}
