package rest

import (
	"net/http"

	"goalcast"
	"goalcast/internal/problem"
)

// viewer is who reads something that not everybody may see: nobody in particular without a token.
// A token that is none is refused, so that an app notices that its own has ended.
func (s *Server) viewer(w http.ResponseWriter, r *http.Request) (goalcast.Person, error) {
	if !s.logins || r.Header.Get("Authorization") == "" {
		return goalcast.Person{}, nil
	}
	if err := s.mayGuess(r, "viewer"); err != nil {
		return goalcast.Person{}, err
	}
	p, err := s.authenticateOnce(r)
	if err != nil && problemOf(err).Status == http.StatusUnauthorized {
		err = s.guessed(w, r, "viewer", err)
	}
	return p, err
}

// maySeeOdds refuses those who may not see prices.
func (s *Server) maySeeOdds(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.OddsPublic {
		return nil
	}
	p, err := s.viewer(w, r)
	switch {
	case err != nil:
		return err
	case !p.Rights.Have(goalcast.RightOdds):
		return problem.New(http.StatusForbidden, "odds_not_public", "prices are not public here: they need a login "+
			"that may see them")
	}
	return nil
}
