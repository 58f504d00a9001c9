package rest

import (
	"fmt"
	"net/http"

	"goalcast"
	"goalcast/internal/problem"
)

// mergeBody is what an app sends after its user has logged in.
type mergeBody struct {
	Anonymous string `json:"anonymous"` // the random token that the app had until then
}

// postMerge gives a login what the app's user had as an anonymous one: nobody chooses their clubs
// twice. Whoever has the random token is that user, so that nothing else has to be shown. Once more
// finds nothing, and changes nothing.
func (s *Server) postMerge(w http.ResponseWriter, r *http.Request, p goalcast.Person) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	if !p.Login {
		return problem.New(http.StatusForbidden, "no_login", "only a login can be given what an anonymous user had; "+
			"the token is a random one itself")
	}
	var body mergeBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	from, ok := Anonymous(body.Anonymous)
	if !ok {
		return badParameter("anonymous", "want the random token of 32 to 512 characters (A-Z a-z 0-9 - _)")
	}
	merged, err := s.store.Merge(r.Context(), from, p.User)
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	s.log.Info("anonymous user merged into a login", "devices", merged.Devices, "follows", merged.Follows,
		"request", requestID(r.Context()))
	return writeJSON(w, http.StatusOK, merged)
}
