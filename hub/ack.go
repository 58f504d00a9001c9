package hub

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"goalcast"
	"goalcast/hub/shard"
)

// Viewers who are logged in on a phone may say which events they have shown. The hub finds out
// which revisions these are and hands them on, many at once, to where notifiers look. All of it may
// be lost at any point: then a phone gets a push of what its owner has seen.

const (
	// ackQueue is how many acks wait for the next batch at most.
	ackQueue = 10_000
	// ackPause is how long acks are collected for a batch, and ackBatch how many end it.
	ackPause = 50 * time.Millisecond
	ackBatch = 1000
	// ackAge is how old an event may be to be acked: of older ones no push is on its way that
	// anybody would look for.
	ackAge = time.Minute
	// ackLimit is how long a batch may take to be handed on.
	ackLimit = 2 * time.Second
)

// The outcomes of acks, as labels.
const (
	ackKept    = "kept"
	ackRate    = "rate"    // more than one viewer may send
	ackFull    = "full"    // too many wait already
	ackUnknown = "unknown" // no event of the last minute that this hub has told
	ackFailed  = "failed"  // it could not be handed on
)

var ackOutcomes = []string{ackKept, ackRate, ackFull, ackUnknown, ackFailed}

// ack says that a phone has shown the event with a cursor.
type ack struct {
	phone  goalcast.Phone
	cursor goalcast.Cursor
}

// phoneOf is who a viewer's acks are of; the zero value if none are wanted: nobody asks for them,
// or nobody knows whose they would be.
func (h *Hub) phoneOf(v *viewer) goalcast.Phone {
	if h.cfg.Seen == nil || v.device == "" || v.user == "" || v.transport != shard.WebSocket || v.replay != nil {
		return goalcast.Phone{}
	}
	return goalcast.Phone{User: v.user, Device: v.device}
}

// Acked takes what a viewer has shown, and how many acks were too many: it is part of shard.Door.
func (h *Hub) Acked(p goalcast.Phone, cursors []goalcast.Cursor, more int) {
	h.metrics.acks[ackRate].Add(float64(more))
	for _, c := range cursors {
		select {
		case h.acks <- ack{p, c}:
		default:
			h.metrics.acks[ackFull].Inc()
		}
	}
}

// ackLoop hands acks on in batches until the context ends.
func (h *Hub) ackLoop(ctx context.Context) error {
	if h.cfg.Seen == nil {
		return nil
	}
	for {
		var batch []ack
		select {
		case <-ctx.Done():
			return nil
		case first := <-h.acks:
			batch = append(batch, first)
		}
		pause := time.NewTimer(ackPause)
		for open := true; open && len(batch) < ackBatch; {
			select {
			case <-ctx.Done():
				open = false
			case <-pause.C:
				open = false
			case next := <-h.acks:
				batch = append(batch, next)
			}
		}
		pause.Stop()
		h.handOn(ctx, batch)
	}
}

// handOn finds the events of acks and hands them on.
func (h *Hub) handOn(ctx context.Context, batch []ack) {
	events := map[goalcast.Cursor]string{}
	list := make([]goalcast.Seen, 0, len(batch))
	for _, a := range batch {
		event, looked := events[a.cursor]
		if !looked {
			event = h.ackable(a.cursor, time.Now())
			events[a.cursor] = event
		}
		if event == "" {
			h.metrics.acks[ackUnknown].Inc()
			continue
		}
		list = append(list, goalcast.Seen{Event: event, Phone: a.phone})
	}
	if len(list) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, ackLimit)
	defer cancel()
	outcome := ackKept
	if err := h.cfg.Seen(limited, list); err != nil {
		outcome = ackFailed
		h.log.Debug("acks are lost, their pushes come", "acks", len(list), "error", err)
	}
	h.metrics.acks[outcome].Add(float64(len(list)))
}

// ackable is the revision (Event.KeyOfAll) that was told with a cursor a moment ago; empty if none
// was.
func (h *Hub) ackable(c goalcast.Cursor, now time.Time) string {
	h.mu.RLock()
	m := h.ring.told(c)
	h.mu.RUnlock()
	if m == nil || now.Sub(m.At) > ackAge {
		return ""
	}
	var f struct{ Event goalcast.Event }
	if err := json.Unmarshal(m.JSON(), &f); err != nil {
		h.log.Error("an event of the ring cannot be read", "cursor", c.String(), "error", err)
		return ""
	}
	return f.Event.KeyOfAll()
}

// told finds an event by its cursor; nil if it is not here.
func (r *ring) told(c goalcast.Cursor) *shard.Event {
	if c.Epoch != r.epoch {
		return nil
	}
	list := r.events.list
	i, found := slices.BinarySearchFunc(list, c.Offset, byOffset)
	if !found {
		return nil
	}
	return list[i]
}
