package live

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"goalcast"
)

// channelsAge is how old the list of channels may be: one is made long before anybody needs it.
const channelsAge = 10 * time.Second

// channels are those of a match.
type channels struct{ channel, topic string }

// Channels knows the channels of all matches, from memory: whoever asks does not wait for the
// database.
type Channels struct {
	store interface {
		LiveChannels(ctx context.Context) ([]goalcast.LiveChannel, error)
	}
	log *slog.Logger
	all atomic.Pointer[map[goalcast.MatchID]channels]
}

// NewChannels makes a Channels that knows none before it runs.
func NewChannels(store Store, log *slog.Logger) *Channels { return &Channels{store: store, log: log} }

// LiveChannel is the match's broadcast channel at Apple and its topic at Firebase, the same in all
// projects; each empty if it has none that is moved.
func (c *Channels) LiveChannel(match goalcast.MatchID) (channel, topic string) {
	if all := c.all.Load(); all != nil {
		of := (*all)[match]
		return of.channel, of.topic
	}
	return "", ""
}

// Run reads the channels again and again until ctx ends. What was known stays while the database is
// away.
func (c *Channels) Run(ctx context.Context) error {
	tick := time.NewTicker(channelsAge)
	defer tick.Stop()
	for {
		if err := c.read(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("live activities: channels cannot be read, those before stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *Channels) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, channelsAge)
	defer cancel()
	list, err := c.store.LiveChannels(ctx)
	if err != nil {
		return err
	}
	all := make(map[goalcast.MatchID]channels, len(list))
	for _, l := range list {
		if !l.Ended.IsZero() {
			continue
		}
		of := all[l.Match]
		if l.Service == Apple {
			of.channel = l.ID
		} else {
			of.topic = l.ID
		}
		all[l.Match] = of
	}
	c.all.Store(&all)
	return nil
}
