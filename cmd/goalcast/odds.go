package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/odds"
	"goalcast/ingest/odds/stream"
	"goalcast/internal/httpserver"
	"goalcast/store"
	"goalcast/store/bus"
)

// oddsConfig says where prices come from and who may see them.
type oddsConfig struct {
	SourcesFile string        `name:"odds-sources-file" env:"GOALCAST_ODDS_SOURCES_FILE" placeholder:"FILE" help:"Sources of odds, in YAML (docs/odds.md). Empty: what is posted to /feeds/odds, if the feed odds has a secret."`
	Step        time.Duration `name:"odds-step" env:"GOALCAST_ODDS_STEP" range:"1ms..1s" default:"${odds_Step}" help:"Prices of one match are published together, once in this time. What shuts them never waits for it."`
	Public      bool          `name:"odds-public" env:"GOALCAST_ODDS_PUBLIC" help:"Everybody may see prices: topics odds:MATCH and GET /v1/matches/MATCH/odds. Without it they are refused."`
	MaxStates   int           `name:"max-states" env:"GOALCAST_MAX_STATES" range:"1.." default:"${hub_MaxStates}" placeholder:"N" help:"Markets of one match that a hub shows; of more the last ones are left out, counted, and an alarm is raised. The same in all processes."`
}

// check reads the file, so that a mistake stops the start.
func (c oddsConfig) check() error {
	if c.SourcesFile == "" {
		return nil
	}
	_, err := readOddsSources(c.SourcesFile)
	return err
}

// postedOdds is the source where no file names any.
var postedOdds = oddsSource{Name: "posted", Kind: kindPost, Priority: 1}

// oddsSources are the sources to run; none if nobody can post either.
func (n *node) oddsSources() ([]oddsSource, error) {
	switch {
	case n.cfg.Odds.SourcesFile != "":
		return readOddsSources(n.cfg.Odds.SourcesFile)
	case len(n.cfg.FeedSecrets["odds"]) > 0 || n.cfg.FeedsOpen:
		return []oddsSource{postedOdds}, nil
	}
	return nil, nil
}

// makeOdds makes what runs the sources, if there are any.
func (n *node) makeOdds() error {
	list, err := n.oddsSources()
	if err != nil || len(list) == 0 {
		return err
	}
	var sources []odds.Named
	metrics := stream.NewMetrics(n.reg)
	for _, s := range list {
		source, post, err := s.open(n.log, n.reg, metrics)
		if err != nil {
			return err
		}
		if post != nil {
			n.oddsFeed = post
		}
		sources = append(sources, source)
	}
	n.oddsHistory = store.NewOddsHistory(n.db, n.log, n.reg)
	n.oddsGuard = ingest.NewGuard(n.cfg.FeedSecrets, n.cfg.FeedsOpen, n.guesses("feeds"))
	n.odds = odds.NewRunner(odds.RunnerConfig{
		Sources: sources, Bus: n.bus, Leases: store.NewLeases(n.db, n.log), Mapper: odds.NewMapper(n.db, n.log, n.reg),
		Keeper: n.db, History: n.oddsHistory, Settlements: n.db, Publisher: n.relay,
		Alarm: func(ctx context.Context, firing []goalcast.Alarm) error {
			return n.watch.Settle(ctx, odds.AlarmKinds, firing)
		},
		MaxStates: n.cfg.Odds.MaxStates, Step: n.cfg.Odds.Step, Now: n.db.Now,
	}, n.log, n.reg)
	return nil
}

// runOdds runs the sources until ctx ends, and their history a little longer: until it has
// what they published last.
func (n *node) runOdds(ctx context.Context) error {
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return n.oddsHistory.Run(behind) })
	err := n.odds.Run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

// oddsRoute serves POST /feeds/odds.
func (n *node) oddsRoute() http.Handler {
	turnedAway := promauto.With(n.reg).NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_turned_away_total",
		Help: "Requests to /feeds/odds that showed no secret or a wrong one, by reason."}, []string{"reason"})
	return httpserver.Live(n.oddsGuard.Admit("odds", n.oddsFeed.Handler(), func(reason string) {
		turnedAway.WithLabelValues(reason).Inc()
	}))
}

// errHeldElsewhere says that this process does not take odds now, though it might.
var errHeldElsewhere = errors.New("another process holds the sources of odds; POST /feeds/odds is answered 503 here")

// oddsReady says what of the role odds does not work here.
func (n *node) oddsReady() error {
	if n.oddsFeed != nil && !n.oddsFeed.Running() {
		return errHeldElsewhere
	}
	return nil
}

// oddsNow reads prices by the clock that those who publish them share, whatever this machine's
// says.
type oddsNow struct {
	bus *bus.Bus
	now func() time.Time
}

func (o oddsNow) Odds(ctx context.Context, match goalcast.MatchID, _ time.Time) (goalcast.Gate, []goalcast.State,
	error) {
	return o.bus.Odds(ctx, match, o.now())
}

// incidents tells the runner what happens in matches.
type incidents struct{ runner *odds.Runner }

func (i incidents) Event(p goalcast.Published)            { i.runner.Event(p) }
func (incidents) State(goalcast.State)                    {}
func (incidents) Reread(goalcast.Topic, []goalcast.State) {}
func (incidents) Reset(goalcast.Cursor)                   {}
func (incidents) Stale(bool)                              {}
