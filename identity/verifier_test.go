package identity_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/identity"
	"goalcast/identity/identitytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type claims = identitytest.Claims

// world is a verifier of one issuer's tokens, with a clock that tests move.
type world struct {
	*identity.Verifier
	t      *testing.T
	issuer *identitytest.Server
	reg    *prometheus.Registry
	log    *logBuffer

	mu  sync.Mutex
	now time.Time
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newWorld makes it; change may change the configuration. Nothing runs but what the test asks for.
func newWorld(t *testing.T, change func(*identity.Config, *identitytest.Server)) *world {
	t.Helper()
	w := &world{t: t, issuer: identitytest.New(t), reg: prometheus.NewRegistry(), log: &logBuffer{}, now: time.Now()}
	cfg := identity.Config{Issuers: []identity.Issuer{w.issuer.Issuer()}, Now: w.clock,
		FetchTimeout: 20 * time.Second}
	if change != nil {
		change(&cfg, w.issuer)
	}
	for i, issuer := range cfg.Issuers {
		if err := errors.Join(issuer.Check(), issuer.Among(cfg.Issuers[:i])); err != nil {
			t.Fatal(err)
		}
	}
	anonymous := func(token string) (goalcast.UserID, bool) { return "made-up", strings.HasPrefix(token, "random-") }
	w.Verifier = identity.New(cfg, anonymous, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{
		Level: slog.LevelDebug})), w.reg)
	t.Cleanup(func() { // which ends idle connections
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.issuer.Slow(false)
		w.Run(ctx)
	})
	return w
}

func (w *world) good(token string) goalcast.Person {
	w.t.Helper()
	p, err := w.Verify(w.t.Context(), token)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.log)
	}
	return p
}

// bad wants a token to be none for a reason.
func (w *world) bad(token, reason string) {
	w.t.Helper()
	p, err := w.Verify(w.t.Context(), token)
	if !errors.Is(err, goalcast.ErrUnauthorized) || errors.Is(err, goalcast.ErrUnavailable) ||
		p != (goalcast.Person{}) || !strings.HasSuffix(err.Error(), ": "+reason) {
		w.t.Errorf("%+v, %v; want %s", p, err, reason)
	}
}

// unknown wants that nothing can be said of a token now.
func (w *world) unknown(token string) {
	w.t.Helper()
	if p, err := w.Verify(w.t.Context(), token); !errors.Is(err, goalcast.ErrUnavailable) ||
		errors.Is(err, goalcast.ErrUnauthorized) || p != (goalcast.Person{}) {
		w.t.Errorf("%+v, %v; want unavailable", p, err)
	}
}

func (w *world) at(d time.Duration) int64 { return w.clock().Add(d).Unix() }

func TestATokenSaysWhoSomebodyIs(t *testing.T) {
	w := newWorld(t, nil)
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
		p := w.good(w.issuer.Sign(algorithm, claims{"sub": "ann", "exp": w.at(time.Hour)}))
		if p.User == "" || strings.Contains(string(p.User), "ann") || !p.Login || p.Role != goalcast.Viewer ||
			p.Rights != 0 || p.Expires.Unix() != w.at(time.Hour) {
			t.Errorf("%s: %+v", algorithm, p)
		}
	}
	ann, bob := w.good(w.issuer.Token(claims{"sub": "ann"})), w.good(w.issuer.Token(claims{"sub": "bob"}))
	again := w.good(w.issuer.Token(claims{"sub": "ann", "x": 1}))
	if ann.User != again.User || ann.User == bob.User {
		t.Errorf("%s, %s, %s", ann.User, again.User, bob.User)
	}
	if n := w.issuer.Fetches(); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// A key is for the algorithm that it was published for, though it could do another.
func TestAKeyIsForItsAlgorithm(t *testing.T) {
	w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
		c.Issuers[0].Algorithms = []string{"RS256", "PS256"}
	})
	w.good(w.issuer.Token(nil))
	w.bad(w.issuer.SignWith(jose.PS256, identitytest.RSAKey(1), "rsa-1", nil), "key")
	w.bad(w.issuer.Sign(jose.ES256, nil), "algorithm")
}

// Two issuers' users of one name are two.
func TestUsersAreTheirIssuers(t *testing.T) {
	other := identitytest.New(t)
	w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
		second := other.Issuer()
		second.Name = "second"
		c.Issuers = append(c.Issuers, second)
	})
	if a, b := w.good(w.issuer.Token(nil)), w.good(other.Token(nil)); a.User == b.User {
		t.Errorf("both are %s", a.User)
	}
	// nor does one vouch for the other's
	w.bad(other.Sign(jose.ES256, claims{"iss": w.issuer.URL()}), "signature")
}

func TestWhatIsNoToken(t *testing.T) {
	w := newWorld(t, nil)
	good := w.issuer.Token(nil)
	w.good(good)
	w.pass(31 * time.Second) // one of them has keys fetched
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	public := []byte(w.issuer.Public().N.String())
	hidden := fmt.Sprintf(`{"alg":"HS256","kid":"%s"}`, "rsa-1")
	flipped := []byte(signature)
	if flipped[10]++; flipped[10] != 'B' {
		flipped[10] = 'A' // another letter, and one of base64
	}
	for _, c := range []struct{ name, token, reason string }{
		{"empty", "", "unknown"},
		{"text", "hello", "unknown"},
		{"too long", strings.Repeat("a", 9000), "too_long"},
		{"another issuer's", w.issuer.Token(claims{"iss": "https://elsewhere.example.org"}), "unknown"},
		{"issuer with a slash", w.issuer.Token(claims{"iss": w.issuer.URL() + "/"}), "unknown"},
		{"no issuer", w.issuer.Token(claims{"iss": nil}), "unknown"},
		{"alg none", part(`{"alg":"none"}`) + "." + payload + ".", "algorithm"},
		{"alg None", part(`{"alg":"None"}`) + "." + payload + ".", "algorithm"},
		{"without signature", head + "." + payload + ".", "signature"},
		{"HS256 with the public key", w.issuer.SignWith(jose.HS256, public, "rsa-1", nil), "algorithm"},
		{"HS256 header, RSA signature", part(hidden) + "." + payload + "." + signature, "algorithm"},
		{"RS512, which is not the issuer's", w.issuer.SignWith(jose.RS512, identitytest.RSAKey(1), "rsa-1", nil),
			"algorithm"},
		{"RS256 by another key's name", w.issuer.SignWith(jose.RS256, identitytest.RSAKey(1), "ec-1", nil), "key"},
		{"another key", w.issuer.SignWith(jose.RS256, identitytest.RSAKey(0), "rsa-1", nil), "signature"},
		{"a key for encryption", w.issuer.SignWith(jose.RS256, identitytest.RSAKey(1), "for-encryption", nil), "key"},
		{"changed signature", head + "." + payload + "." + string(flipped), "signature"},
		{"changed claims", head + "." + part(string(w.issuer.Payload(claims{"sub": "eve"}))) + "." + signature,
			"signature"},
		{"wrong audience", w.issuer.Token(claims{"aud": "shop"}), "audience"},
		{"wrong audiences", w.issuer.Token(claims{"aud": []string{"shop", "goalcast2"}}), "audience"},
		{"no audience", w.issuer.Token(claims{"aud": nil}), "audience"},
		{"no subject", w.issuer.Token(claims{"sub": nil}), "subject"},
		{"empty subject", w.issuer.Token(claims{"sub": ""}), "subject"},
		{"long subject", w.issuer.Token(claims{"sub": strings.Repeat("x", 256)}), "subject"},
		{"no exp", w.issuer.Token(claims{"exp": nil}), "expired"},
		{"expired", w.issuer.Token(claims{"exp": w.at(-31 * time.Second)}), "expired"},
		{"not yet", w.issuer.Token(claims{"nbf": w.at(32 * time.Second)}), "early"},
		{"made tomorrow", w.issuer.Token(claims{"iat": w.at(24 * time.Hour)}), "early"},
		{"three parts of nothing", "..", "unknown"},
		{"JSON serialization", `{"payload":"` + payload + `","protected":"` + head + `","signature":"` + signature + `"}`,
			"unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := &world{Verifier: w.Verifier, t: t, issuer: w.issuer, log: w.log, now: w.now}
			own.bad(c.token, c.reason)
		})
	}
	w.good(good)
}

// Clocks differ: a token is good a little longer than it says, and a little earlier.
func TestSkew(t *testing.T) {
	w := newWorld(t, nil)
	p := w.good(w.issuer.Token(claims{"exp": w.at(-10 * time.Second)}))
	if left := p.Expires.Sub(w.clock()); left <= 0 || left > 30*time.Second {
		t.Errorf("it is good for %s", left)
	}
	w.good(w.issuer.Token(claims{"nbf": w.at(25 * time.Second)}))
	w.good(w.issuer.Token(claims{"aud": []string{"shop", identitytest.Audience}}))
}

func TestRotatedKeysAreFetched(t *testing.T) {
	w := newWorld(t, nil)
	old := w.issuer.Token(nil)
	w.good(old)
	w.issuer.Rotate()
	fresh := w.issuer.Token(nil)
	w.unknown(fresh) // keys were fetched a moment ago; that it is none cannot be said
	w.good(old)      // whose key was good then
	w.pass(31 * time.Second)
	w.good(fresh)
	if n := w.issuer.Fetches(); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
	w.pass(31 * time.Second)
	w.bad(old, "key") // taken back
}

// Anybody can make up names of keys; the issuer must not be asked for each.
func TestAFloodOfUnknownKeysFetchesOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.good(w.issuer.Token(nil))
	w.pass(31 * time.Second)
	flood := func() {
		var all sync.WaitGroup
		for i := range 20 {
			token := w.issuer.SignWith(jose.RS256, identitytest.RSAKey(0), fmt.Sprint("made-up-", i), nil)
			all.Go(func() {
				if _, err := w.Verify(t.Context(), token); err == nil {
					t.Error("it is taken")
				}
			})
		}
		all.Wait()
	}
	flood()
	w.good(w.issuer.Token(nil))
	if n := w.issuer.Fetches(); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
	w.pass(29 * time.Second)
	flood()
	if n := w.issuer.Fetches(); n != 2 {
		t.Errorf("after 29 s: %d times", n)
	}
	w.pass(2 * time.Second)
	flood()
	if n := w.issuer.Fetches(); n != 3 {
		t.Errorf("after 31 s: %d times", n)
	}
}

// An issuer that cannot be asked makes no token bad.
func TestIssuerDown(t *testing.T) {
	for name, weather := range map[string]func(*identitytest.Server, bool){
		"down": (*identitytest.Server).Down, "huge": (*identitytest.Server).Huge, "slow": (*identitytest.Server).Slow,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
				if name == "slow" {
					c.FetchTimeout = 100 * time.Millisecond
				}
			})
			weather(w.issuer, true)
			token := w.issuer.Token(nil)
			w.unknown(token)
			if up := testutil.ToFloat64(gauge{w.reg, "goalcast_identity_issuer_up"}); up != 0 {
				t.Errorf("up is %v", up)
			}
			weather(w.issuer, false)
			w.pass(31 * time.Second)
			w.good(token)
			weather(w.issuer, true)
			w.pass(time.Minute)
			w.good(token) // whose key is known
			w.issuer.Rotate()
			fresh := w.issuer.Token(nil)
			w.unknown(fresh)
			w.good(token)
			weather(w.issuer, false)
			w.pass(31 * time.Second)
			w.good(fresh)
			log := w.log.String()
			if !strings.Contains(log, "does not answer") || !strings.Contains(log, "answers again") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// gauge collects one family, for testutil.
type gauge struct {
	reg  *prometheus.Registry
	name string
}

func (g gauge) Describe(chan<- *prometheus.Desc) {}

func (g gauge) Collect(ch chan<- prometheus.Metric) {
	families, _ := g.reg.Gather()
	for _, f := range families {
		if f.GetName() == g.name {
			for _, m := range f.GetMetric() {
				ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, "x", nil, nil), prometheus.GaugeValue,
					m.GetGauge().GetValue())
			}
		}
	}
}

// Whoever asks first may go away; the others wait for what it began.
func TestOneFetchServesAll(t *testing.T) {
	w := newWorld(t, nil)
	w.issuer.Slow(true)
	first, leave := context.WithCancel(t.Context())
	token := w.issuer.Token(nil)
	var all sync.WaitGroup
	all.Go(func() { _, _ = w.Verify(first, token) })
	for deadline := time.Now().Add(time.Minute); w.issuer.Waiting() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	leave()
	for range 10 {
		all.Go(func() {
			if _, err := w.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	w.issuer.Slow(false)
	all.Wait()
	if n := w.issuer.Fetches(); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// Run fetches keys before anybody needs them, and tries again.
func TestRunFetchesAhead(t *testing.T) {
	w := newWorld(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); w.issuer.Fetches() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.issuer.Down(true)
	w.good(w.issuer.Token(nil))
}

func TestClaimsGiveRolesAndRights(t *testing.T) {
	w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
		i := &c.Issuers[0]
		i.Roles = map[goalcast.Role]identity.Grant{
			goalcast.Editor:   {Claim: "groups", Values: []string{"editors", "chiefs"}},
			goalcast.Operator: {Claim: "realm_access.roles", Values: []string{"ops"}},
			goalcast.Admin:    {Claim: "https://example.org/admin", Values: []string{"true"}},
		}
		i.Odds = identity.Grant{Claim: "age", Values: []string{"18"}}
	})
	for _, c := range []struct {
		claims claims
		role   goalcast.Role
		rights goalcast.Rights
	}{
		{claims{}, goalcast.Viewer, 0},
		{claims{"groups": "editors"}, goalcast.Editor, 0},
		{claims{"groups": []string{"x", "chiefs"}}, goalcast.Editor, 0},
		{claims{"groups": []string{"editors-not"}}, goalcast.Viewer, 0},
		{claims{"groups": "x editors"}, goalcast.Viewer, 0}, // only a scope is a list of words
		{claims{"realm_access": claims{"roles": []string{"ops"}}, "groups": "editors"}, goalcast.Operator, 0},
		{claims{"realm_access": "ops"}, goalcast.Viewer, 0},
		{claims{"https://example.org/admin": true}, goalcast.Admin, 0},
		{claims{"https://example.org/admin": false}, goalcast.Viewer, 0},
		{claims{"age": 18}, goalcast.Viewer, goalcast.RightOdds},
		{claims{"age": 17}, goalcast.Viewer, 0},
	} {
		if p := w.good(w.issuer.Token(c.claims)); p.Role != c.role || p.Rights != c.rights {
			t.Errorf("%v: %s, %b; want %s, %b", c.claims, p.Role, p.Rights, c.role, c.rights)
		}
	}
}

// Of a scope each word counts, and no part of one.
func TestAScopeIsWords(t *testing.T) {
	w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
		c.Issuers[0].Odds = identity.Grant{Claim: "scope", Values: []string{"odds:read"}}
	})
	for scope, want := range map[string]goalcast.Rights{"openid odds:read": goalcast.RightOdds,
		"odds:read": goalcast.RightOdds, "odds:readers openid": 0, "": 0} {
		if p := w.good(w.issuer.Token(claims{"scope": scope})); p.Rights != want {
			t.Errorf("%q: %b", scope, p.Rights)
		}
	}
}

// With a grant for viewers, who has it not may nothing.
func TestViewersCanBeChosen(t *testing.T) {
	w := newWorld(t, func(c *identity.Config, _ *identitytest.Server) {
		member := identity.Grant{Claim: "member", Values: []string{"yes"}}
		c.Issuers[0].Roles = map[goalcast.Role]identity.Grant{goalcast.Viewer: member}
	})
	if p := w.good(w.issuer.Token(nil)); p.Role != goalcast.NoRole {
		t.Errorf("%+v", p)
	}
	if p := w.good(w.issuer.Token(claims{"member": "yes"})); p.Role != goalcast.Viewer {
		t.Errorf("%+v", p)
	}
}

func TestAnonymousUsers(t *testing.T) {
	w := newWorld(t, nil)
	if p := w.good("random-1"); p.User != "made-up" || p.Login || p.Role != goalcast.Viewer || !p.Expires.IsZero() {
		t.Errorf("%+v", p)
	}
	asked := newWorld(t, func(c *identity.Config, s *identitytest.Server) {
		c.Issuers = append(c.Issuers, s.Asked())
	})
	asked.bad("random-1", "inactive") // it may be a login that ended: nobody is anonymous there
	prefixed := newWorld(t, func(c *identity.Config, s *identitytest.Server) {
		opaque := s.Asked()
		opaque.Introspection.Prefix = "club_"
		c.Issuers = append(c.Issuers, opaque)
	})
	prefixed.good("random-1")
	if n := prefixed.issuer.Questions("random-1"); n != 0 {
		t.Errorf("the issuer was told an anonymous user's token")
	}
}

// No token, claim or secret is in a log, an error or a metric.
func TestNothingSecretIsTold(t *testing.T) {
	w := newWorld(t, func(c *identity.Config, s *identitytest.Server) {
		c.Issuers = append(c.Issuers, s.Asked())
	})
	w.issuer.Say("opaque-secret-token", claims{"sub": "hidden-subject", "aud": "hidden-audience"})
	tokens := []string{w.issuer.Token(claims{"aud": "hidden-audience"}),
		w.issuer.Token(claims{"sub": "hidden-subject"}),
		w.issuer.Token(claims{"sub": "hidden-subject", "exp": w.at(-time.Hour)}),
		w.issuer.SignWith(jose.RS256, identitytest.RSAKey(0), "hidden-kid", nil),
		"opaque-secret-token", "other-secret-token"}
	var told strings.Builder
	try := func() {
		for _, token := range tokens {
			_, err := w.Verify(t.Context(), token)
			fmt.Fprintln(&told, err)
		}
		w.pass(2 * time.Minute)
	}
	try()
	w.issuer.Down(true)
	try()
	w.issuer.Down(false)
	w.issuer.Huge(true)
	try()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&told, families, w.log)
	secrets := append(tokens, "hidden-", identitytest.Secret, "secret-token")
	for _, token := range tokens[:4] {
		secrets = append(secrets, strings.Split(token, ".")...)
	}
	for _, secret := range secrets {
		if strings.Contains(told.String(), secret) {
			t.Errorf("%q is told: %s", secret, told.String())
		}
	}
}
