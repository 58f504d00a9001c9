package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/apns"
	"goalcast/notify/fcm"
	"goalcast/notify/live"
	"goalcast/store"
)

// apnsConfig says how Live Activities reach Apple.
type apnsConfig struct {
	Bundle      string        `name:"bundle-id" env:"GOALCAST_APNS_BUNDLE_ID" placeholder:"ID" help:"Bundle id of the app whose Live Activities are moved (docs/live-activities.md). Empty: none are. One goalcast per app and environment: channels that are not its own are deleted."`
	Key         string        `env:"GOALCAST_APNS_KEY" secret:"" placeholder:"PEM" help:"Key for Apple's push service, the text of the .p8 file."`
	KeyID       string        `name:"key-id" env:"GOALCAST_APNS_KEY_ID" placeholder:"ID" help:"Id of the key, ten characters."`
	TeamID      string        `name:"team-id" env:"GOALCAST_APNS_TEAM_ID" placeholder:"ID" help:"Id of the team that the key is of, ten characters."`
	Environment string        `env:"GOALCAST_APNS_ENVIRONMENT" default:"production" enum:"production,sandbox" placeholder:"NAME" help:"production, or sandbox for apps that Xcode installs."`
	Lead        time.Duration `env:"GOALCAST_APNS_LEAD" range:"1m..168h" default:"24h" help:"How long before kick-off a match gets its broadcast channel; an app has 10,000 at most."`
	Endpoint    string        `env:"GOALCAST_APNS_ENDPOINT" placeholder:"URL" help:"Another address than Apple's, for HTTP/2: for tests against a fake."`
}

// check says what is wrong with settings that belong together. It shows nothing of the key.
func (c apnsConfig) check() error {
	if c.Bundle == "" {
		for name, value := range map[string]string{"GOALCAST_APNS_KEY": c.Key, "GOALCAST_APNS_KEY_ID": c.KeyID,
			"GOALCAST_APNS_TEAM_ID": c.TeamID, "GOALCAST_APNS_ENDPOINT": c.Endpoint} {
			if value != "" {
				return fmt.Errorf("not set, though %s is", name)
			}
		}
		return nil
	}
	for name, value := range map[string]string{"GOALCAST_APNS_KEY_FILE": c.Key, "GOALCAST_APNS_KEY_ID": c.KeyID,
		"GOALCAST_APNS_TEAM_ID": c.TeamID} {
		if value == "" {
			return fmt.Errorf("set, though %s is not", name)
		}
	}
	client, err := c.open(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	client.Close()
	return nil
}

func (c apnsConfig) open(reg prometheus.Registerer) (*apns.Client, error) {
	return apns.New(apns.Config{Key: []byte(c.Key), KeyID: c.KeyID, TeamID: c.TeamID, BundleID: c.Bundle,
		Sandbox: c.Environment == "sandbox", Endpoint: c.Endpoint}, reg)
}

// makeLive makes what moves lock screens: for Apple, if an app is configured, and for Firebase, if
// topics are. It comes after makeNotifier, whose way to Firebase it takes.
func (n *node) makeLive(fault func(point string)) error {
	cfg := live.Config{Private: n.private, Fault: fault}
	add := func(cfg live.Config, service live.Service) {
		n.live = append(n.live, live.New(cfg, n.db, service, store.NewLeases(n.db, n.log), n.log, n.reg))
	}
	if n.cfg.APNS.Bundle != "" {
		client, err := n.cfg.APNS.open(n.reg)
		if err != nil {
			return fmt.Errorf("GOALCAST_APNS_BUNDLE_ID: %w", err)
		}
		n.apple = client
		n.canary.Add(appleCanary{client}, nil)
		apple := cfg
		apple.Lead = n.cfg.APNS.Lead
		add(apple, client)
	}
	if prefix := n.cfg.FCM.LiveTopics; prefix != "" {
		for _, sender := range n.senders {
			add(cfg, fcm.NewLive(sender, prefix))
		}
	}
	return nil
}

// appleCanary is how notify's canary asks Apple.
type appleCanary struct{ *apns.Client }

func (appleCanary) Reasons() []string { return apns.Denials() }

func (a appleCanary) DryRun(ctx context.Context) notify.Result {
	result, err := a.Client.DryRun(ctx)
	if err != nil {
		return notify.Result{Outcome: notify.Rejected, Reason: result, Err: err}
	}
	return notify.Result{Outcome: notify.Delivered}
}

// liveWaker takes an event on the bus as a hint that lock screens have to move.
type liveWaker struct{ live []*live.Runner }

func (w liveWaker) Event(p goalcast.Published) {
	for _, r := range w.live {
		r.Wake(p.Event.Match)
	}
}
func (liveWaker) State(goalcast.State)                    {}
func (liveWaker) Reread(goalcast.Topic, []goalcast.State) {}
func (liveWaker) Reset(goalcast.Cursor)                   {}
func (liveWaker) Stale(bool)                              {}
