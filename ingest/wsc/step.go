package wsc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/brightcove"
)

// Task makes the next step of a clip; the queue calls it for TaskUpload and TaskCheck. Its errors are the store's, the queue tries again.
func (c *Clips) Task(ctx context.Context, payload []byte) error { return c.step(ctx, string(payload)) }

// step looks at a clip's record and does the next thing, if it is due.
func (c *Clips) step(ctx context.Context, id string) error {
	r, err := c.load(ctx, id)
	if errors.Is(err, goalcast.ErrNotFound) {
		return fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
	} else if err != nil {
		return err
	}
	if r.Due == 0 || r.Due > c.now().Add(time.Second).UnixMilli() {
		return nil // an old task
	}
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
	default:
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
		c.log.Warn("clip's step not made, will be tried again", "clip", id, "state", now.State, "tries", now.Tries, "error", failure)
	}
	return nil
}

// upload makes the video if there is none, lets it be watched, and starts the job.
func (c *Clips) upload(ctx context.Context, id string, r record) error {
	if c.player == nil {
		_, err := c.change(ctx, id, func(r *record) error { r.State, r.Due = local, 0; return nil })
		return err
	}
	cut := r.cut()
	if r.Video == "" {
		video, active, err := c.player.CreateVideo(ctx, brightcove.Video{Name: r.Title, Reference: id, Tags: []string{"goalcast"}})
		if err != nil {
			return err
		}
		r, err = c.change(ctx, id, func(r *record) error {
			r.Video, r.Hidden = video, !active
			c.hideIfWithdrawn(r)
			return nil
		})
		if err != nil || r.State != waiting {
			return err
		}
	}
	if r.Hidden {
		err := c.player.SetActive(ctx, r.Video, true)
		if brightcove.Missing(err) {
			return c.forgetVideo(ctx, id, r.Video)
		} else if err != nil {
			return err
		}
		r, err = c.change(ctx, id, func(r *record) error {
			r.Hidden = false
			c.hideIfWithdrawn(r)
			return nil
		})
		if err != nil || r.State != waiting {
			return err
		}
	}
	if r.Playing == cut {
		_, err := c.change(ctx, id, func(r *record) error {
			if r.State != waiting || r.Playing != r.cut() {
				return errSame
			}
			r.State, r.Error, r.Tries = ready, "", 0
			c.schedule(r, 0)
			return nil
		})
		return err
	}
	return c.start(ctx, id, r, cut)
}

func (c *Clips) hideIfWithdrawn(r *record) {
	if r.State == withdrawn && !r.Hidden {
		c.schedule(r, 0)
	}
}

// start starts the job. One that was started and not noted, since the process died or the answer was lost, is started once more: it makes the same video of the same file.
func (c *Clips) start(ctx context.Context, id string, r record, cut string) error {
	job, err := c.player.StartIngest(ctx, r.Video, r.Master)
	if brightcove.Missing(err) {
		return c.forgetVideo(ctx, id, r.Video)
	} else if err != nil {
		return err
	}
	c.metrics.uploads.WithLabelValues("started").Inc()
	_, err = c.change(ctx, id, func(r *record) error {
		if r.State != waiting || r.cut() != cut {
			return errSame // a better cut came, or it was withdrawn
		}
		r.Job, r.JobCut, r.Started, r.State, r.Error, r.Tries = job, cut, c.now().UnixMilli(), processing, "", 0
		c.schedule(r, c.cfg.CheckEvery)
		return nil
	})
	return err
}

// forgetVideo begins anew after somebody deleted the video at Brightcove.
func (c *Clips) forgetVideo(ctx context.Context, id, video string) error {
	_, err := c.change(ctx, id, func(r *record) error {
		if r.Video != video {
			return errSame
		}
		r.Video, r.Job, r.Playing, r.Poster, r.Thumbnail, r.Hidden = "", "", "", "", "", false
		if r.State == withdrawn {
			r.Due = 0
			return nil
		}
		r.Tries++
		c.schedule(r, growing(c.cfg.RetryDelay, maxRetryDelay, r.Tries))
		return nil
	})
	return err
}

// check asks what became of the job.
func (c *Clips) check(ctx context.Context, id string, r record) error {
	job, err := c.player.Job(ctx, r.Video, r.Job)
	switch {
	case brightcove.Missing(err):
		return c.jobFailed(ctx, id, r, "failed", "Brightcove does not know the job")
	case err != nil:
		return err
	case job.State == brightcove.Failed:
		return c.jobFailed(ctx, id, r, "failed", cmp.Or(job.Error, "the job failed"))
	case job.State.Playable():
		return c.played(ctx, id, r)
	case c.now().Sub(fromMillis(r.Started)) > c.cfg.MaxJob:
		return c.jobFailed(ctx, id, r, "stuck", fmt.Sprintf("the job is %s for more than %v", job.State, c.cfg.MaxJob))
	}
	pause := c.cfg.CheckEvery
	if job.State == brightcove.Publishing {
		pause = c.cfg.CheckSoon
	}
	_, err = c.change(ctx, id, func(now *record) error {
		if now.State != processing || now.Job != r.Job {
			return errSame
		}
		if now.Wakes != r.Wakes {
			pause = c.cfg.CheckSoon // a callback came while we asked
		}
		now.Tries = 0
		c.schedule(now, pause)
		return nil
	})
	return err
}

// jobFailed tries the cut again, or gives it up. What played before plays on.
func (c *Clips) jobFailed(ctx context.Context, id string, r record, kind, why string) error {
	gaveUp := false
	now, err := c.change(ctx, id, func(now *record) error {
		gaveUp = false
		if now.State != processing || now.Job != r.Job {
			return errSame
		}
		now.Attempts++
		now.Error, now.Job, now.State = why, "", waiting
		if now.Attempts >= c.cfg.Attempts {
			now.State, now.Due, gaveUp = failed, 0, true
			return nil
		}
		c.schedule(now, growing(c.cfg.RetryDelay, maxRetryDelay, now.Attempts))
		return nil
	})
	if err != nil {
		return err
	}
	c.metrics.uploads.WithLabelValues("failed").Inc()
	if gaveUp {
		c.metrics.uploads.WithLabelValues("given_up").Inc()
		c.alarm(kind, id, now)
	} else {
		c.log.Warn("clip's upload failed", "clip", id, "video", now.Video, "attempts", now.Attempts, "error", why)
	}
	return nil
}

// played notes that the job's cut can be watched, and tells so. That it could not be asked for pictures is no reason to wait: they follow.
func (c *Clips) played(ctx context.Context, id string, r record) error {
	images, err := c.player.Images(ctx, r.Video)
	if err != nil {
		c.log.Info("no pictures yet", "clip", id, "video", r.Video, "error", err)
	}
	noted := false
	now, err := c.change(ctx, id, func(now *record) error {
		noted = false
		if now.State != processing || now.Job != r.Job {
			return errSame
		}
		noted = true
		now.State, now.Playing, now.Played, now.Attempts, now.Tries, now.Error = ready, now.JobCut, c.now().UnixMilli(), 0, 0, ""
		now.Poster, now.Thumbnail = images.Poster, images.Thumbnail
		now.Changed = max(now.Played, now.Changed+1)
		now.Due = now.Played // told right below; the sweeper does it if this process dies here
		return nil
	})
	if err != nil || !noted {
		return err
	}
	c.metrics.uploads.WithLabelValues("playable").Inc()
	c.metrics.playable.Observe(float64(now.Played-now.Started) / 1000)
	return c.finish(ctx, id, now)
}

// finish tells ingest what is not told yet, and looks for pictures for a while.
func (c *Clips) finish(ctx context.Context, id string, r record) error {
	if r.Told == r.Changed {
		found, err := c.pictures(ctx, id, r)
		if err != nil {
			return err
		}
		r = found
	}
	if r.Told != r.Changed && r.Match != 0 && r.Playing != "" {
		if err := c.pipeline.Tell(ctx, "wsc", r.reading(id)); err != nil {
			return err
		}
	}
	_, err := c.change(ctx, id, func(now *record) error {
		now.Told = max(now.Told, r.Changed)
		if now.State != ready {
			return nil // another step is scheduled
		}
		left := fromMillis(now.Played).Add(c.cfg.ImageWait).Sub(c.now())
		switch {
		case now.Told != now.Changed:
			c.schedule(now, 0)
		case left <= 0:
			now.Due = 0
		case now.Poster == "" || now.Wakes != r.Wakes:
			c.schedule(now, min(c.cfg.CheckEvery, left))
		default:
			c.schedule(now, left) // a picture of the cut before may stand there until the new one is made
		}
		return nil
	})
	return err
}

// pictures asks for the video's pictures and notes new ones as something to tell.
func (c *Clips) pictures(ctx context.Context, id string, r record) (record, error) {
	images, err := c.player.Images(ctx, r.Video)
	if brightcove.Missing(err) {
		return r, nil // somebody deleted the video; there is nothing more to show of it
	} else if err != nil {
		return r, err
	}
	return c.change(ctx, id, func(now *record) error {
		if now.State != ready || now.Video != r.Video || images.Poster == "" || images.Poster == now.Poster && images.Thumbnail == now.Thumbnail {
			return errSame
		}
		now.Poster, now.Thumbnail, now.Tries = images.Poster, images.Thumbnail, 0
		now.Changed = max(c.now().UnixMilli(), now.Changed+1)
		return nil
	})
}

// reading is what the player has of the clip, as a word to ingest.
func (r record) reading(id string) ingest.Reading {
	return ingest.Reading{Source: "brightcove:" + id, Version: ingest.Version{Time: fromMillis(r.Changed), Digest: r.Video}, Matches: []ingest.MatchReading{{
		Match: r.Match, Facts: []goalcast.Event{{ID: eventID(id, r.Match), Kind: goalcast.KindClip, Status: goalcast.Confirmed,
			Clip: &goalcast.Clip{Video: r.Video, Poster: r.Poster, Thumbnail: r.Thumbnail}}},
	}}}
}

// hide makes the video of a withdrawn clip unwatchable: whoever has its id could play it for ever.
func (c *Clips) hide(ctx context.Context, id string, r record) error {
	if c.player != nil && r.Video != "" && !r.Hidden {
		if err := c.player.SetActive(ctx, r.Video, false); brightcove.Missing(err) {
			return c.forgetVideo(ctx, id, r.Video)
		} else if err != nil {
			return err
		}
	}
	_, err := c.change(ctx, id, func(now *record) error {
		now.Hidden, now.Tries = now.Video != "", 0
		if now.State == withdrawn {
			now.Due = 0
			return nil
		}
		now.State = waiting // it came back meanwhile
		c.schedule(now, 0)
		return nil
	})
	return err
}

// Wake says that something may be new about a video; Brightcove's callbacks call it. ErrNotFound: it is of no clip.
func (c *Clips) Wake(ctx context.Context, video string) error {
	id, err := c.store.ClipOfVideo(ctx, video)
	if err != nil {
		return err
	}
	_, err = c.change(ctx, id, func(r *record) error {
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
