// Package wsc makes clips of what WSC Sports sends: it reads their webhooks, finds the match that a
// clip is of, brings the video to Brightcove, and tells ingest of a clip once it can be watched.
// cmd/goalcast makes it and joins it to ingest, the store, the queue and package brightcove.
//
// A document of WSC tells all of one clip, so that each clip is a source of its own in ingest's
// memory: "wsc:<content id>" for what was cut and "brightcove:<content id>" for where it plays.
// Which goal a clip shows is found out by ingest when it merges the sources of a match:
// whenever a goal becomes known, changes, is taken back or returns, its clip follows, without
// anybody watching for it.
//
// What has to happen to a clip besides is in its record in the store (record.go): which match it
// is of, where its upload stands, and when somebody has to look at it again. One function, step,
// looks at the record and does the next thing. It is called by tasks of the queue, after each
// step by a callback of Brightcove or when the pause is over, and a sweeper makes tasks again for
// clips that are overdue: Redis may have lost them, a process may have died in the middle. Every
// step can be done twice.
//
//	unresolved --match found--> waiting --video made, job started--> processing --job done--> playable
//	                               ^                                    |
//	                               +---- job failed, a few times -------+--> failed
//	any --deleted, made a draft--> withdrawn        any --a better cut--> waiting
//
// Catch-up (pull.go) asks WSC for what changed lately and sends what is new through the same way as
// a webhook's document.
package wsc

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/wsc/brightcove"
)

// The kinds of the queue's tasks that this package makes; Clips.Task works on both. Their payload
// is a content id and the number of the step.
const (
	TaskUpload = "clip:upload" // find the match, make the video, start the job
	TaskCheck  = "clip:check"  // ask what became of the job, tell ingest
)

// Store is what clips need of the store.
type Store interface {
	Resolver
	UpdateClip(ctx context.Context, id string, fn func(record []byte) ([]byte, error)) error
	Clip(ctx context.Context, id string) ([]byte, error)
	ClipOfVideo(ctx context.Context, video string) (id string, err error)
	DueClips(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// Resolver knows matches; ErrNotFound for one that is not known.
type Resolver interface {
	Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error)
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// Queue takes work for later.
type Queue interface {
	Enqueue(context.Context, goalcast.Task) error
}

// Pipeline is what clips need of ingest.
type Pipeline interface {
	// Process applies a kept document again.
	Process(context.Context, goalcast.DocumentID) error
	// Report applies a reading that is of no document.
	Report(ctx context.Context, provider string, r merge.Reading) error
	// Accept keeps and applies a document that was fetched.
	Accept(ctx context.Context, provider string, headers map[string]string, body []byte) (goalcast.DocumentID, error)
}

// Config says how clips are dealt with. Zero fields take the defaults.
type Config struct {
	// ShowRendition lets viewers play WSC's own file until Brightcove has the video: the clip is
	// told at once. Else it is told when Brightcove can play it.
	ShowRendition bool

	// a clip without a match id is of a match that kicked off at most so long before it was made
	ResolveWindow time.Duration
	ResolveFor    time.Duration // how long to go on looking for a clip's match
	ResolveEvery  time.Duration // first pause between two looks, doubled up to ten times as long

	CheckEvery time.Duration // how often a job is asked for that no callback tells of
	CheckSoon  time.Duration // pause where a job is about to be published
	MaxJob     time.Duration // a job that takes longer has failed
	Attempts   int           // jobs per cut; when so many failed it is given up, and somebody should look
	// before the next try after trouble or a failed job, doubled with each up to 5 min
	RetryDelay time.Duration
	ImageWait  time.Duration // how long to ask for the picture of a video that plays already

	SweepEvery time.Duration // how often to look for clips that are overdue
	SweepAge   time.Duration // how long they are overdue then
	// how long they are overdue when the process that makes the step is taken for dead
	StepLimit  time.Duration
	SweepLimit int // how many to take at once

	// Now is the clock that due steps go by; processes that share a store want the same one
	Now func() time.Time
}

const maxRetryDelay = 5 * time.Minute

func (c Config) WithDefaults() Config {
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orTime(&c.ResolveWindow, 6*time.Hour)
	orTime(&c.ResolveFor, 12*time.Hour)
	orTime(&c.ResolveEvery, 30*time.Second)
	orTime(&c.CheckEvery, 15*time.Second)
	orTime(&c.CheckSoon, 2*time.Second)
	orTime(&c.MaxJob, 30*time.Minute)
	orInt(&c.Attempts, 3)
	orTime(&c.RetryDelay, 5*time.Second)
	orTime(&c.ImageWait, 5*time.Minute)
	orTime(&c.SweepEvery, 5*time.Second)
	orTime(&c.SweepAge, 10*time.Second)
	orTime(&c.StepLimit, 20*time.Second)
	orInt(&c.SweepLimit, 100)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Clips is the provider "wsc" and all that follows from its documents. Make it with New, give it to
// ingest.New as a provider, Attach the Ingest, have the queue call Task for TaskUpload and
// TaskCheck, and Run it.
type Clips struct {
	cfg      Config
	store    Store
	queue    Queue
	player   *brightcove.Client // nil without an account: then only WSC's files are shown
	pipeline Pipeline
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time
}

// New prepares the clips; it starts nothing. player is nil where there is no account at Brightcove.
func New(cfg Config, store Store, queue Queue, player *brightcove.Client, log *slog.Logger,
	reg prometheus.Registerer) *Clips {
	cfg = cfg.WithDefaults()
	return &Clips{cfg: cfg, store: store, queue: queue, player: player, log: log, metrics: newMetrics(reg),
		now: cfg.Now}
}

// Attach says which ingest to tell, before anything is posted to it, and before Run and Task.
func (c *Clips) Attach(p Pipeline) { c.pipeline = p }

// sourceCutter begins the sources of what was cut, each of one clip.
const sourceCutter = "wsc:"

// Sources tells that where a clip plays is for the player to say, and what it shows for the cutter.
func (c *Clips) Sources() []merge.Source {
	return []merge.Source{{Name: brightcove.Source, Plays: true}, {Name: sourceCutter, Cuts: true}}
}

// Name is "wsc": documents come to /feeds/wsc.
func (*Clips) Name() string { return "wsc" }
