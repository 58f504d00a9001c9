package main

import (
	"errors"
	"time"

	"goalcast"
	"goalcast/canary"
)

// canaryConfig says where the canary match is played.
type canaryConfig struct {
	URL     string `env:"GOALCAST_CANARY_URL" format:"service-url" placeholder:"URL" help:"Public address of goalcast, as fans have it (https://live.example.org): every half a minute the goal of a match that nobody sees is posted there, and looked for on all ways out (docs/operations.md, The canary match). It wants a secret of the feed canary in GOALCAST_FEED_SECRETS. Empty: none is. The same in all processes."`
	FeedURL string `name:"feed-url" env:"GOALCAST_CANARY_FEED_URL" format:"service-url" placeholder:"URL" help:"Where the canary posts, if providers have another address than fans."`
}

// check says what is missing.
func (c canaryConfig) check(feeds secrets, open bool) error {
	switch {
	case c.URL == "" && c.FeedURL != "":
		return errors.New("empty, but not GOALCAST_CANARY_FEED_URL")
	case c.URL != "" && len(feeds[goalcast.CanaryFeed]) == 0 && !open:
		return errors.New("it posts to the feed canary: give that a secret in GOALCAST_FEED_SECRETS")
	}
	return nil
}

// keepCanary is how long documents and events of the canary match are kept: some thousands.
const keepCanary = 24 * time.Hour

// makeCanary makes the canary, if it is wanted, and has one process of all play its match.
func (n *node) makeCanary() {
	if c := n.cfg.Canary; c.URL != "" {
		n.canaryMatch = canary.New(canary.Config{URL: c.URL, FeedURL: c.FeedURL}, n.cfg.FeedSecrets, n.log, n.reg)
		n.jobs.Add("canary-match", canaryEvery(), n.canaryMatch.Run)
	}
}
