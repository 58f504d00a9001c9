package console

import (
	"net/http"
	"net/url"
	"strings"
)

// ours lets a request that changes something through only if a page of ours has sent it. Browsers
// say so in Sec-Fetch-Site, and over HTTP without TLS, where they do not, in Origin. What says
// neither is no browser with our cookie; programs have the API.
func (c *Console) ours(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sameOrigin(r) {
			c.fail(w, r, nil, &apiError{Status: http.StatusForbidden, Code: "foreign_origin",
				Detail: "this was not sent by the operator's page itself"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// secure says whether the browser speaks TLS, perhaps with a proxy in front of us.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://")
}
