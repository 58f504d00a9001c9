package wsc_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/wsctest"
)

func newPuller(t *testing.T, r *rig, f *wsctest.Feed, cfg wsc.PullConfig) *wsc.Puller {
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	cfg.URL = f.URL
	return wsc.NewPuller(cfg, r.clips, slog.New(slog.DiscardHandler))
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
	f := wsctest.Start(t)
	f.Refuse("stories?0", 429, 503, 429)
	moments := []object{contentOf(goalClip, 1, nil), {"id": "../x"}}
	for i := range 5 {
		moments = append(moments, contentOf(fmt.Sprint("missed", i), 1, nil))
	}
	f.Set("moments", moments...)
	f.Set("videos", contentOf(goalClip, 2, nil))
	p := newPuller(t, r, f, wsc.PullConfig{Key: wsctest.Key, PageSize: 3, Pause: time.Millisecond})
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
	want := []string{"stories?0", "stories?0", "stories?0", "stories?0", "moments?0", "moments?1", "moments?2",
		"videos?0"}
	if got := f.Pages(); !slices.Equal(got, want) {
		t.Errorf("asked %v\nwant %v", got, want)
	}
	// The next time only what is newer is asked for, and a draft takes its clip away.
	f.Set("moments", contentOf("missed3", 1, func(c object) {
		c["status"], c["version"], c["updateTime"] = "Draft", 2, time.Now().UTC().Format(time.RFC3339Nano)
	}))
	if err := p.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := r.clipsNow()["wsc:missed3:77"]; e.Counts() {
		t.Error("a draft is shown")
	}
	asked := f.Asked()
	if first, last := asked[0].From, asked[len(asked)-1].From; first.IsZero() || last.Sub(first) < 23*time.Hour {
		t.Errorf("asked from %v and then from %v", first, last)
	}
}

// TestPullThatBreaksOffLosesNothing: what was read stays, and the next time all that was changed
// since the last whole one is read again.
func TestPullThatBreaksOffLosesNothing(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	f := wsctest.Start(t)
	var moments []object
	for i := range 7 {
		moments = append(moments, contentOf(fmt.Sprint("missed", i), 1, nil))
	}
	f.Set("moments", moments...)
	f.Refuse("moments?1", 403)
	f.Refuse("moments?2", 500, 500)
	p := newPuller(t, r, f, wsc.PullConfig{Key: wsctest.Key, PageSize: 2, Tries: 2, Pause: time.Millisecond})
	for _, want := range []int{2, 4} {
		if err := p.Pull(t.Context()); err == nil || len(r.clipsNow()) != want {
			t.Fatalf("%v, %d clips; want an error and %d", err, len(r.clipsNow()), want)
		}
	}
	if err := p.Pull(t.Context()); err != nil || len(r.clipsNow()) != 7 || r.count("goalcast_clips_pulled_total",
		"new") != 7 {
		t.Errorf("%v, %d clips", err, len(r.clipsNow()))
	}
	asked := f.Asked()
	if first, last := asked[0].From, asked[len(asked)-1].From; last.Sub(first) > time.Hour {
		t.Errorf("asked from %v and then, though it had broken off, from %v", first, last)
	}
}

func TestPullTellsNoKey(t *testing.T) {
	r := newRig(t, setup{})
	f := wsctest.Start(t)
	f.Refuse("stories?0", 429, 429, 429)
	for _, p := range []*wsc.Puller{
		newPuller(t, r, f, wsc.PullConfig{Key: wsctest.Key, Tries: 3, Pause: time.Millisecond}),
		newPuller(t, r, f, wsc.PullConfig{Key: "secret"}),
		wsc.NewPuller(wsc.PullConfig{URL: "http://127.0.0.1:1", Key: "secret", Tries: 1}, r.clips,
			slog.New(slog.DiscardHandler)),
	} {
		err := p.Pull(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ApiKey") {
			t.Errorf("error %v", err)
		}
	}
	if asked := f.Pages(); len(asked) != 4 {
		t.Errorf("asked %v", asked)
	}
}
