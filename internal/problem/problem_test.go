package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"goalcast/internal/problem"
)

func TestWrite(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Request-Id", "edge-0123456789")
	w.Header().Set("ETag", `"a"`)
	p := problem.New(http.StatusServiceUnavailable, "busy", "7 wait")
	p.Retry, p.Challenge = 1200*time.Millisecond, `Bearer realm="goalcast"`
	problem.Write(w, r, p)
	const want = `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"busy","detail":"7 wait","request_id":"edge-0123456789"}` + "\n"
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store",
		"ETag": "", "Retry-After": "2",
		"WWW-Authenticate": `Bearer realm="goalcast"`, "X-Request-Id": "edge-0123456789"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A handler may say more, and its error is found wherever it was wrapped.
func TestMembersOfOnesOwn(t *testing.T) {
	type more struct {
		*problem.Problem
		Document int64 `json:"document"`
	}
	var err error = fmt.Errorf("post: %w", problem.New(http.StatusBadRequest, "empty", "nothing"))
	var p *problem.Problem
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), more{p, 7})
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["code"] != "empty" || got["document"] != 7.0 || got["detail"] != "nothing" || len(got) != 7 {
		t.Errorf("%v", got)
	}
}

func TestRequestID(t *testing.T) {
	for sent, kept := range map[string]bool{"edge-0123456789": true, "short": false, "with space and more": false,
		"": false} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-Id", sent)
		id := problem.RequestID(w, r)
		if (id == sent) != kept || len(id) < 8 || w.Header().Get("X-Request-Id") != id ||
			problem.RequestID(w, r) != id {
			t.Errorf("%q became %q", sent, id)
		}
	}
}
