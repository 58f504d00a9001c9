package wsc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove"
)

// known starts a rig with a match, its goal and the goal's clip.
func known(t *testing.T, s setup) *rig {
	r := newRig(t, s)
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	return r
}

func TestFailedJobIsTriedAgainAndThenGivenUp(t *testing.T) {
	r := known(t, setup{clips: wsc.Config{Attempts: 3}})
	for n := 1; n <= 3; n++ {
		r.until("a job", func() bool { return len(r.vendor.Jobs()) == n })
		r.vendor.SetJob(r.vendor.Jobs()[n-1].ID, "failed")
		if n == 1 && r.vendor.Notify(r.vendor.Jobs()[0].ID, "DIGITAL_MASTER", "FAILED") != http.StatusNoContent {
			t.Error("notification refused")
		}
	}
	r.until("given up", func() bool { return r.field("state") == "failed" })
	if r.alarms("failed") != 1 || r.shown() || len(r.vendor.Videos()) != 1 || r.step() {
		t.Errorf("alarms %v, shown %v, videos %v", r.alarms("failed"), r.shown(), r.vendor.Videos())
	}
	if text, _ := r.field("error").(string); !strings.Contains(text, "DownloadFailed") {
		t.Errorf("error %q", text)
	}
	r.post("wsc", webhook("update", 2, nil)) // a new cut begins again
	r.playing(4)
	if !r.shown() || r.field("error") != nil {
		t.Errorf("record %s", r.record(goalClip))
	}
}

func TestReplayBeginsAFailedUploadAnew(t *testing.T) {
	r := known(t, setup{clips: wsc.Config{Attempts: 1}})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	r.vendor.SetJob(r.vendor.Jobs()[0].ID, "failed")
	r.until("given up", func() bool { return r.field("state") == "failed" })
	document, _ := r.field("document").(float64)
	if err := r.ingest.Process(t.Context(), goalcast.DocumentID(document)); err != nil {
		t.Fatal(err)
	}
	r.playing(2)
}

func TestFailedBetterCutLeavesTheOldOne(t *testing.T) {
	r := known(t, setup{clips: wsc.Config{Attempts: 1}})
	r.playing(1)
	r.post("wsc", webhook("update", 2, nil))
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 2 })
	r.vendor.SetJob(r.vendor.Jobs()[1].ID, "failed")
	r.until("given up", func() bool { return r.field("state") == "failed" })
	if !r.shown() || r.clip().Clip.Video == "" {
		t.Errorf("clip %+v", r.clip())
	}
}

func TestJobWithoutCallbacksIsPolled(t *testing.T) {
	r := known(t, setup{noCallbacks: true})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	job := r.vendor.Jobs()[0]
	if len(job.Callbacks) != 0 {
		t.Errorf("callbacks %v", job.Callbacks)
	}
	for range 3 {
		r.step()
	}
	r.vendor.SetJob(job.ID, "publishing")
	r.step()
	if r.shown() {
		t.Error("shown though it is not published")
	}
	before := r.now()
	r.vendor.SetJob(job.ID, "published")
	r.step()
	if !r.shown() || r.now().Sub(before) > 4*time.Second {
		t.Errorf("shown %v after %v", r.shown(), r.now().Sub(before))
	}
}

func TestJobThatDoesNotEnd(t *testing.T) {
	r := known(t, setup{clips: wsc.Config{Attempts: 1, CheckEvery: time.Minute}})
	r.until("given up", func() bool { return r.field("state") == "failed" })
	if r.alarms("stuck") != 1 || r.vendor.Requests("job") < 25 {
		t.Errorf("alarms %v, asked %d times", r.alarms("stuck"), r.vendor.Requests("job"))
	}
}

func TestCallbacksAreNotBelieved(t *testing.T) {
	r := known(t, setup{})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	job := r.vendor.Jobs()[0]
	for range 5 { // early, doubled
		if status := r.vendor.Notify(job.ID, "TITLE", "SUCCESS"); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
	}
	asked := r.vendor.Requests("job")
	for range 2 {
		r.step()
	}
	if r.vendor.Requests("job") == asked || r.shown() {
		t.Errorf("asked %d times after %d, shown %v", r.vendor.Requests("job"), asked, r.shown())
	}
	post := func(url string) int {
		res, err := http.Post(url, "application/json", strings.NewReader(`{"entityType":"TITLE","status":"SUCCESS"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer res.Body.Close()
		return res.StatusCode
	}
	right := job.Callbacks[0]
	for url, want := range map[string]int{
		right: http.StatusNoContent, right[:len(right)-1] + "9": http.StatusNotFound,
		r.url + "/callbacks/brightcove/x/" + job.Video: http.StatusNotFound,
	} {
		if got := post(url); got != want {
			t.Errorf("%s: %d, want %d", url, got, want)
		}
	}
	r.vendor.SetJob(job.ID, "finished")
	r.until("the clip", r.shown)
	r.vendor.NotifyAll(job.ID) // late
	for r.step() {
	}
	if r.clip().Revision != 1 {
		t.Errorf("revision %d", r.clip().Revision)
	}
}

func TestLostAnswersMakeNoSecondVideo(t *testing.T) {
	r := newRig(t, setup{})
	r.vendor.LoseAnswer("create_video")
	r.vendor.LoseAnswer("ingest")
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.playing(2)
	if len(r.vendor.Videos()) != 1 || !r.shown() || r.vendor.Requests("video") != 1 {
		t.Errorf("videos %v, shown %v", r.vendor.Videos(), r.shown())
	}
}

func TestPassingTroubleAtBrightcove(t *testing.T) {
	r := newRig(t, setup{player: brightcove.Config{Pause: 30 * time.Millisecond}})
	r.vendor.Answer("token", 1, 503, "")
	r.vendor.Answer("create_video", 2, 500, `{"error_code":"UNKNOWN","message":"oops"}`)
	r.vendor.Answer("create_video", 1, 429, `[{"error_code":"RATE_LIMIT_EXCEEDED","message":"slow"}]`)
	r.vendor.Answer("ingest", 1, 429, `[{"error_code":"RATE_LIMIT_EXCEEDED"}]`, "Retry-After", "0")
	r.vendor.Answer("ingest", 1, 400, `[{"error_code":"NOT_SUBMITTED"}]`)
	r.vendor.Answer("job", 2, 502, `<html>`)
	r.vendor.Answer("images", 1, 500, ``)
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	deadline := time.Now().Add(patience)
	for len(r.vendor.Jobs()) == 0 && time.Now().Before(deadline) {
		r.step()
		time.Sleep(5 * time.Millisecond) // the client's pauses are of real time
	}
	r.playing(1)
	if !r.shown() {
		t.Fatal("not shown")
	}
	r.until("the picture", func() bool { return strings.HasPrefix(r.clip().Clip.Poster, "https://images.") })
	if r.alarms("refused")+r.alarms("failed")+r.alarms("account") != 0 {
		t.Error("passing trouble alarms")
	}
}

func TestPictureComesLater(t *testing.T) {
	r := known(t, setup{})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	job := r.vendor.Jobs()[0].ID
	r.vendor.SetPlain(job, "published")
	r.until("the clip", r.shown)
	if e := r.clip(); e.Clip.Poster != "" || e.Clip.Thumbnail != "https://cdn.example.org/small.jpg" {
		t.Errorf("clip %+v", e.Clip)
	}
	r.vendor.Picture(job)
	r.vendor.Notify(job, "ASSET", "SUCCESS")
	r.until("the picture", func() bool { return r.clip().Clip.Poster != "" })
	if e := r.clip(); e.Revision != 2 || !strings.HasPrefix(e.Clip.Thumbnail, "https://images.") {
		t.Errorf("clip %+v", e.Clip)
	}
}

func TestRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		call   string
		status int
		body   string
		alarm  string
	}{
		{"create_video", 422, `[{"error_code":"VALIDATION_ERROR","message":"foo: ILLEGAL_FIELD"}]`, "refused"},
		{"ingest", 422, `[{"error_code":"CONSTRAINT_VIOLATION"}]`, "refused"},
		{"ingest", 400, `{"error_code":"BAD_VALUE"}`, "refused"},
		{"create_video", 403, `[{"error_code":"FORBIDDEN"}]`, "account"},
		{"token", 401, `{"error":"invalid_client"}`, "account"},
	} {
		r := newRig(t, setup{})
		r.vendor.Answer(tt.call, 1, tt.status, tt.body)
		r.goals(27)
		r.post("wsc", webhook("create", 1, nil))
		for r.alarms(tt.alarm) == 0 && r.step() {
		}
		if r.alarms(tt.alarm) != 1 {
			t.Errorf("%s %d: no alarm; %s", tt.call, tt.status, r.record(goalClip))
		}
		if stays := r.field("state") == "failed"; stays != (tt.alarm == "refused") {
			t.Errorf("%s %d: %v", tt.call, tt.status, r.field("state"))
		}
	}
}

func TestVideoDeletedByHand(t *testing.T) {
	r := known(t, setup{})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	r.vendor.Forget(r.vendor.Videos()[0].ID)
	r.vendor.SetJob(r.vendor.Jobs()[0].ID, "failed")
	r.until("a new video", func() bool { return len(r.vendor.Jobs()) == 2 })
	r.playing(2)
	if v := r.vendor.Videos(); len(v) != 1 || r.clip().Clip.Video != v[0].ID {
		t.Errorf("videos %v, clip %+v", v, r.clip().Clip)
	}
}

// TestQueueLosesEverything: each task is lost, as by a wiped Redis, and the sweeper alone
// brings the clip home.
func TestQueueLosesEverything(t *testing.T) {
	r := newRig(t, setup{})
	r.tasks.lost = true
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	for range 2 {
		if r.step() {
			t.Fatal("a task was not lost")
		}
		r.advance(time.Minute)
		r.tasks.lost = false
		r.clips.Sweep(t.Context())
		r.clips.Sweep(t.Context()) // as another process does
		r.tasks.lost = true
		if !r.step() || r.step() {
			t.Fatalf("not one task for an overdue clip; %s", r.record(goalClip))
		}
		if jobs := r.vendor.Jobs(); len(jobs) == 1 {
			r.vendor.SetJob(jobs[0].ID, "finished")
		}
	}
	if !r.shown() || len(r.vendor.Jobs()) != 1 {
		t.Errorf("shown %v, jobs %v", r.shown(), r.vendor.Jobs())
	}
	r.tasks.away = true
	r.post("wsc", webhook("update", 2, nil)) // taken all the same
	if r.count("goalcast_clips_trouble_total", "queue") == 0 {
		t.Error("no trouble counted")
	}
}

// TestProcessDiesInAStep: the queue keeps the name of the task, so that it is
// made under another one.
func TestProcessDiesInAStep(t *testing.T) {
	r := known(t, setup{})
	task, _ := r.tasks.next()
	r.tasks.held = map[string]bool{task.ID: true}
	for range 2 {
		r.advance(11 * time.Second)
		if _, there := r.tasks.next(); there {
			t.Fatal("there is a task, though nobody looked for one that is overdue")
		}
		r.clips.Sweep(t.Context())
	}
	r.playing(1)
	if !r.shown() || r.vendor.Requests("create_video") != 1 {
		t.Errorf("record %s", r.record(goalClip))
	}
}

// TestCallbackBeforeTheJobIsNoted: it comes while Brightcove's answer is on its way, and is no less
// a reason to ask soon.
func TestCallbackBeforeTheJobIsNoted(t *testing.T) {
	r := newRig(t, setup{})
	r.goals(27)
	r.vendor.During("ingest", func() {
		job := r.vendor.Jobs()[0].ID
		r.vendor.SetJob(job, "finished")
		r.vendor.NotifyAll(job)
	})
	r.post("wsc", webhook("create", 1, nil))
	before := r.now()
	r.until("the clip", r.shown)
	if took := r.now().Sub(before); took > 10*time.Second {
		t.Errorf("asked after %v: polled", took)
	}
}

// TestOldTaskDoesNothing: a callback made a task, and before it ran a better cut came, which has a
// task of its own. There is one upload of it.
func TestOldTaskDoesNothing(t *testing.T) {
	r := known(t, setup{})
	r.playing(1)
	r.vendor.Notify(r.vendor.Jobs()[0].ID, "ASSET", "SUCCESS")
	r.post("wsc", webhook("update", 2, nil))
	var callback, upload goalcast.Task
	for task, there := r.tasks.next(); there && task.Delay < time.Second; task, there = r.tasks.next() {
		if task.Kind == wsc.TaskCheck {
			callback = task
		} else {
			upload = task
		}
	}
	run := func(task goalcast.Task) {
		if err := r.clips.Task(context.WithoutCancel(t.Context()), task.Payload); err != nil {
			t.Error(err)
		}
	}
	r.vendor.During("ingest", func() { run(callback) })
	run(upload)
	if jobs := r.vendor.Jobs(); len(jobs) != 2 {
		t.Errorf("%d jobs, want one of each cut", len(jobs))
	}
}

func TestTaskOfNothing(t *testing.T) {
	r := newRig(t, setup{})
	if err := r.clips.Task(t.Context(), []byte("nobody")); !errors.Is(err, goalcast.ErrPermanent) {
		t.Errorf("task: %v", err)
	}
	if err := r.clips.Wake(t.Context(), "123"); !errors.Is(err, goalcast.ErrNotFound) {
		t.Errorf("wake: %v", err)
	}
}

// TestDiesBetweenPlayableAndTold stops the machine after it noted that the video plays.
func TestDiesBetweenPlayableAndTold(t *testing.T) {
	r := known(t, setup{})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	r.vendor.SetJob(r.vendor.Jobs()[0].ID, "finished")
	whole := r.ingest
	r.clips.Attach(dead{whole})
	task, _ := r.tasks.next()
	r.advance(task.Delay)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.clips.Task(context.Background(), task.Payload)
	}()
	<-ended
	r.clips.Attach(whole)
	if r.field("state") != "playable" || r.step() {
		t.Fatalf("record %s", r.record(goalClip))
	}
	if r.shown() {
		t.Fatal("told")
	}
	r.advance(time.Minute)
	r.clips.Sweep(t.Context())
	r.until("the clip", r.shown)
}

// TestCallbackDuringACheck: Brightcove says that the job is processing, finishes it, and calls back
// before its answer is read.
func TestCallbackDuringACheck(t *testing.T) {
	r := known(t, setup{clips: wsc.Config{CheckEvery: time.Hour, MaxJob: 24 * time.Hour}})
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	job := r.vendor.Jobs()[0].ID
	r.vendor.Notify(job, "ASSET", "SUCCESS")
	r.vendor.During("job", func() {
		r.vendor.SetJob(job, "finished")
		r.vendor.Notify(job, "TITLE", "SUCCESS")
	})
	before := r.now()
	r.until("the clip", r.shown)
	if took := r.now().Sub(before); took > time.Minute {
		t.Errorf("the callback was forgotten: shown after %v", took)
	}
}

// TestNewsDuringAnUpload: while Brightcove is asked for something, the clip is withdrawn
// or a better cut comes.
func TestNewsDuringAnUpload(t *testing.T) {
	for _, call := range []string{"create_video", "ingest"} {
		r := newRig(t, setup{})
		r.goals(27)
		r.vendor.During(call, func() { r.post("wsc", deletion(2)) })
		r.post("wsc", webhook("create", 1, nil))
		for r.step() {
		}
		if v := r.vendor.Videos(); len(v) != 1 || v[0].State != "INACTIVE" || r.field("state") != "withdrawn" ||
			r.shown() {
			t.Errorf("%s: withdrawn, and the videos are %v, the record %s", call, v, r.record(goalClip))
		}
		r = newRig(t, setup{})
		r.goals(27)
		r.vendor.During(call, func() { r.post("wsc", webhook("update", 2, nil)) })
		r.post("wsc", webhook("create", 1, nil))
		for r.field("job_cut") == nil || !strings.HasPrefix(r.field("job_cut").(string), "2 ") {
			if !r.step() {
				t.Fatalf("%s: the better cut is not uploaded; %s", call, r.record(goalClip))
			}
		}
		jobs := r.vendor.Jobs()
		last := jobs[len(jobs)-1]
		if r.field("job") != last.ID || last.Master != "https://cdn.example.org/v2/wide.mp4" {
			t.Errorf("%s: jobs %+v, record %s", call, jobs, r.record(goalClip))
		}
	}
}

// TestWithdrawnWhileItIsShownAgain: the video is being made active when the clip
// is withdrawn once more.
func TestWithdrawnWhileItIsShownAgain(t *testing.T) {
	r := known(t, setup{})
	r.playing(1)
	r.post("wsc", deletion(2))
	r.until("the video hidden", func() bool {
		return r.vendor.Videos()[0].State == "INACTIVE" && r.field("hidden") == true
	})
	r.vendor.During("set_state", func() { r.post("wsc", deletion(900)) })
	r.post("wsc", webhook("update", 1, func(c object) {
		c["updateTime"] = kickoff.Add(40 * time.Minute).Format(time.RFC3339)
	}))
	for r.step() {
	}
	if v := r.vendor.Videos(); v[0].State != "INACTIVE" || r.field("due") != nil {
		t.Errorf("videos %v, record %s", v, r.record(goalClip))
	}
	// And the other way round: it comes back while its video is being hidden.
	back := func(at time.Duration) object {
		return webhook("update", 1, func(c object) { c["updateTime"] = kickoff.Add(at).Format(time.RFC3339) })
	}
	r.post("wsc", back(60*time.Minute))
	r.until("the video active", func() bool {
		return r.vendor.Videos()[0].State == "ACTIVE" && r.field("state") == "playable"
	})
	r.vendor.During("set_state", func() { r.post("wsc", back(90*time.Minute)) })
	r.post("wsc", deletion(1800))
	for r.step() {
	}
	if v := r.vendor.Videos(); v[0].State != "ACTIVE" || r.field("state") != "playable" || !r.shown() ||
		len(r.vendor.Jobs()) != 1 {
		t.Errorf("videos %v, shown %v, jobs %v", v, r.shown(), r.vendor.Jobs())
	}
}
