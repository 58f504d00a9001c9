package live

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"goalcast"
)

func encodeState(s State) (json.RawMessage, error) { return json.Marshal(s) }

// decodeState reads what was shown; false if nothing was.
func decodeState(text []byte) (s State, known bool) {
	return s, len(text) > 0 && json.Unmarshal(text, &s) == nil
}

// toStart says whether activities of a match are to be started now.
func (t *turn) toStart(a *activity, now time.Time) bool {
	return t.keeper != nil && !a.starting && !a.Opened.IsZero() && a.Ended.IsZero() && a.Started != allStarted
}

// start starts activities on the phones of those who follow the match, page by page. How far it
// came is kept before a page is sent: a crash leaves some without an activity, and none with two.
func (t *turn) start(a *activity, c goalcast.LiveChannel) {
	err := t.startAll(a, &c)
	select {
	case t.done <- func() {
		a.Started = c.Started
		if err == nil {
			a.starting = false
			return
		}
		a.Started = allStarted // of this turn: the next one goes on where the database says
		t.failed("start", c.Match, err)
	}:
	case <-t.ctx.Done():
	}
}

func (t *turn) startAll(a *activity, c *goalcast.LiveChannel) error {
	m, err := t.store.Match(t.ctx, c.Match)
	if err != nil {
		return err
	}
	attributes, err := attributesOf(&m)
	if err != nil {
		return err
	}
	for c.Started != allStarted {
		var devices []goalcast.LiveDevice
		if t.store.Now().Sub(c.Opened) < startLimit {
			if devices, err = t.store.LiveAudience(t.ctx, m.Topics(m.ID), c.Started, startPage); err != nil {
				return err
			}
		} else {
			t.metrics.starts.WithLabelValues("expired").Inc()
		}
		next := int64(allStarted)
		if len(devices) > 0 {
			next = devices[len(devices)-1].ID
		}
		if err := t.store.SaveLiveStarts(t.ctx, *c, next); err != nil {
			return err
		}
		c.Started = next
		if err := t.startPage(a, c, &m, attributes, devices); err != nil {
			return err
		}
	}
	return nil
}

// startPage starts activities on devices. Its error is one that all others would meet too.
func (t *turn) startPage(a *activity, c *goalcast.LiveChannel, m *goalcast.Snapshot, attributes json.RawMessage,
	devices []goalcast.LiveDevice) error {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	slots := make(chan struct{}, startsAtime)
	var all sync.WaitGroup
	for _, d := range devices {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := t.startOne(ctx, a, c.ID, m, attributes, d); errors.Is(err, ErrDenied) {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// startOne starts an activity on one device. It tries again only what the service did not take.
func (t *turn) startOne(ctx context.Context, a *activity, channel string, m *goalcast.Snapshot,
	attributes json.RawMessage, d goalcast.LiveDevice) error {
	for pause := interval; ; pause = min(2*pause, maxPause) {
		now := a.shown.Load()
		p := Push{Match: m.ID, Event: Start, State: now.state, At: now.at, High: true, Channel: channel,
			Type: AttributesType, Attributes: attributes, Title: m.Home.Name + " – " + m.Away.Name,
			Body: startedIn(d.Language)}
		p.Stale = p.At.Add(t.cfg.Fresh)
		p.Expires = p.At.Add(t.cfg.Fresh)
		err := t.keeper.Start(ctx, d.Token, p)
		if ended(ctx, err) {
			return err
		}
		t.metrics.starts.WithLabelValues(result(err)).Inc()
		var busy *BusyError
		switch {
		case errors.Is(err, ErrNoDevice):
			if err := t.store.ForgetLiveToken(ctx, d.ID, d.Token); err != nil {
				t.log.Warn("live activities: forget a token", "error", err)
			}
			return nil
		case !errors.As(err, &busy):
			return err
		case pause >= maxPause:
			return nil // it would come too late
		}
		select {
		case <-time.After(max(pause, busy.After)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
