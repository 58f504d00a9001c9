package identity_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/identity"
	"goalcast/identity/identitytest"
)

// opaque is a world whose issuer is asked about tokens.
func opaque(t *testing.T, change func(*identity.Config)) *world {
	t.Helper()
	return newWorld(t, func(c *identity.Config, s *identitytest.Server) {
		c.Issuers = []identity.Issuer{s.Asked()}
		if change != nil {
			change(c)
		}
	})
}

func TestAnOpaqueTokenIsAskedAboutOnce(t *testing.T) {
	w := opaque(t, nil)
	w.issuer.Say("t1", claims{"sub": "ann", "exp": w.at(time.Hour)})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { w.good("t1") })
	}
	all.Wait()
	if p := w.good("t1"); !p.Login || p.User == "" || p.Expires.Unix() != w.at(time.Hour) {
		t.Errorf("%+v", p)
	}
	if n := w.issuer.Questions("t1"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.pass(59 * time.Second)
	w.good("t1")
	if n := w.issuer.Questions("t1"); n != 1 {
		t.Errorf("asked %d times within its minute", n)
	}
	w.issuer.Say("t1", nil) // logged out
	w.pass(2 * time.Second)
	w.bad("t1", "inactive")
}

// What was said of a token is never believed for longer than the token is good.
func TestAWordEndsWithItsToken(t *testing.T) {
	w := opaque(t, nil)
	w.issuer.Say("t1", claims{"sub": "ann", "exp": w.at(20 * time.Second)})
	w.good("t1")
	w.issuer.Say("t1", nil)
	w.pass(21 * time.Second)
	w.bad("t1", "inactive")
}

func TestThatItIsNoneIsBelievedForAMoment(t *testing.T) {
	w := opaque(t, nil)
	for range 5 {
		w.bad("t1", "inactive")
	}
	if n := w.issuer.Questions("t1"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.issuer.Say("t1", claims{"sub": "ann"})
	w.pass(11 * time.Second)
	if p := w.good("t1"); p.Expires.Sub(w.clock()) != time.Hour {
		t.Errorf("a token that does not say how long is good until %s", p.Expires)
	}
}

func TestWhatAnIssuerSaysIsChecked(t *testing.T) {
	w := opaque(t, func(c *identity.Config) { c.Issuers[0].Audiences = []string{"goalcast"} })
	for token, c := range map[string]struct {
		said   claims
		reason string
	}{
		"no-sub":   {claims{"aud": "goalcast"}, "subject"},
		"shop":     {claims{"sub": "ann", "aud": "shop"}, "audience"},
		"no-aud":   {claims{"sub": "ann"}, "audience"},
		"old":      {claims{"sub": "ann", "aud": "goalcast", "exp": w.at(-time.Minute)}, "expired"},
		"early":    {claims{"sub": "ann", "aud": "goalcast", "nbf": w.at(time.Minute)}, "early"},
		"another":  {claims{"sub": "ann", "aud": "goalcast", "iss": "https://other.example.org"}, "issuer"},
		"inactive": {claims{"sub": "ann", "aud": "goalcast", "active": false}, "inactive"},
	} {
		w.issuer.Say(token, c.said)
		w.bad(token, c.reason)
	}
	w.issuer.Say("good", claims{"sub": "ann", "aud": "goalcast", "iss": w.issuer.URL()})
	w.good("good")
}

// An issuer that does not answer is not asked by everybody, and what it said stays known.
func TestIntrospectionDown(t *testing.T) {
	w := opaque(t, nil)
	w.issuer.Say("t1", claims{"sub": "ann"})
	w.issuer.Say("t2", claims{"sub": "bob"})
	w.good("t1")
	w.issuer.Down(true)
	w.good("t1")
	w.unknown("t2")
	before := w.issuer.Questions("t2")
	for i := range 10 {
		w.unknown(fmt.Sprint("other", i)) // at once: it did not answer a moment ago
	}
	w.issuer.Down(false)
	w.unknown("t2")
	w.pass(2 * time.Second)
	w.good("t2")
	if n := w.issuer.Questions("t2"); n != before+1 {
		t.Errorf("asked %d times", n)
	}
	w.issuer.Huge(true)
	w.unknown("t3")
}

// Wrong credentials of ours are no reason to send everybody away for good.
func TestOurOwnSecretIsWrong(t *testing.T) {
	w := opaque(t, func(c *identity.Config) { c.Issuers[0].Introspection.Secret = "wrong" })
	w.issuer.Say("t1", claims{"sub": "ann"})
	w.unknown("t1")
}

// What is kept of a flood of made-up tokens has a bound, and does not cost those who are here their
// places.
func TestTheCacheIsBounded(t *testing.T) {
	w := opaque(t, func(c *identity.Config) { c.CacheSize = 50 })
	w.issuer.Say("t1", claims{"sub": "ann"})
	for range 20 {
		w.good("t1")
	}
	for i := range 1000 {
		w.bad(fmt.Sprint("made-up-", i), "inactive")
		if i%10 == 0 {
			w.good("t1")
		}
	}
	if n := w.issuer.Questions("t1"); n > 5 {
		t.Errorf("asked %d times about a token that is shown all the time", n)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	good := identity.Issuer{Name: "club", URL: "https://login.example.org", Audiences: []string{"goalcast"}}
	asked := identity.Issuer{Name: "club", URL: "https://login.example.org", Introspection: &identity.Introspection{
		URL: "https://login.example.org/introspect", ClientID: "goalcast", Secret: "s"}}
	for _, i := range []identity.Issuer{good, asked} {
		if err := i.Check(); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(i, asked *identity.Issuer){
		"name":          func(i, _ *identity.Issuer) { i.Name = "The Club" },
		"no URL":        func(i, _ *identity.Issuer) { i.URL = "" },
		"http":          func(i, _ *identity.Issuer) { i.URL = "http://login.example.org" },
		"user":          func(i, _ *identity.Issuer) { i.URL = "https://u:p@login.example.org" },
		"no audience":   func(i, _ *identity.Issuer) { i.Audiences = nil },
		"HS256":         func(i, _ *identity.Issuer) { i.Algorithms = []string{"HS256"} },
		"none":          func(i, _ *identity.Issuer) { i.Algorithms = []string{"none"} },
		"keys over TCP": func(i, _ *identity.Issuer) { i.Keys = "http://login.example.org/keys" },
		"half a grant":  func(i, _ *identity.Issuer) { i.Odds = identity.Grant{Claim: "age18"} },
		"half a role": func(i, _ *identity.Issuer) {
			i.Roles = map[goalcast.Role]identity.Grant{goalcast.Admin: {Values: []string{"x"}}}
		},
		"no secret":     func(_, i *identity.Issuer) { i.Introspection.Secret = "" },
		"asked by http": func(_, i *identity.Issuer) { i.Introspection.URL = "http://login.example.org/introspect" },
	} {
		i, o := good, asked
		introspection := *asked.Introspection
		o.Introspection = &introspection
		change(&i, &o)
		if i.Check() == nil && o.Check() == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	second := good
	if second.Name = "two"; second.Among([]identity.Issuer{good}) == nil {
		t.Error("an issuer is taken twice")
	}
	if two := asked; two.Among([]identity.Issuer{{Name: "a", Introspection: asked.Introspection}}) == nil {
		t.Error("two are asked about the same tokens")
	}
}
