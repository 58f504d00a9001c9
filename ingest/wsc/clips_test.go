package wsc_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove/brightcovetest"
	"goalcast/internal/testservers"
)

func TestClipOfAKnownGoal(t *testing.T) {
	for name, database := range map[string]func() string{"sqlite": func() string { return "" },
		"postgres": func() string { return testservers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{database: database()})
			r.goals(27)
			r.post("wsc", webhook("Created", 1, nil))
			if r.clip() != nil {
				t.Fatalf("shown before it can be played: %+v", r.clip())
			}
			r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
			job := r.vendor.Jobs()[0]
			if job.Master != "https://cdn.example.org/v1/wide.mp4" || len(job.Callbacks) != 1 {
				t.Errorf("job %+v", job)
			}
			if v := r.vendor.Videos(); len(v) != 1 || v[0].Reference != goalClip ||
				v[0].Name != "Peeters opens the score" {
				t.Errorf("videos %+v", v)
			}
			if r.clip() != nil {
				t.Error("shown while Brightcove works on it")
			}
			r.vendor.SetJob(job.ID, "finished")
			r.vendor.NotifyAll(job.ID)
			r.until("the clip", r.shown)
			want := goalcast.Clip{Of: "plain:1", Version: 1, Title: "Peeters opens the score",
				Account: brightcovetest.Account, Video: job.Video, Seconds: 14, Include: []string{"BE", "NL"},
				Poster:    "https://images.example.org/9000001/" + job.ID + "-vs.jpg",
				Thumbnail: "https://images.example.org/9000001/" + job.ID + "-th.jpg"}
			got := r.clip()
			if !reflect.DeepEqual(*got.Clip, want) {
				t.Errorf("clip %+v\nwant %+v", *got.Clip, want)
			}
			if got.Team != home || got.Player == nil || got.Player.ID != 5 || got.Clock != "27" || got.Goal != nil ||
				got.Revision != 1 {
				t.Errorf("event %+v", got)
			}
			// Nothing is left to do but to look once more for a picture.
			for r.step() {
			}
			if due := r.field("due"); due != nil {
				t.Errorf("still due: %v", due)
			}
			if r.clip().Revision != 1 {
				t.Errorf("revision %d without news", r.clip().Revision)
			}
		})
	}
}

func TestClipFollowsItsGoal(t *testing.T) {
	r := newRig(t, setup{})
	r.goals()
	r.post("wsc", webhook("create", 1, nil))
	r.playing(1)
	if e := r.clip(); e == nil || e.Clip.Of != "" || e.Team != home || e.Minute != 27 {
		t.Fatalf("before its goal: %+v", e)
	}
	for _, step := range []struct {
		what  string
		goals []int
		of    string
		shown bool
	}{
		{"another goal", []int{31}, "", true},
		{"its goal, a minute off", []int{31, 26}, "plain:2", true},
		{"its goal taken back", []int{31, -26}, "plain:2", false},
		{"and given", []int{31, 26}, "plain:2", true},
		{"two that fit", []int{29, 26}, "", true},
		{"one of which is taken back", []int{-29, 26}, "plain:2", true},
		{"its goal vanished", []int{31}, "plain:2", false},
	} {
		before := r.clip().Revision
		r.goals(step.goals...)
		if e := r.clip(); e.Clip.Of != step.of || e.Counts() != step.shown {
			t.Errorf("%s: of %q, %s", step.what, e.Clip.Of, e.Status)
		}
		if after := r.clip().Revision; (after != before) == (step.what == "another goal") {
			t.Errorf("%s: revision %d after %d", step.what, after, before)
		}
	}
}

func TestRenditionIsShownUntilThereIsAVideo(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	r.post("wsc", webhook("UPDATE", 1, nil))
	if e := r.clip(); e == nil || e.Clip.URL != "https://cdn.example.org/v1/wide.mp4" || e.Clip.Video != "" ||
		e.Clip.Thumbnail != "https://cdn.example.org/small.jpg" {
		t.Fatalf("at once: %+v", e)
	}
	r.playing(1)
	if e := r.clip(); e.Clip.URL != "" || e.Clip.Video == "" || e.Revision != 2 ||
		e.Clip.Thumbnail == "https://cdn.example.org/small.jpg" {
		t.Errorf("later: %+v", *e.Clip)
	}
	without := newRig(t, setup{noPlayer: true})
	without.goals(27)
	without.post("wsc", webhook("UPDATE", 1, nil))
	if e := without.clip(); e == nil || e.Clip.URL == "" || without.step() {
		t.Errorf("without Brightcove: %+v", e)
	}
}

func TestBetterCutReplacesTheOldOne(t *testing.T) {
	r := newRig(t, setup{})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.playing(1)
	first := *r.clip()
	r.post("wsc", webhook("update", 2, func(c object) { c["duration"] = 31 }))
	r.until("a second job", func() bool { return len(r.vendor.Jobs()) == 2 })
	if !r.shown() || r.clip().Clip.Video != first.Clip.Video {
		t.Error("the old cut does not play on")
	}
	if j := r.vendor.Jobs()[1]; j.Master != "https://cdn.example.org/v2/wide.mp4" || j.Video != first.Clip.Video {
		t.Errorf("second job %+v", j)
	}
	r.playing(2)
	r.until("the new picture", func() bool { return r.clip().Clip.Poster != first.Clip.Poster })
	if now := r.clip(); now.Clip.Seconds != 31 || now.Revision <= first.Revision || now.Clip.Of != "plain:1" ||
		len(r.vendor.Videos()) != 1 {
		t.Errorf("clip %+v, revision %d", *now.Clip, now.Revision)
	}
	// A document that says the same, an older one, and one with another title
	// only, start no upload.
	r.post("wsc", webhook("update", 2, func(c object) { c["duration"] = 31 }))
	r.post("wsc", webhook("create", 1, nil))
	r.post("wsc", webhook("update", 2, func(c object) {
		c["title"], c["updateTime"] = "One nil", kickoff.Add(50*time.Minute).Format(time.RFC3339)
	}))
	for r.step() {
	}
	if len(r.vendor.Jobs()) != 2 || r.clip().Clip.Title != "One nil" || r.clip().Clip.Seconds != 14 {
		t.Errorf("%d jobs, clip %+v", len(r.vendor.Jobs()), r.clip().Clip)
	}
}

// TestHigherVersionIsARevision: also where title, length and picture are the same; not before the
// better cut can be watched, and not where it never can.
func TestHigherVersionIsARevision(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{Attempts: 1}})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.playing(1)
	first := *r.clip()
	if first.Clip.Version != 1 {
		t.Errorf("clip %+v", first.Clip)
	}
	for version := 2; version <= 3; version++ {
		r.post("wsc", webhook("update", version, nil))
		r.until("another job", func() bool { return len(r.vendor.Jobs()) == version })
		if now := r.clip(); now.Revision != first.Revision {
			t.Errorf("told before it can be watched: %+v", now.Clip)
		}
		if version == 3 {
			r.vendor.SetJob(r.vendor.Jobs()[2].ID, "failed")
			r.until("given up", func() bool { return r.field("state") == "failed" })
			break
		}
		r.vendor.SetPlain(r.vendor.Jobs()[1].ID, "finished")
		r.until("the video", func() bool { return r.field("state") == "playable" })
		now := *r.clip()
		want := *first.Clip
		want.Version = 2
		if now.Revision != first.Revision+1 || !reflect.DeepEqual(*now.Clip, want) {
			t.Errorf("revision %d of %+v", now.Revision, *now.Clip)
		}
		first = now
	}
	if now := r.clip(); now.Revision != first.Revision || now.Clip.Version != 2 {
		t.Errorf("a cut that failed: revision %d of %+v", now.Revision, *now.Clip)
	}
	// Of WSC's own file each version is there at once.
	local := newRig(t, setup{noPlayer: true})
	local.goals(27)
	for version := 1; version <= 2; version++ {
		local.post("wsc", webhook("update", version, func(c object) {
			c["videoRenditions"] = []any{object{"url": "https://cdn.example.org/same.mp4", "fileType": "Mp4"}}
		}))
		if now := local.clip(); now.Revision != version || now.Clip.Version != int64(version) {
			t.Errorf("version %d: revision %d of %+v", version, now.Revision, *now.Clip)
		}
	}
}

func TestWithdrawnAndBack(t *testing.T) {
	r := newRig(t, setup{})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.playing(1)
	r.post("wsc", deletion(2))
	if r.shown() {
		t.Error("shown though its rights are gone")
	}
	if e := r.clip(); e == nil || e.Clip.Video != "" || e.Clip.URL != "" {
		t.Errorf("what is withdrawn can still be played: %+v", e)
	}
	r.until("the video hidden", func() bool { return r.vendor.Videos()[0].State == "INACTIVE" })
	r.post("wsc", webhook("update", 1, nil))
	if r.shown() {
		t.Error("an older document brought it back")
	}
	back := func(c object) { c["updateTime"] = kickoff.Add(40 * time.Minute).Format(time.RFC3339) }
	r.post("wsc", webhook("update", 1, back))
	if !r.shown() {
		t.Error("not back")
	}
	r.until("the video active", func() bool { return r.vendor.Videos()[0].State == "ACTIVE" })
	r.until("all told", func() bool { return r.field("state") == "playable" })
	if len(r.vendor.Jobs()) != 1 {
		t.Errorf("%d jobs for one cut", len(r.vendor.Jobs()))
	}
	r.post("wsc", webhook("update", 1, func(c object) {
		c["status"], c["updateTime"] = "Draft", kickoff.Add(41*time.Minute).Format(time.RFC3339)
	}))
	if r.shown() {
		t.Error("a draft is shown")
	}
}

func TestDeletedBeforeItWasCreated(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	r.post("wsc", deletion(3))
	r.post("wsc", webhook("create", 1, nil))
	for r.step() {
	}
	if len(r.clipsNow()) != 0 || len(r.vendor.Videos()) != 0 {
		t.Errorf("clips %v, videos %v", r.clipsNow(), r.vendor.Videos())
	}
}

func TestDeletedWhileItIsUploaded(t *testing.T) {
	r := newRig(t, setup{})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == 1 })
	r.post("wsc", deletion(2))
	r.vendor.SetJob(r.vendor.Jobs()[0].ID, "finished")
	for r.step() {
	}
	if e := r.clip(); e != nil && e.Counts() {
		t.Errorf("clip %+v", e)
	}
	if v := r.vendor.Videos(); v[0].State != "INACTIVE" {
		t.Errorf("videos %v", v)
	}
}

func TestMatchIsFoundLater(t *testing.T) {
	for name, edit := range map[string]func(object){
		"by id":    nil,
		"by names": func(c object) { c["metadata"] = nil },
		"placeholder minute": func(c object) {
			c["metadata"] = object{"game": nil}
			c["extraInfo"] = object{"eventMinute": "SoccerEventMinute"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
			r.post("wsc", webhook("create", 1, edit))
			if r.field("state") != "unresolved" || r.alarms("unresolved") != 1 || len(r.vendor.Videos()) != 0 {
				t.Fatalf("record %s", r.record(goalClip))
			}
			r.step()
			r.step()
			if r.field("state") != "unresolved" || r.alarms("unresolved") != 1 {
				t.Fatalf("record %s", r.record(goalClip))
			}
			r.goals(27)
			r.until("the clip", r.shown)
			if r.linked() != (name != "placeholder minute") {
				t.Errorf("clip %+v", r.clip().Clip)
			}
		})
	}
}

func TestMatchIsNeverFound(t *testing.T) {
	r := newRig(t, setup{})
	r.post("wsc", webhook("create", 1, func(c object) { c["metadata"] = nil }))
	r.until("given up", func() bool { return r.field("state") == "failed" })
	if r.alarms("unmatched") != 1 || r.step() {
		t.Errorf("alarms %v", r.alarms("unmatched"))
	}
}

func TestOneSummaryStands(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	summary := func(id string, at time.Duration) func(object) {
		return func(c object) {
			c["id"], c["executionTimeType"], c["extraInfo"] = id, "PostGame", nil
			c["updateTime"] = kickoff.Add(at).Format(time.RFC3339)
		}
	}
	r.post("wsc", webhook("create", 1, summary("sum2", 122*time.Minute)))
	r.post("wsc", webhook("create", 1, summary("sum1", 121*time.Minute)))
	r.post("wsc", webhook("create", 1, nil))
	clips := r.clipsNow()
	if e := clips["wsc:sum2:77"]; !e.Counts() || !e.Clip.Summary || e.Clip.Of != "" {
		t.Errorf("the newest: %+v", e)
	}
	if e := clips["wsc:sum1:77"]; e.Counts() {
		t.Errorf("the older: %+v", e)
	}
	if e := clips["wsc:"+goalClip+":77"]; !e.Counts() || e.Clip.Summary || e.Clip.Of != "plain:1" {
		t.Errorf("the goal's: %+v", e)
	}
	r.post("wsc", webhook("update", 1, func(c object) { summary("sum2", 123*time.Minute)(c); c["status"] = "Draft" }))
	if e := r.clipsNow()["wsc:sum1:77"]; !e.Counts() {
		t.Errorf("the older does not come back: %+v", e)
	}
}

func TestClipOfAnotherMatchAfterAll(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	r.playing(1)
	other := goalcast.MatchID(78)
	err := r.db.UpdateMatch(t.Context(), other, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		e := goalcast.Event{ID: "match:78:fixture", Revision: 1, Seq: 1, Match: other, Kind: goalcast.KindFixture,
			Status: goalcast.Confirmed, Topics: []goalcast.Topic{goalcast.ForMatch(other)},
			Fixture: &goalcast.Fixture{Home: goalcast.Team{ID: 3}, Away: goalcast.Team{ID: 4}}}
		rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
		return rec, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.post("wsc", webhook("update", 1, func(c object) {
		c["metadata"] = object{"game": object{"providerId": 78}}
		c["updateTime"] = kickoff.Add(50 * time.Minute).Format(time.RFC3339)
	}))
	if r.shown() {
		t.Error("still of the old match")
	}
	moved := func() *goalcast.Event {
		m, err := r.db.Match(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := m.Event("wsc:" + goalClip + ":78")
		return &e
	}
	r.until("the video in the other match", func() bool { return moved().Clip != nil && moved().Clip.Video != "" })
	if len(r.vendor.Jobs()) != 1 {
		t.Errorf("%d jobs", len(r.vendor.Jobs()))
	}
}

func TestWrongSecretIsRefused(t *testing.T) {
	r := newRig(t, setup{})
	res, err := http.Post(r.url+"/feeds/wsc", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %s", res.Status)
	}
}
