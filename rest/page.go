package rest

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"sync"

	"github.com/go-chi/chi/v5"

	"goalcast"
	"goalcast/docs"
)

// pagePolicy lets the reference page load its own files and ask its own host, and nothing else. Its
// icons are data.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTypes are the types of the page's files by their ends. What has none of these is a license.
var pageTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8"}

// getPage serves the reference page and, by name, its parts.
func (s *Server) getPage() handler {
	made := sync.OnceValues(func() (map[string]*answer, error) {
		files, err := docs.Reference()
		answers := map[string]*answer{}
		for name, text := range files {
			answers[name] = s.encoder.text(cmp.Or(pageTypes[path.Ext(name)], "text/plain; charset=utf-8"), text,
				cacheFixed)
		}
		return answers, err
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		answers, err := made()
		if err != nil {
			return fmt.Errorf("reference page: %w", err)
		}
		a := answers[cmp.Or(chi.URLParam(r, "file"), "index.html")]
		if a == nil {
			return fmt.Errorf("reference page: %w", goalcast.ErrNotFound)
		}
		w.Header().Set("Content-Security-Policy", pagePolicy)
		return a.serve(w, r, s.cfg.Now())
	}
}
