package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"goalcast/edge"
	"goalcast/internal/clientip"
	"goalcast/internal/httpserver"
	"goalcast/store"
)

// housekeeping is how often rows that are of no more use are deleted, and keepOutbox
// how long they are kept.
const (
	housekeeping = time.Hour
	verifyAudit  = 10 * time.Minute // only what is new is read
	keepOutbox   = 48 * time.Hour
)

// run serves until ctx ends, then leaves in order: not ready, viewers said goodbye, requests in
// hand finished, work in hand finished. The first part to fail ends the others; its error is the
// one returned. started is called with the addresses once both listen.
func (n *node) run(ctx context.Context, page http.Handler, started func(public, admin string)) error {
	var leaving atomic.Bool
	walls := newFence(n.cfg.Proxies, n.reg)
	public, admin := n.newServers(n.publicRoutes(page, walls), n.adminRoutes(&leaving, walls))
	publicListener, err := public.Listen(ctx, n.cfg.Listen)
	if err != nil {
		return fmt.Errorf("GOALCAST_LISTEN: %w", err)
	}
	adminListener, err := admin.Listen(ctx, n.cfg.AdminListen)
	if err != nil {
		_ = publicListener.Close()
		return fmt.Errorf("GOALCAST_ADMIN_LISTEN: %w", err)
	}

	// Parts outlive ctx: viewers are to get what still comes while they are said goodbye to, and
	// requests in hand need the stores.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, work := errgroup.WithContext(work)
	for name, part := range n.parts() {
		g.Go(func() error {
			if err := part(work); err != nil && work.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	g.Go(func() error { return public.Serve(publicListener) })
	g.Go(func() error { return admin.Serve(adminListener) })
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-work.Done():
		}
		leaving.Store(true)
		n.leave(public)
		stop()
		_ = admin.Close()
		return nil
	})
	n.log.Info("listening", "public", publicListener.Addr().String(), "admin", adminListener.Addr().String(), "roles",
		n.cfg.roles, "tls", n.certificate != nil)
	if started != nil {
		started(publicListener.Addr().String(), adminListener.Addr().String())
	}
	return g.Wait()
}

// parts are what runs besides the HTTP servers, by name.
func (n *node) parts() map[string]func(context.Context) error {
	if n.upstream != nil {
		return n.edgeParts()
	}
	listener := n.listener()
	parts := map[string]func(context.Context) error{
		"bus":      func(ctx context.Context) error { return n.bus.Listen(ctx, listener) },
		"relay":    n.relay.Run,
		"replicas": n.replicas.Run,
		"jobs":     n.jobs.Run,
		"secrets":  func(ctx context.Context) error { return n.secrets.run(ctx, n.reload) },
		"tracing":  n.trace.Run,
	}
	if n.rest != nil || n.notifier != nil {
		parts["names"] = n.names.Run
	}
	if n.identity != nil {
		parts["identity"] = n.identity.Run
	}
	if n.hub != nil {
		parts["hub"] = n.hub.Run
		parts["audience"] = n.tellAudience
	}
	if n.edges != nil {
		parts["edges"] = n.edges.Run
	}
	if n.ingest != nil {
		parts["ingest"] = n.ingest.Run
		parts["clips"] = n.clips.Run
		parts["tables"] = n.tables.Run
	}
	if n.notifier != nil {
		parts["notify"] = n.notifier.Run
	}
	for i, r := range n.live {
		parts[fmt.Sprintf("live %d", i+1)] = r.Run
	}
	if n.partners != nil {
		parts["partners"] = n.partners.Run
	}
	if n.channels != nil {
		parts["channels"] = n.channels.Run
	}
	if n.odds != nil {
		parts["odds"] = n.runOdds
	}
	if n.ingest != nil || n.notifier != nil {
		parts["queue"] = n.queue.Run
	}
	return parts
}

// leave says goodbye to viewers and lets requests in hand finish.
func (n *node) leave(public *httpserver.Server) {
	n.log.Info("leaving", "drain_time", n.cfg.DrainTime)
	// A context of their own: the one that ended is over.
	if n.hub != nil {
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.DrainTime)
		n.hub.Drain(ctx)
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := public.Shutdown(ctx); err != nil {
		n.log.Warn("requests were cut off", "error", err)
		_ = public.Close()
	}
}

// addJobs says what one process of all does from time to time.
func (n *node) addJobs() {
	n.jobs.Add("prune-outbox", housekeeping, func(ctx context.Context) error {
		deleted, err := n.db.PruneOutbox(ctx, n.db.Now().Add(-keepOutbox))
		if err == nil && deleted > 0 {
			n.log.Info("pruned outbox", "rows", deleted)
		}
		return err
	})
	n.jobs.Add("prune-partners", housekeeping, func(ctx context.Context) error {
		numbers, partners, err := n.db.PrunePartners(ctx, n.db.Now().Add(-store.KeepPartnerEvents))
		if err == nil && numbers+partners > 0 {
			n.log.Info("pruned what partners can be told", "events", numbers, "partners", partners)
		}
		return err
	})
	n.jobs.Add("expect-viewers", expectEvery, n.expectViewers)
	n.jobs.Add("index-names", time.Minute, func(ctx context.Context) error {
		done, err := n.db.IndexNames(ctx)
		if done > 0 {
			n.log.Info("names that could not be found can be now", "names", done)
		}
		return err
	})
	n.jobs.Add("seal-devices", housekeeping, func(ctx context.Context) error {
		count, err := n.db.ResealDevices(ctx)
		if err == nil && count > 0 {
			n.log.Info("devices are sealed with the current key now", "devices", count)
		}
		return err
	})
	n.jobs.Add("prune-devices", housekeeping, func(ctx context.Context) error {
		deleted, err := n.db.PruneDevices(ctx)
		if err == nil && deleted > 0 {
			n.log.Info("pruned devices that were not heard of for long", "devices", deleted)
		}
		return err
	})
	if n.rest != nil {
		n.jobs.Add("verify-audit", verifyAudit, n.rest.VerifyAudit)
	}
}

func (n *node) publicRoutes(page http.Handler, walls *fence) http.Handler {
	mux := http.NewServeMux()
	if n.hub != nil {
		mux.Handle("/v1/live", httpserver.Live(clientip.Middleware(n.cfg.Proxies)(n.hub)))
	}
	if n.edges != nil {
		mux.Handle(edge.Path, n.edges)
		mux.Handle(edge.Path+"bus", httpserver.Live(n.edges))
	}
	if n.upstream != nil {
		mux.Handle("/v1/", n.upstream.Proxy())
	}
	if n.rest != nil {
		api := n.rest.Public()
		mux.Handle("/v1/", api)
		mux.Handle("/docs", api)
		mux.Handle("/docs/", api)
		mux.Handle("/docs/{$}", http.RedirectHandler("/docs", http.StatusPermanentRedirect))
	}
	if n.ingest != nil {
		mux.Handle("/feeds/", walls.around("feeds", n.cfg.Networks.Feeds, n.ingest.Handler()))
	}
	if n.oddsFeed != nil {
		mux.Handle("/feeds/odds", walls.around("feeds", n.cfg.Networks.Feeds, n.oddsRoute()))
	}
	if n.player != nil {
		mux.Handle("/callbacks/brightcove/", n.player.Callbacks(n.clips.Wake))
	}
	if page != nil {
		mux.Handle("/", page)
	}
	return mux
}

func (n *node) adminRoutes(leaving *atomic.Bool, walls *fence) http.Handler {
	all := http.NewServeMux()
	all.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	all.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		n.readyz(w, r, leaving.Load())
	})
	mux := http.NewServeMux()
	all.Handle("/", walls.around("admin", n.cfg.Networks.Admin, mux))
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // without cmdline, which shows secrets that were given as flags
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if n.rest != nil {
		mux.Handle("/admin/", n.rest.Admin())
		n.addConsole(mux)
	}
	return all
}

// newServers makes the two servers. What the admin server does takes longer: a profile, a replay, a
// whole document for an operator far away.
func (n *node) newServers(public, admin http.Handler) (*httpserver.Server, *httpserver.Server) {
	outside := n.cfg.wall
	outside.Name, outside.MaxConns = "public", n.shares.requests
	if n.cfg.SendBuffer == 0 {
		outside.SendBuffer = -1
	}
	if n.certificate != nil {
		outside.Certificate = n.certificate.get
	}
	inside := n.cfg.wall
	inside.Name, inside.MaxConns = "admin", n.shares.admin
	inside.AnswerTimeout = max(inside.AnswerTimeout, 5*time.Minute)
	return httpserver.New(outside, public, n.reg), httpserver.New(inside, admin, n.reg)
}
