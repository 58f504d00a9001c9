package rest

import (
	"context"
	"fmt"
	"net/http"

	"goalcast"
)

// squadOf names a squad; an empty season and competition 0 are the newest.
type squadOf struct {
	team        goalcast.TeamID
	competition goalcast.CompetitionID
	season      string
	names       naming
}

// getSquad serves who plays for a team.
func (s *Server) getSquad(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "competition", "season", "lang")
	key := squadOf{goalcast.TeamID(id), goalcast.CompetitionID(q.id("competition")), q.label("season"),
		s.naming(w, r, q)}
	if q.err != nil {
		return q.err
	}
	a, err := s.squads.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		squad, err := s.store.Squad(ctx, key.team, key.competition, key.season)
		if err != nil {
			return nil, err
		}
		a, err := s.encoder.json(key.names.squad(squad), cacheFinished)
		if err == nil {
			a.need = s.cfg.Private[squad.Competition.ID]
		}
		return a, err
	})
	if err == nil {
		err = s.maySee(w, r, a.need)
	}
	if err != nil {
		return fmt.Errorf("squad of team %d: %w", id, err)
	}
	return a.serve(w, r, s.cfg.Now())
}
