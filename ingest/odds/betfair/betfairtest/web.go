package betfairtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// keys is the answer that lists an account's application keys.
func keys(key string, delayed bool) string {
	return fmt.Sprintf(`[{"appName":"goalcast","appId":1,"appVersions":[{"owner":"o","versionId":1,"version":"1.0",`+
		`"applicationKey":%q,"delayData":%t,"subscriptionRequired":true,"ownerManaged":false,"active":true},`+
		`{"versionId":2,"version":"1.0-DELAY","applicationKey":"other-key","delayData":true,"active":true}]}]`, key,
		delayed)
}

// routes are Betfair's services besides the stream. They say that something is wrong with 200.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, f func(*http.Request) string) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			text := f(r)
			if text == "" {
				w.WriteHeader(http.StatusBadRequest)
				text = `{"faultcode":"Client","faultstring":"ANGX-0003"}`
			}
			fmt.Fprint(w, text)
		})
	}
	handle("/api/certlogin", s.login)
	handle("/api/keepAlive", func(r *http.Request) string {
		if token := r.Header.Get("X-Authentication"); s.tokens[token] {
			return fmt.Sprintf(`{"token":%q,"product":"x","status":"SUCCESS","error":""}`, token)
		}
		return `{"token":"","product":"x","status":"FAIL","error":"NO_SESSION"}`
	})
	handle("/exchange/account/rest/v1.0/getDeveloperAppKeys/", func(r *http.Request) string {
		if !s.tokens[r.Header.Get("X-Authentication")] {
			return ""
		}
		return s.keys
	})
	handle("/exchange/betting/rest/v1.0/listMarketCatalogue/", s.catalogue)
	return mux
}

func (s *Server) login(r *http.Request) string {
	if len(r.TLS.PeerCertificates) == 0 || r.Header.Get("X-Application") == "" {
		return `{"loginStatus":"CERT_AUTH_REQUIRED"}`
	}
	if r.PostFormValue("username") != User || r.PostFormValue("password") != Password {
		return `{"loginStatus":"INVALID_USERNAME_OR_PASSWORD"}`
	}
	s.logins++
	token := fmt.Sprint("login", s.logins)
	s.tokens[token] = true
	return fmt.Sprintf(`{"sessionToken":%q,"loginStatus":"SUCCESS"}`, token)
}

func (s *Server) catalogue(r *http.Request) string {
	s.asked++
	var in struct {
		Filter struct {
			Events []string `json:"eventIds"`
		} `json:"filter"`
	}
	if !s.tokens[r.Header.Get("X-Authentication")] || json.NewDecoder(r.Body).Decode(&in) != nil {
		return ""
	}
	var out []string
	for _, event := range in.Filter.Events {
		if name := s.names[event]; name != "" {
			out = append(out, name)
		}
	}
	return "[" + strings.Join(out, ",") + "]"
}
