package apns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// Apple takes a provider token for an hour, and does not want a new one within 20 minutes.
const (
	tokenAge    = 40 * time.Minute // after which a new one is made
	tokenMinAge = 20 * time.Minute // before which no new one is made, whatever Apple says of it
)

// shortID is a key's or a team's: ten letters and digits.
var shortID = regexp.MustCompile(`^[A-Z0-9]{10}$`)

// provider makes the token that requests show: one for all, as old as Apple wants it.
type provider struct {
	team   string
	signer jose.Signer
	now    func() time.Time
	made   prometheus.Counter

	mu    sync.Mutex // guards the rest
	token string
	at    time.Time // when token was made
}

// newProvider reads the key; no error shows any of it.
func newProvider(cfg Config, made prometheus.Counter) (*provider, error) {
	key, err := readKey(cfg.Key)
	switch {
	case err != nil:
		return nil, err
	case !shortID.MatchString(cfg.KeyID):
		return nil, errors.New("the key's id: want ten capital letters and digits")
	case !shortID.MatchString(cfg.TeamID):
		return nil, errors.New("the team's id: want ten capital letters and digits")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", cfg.KeyID))
	if err != nil {
		return nil, errors.New("the key cannot sign with ES256")
	}
	return &provider{team: cfg.TeamID, signer: signer, now: cfg.Now, made: made}, nil
}

// readKey reads a .p8 file's text: a P-256 key as PKCS #8, in PEM.
func readKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key is not PEM, as Apple's .p8 files are")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the key is not a P-256 key in PKCS #8, as Apple's .p8 files are")
	}
	return key, nil
}

// get returns the token to show.
func (p *provider) get() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == "" || p.age() >= tokenAge {
		if err := p.makeLocked(); err != nil {
			return "", err
		}
	}
	return p.token, nil
}

// renew makes a new token because Apple says that this one has expired; false if there is none to
// be had: then our clock and Apple's differ.
func (p *provider) renew(expired string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != expired {
		return true // another request was told first
	}
	return p.age() >= tokenMinAge && p.makeLocked() == nil
}

// age is how old the token is; a clock that was set back makes it as old as can be.
func (p *provider) age() time.Duration {
	if d := p.now().Sub(p.at); d >= 0 {
		return d
	}
	return tokenAge
}

func (p *provider) makeLocked() error {
	now := p.now()
	claims, err := json.Marshal(map[string]any{"iss": p.team, "iat": now.Unix()})
	if err != nil {
		return err
	}
	signed, err := p.signer.Sign(claims)
	if err != nil {
		return fmt.Errorf("sign provider token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return fmt.Errorf("write provider token: %w", err)
	}
	p.token, p.at = token, now
	p.made.Inc()
	return nil
}
