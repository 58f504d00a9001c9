package main

import (
	"context"
	"fmt"
	"time"
	_ "time/tzdata" // an image without a zone database knows zones all the same

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/fcm"
	"goalcast/notify/kbc"
	"goalcast/store/bus"
)

// fcmConfig says how pushes reach Firebase Cloud Messaging.
type fcmConfig struct {
	Project      string `env:"GOALCAST_FCM_PROJECT" placeholder:"ID" help:"Firebase project that pushes go out from. Empty: no pushes."`
	Credentials  string `env:"GOALCAST_FCM_CREDENTIALS" secret:"" placeholder:"JSON" help:"Service account key of the project, as JSON."`
	ProjectsFile string `name:"projects-file" env:"GOALCAST_FCM_PROJECTS_FILE" placeholder:"FILE" help:"Several apps, each with a Firebase project of its own, in YAML (docs/operations.md, Several apps), in the place of the project above. The same in all processes with the role rest or notify."`
	Endpoint     string `env:"GOALCAST_FCM_ENDPOINT" placeholder:"URL" help:"Another address for FCM's HTTP v1, without credentials: for tests against a fake."`
	Rate         int    `env:"GOALCAST_FCM_RATE" range:">0.." default:"600000" placeholder:"PER-MINUTE" help:"Messages per minute to a project, all goalcast processes together: they count in Redis."`
	TopicsFrom   int    `name:"topics-from" env:"GOALCAST_FCM_TOPICS_FROM" range:"0.." default:"0" placeholder:"FOLLOWERS" help:"From so many followers on, those of them who have set nothing get a push by topics of Firebase: a few messages for all, which Google delivers in its own time, in the place of one for each phone (docs/operations.md, Huge audiences). 0: none does. The same in all processes with the role notify."`
	TopicsPrefix string `name:"topics-prefix" env:"GOALCAST_FCM_TOPICS_PREFIX" default:"goalcast.follow" placeholder:"PREFIX" help:"What the names of these topics begin with. Another one for each goalcast with the same project."`
	LiveTopics   string `env:"GOALCAST_FCM_LIVE_TOPICS" placeholder:"PREFIX" help:"Topics that matches on the screens of Android phones are moved by (docs/live-activities.md): with goalcast.live, goalcast.live.7 for match 7. Another one for each goalcast with the same project. Empty: none are."`
	Processes    int    `env:"GOALCAST_FCM_PROCESSES" range:"1.." default:"2" placeholder:"N" help:"How many goalcast processes send pushes: while Redis is away, each keeps to its part of the rate, whatever the push service."`
}

// pushConfig says what is pushed.
type pushConfig struct {
	Penalties bool          `env:"GOALCAST_PUSH_PENALTIES" default:"false" help:"Push also that a penalty is given, taken back or missed, on a channel of its own (penalties)."`
	Receipts  float64       `env:"GOALCAST_PUSH_RECEIPTS" range:"0..1" default:"0.01" placeholder:"0..1" help:"Part of the notifications and live events they show that apps and browsers are asked to report (POST /v1/me/receipts, POST /v1/receipts). 0.01 of a million are 10,000 requests; few users need 1, and 0 ends it."`
	SeenWait  time.Duration `name:"seen-wait" env:"GOALCAST_PUSH_SEEN_WAIT" range:"0s..5s" default:"0s" help:"How long a goal, red card or penalty waits for phones whose app shows it live to say so (docs/wire.md, Shown); they get no push of it. 1s suits most; whoever wants the first push as early as can be leaves it. 0 asks no phone, and all get it. The same in all processes."`
	Country   string        `env:"GOALCAST_PUSH_COUNTRY" format:"country" default:"BE" placeholder:"CC" help:"Country that the app's users are in, two letters: clips that may not be seen there are not pushed. Empty: only those that may be seen everywhere are."`
	Zone      string        `env:"GOALCAST_PUSH_ZONE" format:"zone" default:"Europe/Brussels" placeholder:"ZONE" help:"Time zone in which pushes tell dates."`
}

// acks is what the hub tells of what phones have shown; nil: nobody wants to know.
func (n *node) acks() func(context.Context, []goalcast.Seen) error {
	if n.cfg.Push.SeenWait == 0 {
		return nil
	}
	return n.seen.Keep
}

// pushService is what the notifier sends through, until it is closed.
type pushService interface {
	notify.Sender
	Close()
}

// makeNotifier makes what sends pushes, if there is a service to send them through. fault
// is for the crash test.
func (n *node) makeNotifier(ctx context.Context, fault func(point string)) error {
	templates, err := notify.LoadTemplates()
	if err != nil {
		return fmt.Errorf("texts of pushes: %w", err)
	}
	c := n.cfg.FCM
	browsers, err := n.cfg.Webpush.open(n.cfg.Push.Receipts, n.reg)
	if err != nil {
		return fmt.Errorf("GOALCAST_WEBPUSH_KEY: %w", err)
	}
	projects, err := c.projects()
	if err != nil {
		return fmt.Errorf("GOALCAST_FCM_PROJECTS_FILE: %w", err)
	}
	if len(projects) == 0 {
		n.log.Warn("GOALCAST_FCM_PROJECT is not set: no pushes are sent to phones")
		if browsers == nil && n.cfg.KBC.URL == "" {
			return nil
		}
	}
	zone, err := time.LoadLocation(n.cfg.Push.Zone)
	if err != nil {
		return fmt.Errorf("GOALCAST_PUSH_ZONE: %w", err)
	}
	cfg := notify.Config{Penalties: n.cfg.Push.Penalties, Country: n.cfg.Push.Country, Zone: zone,
		Fault: fault, Trace: n.trace, Private: n.private, Names: n.names,
		Templates: templates, Canary: n.canary, TopicsFrom: c.TopicsFrom}
	if n.canaryMatch != nil {
		cfg.CanaryGoal = n.canaryMatch.Pushed
	}
	if wait := n.cfg.Push.SeenWait; wait > 0 {
		cfg.Seen, cfg.SeenWait = n.seen, wait
	}
	if browsers != nil {
		n.browsers, cfg.Browsers = browsers, browsers
		cfg.BrowserLimiter = func(service string) notify.Limiter {
			return n.rate("webpush:"+service, n.cfg.Webpush.Rate, fcm.MaxMessages)
		}
	}
	if n.cfg.KBC.URL != "" {
		bank, err := n.cfg.KBC.open(n.rate(kbc.Service, n.cfg.KBC.Rate, kbc.MaxRecipients), n.log, n.reg)
		if err != nil {
			return fmt.Errorf("GOALCAST_KBC_PUSH_URL: %w", err)
		}
		n.bank, cfg.Bank = bank, bank
	}
	var phones notify.Sender
	for i, p := range projects {
		sender, err := p.open(ctx, c, n.log, n.reg)
		if err != nil {
			return fmt.Errorf("GOALCAST_FCM_CREDENTIALS: %w", err)
		}
		n.senders = append(n.senders, sender)
		limiter := n.rate("fcm:"+p.Project, p.Rate, fcm.MaxMessages)
		if i == 0 {
			phones, cfg.App, cfg.Limiter = sender, p.Name, limiter
			continue
		}
		cfg.Apps = append(cfg.Apps, notify.App{Name: p.Name, Sender: sender, Limiter: limiter})
	}
	n.notifier = notify.New(cfg, n.db, n.queue, phones, n.log, n.reg)
	n.queue.Handle(notify.TaskBatch, n.notifier.Batch)
	if len(n.senders) > 0 { // also where none are to listen: those that did are told so
		n.jobs.Add("push-topics", notify.TopicsEvery, n.notifier.SyncTopics)
	}
	return nil
}

// askCanary makes one process of all ask every minute whether the push services would take a push.
func (n *node) askCanary() {
	if n.canary.Empty() {
		return
	}
	if n.canaryMatch != nil && n.notifier != nil {
		n.canaryMatch.ExpectPushes()
	}
	n.jobs.Add("push-canary", notify.CanaryEvery, func(ctx context.Context) error {
		_ = n.canary.Run(ctx) // it counts and logs by itself
		return nil            // a push service that is away has an alert of its own
	})
}

// rate is a limit of messages that all processes share. A second's worth may go at once, and a
// whole batch always.
func (n *node) rate(name string, perMinute, batch int) *bus.Rate {
	return bus.NewRate(n.redis, bus.RateOptions{Prefix: n.cfg.RedisPrefix, Name: name, PerMinute: perMinute,
		Burst: max(perMinute/60, batch), Processes: n.cfg.FCM.Processes}, n.log, n.reg)
}
