package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"goalcast"
	"goalcast/edge"
	"goalcast/hub"
	"goalcast/hub/board"
	"goalcast/internal/tracing"
)

// edgesConfig says which edges this hub is the upstream of.
type edgesConfig struct {
	Secrets secrets `name:"edge-secrets" env:"GOALCAST_EDGE_SECRETS" secret:"" placeholder:"EDGE=SECRET,..." help:"What hubs elsewhere show to have this hub for their bus (goalcast edge), each by a name for the log. Named twice, an edge may show either. Empty: there are none, and /edge is not served. A file of secrets is read again when it changes."`
	Max     int     `name:"max-edges" env:"GOALCAST_MAX_EDGES" range:"1.." default:"${edge_MaxEdges}" placeholder:"N" help:"Edges connected to this hub at one time; more are answered 503."`
}

// edgeCmd runs an edge.
type edgeCmd struct {
	fronting
	TLS tlsConfig `embed:"" prefix:"tls-"`

	Upstream string `env:"GOALCAST_UPSTREAM" format:"service-url" required:"" placeholder:"URL" help:"Public address of the goalcast that is this edge's bus: of a hub, or a balancer before hubs of one installation. https, but on this machine."`
	Secret   string `name:"upstream-secret" env:"GOALCAST_UPSTREAM_SECRET" secret:"" placeholder:"SECRET" help:"What this edge shows its upstream: one of GOALCAST_EDGE_SECRETS there."`

	OddsPublic    bool           `name:"odds-public" env:"GOALCAST_ODDS_PUBLIC" help:"Everybody may see prices here. They come only if they are public at the upstream as well."`
	HandshakeRate int            `name:"handshake-rate-per-ip" env:"GOALCAST_HANDSHAKE_RATE_PER_IP" range:"0.." default:"0" placeholder:"PER-MINUTE" help:"New viewers and polls per minute of one address (IPv6: one /64); more are answered 503 with Retry-After. 0 is no limit."`
	AdminNetworks []netip.Prefix `name:"admin-networks" env:"GOALCAST_ADMIN_NETWORKS" placeholder:"CIDR,..." help:"Networks that may use the admin address; others are answered 403, but for /healthz and /readyz. Empty is any."`
}

// Validate is called by kong.
func (c *edgeCmd) Validate() error {
	if len(c.Secret) < minSecret {
		return fmt.Errorf("GOALCAST_UPSTREAM_SECRET: want at least %d characters", minSecret)
	}
	if err := c.Edges.Secrets.check(nil); err != nil {
		return fmt.Errorf("GOALCAST_EDGE_SECRETS: %w", err)
	}
	return c.TLS.check()
}

// Run serves viewers of another hub until ctx ends.
func (c *edgeCmd) Run(ctx context.Context, o options) error {
	log := c.logger()
	if len(o.exposed) > 0 {
		log.Warn("secrets on the command line can be read by every user of this machine: use environment variables, "+
			"or files by those with _FILE behind their names", "flags", o.exposed)
	}
	n, err := newEdge(c, o, log)
	if err != nil {
		return err
	}
	defer n.close()
	return n.run(ctx, nil, nil)
}

// newEdge makes a node whose only role is the hub and whose bus and database are the upstream.
func newEdge(c *edgeCmd, o options, log *slog.Logger) (_ *node, err error) {
	n := &node{cfg: config{serving: serving{fronting: c.fronting}, tls: c.TLS, roles: []string{roleHub}},
		shares: shareOut(openFiles()), log: log, reg: newRegistry(), steady: &steadiness{now: time.Now}}
	n.cfg.Networks.Admin, n.cfg.Odds.Public, n.cfg.Limits.HandshakeRate = c.AdminNetworks, c.OddsPublic, c.HandshakeRate
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.trace = tracing.New(buildLabels()["version"], []string{"edge"}, log, n.reg)
	if n.certificate, err = openCertificate(c.TLS, log, n.reg); err != nil {
		return nil, err
	}
	n.upstream = edge.NewClient(edge.ClientConfig{URL: c.Upstream, Secret: c.Secret, History: c.Ring}, log, n.reg)
	n.board = board.New(n.upstream, log, n.reg)
	n.hub = hub.New(n.hubConfig(n.upstream.Told), n.board, n.upstream, log, n.reg)
	n.makeEdges(n.upstream, n.upstream)
	n.secrets, n.reload = n.watchSecrets(), o.reload
	return n, nil
}

// archive is what edges ask of the database, or of an edge's upstream.
type archive interface {
	Told(context.Context, goalcast.MatchID, int) ([]goalcast.Revision, error)
	Known(context.Context, func(goalcast.Topic)) error
}

// makeEdges makes what gives edges the bus, if there may be any.
func (n *node) makeEdges(states edge.Bus, archive archive) {
	if len(n.cfg.Edges.Secrets) == 0 {
		return
	}
	n.edges = edge.NewServer(edge.Config{Secrets: n.cfg.Edges.Secrets, MaxEdges: n.cfg.Edges.Max, Ring: n.cfg.Ring,
		NoOdds: !n.cfg.Odds.Public, Told: archive.Told, Known: archive.Known, Guesses: n.guesses("edge")},
		n.board, states, n.log, n.reg)
}

// edgeParts are what runs in an edge.
func (n *node) edgeParts() map[string]func(context.Context) error {
	listener := n.listener()
	parts := map[string]func(context.Context) error{
		"upstream": func(ctx context.Context) error { return n.upstream.Listen(ctx, listener) },
		"hub":      n.hub.Run,
		"secrets":  func(ctx context.Context) error { return n.secrets.run(ctx, n.reload) },
		"tracing":  n.trace.Run,
	}
	if n.edges != nil {
		parts["edges"] = n.edges.Run
	}
	return parts
}
