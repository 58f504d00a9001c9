package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"goalcast"
)

// Lines of commentary in an answer: those of a list that did not say limit, and the highest limit.
// A long match has some 250.
const (
	defaultCommentary = 50
	maxCommentary     = 500
)

// commentaryOf names the newest lines of a commentary; an empty language is English, or else the
// first there is.
type commentaryOf struct {
	match    goalcast.MatchID
	language string
	page     page
}

// commentaryPage is the answer of /v1/matches/{id}/commentary.
type commentaryPage struct {
	Match     goalcast.MatchID          `json:"match"`
	Language  string                    `json:"language"`
	Languages []string                  `json:"languages"` // that there are
	Lines     []goalcast.CommentaryLine `json:"lines"`     // newest first
	pageEnd
}

// getCommentary serves a match in words. A match without commentary is not found, and so is one
// without commentary in the language asked for.
func (s *Server) getCommentary(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "lang", "limit", "after")
	key := commentaryOf{goalcast.MatchID(id), q.label("lang"), q.page(defaultCommentary, maxCommentary)}
	if q.err != nil {
		return q.err
	}
	if err := s.maySeeMatch(w, r, key.match); err != nil {
		return err
	}
	a, err := s.commentaries.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		page, err := s.commentary(ctx, key)
		if err != nil {
			return nil, err
		}
		a, err := s.encoder.json(page, cacheLive)
		if err == nil {
			a.link = page.link(r, "lang", page.Language)
		}
		return a, err
	})
	if err != nil {
		return fmt.Errorf("commentary of match %d: %w", id, err)
	}
	return a.serve(w, r, s.cfg.Now())
}

func (s *Server) commentary(ctx context.Context, key commentaryOf) (commentaryPage, error) {
	page := commentaryPage{Match: key.match, Language: key.language}
	var err error
	if page.Languages, err = s.store.CommentaryLanguages(ctx, key.match); err != nil {
		return page, err
	}
	if page.Language == "" && len(page.Languages) > 0 {
		page.Language = page.Languages[0]
		if slices.Contains(page.Languages, "en") {
			page.Language = "en"
		}
	}
	if !slices.Contains(page.Languages, page.Language) {
		return page, goalcast.ErrNotFound
	}
	lines, err := s.store.Commentary(ctx, key.match, page.Language, key.page.after, key.page.limit+1)
	page.Lines, page.pageEnd = endPage(lines, key.page.limit, func(l goalcast.CommentaryLine) string { return l.ID })
	return page, err
}
