package wsc

import (
	"cmp"
	"context"
	"fmt"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/wsc/brightcove"
)

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

// played notes that the job's cut can be watched, and tells so. That it could not be asked for
// pictures is no reason to wait: they follow.
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
		now.State, now.Playing, now.Played = ready, now.JobCut, c.now().UnixMilli()
		now.Attempts, now.Tries, now.Error = 0, 0, ""
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
		if err := c.pipeline.Report(ctx, "wsc", r.reading(id, c.player.Account())); err != nil {
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
		if now.State != ready || now.Video != r.Video || images.Poster == "" || images.Poster == now.Poster &&
			images.Thumbnail == now.Thumbnail {
			return errSame
		}
		now.Poster, now.Thumbnail, now.Tries = images.Poster, images.Thumbnail, 0
		now.Changed = max(c.now().UnixMilli(), now.Changed+1)
		return nil
	})
}

// reading is what the player has of the clip in that account, for ingest.
func (r record) reading(id, account string) merge.Reading {
	return merge.Reading{Source: brightcove.Source + id, Version: merge.Version{Time: fromMillis(r.Changed),
		Digest: r.Video}, Matches: []merge.MatchReading{{
		Match: r.Match, Facts: []goalcast.Event{{ID: eventID(id, r.Match), Kind: goalcast.KindClip,
			Status: goalcast.Confirmed,
			Clip: &goalcast.Clip{Version: cutVersion(r.Playing), Account: account, Video: r.Video, Poster: r.Poster,
				Thumbnail: r.Thumbnail}}},
	}}}
}
