package wsc_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/merge"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove"
	"goalcast/ingest/wsc/brightcove/brightcovetest"
	"goalcast/ingest/wsc/wsctest"
	"goalcast/store"
	"goalcast/store/bus"
)

func TestMain(m *testing.M) {
	bus.LogRedisTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

const (
	patience = 60 * time.Second
	match    = goalcast.MatchID(77)
	home     = goalcast.TeamID(1)
	away     = goalcast.TeamID(2)
)

var kickoff = time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)

// plain is a provider whose documents are readings, for the match's own feed.
type plain struct{}

func (plain) Sources() []merge.Source                                       { return nil }
func (plain) Name() string                                                  { return "plain" }
func (plain) Describe(map[string]string, []byte) (string, goalcast.MatchID) { return "PLAIN", match }
func (plain) Read(doc goalcast.Document) (r merge.Reading, err error) {
	return r, json.Unmarshal(doc.Body, &r)
}

// rig is goalcast's way of a clip, with a real database, a Brightcove and WSC's webhook before it.
type rig struct {
	t      *testing.T
	cfg    setup
	db     *store.Store
	vendor *brightcovetest.Server
	player *brightcove.Client
	ingest *ingest.Ingest
	clips  *wsc.Clips
	reg    *prometheus.Registry
	url    string
	tasks  *tasks // nil with a real queue

	mu    sync.Mutex // guards the rest
	clock time.Duration
	feed  int
}

type setup struct {
	clips       wsc.Config
	noPlayer    bool
	noCallbacks bool
	database    string // default SQLite in memory
	player      brightcove.Config
	queue       func(*rig) (wsc.Queue, ingest.Publisher) // default tasks, and nobody to publish to
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{t: t, cfg: s, reg: prometheus.NewRegistry(), vendor: brightcovetest.Start(t)}
	level := slog.LevelError + 4
	if os.Getenv("GOALCAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	var err error
	if r.db, err = store.Open(t.Context(), cmp.Or(s.database, "sqlite::memory:"), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	if err := r.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	r.url = server.URL
	t.Cleanup(server.Close)
	if !s.noPlayer {
		cfg := s.player
		cfg.Account = brightcovetest.Account
		cfg.ClientID, cfg.ClientSecret = brightcovetest.ClientID, brightcovetest.ClientSecret
		cfg.OAuthURL, cfg.CMSURL, cfg.IngestURL = r.vendor.URL, r.vendor.URL, r.vendor.URL
		if !s.noCallbacks {
			cfg.CallbackURL, cfg.CallbackSecret = server.URL, "guess"
		}
		r.player = brightcove.New(cfg, log, r.reg)
		t.Cleanup(r.player.Close)
	}
	r.tasks = &tasks{now: r.now, due: map[string]time.Time{}}
	var queue wsc.Queue = r.tasks
	var publisher ingest.Publisher = nobody{}
	if s.queue != nil {
		queue, publisher = s.queue(r)
		r.tasks = nil
	}
	r.clips = wsc.New(s.clips, r.db, queue, r.player, log, r.reg)
	r.ingest = ingest.New(ingest.Config{Secrets: map[string][]string{"wsc": {"hush"}}, Open: true, SweepAge: time.Hour},
		r.db, publisher, queue, []ingest.Provider{plain{}, r.clips}, log, r.reg)
	r.clips.Attach(r.ingest)
	if r.tasks != nil {
		r.clips.SetNow(r.now)
	}
	mux.Handle("/feeds/", r.ingest.Handler())
	if r.player != nil {
		mux.Handle("/callbacks/", r.player.Callbacks(r.clips.Wake))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.ingest.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.clock)
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock += max(0, d)
}

type nobody struct{}

func (nobody) Publish(context.Context, []goalcast.Event) error { return nil }

// tasks is a queue that does nothing by itself.
type tasks struct {
	mu   sync.Mutex
	list []goalcast.Task
	lost bool            // it takes tasks and forgets them
	away bool            // it takes none
	held map[string]bool // the names of tasks whose process died: they are taken, and nobody runs them
	now  func() time.Time
	due  map[string]time.Time // by task id
}

func (q *tasks) Enqueue(_ context.Context, t goalcast.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.away:
		return goalcast.ErrUnavailable
	case q.lost || q.held[t.ID] || slices.ContainsFunc(q.list, func(o goalcast.Task) bool { return o.ID == t.ID }):
	default:
		q.list = append(q.list, t)
		q.due[t.ID] = q.now().Add(t.Delay)
	}
	return nil
}

// next takes the task that is due first, with the time until then as its Delay.
func (q *tasks) next() (goalcast.Task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return goalcast.Task{}, false
	}
	slices.SortStableFunc(q.list, func(a, b goalcast.Task) int { return q.due[a.ID].Compare(q.due[b.ID]) })
	t := q.list[0]
	q.list = q.list[1:]
	t.Delay = max(0, q.due[t.ID].Sub(q.now()))
	return t, true
}

// step brings the rig's clock to when the next task is due and runs it; false if there is none.
func (r *rig) step() bool {
	r.t.Helper()
	t, ok := r.tasks.next()
	if !ok {
		return false
	}
	r.advance(t.Delay)
	var err error
	switch t.Kind {
	case wsc.TaskUpload, wsc.TaskCheck:
		err = r.clips.Task(r.t.Context(), t.Payload)
	case ingest.TaskKind:
		err = r.ingest.ProcessTask(r.t.Context(), t.Payload)
	}
	if err != nil {
		r.t.Errorf("task %s: %v", t.ID, err)
	}
	return true
}

// until runs tasks until a condition holds.
func (r *rig) until(what string, condition func() bool) {
	r.t.Helper()
	for n := 0; !condition(); n++ {
		if n == 200 || !r.step() {
			r.t.Fatalf("%s: not after %d tasks; record %s; clips %+v", what, n, r.record(goalClip), r.clipsNow())
		}
	}
}

// post sends a document and waits until it is applied. WSC's is known by the id it has.
func (r *rig) post(provider string, body any) {
	r.t.Helper()
	text, ok := body.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/feeds/"+provider,
		bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "hush")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Document goalcast.DocumentID }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %v", res.Status, err)
	}
	await(r.t, "the document", func() bool {
		d, err := r.db.Document(r.t.Context(), answer.Document)
		if err != nil {
			r.t.Fatal(err)
		}
		return d.State != goalcast.DocumentReceived
	})
	if d, _ := r.db.Document(r.t.Context(), answer.Document); d.State != goalcast.DocumentApplied {
		r.t.Fatalf("document: %s %s", d.State, d.Error)
	}
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// goals posts the match with its goals as they stand, each at a minute; taken back where
// the minute is negative.
func (r *rig) goals(minutes ...int) {
	r.t.Helper()
	r.feed++
	m := merge.MatchReading{Match: match, Fixture: &goalcast.Fixture{Competition: goalcast.Competition{ID: 9},
		Kickoff: kickoff,
		Home:    goalcast.Team{ID: home, Name: "FC Zeebries"}, Away: goalcast.Team{ID: away, Name: "Véloce Bergen"}}}
	for i, minute := range minutes {
		e := goalcast.Event{ID: fmt.Sprint("plain:", i+1), Kind: goalcast.KindGoal, Status: goalcast.Confirmed,
			Team: home, Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
			Period: goalcast.FirstHalf, Minute: minute, Player: &goalcast.Player{ID: 5, Name: "Jo Peeters"}}
		if minute < 0 {
			e.Minute, e.Status = -minute, goalcast.Cancelled
		}
		if e.Minute > 45 {
			e.Period = goalcast.SecondHalf
		}
		m.Facts = append(m.Facts, e)
	}
	r.post("plain", merge.Reading{Source: "plain",
		Version: merge.Version{Time: kickoff.Add(time.Duration(r.feed) * time.Second)},
		Matches: []merge.MatchReading{m}})
}

const goalClip = "6a92fa1ee363eba308515c01"

type object = wsctest.Object

// webhook is a document of WSC: the clip of a goal in minute 27, version and time 1. edit
// changes what is in it.
func webhook(action string, version int, edit func(content object)) object {
	c := wsctest.Content(goalClip, match, version, edited(0))
	c["labels"] = append(c["labels"].([]any), object{"title": "Zeebries", "identifier": "zeebries"})
	if edit != nil {
		edit(c)
	}
	return wsctest.Webhook(action, c)
}

// edited is when a version was made.
func edited(version int) time.Time {
	return kickoff.Add(35*time.Minute + time.Duration(version)*time.Second)
}

func deletion(version int) object { return wsctest.Deletion(goalClip, edited(version)) }

// clipsNow are the match's clips as viewers see them, by id.
func (r *rig) clipsNow() map[string]goalcast.Event {
	r.t.Helper()
	m, err := r.db.Match(r.t.Context(), match)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		r.t.Fatal(err)
	}
	out := map[string]goalcast.Event{}
	for _, e := range m.Timeline {
		if e.Kind == goalcast.KindClip {
			out[e.ID] = e
		}
	}
	return out
}

// clip is the goal's clip as viewers see it; nil if they do not.
func (r *rig) clip() *goalcast.Event {
	r.t.Helper()
	if e, ok := r.clipsNow()["wsc:"+goalClip+":77"]; ok {
		return &e
	}
	return nil
}

func (r *rig) shown() bool  { e := r.clip(); return e != nil && e.Counts() }
func (r *rig) linked() bool { e := r.clip(); return e != nil && e.Clip.Of != "" }

func (r *rig) record(id string) string {
	text, err := r.db.Clip(context.WithoutCancel(r.t.Context()), id)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// field is a field of the goal clip's record.
func (r *rig) field(name string) any {
	var all object
	_ = json.Unmarshal([]byte(r.record(goalClip)), &all)
	return all[name]
}

// alarms is how often an alarm of a kind was counted.
func (r *rig) alarms(kind string) float64 { return r.count("goalcast_clips_alarms_total", kind) }

func (r *rig) count(name, label string) (n float64) {
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if f.GetName() == name && l.GetValue() == label {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// playing brings the newest job to an end that can be watched, once there are n.
func (r *rig) playing(n int) {
	r.t.Helper()
	r.until("a job", func() bool { return len(r.vendor.Jobs()) == n })
	r.vendor.SetJob(r.vendor.Jobs()[n-1].ID, "finished")
	r.until("the video", func() bool { return r.field("state") == "playable" })
}

// dead is ingest in a process that is killed as it is told something: the goroutine ends there, and
// nothing after it happens.
type dead struct{ *ingest.Ingest }

func (dead) Report(context.Context, string, merge.Reading) error {
	runtime.Goexit()
	return nil
}
