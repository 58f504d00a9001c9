package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// A match can be asked for as it stood: after a revision (seq), or at a moment (at). It is made by
// the one reducer from the revisions that are kept, and never changes after that.

const (
	// historyPage is how many revisions are read at once, maxHistory how many for one answer at
	// most: a long match has some 500.
	historyPage = 200
	maxHistory  = 10_000
	// historyReads is how many such answers are made at one time; others wait, at most Timeout.
	historyReads = 2
	// historySettles is how long ago a moment has to be for nothing to be added to it: clocks of
	// those that commit differ.
	historySettles = time.Minute
)

// matchThen names a match as it was: after a revision or, where seq is 0, at a moment.
type matchThen struct {
	match goalcast.MatchID
	seq   int64
	at    int64  // ms since 1970
	epoch string // of the bus: another one begins when the database came back without some revisions
}

// getMatchThen serves a match as it was.
func (s *Server) getMatchThen(w http.ResponseWriter, r *http.Request, id goalcast.MatchID, q *query) error {
	seq, at, now := q.id("seq"), q.time("at"), s.cfg.Now()
	switch {
	case q.has("seq") && q.has("at"):
		q.fail("at", "want seq or at")
	case q.has("at") && at.After(now):
		q.fail("at", "is yet to come")
	case q.has("lang"):
		q.fail("lang", "a match as it stood has the names that it was told with")
	}
	if q.err != nil {
		return q.err
	}
	if err := s.mayRead(w, r, readThen); err != nil {
		return err
	}
	m, cursor, err := s.match(w, r, id)
	if err != nil {
		return err
	}
	if seq > m.Seq {
		p := problem.New(http.StatusNotFound, "not_found", "this match has not come that far")
		p.Keep = futureAge
		return p
	}
	key := matchThen{match: id, seq: seq, epoch: cursor.Epoch}
	if seq == 0 {
		key.at = at.UnixMilli()
	}
	a, err := s.thens.Get(r.Context(), key, func(ctx context.Context) (*answer, error) { return s.matchThen(ctx, key) })
	if err != nil {
		return fmt.Errorf("match %d as it was: %w", id, err)
	}
	policy := forEver
	if seq == 0 && now.Sub(at) < historySettles {
		policy = cacheLive.field()
	}
	mayKeep(w, policy)
	return a.serve(w, r, now)
}

// matchThen makes a match as it was. It is not found before its first revision.
func (s *Server) matchThen(ctx context.Context, key matchThen) (*answer, error) {
	var m goalcast.Snapshot
	then := time.UnixMilli(key.at)
	for n, more := 0, true; more; {
		page, err := s.store.Revisions(ctx, key.match, m.Seq, historyPage)
		if err != nil {
			return nil, err
		}
		more = len(page) == historyPage
		for _, rev := range page {
			if key.seq > 0 && rev.Event.Seq > key.seq || key.seq == 0 && rev.At.After(time.UnixMilli(key.at)) {
				more = false
				break
			}
			m.Take(rev.Event)
			if n++; n > maxHistory {
				return nil, problem.New(http.StatusUnprocessableEntity, "too_long",
					fmt.Sprintf("more than %d revisions", maxHistory))
			}
			if key.seq > 0 {
				then = rev.At
			}
		}
	}
	switch {
	case key.seq > 0 && m.Seq != key.seq: // what is on the board is committed
		return nil, fmt.Errorf("%w: revision %d is not there", goalcast.ErrUnavailable, key.seq)
	case m.Seq == 0:
		return nil, goalcast.ErrNotFound
	}
	return s.encoder.match(m, goalcast.Cursor{}, m.Minute(then), "")
}
