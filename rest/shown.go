package rest

import (
	"fmt"
	"net/http"
	"regexp"

	"goalcast"
)

// oddsKey is what names of markets and selections look like.
var oddsKey = regexp.MustCompile(`^[A-Za-z0-9._:+/-]{1,100}$`)

// getOddsAt serves what was published of a selection at a moment.
func (s *Server) getOddsAt(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "match", "market", "selection", "at")
	for _, name := range []string{"match", "market", "selection", "at"} {
		if !q.has(name) {
			q.fail(name, "missing")
		}
	}
	match, at := goalcast.MatchID(q.id("match")), q.time("at")
	market, selection := q.key("market"), q.key("selection")
	if q.err != nil {
		return q.err
	}
	answer, err := s.store.OddsAt(r.Context(), match, market, selection, at)
	if err != nil {
		return fmt.Errorf("history of prices: %w", err)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// key names a market or a selection.
func (q *query) key(name string) string {
	text := q.values.Get(name)
	if text != "" && !oddsKey.MatchString(text) {
		q.fail(name, "want at most 100 letters, digits or . _ : + / -")
	}
	return text
}
