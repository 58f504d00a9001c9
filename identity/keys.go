package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"goalcast"
)

// minRSA is how many bits a key has at least; smaller ones can be broken.
const minRSA = 2048

// keySet are the keys with which an issuer signs. A token that names a key that is not there has
// them fetched, all such tokens together once in Config.UnknownKey: anybody can name keys.
type keySet struct {
	cfg    Config
	issuer string
	client *client
	note   func(error) // is told how each fetch ended

	mu    sync.Mutex // guards the rest
	url   string     // of the keys; empty until it was discovered
	keys  []jose.JSONWebKey
	tried time.Time // when the last fetch began
	load  *keyLoad  // the one that is under way
}

// keyLoad is a fetch that others wait for.
type keyLoad struct {
	done chan struct{}
	err  error // set before done is closed
}

// find gives the keys that a token may be signed with: that of its kid, or all for one that names
// none. Errors: badToken if there is none; goalcast.ErrUnavailable if that cannot be known now.
func (k *keySet) find(ctx context.Context, kid, algorithm string) ([]crypto.PublicKey, error) {
	if found, known := k.known(kid, algorithm); known {
		return found, keyError(found)
	}
	if err := k.fetch(ctx, k.cfg.UnknownKey); err != nil {
		return nil, fmt.Errorf("%w: keys of the issuer: %w", goalcast.ErrUnavailable, err)
	}
	found, _ := k.known(kid, algorithm)
	return found, keyError(found)
}

func keyError(found []crypto.PublicKey) error {
	if len(found) == 0 {
		return badToken("key")
	}
	return nil
}

// known finds keys without asking anybody. A key that is there but not for this algorithm is
// known, and not found.
func (k *keySet) known(kid, algorithm string) (found []crypto.PublicKey, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if kid != "" && key.KeyID != kid {
			continue
		}
		known = true
		if (key.Algorithm == "" || key.Algorithm == algorithm) && fits(key.Key, algorithm) {
			found = append(found, key.Key)
		}
	}
	return found, known
}

// fits says whether a key is of the kind that an algorithm wants. It keeps a public key from being
// taken for a shared secret.
func fits(key any, algorithm string) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) && key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey:
		return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[algorithm] == key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// errTooSoon is why keys are not fetched: somebody has just done that.
var errTooSoon = errors.New("they were fetched a moment ago")

// fetch brings the keys up to date, unless that was begun within the pause. One fetches for all who
// ask meanwhile.
func (k *keySet) fetch(ctx context.Context, pause time.Duration) error {
	k.mu.Lock()
	load, mine := k.load, false
	switch now := k.cfg.Now(); {
	case load != nil:
	case !k.tried.IsZero() && now.Sub(k.tried) < pause:
		k.mu.Unlock()
		return errTooSoon
	default:
		load, mine = &keyLoad{done: make(chan struct{})}, true
		k.load, k.tried = load, now
	}
	url := k.url
	k.mu.Unlock()
	if !mine {
		select {
		case <-load.done:
			return load.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// whoever asked may go away: others wait
	keys, url, err := k.read(context.WithoutCancel(ctx), url)
	k.mu.Lock()
	if err == nil {
		k.keys, k.url = keys, url
	}
	k.load, load.err = nil, err
	k.mu.Unlock()
	close(load.done)
	k.note(err)
	return err
}

// read asks the issuer where its keys are, if that is not known, and for the keys.
func (k *keySet) read(ctx context.Context, url string) ([]jose.JSONWebKey, string, error) {
	if url == "" {
		var err error
		if url, err = k.discover(ctx); err != nil {
			return nil, "", fmt.Errorf("discovery: %w", err)
		}
	}
	text, err := k.client.get(ctx, url)
	if err != nil {
		return nil, "", fmt.Errorf("keys: %w", err)
	}
	keys, err := readKeys(text)
	if err != nil {
		return nil, "", fmt.Errorf("keys: %w", err)
	}
	return keys, url, nil
}

// discover reads the issuer's discovery document.
func (k *keySet) discover(ctx context.Context) (string, error) {
	text, err := k.client.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return "", errors.New("not a discovery document")
	}
	if document.Issuer != k.issuer {
		return "", errors.New("it is another issuer's: issuer has to be written as there")
	}
	return document.Keys, serviceURL("jwks_uri", document.Keys, true)
}

// readKeys reads a set of keys and leaves out those that nobody could be verified with.
func readKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("not a set of keys")
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err != nil {
			continue // of a kind that is not known here; RFC 7517, section 5
		}
		switch key.Key.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			if key.Use == "" || key.Use == "sig" {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("a set without a key to verify with")
	}
	return keys, nil
}

// Pauses between two fetches of keys that fail.
const firstKeysPause, lastKeysPause = time.Second, 30 * time.Second

// run keeps the keys fresh until ctx ends.
func (k *keySet) run(ctx context.Context) {
	pause := firstKeysPause
	for {
		wait := k.cfg.KeysAge
		if err := k.fetch(ctx, 0); err != nil {
			wait, pause = pause, min(2*pause, lastKeysPause)
		} else {
			pause = firstKeysPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
