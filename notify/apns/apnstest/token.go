package apnstest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How Apple wants provider tokens: none older than an hour, and on one connection a new one no
// sooner than 20 minutes after the one before.
const (
	tokenLife    = time.Hour
	tokenUpdates = 20 * time.Minute
	tokenSkew    = time.Minute // Apple's tolerance of a clock that is ahead is not documented
)

// tokens remembers which one each connection shows, by the client's address.
type tokens struct {
	shown map[string]shownToken
	seen  map[string]bool
}

type shownToken struct {
	text string
	made time.Time // its iat
}

// check refuses a request whose token is not as it must be.
func (t *tokens) check(r *http.Request, s *Server) refusal {
	text, bearer := strings.CutPrefix(r.Header.Get("authorization"), "bearer ")
	if !bearer || text == "" {
		return refusal{http.StatusForbidden, "MissingProviderToken"}
	}
	invalid := refusal{http.StatusForbidden, "InvalidProviderToken"}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || signed.Signatures[0].Header.KeyID != s.KeyID {
		return invalid
	}
	claims, err := signed.Verify(s.Key)
	var said struct {
		Issuer string `json:"iss"`
		Made   int64  `json:"iat"`
	}
	if err != nil || json.Unmarshal(claims, &said) != nil || said.Issuer != s.TeamID || said.Made == 0 {
		return invalid
	}
	now, made := s.now(), time.Unix(said.Made, 0)
	switch {
	case now.Sub(made) >= tokenLife:
		return refusal{http.StatusForbidden, "ExpiredProviderToken"}
	case made.Sub(now) > tokenSkew:
		return invalid
	}
	last := t.shown[r.RemoteAddr]
	switch {
	case text == last.text:
		return refusal{}
	case last.text != "" && made.Sub(last.made) < tokenUpdates:
		return refusal{http.StatusTooManyRequests, "TooManyProviderTokenUpdates"}
	}
	if t.shown == nil {
		t.shown, t.seen = map[string]shownToken{}, map[string]bool{}
	}
	t.shown[r.RemoteAddr] = shownToken{text, made}
	t.seen[text] = true
	return refusal{}
}

// Tokens is how many provider tokens were shown.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens.seen)
}
