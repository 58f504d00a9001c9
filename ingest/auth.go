package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"goalcast"
)

// refusal is why a request is not answered with success: a status, words for the counter and for
// programs, and a sentence for the sender.
type refusal struct {
	status   int
	reason   string // for the counter
	code     string // for programs; the reason if empty
	text     string
	field    string              // that is wrong, if it is one
	document goalcast.DocumentID // that failed; 0 where the request leaves no document
	retry    time.Duration       // of 429
}

// Guard knows who may post the feeds of which provider. It belongs to nobody: requests share it.
type Guard struct {
	open    bool                                // see Config.Open
	guesses func(*http.Request) time.Duration   // see Config.Guesses; may be nil
	secrets atomic.Pointer[map[string][]string] // by provider
}

// NewGuard makes a Guard; see Config.Secrets, Config.Open and Config.Guesses.
func NewGuard(secrets map[string][]string, open bool, guesses func(*http.Request) time.Duration) *Guard {
	g := &Guard{open: open, guesses: guesses}
	g.UseSecrets(secrets)
	return g
}

// UseSecrets exchanges the secrets of all providers. It may be called at any time.
func (g *Guard) UseSecrets(secrets map[string][]string) { g.secrets.Store(&secrets) }

// Admit passes on the requests that may post the provider's feed, and answers the others;
// turnedAway is told why.
func (g *Guard) Admit(provider string, h http.Handler, turnedAway func(reason string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if no := g.authorize(provider, r); no != nil {
			turnedAway(no.reason)
			writeRefusal(w, r, no)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// authorize says whether the request may post the provider's documents: nil if so.
func (g *Guard) authorize(provider string, r *http.Request) *refusal {
	secrets := (*g.secrets.Load())[provider]
	switch {
	case len(secrets) > 0:
		for _, offered := range offeredSecrets(r) {
			if slices.ContainsFunc(secrets, func(secret string) bool { return same(offered, secret) }) {
				return nil
			}
		}
		if g.guesses != nil {
			if wait := g.guesses(r); wait > 0 {
				return &refusal{status: http.StatusTooManyRequests, reason: "rate_guesses", retry: wait,
					text: "too many wrong secrets; wait as Retry-After says"}
			}
		}
		return &refusal{status: http.StatusUnauthorized, reason: "unauthorized",
			text: "the provider's secret is missing or wrong"}
	case local(r) && (g.open || ownProcess(r)):
		return nil
	}
	return &refusal{status: http.StatusForbidden, reason: "forbidden",
		text: "this provider has no secret: set GOALCAST_FEED_SECRETS=" + provider +
			"=SECRET. Without one only programs of goalcast's own user on this machine may post, and with " +
			"GOALCAST_FEEDS_OPEN=true all on this machine"}
}

// offeredSecrets are all that the request could mean as its secret.
func offeredSecrets(r *http.Request) []string {
	var out []string
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		out = append(out, strings.TrimSpace(token))
	}
	if _, password, ok := r.BasicAuth(); ok {
		out = append(out, password)
	}
	if key := r.Header.Get("X-Api-Key"); key != "" {
		out = append(out, key)
	}
	if key := r.URL.Query().Get("key"); key != "" {
		out = append(out, key)
	}
	return out
}

// same compares in a time that tells nothing, of the length neither.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// local says whether the client seems to be a program on this machine: not a proxy on it that says
// so or speaks HTTP/1.0, as nginx does unless told otherwise, and not a web page in a browser on
// it, which could be anybody's. A proxy may say nothing: so the kernel is asked whose the client is
// (ownProcess), or somebody has opened the feeds.
func local(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return false
	}
	for name := range r.Header {
		switch {
		// browsers only: Node's fetch sends others of Sec-Fetch
		case slices.Contains(passedOn, name), strings.HasPrefix(name, "X-Forwarded-"), name == "Sec-Fetch-Site":
			return false
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	named, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if host != "localhost" && (err != nil || !named.Unmap().IsLoopback()) {
		return false // a name of somebody's that points here
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

// passedOn are headers of requests that a proxy or a browser made.
var passedOn = []string{"Forwarded", "X-Real-Ip", "Via", "Origin", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip",
	"X-Original-Host"}

// Limits of what is kept of a request's headers.
const (
	maxHeaders     = 100
	maxHeaderValue = 2048 // bytes
)

// keptHeaders are the request's headers with names in lower case, but those that hold secrets.
func keptHeaders(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		name = strings.ToLower(name)
		if len(out) == maxHeaders || secretHeader(name) {
			continue
		}
		value := strings.Join(values, ", ")
		value = value[:min(len(value), maxHeaderValue)]
		out[name] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return out
}

func secretHeader(name string) bool {
	for _, part := range []string{"auth", "cookie", "key", "token", "secret", "password", "credential", "signature"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
