package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 17, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0":                             0,
		"-7":                            0,
		"soon":                          0,
		"1.5":                           0,
		"3601":                          time.Hour,
		"99999999999":                   0,
		"Sun, 17 May 2026 14:00:30 GMT": 30 * time.Second,
		"Sun, 17 May 2026 13:00:00 GMT": 0,
		"Mon, 18 May 2026 14:00:00 GMT": time.Hour,
	} {
		if got := RetryAfter(text, now, time.Hour); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestWithoutURL(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = http.DefaultClient.Do(r)
	if err == nil || !strings.Contains(err.Error(), "secret") {
		t.Fatal("no test: ", err)
	}
	if err = WithoutURL(err); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if other := errors.New("other"); !errors.Is(WithoutURL(other), other) {
		t.Error("another error has changed")
	}
}
