package simulator_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"goalcast/loadtest/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// received is what an endpoint got, per match.
type received struct {
	mu   sync.Mutex
	docs map[int64][]string // "F9 20260815T173000,000Z"
}

func (r *received) add(doc simulator.Document) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.docs[doc.Match] = append(r.docs[doc.Match], doc.Feed+" "+produced(doc.Body))
}

func TestRunIsOnTimeAndKeepsTheOrderOfAMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := simulator.New(simulator.Config{Seed: 7, Matches: 2, TouchesPerMinute: -1, Start: began})
		got := &received{docs: map[int64][]string{}}
		late := time.Duration(0)
		err := d.Run(t.Context(), func(_ context.Context, doc simulator.Document) error {
			got.mu.Lock()
			late = max(late, time.Since(began)-doc.Due)
			got.mu.Unlock()
			time.Sleep(20 * time.Millisecond) // an endpoint is not infinitely fast
			got.add(doc)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < d.Length() || took > d.Length()+time.Second {
			t.Errorf("the day took %v, want %v", took, d.Length())
		}
		if late > 200*time.Millisecond {
			t.Errorf("a document came %v late", late)
		}
		want := &received{docs: map[int64][]string{}}
		for doc := range d.Documents() {
			want.add(doc)
		}
		for match := range want.docs {
			if !slices.Equal(got.docs[match], want.docs[match]) {
				t.Errorf("match %d: documents came in another order", match)
			}
		}
	})
}

func TestRunRepeatsWithOtherMatchesUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		seen := map[int64]bool{}
		d := simulator.New(simulator.Config{Seed: 7, Matches: 1, TouchesPerMinute: -1, Repeat: true})
		err := d.Run(ctx, func(_ context.Context, doc simulator.Document) error {
			if doc.Match == 0 { // F1 has a lane of its own
				return nil
			}
			seen[doc.Match] = true
			if len(seen) == 3 {
				stop()
			}
			return nil
		})
		if err != nil || len(seen) != 3 {
			t.Errorf("Run: %v after matches %v, want nil after three days", err, seen)
		}
	})
}

func TestRunEndsWithTheErrorOfPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("no more")
		d := simulator.New(simulator.Config{Seed: 7, TouchesPerMinute: -1, Repeat: true})
		var n atomic.Int32
		err := d.Run(t.Context(), func(context.Context, simulator.Document) error {
			if n.Add(1) == 20 {
				return refused
			}
			return nil
		})
		if !errors.Is(err, refused) {
			t.Errorf("Run: %v, want %v", err, refused)
		}
	})
}

func TestPosterTriesUntilTheEndpointTakesIt(t *testing.T) {
	var answers atomic.Int32
	var header http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch answers.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2: // the connection breaks
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		default:
			header = r.Header
			body, _ = io.ReadAll(r.Body)
		}
	}))
	defer srv.Close()
	client := srv.Client()
	defer client.CloseIdleConnections()
	post := simulator.Poster(srv.URL+"/feeds/opta", "s3cret", client, slog.New(slog.DiscardHandler))
	_, docs := day(t, simulator.Config{Seed: 7, Matches: 1, TouchesPerMinute: -1})
	if err := post(t.Context(), docs[1]); err != nil {
		t.Fatal(err)
	}
	if answers.Load() != 3 || header.Get("X-Meta-Feed-Type") != docs[1].Feed ||
		header.Get("Authorization") != "Bearer s3cret" ||
		string(body) != string(docs[1].Body) {
		t.Errorf("after %d tries the endpoint got %v and %d bytes", answers.Load(), header, len(body))
	}
}

func TestPosterGivesUpWhatIsRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "wrong secret", http.StatusUnauthorized)
	}))
	defer srv.Close()
	client := srv.Client()
	defer client.CloseIdleConnections()
	err := simulator.Poster(srv.URL, "", client, slog.New(slog.DiscardHandler))(t.Context(),
		simulator.Document{Feed: "F9"})
	if !errors.Is(err, simulator.ErrRefused) || !strings.Contains(err.Error(), "wrong secret") {
		t.Errorf("%v, want ErrRefused with what the endpoint said", err)
	}
}
