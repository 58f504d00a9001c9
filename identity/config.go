package identity

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"goalcast"
)

// Config is what a Verifier is made from. Of the limits zero means the default.
type Config struct {
	Issuers []Issuer
	Private []Group // of competitions that not everybody may see

	Skew          time.Duration // how far clocks may differ
	FetchTimeout  time.Duration // of one call to an issuer
	MaxAnswer     int64         // bytes of an issuer's answer; a longer one is none
	KeysAge       time.Duration // how often keys are fetched without being asked for
	UnknownKey    time.Duration // keys that a token names and nobody knows are fetched at most this often
	MaxToken      int           // bytes of a token; a longer one is none
	CacheAge      time.Duration // how long an issuer's word about an opaque token is believed
	CacheNegative time.Duration // how long, that it is none
	CacheSize     int           // of these words, of one issuer
	Life          time.Duration // how long an opaque token is good that does not say how long
	MaxAsking     int           // introspections of one issuer at one time
	Away          time.Duration // how long an issuer that did not answer is not asked again

	Now func() time.Time // the clock; tests set it
}

// Issuer is a service that says who people are.
type Issuer struct {
	Name string // a label of logs and metrics
	URL  string // the iss of its tokens

	// Audiences are those of which a token has to name one. OIDC wants at least one.
	Audiences  []string
	Algorithms []string // with which it signs; default RS256
	Keys       string   // URL of its keys; default: as its discovery document says

	Introspection *Introspection // it is asked about opaque tokens; nil: its tokens are JWTs

	// Roles say who gets which role. Whoever has a token is a viewer, unless Roles has that role
	// too.
	Roles map[goalcast.Role]Grant
	Odds  Grant // who may see prices
	// Private says who may see the competitions of a group, by its name.
	Private map[string]Grant
}

// Group is competitions that a right of its own shows.
type Group struct {
	Name         string
	Competitions []goalcast.CompetitionID
}

// Introspection is how an issuer is asked about opaque tokens.
type Introspection struct {
	URL      string
	ClientID string
	Secret   string
	// Prefix begins the tokens that are asked about. Without one it is all that are no JWT, so
	// that no random bearer can be told from them.
	Prefix string
}

// Grant is a claim that has one of the values. The zero value is granted to nobody.
type Grant struct {
	Claim  string // its name, or a path of names with dots between them
	Values []string
}

// Algorithms are those that an issuer may sign with. None is with a shared secret, which is what
// somebody would forge tokens with who has only the public key.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// WithDefaults fills in the limits.
func (c Config) WithDefaults() Config {
	c.Skew = cmp.Or(max(c.Skew, 0), 30*time.Second)
	c.FetchTimeout = cmp.Or(max(c.FetchTimeout, 0), 3*time.Second)
	c.MaxAnswer = cmp.Or(max(c.MaxAnswer, 0), 256<<10)
	c.KeysAge = cmp.Or(max(c.KeysAge, 0), 15*time.Minute)
	c.UnknownKey = cmp.Or(max(c.UnknownKey, 0), 30*time.Second)
	c.MaxToken = cmp.Or(max(c.MaxToken, 0), 8<<10)
	c.CacheAge = cmp.Or(max(c.CacheAge, 0), time.Minute)
	c.CacheNegative = cmp.Or(max(c.CacheNegative, 0), 10*time.Second)
	c.CacheSize = cmp.Or(max(c.CacheSize, 0), 10_000)
	c.Life = cmp.Or(max(c.Life, 0), time.Hour)
	c.MaxAsking = cmp.Or(max(c.MaxAsking, 0), 32)
	c.Away = cmp.Or(max(c.Away, 0), time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

var nameText = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// Check says what is wrong with an issuer by itself.
func (i Issuer) Check() error {
	if !nameText.MatchString(i.Name) {
		return fmt.Errorf("name %q: want 1 to 40 of a-z, 0-9, - and _", i.Name)
	}
	if err := serviceURL("issuer", i.URL, i.Introspection == nil); err != nil {
		return err
	}
	for role, grant := range i.Roles {
		if err := grant.check(); err != nil {
			return fmt.Errorf("roles: %s: %w", role, err)
		}
	}
	if i.Odds.Claim != "" || len(i.Odds.Values) > 0 {
		if err := i.Odds.check(); err != nil {
			return fmt.Errorf("odds: %w", err)
		}
	}
	for name, grant := range i.Private {
		if err := grant.check(); err != nil {
			return fmt.Errorf("private: %s: %w", name, err)
		}
	}
	if slices.Contains(i.Audiences, "") {
		return errors.New("audiences: one is empty")
	}
	if i.Introspection != nil {
		return i.Introspection.check()
	}
	if len(i.Audiences) == 0 {
		return errors.New("audiences is missing: tokens for other services would be taken")
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(Algorithms, a) {
			return fmt.Errorf("algorithms: %q is none of %v", a, Algorithms)
		}
	}
	if i.Keys != "" {
		return serviceURL("keys_url", i.Keys, true)
	}
	return nil
}

func (i Introspection) check() error {
	switch {
	case i.URL == "":
		return errors.New("introspection_url is missing")
	case i.ClientID == "" || i.Secret == "":
		return errors.New("want client_id and client_secret_file")
	}
	return serviceURL("introspection_url", i.URL, true)
}

func (g Grant) check() error {
	if g.Claim == "" || len(g.Values) == 0 {
		return errors.New("want a claim and its values")
	}
	return nil
}

// serviceURL checks an address of an issuer. Only on this machine it need not be TLS: whoever
// answers for an issuer says who everybody is.
func serviceURL(field, text string, dialled bool) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("%s is missing", field)
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%s: want a URL as https://login.example.org", field)
	case u.Scheme == "https", u.Scheme == "http" && (!dialled || loopback(u.Hostname())):
		return nil
	}
	return fmt.Errorf("%s: want https", field)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Among says what is wrong with a group beside those before it. A competition is in one group: that
// of two could be seen by nobody, or by whoever is in any of them, and neither is plain.
func (g Group) Among(before []Group) error {
	switch {
	case !nameText.MatchString(g.Name):
		return fmt.Errorf("name %q: want 1 to 40 of a-z, 0-9, - and _", g.Name)
	case len(g.Competitions) == 0:
		return errors.New("competitions is missing")
	case len(before) >= goalcast.MaxPrivateGroups:
		return fmt.Errorf("more than %d groups", goalcast.MaxPrivateGroups)
	}
	seen := map[goalcast.CompetitionID]bool{}
	for _, o := range before {
		if o.Name == g.Name {
			return fmt.Errorf("name %q is there twice", g.Name)
		}
		for _, id := range o.Competitions {
			seen[id] = true
		}
	}
	for _, id := range g.Competitions {
		switch {
		case id <= 0:
			return fmt.Errorf("competitions: %d: want the number of one", id)
		case seen[id]:
			return fmt.Errorf("competitions: %d is there twice", id)
		}
		seen[id] = true
	}
	return nil
}

// PrivateCompetitions say which right each competition of the groups needs.
func (c Config) PrivateCompetitions() goalcast.Private {
	if len(c.Private) == 0 {
		return nil
	}
	private := goalcast.Private{}
	for i, g := range c.Private {
		for _, id := range g.Competitions {
			private[id] = goalcast.PrivateRight(i)
		}
	}
	return private
}

// Among says what is wrong with an issuer beside those before it.
func (i Issuer) Among(before []Issuer) error {
	for _, o := range before {
		switch {
		case o.Name == i.Name:
			return fmt.Errorf("name %q is there twice", i.Name)
		case o.Introspection == nil && i.Introspection == nil && o.URL == i.URL:
			return fmt.Errorf("issuer %q is there twice", i.URL)
		case o.Introspection != nil && i.Introspection != nil &&
			(o.Introspection.Prefix == "" || i.Introspection.Prefix == ""):
			return errors.New("of two issuers that are asked about tokens each wants a prefix")
		}
	}
	return nil
}
