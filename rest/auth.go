package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"goalcast"
	"goalcast/internal/problem"
)

// ErrUnauthorized is what an Authenticator returns for a request that does not say, or not well
// enough, who it speaks for.
var ErrUnauthorized = errors.New("unauthorized")

// Authenticator says who a request to /v1/me speaks for. Errors: ErrUnauthorized;
// goalcast.ErrUnavailable where whoever knows cannot be asked.
type Authenticator interface {
	Authenticate(*http.Request) (goalcast.UserID, error)
}

// BearerIdentity takes a random token for the user: the app makes it up once and keeps it, nobody
// registers. Who has the token is the user. It is neither stored nor logged, only its hash is, as
// the UserID. Tokens that are plainly not random are refused; whether one is, nobody can see.
type BearerIdentity struct{}

// identityText is 32 characters or more of base64url or hex: 128 bits at least if they are random.
var identityText = regexp.MustCompile(`^[A-Za-z0-9_-]{32,512}$`)

// Authenticate implements Authenticator.
func (BearerIdentity) Authenticate(r *http.Request) (goalcast.UserID, error) {
	token, ok := bearer(r)
	if !ok || !identityText.MatchString(token) || patterned(token) {
		return "", ErrUnauthorized
	}
	sum := sha256.Sum256([]byte(token))
	return goalcast.UserID(base64.RawURLEncoding.EncodeToString(sum[:])[:22]), nil // 132 bits
}

// What a random token has. Of 32 random hexadecimal digits, the weakest that is taken, one in 10^9
// fails any of these.
const (
	minDistinct = 7 // different characters
	// Of its groups of three characters no more than a quarter are repeats: words, dates and
	// counters that are written again and again have more.
	maxRepeats = 4
	// Of its characters no more than two thirds are the one before, or its neighbour in ASCII:
	// "0123456789", "aaaa".
	maxStepsOf, maxSteps = 3, 2
)

// patterned says whether a token is plainly not random.
func patterned(text string) bool {
	var seen [256]bool
	groups := map[string]bool{}
	distinct, steps, repeats := 0, 0, 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			distinct++
		}
		if i > 0 && max(text[i], text[i-1])-min(text[i], text[i-1]) <= 1 {
			steps++
		}
		if i > 1 {
			if group := text[i-2 : i+1]; groups[group] {
				repeats++
			} else {
				groups[group] = true
			}
		}
	}
	return distinct < minDistinct || repeats*maxRepeats > len(text)-2 || steps*maxStepsOf > (len(text)-1)*maxSteps
}

// bearer is the token of the Authorization header.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// userHandler is a handler of /v1/me.
type userHandler func(http.ResponseWriter, *http.Request, goalcast.UserID) error

// asUser lets a request through once it is known whose it is and neither address nor user asks too
// often. The address comes first, so that guessing tokens is limited too.
func (s *Server) asUser(h userHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.take(r.Context(), "rate_ip", addressKey(r.Context()), s.cfg.IPRate); err != nil {
			return err
		}
		user, err := s.who.Authenticate(r)
		if err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		if err := s.take(r.Context(), "rate_user", "user:"+string(user), s.cfg.UserRate); err != nil {
			return err
		}
		if q := newQuery(r); q.err != nil {
			return q.err
		}
		return h(w, r, user)
	}
}

// role is what an admin token allows; a higher one may all that a lower one may.
type role int

const (
	editor   role = iota + 1 // messages
	operator                 // documents and replays as well
)

var roleNames = map[string]role{"editor": editor, "operator": operator}

func (r role) String() string {
	switch r {
	case editor:
		return "editor"
	case operator:
		return "operator"
	}
	return "none"
}

// adminToken is a configured token: its hash, so that comparing takes the same time for every text.
type adminToken struct {
	role   role
	digest [sha256.Size]byte
}

// adminTokens reads the configuration. Roles that do not exist and empty tokens give no right; cmd
// refuses to start with them.
func adminTokens(byRole map[string][]string) []adminToken {
	var tokens []adminToken
	for name, list := range byRole {
		for _, token := range list {
			if r, ok := roleNames[name]; ok && token != "" {
				tokens = append(tokens, adminToken{role: r, digest: sha256.Sum256([]byte(token))})
			}
		}
	}
	return tokens
}

type roleKey struct{}

// roleOf is the role that asAdmin found.
func roleOf(ctx context.Context) role {
	r, _ := ctx.Value(roleKey{}).(role)
	return r
}

// asAdmin lets a request through that shows a token of the role or a higher one.
func (s *Server) asAdmin(need role, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		admins := *s.admins.Load()
		if len(admins) == 0 {
			return problem.New(http.StatusForbidden, "admin_disabled", "no admin tokens are configured")
		}
		token, _ := bearer(r)
		digest := sha256.Sum256([]byte(token))
		var have role
		for _, a := range admins { // all of them, also after a match
			if subtle.ConstantTimeCompare(a.digest[:], digest[:]) == 1 {
				have = max(have, a.role)
			}
		}
		switch {
		case have == 0:
			return unauthorized("want Authorization: Bearer and an admin token")
		case have < need:
			return problem.New(http.StatusForbidden, "forbidden", "this needs the role "+need.String())
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), roleKey{}, have)))
	}
}
