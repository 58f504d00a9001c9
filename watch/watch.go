// Package watch raises alarms: about matches that do not start, feeds that fall silent, clips
// that do not come, documents that nobody understands, feeds that disagree, work that waits,
// periodic jobs that fail again and again, and clocks that differ. cmd/goalcast makes a Watch in
// every process that ingests or answers operators, and calls Check as a periodic job, which one
// process at a time does.
//
// An alarm is a row in the database, a log line, a metric, and a call to a webhook if one is
// configured. It opens once, and closes by itself when its reason is gone. What is looked at is in
// the database, so that it does not matter which process looks.
package watch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// Store is what a Watch needs of the database.
type Store interface {
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
	MatchRecords(context.Context, []goalcast.MatchID) (map[goalcast.MatchID]goalcast.MatchRecord, error)
	// when the last one of each match came
	LastDocuments(context.Context, []goalcast.MatchID) (map[goalcast.MatchID]time.Time, error)
	FailedFeeds(ctx context.Context, since time.Time) ([]goalcast.FailedFeed, error)
	FailedClips(ctx context.Context, since time.Time) ([]goalcast.FailedClip, error)
	UnfinishedDocuments(ctx context.Context, olderThan time.Time, limit int) ([]goalcast.DocumentID, error)
	Jobs(context.Context) ([]goalcast.JobState, error) // periodic ones, of all processes

	SettleAlarms(ctx context.Context, kinds []goalcast.AlarmKind, firing []goalcast.Alarm, now time.Time) (opened,
		closed []goalcast.Alarm, err error)
	AckAlarm(ctx context.Context, id int64, by string, now time.Time) (alarm goalcast.Alarm, first bool, err error)
	Alarms(context.Context, goalcast.AlarmFilter) ([]goalcast.Alarm, error)
	OpenAlarms(context.Context) (map[goalcast.AlarmKind]int, error)
}

// Queue carries calls of the webhook, with retries, and is itself watched.
type Queue interface {
	Enqueue(context.Context, goalcast.Task) error
	Queues(context.Context) ([]goalcast.QueueState, error)
}

// Disagreement is something that the feeds of a match tell differently.
type Disagreement struct {
	Name  string // what it is about, the same as long as it lasts: "score", "opta:1232921226 scorer"
	Text  string // who says what
	Since time.Time
}

// Config says when to raise an alarm. Zero fields take the defaults; a negative time
// switches the alarm off.
type Config struct {
	NotStarted time.Duration // after the planned kick-off; 10 min
	Silent     time.Duration // without a document of a match in play; 3 min
	NoClip     time.Duration // after a goal; 20 min. Only with Clips
	NoSummary  time.Duration // after the end; 90 min. Only with Clips
	Disagree   time.Duration // since feeds began to disagree; 2 min. Only with Disagreements
	QueueLag   time.Duration // that a task, or a document that was kept, waits; 30 s
	// between the provider's time and ours; 30 s if theirs is behind (or the way is
	// long), 2 s if it is ahead
	ClockSkew time.Duration

	JobStale time.Duration // that a periodic job has not succeeded, and at least three of its periods; 15 min

	Unreadable time.Duration // how long a document that nobody understands alarms, unless it is replayed; 24 h
	// matches with a kick-off so long ago are not looked at any more, nor clips
	// that were given up; 12 h
	Back time.Duration

	// Clips says that there is a provider of clips, so that their absence means something.
	Clips bool
	// Disagreements tells what the feeds of a match disagree on, by its record; nil if
	// nobody knows. It is pure.
	Disagreements func(goalcast.MatchRecord) []Disagreement
	// Held tells which step of a match is not believed yet, by its record: text for a person, empty
	// if there is none; nil if nobody knows. It is pure.
	Held func(goalcast.MatchRecord) string

	// Gap tells whether a match's provider says itself that it sees nothing now, by its record; nil
	// if nobody knows. It is pure.
	Gap func(goalcast.MatchRecord) bool

	// Webhook is called with every alarm that opens, closes or is acknowledged: a POST of JSON,
	// see notice. Empty: none.
	Webhook string
	// Secret signs the webhook's calls; empty: they are not signed.
	Secret string
	// WebhookTimeout is how long a call may take; 10 s. Retries is how often one that failed is
	// made again; 12, over about an hour.
	WebhookTimeout time.Duration
	Retries        int

	// Now is the clock; time.Now. Tests set it.
	Now func() time.Time
}

func (c Config) WithDefaults() Config {
	c.NotStarted = cmp.Or(c.NotStarted, 10*time.Minute)
	c.Silent = cmp.Or(c.Silent, 3*time.Minute)
	c.NoClip = cmp.Or(c.NoClip, 20*time.Minute)
	c.NoSummary = cmp.Or(c.NoSummary, 90*time.Minute)
	c.Disagree = cmp.Or(c.Disagree, 2*time.Minute)
	c.QueueLag = cmp.Or(c.QueueLag, 30*time.Second)
	c.ClockSkew = cmp.Or(c.ClockSkew, 30*time.Second)
	c.JobStale = cmp.Or(c.JobStale, 15*time.Minute)
	c.Unreadable = cmp.Or(c.Unreadable, 24*time.Hour)
	c.Back = cmp.Or(c.Back, 12*time.Hour)
	c.WebhookTimeout = cmp.Or(c.WebhookTimeout, 10*time.Second)
	c.Retries = cmp.Or(c.Retries, 12)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Watch looks after the matches. Make it with New; it starts nothing.
type Watch struct {
	cfg    Config
	store  Store
	queue  Queue
	log    *slog.Logger
	opened *prometheus.CounterVec
	told   *prometheus.CounterVec
}

// New makes a Watch. Give the queue WebhookTask as the handler of TaskWebhook.
func New(cfg Config, store Store, queue Queue, log *slog.Logger, reg prometheus.Registerer) *Watch {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "goalcast_watch_" + name, Help: help},
			[]string{label})
	}
	w := &Watch{cfg: cfg.WithDefaults(), store: store, queue: queue, log: log,
		opened: counter("alarms_total", "Alarms that this process opened, by kind.", "kind"),
		told: counter("webhook_total", "Calls of the alarm webhook by result: done, failed, unqueued (made at once "+
			"since the queue was away).", "result")}
	reg.MustRegister(openAlarms{store, log, prometheus.NewDesc("goalcast_watch_alarms_open",
		"Alarms that are open now, of all processes, by kind.", []string{"kind"}, nil)})
	return w
}

// check finds one kind of alarm: those that have a reason now.
type check struct {
	kind  goalcast.AlarmKind
	limit time.Duration
	look  func(context.Context, *round) ([]goalcast.Alarm, error)
}

// ofMatches says whether the check of a kind looks at the matches; others can do without them.
func ofMatches(kind goalcast.AlarmKind) bool {
	switch kind {
	case goalcast.AlarmUnreadable, goalcast.AlarmQueueLag, goalcast.AlarmClipFailed, goalcast.AlarmJobStale:
		return false
	}
	return true
}

// round is what one Check has read.
type round struct {
	now     time.Time
	matches []goalcast.Snapshot
	records map[goalcast.MatchID]goalcast.MatchRecord // of the matches; nil until a check wants them
}

// recordsOf reads the records of the matches, once.
func (r *round) recordsOf(ctx context.Context, s Store) (_ map[goalcast.MatchID]goalcast.MatchRecord, err error) {
	if r.records != nil {
		return r.records, nil
	}
	ids := make([]goalcast.MatchID, len(r.matches))
	for i, m := range r.matches {
		ids[i] = m.ID
	}
	r.records, err = s.MatchRecords(ctx, ids)
	return r.records, err
}

// Check looks once, and opens and closes alarms. An alarm whose check failed stays as it is. The
// error is the first of those; the others are made all the same.
func (w *Watch) Check(ctx context.Context) error {
	now := w.cfg.Now()
	matches, failed := w.store.Matches(ctx, goalcast.MatchFilter{From: now.Add(-w.cfg.Back), To: now.Add(time.Minute)})
	r := &round{now: now, matches: matches}
	var kinds []goalcast.AlarmKind
	var firing []goalcast.Alarm
	for _, c := range []check{
		{goalcast.AlarmNotStarted, w.cfg.NotStarted, w.notStarted},
		{goalcast.AlarmSilent, w.cfg.Silent, w.silent},
		{goalcast.AlarmNoClip, w.cfg.NoClip, w.noClip},
		{goalcast.AlarmClipFailed, w.cfg.Back, w.clipFailed},
		{goalcast.AlarmNoSummary, w.cfg.NoSummary, w.noSummary},
		{goalcast.AlarmDisagree, w.cfg.Disagree, w.disagree},
		{goalcast.AlarmClockSkew, w.cfg.ClockSkew, w.clockSkew},
		{goalcast.AlarmUnreadable, w.cfg.Unreadable, w.unreadable},
		{goalcast.AlarmQueueLag, w.cfg.QueueLag, w.queueLag},
		{goalcast.AlarmJobStale, w.cfg.JobStale, w.jobStale},
		{goalcast.AlarmHeld, w.cfg.Back, w.held},
	} {
		if matches == nil && failed != nil && ofMatches(c.kind) {
			continue
		}
		var found []goalcast.Alarm
		var err error
		if c.limit > 0 { // else it is switched off, and what is open closes
			found, err = c.look(ctx, r)
		}
		if err != nil {
			w.log.Warn("check failed, its alarms stay as they are", "kind", c.kind, "error", err)
			if failed == nil {
				failed = err
			}
			continue
		}
		kinds = append(kinds, c.kind)
		for _, a := range found {
			a.Kind = c.kind
			if slices.ContainsFunc(firing, func(f goalcast.Alarm) bool {
				return f.Name == a.Name && f.Match != a.Match
			}) {
				a.Name = fmt.Sprintf("%s@%d", a.Name, a.Match) // an event's id is of its match
			}
			firing = append(firing, a)
		}
	}
	if err := w.Settle(ctx, kinds, firing); err != nil {
		return err
	}
	return failed
}

// Settle opens the alarms that fire and are not open, closes those of the same kinds that do not
// fire any more, and tells of both. Whoever looks after something else than matches calls it, with
// kinds of its own.
func (w *Watch) Settle(ctx context.Context, kinds []goalcast.AlarmKind, firing []goalcast.Alarm) error {
	opened, closed, err := w.store.SettleAlarms(ctx, kinds, firing, w.cfg.Now())
	if err != nil {
		return err
	}
	for _, a := range opened {
		w.opened.WithLabelValues(string(a.Kind)).Inc()
		w.log.Error("alarm", "kind", a.Kind, "alarm", a.ID, "match", a.Match, "text", a.Text)
		w.tell(ctx, "opened", a)
	}
	for _, a := range closed {
		w.log.Info("alarm is over", "kind", a.Kind, "alarm", a.ID, "match", a.Match, "after", a.Closed.Sub(a.Opened))
		w.tell(ctx, "closed", a)
	}
	return nil
}

// Alarms lists alarms, newest first.
func (w *Watch) Alarms(ctx context.Context, f goalcast.AlarmFilter) ([]goalcast.Alarm, error) {
	return w.store.Alarms(ctx, f)
}

// AckAlarm notes that somebody takes care of an alarm; ErrNotFound. Who was first stays.
func (w *Watch) AckAlarm(ctx context.Context, id int64, by string) (goalcast.Alarm, error) {
	a, first, err := w.store.AckAlarm(ctx, id, by, w.cfg.Now())
	if err == nil && first {
		w.log.Info("alarm acknowledged", "kind", a.Kind, "alarm", a.ID, "match", a.Match, "by", by)
		w.tell(ctx, "acknowledged", a)
	}
	return a, err
}

// openAlarms is the metric of open alarms. It asks the database when it is read, since any process
// may have opened them.
type openAlarms struct {
	store Store
	log   *slog.Logger
	desc  *prometheus.Desc
}

func (o openAlarms) Describe(to chan<- *prometheus.Desc) { to <- o.desc }

func (o openAlarms) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	open, err := o.store.OpenAlarms(ctx)
	if err != nil {
		o.log.Warn("open alarms not counted", "error", err)
		return // no value is better than a wrong one
	}
	for _, kind := range goalcast.AlarmKinds {
		to <- prometheus.MustNewConstMetric(o.desc, prometheus.GaugeValue, float64(open[kind]), string(kind))
	}
}

// live says whether the match is on: the ball rolls.
func live(m goalcast.Snapshot) bool { return m.State == goalcast.Live && m.Period.InPlay() }

// clips lists the clips of a match that can be watched.
func clips(m goalcast.Snapshot) []goalcast.Event {
	return slices.DeleteFunc(slices.Clone(m.Timeline), func(e goalcast.Event) bool {
		return e.Kind != goalcast.KindClip || !e.Counts() || e.Clip == nil
	})
}
