package rest

import (
	"context"
	"fmt"
	"net/http"

	"goalcast"
)

// Matches of private competitions are served to those with the right, and to all others as if there
// were no such thing: 404 for one, left out of lists. What those with a right are served no cache
// keeps, and none of it is made into what others are served.
//
// Where something is private, whoever shows a token is looked at, whatever they ask for: that a
// token is refused must not tell what there is. Answers vary by it for the same reason.

// looked finds out what a request may see.
func (s *Server) looked(h handler) handler {
	if len(s.cfg.Private) == 0 {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Add("Vary", "Authorization")
		p, err := s.viewer(w, r)
		if err != nil {
			return err
		}
		exchangeOf(r.Context()).rights = p.Rights & s.cfg.Private.All()
		return h(w, r)
	}
}

// rightsOf are those to private competitions that a request has; mostly none.
func rightsOf(r *http.Request) goalcast.Rights { return exchangeOf(r.Context()).rights }

// unshared is for what only some may see: no cache keeps it.
var unshared = []string{"private, no-store"}

// maySee answers those who lack a right that there is nothing; what others are served then is for
// them alone.
func (s *Server) maySee(w http.ResponseWriter, r *http.Request, need goalcast.Rights) error {
	switch {
	case need == 0:
		return nil
	case !rightsOf(r).Have(need):
		return goalcast.ErrNotFound
	}
	w.Header()["Cache-Control"] = unshared
	return nil
}

// hides says whether a request may not see a competition.
func (s *Server) hides(r *http.Request, id goalcast.CompetitionID) bool {
	return !rightsOf(r).Have(s.cfg.Private[id])
}

// mayKeep says how long caches may keep an answer, unless none may.
func mayKeep(w http.ResponseWriter, policy []string) {
	if h := w.Header(); h["Cache-Control"] == nil {
		h["Cache-Control"] = policy
	}
}

// match is the board's match, for those who may see it.
func (s *Server) match(w http.ResponseWriter, r *http.Request, id goalcast.MatchID) (*goalcast.Snapshot,
	goalcast.Cursor, error) {
	m, cursor, err := s.board.Match(r.Context(), id)
	if err == nil {
		err = s.maySee(w, r, s.cfg.Private.Match(m))
	}
	if err != nil {
		return nil, cursor, fmt.Errorf("match %d: %w", id, err)
	}
	return m, cursor, nil
}

// maySeeMatch is match for what is kept apart from it.
func (s *Server) maySeeMatch(w http.ResponseWriter, r *http.Request, id goalcast.MatchID) error {
	if len(s.cfg.Private) == 0 {
		return nil
	}
	_, _, err := s.match(w, r, id)
	return err
}

// maySeeCompetition is maySee for what a competition has.
func (s *Server) maySeeCompetition(w http.ResponseWriter, r *http.Request, id goalcast.CompetitionID) error {
	if err := s.maySee(w, r, s.cfg.Private[id]); err != nil {
		return fmt.Errorf("competition %d: %w", id, err)
	}
	return nil
}

// matchesFor is matches as one with such rights may see them. More are read in place of those that
// are left out, so that a page is full while there are more.
func (s *Server) matchesFor(ctx context.Context, f goalcast.MatchFilter, have goalcast.Rights) ([]goalcast.Snapshot,
	error) {
	if s.cfg.Private.All() == have {
		return s.matches(ctx, f)
	}
	var seen []goalcast.Snapshot
	for {
		some, err := s.matches(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if have.Have(s.cfg.Private.Match(&some[i])) && len(seen) < f.Limit {
				seen = append(seen, some[i])
			}
		}
		if len(seen) >= f.Limit || len(some) < f.Limit {
			return seen, nil
		}
		f.After = some[len(some)-1].Place()
	}
}
