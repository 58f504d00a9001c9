// Package identitytest is an identity service for tests: a real HTTP server with a discovery
// document, keys that can be exchanged, tokens signed with RS256 and ES256, and introspection. It
// can be slow, away, or answer too much. A Server is shared by the test and its requests; what they
// share is locked.
package identitytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"goalcast/identity"
)

// Audience is whom tokens are for, unless they say otherwise.
const Audience = "goalcast"

// What a client of the introspection shows.
const ClientID, Secret = "goalcast", "introspection-secret-0001"

// Claims are what a token says, by name.
type Claims map[string]any

// Server is an issuer.
type Server struct {
	t    testing.TB
	http *httptest.Server

	mu      sync.Mutex // guards the rest
	keys    []key      // those that are published
	made    int
	fetches int               // of keys
	asked   map[string]int    // by opaque token
	words   map[string]Claims // about opaque tokens
	down    bool
	huge    bool
	slow    chan struct{} // nil: it is not
	waiting int           // requests that wait since it is slow
}

// key signs. The newest of its algorithm is used.
type key struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

// New starts a server with a key of RS256 and one of ES256. It ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, asked: map[string]int{}, words: map[string]Claims{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.publish)
	mux.HandleFunc("POST /introspect", s.introspect)
	s.http = httptest.NewServer(s.weather(mux))
	t.Cleanup(func() { s.Slow(false); s.http.Close() })
	s.Rotate()
	return s
}

// URL is the issuer.
func (s *Server) URL() string { return s.http.URL }

// Issuer is a configuration for the server's JWTs.
func (s *Server) Issuer() identity.Issuer {
	return identity.Issuer{Name: "club", URL: s.URL(), Audiences: []string{Audience},
		Algorithms: []string{"RS256", "ES256"}}
}

// Asked is a configuration for the server's opaque tokens.
func (s *Server) Asked() identity.Issuer {
	return identity.Issuer{Name: "club-opaque", URL: s.URL(), Introspection: &identity.Introspection{
		URL: s.URL() + "/introspect", ClientID: ClientID, Secret: Secret}}
}

// RSAKey is one of the two RSA keys of all servers: what a server publishes first is the key 1, the
// next 0, and so on.
func RSAKey(n int) *rsa.PrivateKey { return rsaKeys()[n%2] }

// Making one takes half a second with the race detector.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

// Rotate exchanges the keys: tokens from before are signed with keys that are no longer published.
func (s *Server) Rotate() {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	s.keys = []key{
		{fmt.Sprintf("rsa-%d", s.made), jose.RS256, rsaKeys()[s.made%2]},
		{fmt.Sprintf("ec-%d", s.made), jose.ES256, ec},
	}
}

// Down has the server drop every connection, or answer again.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Huge has the server answer with more than anybody should read.
func (s *Server) Huge(huge bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.huge = huge
}

// Slow has the server answer no longer; false lets those who wait have their answers.
func (s *Server) Slow(slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slow != nil {
		close(s.slow)
	}
	s.slow = nil
	if slow {
		s.slow = make(chan struct{})
	}
}

// Waiting counts the requests that came while it was slow.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// Fetches counts how often keys were asked for.
func (s *Server) Fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// Questions counts how often an opaque token was asked about.
func (s *Server) Questions(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[token]
}

// Say sets what introspection says about an opaque token; nil: that it is none.
func (s *Server) Say(token string, c Claims) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[token] = c
}

// Token signs claims with RS256. Those that are not there are those of a good token: iss, aud, sub,
// iat, and exp in an hour. A nil leaves one out.
func (s *Server) Token(c Claims) string { return s.Sign(jose.RS256, c) }

// Sign is Token with another algorithm.
func (s *Server) Sign(algorithm jose.SignatureAlgorithm, c Claims) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.algorithm == algorithm {
			return s.SignWith(algorithm, k.private, k.id, c)
		}
	}
	s.t.Fatalf("no key for %s", algorithm)
	return ""
}

// Public is the published RSA key.
func (s *Server) Public() *rsa.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0].private.Public().(*rsa.PublicKey)
}

// SignWith signs with any key, under any kid.
func (s *Server) SignWith(algorithm jose.SignatureAlgorithm, with any, kid string, c Claims) string {
	s.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: with},
		(&jose.SignerOptions{}).WithHeader("kid", kid).WithType("JWT"))
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := signer.Sign(s.Payload(c))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// Payload is the claims of a token as JSON.
func (s *Server) Payload(c Claims) []byte {
	all := Claims{"iss": s.URL(), "aud": Audience, "sub": "user-1", "iat": time.Now().Unix(),
		"exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, c)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// weather is what may befall a request.
func (s *Server) weather(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		down, huge, slow := s.down, s.huge, s.slow
		if slow != nil {
			s.waiting++
		}
		s.mu.Unlock()
		if slow != nil {
			select {
			case <-slow:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case down:
			panic(http.ErrAbortHandler)
		case huge:
			_, _ = w.Write([]byte(`{"active":true,"sub":"x","pad":"` + strings.Repeat("x", 4<<20) + `"}`))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, map[string]any{"issuer": s.URL(), "jwks_uri": s.URL() + "/keys",
		"introspection_endpoint": s.URL() + "/introspect"})
}

// publish gives the keys, among some that are of no use to whoever verifies.
func (s *Server) publish(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.fetches++
	var set jose.JSONWebKeySet
	for _, k := range s.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Use: "sig",
			Algorithm: string(k.algorithm)})
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.keys[0].private.Public(), KeyID: "for-encryption", Use: "enc"})
	s.mu.Unlock()
	text, err := json.Marshal(set)
	if err != nil {
		s.t.Error(err)
	}
	odd := `,{"kty":"oct","kid":"shared","k":"c2VjcmV0"},{"kty":"OKP","crv":"X448","kid":"odd","x":"AA"}]}`
	s.answer(w, json.RawMessage(strings.TrimSuffix(string(text), "]}")+odd))
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if id, secret, ok := r.BasicAuth(); !ok || id != ClientID || secret != Secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := r.PostFormValue("token")
	s.mu.Lock()
	s.asked[token]++
	said := s.words[token]
	s.mu.Unlock()
	answer := Claims{"active": said != nil}
	maps.Copy(answer, said)
	s.answer(w, answer)
}

func (s *Server) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that whoever asked has gone
}
