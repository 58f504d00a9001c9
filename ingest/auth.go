package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
)

// refusal is why a request leaves no document: a status, a word for the counter, and a sentence for the sender.
type refusal struct {
	status int
	reason string
	text   string
}

// authorize says whether the request may post the provider's documents: nil if so.
func (in *Ingest) authorize(provider string, r *http.Request) *refusal {
	secret := in.cfg.Secrets[provider]
	if secret == "" {
		if local(r) {
			return nil
		}
		return &refusal{http.StatusForbidden, "forbidden", "no secret is configured for this provider: only clients on this machine may post"}
	}
	for _, offered := range offeredSecrets(r) {
		if same(offered, secret) {
			return nil
		}
	}
	return &refusal{http.StatusUnauthorized, "unauthorized", "the provider's secret is missing or wrong"}
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

// local says whether the client is a program on this machine: not one behind a proxy on this machine, and not a web page in a browser on it, which
// could be anybody's.
func local(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin", "Sec-Fetch-Site"} {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

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
