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

// Authenticator says who a request speaks for. Errors: goalcast.ErrUnauthorized for one that does
// not say, or not well enough; goalcast.ErrUnavailable where whoever knows cannot be asked.
type Authenticator interface {
	Authenticate(*http.Request) (goalcast.Person, error)
}

// Tokens says who a token speaks for, with the same errors. An identity.Verifier does.
type Tokens interface {
	Verify(ctx context.Context, token string) (goalcast.Person, error)
}

// TokenIdentity takes what Tokens takes, as a bearer token.
type TokenIdentity struct{ Tokens Tokens }

// Authenticate implements Authenticator.
func (t TokenIdentity) Authenticate(r *http.Request) (goalcast.Person, error) {
	token, ok := bearer(r)
	if !ok {
		return goalcast.Person{}, goalcast.ErrUnauthorized
	}
	return t.Tokens.Verify(r.Context(), token)
}

// BearerIdentity takes random tokens only: see Anonymous.
type BearerIdentity struct{}

// Authenticate implements Authenticator.
func (BearerIdentity) Authenticate(r *http.Request) (goalcast.Person, error) {
	token, _ := bearer(r)
	user, ok := Anonymous(token)
	if !ok {
		return goalcast.Person{}, goalcast.ErrUnauthorized
	}
	return goalcast.Person{User: user, Role: goalcast.Viewer}, nil
}

// identityText is 32 characters or more of base64url or hex: 128 bits at least if they are random.
var identityText = regexp.MustCompile(`^[A-Za-z0-9_-]{32,512}$`)

// Anonymous says whose a random token is: an app makes it up once for its user and keeps it, nobody
// registers. Who has the token is the user. It is neither stored nor logged, only its hash is, as
// the UserID. Tokens that are plainly not random are refused; whether one is, nobody can see.
func Anonymous(token string) (user goalcast.UserID, ok bool) {
	if !identityText.MatchString(token) || patterned(token) {
		return "", false
	}
	sum := sha256.Sum256([]byte(token))
	return goalcast.UserID(base64.RawURLEncoding.EncodeToString(sum[:])[:22]), true // 132 bits
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
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// userHandler is a handler of what is a user's own.
type userHandler func(http.ResponseWriter, *http.Request, goalcast.UserID) error

// personHandler is one that asks more of who it is.
type personHandler func(http.ResponseWriter, *http.Request, goalcast.Person) error

// asUser lets a request through once it is known whose it is and neither address nor user asks too
// often.
func (s *Server) asUser(h userHandler) personHandler {
	return func(w http.ResponseWriter, r *http.Request, p goalcast.Person) error {
		if q := newQuery(r); q.err != nil {
			return q.err
		}
		return h(w, r, p.User)
	}
}

// asPerson lets a request of a viewer through. The address comes first, so that guessing tokens is
// limited too.
func (s *Server) asPerson(h personHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.take(r.Context(), w, "rate_ip", addressKey(r.Context()), s.cfg.IPRate); err != nil {
			return err
		}
		p, err := s.authenticate(r)
		if err != nil {
			return err
		}
		if p.Role < goalcast.Viewer {
			return needs(goalcast.Viewer)
		}
		if err := s.take(r.Context(), w, "rate_user", "user:"+string(p.User), s.cfg.UserRate); err != nil {
			return err
		}
		return h(w, r, p)
	}
}

// authenticate finds out who a request speaks for.
func (s *Server) authenticate(r *http.Request) (goalcast.Person, error) {
	p, err := s.who.Authenticate(r)
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, goalcast.ErrUnauthorized) && r.Header.Get("Authorization") != "":
		return p, badBearer("the token is not valid, or no longer: want one of an issuer that is known here, or, " +
			"where it is taken, a random one of 32 to 512 characters (A-Z a-z 0-9 - _)")
	}
	return p, fmt.Errorf("identity: %w", err)
}

// authenticateOnce is authenticate for what several steps of one request want to know.
func (s *Server) authenticateOnce(r *http.Request) (goalcast.Person, error) {
	x := exchangeOf(r.Context())
	if x.person != nil {
		return *x.person, nil
	}
	p, err := s.authenticate(r)
	if err == nil {
		x.person = &p
	}
	return p, err
}

// needs refuses somebody who is known and has too low a role.
func needs(role goalcast.Role) error {
	p := problem.New(http.StatusForbidden, "forbidden", "this needs the role "+role.String())
	p.Challenge = `Bearer realm="goalcast", error="insufficient_scope"`
	return p
}

// adminToken is a configured token: its hash, so that comparing takes the same time for every text.
type adminToken struct {
	role   goalcast.Role
	name   string // of it, else the role's
	digest [sha256.Size]byte
}

// adminTokens reads the configuration. Roles that do not exist and empty tokens give no right; cmd
// refuses to start with them.
func adminTokens(byRole map[string][]string) []adminToken {
	var tokens []adminToken
	for name, list := range byRole {
		for _, token := range list {
			role, called, named := strings.Cut(name, ":")
			if !named {
				called = role
			}
			if r, ok := goalcast.ParseRole(role); ok && r >= goalcast.Editor && token != "" {
				tokens = append(tokens, adminToken{role: r, name: called, digest: sha256.Sum256([]byte(token))})
			}
		}
	}
	return tokens
}

type adminKey struct{}

// adminOf is who asAdmin found: as the user "token:NAME" if it was by a configured token.
func adminOf(ctx context.Context) goalcast.Person {
	p, _ := ctx.Value(adminKey{}).(goalcast.Person)
	return p
}

// roleOf is the role that asAdmin found.
func roleOf(ctx context.Context) goalcast.Role { return adminOf(ctx).Role }

// asAdmin lets a request through that shows a token of the role or a higher one: one of the
// configuration, or one of an issuer.
func (s *Server) asAdmin(need goalcast.Role, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if len(*s.admins.Load()) == 0 && !s.logins {
			return problem.New(http.StatusForbidden, "admin_disabled", "no admin tokens are configured")
		}
		p, err := s.administrator(w, r)
		switch {
		case err != nil:
			return err
		case p.Role < need:
			return needs(need)
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), adminKey{}, p)))
	}
}

const wantAdmin = "want Authorization: Bearer and an admin token"

// administrator finds out who asks for something of /admin.
func (s *Server) administrator(w http.ResponseWriter, r *http.Request) (goalcast.Person, error) {
	token, _ := bearer(r)
	digest := sha256.Sum256([]byte(token))
	var have adminToken
	for _, a := range *s.admins.Load() { // all of them, also after a match
		if subtle.ConstantTimeCompare(a.digest[:], digest[:]) == 1 {
			if a.role > have.role {
				have = a
			}
		}
	}
	if have.role > goalcast.NoRole {
		return goalcast.Person{Role: have.role, User: goalcast.UserID("token:" + have.name)}, nil
	}
	if token == "" {
		return goalcast.Person{}, unauthorized(wantAdmin)
	}
	if err := s.mayGuess(r, "admin"); err != nil {
		return goalcast.Person{}, err
	}
	if s.logins {
		p, err := s.authenticate(r)
		if err != nil && problemOf(err).Status == http.StatusUnauthorized {
			err = s.guessed(w, r, "admin", err)
		}
		if err != nil {
			return p, err
		}
		if p.Login { // whoever is anonymous is no administrator, whatever else
			return p, nil
		}
	}
	return goalcast.Person{}, s.guessed(w, r, "admin", badBearer(wantAdmin))
}
