package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/wsc"
	"goalcast/store"
)

type documentsCmd struct {
	List documentsListCmd `cmd:"" default:"withargs" help:"List kept documents, newest first."`
	Show documentsShowCmd `cmd:"" help:"Print a document's bytes as they were sent."`
}

// choice says which documents are meant.
type choice struct {
	Provider string    `help:"Only of this provider."`
	Feed     string    `help:"Only of this feed: F9."`
	Match    int64     `help:"Only of this match."`
	From     time.Time `help:"Only those that came at or after this time (RFC 3339)."`
	To       time.Time `help:"Only those that came before this time (RFC 3339)."`
}

func (c choice) filter() goalcast.DocumentFilter {
	return goalcast.DocumentFilter{Provider: c.Provider, Feed: strings.ToUpper(c.Feed),
		Match: goalcast.MatchID(c.Match), From: c.From, To: c.To}
}

type documentsListCmd struct {
	logging
	stores
	choice
	State string `enum:",received,applied,ignored,failed" default:"" help:"Only those in this state: received, applied, ignored, failed."`
	Limit int    `default:"100" help:"At most so many."`
}

type documentsShowCmd struct {
	logging
	stores
	ID int64 `arg:"" help:"Number of the document."`
}

// openDatabase opens a database that is there already, with this version's tables.
func openDatabase(ctx context.Context, url string, log *slog.Logger) (*store.Store, error) {
	if err := store.Exists(url); err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_URL: %w", err)
	}
	db, err := store.Open(ctx, url, log)
	if err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_URL: %w", err)
	}
	if err := db.Migrated(ctx); err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_URL: %w", errors.Join(err, db.Close()))
	}
	return db, nil
}

// Run lists.
func (c *documentsListCmd) Run(ctx context.Context, _ options) error {
	db, err := openDatabase(ctx, c.DatabaseURL, c.logger())
	if err != nil {
		return err
	}
	defer db.Close()
	filter := c.filter()
	filter.State = goalcast.DocumentState(c.State)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "ID\tRECEIVED\tPROVIDER\tFEED\tMATCH\tBYTES\tAGAIN\tSTATE\tTRIES\tERROR")
	left := c.Limit
	err = eachDocument(ctx, db, filter, func(d goalcast.Document) bool {
		if left--; left < 0 {
			return false
		}
		text, _, _ := strings.Cut(d.Error, "\n")
		fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%d\t%.120s\n", d.ID,
			d.Received.Format("2006-01-02T15:04:05.000Z"), d.Provider, d.Feed, d.Match, d.Size, d.Repeats,
			d.State, d.Attempts, text)
		return true
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// Run prints the bytes.
func (c *documentsShowCmd) Run(ctx context.Context, _ options) error {
	db, err := openDatabase(ctx, c.DatabaseURL, c.logger())
	if err != nil {
		return err
	}
	defer db.Close()
	d, err := db.Document(ctx, goalcast.DocumentID(c.ID))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(d.Body)
	return err
}

// eachDocument calls f with the documents of a filter, newest first, until it says no.
func eachDocument(ctx context.Context, db *store.Store, filter goalcast.DocumentFilter,
	f func(goalcast.Document) bool) error {
	filter.Limit = 500
	for {
		page, err := db.Documents(ctx, filter)
		if err != nil {
			return err
		}
		for _, d := range page {
			if !f(d) {
				return nil
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		filter.Before = page[len(page)-1].ID
	}
}

type replayCmd struct {
	logging
	stores
	choice
	Documents []int64 `arg:"" optional:"" help:"Numbers of the documents."`
	Failed    bool    `help:"Only documents that could not be understood."`
	Error     string  `placeholder:"TEXT" help:"Only documents that could not be understood, with this in their error."`
	DryRun    bool    `name:"dry-run" help:"Change nothing; print the event revisions that would be made."`
	Rebuild   bool    `help:"Derive each match that the documents are of from scratch, from all of its documents, and make the difference new revisions."`

	ShowRendition bool   `name:"wsc-show-rendition" env:"GOALCAST_WSC_SHOW_RENDITION" help:"As of the processes that serve; for --rebuild."`
	Account       string `name:"brightcove-account" env:"GOALCAST_BRIGHTCOVE_ACCOUNT" placeholder:"ID" help:"As of the processes that serve; for --rebuild."`

	Workers int `default:"4" help:"Documents worked on at once."`
}

// Validate is called by kong.
func (c *replayCmd) Validate() error {
	if len(c.Documents) == 0 && !c.Failed && c.Error == "" && c.choice == (choice{}) {
		return fmt.Errorf("which documents? Give numbers, --failed, --error, --provider, --feed, --match, --from or " +
			"--to")
	}
	return nil
}

// replay is one run of the command.
type replay struct {
	*replayCmd
	db     *store.Store
	in     *ingest.Ingest
	dryRun *ingest.DryRun // nil without --dry-run
	log    *slog.Logger

	mu      sync.Mutex // guards the rest
	failed  int
	events  int
	matches map[goalcast.MatchID]bool
}

// Run works through documents again. New event revisions are left in the outbox; a goalcast that
// serves publishes them within seconds, so that this needs no Redis and works beside an embedded
// one. Phones hear nothing of them.
func (c *replayCmd) Run(ctx context.Context, _ options) error {
	log := c.logger()
	db, err := openDatabase(ctx, c.DatabaseURL, log)
	if err != nil {
		return err
	}
	defer db.Close()
	r := &replay{replayCmd: c, db: db, log: log, matches: map[goalcast.MatchID]bool{}}
	var s ingest.Store = db
	cfg := ingest.Config{Reference: db}
	if c.DryRun {
		r.dryRun = ingest.NewDryRun(db)
		s, cfg.Reference = r.dryRun, ingest.DryRunReference{Reference: db}
	}
	r.in = ingest.New(cfg, s, outboxOnly{}, nil, providers(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx = store.Silent(ctx)
	begin := time.Now()
	ids, err := r.documents(ctx)
	if err != nil {
		return err
	}
	work := r.process
	if c.Rebuild {
		work = r.rebuildAll
	}
	if err := work(ctx, ids); err != nil {
		return err
	}
	if c.DryRun {
		r.events = printEvents(os.Stdout, r.dryRun.Events())
	}
	log.Info("replayed", "documents", len(ids), "failed", r.failed, "revisions", r.events, "dry_run", c.DryRun, "took",
		time.Since(begin).Round(time.Millisecond))
	if r.failed > 0 {
		return fmt.Errorf("%d documents failed", r.failed)
	}
	return nil
}

// documents lists what to replay, oldest first. Documents of providers that need others to be
// understood (clips) are left out: their way is not one of documents alone.
func (r *replay) documents(ctx context.Context) (ids []goalcast.DocumentID, err error) {
	var known []string
	for _, p := range providers() {
		known = append(known, p.Name())
	}
	take := func(d goalcast.Document) bool {
		if slices.Contains(known, d.Provider) && strings.Contains(d.Error, r.Error) {
			ids = append(ids, d.ID)
			r.matches[d.Match] = true
		}
		return true
	}
	for _, id := range r.Documents {
		d, err := r.db.Document(ctx, goalcast.DocumentID(id))
		if err != nil {
			return nil, err
		}
		take(d)
	}
	if len(r.Documents) > 0 {
		return ids, nil
	}
	filter := r.filter()
	if r.Failed || r.Error != "" {
		filter.State = goalcast.DocumentFailed
	}
	err = eachDocument(ctx, r.db, filter, take)
	slices.Reverse(ids)
	return ids, err
}

// process applies the documents one by one, some at a time: their order does not matter to
// what is known in the end.
func (r *replay) process(ctx context.Context, ids []goalcast.DocumentID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, r.Workers))
	if r.DryRun {
		g.SetLimit(1) // so that the output is the same each time
	}
	for _, id := range ids {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.in.Process(ctx, id); err != nil {
				r.fail("document", int64(id), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *replay) fail(what string, id int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	r.log.Error("replay", what, id, "error", err)
}

// rebuildAll derives the matches of the documents from scratch.
func (r *replay) rebuildAll(ctx context.Context, _ []goalcast.DocumentID) error {
	if r.Match != 0 {
		r.matches[goalcast.MatchID(r.Match)] = true // also one of which there are clips only
	}
	delete(r.matches, 0) // lists are of no one match
	rebuilder := ingest.NewRebuilder(r.in, r.db, wsc.Recall{Store: r.db, ShowRendition: r.ShowRendition ||
		r.Account == "", Account: r.Account})
	for match := range r.matches {
		done, err := rebuilder.Match(ctx, match)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.fail("match", int64(match), err)
			continue
		}
		for _, err := range done.Failed {
			r.fail("match", int64(match), err)
		}
		r.events += len(done.Events)
		r.log.Info("rebuilt", "match", match, "documents", done.Documents, "revisions", len(done.Events), "dry_run",
			r.DryRun)
	}
	return nil
}

// printEvents prints revisions, one a line, and counts them.
func printEvents(to io.Writer, events []goalcast.Event) int {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, e := range events {
		player := ""
		if e.Player != nil {
			player = e.Player.Name
		}
		score := ""
		if e.Score != nil {
			score = fmt.Sprintf("%d-%d", e.Score.Home, e.Score.Away)
		}
		fmt.Fprintf(out, "match %d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Match, e.Key(), e.Status, e.Kind, e.Period,
			e.Clock, player, score)
	}
	_ = out.Flush() // standard output that is gone is nobody's trouble
	return len(events)
}
