package rest

import (
	"context"
	"fmt"
	"net/http"

	"goalcast"
)

// standingsOf names tables; an empty season is the newest.
type standingsOf struct {
	competition goalcast.CompetitionID
	season      string
	names       naming
}

// getStandings serves the tables of a competition as the provider tells them.
func (s *Server) getStandings(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "season", "lang")
	key := standingsOf{goalcast.CompetitionID(id), q.label("season"), s.naming(w, r, q)}
	if q.err != nil {
		return q.err
	}
	if err := s.maySeeCompetition(w, r, key.competition); err != nil {
		return err
	}
	a, err := s.standings.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		standings, err := s.store.Standings(ctx, key.competition, key.season)
		if err != nil {
			return nil, err
		}
		return s.encoder.json(key.names.standings(standings), cachePlanned)
	})
	if err != nil {
		return fmt.Errorf("standings of competition %d: %w", id, err)
	}
	return a.serve(w, r, s.cfg.Now())
}
