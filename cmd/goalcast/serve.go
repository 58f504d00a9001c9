package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"goalcast"
	clientjs "goalcast/clients/js"
	"goalcast/loadtest/simulator"
	"goalcast/store"
	"goalcast/store/bus"
)

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, o options) error {
	log := c.logger()
	if err := coalesceTimers(c.TimerSlack); err != nil {
		log.Warn("timers are not put together: goalcast needs more CPU", "error", err)
	}
	if len(o.exposed) > 0 {
		log.Warn("secrets on the command line can be read by every user of this machine: use environment variables, "+
			"or files by those with _FILE behind their names", "flags", o.exposed)
	}
	if set := retiredVariables(os.Environ()); len(set) > 0 {
		log.Warn("settings that are constants now and change nothing", "settings", set)
	}
	bus.LogRedisTo(log)
	if c.RedisURL == "embedded" && !slices.Contains(c.Roles, roleHub) {
		log.Warn("events reach no hub: GOALCAST_REDIS_URL is embedded, which no other process reaches", "roles",
			c.Roles)
	}
	n, err := newNode(ctx, config{serving: c.serving, stores: c.stores, replicas: c.Replicas, tls: c.TLS,
		roles: c.Roles, migrate: c.Migrate}, o, log)
	if err != nil {
		return err
	}
	defer n.close()
	return n.run(ctx, clientjs.Handler(clientjs.Page{Odds: n.cfg.Odds.Public, Clips: n.cfg.Clips.onPage(),
		WebPush: n.cfg.Webpush.Key != ""}), nil)
}

// Run posts the match day to a goalcast that runs elsewhere.
func (c *simulateCmd) Run(ctx context.Context, _ options) error {
	log := c.logger()
	day := simulator.New(simulator.Config{Seed: c.Seed, Matches: c.Matches, Speed: c.Speed, Start: time.Now()})
	log.Info("simulated match day", "matches", c.Matches, "seed", c.Seed, "speed", c.Speed, "takes", day.Length())
	return day.Run(ctx, simulator.Poster(c.URL+"/feeds/opta", c.Secret, nil, log))
}

// Run migrates the database.
func (c *migrateCmd) Run(ctx context.Context, _ options) error {
	log := c.logger()
	if !c.Create {
		if err := store.Exists(c.DatabaseURL); err != nil {
			return fmt.Errorf("GOALCAST_DATABASE_URL: %w (--create makes it)", err)
		}
	}
	db, err := store.Open(ctx, c.DatabaseURL, log)
	if err != nil {
		return fmt.Errorf("GOALCAST_DATABASE_URL: %w", err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	log.Info("the database has this version's schema")
	return nil
}

// outboxOnly publishes nothing: the relay of a serving process finds the rows.
type outboxOnly struct{}

func (outboxOnly) Publish(context.Context, []goalcast.Event) error { return nil }
