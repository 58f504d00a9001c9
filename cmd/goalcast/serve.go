package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"goalcast"
	"goalcast/clients/js"
	"goalcast/ingest"
	"goalcast/ingest/opta"
	"goalcast/loadtest/simulator"
	"goalcast/store"

	"github.com/prometheus/client_golang/prometheus"
)

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, o options) error {
	log := c.logger()
	store.LogRedisTo(log)
	n, err := newNode(ctx, config{serving: c.serving, stores: c.stores, roles: c.Roles, migrate: c.Migrate}, o, log)
	if err != nil {
		return err
	}
	defer n.close()
	return n.run(ctx, clientjs.Handler(clientjs.Page{}), nil)
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

// Run works through documents again, oldest first. New event revisions are left in the outbox; a goalcast that serves publishes them within seconds, so that
// this needs no Redis and works beside an embedded one.
func (c *replayCmd) Run(ctx context.Context, _ options) error {
	log := c.logger()
	db, err := store.Open(ctx, c.DatabaseURL, log)
	if err != nil {
		return fmt.Errorf("GOALCAST_DATABASE_URL: %w", err)
	}
	defer db.Close()
	ids, err := c.documents(ctx, db)
	if err != nil {
		return err
	}
	in := ingest.New(ingest.Config{}, db, outboxOnly{}, nil, []ingest.Provider{opta.New()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var failed int
	for _, id := range ids {
		if err := in.Process(ctx, id); err != nil {
			failed++
			log.Error("replay", "document", id, "error", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	log.Info("replayed", "documents", len(ids), "failed", failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d documents failed", failed, len(ids))
	}
	return nil
}

// documents lists what to replay: the numbers given, or all that fit the filter.
func (c *replayCmd) documents(ctx context.Context, db *store.Store) ([]goalcast.DocumentID, error) {
	var ids []goalcast.DocumentID
	for _, id := range c.Documents {
		ids = append(ids, goalcast.DocumentID(id))
	}
	if len(ids) > 0 {
		return ids, nil
	}
	filter := goalcast.DocumentFilter{Match: goalcast.MatchID(c.Match), From: c.From, To: c.To, Limit: 500}
	if c.Failed {
		filter.State = goalcast.DocumentFailed
	}
	if !c.Failed && c.Match == 0 && c.From.IsZero() && c.To.IsZero() {
		return nil, fmt.Errorf("which documents? Give numbers, --failed, --match, --from or --to")
	}
	for {
		page, err := db.Documents(ctx, filter) // newest first
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			ids = append(ids, d.ID)
		}
		if len(page) < filter.Limit {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	slices.Reverse(ids)
	return ids, nil
}

// outboxOnly publishes nothing: the relay of a serving process finds the rows.
type outboxOnly struct{}

func (outboxOnly) Publish(context.Context, []goalcast.Event) error { return nil }
