// Package ingest takes providers' documents in and makes match events of them: it keeps each
// document before it answers, reads it at once, compares what it says with what is known of the
// match, and hands new event revisions to the bus. cmd/goalcast runs it; the packages below it
// (ingest/opta) each read one provider's formats.
//
// The way of a document: receive.go takes the request and keeps the bytes, work.go decides which
// document is next, process.go reads and applies it. What a document says, and what that changes,
// is the business of package merge, which is pure.
//
// An Ingest belongs to no goroutine: requests, workers and the sweep share it. What they share is
// guarded by mu, or by a lock of its own (workers, nameCache, metrics).
package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/internal/tracing"
)

// TaskKind is the kind of the queue's tasks that ingest makes. Their payload is a document's id in
// decimal; ProcessTask works on them.
const TaskKind = "ingest:document"

// Store is what ingest needs of the store. Errors of these methods are taken for passing trouble
// and tried again, unless they are ErrPermanent.
type Store interface {
	KeepDocument(context.Context, *goalcast.Document) error
	Document(context.Context, goalcast.DocumentID) (goalcast.Document, error)
	FinishDocument(context.Context, goalcast.DocumentID, goalcast.DocumentState, string) error
	Documents(context.Context, goalcast.DocumentFilter) ([]goalcast.Document, error) // the newest first, without bodies
	UnfinishedDocuments(ctx context.Context, olderThan time.Time, limit int) ([]goalcast.DocumentID, error)
	UpdateMatch(context.Context, goalcast.MatchID, func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error)) error
	MatchRecords(context.Context, []goalcast.MatchID) (map[goalcast.MatchID]goalcast.MatchRecord, error)
}

// Publisher takes events to the bus, right after their commit. An error loses nothing: the
// store's outbox has them.
type Publisher interface {
	Publish(context.Context, []goalcast.Event) error
}

// Queue takes work for later: documents that met passing trouble.
type Queue interface {
	Enqueue(context.Context, goalcast.Task) error
}

// Config says how documents are taken in. Zero fields take the defaults.
type Config struct {
	// Secrets by provider name; a request shows any of them. For a provider without one only
	// programs of our own user on this machine may post (Linux), or, where feeds are Open, any
	// program of this machine, and whoever reaches one that passes requests on.
	Secrets map[string][]string
	Open    bool
	// Guesses counts a wrong secret against whoever showed it, and says how long that one has to
	// wait; nil: nobody counts. The right secret is always taken.
	Guesses func(*http.Request) time.Duration

	MaxBody     int64         // bytes of a document, unpacked; longer is 413 and not kept
	MaxRequests int           // documents being received at once; more get 503
	HeldBytes   int64         // of all documents being received at once, unpacked; more get 503
	KeepTimeout time.Duration // how long the store may take to keep a document before the answer is 503

	Workers int // documents being read at once; at least 2
	// documents of one match up to this size are urgent: one worker is always kept free of others
	UrgentBytes int
	// documents waiting in memory for a worker; beyond it they are kept, and the sweeper finds them
	QueueBytes     int64
	ProcessTimeout time.Duration // for applying one document; then it is tried again
	// a document dated more than this after its arrival is refused as failed: it would outrank all
	// true ones
	MaxAhead time.Duration

	SweepEvery time.Duration // how often to look for documents that a crash left behind
	SweepAge   time.Duration // how old these must be
	SweepLimit int           // how many to take at once
	RetryDelay time.Duration // before the first retry after passing trouble
	Retries    int           // how often the queue tries again; the sweeper does after that

	// Reference keeps tables, squads and commentary; without one their feeds are not read. States
	// takes live statistics; without one they are dropped.
	Reference Reference
	States    StatePublisher
	// how long a player's name from the reference data is believed, and that there is none
	NameAge time.Duration
	Names   int // such names in memory, 100 bytes each; beyond it all are forgotten

	// Now is the clock that documents' arrival and the sweep go by; processes that share a store
	// want the same one
	Now func() time.Time

	// Trace notes what becomes of documents that change something or fail; nil: nobody does.
	Trace *tracing.Tracer

	// Fault is called at "kept", "parsed", "committed" and "published", and at "revising" and
	// "revised", between which a match is locked. It is nil but in tests, which kill the process
	// there or see who else is there.
	Fault func(point string)
}

func (c Config) WithDefaults() Config {
	c.MaxBody = cmp.Or(max(c.MaxBody, 0), 16<<20)
	c.HeldBytes = cmp.Or(max(c.HeldBytes, 0), 16*c.MaxBody)
	c.QueueBytes = cmp.Or(max(c.QueueBytes, 0), 256<<20)
	c.MaxRequests = cmp.Or(max(c.MaxRequests, 0), 64)
	c.Workers = cmp.Or(max(c.Workers, 0), max(2, runtime.GOMAXPROCS(0)))
	c.UrgentBytes = cmp.Or(max(c.UrgentBytes, 0), 256<<10)
	c.SweepLimit = cmp.Or(max(c.SweepLimit, 0), 100)
	c.Retries = cmp.Or(max(c.Retries, 0), 10)
	c.KeepTimeout = cmp.Or(max(c.KeepTimeout, 0), 10*time.Second)
	c.ProcessTimeout = cmp.Or(max(c.ProcessTimeout, 0), 30*time.Second)
	c.MaxAhead = cmp.Or(max(c.MaxAhead, 0), 6*time.Hour)
	c.SweepEvery = cmp.Or(max(c.SweepEvery, 0), 5*time.Second)
	c.SweepAge = cmp.Or(max(c.SweepAge, 0), 10*time.Second)
	c.RetryDelay = cmp.Or(max(c.RetryDelay, 0), time.Second)
	c.NameAge = cmp.Or(max(c.NameAge, 0), 10*time.Minute)
	c.Names = cmp.Or(max(c.Names, 0), 50_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Fault == nil {
		c.Fault = func(string) {}
	}
	return c
}

// Ingest receives documents and applies them. Make it with New; serve Handler, and Run it, or what
// a crash left behind stays there.
type Ingest struct {
	cfg       Config
	store     Store
	publisher Publisher
	queue     Queue
	providers map[string]Provider
	merger    *merge.Merger
	log       *slog.Logger
	metrics   *metrics

	guard     *Guard
	receiving chan struct{} // holds a token per document being received
	held      budget        // of the documents being received
	// holds a token per request that waits for what becomes of its document
	awaiting chan struct{}
	work     *workers
	names    *nameCache

	disagreements *prometheus.CounterVec // that began, by what they are about

	mu     sync.Mutex
	inHand map[goalcast.DocumentID]bool // being worked on in this process; guarded by mu
	stuck  map[goalcast.DocumentID]int  // how often the sweep could not finish what is unfinished; guarded by mu

	sweeping chan struct{}  // holds a token per document that the sweep works on
	swept    sync.WaitGroup // of these
}

// New prepares an Ingest; it starts nothing. What several providers tell of is believed of the
// first of them. A provider without a secret is named in the log.
func New(cfg Config, store Store, publisher Publisher, queue Queue, providers []Provider, log *slog.Logger,
	reg prometheus.Registerer) *Ingest {
	cfg = cfg.WithDefaults()
	in := &Ingest{
		cfg: cfg, store: store, publisher: publisher, queue: queue, providers: map[string]Provider{}, log: log,
		receiving: make(chan struct{}, cfg.MaxRequests), inHand: map[goalcast.DocumentID]bool{},
		stuck: map[goalcast.DocumentID]int{}, sweeping: make(chan struct{}, sweepSlots),
	}
	in.held.limit = cfg.HeldBytes
	in.awaiting = make(chan struct{}, maxWaiting)
	in.work = newWorkers(cfg.Workers, cfg.QueueBytes)
	in.metrics = newMetrics(reg, in.work)
	in.names = newNameCache(cfg.NameAge, cfg.Names)
	in.disagreements = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "goalcast_ingest_disagreements_total",
		Help: "Disagreements between the sources of a match that began, by what they are about. Most end within " +
			"seconds."}, []string{"what"})
	for _, p := range providers {
		in.providers[p.Name()] = p
		in.metrics.provider(p.Name())
		switch {
		case len(cfg.Secrets[p.Name()]) > 0:
		case cfg.Open:
			log.Warn("no secret for this provider's feeds: whoever reaches a program or proxy on this machine may post",
				"provider", p.Name())
		default:
			log.Warn("no secret for this provider's feeds: only programs of this user on this machine may post",
				"provider", p.Name())
		}
	}
	sources := make([][]merge.Source, len(providers))
	for i, p := range providers {
		sources[i] = p.Sources()
	}
	in.merger = merge.New(sources...)
	in.guard = NewGuard(cfg.Secrets, cfg.Open, cfg.Guesses)
	return in
}

// Merger is what merges the readings of this Ingest's providers: what it says of a match's record
// is what Ingest knows.
func (in *Ingest) Merger() *merge.Merger { return in.merger }

// UseSecrets exchanges the secrets of all providers. It may be called at any time.
func (in *Ingest) UseSecrets(secrets map[string][]string) { in.guard.UseSecrets(secrets) }

// Handler serves POST /feeds/{provider}.
func (in *Ingest) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/feeds/{provider...}", in.receive)
	return mux
}
