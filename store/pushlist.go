package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"goalcast"
)

// RecentPushes lists the events whose pushes were planned last, the newest first, behind a place,
// each with its batches counted by what became of them. Events of which there was nothing to tell
// are left out. An event that is planned again between two pages moves to the front of the list.
func (s *Store) RecentPushes(ctx context.Context, after goalcast.PushPlace, limit int) ([]goalcast.PushState, error) {
	behind, args := "", []any{limit}
	if !after.Planned.IsZero() {
		behind, args = ` AND (planned, event_id) < ($2, $3)`, append(args, toMillis(after.Planned), after.Event)
	}
	rows, err := s.query(ctx, `SELECT event_id, match_id, revision, state, since, planned, open, content FROM pushes
		WHERE planned > 0 AND state <> ''`+behind+` ORDER BY planned DESC, event_id DESC LIMIT $1`, args...)
	list, err := collect(rows, err, scanPushState)
	if err != nil || len(list) == 0 {
		return nil, s.wrap("recent pushes", err)
	}
	place := make(map[string]int, len(list))
	args = make([]any, len(list))
	for i, p := range list {
		place[p.Event], args[i] = i, p.Event
	}
	rows, err = s.query(ctx, `SELECT event_id, state, reason, COUNT(*) FROM push_batches
		WHERE event_id IN `+valuesList(1, len(list), 1)+`
		GROUP BY event_id, state, reason ORDER BY event_id, state, reason`, args...)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var event string
		var c goalcast.PushCount
		err = row.Scan(&event, &c.State, &c.Reason, &c.Count)
		p := &list[place[event]]
		p.Batches = append(p.Batches, c)
		return none, err
	})
	return list, s.wrap("batches of recent pushes", err)
}

func scanPushState(row scanner) (p goalcast.PushState, err error) {
	var since, planned int64
	err = row.Scan(&p.Event, &p.Match, &p.Revision, &p.State, &since, &planned, &p.Open, &p.Content)
	p.Since, p.Planned = fromMillis(since), fromMillis(planned)
	return p, err
}

// PushFigures adds up what became of an event's pushes; the event is a PushRecord's. ErrNotFound.
func (s *Store) PushFigures(ctx context.Context, event string) (f goalcast.PushFigures, err error) {
	var withheld []byte
	var since, planned int64
	err = s.queryRow(ctx, `SELECT event_id, match_id, revision, state, since, planned, open, content, withheld
		FROM pushes WHERE event_id = $1`, event).Scan(&f.Event, &f.Match, &f.Revision, &f.State, &since, &planned,
		&f.Open, &f.Content, &withheld)
	if err != nil {
		return goalcast.PushFigures{}, s.wrap("figures of a push", err)
	}
	f.Since, f.Planned, f.Withheld = fromMillis(since), fromMillis(planned), readCounts(withheld)
	rows, err := s.query(ctx, `SELECT revision, state, reason, devices, tally FROM push_batches WHERE event_id = $1
		ORDER BY revision`, event)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var b batchEnd
		var tally []byte
		if err := row.Scan(&b.revision, &b.state, &b.reason, &b.devices, &tally); err != nil {
			return none, err
		}
		if json.Unmarshal(tally, &b.tally) != nil {
			b.tally = nil // none, or damage: its devices count as unsent
		}
		last := len(f.Revisions) - 1
		if last < 0 || f.Revisions[last].Revision != b.revision {
			f.Revisions = append(f.Revisions, goalcast.PushRevision{Revision: b.revision, Tally: goalcast.PushTally{},
				Unsent: map[string]int{}})
			last++
		}
		b.addTo(&f.Revisions[last])
		return none, nil
	})
	return f, s.wrap("figures of a push", err)
}

// batchEnd is what became of a batch, as far as anybody has said.
type batchEnd struct {
	revision      int
	state, reason string
	devices       int
	tally         goalcast.PushTally
}

// reasonNoDevice is why nothing was sent to a device that was deleted since the push was planned.
const reasonNoDevice = "no_device"

func (b batchEnd) addTo(r *goalcast.PushRevision) {
	reason, _, _ := strings.Cut(b.reason, ":") // what follows is what was wrong in particular
	at := slices.IndexFunc(r.Batches, func(c goalcast.PushCount) bool {
		return c.State == b.state && c.Reason == reason
	})
	if at < 0 {
		at = len(r.Batches)
		r.Batches = append(r.Batches, goalcast.PushCount{State: b.state, Reason: reason})
	}
	r.Batches[at].Count++
	r.Devices += b.devices
	r.Tally.Add(b.tally)
	rest := b.devices - b.tally.Done()
	switch {
	case rest <= 0:
	case b.state == goalcast.BatchPlanned, b.state == goalcast.BatchClaimed:
		r.Waiting += rest
	case b.state == goalcast.BatchSent:
		r.Unsent[reasonNoDevice] += rest
	default:
		r.Unsent[reason] += rest
	}
}
