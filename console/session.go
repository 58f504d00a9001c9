package console

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"goalcast"
)

// Sessions keeps what it is given under a digest, for all processes. The bus's is one. Errors:
// goalcast.ErrNotFound, goalcast.ErrUnavailable.
type Sessions interface {
	Put(ctx context.Context, digest string, value []byte, life time.Duration) error
	Get(ctx context.Context, digest string) ([]byte, error)
}

const (
	sessionLife = 8 * time.Hour // a shift
	// sessionLook is how long a session is believed to go on without asking: so much later, at
	// most, another process takes notice of a logout.
	sessionLook = 2 * time.Second
	sessionTime = time.Second // for asking
	// maxSessions is how many sessions a process remembers; beyond it those that end first are
	// asked for each time.
	maxSessions = 1000
)

// session is somebody at the page. What is kept of it for all processes is sealed with a key that
// only the cookie has; the cookie in turn has nothing but that. So neither gives the token away.
type session struct {
	Token string        `json:"token"`
	Role  goalcast.Role `json:"role"`
	User  string        `json:"user,omitempty"`
	Ends  time.Time     `json:"ends"`
}

// ended is kept instead of a session that was logged out, so that it differs from one that was
// lost.
var ended = []byte("ended")

// sessions are those that this process has seen. Their mutex guards known.
type sessions struct {
	store Sessions
	now   func() time.Time

	mu    sync.Mutex
	known map[string]known // by digest
}

// known is a session and when it was last found to go on.
type known struct {
	session
	looked time.Time
}

func newSessions(store Sessions, now func() time.Time) *sessions {
	return &sessions{store: store, now: now, known: map[string]known{}}
}

// secret is what a cookie holds: 256 random bits. It is both the name and the key of a session.
type secret []byte

func (s secret) digest() string {
	sum := sha256.Sum256(append([]byte("goalcast console session\x00"), s...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s secret) aead() cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s, nil, "goalcast console session key", 32)
	if err != nil {
		panic("hkdf: " + err.Error()) // a fixed length
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("aes: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("gcm: " + err.Error())
	}
	return aead
}

// begin makes a session and what its cookie holds. While nobody can keep it for all processes, this
// one knows it.
func (s *sessions) begin(ctx context.Context, one session) secret {
	cookie := make(secret, 32)
	_, _ = rand.Read(cookie) // never fails
	s.remember(cookie.digest(), known{session: one})
	s.keep(ctx, cookie, one)
	return cookie
}

// keep keeps a session for all processes.
func (s *sessions) keep(ctx context.Context, cookie secret, one session) {
	text, err := json.Marshal(one)
	if err != nil {
		panic("session: " + err.Error()) // texts and a time
	}
	digest := cookie.digest()
	s.put(ctx, digest, cookie.aead().Seal(nil, nil, text, []byte(digest)), one.Ends)
}

func (s *sessions) put(ctx context.Context, digest string, value []byte, ends time.Time) {
	if s.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	// An error means that other processes do not know it now; find tries again.
	_ = s.store.Put(ctx, digest, value, max(ends.Sub(s.now()), time.Second))
}

// find gives the session of a cookie; false if there is none, or no longer.
func (s *sessions) find(ctx context.Context, cookie secret) (session, bool) {
	digest := cookie.digest()
	s.mu.Lock()
	have, here := s.known[digest]
	s.mu.Unlock()
	now := s.now()
	if here && !now.Before(have.Ends) {
		s.forget(digest)
		return session{}, false
	}
	if here && (s.store == nil || now.Sub(have.looked) < sessionLook) {
		return have.session, true
	}
	one, err := s.read(ctx, cookie)
	switch {
	case err == nil && now.Before(one.Ends):
		s.remember(digest, known{one, now})
		return one, true
	case here && errors.Is(err, goalcast.ErrNotFound): // whoever kept it has lost it
		s.keep(ctx, cookie, have.session)
		s.remember(digest, known{have.session, now})
		return have.session, true
	case here && errors.Is(err, goalcast.ErrUnavailable):
		return have.session, true
	}
	s.forget(digest)
	return session{}, false
}

var errEnded = errors.New("it was ended")

// read asks whoever keeps sessions for all.
func (s *sessions) read(ctx context.Context, cookie secret) (one session, err error) {
	if s.store == nil {
		return one, errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	value, err := s.store.Get(ctx, cookie.digest())
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", goalcast.ErrUnavailable, err)
	}
	if err != nil {
		return one, err
	}
	if string(value) == string(ended) {
		return one, errEnded
	}
	text, err := cookie.aead().Open(nil, nil, value, []byte(cookie.digest()))
	if err != nil {
		return one, err
	}
	return one, json.Unmarshal(text, &one)
}

// end ends a session everywhere.
func (s *sessions) end(ctx context.Context, cookie secret) {
	digest := cookie.digest()
	s.forget(digest)
	s.put(context.WithoutCancel(ctx), digest, ended, s.now().Add(sessionLife))
}

func (s *sessions) remember(digest string, one known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[digest] = one
	if len(s.known) <= maxSessions {
		return
	}
	first := digest
	for d, k := range s.known {
		if k.Ends.Before(s.known[first].Ends) {
			first = d
		}
	}
	delete(s.known, first)
}

func (s *sessions) forget(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, digest)
}

// cookieName differs from port to port, which browsers do not keep cookies apart by: whoever looks
// at two installations through two tunnels is logged in to both.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "goalcast_console"
	}
	return "goalcast_console_" + port
}

// cookieOf reads the cookie of a request; nil if there is none.
func cookieOf(r *http.Request) secret {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(text) != 32 {
		return nil
	}
	return text
}

// setCookie gives a browser the cookie of a session; a nil one takes it away.
func setCookie(w http.ResponseWriter, r *http.Request, cookie secret, life time.Duration) {
	c := &http.Cookie{Name: cookieName(r), Value: base64.RawURLEncoding.EncodeToString(cookie), Path: Path,
		MaxAge: max(int(life.Seconds()), 1), HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode}
	if cookie == nil {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
