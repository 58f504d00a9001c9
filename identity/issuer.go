package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"goalcast"
	"goalcast/internal/cache"
)

// issuer is one that is configured.
type issuer struct {
	cfg     Issuer
	limits  Config
	log     *slog.Logger
	metrics *metrics
	client  *client

	algorithms []jose.SignatureAlgorithm
	keys       *keySet // nil: it is asked about each token

	words  *cache.Cache[[sha256.Size]byte, word] // what it said about opaque tokens
	asking chan struct{}                         // holds one per question under way
	away   atomic.Int64                          // ns since 1970 until which it is not asked
	down   atomic.Bool
}

// badToken is why a token is none. It is goalcast.ErrUnauthorized.
type badToken string

func (b badToken) Error() string        { return "bad token: " + string(b) }
func (b badToken) Is(target error) bool { return target == goalcast.ErrUnauthorized }

// maxSubject is how long an issuer's name for somebody may be; OpenID Connect Core, section 2.
const maxSubject = 255

// jwt says who a JWT of this issuer speaks for.
func (i *issuer) jwt(ctx context.Context, token string) (goalcast.Person, error) {
	signed, err := jose.ParseSignedCompact(token, i.algorithms)
	if err != nil {
		return goalcast.Person{}, badToken("algorithm")
	}
	header := signed.Signatures[0].Header
	keys, err := i.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return goalcast.Person{}, err
	}
	now := i.limits.Now()
	verifier := oidc.NewVerifier(i.cfg.URL, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{
		SupportedSigningAlgs: i.cfg.Algorithms,
		SkipClientIDCheck:    true, // there may be several: acceptable looks at them
		Now:                  func() time.Time { return now.Add(-i.limits.Skew) },
	})
	verified, err := verifier.Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return goalcast.Person{}, badToken("expired")
	case err != nil: // its text has claims in it
		return goalcast.Person{}, badToken("signature")
	}
	var text json.RawMessage
	if err := verified.Claims(&text); err != nil {
		return goalcast.Person{}, badToken("malformed")
	}
	c, err := readClaims(text)
	if err != nil {
		return goalcast.Person{}, badToken("malformed")
	}
	return i.person(c, now)
}

// person is who the claims of an issuer are about, if it is anybody now.
func (i *issuer) person(c claims, now time.Time) (goalcast.Person, error) {
	subject, _ := c["sub"].(string)
	expires, ok := c.time("exp")
	switch {
	case subject == "" || len(subject) > maxSubject:
		return goalcast.Person{}, badToken("subject")
	case !ok:
		expires = now.Add(i.limits.Life)
	case !now.Before(expires.Add(i.limits.Skew)):
		return goalcast.Person{}, badToken("expired")
	case !now.Before(expires): // by our clock, not by the issuer's
		expires = expires.Add(i.limits.Skew)
	}
	for _, name := range []string{"nbf", "iat"} {
		if from, ok := c.time(name); ok && from.After(now.Add(i.limits.Skew)) {
			return goalcast.Person{}, badToken("early")
		}
	}
	if len(i.cfg.Audiences) > 0 && !slices.ContainsFunc(c.values("aud"), func(a string) bool {
		return slices.Contains(i.cfg.Audiences, a)
	}) {
		return goalcast.Person{}, badToken("audience")
	}
	return goalcast.Person{User: userOf(i.cfg.URL, subject), Login: true, Role: i.role(c),
		Rights: i.rights(c), Expires: expires}, nil
}

// time reads a claim that is a time, in seconds since 1970.
func (c claims) time(name string) (time.Time, bool) {
	number, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	const far = 1 << 40 // beyond which a Time would wrap
	if err != nil || seconds < -far || seconds > far {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

// userOf is an issuer's user: the same for all tokens, and nobody reads from it who that is. It is
// not of the form of anonymous users.
func userOf(issuer, subject string) goalcast.UserID {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return goalcast.UserID("login:" + base64.RawURLEncoding.EncodeToString(sum[:])[:22])
}

// issuerOf says which issuer a JWT claims to be of; false for what is no JWT. Nothing is verified.
func issuerOf(token string) (string, bool) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return "", false
	}
	var h struct {
		Algorithm string `json:"alg"`
	}
	var p struct {
		Issuer string `json:"iss"`
	}
	if !decodePart(header, &h) || h.Algorithm == "" || !decodePart(payload, &p) {
		return "", false
	}
	return p.Issuer, true
}

func decodePart(text string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(raw, v) == nil
}

// note keeps account of whether the issuer answers, and logs when that changes.
func (i *issuer) note(err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	i.metrics.calls.WithLabelValues(i.cfg.Name, result).Inc()
	switch was := i.down.Swap(err != nil); {
	case err != nil:
		i.metrics.up.WithLabelValues(i.cfg.Name).Set(0)
		if !was {
			i.log.Warn("issuer does not answer: tokens that need it are refused for now", "issuer", i.cfg.Name,
				"error", err)
		}
	default:
		i.metrics.up.WithLabelValues(i.cfg.Name).Set(1)
		if was {
			i.log.Info("issuer answers again", "issuer", i.cfg.Name)
		}
	}
}
