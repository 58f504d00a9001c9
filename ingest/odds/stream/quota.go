package stream

import (
	"net/http"
	"strconv"
	"strings"
)

// quotaHeaders are what providers call the requests that are left, and how many there are.
var quotaHeaders = []struct{ remaining, limit, used string }{
	{"X-Requests-Remaining", "X-Requests-Limit", "X-Requests-Used"},
	{"X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Used"},
	{"X-Rate-Limit-Remaining", "X-Rate-Limit-Limit", ""},
	{"RateLimit-Remaining", "RateLimit-Limit", ""},
	{"X-Quota-Remaining", "X-Quota-Limit", ""},
}

// quotaOf reads how many requests are left, of how many; limit is 0 if that is not told. Some tell
// how many were used instead.
func quotaOf(h http.Header) (remaining, limit int, ok bool) {
	for _, names := range quotaHeaders {
		if remaining, ok = quotaCount(h, names.remaining); !ok {
			continue
		}
		if limit, ok = quotaCount(h, names.limit); ok {
			return remaining, limit, true
		}
		if used, ok := quotaCount(h, names.used); ok {
			return remaining, remaining + used, true
		}
		return remaining, 0, true
	}
	return 0, 0, false
}

// quotaCount reads "450", or "450, 450;w=60", of which the first counts.
func quotaCount(h http.Header, name string) (int, bool) {
	if name == "" {
		return 0, false
	}
	text, _, _ := strings.Cut(h.Get(name), ",")
	text, _, _ = strings.Cut(text, ";")
	text, _, _ = strings.Cut(text, ".") // "450.0"
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil && n >= 0 && n <= maxQuota
}
