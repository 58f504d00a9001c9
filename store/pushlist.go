package store

import (
	"context"

	"goalcast"
)

// RecentPushes lists the events whose pushes were planned last, the newest first, each with its
// batches counted by what became of them. Events of which there was nothing to tell are left out.
func (s *Store) RecentPushes(ctx context.Context, limit int) ([]goalcast.PushState, error) {
	rows, err := s.query(ctx, `SELECT event_id, match_id, revision, state, since, planned, open, content FROM pushes
		WHERE planned > 0 AND state <> '' ORDER BY planned DESC LIMIT $1`, limit)
	list, err := collect(rows, err, scanPushState)
	if err != nil || len(list) == 0 {
		return nil, s.wrap("recent pushes", err)
	}
	place := make(map[string]int, len(list))
	args := make([]any, len(list))
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
