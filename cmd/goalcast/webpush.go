package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify/webpush"
)

// webpushConfig says how pushes reach browsers.
type webpushConfig struct {
	Key      string   `env:"GOALCAST_WEBPUSH_KEY" secret:"" placeholder:"KEY" help:"Private VAPID key for pushes to browsers, as webpush-key prints it. Subscriptions are bound to it: another one loses them. Empty: no pushes to browsers (docs/webpush.md)."`
	Subject  string   `env:"GOALCAST_WEBPUSH_SUBJECT" placeholder:"URL" help:"https URL of a page that tells push services how to reach you."`
	Page     string   `env:"GOALCAST_WEBPUSH_PAGE" placeholder:"URL" help:"https URL that a click on a notification opens, with {match} for the number of the match."`
	Hosts    []string `env:"GOALCAST_WEBPUSH_HOSTS" default:"fcm.googleapis.com,updates.push.services.mozilla.com,*.push.apple.com,*.notify.windows.com" placeholder:"HOST,..." help:"Push services of browsers that are sent to; *.example.org is all hosts below it. Subscriptions of others are refused."`
	Rate     int      `env:"GOALCAST_WEBPUSH_RATE" range:">0.." default:"600000" placeholder:"PER-MINUTE" help:"Messages per minute to each push service of browsers, all goalcast processes together: they count in Redis. Push services do not tell what they take; less where one answers 429."`
	Endpoint string   `env:"GOALCAST_WEBPUSH_ENDPOINT" placeholder:"URL" help:"A server that gets all pushes to browsers instead: for tests against a fake."`
}

// check says what is wrong with settings that belong together. It shows nothing of the key.
func (c webpushConfig) check() error {
	if c.Key == "" {
		for name, value := range map[string]string{"GOALCAST_WEBPUSH_SUBJECT": c.Subject,
			"GOALCAST_WEBPUSH_PAGE": c.Page, "GOALCAST_WEBPUSH_ENDPOINT": c.Endpoint} {
			if value != "" {
				return fmt.Errorf("not set, though %s is", name)
			}
		}
		return nil
	}
	if err := webpush.CheckSubject(c.Subject); err != nil {
		return fmt.Errorf("set, and GOALCAST_WEBPUSH_SUBJECT is wrong: %w", err)
	}
	if err := webpush.CheckPage(c.Page); err != nil {
		return fmt.Errorf("set, and GOALCAST_WEBPUSH_PAGE is wrong: %w", err)
	}
	if err := webpush.Hosts(c.Hosts).Validate(); err != nil {
		return fmt.Errorf("set, and GOALCAST_WEBPUSH_HOSTS is wrong: %w", err)
	}
	_, err := webpush.ReadKey(c.Key)
	return err
}

// open makes what sends to browsers; nil if they are not sent to. receipts is the part of the
// pushes that browsers are asked to report.
func (c webpushConfig) open(receipts float64, reg prometheus.Registerer) (*webpush.Sender, error) {
	if c.Key == "" {
		return nil, nil
	}
	key, err := webpush.ReadKey(c.Key)
	if err != nil {
		return nil, err
	}
	return webpush.New(webpush.Config{Key: key, Subject: c.Subject, Page: c.Page, Hosts: c.Hosts, Endpoint: c.Endpoint,
		Receipts: receipts}, reg)
}

// subscribing is what REST asks about subscriptions.
type subscribing struct {
	key   webpush.Key
	hosts webpush.Hosts
}

func (c webpushConfig) subscribing() (subscribing, error) {
	key, err := webpush.ReadKey(c.Key)
	return subscribing{key, c.Hosts}, err
}

func (s subscribing) PublicKey() string                   { return s.key.Public() }
func (s subscribing) CheckEndpoint(endpoint string) error { return s.hosts.Check(endpoint) }
func (s subscribing) ReadReceipt(receipt string, now time.Time) (time.Time, bool) {
	return s.key.ReadReceipt(receipt, now)
}
func (subscribing) CheckKeys(sub goalcast.Subscription) error { return webpush.CheckKeys(sub) }

type webpushKeyCmd struct{}

// Run prints a new private key.
func (webpushKeyCmd) Run() error {
	key, err := webpush.NewKey()
	if err != nil {
		return errors.New("no key could be made")
	}
	_, err = fmt.Println(key)
	return err
}
