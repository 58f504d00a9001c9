package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"goalcast"
)

// standingsOf names tables; an empty season is the newest.
type standingsOf struct {
	competition goalcast.CompetitionID
	season      string
	live        bool // as they stand
	names       naming
}

// standingsPage is the answer of /v1/competitions/{id}/standings.
type standingsPage struct {
	goalcast.Standings
	Version int64 `json:"version,omitempty"` // of the state it is; 0: the provider's tables
}

// getStandings serves the tables of a competition as the provider tells them or, with live=true, as
// they stand while matches are played.
func (s *Server) getStandings(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "season", "live", "lang")
	key := standingsOf{goalcast.CompetitionID(id), q.label("season"), q.word("live", "true", "false") == "true",
		s.naming(w, r, q)}
	if q.err != nil {
		return q.err
	}
	if err := s.maySeeCompetition(w, r, key.competition); err != nil {
		return err
	}
	cached := s.standings
	if key.live {
		if s.states == nil {
			return errNotHere
		}
		cached = s.liveTables
	}
	a, err := cached.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		return s.standingsOf(ctx, key)
	})
	if err != nil {
		return fmt.Errorf("standings of competition %d: %w", id, err)
	}
	return a.serve(w, r, s.cfg.Now())
}

func (s *Server) standingsOf(ctx context.Context, key standingsOf) (*answer, error) {
	if key.live {
		page, err := s.tableAsItStands(ctx, key)
		if err != nil {
			return nil, err
		}
		if page != nil {
			page.Standings = key.names.standings(page.Standings)
			return s.encoder.json(page, cacheLive)
		}
	}
	standings, err := s.store.Standings(ctx, key.competition, key.season)
	if err != nil {
		return nil, err
	}
	policy := cachePlanned
	if key.live { // a match may begin
		policy = cacheLive
	}
	return s.encoder.json(standingsPage{Standings: key.names.standings(standings)}, policy)
}

// tableAsItStands is the table that the bus has; nil if nothing was played lately in the season.
func (s *Server) tableAsItStands(ctx context.Context, key standingsOf) (*standingsPage, error) {
	states, err := s.states.States(ctx, goalcast.ForCompetition(key.competition))
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		if st.Key != goalcast.TableKey || st.Removed() {
			continue
		}
		page := &standingsPage{Version: st.Version}
		if err := json.Unmarshal(st.Value, &page.Standings); err != nil {
			return nil, fmt.Errorf("table on the bus: %w", err)
		}
		if key.season == "" || key.season == page.Season {
			return page, nil
		}
	}
	return nil, nil
}
