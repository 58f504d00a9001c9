// Package notify sends goals to phones: it decides which events are pushed, to whom, in which
// words, and until when.
//
// cmd/goalcast runs one Notifier in each process with the role notify; any number of them work side
// by side. Nothing is taken from pub/sub but the hint to look: events are read from the store's
// outbox, so that a crash anywhere delays a push and never loses or doubles one.
//
//	outbox ─► plan: text, the first batch of device ids, one transaction with the outbox row
//	       ─► cut: the rest of the audience into batches, step by step, while the first are being sent
//	       ─► batches, each of one push service: sent at once by the process that planned them;
//	          whatever it cannot take goes through the queue
//	       ─► claim (lease, newest revision, not expired) ─► Sender ─► outcome per device, kept with the batch
//
// The batch in the database is the truth and whoever claims it first sends it; the queue's task,
// the planner and the sweep are three ways by which a batch comes to the workers of a process. Each
// push service has workers of its own, so that one that is slow, or takes little, holds up only
// what is for it. If a process dies between sending and writing down the outcome, the batch goes
// out again when its lease ends, under the same tag and collapse key: a phone shows one
// notification, not two.
package notify

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/internal/tracing"
)

// TaskBatch is the kind of the queue's tasks; cmd registers Notifier.Batch as its handler. The
// payload is a batch's id and push service.
const TaskBatch = "notify:batch"

// Store is what a notifier needs of the database.
type Store interface {
	// Now is the clock that all who share the store go by.
	Now() time.Time
	// UnplannedEvents returns events of the outbox that no notifier has planned and that are not
	// put off, oldest first.
	UnplannedEvents(ctx context.Context, limit int) ([]goalcast.Event, error)
	// MarkPlanned says that the revisions with these keys (Event.KeyOfAll) ask for no push.
	MarkPlanned(ctx context.Context, keys []string) error
	// PostponePlans puts off revisions that cannot be planned yet, for as long as they have
	// waited, within limits.
	PostponePlans(ctx context.Context, keys []string) error
	// PushBacklog counts what waits.
	PushBacklog(ctx context.Context) (goalcast.PushBacklog, error)
	// SetAside counts the rows that could not be read and are passed over.
	SetAside() int64
	// Match returns the match as it stands, or ErrNotFound.
	Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error)
	// PushRecordOf returns where an event's pushes stand; Revision 0 if there is nothing
	// yet, but Event is set.
	PushRecordOf(ctx context.Context, e goalcast.Event) (goalcast.PushRecord, error)
	// PushRecord returns what is kept under PushRecord.Event; Revision 0 if there is nothing.
	PushRecord(ctx context.Context, event string) (goalcast.PushRecord, error)
	// Audience returns the devices of the next users after one, at most so many users, who follow
	// any of the topics, with what these users prefer, and the last of these users. more says that
	// others may follow. Of a kind that is off by default, users who never switched one on may be
	// left out.
	Audience(ctx context.Context, topics []goalcast.Topic, kind goalcast.PushKind, after goalcast.UserID, users int) (
		recipients []goalcast.Recipient, last goalcast.UserID, more bool, err error)
	// PlanPush plans one revision in one transaction: it locks the event's record, calls plan, and
	// writes the record and the batches it returns together with the outbox row's planned_at.
	// false: somebody else has planned the revision, and nothing was written. plan may be called
	// more than once; its error ends the transaction and comes back.
	PlanPush(ctx context.Context, e goalcast.Event, plan func(goalcast.PushRecord) (goalcast.PushRecord,
		[]goalcast.PushBatch, error)) (bool, error)
	// ExtendPush adds batches to a push that is planned already: it locks the record, calls extend
	// and writes what it returns, in one transaction.
	ExtendPush(ctx context.Context, event string, extend func(goalcast.PushRecord) (goalcast.PushRecord,
		[]goalcast.PushBatch, error)) error
	// OpenPushes returns events whose audience is not all in batches (PushRecord.Open), if nothing
	// was added to the plan since before.
	OpenPushes(ctx context.Context, before time.Time, limit int) ([]string, error)
	// ClaimBatch gives the batch to the caller until the lease ends. false: it is done, claimed by
	// another, not due yet, cannot be read, or has to wait for another revision of its event: an
	// older one that somebody is sending right now, or a newer one that is to be planned.
	ClaimBatch(ctx context.Context, id string, now time.Time, lease time.Duration) (goalcast.PushClaim, bool, error)
	// BatchCurrent says whether the revision of the record is still the newest that is planned or
	// is to be planned, and the claim still stands.
	BatchCurrent(ctx context.Context, claim goalcast.PushClaim) (bool, error)
	// FollowedBy says whether topics have so many followers, each topic counted by itself.
	FollowedBy(ctx context.Context, topics []goalcast.Topic, followers int) (bool, error)
	// Listening returns those of the devices that surely listen to topics of their push service.
	Listening(ctx context.Context, ids []int64) ([]goalcast.TopicPhone, error)
	// TopicPhones returns devices whose topics are to be looked at; of those that listen to some
	// all, and no others, if only is set.
	TopicPhones(ctx context.Context, now time.Time, only bool, limit int) ([]goalcast.TopicPhone, error)
	// SavePhoneTopics notes what devices listen to, and when to look at them next.
	SavePhoneTopics(ctx context.Context, phones []goalcast.TopicPhone) error
	// TopicPushes returns the pushes that went to topics since a time, or are about to.
	TopicPushes(ctx context.Context, since time.Time) ([]goalcast.TopicPush, error)
	// ReachedByTopic notes that devices of a push service may have got an event's push to the
	// topics of a language.
	ReachedByTopic(ctx context.Context, event, service, language string, devices []int64) error
	// TopicLeavers returns devices that were deleted while they listened to topics;
	// ForgetLeavers deletes those that do no more.
	TopicLeavers(ctx context.Context, limit int) ([]goalcast.TopicPhone, error)
	ForgetLeavers(ctx context.Context, ids []int64) error
	// FinishBatch writes down what became of a claimed batch; false if the
	// claim was lost meanwhile.
	FinishBatch(ctx context.Context, claim goalcast.PushClaim, result goalcast.PushResult) (bool, error)
	// DueBatches returns batches that ClaimBatch would give now, oldest first, without those of
	// some services; DueLate does for those that come last.
	DueBatches(ctx context.Context, now time.Time, limit int, without []string) ([]goalcast.DueBatch, error)
	DueLate(ctx context.Context, now time.Time, limit int, without []string) ([]goalcast.DueBatch, error)
	// BatchServices returns PushBatch.Service of the batches of a revision, by their number.
	BatchServices(ctx context.Context, event string, revision int) ([]string, error)
	// DevicesByID returns the devices with these ids that still exist.
	DevicesByID(ctx context.Context, ids []int64) ([]goalcast.Device, error)
	// NewDevices returns those of the devices that never got a push, in rising order.
	NewDevices(ctx context.Context, ids []int64) ([]int64, error)
	// ConfirmDevices notes that devices got a push.
	ConfirmDevices(ctx context.Context, ids []int64) error
	// DeleteToken forgets a device whose token is dead.
	DeleteToken(ctx context.Context, token string) error
	// PrunePushes deletes batches and texts that were planned before; of what
	// was told a record stays.
	PrunePushes(ctx context.Context, before time.Time) (int64, error)
}

// Queue is the durable queue: it carries batches that wait for a retry and those that the planning
// process cannot take itself.
type Queue interface {
	Enqueue(ctx context.Context, t goalcast.Task) error
}

// Sender is a push service. Send tries each message once and answers in the order asked; it does
// not retry, since only the notifier knows whether a message may still be sent. It returns at the
// latest when ctx ends.
type Sender interface {
	Send(ctx context.Context, messages []Message) []Result
}

// App is one of several apps, each with a project of its own at the push service: what that says of
// one says nothing of another, and tokens are good for their own only.
type App struct {
	Name    string // Device.App
	Sender  Sender
	Limiter Limiter // shared by all notifiers of the project; nil as for Config.Limiter
}

// Limiter shapes the rate of messages. Wait blocks until n more may be sent; it is
// called by many goroutines.
type Limiter interface {
	Wait(ctx context.Context, n int) error
}

// Seen knows which phones have shown a revision of an event (Event.KeyOfAll), by their place in the
// list. It answers in a fraction of a second, or not.
type Seen interface {
	Seen(ctx context.Context, event string, phones []goalcast.Phone) ([]bool, error)
}

// NameBook has the names by language in memory.
type NameBook interface {
	Names() *goalcast.Names // nil: none
}

// Config are the limits of a notifier. Zero fields take the default.
type Config struct {
	Poll      time.Duration // how often the outbox and the batches are looked at without a hint; 1 s
	PlanLimit int           // events read from the outbox at once; 200
	BatchSize int           // devices per batch; 500, which is also the most that FCM's SDK takes
	Workers   int           // batches that this process sends to one push service at the same time; 8
	Backlog   int           // batches of a push service that wait for this process; more go through the queue; 64
	Patience  time.Duration // an audience that its process has not cut further for so long is cut by another one; 5 s
	Lease     time.Duration // how long a claimed batch belongs to its claimer: a crash delays it by so much; 30 s
	SendLimit time.Duration // the longest a batch may take to send, less than Lease; 20 s
	// messages a minute of this process where no Limiter is given; 600000,
	// FCM's limit for a project
	RateLimit int

	// first pause after the service's quota is used up, doubled each time, if it does not
	// say; 60 s (FCM: at least)
	RetryQuota time.Duration
	RetryFault time.Duration // first pause after a fault of the service, doubled each time, if it does not say; 1 s
	// the longest pause that we choose ourselves; what the service asks for may be longer; 5 min
	RetryMost time.Duration
	Drain     time.Duration // how long batches that are being sent may go on when Run is told to end; 5 s

	// How long after it was told a push may go out; of starts and statuses, after it happened.
	GoalTTL    time.Duration // a goal or a penalty, taken back or not; 120 s
	CardTTL    time.Duration // a red card; 300 s
	KickoffTTL time.Duration // the start of a half, of a shoot-out; 300 s
	ResultTTL  time.Duration // half time and full time; 600 s
	// kick-off delayed, suspended, resumed, abandoned, postponed, a new date, a result awarded; 6 h
	StatusTTL time.Duration
	// a goal pushed longer ago than this is neither corrected nor taken back on phones; 20 min
	CorrectionAge time.Duration
	Late          time.Duration // what is told longer after it happened is no news: no review takes longer; 15 min
	// what nobody tells the time of is not pushed later than this after the planned kick-off; 4 h
	MatchLength time.Duration
	Keep        time.Duration // how long batches and texts are kept; 30 days

	// Penalties says whether a penalty that is given, taken back or missed is pushed too.
	Penalties bool
	// Country is where users of the app are, as a two-letter code: a clip that may not be seen
	// there is not pushed. Empty: only clips that may be seen everywhere are.
	Country string
	// Private says which competitions not everybody may see: of their matches nothing is pushed.
	// Who follows them is known, and not what they may see when a goal falls.
	Private goalcast.Private
	// Templates are what pushes say, of LoadTemplates; required.
	Templates Templates
	// Zone is where dates are told; nil is UTC.
	Zone *time.Location
	// Names has the names of teams and competitions by language; nil: they are the provider's.
	Names NameBook
	// Limiter is shared by all notifiers of a project; nil for one of this
	// process alone, by RateLimit. It is of phones.
	Limiter Limiter
	// App is the name of the app that New's sender and Limiter are for, where there are several;
	// Apps are the others.
	App  string
	Apps []App
	// TopicsFrom is how many followers an event's topics have at least whose push goes to topics of
	// the push service, for those who have set nothing; 0: none does. Seen must be nil then.
	TopicsFrom int
	// TopicsGrace is how long a phone that is to listen no more goes on: longer than from the look
	// at an audience to its batches; 2 s
	TopicsGrace time.Duration
	// Browsers sends to subscriptions of browsers; nil: nothing is sent to these.
	Browsers Browsers
	// BrowserLimiter makes the limiter of one of the push services of browsers, by its name, that
	// all notifiers share; nil: they have none.
	BrowserLimiter func(service string) Limiter
	// Bank sends to customers of the bank (goalcast.PlatformBank); nil: nothing is sent to these.
	Bank Sender
	// Canary is to ask the push services of apps, if they know dry runs; nil: they are not asked.
	Canary *Canary
	// CanaryGoal is told when the services have been asked because of a goal of the canary match,
	// and what was wrong; nil: they are not asked for it.
	CanaryGoal func(e goalcast.Event, at time.Time, err error)
	// Trace notes when pushes were planned and sent; nil: nobody does.
	Trace *tracing.Tracer
	// Seen says which phones have shown an event live a moment ago: they are sent no push of it.
	// nil: nobody is asked.
	Seen Seen
	// SeenWait is how long after its document an event's first pushes wait for phones to say that
	// they have shown it; at most 5 s. 0: they do not wait.
	SeenWait time.Duration
	// Fault is called at points where a test may want the process to die: "cut" before an audience
	// is cut further. nil for nothing.
	Fault func(point string)
}

func (c Config) withDefaults() Config {
	c.Poll = cmp.Or(max(c.Poll, 0), time.Second)
	c.PlanLimit = cmp.Or(max(c.PlanLimit, 0), 200)
	c.BatchSize = cmp.Or(max(c.BatchSize, 0), 500)
	c.Workers = cmp.Or(max(c.Workers, 0), 8)
	c.Backlog = cmp.Or(max(c.Backlog, 0), 64)
	c.Patience = cmp.Or(max(c.Patience, 0), 5*time.Second)
	c.TopicsGrace = cmp.Or(max(c.TopicsGrace, 0), 2*time.Second)
	c.Lease = cmp.Or(max(c.Lease, 0), 30*time.Second)
	c.SendLimit = cmp.Or(max(c.SendLimit, 0), 20*time.Second)
	c.SendLimit = min(c.SendLimit, c.Lease*2/3)
	c.RateLimit = cmp.Or(max(c.RateLimit, 0), 600_000)
	c.RetryQuota = cmp.Or(max(c.RetryQuota, 0), time.Minute)
	c.RetryFault = cmp.Or(max(c.RetryFault, 0), time.Second)
	c.RetryMost = cmp.Or(max(c.RetryMost, 0), 5*time.Minute)
	c.Drain = cmp.Or(max(c.Drain, 0), 5*time.Second)
	c.GoalTTL = cmp.Or(max(c.GoalTTL, 0), 2*time.Minute)
	c.CardTTL = cmp.Or(max(c.CardTTL, 0), 5*time.Minute)
	c.KickoffTTL = cmp.Or(max(c.KickoffTTL, 0), 5*time.Minute)
	c.ResultTTL = cmp.Or(max(c.ResultTTL, 0), 10*time.Minute)
	c.StatusTTL = cmp.Or(max(c.StatusTTL, 0), 6*time.Hour)
	c.CorrectionAge = cmp.Or(max(c.CorrectionAge, 0), 20*time.Minute)
	c.Late = cmp.Or(max(c.Late, 0), 15*time.Minute)
	c.MatchLength = cmp.Or(max(c.MatchLength, 0), 4*time.Hour)
	c.Keep = cmp.Or(max(c.Keep, 0), 30*24*time.Hour)
	c.SeenWait = min(max(c.SeenWait, 0), maxSeenWait, (c.Lease-c.SendLimit)/2)
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return c
}

// Notifier plans and sends pushes. Its methods may be called by many goroutines.
type Notifier struct {
	cfg      Config
	store    Store
	queue    Queue
	services services
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time

	wake        chan struct{}       // one token: look at the outbox
	canaryGoals chan goalcast.Event // the next of the canary match
	sweep       chan struct{}       // one token: look for batches that can be claimed
	cuts        chan cutting        // pushes whose audience this process has begun to cut
	lanes       map[string]*lane    // by push service; "" is of all others

	zones sync.Map // *time.Location by name, of users

	listenLimit localLimiter // of SyncTopics

	mu     sync.Mutex
	atHand map[string]bool // ids that wait in ready or are being worked on: the sweep leaves them alone
}

// New makes a notifier; it starts nothing. sender is for all devices but those that Config.Apps,
// Config.Browsers and Config.Bank are for; nil: nothing is sent to them.
func New(cfg Config, store Store, queue Queue, sender Sender, log *slog.Logger, reg prometheus.Registerer) *Notifier {
	cfg = cfg.withDefaults()
	n := &Notifier{
		cfg: cfg, store: store, queue: queue, log: log, now: time.Now,
		wake: make(chan struct{}, 1), sweep: make(chan struct{}, 1), canaryGoals: make(chan goalcast.Event, 1),
		cuts: make(chan cutting, cfg.Backlog), atHand: map[string]bool{},
	}
	if store != nil {
		n.now = store.Now
	}
	senders := []Sender{sender, cfg.Browsers, cfg.Bank}
	n.cfg.Limiter = cfg.limiter(cfg.Limiter)
	n.cfg.Apps = slices.Clone(cfg.Apps)
	for i, app := range cfg.Apps {
		senders = append(senders, app.Sender)
		n.cfg.Apps[i].Limiter = cfg.limiter(app.Limiter)
	}
	n.metrics = newMetrics(reg, store, senders...)
	n.listenLimit = newLocalLimiter(listenRate, MaxListen)
	n.services = newServices(sender, n.cfg, n.metrics.stopped)
	n.lanes = newLanes(n.services, cfg.Backlog)
	if cfg.Canary != nil {
		for _, app := range append([]App{{Sender: sender, Limiter: n.cfg.Limiter}}, n.cfg.Apps...) {
			if dry, ok := app.Sender.(DryRunner); ok {
				cfg.Canary.Add(dry, app.Limiter)
			}
		}
	}
	return n
}

// limiter is the one that is given, or one of this process alone.
func (c Config) limiter(given Limiter) Limiter {
	if given != nil {
		return given
	}
	return newLocalLimiter(c.RateLimit, c.BatchSize)
}

// Wake says that the outbox may hold something new. It never blocks and may be called at any time,
// also when Run does not run.
func (n *Notifier) Wake() { signal(n.wake) }

// Run plans and sends until ctx ends, and returns when the batches at hand are
// finished or given back.
func (n *Notifier) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.planLoop(ctx) })
	g.Go(func() error { return n.cutLoop(ctx) })
	g.Go(func() error { return n.canaryLoop(ctx) })
	g.Go(func() error { return n.sweepLoop(ctx) })
	for _, l := range n.lanes {
		for range n.cfg.Workers {
			g.Go(func() error { return n.workLoop(ctx, l) })
		}
	}
	return g.Wait()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
