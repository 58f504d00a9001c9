package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/wsc/wsctest"
)

// TestClipsPlayAtBrightcove: from WSC's webhook through Brightcove and its callbacks to the viewer,
// who is told of a clip when it can be played, of each better cut, and of its end.
func TestClipsPlayAtBrightcove(t *testing.T) {
	t.Parallel()
	for name, clustered := range map[string]bool{"embedded": false, "clustered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newClipWorld(t, clustered, true)
			const id = "65f0c0ffee65f0c0ffee0001"
			w.ingest.take(w.after)
			w.wsc(wsctest.Webhook("Create", w.content(id, 1)))
			job := w.job(id, 1)
			w.callbacksAreNotBelieved(id)
			w.vendor.SetJob(job.ID, "finished")
			w.vendor.NotifyAll(job.ID) // in disorder, some twice
			first := w.sees("the clip", id, func(e goalcast.Event) bool { return plays(e, job, 1) })
			if first.Clip.Of != w.goal.ID || first.Revision != 1 || first.Team != w.goal.Team ||
				!slices.Equal(first.Clip.Include, []string{"BE", "NL"}) {
				t.Errorf("told %s of %s: %+v", first.Key(), w.goal.ID, first.Clip)
			}
			w.vendor.NotifyAll(job.ID) // late

			w.wsc(wsctest.Webhook("Update", w.content(id, 2)))
			better := w.job(id, 2)
			w.sees("the cut that plays", id, func(e goalcast.Event) bool { return plays(e, job, 1) })
			w.vendor.SetJob(better.ID, "finished")
			w.vendor.NotifyAll(better.ID)
			w.sees("the better cut", id, func(e goalcast.Event) bool { return plays(e, better, 2) })
			w.wsc(wsctest.Webhook("Create", w.content(id, 1))) // once more, too late

			w.summary("65f0c0ffee65f0c0ffee0002")
			w.wsc(wsctest.Deletion(id, w.made.Add(time.Minute)))
			w.sees("the end of the rights", id, func(e goalcast.Event) bool {
				return !e.Counts() && e.Clip.Video == ""
			})
			waitFor(t, 60*time.Second, "the video to be hidden", func() error {
				if v := w.vendor.Videos()[0]; v.State != "INACTIVE" {
					return errors.New(v.State)
				}
				return nil
			})
			if told := w.told(id); len(told) != 3 || len(w.vendor.Videos()) != 2 || len(w.vendor.Jobs()) != 3 {
				t.Errorf("the viewer was told %d revisions, want 3: %+v; %d videos, %d jobs", len(told), told,
					len(w.vendor.Videos()), len(w.vendor.Jobs()))
			}
		})
	}
}

// callbacksAreNotBelieved: what a notification says is no more than a reason to ask; one that does
// not know the secret is not even that.
func (w *clipWorld) callbacksAreNotBelieved(id string) {
	w.t.Helper()
	job := w.vendor.Jobs()[0]
	if len(job.Callbacks) != 1 || !strings.HasPrefix(job.Callbacks[0], w.front.URL+"/callbacks/brightcove/") {
		w.t.Fatalf("callbacks %v", job.Callbacks)
	}
	// Whether the job is noted is not to be seen from outside: it is when a notification
	// makes goalcast ask for it.
	waitFor(w.t, 60*time.Second, "a question after a notification", func() error {
		if status := w.vendor.Notify(job.ID, "TITLE", "SUCCESS"); status != http.StatusNoContent {
			w.t.Fatalf("notification: %d", status)
		}
		if w.vendor.Requests("job") == 0 {
			return errors.New("not asked")
		}
		return nil
	})
	w.unseen("Brightcove works on it", id)
	body := fmt.Sprintf(`{"entityType":"TITLE","status":"SUCCESS","videoId":%q,"jobId":%q}`, job.Video, job.ID)
	right := job.Callbacks[0]
	i := strings.LastIndex(right, "/")
	for _, address := range []string{w.front.URL + "/callbacks/brightcove/" + callbackSecret + "/" + job.Video,
		right[:i-1] + "x" + right[i:], right + "1"} {
		if status, _ := ask(w.t, http.MethodPost, address, nil, body); status != http.StatusNotFound {
			w.t.Errorf("a callback to %s: %d", address, status)
		}
	}
	if n := w.ingest.metric("goalcast_clips_callbacks_total", `result="forged"`); n != 3 {
		w.t.Errorf("%v forged callbacks are counted, want 3", n)
	}
}

// summary brings the match's summary video to the viewer.
func (w *clipWorld) summary(id string) {
	w.t.Helper()
	w.wsc(wsctest.Webhook("Create", wsctest.Summary(wsctest.Content(id, w.match, 1, w.made))))
	job := w.job(id, 1)
	w.vendor.SetJob(job.ID, "published")
	w.vendor.NotifyAll(job.ID)
	if e := w.sees("the summary", id, func(e goalcast.Event) bool {
		return plays(e, job, 1)
	}); !e.Clip.Summary || e.Clip.Of != "" {
		w.t.Errorf("summary %+v", e.Clip)
	}
}

// TestClipsWithoutCallbacks: Brightcove is asked until it is done; it loses an answer, so that the
// video is there already; the clip is there before its goal. Another one fails for good: nobody
// sees it and somebody is told, until a better cut of it plays.
func TestClipsWithoutCallbacks(t *testing.T) {
	t.Parallel()
	w := newClipWorld(t, false, false, "GOALCAST_BRIGHTCOVE_CHECK_EVERY=200ms")
	const id, broken = "65f0c0ffee65f0c0ffee0001", "65f0c0ffee65f0c0ffee0002"
	w.ingest.take(w.before)
	w.vendor.LoseAnswer("create_video")
	w.wsc(wsctest.Webhook("Create", w.content(id, 1)))
	job := w.job(id, 1)
	if len(job.Callbacks) > 0 || w.vendor.Requests("create_video") != 2 || len(w.vendor.Videos()) != 1 {
		t.Errorf("callbacks %v, %d times created, videos %+v", job.Callbacks, w.vendor.Requests("create_video"),
			w.vendor.Videos())
	}
	w.vendor.SetJob(job.ID, "publishing")
	asked := w.vendor.Requests("job")
	waitFor(t, 60*time.Second, "questions for the job", func() error {
		if w.vendor.Requests("job") < asked+2 {
			return errors.New("not asked")
		}
		return nil
	})
	w.unseen("it is not published", id)
	w.vendor.SetJob(job.ID, "published")
	if e := w.sees("the clip before its goal", id, func(e goalcast.Event) bool {
		return plays(e, job, 1)
	}); e.Clip.Of != "" {
		t.Errorf("of %s before that is known", e.Clip.Of)
	}
	w.ingest.take(w.after)
	w.sees("the clip of its goal", id, func(e goalcast.Event) bool {
		return plays(e, job, 1) && e.Clip.Of == w.goal.ID
	})

	w.wsc(wsctest.Webhook("Create", w.content(broken, 1)))
	for n := 1; n <= 3; n++ {
		w.vendor.SetJob(w.job(broken, n).ID, "failed")
	}
	w.alarm("clip_failed", 1)
	w.unseen("its upload failed", broken)
	w.wsc(wsctest.Webhook("Update", w.content(broken, 2)))
	better := w.job(broken, 4)
	w.vendor.SetJob(better.ID, "finished")
	w.sees("the better cut", broken, func(e goalcast.Event) bool {
		return plays(e, better, 2) && e.Clip.Of == w.goal.ID
	})
	w.alarm("clip_failed", 0)
}

// alarm waits until there are so many open alarms of a kind, for operators to see.
func (w *clipWorld) alarm(kind string, want int) {
	w.t.Helper()
	waitFor(w.t, 60*time.Second, "the alarm "+kind, func() error {
		var list struct{ Alarms []goalcast.Alarm }
		if err := w.ingest.operator("/admin/alarms?kind="+kind, &list); err != nil {
			w.t.Fatal(err)
		}
		if len(list.Alarms) != want || want > 0 && (list.Alarms[0].Match != w.match ||
			!strings.Contains(list.Alarms[0].Text, "DownloadFailed")) {
			return fmt.Errorf("%+v, want %d", list.Alarms, want)
		}
		return nil
	})
}

// TestKilledInTheMiddleOfAnUpload: the process that uploads is killed after Brightcove did what it
// was asked and before it is noted. There is one video, and the viewer is told once.
func TestKilledInTheMiddleOfAnUpload(t *testing.T) {
	t.Parallel()
	w := newClipWorld(t, true, true)
	w.ingest.take(w.after)
	for i, call := range []string{"create_video", "ingest"} {
		id := fmt.Sprint("65f0c0ffee65f0c0ffee100", i)
		victim := w.ingest
		w.vendor.During(call, victim.kill)
		w.webhook(wsctest.Webhook("Create", w.content(id, 1))) // it may be killed before it answers
		select {
		case <-victim.done:
		case <-time.After(60 * time.Second):
			t.Fatalf("%s: not asked for", call)
		}
		w.unseen("killed after "+call, id)
		w.restartIngest()
		jobs := 1
		if call == "ingest" {
			jobs = 2 // nobody knows of the first one
		}
		job := w.job(id, jobs)
		for _, j := range w.vendor.Jobs() {
			w.vendor.SetJob(j.ID, "finished")
		}
		waitFor(t, 60*time.Second, "the clip", func() error {
			w.vendor.NotifyAll(job.ID)
			if len(w.told(id)) == 0 {
				return errors.New("not told")
			}
			return nil
		})
		w.sees("the clip", id, func(e goalcast.Event) bool {
			return e.Counts() && e.Clip.Video == job.Video && e.Clip.Of == w.goal.ID
		})
		videos := w.vendor.Videos()
		if len(videos) != i+1 || videos[i].Reference != id || len(w.told(id)) != 1 {
			t.Errorf("killed after %s: videos %+v; told %+v", call, videos, w.told(id))
		}
	}
}
