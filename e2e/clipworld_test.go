package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/optatest"
	"goalcast/ingest/wsc/brightcove/brightcovetest"
	"goalcast/ingest/wsc/wsctest"
)

const (
	clipSecret     = "wsc-secret-of-the-tests"
	callbackSecret = "callback-secret-of-the-tests"
	thumbnails     = "https://images.example.org/" + brightcovetest.Account + "/" // Brightcove's, not WSC's
)

// clipWorld is goalcast with a Brightcove beside it, a real match before its first goal, and a
// viewer of that match.
type clipWorld struct {
	t      *testing.T
	vendor *brightcovetest.Server
	system
	front  *front
	viewer *viewer

	match         goalcast.MatchID
	before, after delivery // the match's F7 before and after the goal
	goal          goalcast.Event
	made          time.Time // when clips were cut
}

// front is the one address that providers know, whichever process takes feeds at the time.
type front struct {
	*httptest.Server
	to atomic.Pointer[url.URL]
}

func newFront(t *testing.T) *front {
	f := &front{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(f.to.Load())
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.WriteHeader(http.StatusBadGateway) // the process was killed
	}}
	f.Server = httptest.NewServer(proxy)
	t.Cleanup(f.Close)
	return f
}

// leadTo has requests go to a process.
func (f *front) leadTo(p *process) {
	f.to.Store(&url.URL{Scheme: "http", Host: strings.TrimPrefix(p.public, "http://")})
}

// newClipWorld starts goalcast, embedded or on PostgreSQL and Redis, with callbacks or without, and
// with settings as environment variables besides.
func newClipWorld(t *testing.T, clustered, callbacks bool, settings ...string) *clipWorld {
	t.Helper()
	m := madeUpMatches(t)[1]
	w := &clipWorld{t: t, match: m.id, made: time.Now().Add(-5 * time.Minute), front: newFront(t)}
	w.before, w.after, w.goal = firstGoal(t, m)
	w.vendor = brightcovetest.Start(t)
	more := slices.Concat([]string{
		"GOALCAST_FEED_SECRETS=wsc=" + clipSecret, "GOALCAST_BRIGHTCOVE_ACCOUNT=" + brightcovetest.Account,
		"GOALCAST_BRIGHTCOVE_CLIENT_ID=" + brightcovetest.ClientID,
		"GOALCAST_BRIGHTCOVE_CLIENT_SECRET=" + brightcovetest.ClientSecret, "GOALCAST_BRIGHTCOVE_OAUTH_URL=" +
			w.vendor.URL,
		"GOALCAST_BRIGHTCOVE_CMS_URL=" + w.vendor.URL, "GOALCAST_BRIGHTCOVE_INGEST_URL=" + w.vendor.URL,
	}, settings)
	if callbacks {
		more = append(more, "GOALCAST_BRIGHTCOVE_CALLBACK_URL="+w.front.URL, "GOALCAST_BRIGHTCOVE_CALLBACK_SECRET="+
			callbackSecret)
	}
	if clustered {
		w.system = startClustered(t, more...)
	} else {
		w.system = startEmbedded(t, more...)
	}
	w.front.leadTo(w.ingest)
	w.viewer = newViewer(t, w.hub.public, overWebSocket, goalcast.ForMatch(m.id))
	w.viewer.join()
	return w
}

// restartIngest restarts the process that takes feeds, in a cluster.
func (w *clipWorld) restartIngest() {
	w.t.Helper()
	w.ingest = start(w.t, w.env, "serve", "--roles=ingest,rest")
	w.front.leadTo(w.ingest)
}

// firstGoal is the match's F7 right before and right after its first goal, and the goal as goalcast
// knows it by that document.
func firstGoal(t *testing.T, m sampleMatch) (before, after delivery, goal goalcast.Event) {
	t.Helper()
	parsed := optatest.ParseF24(m.f24)
	for _, at := range parsed.Moments() {
		body := optatest.CutF7(m.f7, at)
		d := delivery{optatest.Headers("F7", body, at), body, at}
		reading, err := opta.New().Read(goalcast.Document{Feed: "F7", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range reading.Matches[0].Facts {
			if e.Kind == goalcast.KindGoal && e.Counts() {
				return before, d, e
			}
		}
		before = d
	}
	t.Fatal("no goal in the match")
	return
}

// content is a clip of the goal.
func (w *clipWorld) content(id string, version int) wsctest.Object {
	c := wsctest.Content(id, w.match, version, w.made)
	c["extraInfo"] = wsctest.Object{"eventMinute": fmt.Sprint(w.goal.Minute)}
	c["metadata"].(wsctest.Object)["team"] = wsctest.Object{"provider": "Opta", "providerId": fmt.Sprint(w.goal.Team)}
	return c
}

// webhook posts a document to WSC's webhook with its secret.
func (w *clipWorld) webhook(document wsctest.Object) (status int, answer string) {
	w.t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		w.t.Fatal(err)
	}
	return ask(w.t, http.MethodPost, w.front.URL+"/feeds/wsc", http.Header{"X-Api-Key": {clipSecret}}, string(body))
}

// wsc posts a document to WSC's webhook and waits until it is applied.
func (w *clipWorld) wsc(document wsctest.Object) {
	w.t.Helper()
	status, answer := w.webhook(document)
	var kept struct{ Document int64 }
	if err := json.Unmarshal([]byte(answer), &kept); err != nil || status != http.StatusOK {
		w.t.Fatalf("webhook: %d %s", status, answer)
	}
	w.ingest.applied(kept.Document)
}

// job waits until Brightcove was given version n of a clip as the n-th job of its
// video, and returns the job.
func (w *clipWorld) job(id string, n int) (job brightcovetest.Job) {
	w.t.Helper()
	waitFor(w.t, 60*time.Second, fmt.Sprintf("job %d of %s", n, id), func() error {
		var all []brightcovetest.Job
		for _, j := range w.vendor.Jobs() {
			if w.vendor.Reference(j.Video) == id {
				all = append(all, j)
			}
		}
		if len(all) > n {
			w.t.Fatalf("%d jobs, want %d: %+v", len(all), n, all)
		} else if len(all) < n {
			return fmt.Errorf("%d jobs; videos %+v", len(all), w.vendor.Videos())
		}
		job = all[n-1]
		return nil
	})
	return job
}

// told are the revisions of a clip that the viewer was told, in order.
func (w *clipWorld) told(id string) (clips []goalcast.Event) {
	w.t.Helper()
	events, _, problem := w.viewer.State(w.match)
	if problem != nil {
		w.t.Fatal(problem)
	}
	for _, e := range events {
		if e.Kind == goalcast.KindClip && e.ID == w.clipID(id) {
			clips = append(clips, e)
		}
	}
	return clips
}

func (w *clipWorld) clipID(id string) string { return fmt.Sprintf("wsc:%s:%d", id, w.match) }

// sees waits until the newest revision that the viewer was told of a clip is as it should be, REST
// shows the same, and returns it.
func (w *clipWorld) sees(what, id string, right func(goalcast.Event) bool) (last goalcast.Event) {
	w.t.Helper()
	waitFor(w.t, 60*time.Second, what, func() error {
		all := w.told(id)
		if len(all) == 0 {
			return fmt.Errorf("the viewer was told nothing of it; videos %+v, jobs %+v", w.vendor.Videos(),
				w.vendor.Jobs())
		}
		if last = all[len(all)-1]; last.Clip == nil || !right(last) {
			return fmt.Errorf("the viewer has %s of %+v", last.Key(), last.Clip)
		}
		s, err := w.hub.snapshot(w.match)
		if err != nil {
			return err
		}
		if shown, _ := s.Event(last.ID); !shown.SameContent(last) || shown.Revision != last.Revision {
			return fmt.Errorf("REST has %s of %+v, the viewer %s of %+v", shown.Key(), shown.Clip, last.Key(),
				last.Clip)
		}
		return nil
	})
	return last
}

// unseen fails the test if anybody was told of the clip.
func (w *clipWorld) unseen(what, id string) {
	w.t.Helper()
	if told := w.told(id); len(told) > 0 {
		w.t.Errorf("%s: the viewer was told %+v", what, told[0].Clip)
	}
	s := w.hub.match(w.match)
	if e, shown := s.Event(w.clipID(id)); shown {
		w.t.Errorf("%s: REST shows %+v", what, e.Clip)
	}
}

// plays says that a clip can be played from Brightcove, as that version, with the
// picture that the job made.
func plays(e goalcast.Event, job brightcovetest.Job, version int64) bool {
	return e.Counts() && e.Clip.Video == job.Video && e.Clip.Account == brightcovetest.Account && e.Clip.URL == "" &&
		e.Clip.Version == version &&
		strings.HasPrefix(e.Clip.Thumbnail, thumbnails+job.ID) && strings.HasPrefix(e.Clip.Poster, thumbnails+job.ID)
}
