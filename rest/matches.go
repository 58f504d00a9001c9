package rest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"goalcast"
	"goalcast/docs"
)

// matchList is the answer of /v1/matches.
type matchList struct {
	Date    string      `json:"date"`
	Zone    string      `json:"tz"`
	Matches []matchItem `json:"matches"`
	More    bool        `json:"more,omitempty"` // there were more than the limit
}

// getMatches lists one day's matches by kick-off.
func (s *Server) getMatches(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "date", "tz", "competition", "team", "limit")
	d := q.day(s)
	limit := q.number("limit", s.cfg.DefaultMatches, s.cfg.MaxMatches)
	f := goalcast.MatchFilter{From: d.from, To: d.to, Limit: limit + 1, // one more tells whether there are more
		Competition: goalcast.CompetitionID(q.id("competition")), Team: goalcast.TeamID(q.id("team"))}
	if q.err != nil {
		return q.err
	}
	matches, err := s.board.Matches(r.Context(), f)
	if err != nil {
		return fmt.Errorf("matches of %s: %w", d.date, err)
	}
	list := matchList{Date: d.date, Zone: d.zone, More: len(matches) > limit}
	matches = matches[:min(limit, len(matches))]
	now := s.cfg.Now()
	list.Matches = matchItems(matches, now)
	p, err := jsonPage(list, cachePolicy(now, matches...))
	if err != nil {
		return err
	}
	return p.serve(w, r)
}

// getMatch serves a match with everything that is known of it.
func (s *Server) getMatch(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	m, cursor, err := s.board.Match(r.Context(), goalcast.MatchID(id))
	if err != nil {
		return fmt.Errorf("match %d: %w", id, err)
	}
	p, err := matchPage(m, cursor, s.cfg.Now())
	if err != nil {
		return err
	}
	if !cursor.IsZero() {
		w.Header().Set("Goalcast-Cursor", cursor.String())
	}
	return p.serve(w, r)
}

// teamPage is the answer of /v1/teams/{id}.
type teamPage struct {
	goalcast.Team
	Matches []matchItem `json:"matches"` // a week back, two weeks ahead
}

// getTeam serves a team and its matches around now.
func (s *Server) getTeam(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	team, err := s.store.Team(r.Context(), goalcast.TeamID(id))
	if err != nil {
		return fmt.Errorf("team %d: %w", id, err)
	}
	now := s.cfg.Now().UTC()
	matches, err := s.board.Matches(r.Context(), goalcast.MatchFilter{Team: team.ID,
		From: now.Add(-s.cfg.TeamBack), To: now.Add(s.cfg.TeamAhead), Limit: s.cfg.DefaultMatches})
	if err != nil {
		return fmt.Errorf("matches of team %d: %w", id, err)
	}
	p, err := jsonPage(teamPage{Team: team, Matches: matchItems(matches, now)}, cachePolicy(now, matches...))
	if err != nil {
		return err
	}
	return p.serve(w, r)
}

// competitionPage is the answer of /v1/competitions/{id}.
type competitionPage struct {
	goalcast.Competition
	matchList
}

// getCompetition serves a competition and its matches of a day.
func (s *Server) getCompetition(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "date", "tz")
	d := q.day(s)
	if q.err != nil {
		return q.err
	}
	comp, err := s.store.Competition(r.Context(), goalcast.CompetitionID(id))
	if err != nil {
		return fmt.Errorf("competition %d: %w", id, err)
	}
	matches, err := s.board.Matches(r.Context(), goalcast.MatchFilter{Competition: comp.ID, From: d.from, To: d.to, Limit: s.cfg.MaxMatches})
	if err != nil {
		return fmt.Errorf("matches of competition %d: %w", id, err)
	}
	now := s.cfg.Now()
	p, err := jsonPage(competitionPage{Competition: comp, matchList: matchList{Date: d.date, Zone: d.zone, Matches: matchItems(matches, now)}},
		cachePolicy(now, matches...))
	if err != nil {
		return err
	}
	return p.serve(w, r)
}

// getDescription serves one of the documents that describe goalcast's interfaces.
func (s *Server) getDescription(name string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		text, err := fs.ReadFile(docs.Files, name)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("description %s: %w", name, goalcast.ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("description %s: %w", name, err)
		}
		return page{contentType: "application/yaml", body: text, tag: tagOf(text), policy: cacheFixed}.serve(w, r)
	}
}
