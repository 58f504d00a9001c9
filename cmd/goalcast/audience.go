package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"
)

// How often a hub tells how many viewers it has, and of how many topics.
const (
	audienceEvery  = 3 * time.Second
	audienceTopics = 200
	audienceTime   = 2 * time.Second // for telling it
)

// tellAudience tells all processes of this node's viewers until ctx ends.
func (n *node) tellAudience(ctx context.Context) error {
	host, _ := os.Hostname() // without a name it is told apart by its letters
	name := host + "-" + rand.Text()[:4]
	tell := func() {
		ctx, cancel := context.WithTimeout(ctx, audienceTime)
		defer cancel()
		a := n.hub.Audience(audienceTopics)
		a.Node = name
		if err := n.bus.TellAudience(ctx, a); err != nil {
			n.log.Debug("viewers are not told", "error", err) // that Redis is away is told elsewhere
		}
	}
	ticker := time.NewTicker(audienceEvery)
	defer ticker.Stop()
	for {
		tell()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), audienceTime)
			defer cancel()
			_ = n.bus.ForgetAudience(ctx, name) // else it is forgotten after some seconds
			return nil
		}
	}
}
