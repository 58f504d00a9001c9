package wsc

import (
	"context"

	"goalcast/ingest/wsc/brightcove"
)

// upload makes the video if there is none, lets it be watched, and starts the job. Each part is
// noted before the next is begun.
func (c *Clips) upload(ctx context.Context, id string, r record) error {
	if c.player == nil {
		_, err := c.change(ctx, id, func(r *record) error { r.State, r.Due = local, 0; return nil })
		return err
	}
	cut, err := r.cut(), error(nil)
	if r.Video == "" {
		if r, err = c.create(ctx, id, r); err != nil || r.State != waiting {
			return err
		}
	}
	if r.Hidden {
		if r, err = c.unhide(ctx, id, r); err != nil || r.State != waiting || r.Video == "" {
			return err
		}
	}
	if r.Playing != cut {
		return c.start(ctx, id, r, cut)
	}
	_, err = c.change(ctx, id, func(r *record) error {
		if r.State != waiting || r.Playing != r.cut() {
			return errSame
		}
		r.State, r.Error, r.Tries = ready, "", 0
		c.schedule(r, 0)
		return nil
	})
	return err
}

// create makes the video, under the content's id: so there is one, however often this is tried.
func (c *Clips) create(ctx context.Context, id string, r record) (record, error) {
	video, active, err := c.player.CreateVideo(ctx, brightcove.Video{Name: r.Title, Reference: id,
		Tags: []string{"goalcast"}})
	if err != nil {
		return r, err
	}
	return c.change(ctx, id, func(r *record) error {
		r.Video, r.Hidden = video, !active
		c.hideIfWithdrawn(r)
		return nil
	})
}

// unhide lets the video of a clip that came back be watched.
func (c *Clips) unhide(ctx context.Context, id string, r record) (record, error) {
	if err := c.player.SetActive(ctx, r.Video, true); brightcove.Missing(err) {
		return record{}, c.forgetVideo(ctx, id, r.Video)
	} else if err != nil {
		return r, err
	}
	return c.change(ctx, id, func(r *record) error {
		r.Hidden = false
		c.hideIfWithdrawn(r)
		return nil
	})
}

// hideIfWithdrawn sees to it that a video which became watchable after the clip was
// withdrawn does not stay so.
func (c *Clips) hideIfWithdrawn(r *record) {
	if r.State == withdrawn && !r.Hidden {
		c.schedule(r, 0)
	}
}

// start starts the job. One that was started and not noted, since the process died or the answer
// was lost, is started once more: it makes the same video of the same file.
func (c *Clips) start(ctx context.Context, id string, r record, cut string) error {
	wakes := r.Wakes
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
		pause := c.cfg.CheckEvery
		if r.Wakes != wakes {
			pause = c.cfg.CheckSoon // a callback was quicker than the answer
		}
		c.schedule(r, pause)
		return nil
	})
	return err
}

// forgetVideo begins again after somebody deleted the video at Brightcove.
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
