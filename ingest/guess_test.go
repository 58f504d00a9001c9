package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Wrong secrets are counted, and soon told to wait. The right one is always taken.
func TestWrongSecretsAreLimited(t *testing.T) {
	wrong := 0
	b := newBench(t, Config{Secrets: map[string][]string{"plain": {"the-right-secret"}},
		Guesses: func(*http.Request) time.Duration {
			wrong++
			return time.Duration(max(0, wrong-2)) * 1500 * time.Millisecond
		}})
	for i, want := range []struct {
		secret, retry string
		status        int
	}{{"a", "", 401}, {"b", "", 401}, {"c", "2", 429}, {"the-right-secret", "", 200}, {"d", "3", 429}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+want.secret)
		res, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if ok := res.StatusCode == want.status || want.status == 200 && res.StatusCode < 300; !ok ||
			res.Header.Get("Retry-After") != want.retry {
			t.Errorf("%d: %d, %v", i, res.StatusCode, res.Header)
		}
	}
	if wrong != 4 {
		t.Errorf("%d wrong secrets were counted", wrong)
	}
}
