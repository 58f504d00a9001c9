package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/cache"
)

// word is what an issuer said about an opaque token.
type word struct {
	person goalcast.Person
	bad    error // badToken: it is none
	keep   time.Duration
}

// newWords makes the cache of what an issuer said. One asks for all who want to know the same; an
// error is not kept. It is full of those that are shown often, so that a flood of made-up tokens
// does not push out what viewers have.
func (i *issuer) newWords() *cache.Cache[[sha256.Size]byte, word] {
	return cache.New[[sha256.Size]byte, word](cache.Options{Size: i.limits.CacheSize, Now: i.limits.Now,
		AgeOf: func(value any) time.Duration { return value.(word).keep }})
}

// opaque says who an opaque token speaks for.
func (i *issuer) opaque(ctx context.Context, token string) (goalcast.Person, error) {
	key := sha256.Sum256([]byte(token)) // so that no token lies in memory for longer than its request
	w, err := i.words.Get(ctx, key, func(ctx context.Context) (word, error) {
		return i.ask(context.WithoutCancel(ctx), token) // whoever asked may go away: others wait
	})
	switch {
	case err != nil:
		return goalcast.Person{}, fmt.Errorf("%w: introspection: %w", goalcast.ErrUnavailable, err)
	case w.bad != nil:
		return goalcast.Person{}, w.bad
	}
	return w.person, nil
}

var (
	errAway   = errors.New("the issuer did not answer a moment ago")
	errAsking = errors.New("too many questions at one time")
)

// ask asks the issuer about a token.
func (i *issuer) ask(ctx context.Context, token string) (word, error) {
	if i.limits.Now().UnixNano() < i.away.Load() {
		return word{}, errAway
	}
	wait := time.NewTimer(i.limits.FetchTimeout)
	defer wait.Stop()
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-wait.C:
		return word{}, errAsking
	}
	c, err := i.introspect(ctx, token)
	i.note(err)
	if err != nil {
		i.away.Store(i.limits.Now().Add(i.limits.Away).UnixNano())
		return word{}, err
	}
	return i.wordOf(c), nil
}

// introspect makes the call of RFC 7662.
func (i *issuer) introspect(ctx context.Context, token string) (claims, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.cfg.Introspection.URL, strings.NewReader(form))
	if err != nil {
		return nil, errors.New("no URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(i.cfg.Introspection.ClientID), url.QueryEscape(i.cfg.Introspection.Secret))
	text, err := i.client.do(ctx, r)
	if err != nil {
		return nil, err
	}
	c, err := readClaims(text)
	if err != nil {
		return nil, errors.New("not an answer of RFC 7662")
	}
	if _, ok := c["active"].(bool); !ok {
		return nil, errors.New("not an answer of RFC 7662: it has no active")
	}
	return c, nil
}

// wordOf reads the issuer's answer. It is believed for a while, never longer than the token is
// good.
func (i *issuer) wordOf(c claims) word {
	now := i.limits.Now()
	person, err := i.person(c, now)
	if active, _ := c["active"].(bool); !active {
		err = badToken("inactive")
	} else if from, ok := c["iss"].(string); ok && from != i.cfg.URL {
		err = badToken("issuer")
	}
	if err != nil {
		return word{bad: err, keep: i.limits.CacheNegative}
	}
	return word{person: person, keep: max(min(i.limits.CacheAge, person.Expires.Sub(now)), time.Millisecond)}
}
