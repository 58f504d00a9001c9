package identity

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// Verifier says who tokens speak for. It is safe for concurrent use.
type Verifier struct {
	cfg       Config
	anonymous Anonymous
	jwts      map[string]*issuer // by URL
	asked     []*issuer          // about opaque tokens
	client    *client
	metrics   *metrics
}

// Anonymous says whose a token is that no issuer knows: a random one that an app made up. False for
// what is none.
type Anonymous func(token string) (goalcast.UserID, bool)

// errUnknown is what a token is that no issuer could have made.
const errUnknown = badToken("unknown")

// New makes a Verifier of issuers that are checked. It contacts nobody. A nil anonymous takes
// tokens of issuers only.
func New(cfg Config, anonymous Anonymous, log *slog.Logger, reg prometheus.Registerer) *Verifier {
	cfg = cfg.WithDefaults()
	v := &Verifier{cfg: cfg, anonymous: anonymous, jwts: map[string]*issuer{}, client: newClient(cfg)}
	v.metrics = newMetrics(reg)
	for _, c := range cfg.Issuers {
		if len(c.Algorithms) == 0 {
			c.Algorithms = []string{"RS256"}
		}
		i := &issuer{cfg: c, limits: cfg, log: log, metrics: v.metrics, client: v.client}
		v.metrics.show(c.Name)
		if c.Introspection != nil {
			i.words, i.asking = i.newWords(), make(chan struct{}, cfg.MaxAsking)
			v.asked = append(v.asked, i)
			continue
		}
		for _, a := range c.Algorithms {
			i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(a))
		}
		i.keys = &keySet{cfg: cfg, issuer: c.URL, url: c.Keys, client: v.client, note: i.note}
		v.jwts[c.URL] = i
	}
	asksAll := func(i *issuer) bool { return i.cfg.Introspection.Prefix == "" }
	if v.anonymous != nil && slices.ContainsFunc(v.asked, asksAll) {
		// a login whose token ended would come back as somebody else who has nothing
		log.Info("anonymous users are refused: an issuer is asked about every token that is no JWT")
		v.anonymous = nil
	}
	return v
}

// Run fetches the issuers' keys, now and then again, until ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, i := range v.jwts {
		all.Go(func() { i.keys.run(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	v.client.close()
	return nil
}

// Verify says who a token speaks for. Errors: goalcast.ErrUnauthorized if it speaks for nobody, or
// no longer; goalcast.ErrUnavailable if that cannot be known now.
func (v *Verifier) Verify(ctx context.Context, token string) (goalcast.Person, error) {
	name, person, err := v.verify(ctx, token)
	result, bad := "ok", badToken("")
	switch {
	case errors.As(err, &bad):
		result = string(bad)
	case err != nil:
		result = "unavailable"
	}
	v.metrics.tokens.WithLabelValues(name, result).Inc()
	return person, err
}

// verify also says by which issuer.
func (v *Verifier) verify(ctx context.Context, token string) (string, goalcast.Person, error) {
	if len(token) > v.cfg.MaxToken {
		return noIssuer, goalcast.Person{}, badToken("too_long")
	}
	if url, ok := issuerOf(token); ok {
		if i := v.jwts[url]; i != nil {
			person, err := i.jwt(ctx, token)
			return i.cfg.Name, person, err
		}
	}
	for _, i := range v.asked {
		if token != "" && strings.HasPrefix(token, i.cfg.Introspection.Prefix) {
			person, err := i.opaque(ctx, token)
			return i.cfg.Name, person, err
		}
	}
	if v.anonymous != nil {
		if user, ok := v.anonymous(token); ok {
			return anonymousUsers, goalcast.Person{User: user, Role: goalcast.Viewer}, nil
		}
	}
	return noIssuer, goalcast.Person{}, errUnknown
}
