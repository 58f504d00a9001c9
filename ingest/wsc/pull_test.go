package wsc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast/ingest/wsc"
)

// feed is WSC's side of the catch-up.
type feed struct {
	mu       sync.Mutex
	contents map[string][]object // by kind
	refuse   []int               // statuses of the next answers
	asked    []string
	from     []string
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	f.asked = append(f.asked, r.URL.Path+"?"+q.Get("PageNum"))
	f.from = append(f.from, q.Get("UpdateTime.From"))
	if q.Get("ApiKey") != "key" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(f.refuse) > 0 {
		w.Header().Set("X-RateLimit-Reset", "0")
		w.WriteHeader(f.refuse[0])
		f.refuse = f.refuse[1:]
		return
	}
	var page, size int
	fmt.Sscan(q.Get("PageNum"), &page)
	fmt.Sscan(q.Get("PageSize"), &size)
	all := f.contents[strings.TrimPrefix(r.URL.Path, "/v1/")]
	part := all[min(page*size, len(all)):min((page+1)*size, len(all))]
	_ = json.NewEncoder(w).Encode(object{"totalItems": len(all), "result": part})
}

func newPuller(t *testing.T, r *rig, f *feed, cfg wsc.PullConfig, lock wsc.Locker) *wsc.Puller {
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	cfg.URL = server.URL
	return wsc.NewPuller(cfg, r.clips, lock, slog.New(slog.DiscardHandler))
}

func contentOf(id string, version int, edit func(object)) object {
	return webhook("create", version, func(c object) {
		c["id"] = id
		if edit != nil {
			edit(c)
		}
	})["Content"].(object)
}

func TestPullTakesWhatWasMissed(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	r.post("wsc", webhook("create", 2, nil))
	f := &feed{contents: map[string][]object{}, refuse: []int{429, 503, 429}}
	for i := range 5 {
		f.contents["moments"] = append(f.contents["moments"], contentOf(fmt.Sprint("missed", i), 1, nil))
	}
	f.contents["moments"] = append(f.contents["moments"], contentOf(goalClip, 1, nil), object{"id": "../x"})
	f.contents["videos"] = []object{contentOf(goalClip, 2, nil)}
	p := newPuller(t, r, f, wsc.PullConfig{Key: "key", PageSize: 3, Pause: time.Millisecond}, nil)
	if err := p.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(r.clipsNow()); n != 6 {
		t.Errorf("%d clips", n)
	}
	for outcome, want := range map[string]float64{"new": 5, "known": 2, "refused": 1} {
		if got := r.count("goalcast_clips_pulled_total", outcome); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	want := []string{"/v1/stories?0", "/v1/stories?0", "/v1/stories?0", "/v1/stories?0", "/v1/moments?0", "/v1/moments?1", "/v1/moments?2", "/v1/videos?0"}
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %v\nwant %v", f.asked, want)
	}
	// The next time only what is newer is asked for, and a draft takes its clip away.
	f.contents = map[string][]object{"moments": {contentOf("missed3", 1, func(c object) { c["status"], c["version"] = "Draft", 2 })}}
	if err := p.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := r.clipsNow()["wsc:missed3:77"]; e.Counts() {
		t.Error("a draft is shown")
	}
	first, err1 := time.Parse(time.RFC3339, f.from[0])
	second, err2 := time.Parse(time.RFC3339, f.from[len(f.from)-1])
	if err1 != nil || err2 != nil || second.Sub(first) < 23*time.Hour {
		t.Errorf("asked from %v and then from %v", first, second)
	}
}

func TestPullTellsNoKey(t *testing.T) {
	r := newRig(t, setup{})
	f := &feed{refuse: []int{429, 429, 429}}
	for _, p := range []*wsc.Puller{
		newPuller(t, r, f, wsc.PullConfig{Key: "key", Tries: 3, Pause: time.Millisecond}, nil),
		newPuller(t, r, f, wsc.PullConfig{Key: "secret"}, nil),
		wsc.NewPuller(wsc.PullConfig{URL: "http://127.0.0.1:1", Key: "secret", Tries: 1}, r.clips, nil, slog.New(slog.DiscardHandler)),
	} {
		err := p.Pull(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ApiKey") {
			t.Errorf("error %v", err)
		}
	}
	if len(f.asked) != 4 {
		t.Errorf("asked %v", f.asked)
	}
}

// held is a lock that somebody has, or not.
type held struct {
	taken bool
	ran   chan string
}

func (l held) WithLock(ctx context.Context, name string, run func(context.Context) error) error {
	l.ran <- name
	if l.taken {
		return nil
	}
	return run(ctx)
}

func TestPullRunsUnderItsLock(t *testing.T) {
	for _, taken := range []bool{true, false} {
		r := newRig(t, setup{})
		f := &feed{}
		lock := held{taken, make(chan string, 99)}
		p := newPuller(t, r, f, wsc.PullConfig{Key: "key", Every: 5 * time.Millisecond}, lock)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		for range 3 {
			if name := <-lock.ran; name != wsc.PullLock {
				t.Errorf("lock %q", name)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if asked := len(f.asked) > 0; asked == taken {
			t.Errorf("taken %v, asked %v", taken, f.asked)
		}
	}
}
