// Package upstream calls servers at addresses that others name, and reads what servers that
// goalcast calls answer, and what net/http says of those that do not. It is pure: nobody owns
// anything here.
package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// RetryAfter is how long the field Retry-After asks to wait, in whole seconds or until a date (RFC
// 9110, 10.2.3): at least 0, and no longer than the caller believes. 0 where it is empty or is
// neither.
func RetryAfter(text string, now time.Time, longest time.Duration) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return min(max(0, time.Duration(seconds)*time.Second), longest)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), longest)
	}
	return 0
}

// WithoutURL is an error of net/http without the address that was called: it may hold a secret.
func WithoutURL(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}
