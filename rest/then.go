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
	at    int64  // ms since 1970; the minute of play where late is set
	late  bool   // for who has a delay: after a revision, but later than that
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
	case q.has("delay"):
		q.fail("delay", "want seq or at, or a delay")
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

// getMatchLate serves a match as it was so long ago, for who has the same delay on the live
// connection. While nothing has happened since, that is the match as it stands.
func (s *Server) getMatchLate(w http.ResponseWriter, r *http.Request, id goalcast.MatchID, delay time.Duration,
	q *query) error {
	if q.has("lang") {
		q.fail("lang", "a match as it stood has the names that it was told with")
		return q.err
	}
	m, cursor, err := s.match(w, r, id)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	at, then := now.Add(-delay), *m
	late := m.Updated > at.UnixMilli()
	if late {
		if err = s.mayRead(w, r, readThen); err != nil {
			return err
		}
		if then, err = s.stoodAt(r.Context(), matchThen{match: id, seq: m.Seq, epoch: cursor.Epoch}, at); err != nil {
			return fmt.Errorf("match %d as it was: %w", id, err)
		}
	}
	key := matchThen{match: id, seq: then.Seq, epoch: cursor.Epoch, late: true, at: int64(then.Minute(at))}
	a, err := s.thens.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		if late {
			return s.matchThen(ctx, key)
		}
		return s.encoder.match(then, goalcast.Cursor{}, int(key.at), liveActivity{})
	})
	if err != nil {
		return fmt.Errorf("match %d as it was: %w", id, err)
	}
	mayKeep(w, cacheLive.field())
	return s.serveFromBoard(w, r, a, now)
}

// step is where a match stood from a moment on.
type step struct {
	at   time.Time
	snap goalcast.Snapshot // Seq and what its clock is read from: Period, Started
}

// stoodAt finds where a match stood at a moment, of which a step tells; newest names its newest
// revision. Before the first it is not found.
func (s *Server) stoodAt(ctx context.Context, newest matchThen, at time.Time) (snap goalcast.Snapshot, err error) {
	steps, err := s.steps.Get(ctx, newest, func(ctx context.Context) ([]step, error) { return s.stepsOf(ctx, newest) })
	if err != nil {
		return snap, err
	}
	for _, st := range steps {
		if st.at.After(at) {
			break
		}
		snap = st.snap
	}
	if snap.Seq == 0 {
		return snap, goalcast.ErrNotFound
	}
	return snap, nil
}

// stepsOf reads where a match stood at each moment that a delay leads to, until its next revision:
// so that its history is read once for all delays, and not each second.
func (s *Server) stepsOf(ctx context.Context, key matchThen) (steps []step, err error) {
	oldest := s.cfg.Now().Add(-goalcast.MaxDelay * time.Second)
	var m goalcast.Snapshot
	err = s.history(ctx, key.match, func(rev goalcast.Revision) bool {
		if rev.Event.Seq > key.seq {
			return false
		}
		m.Take(rev.Event)
		if len(steps) == 1 && !rev.At.After(oldest) {
			steps = steps[:0]
		}
		steps = append(steps, step{rev.At, goalcast.Snapshot{Seq: m.Seq, Period: m.Period, Started: m.Started}})
		return true
	})
	return steps, err
}

// history reads the revisions of a match in order until take answers false.
func (s *Server) history(ctx context.Context, match goalcast.MatchID, take func(goalcast.Revision) bool) error {
	after := int64(0)
	for n := 0; ; {
		page, err := s.store.Revisions(ctx, match, after, historyPage)
		if err != nil {
			return err
		}
		for _, rev := range page {
			if !take(rev) {
				return nil
			}
			after = rev.Event.Seq
			if n++; n > maxHistory {
				return problem.New(http.StatusUnprocessableEntity, "too_long",
					fmt.Sprintf("more than %d revisions", maxHistory))
			}
		}
		if len(page) < historyPage {
			return nil
		}
	}
}

// matchThen makes a match as it was. It is not found before its first revision.
func (s *Server) matchThen(ctx context.Context, key matchThen) (*answer, error) {
	var m goalcast.Snapshot
	then := time.UnixMilli(key.at)
	err := s.history(ctx, key.match, func(rev goalcast.Revision) bool {
		if key.seq > 0 && rev.Event.Seq > key.seq || key.seq == 0 && rev.At.After(then) {
			return false
		}
		m.Take(rev.Event)
		if key.seq > 0 {
			then = rev.At
		}
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case key.seq > 0 && m.Seq != key.seq: // what is on the board is committed
		return nil, fmt.Errorf("%w: revision %d is not there", goalcast.ErrUnavailable, key.seq)
	case m.Seq == 0:
		return nil, goalcast.ErrNotFound
	}
	minute := m.Minute(then)
	if key.late {
		minute = int(key.at)
	}
	return s.encoder.match(m, goalcast.Cursor{}, minute, liveActivity{})
}
