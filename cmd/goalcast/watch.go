package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest"
	"goalcast/store"
	"goalcast/watch"
)

// archiving says how long documents are kept.
type archiving struct {
	Retention map[string]string `env:"GOALCAST_RETENTION" mapsep:"," placeholder:"FEED=TIME,..." help:"How long documents are kept, by provider/feed or provider: opta/F24=30d,opta=365d,wsc=forever. All others: 400 days."`
}

// alarming says when somebody is told.
type alarming struct {
	Webhook       string        `env:"GOALCAST_ALARM_WEBHOOK" format:"webhook-url" secret:"" placeholder:"URL" help:"Called with every alarm that opens, closes or is acknowledged: a POST of JSON, tried again until it is answered 2xx."`
	WebhookSecret string        `name:"webhook-secret" env:"GOALCAST_ALARM_WEBHOOK_SECRET" secret:"" help:"Signs the webhook's calls: header Goalcast-Signature, HMAC-SHA256."`
	NotStarted    time.Duration `name:"not-started" env:"GOALCAST_ALARM_NOT_STARTED" default:"${watch_NotStarted}" help:"Alarm when a match has not started so long after its planned kick-off. Here and below: 0 is never."`
	Silent        time.Duration `env:"GOALCAST_ALARM_SILENT" default:"${watch_Silent}" help:"Alarm when no document of a match in play came for so long."`
	NoClip        time.Duration `name:"no-clip" env:"GOALCAST_ALARM_NO_CLIP" default:"${watch_NoClip}" help:"Alarm when a goal has no clip after so long; only where clips come: with a secret for the feed wsc, or a key to pull with."`
	NoSummary     time.Duration `name:"no-summary" env:"GOALCAST_ALARM_NO_SUMMARY" default:"${watch_NoSummary}" help:"Alarm when a match has no summary video so long after its end; only where clips come: with a secret for the feed wsc, or a key to pull with."`
	Disagree      time.Duration `env:"GOALCAST_ALARM_DISAGREE" default:"${watch_Disagree}" help:"Alarm when feeds have told different things of a match for so long."`
	QueueLag      time.Duration `name:"queue-lag" env:"GOALCAST_ALARM_QUEUE_LAG" default:"${watch_QueueLag}" help:"Alarm when tasks or kept documents have waited so long."`
	ClockSkew     time.Duration `name:"clock-skew" env:"GOALCAST_ALARM_CLOCK_SKEW" default:"${watch_ClockSkew}" help:"Alarm when all documents of a provider are so old when they come, or dated 2s in our future."`
	JobStale      time.Duration `name:"job-stale" env:"GOALCAST_ALARM_JOB_STALE" default:"${watch_JobStale}" help:"Alarm when a periodic job (pulls, retention) has not succeeded for so long, and at least three of its periods."`
}

func (a archiving) check() error {
	_, err := store.ParseRetention(a.Retention)
	return err
}

// The periods of the jobs that one of all processes does, and how long what they delete is kept.
const (
	watchEvery      = 15 * time.Second
	partitionsEvery = time.Hour
	keepAlarms      = 90 * 24 * time.Hour
	keepMappings    = 90 * 24 * time.Hour // of odds, after the kick-off
)

// makeWatch makes the checks, and adds the jobs of the archive and theirs. Every process can do
// those of the archive; those that ingest look after the matches.
func (n *node) makeWatch() {
	a := n.cfg.Alarm
	off := func(d time.Duration) time.Duration { // 0 is never here, and the default there
		if d <= 0 {
			return -1
		}
		return d
	}
	n.watch = watch.New(watch.Config{
		NotStarted: off(a.NotStarted), Silent: off(a.Silent), NoClip: off(a.NoClip), NoSummary: off(a.NoSummary),
		Disagree: off(a.Disagree),
		QueueLag: off(a.QueueLag), ClockSkew: off(a.ClockSkew), JobStale: off(a.JobStale),
		Clips:         len(n.cfg.FeedSecrets["wsc"]) > 0 || n.cfg.Clips.PullKey != "",
		Disagreements: n.disagreements, Held: n.heldStep, Gap: n.gap,
		Webhook: a.Webhook, Secret: a.WebhookSecret, Now: n.db.Now,
	}, n.db, n.queue, n.log, n.reg)
	n.queue.Handle(watch.TaskWebhook, n.watch.WebhookTask)

	n.jobs.Add("partitions", partitionsEvery, func(ctx context.Context) error {
		return n.db.MakePartitions(ctx, n.db.Now())
	})
	n.jobs.Add("retention", housekeeping, n.pruneArchive)
	if n.has(roleIngest) {
		n.jobs.Add("watch", watchEvery, n.watch.Check)
		n.jobs.Add("held", watchEvery, n.letGo)
	}
}

// pruneArchive deletes documents by their retention, old alarms, and what is kept of old odds.
func (n *node) pruneArchive(ctx context.Context) error {
	retention, err := store.ParseRetention(n.cfg.Archive.Retention)
	if err != nil {
		return err
	}
	if _, ruled := retention[goalcast.CanaryFeed]; !ruled {
		retention[goalcast.CanaryFeed] = keepCanary
	}
	documents, err := n.db.PruneDocuments(ctx, retention, n.db.Now())
	_, canaryErr := n.db.PruneCanary(ctx, n.db.Now().Add(-keepCanary))
	err = errors.Join(err, canaryErr)
	if documents > 0 {
		n.log.Info("pruned archive", "documents", documents)
	}
	mappings, oddsErr := n.db.PruneOdds(ctx, n.db.Now().Add(-keepMappings))
	if mappings > 0 {
		n.log.Info("pruned mappings of odds", "mappings", mappings)
	}
	oddsErr = errors.Join(oddsErr, n.db.PruneOddsHistory(ctx, n.db.Now()))
	return errors.Join(err, oddsErr, n.db.PruneAlarms(ctx, n.db.Now().Add(-keepAlarms)))
}

// disagreements puts what ingest finds into the words of an alarm.
func (n *node) disagreements(rec goalcast.MatchRecord) (out []watch.Disagreement) {
	for _, d := range n.ingest.Merger().Disagreements(rec) {
		name := strings.TrimSpace(d.What + " " + d.Event)
		out = append(out, watch.Disagreement{Name: strings.ReplaceAll(name, " ", ":"), Since: d.Since,
			Text: fmt.Sprintf("%s: %s (%s)", name, d.Detail, strings.Join(d.Sources, ", "))})
	}
	return out
}

// heldStep puts what ingest holds into the words of an alarm.
func (n *node) heldStep(rec goalcast.MatchRecord) string {
	h, held := n.ingest.Merger().HeldStep(rec)
	if !held {
		return ""
	}
	what := "takes back at once what does not come to be taken back at once"
	if h.Reset {
		what = "says that the match has not begun"
	}
	return fmt.Sprintf("document %d of %s %s (%d events); it is not believed until a second document says so, or "+
		"POST /admin/documents/%[1]d/replay", h.Document,
		h.Since.Format("15:04:05 UTC"), what, len(h.Events))
}

// gap says whether the provider of a match says itself that it sees nothing.
func (n *node) gap(rec goalcast.MatchRecord) bool { return n.ingest.Merger().Gap(rec) }

// heldBack is how long after its kick-off steps of a match are let go by themselves.
const heldBack = 48 * time.Hour

// letGo ends the time for which steps are held.
func (n *node) letGo(ctx context.Context) error {
	now := n.db.Now()
	matches, err := n.db.Matches(ctx, goalcast.MatchFilter{From: now.Add(-heldBack), To: now.Add(time.Hour)})
	if err != nil || len(matches) == 0 {
		return err
	}
	ids := make([]goalcast.MatchID, len(matches))
	for i, m := range matches {
		ids[i] = m.ID
	}
	return n.ingest.LetGo(ctx, ids, now)
}

// silently replays without a word to phones.
type silently struct{ *ingest.Ingest }

func (s silently) Process(ctx context.Context, id goalcast.DocumentID) error {
	return s.Ingest.Replay(store.Silent(ctx), id)
}
