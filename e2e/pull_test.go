package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/wsc/wsctest"
)

// pullWorld is a clipWorld with two processes that could pull. Each asks under a path
// of its own, "a" or "b".
type pullWorld struct {
	*clipWorld
	feed    *wsctest.Feed
	pullers map[string]*process
	wanted  []string // contents that the viewer is to be told of
}

func newPullWorld(t *testing.T) *pullWorld {
	feed := wsctest.Start(t)
	feed.Cut(3)
	w := &pullWorld{feed: feed, clipWorld: newClipWorld(t, true, false, "GOALCAST_WSC_SHOW_RENDITION=true",
		"GOALCAST_WSC_PULL_KEY="+wsctest.Key,
		"GOALCAST_WSC_PULL_URL="+feed.URL+"/a", "GOALCAST_WSC_PULL_EVERY=1s")}
	second := start(t, w.env.with("GOALCAST_WSC_PULL_URL="+feed.URL+"/b"), "serve", "--roles=ingest,rest")
	w.pullers = map[string]*process{"a": w.ingest, "b": second}
	return w
}

// moment is the id of the i-th clip of the goal.
func moment(i int) string { return fmt.Sprintf("65f0c0ffee65f0c0ffee20%02d", i) }

// moments says that the feed has n clips of the goal.
func (w *pullWorld) moments(n int) {
	var all []wsctest.Object
	for i := range n {
		id := moment(i)
		if all = append(all, w.content(id, 1)); !slices.Contains(w.wanted, id) {
			w.wanted = append(w.wanted, id)
		}
	}
	w.feed.Set("moments", all...)
}

// arrive waits until the viewer was told of all clips, and fails the test if of one more than once.
func (w *pullWorld) arrive() {
	w.t.Helper()
	for _, id := range w.wanted {
		w.sees("the clip "+id, id, func(e goalcast.Event) bool {
			return e.Counts() && e.Clip.URL == "https://cdn.example.org/v1/wide.mp4"
		})
		if told := w.told(id); len(told) != 1 {
			w.t.Errorf("told of %s: %+v", id, told)
		}
	}
}

// TestClipsThatNoWebhookTellsOf: they are pulled, page by page, by one of two processes; what
// breaks off in the middle, by an error or by a death, is made up for.
func TestClipsThatNoWebhookTellsOf(t *testing.T) {
	t.Parallel()
	w := newPullWorld(t)
	w.ingest.take(w.after)
	w.wsc(wsctest.Webhook("Create", w.content(moment(0), 1)))
	w.wanted = []string{moment(0)}
	w.arrive() // before the feed has it too: a round at the same moment would count it as new
	w.moments(8)
	const summary = "65f0c0ffee65f0c0ffee3000"
	w.feed.Set("videos", wsctest.Summary(wsctest.Content(summary, w.match, 1, w.made)))
	w.feed.Refuse("moments?1", 503)
	w.feed.Refuse("moments?2", 403) // which ends the whole round
	w.wanted = append(w.wanted, summary)
	w.arrive()
	for _, page := range w.feed.Pages() {
		if !slices.Contains([]string{"stories?0", "moments?0", "moments?1", "moments?2", "videos?0"}, page) {
			t.Errorf("asked for %s, which is not there", page)
		}
	}
	waitFor(t, 60*time.Second, "what was pulled to be counted", func() error { // a clip is counted after it is told
		failures, taken := 0.0, 0.0
		for _, p := range w.pullers {
			taken += p.metric("goalcast_clips_pulled_total", `outcome="new"`)
			failures += p.metric("goalcast_store_job_failures_total", `job="wsc-pull"`)
		}
		if failures != 1 || taken != 8 {
			return fmt.Errorf("%v rounds failed, want the one that was refused; %v clips were new, want 8", failures,
				taken)
		}
		return nil
	})
	w.onePulls()
}

// onePulls: while one process is in the middle of a round the other does nothing, and takes
// over when that one dies.
func (w *pullWorld) onePulls() {
	asked := w.feed.Hold("moments?1")
	w.moments(9) // the new one is on the third page
	var who string
	select {
	case who = <-asked:
	case <-time.After(60 * time.Second):
		w.t.Fatal("nobody pulls any more")
	}
	before := len(w.feed.Asked())
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		// three rounds would have begun
		if asked := w.feed.Asked()[before:]; len(asked) > 0 {
			w.t.Fatalf("while %s was at it: %+v", who, asked)
		}
	}
	w.pullers[who].kill()
	w.arrive()
	for _, r := range w.feed.Asked()[before:] {
		if r.Caller == who {
			w.t.Errorf("the dead %s asked for %s", who, r.Page)
		}
	}
	delete(w.pullers, who)
	waitFor(w.t, 60*time.Second, "a whole round", func() error {
		for _, p := range w.pullers {
			if p.metric("goalcast_store_job_last_success_timestamp_seconds", `job="wsc-pull"`) == 0 {
				return errors.New("none")
			}
		}
		return nil
	})
}
