package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"goalcast"
	"goalcast/internal/fold"
)

// References is what rest reads of teams, competitions and players apart from matches. The database
// is one.
type References interface {
	// Search finds what has words that begin like all words of a text; at most 500, in order.
	Search(context.Context, string) ([]goalcast.Found, error)
	Player(context.Context, goalcast.PlayerID) (goalcast.PlayerPage, error) // ErrNotFound
	// Seasons lists the newest first. ErrNotFound for a competition that is not known.
	Seasons(context.Context, goalcast.CompetitionID) ([]goalcast.Season, error)
	// Competitions lists by id, those after one.
	Competitions(ctx context.Context, after goalcast.CompetitionID, limit int) ([]goalcast.Competition, error)
}

const (
	// how long a search may be, in letters
	minSearch, maxSearch = 2, 50
	// what a search answers with: without limit, and at most
	defaultFound, maxFound = 20, 100
	// entries of other lists
	defaultEntries, maxEntries = 100, 500
)

// referenceOf names what the database knows among all of that, and to whom and in which language it
// is told.
type referenceOf struct {
	what   string
	rights goalcast.Rights
	names  naming
}

// reference answers with what the database knows, made once for all who ask within a few seconds.
func (s *Server) reference(w http.ResponseWriter, r *http.Request, what string, policy policy, names naming,
	read func(context.Context) (v any, link string, err error)) error {
	key := referenceOf{what, rightsOf(r), names}
	if key.rights != 0 { // what they are served is for them alone
		w.Header()["Cache-Control"] = unshared
	}
	a, err := s.references.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		v, link, err := read(ctx)
		if err != nil {
			return nil, err
		}
		a, err := s.encoder.json(v, policy)
		if err == nil {
			a.link = link
		}
		return a, err
	})
	if err != nil {
		return err
	}
	return a.serve(w, r, s.cfg.Now())
}

// searchPage is the answer of /v1/search.
type searchPage struct {
	Found []goalcast.Found `json:"found"` // teams, then competitions, then players, each by name
	pageEnd
}

// getSearch finds teams, competitions and players by the beginnings of their words.
func (s *Server) getSearch(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "q", "limit", "after", "lang")
	text, p := strings.TrimSpace(q.values.Get("q")), q.page(defaultFound, maxFound)
	words := strings.Join(fold.Query(text), " ")
	switch n := utf8.RuneCountInString(text); {
	case n < minSearch || n > maxSearch:
		q.fail("q", "want %d to %d letters", minSearch, maxSearch)
	case words == "":
		q.fail("q", "want letters or digits")
	}
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	key := fmt.Sprintf("search %s %d %s", words, p.limit, p.after)
	return s.reference(w, r, key, cachePlanned, names, func(ctx context.Context) (any, string, error) {
		found, err := s.store.Search(ctx, words)
		if err != nil {
			return nil, "", fmt.Errorf("search: %w", err)
		}
		found = slices.DeleteFunc(slices.Clone(found), func(f goalcast.Found) bool {
			return f.Kind == goalcast.CompetitionTopic.String() && s.hides(r, goalcast.CompetitionID(f.ID))
		})
		list, end, err := pageAfter(found, p, func(f goalcast.Found) string {
			return f.Kind + ":" + strconv.FormatInt(f.ID, 10)
		})
		for i := range list {
			list[i] = names.found(list[i])
		}
		return searchPage{list, end}, end.link(r), err
	})
}

// getPlayer serves a player and the squads he is and was in.
func (s *Server) getPlayer(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "lang")
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	key := fmt.Sprintf("player %d", id)
	return s.reference(w, r, key, cacheFinished, names, func(ctx context.Context) (any, string, error) {
		page, err := s.store.Player(ctx, goalcast.PlayerID(id))
		if err != nil {
			return nil, "", fmt.Errorf("player %d: %w", id, err)
		}
		seen := slices.DeleteFunc(slices.Clone(page.Squads), func(q goalcast.PlayerSquad) bool {
			return s.hides(r, q.Competition.ID)
		})
		if len(seen) == 0 && len(page.Squads) > 0 { // nobody knows him who may not see one of them
			return nil, "", fmt.Errorf("player %d: %w", id, goalcast.ErrNotFound)
		}
		for i, q := range seen {
			seen[i].Competition, seen[i].Team = names.competition(q.Competition), names.team(q.Team)
		}
		page.Squads = seen
		return page, "", err
	})
}

// seasonsPage is the answer of /v1/competitions/{id}/seasons.
type seasonsPage struct {
	Competition goalcast.CompetitionID `json:"competition"`
	Seasons     []goalcast.Season      `json:"seasons"` // the newest first
	pageEnd
}

// getSeasons lists the seasons of a competition.
func (s *Server) getSeasons(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "limit", "after")
	p := q.page(defaultEntries, maxEntries)
	if q.err != nil {
		return q.err
	}
	if err := s.maySeeCompetition(w, r, goalcast.CompetitionID(id)); err != nil {
		return err
	}
	key := fmt.Sprintf("seasons %d %d %s", id, p.limit, p.after)
	return s.reference(w, r, key, cacheFinished, naming{}, func(ctx context.Context) (any, string, error) {
		all, err := s.store.Seasons(ctx, goalcast.CompetitionID(id))
		if err != nil {
			return nil, "", fmt.Errorf("seasons of competition %d: %w", id, err)
		}
		list, end, err := pageAfter(all, p, func(a goalcast.Season) string { return a.Season })
		return seasonsPage{goalcast.CompetitionID(id), list, end}, end.link(r), err
	})
}

// competitionsPage is the answer of /v1/competitions.
type competitionsPage struct {
	Competitions []goalcast.Competition `json:"competitions"` // by id
	pageEnd
}

// getCompetitions lists the competitions that fixtures named.
func (s *Server) getCompetitions(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "limit", "after", "lang")
	limit, after, names := q.number("limit", defaultEntries, maxEntries), q.afterID(), s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	key := fmt.Sprintf("competitions %d %d", limit, after)
	return s.reference(w, r, key, cacheFinished, names, func(ctx context.Context) (any, string, error) {
		// one more tells whether there are more, and so many may be left out
		list, err := s.store.Competitions(ctx, goalcast.CompetitionID(after), limit+1+len(s.cfg.Private))
		if err != nil {
			return nil, "", fmt.Errorf("competitions: %w", err)
		}
		list = slices.DeleteFunc(slices.Clone(list), func(c goalcast.Competition) bool { return s.hides(r, c.ID) })
		list, end := endPage(list, limit, func(c goalcast.Competition) string {
			return strconv.FormatInt(int64(c.ID), 10)
		})
		for i := range list {
			list[i] = names.competition(list[i])
		}
		return competitionsPage{list, end}, end.link(r), nil
	})
}
