package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"goalcast"
	"goalcast/canary"
	"goalcast/edge"
	"goalcast/hub"
	"goalcast/hub/board"
	"goalcast/identity"
	"goalcast/ingest"
	"goalcast/ingest/odds"
	"goalcast/ingest/odds/stream"
	"goalcast/ingest/table"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove"
	"goalcast/internal/ratelimit"
	"goalcast/internal/tracing"
	"goalcast/notify"
	"goalcast/notify/apns"
	"goalcast/notify/fcm"
	"goalcast/notify/live"
	"goalcast/notify/partner"
	"goalcast/notify/webpush"
	"goalcast/rest"
	"goalcast/store"
	"goalcast/store/bus"
	"goalcast/watch"
)

// node is one goalcast process: the parts that its roles need, made and joined. newNode makes them
// and run.go runs them.
type node struct {
	cfg    config
	shares shares
	log    *slog.Logger
	reg    *prometheus.Registry
	trace  *tracing.Tracer // nil without a collector

	db       *store.Store
	replicas *store.Replicas
	shared   *store.Shared // db, for what all processes ask once
	names    *store.NameBook
	redis    *bus.Redis
	seen     *bus.Seen
	bus      *bus.Bus
	relay    *store.Relay
	queue    *bus.Queue
	jobs     *store.Jobs // done by one process of all
	expected *expected

	watch  *watch.Watch
	steady *steadiness

	board       *board.Board
	hub         *hub.Hub           // nil without role hub
	edges       *edge.Server       // nil without role hub, or without a secret for edges
	upstream    *edge.Client       // the bus of an edge, which has no other and no database; nil elsewhere
	ingest      *ingest.Ingest     // nil without role ingest
	clips       *wsc.Clips         // nil without role ingest
	tables      *table.Runner      // nil without role ingest
	player      *brightcove.Client // nil without an account
	notifier    *notify.Notifier   // nil without role notify, or without a push service
	canary      *notify.Canary     // nil without role notify
	canaryMatch *canary.Canary     // nil if no canary match is played
	senders     []*fcm.Sender      // the notifier's, and live's: one for each Firebase project
	browsers    *webpush.Sender    // likewise
	bank        pushService        // likewise
	live        []*live.Runner     // by push service; none without role notify
	apple       *apns.Client       // live's
	channels    *live.Channels     // nil without role rest
	partners    *partner.Runner    // nil without role notify, or without a partner
	// partnerSecrets are those that partners has from the start
	partnerSecrets secrets
	rest           *rest.Server       // nil without role rest
	odds           *odds.Runner       // nil without role odds, or without a source
	identity       *identity.Verifier // nil without issuers
	tickets        *identity.Tickets  // likewise
	limiter        ratelimit.Limiter  // nil: each part counts by itself
	private        goalcast.Private   // competitions that not everybody may see
	secrets        *secretFiles
	reload         <-chan os.Signal

	certificate *certificate // of the public address; nil: no TLS

	oddsHistory *store.OddsHistory // the runner's
	oddsFeed    *stream.Feed       // nil if nobody posts odds
	oddsGuard   *ingest.Guard      // of the feed
}

// options are what a command or a test adds to the configuration.
type options struct {
	reload  <-chan os.Signal // SIGHUP: secrets are read again
	exposed []string         // secret flags that stand on the command line

	fault func(point string) // see ingest.Config.Fault and notify.Config.Fault; nil but in crash tests
}

func (n *node) has(role string) bool { return slices.Contains(n.cfg.roles, role) }

// newNode opens the stores and makes the parts; it starts nothing. The caller closes the node.
func newNode(ctx context.Context, cfg config, o options, log *slog.Logger) (_ *node, err error) {
	n := &node{cfg: cfg, shares: shareOut(openFiles()), log: log, reg: newRegistry(),
		steady: &steadiness{now: time.Now}}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.trace = tracing.New(buildLabels()["version"], cfg.roles, log, n.reg)
	if n.certificate, err = openCertificate(cfg.tls, log, n.reg); err != nil {
		return nil, err
	}
	if n.db, err = store.Open(ctx, cfg.DatabaseURL, log); err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_URL: %w", err)
	}
	if n.replicas, err = store.OpenReplicas(n.db, store.ReplicaOptions{URLs: cfg.replicas.ReadURLs,
		MaxLag: cfg.replicas.MaxLag}, log, n.reg); err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_READ_URLS: %w", err)
	}
	if cfg.migrate {
		if err := n.db.Migrate(ctx); err != nil {
			return nil, fmt.Errorf("GOALCAST_DATABASE_URL: migrate: %w", err)
		}
	} else if err := n.db.Migrated(ctx); err != nil {
		return nil, fmt.Errorf("GOALCAST_DATABASE_URL: %w (GOALCAST_MIGRATE is false)", err)
	}
	if err := n.sealDevices(ctx); err != nil {
		return nil, fmt.Errorf("GOALCAST_DEVICE_KEYS: %w", err)
	}
	if n.redis, err = bus.OpenRedis(cfg.RedisURL); err != nil {
		return nil, fmt.Errorf("GOALCAST_REDIS_URL: %w", err)
	}
	n.bus = bus.New(n.redis, bus.Options{Prefix: cfg.RedisPrefix, History: cfg.Ring}, log, n.reg)
	n.seen = bus.NewSeen(n.redis, bus.SeenOptions{Prefix: cfg.RedisPrefix}, log)
	n.relay = store.NewRelay(n.db, n.bus, log, n.reg)
	n.relay.Trace(n.trace)
	n.queue = bus.NewQueue(n.redis, bus.QueueOptions{Prefix: cfg.RedisPrefix}, log, n.reg)
	n.jobs = store.NewJobs(n.db, store.JobOptions{}, log, n.reg)
	shared := n.redis
	if cfg.RedisURL == "embedded" { // in which no other process would find anything
		shared = nil
	}
	n.shared = store.NewShared(n.db, shared, bus.AnswerOptions{Prefix: cfg.RedisPrefix}, log, n.reg)
	n.names = store.NewNameBook(n.db, log, n.reg)
	if err := n.names.Refresh(ctx); err != nil {
		return n, fmt.Errorf("GOALCAST_DATABASE_URL: names: %w", err)
	}
	n.makeLimiter()
	if err := n.makeIdentity(); err != nil {
		return n, err
	}
	n.board = board.New(n.shared, log, n.reg, board.Config{Private: n.private})
	n.expected = newExpected(n.db.Now, n.reg)
	n.addJobs()
	if err := n.makeParts(ctx, o); err != nil {
		return n, err
	}
	n.secrets, n.reload = n.watchSecrets(), o.reload
	return n, nil
}

// newRegistry has the metrics of every process.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_build_info", ConstLabels: buildLabels(),
			Help: "1, by the version that runs."}, func() float64 { return 1 }))
	return reg
}

// told reads what was told of a match, for those who play it again.
type told = func(context.Context, goalcast.MatchID, int) ([]goalcast.Revision, error)

// hubConfig is what the hub is made with.
func (n *node) hubConfig(replay told) hub.Config {
	return hub.Config{
		Ring: n.cfg.Ring, MaxReplay: n.cfg.MaxReplay, StateShare: n.cfg.StateShare, MaxPending: n.cfg.MaxPending,
		MaxTopics: n.cfg.MaxTopics, MaxConns: n.maxViewers(), MaxConnsPerIP: n.cfg.MaxConnsPerIP,
		HandshakeRate: n.cfg.HandshakeRate, Origins: n.cfg.Origins, PingInterval: n.cfg.PingInterval,
		DrainTime: n.cfg.DrainTime,
		NoDeflate: !n.cfg.Deflate, SendBuffer: n.cfg.SendBuffer,
		MessageRate:   n.cfg.Viewers.MessageRate,
		StateInterval: n.cfg.Viewers.StateInterval,
		MaxStates:     n.cfg.Odds.MaxStates, NoOdds: !n.cfg.Odds.Public,
		Identity: n.viewers(), Revoked: n.revoked(), Limiter: n.limiter, AddressRate: n.cfg.Limits.handshakes(),
		Replay: replay, Seen: n.acks(), Trace: n.trace,
		ClientIP: func(r *http.Request) string { return middleware.GetClientIP(r.Context()) },
	}
}

// makeParts makes what the roles ask for.
func (n *node) makeParts(ctx context.Context, o options) error {
	n.makeWatch()
	n.makeCanary()
	if n.has(roleHub) {
		n.hub = hub.New(n.hubConfig(n.db.Told), n.board, n.bus, n.log, n.reg)
		n.makeEdges(n.bus, n.db)
	}
	if n.has(roleIngest) {
		n.makeClips()
		n.ingest = ingest.New(ingest.Config{
			Secrets: n.cfg.FeedSecrets, Open: n.cfg.FeedsOpen, MaxBody: n.cfg.MaxBody, Workers: n.cfg.Workers,
			Fault: o.fault, Trace: n.trace, Guesses: n.guesses("feeds"),
			Reference: n.shared, States: n.bus, Now: n.db.Now,
		}, n.db, n.relay, n.queue, n.providers(), n.log, n.reg)
		n.attachClips()
		n.makeTables()
		if err := n.makePulls(); err != nil {
			return err
		}
		n.queue.Handle(ingest.TaskKind, n.ingest.ProcessTask)
	}
	if n.has(roleOdds) {
		if err := n.makeOdds(); err != nil {
			return fmt.Errorf("GOALCAST_ODDS_SOURCES_FILE: %w", err)
		}
	}
	if n.has(roleNotify) {
		n.canary = notify.NewCanary(n.log, n.reg)
		if err := n.makeNotifier(ctx, o.fault); err != nil {
			return err
		}
		if err := n.makeLive(o.fault); err != nil {
			return err
		}
		n.askCanary()
		if err := n.makePartners(o.fault); err != nil {
			return err
		}
	}
	if n.has(roleREST) {
		deps := rest.Deps{Board: n.board, Store: n.shared, Poster: n.relay, Alarms: n.watch, Queues: n.queue,
			Gates: n.bus, Viewers: n.bus, Names: n.names, States: n.bus, Limiter: n.limiter,
			Odds: oddsNow{n.bus, n.db.Now}, Settlements: n.db}
		n.channels = live.NewChannels(n.db, n.log)
		deps.LiveChannels = n.channels
		apps, err := n.cfg.FCM.apps()
		if err != nil {
			return fmt.Errorf("GOALCAST_FCM_PROJECTS_FILE: %w", err)
		}
		if n.cfg.Webpush.Key != "" {
			browsers, err := n.cfg.Webpush.subscribing()
			if err != nil {
				return fmt.Errorf("GOALCAST_WEBPUSH_KEY: %w", err)
			}
			deps.Browsers = browsers
		}
		if n.ingest != nil {
			deps.Replayer = silently{n.ingest}
		}
		if n.identity != nil {
			deps.Authenticator, deps.Tickets = rest.TokenIdentity{Tokens: n.identity}, n.tickets
		}
		n.rest = rest.New(rest.Config{AdminTokens: n.cfg.AdminTokens, Proxies: n.cfg.Proxies,
			MeOrigins: n.cfg.MeOrigins, OddsPublic: n.cfg.Odds.Public, Private: n.private, Feeds: n.feeds(),
			ReadRate: n.cfg.Limits.ReadRate, ReceiptShare: n.cfg.Push.Receipts, Bank: n.cfg.KBC.URL != "",
			Apps: apps},
			deps, n.log, n.reg)
	}
	return nil
}

// feeds are the providers that may post documents. Prices are posted too, and are none.
func (n *node) feeds() (list []string) {
	for name := range n.cfg.FeedSecrets {
		if name != "odds" {
			list = append(list, name)
		}
	}
	return list
}

// close frees what newNode opened, first what stands on others; after run has returned.
func (n *node) close() {
	n.trace.Close()
	if n.browsers != nil {
		n.browsers.Close()
	}
	if n.bank != nil {
		n.bank.Close()
	}
	for _, sender := range n.senders {
		sender.Close()
	}
	if n.apple != nil {
		n.apple.Close()
	}
	if n.partners != nil {
		n.partners.Close()
	}
	if n.player != nil {
		n.player.Close()
	}
	if n.upstream != nil {
		n.upstream.Close()
	}
	if n.redis != nil {
		if err := n.redis.Close(); err != nil {
			n.log.Warn("close redis", "error", err)
		}
	}
	if n.db != nil {
		if err := n.db.Close(); err != nil {
			n.log.Warn("close database", "error", err)
		}
	}
}

// listener hears the bus for all parts of the process.
func (n *node) listener() goalcast.Listener {
	all := []goalcast.Listener{n.steady}
	if n.hub != nil {
		all = append(all, n.hub) // which tells the board
	} else {
		all = append(all, n.board)
	}
	if n.edges != nil {
		all = append(all, n.edges) // after the board, which it asks
	}
	if n.notifier != nil {
		all = append(all, waker{n.notifier.Wake})
	}
	if n.partners != nil {
		all = append(all, waker{n.partners.Wake})
	}
	if len(n.live) > 0 {
		all = append(all, liveWaker{n.live})
	}
	if n.odds != nil {
		all = append(all, incidents{n.odds})
	}
	if n.tables != nil {
		all = append(all, tableWaker{n.tables}) // after the board, which it asks
	}
	return bus.Listeners(all...)
}

// waker takes an event on the bus as a hint that the outbox has work for somebody.
type waker struct{ wake func() }

func (w waker) Event(goalcast.Published)              { w.wake() }
func (waker) State(goalcast.State)                    {}
func (waker) Reread(goalcast.Topic, []goalcast.State) {}
func (waker) Reset(goalcast.Cursor)                   {}
func (waker) Stale(bool)                              {}
