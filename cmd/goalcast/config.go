package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"goalcast/internal/httpserver"
)

// commands is the command line. Every flag has an environment variable; those marked secret also
// have one with _FILE behind the name, which names a file that holds the value.
type commands struct {
	Serve      serveCmd      `cmd:"" help:"Run goalcast: take feeds in, serve viewers, send pushes. Without settings: one process, an SQLite file, nothing else to install."`
	Edge       edgeCmd       `cmd:"" help:"Run a hub whose bus is another hub: for a place without database and Redis (docs/edge.md)."`
	Demo       demoCmd       `cmd:"" help:"Run goalcast with a simulated match day in memory and a live page to look at."`
	Simulate   simulateCmd   `cmd:"" help:"Post a simulated match day to a running goalcast."`
	Documents  documentsCmd  `cmd:"" help:"Look at what providers sent."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the database to this version's schema and end."`
	Pushes     pushesCmd     `cmd:"" help:"Look at what phones are sent."`
	Replay     replayCmd     `cmd:"" help:"Work through kept documents again. Viewers get what comes out new, phones do not."`
	WebpushKey webpushKeyCmd `cmd:"" name:"webpush-key" help:"Print a new private key for pushes to browsers."`
	Doctor     doctorCmd     `cmd:"" help:"Look whether what goalcast stands on is right: settings, files of secrets, database, Redis, services, clocks, the kernel's limits. Changes nothing. Exit status: 0, or 1 if something is wrong, or 2 if a setting is."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// stores says where things are kept.
type stores struct {
	DatabaseURL string `name:"database-url" env:"GOALCAST_DATABASE_URL" format:"database-url" default:"sqlite:goalcast.db" secret:"" placeholder:"URL" help:"Database: sqlite:FILE, or postgres://user:password@host/name."`
	RedisURL    string `name:"redis-url" env:"GOALCAST_REDIS_URL" format:"redis-url" default:"embedded" secret:"" placeholder:"URL" help:"Redis: embedded (in this process, nothing shared), redis://host:6379/0, rediss://, redis+sentinel://host:26379,host:26379/master, redis+cluster://host:6379,host:6379."`
	RedisPrefix string `name:"redis-prefix" env:"GOALCAST_REDIS_PREFIX" format:"prefix" default:"goalcast" placeholder:"NAME" help:"What all keys, channels and queues in Redis begin with: two installations on one Redis want two. 1 to 40 of a-z, 0-9, - and _."`
}

// replicas says where copies of the database are.
type replicas struct {
	ReadURLs []string      `name:"read-urls" env:"GOALCAST_DATABASE_READ_URLS" format:"replica-url" secret:"" placeholder:"URL,..." help:"Streaming replicas of a PostgreSQL database, one server per URL; a comma in a password is %2C. They take reads of what may be a moment old: tables, squads, commentary, names, matches of far days."`
	MaxLag   time.Duration `name:"max-lag" env:"GOALCAST_DATABASE_MAX_LAG" range:"200ms..1m" default:"2s" help:"How far behind a replica may be and still be read; one that is further, or of which it is not known, is left out."`
}

// config is what a node is made from.
type config struct {
	serving
	stores
	replicas replicas
	tls      tlsConfig
	roles    []string
	migrate  bool // bring the database to this version's schema first

	wall httpserver.Config // zero but in tests
}

// logging says what is logged and how.
type logging struct {
	LogLevel  string `name:"log-level" env:"GOALCAST_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Lowest level that is logged: debug, info, warn, error."`
	LogFormat string `name:"log-format" env:"GOALCAST_LOG_FORMAT" default:"auto" enum:"auto,text,json" help:"text, json, or auto: text on a terminal, JSON otherwise."`
}

// serving is what serve and demo have in common.
type serving struct {
	fronting
	FeedSecrets secrets `name:"feed-secrets" env:"GOALCAST_FEED_SECRETS" secret:"" placeholder:"PROVIDER=SECRET,..." help:"What a provider shows to post to /feeds/PROVIDER: as bearer token, basic password, x-api-key or ?key=. Named twice, it may show either. A provider without one may not post. A file of secrets is read again when it changes."`
	FeedsOpen   bool    `name:"feeds-open" env:"GOALCAST_FEEDS_OPEN" help:"Take documents of providers without a secret from any user of this machine, not only from goalcast's own. For trying out: a proxy on this machine lets everybody in."`
	AdminTokens secrets `name:"admin-tokens" env:"GOALCAST_ADMIN_TOKENS" secret:"" placeholder:"ROLE[:NAME]=TOKEN,..." help:"Bearer tokens of /admin by role: editor (messages), operator (documents and replays as well), admin (the audit as well). NAME is whose it is, for the audit. Named twice, a role has two. Without, and without GOALCAST_IDENTITY_FILE: /admin answers 403."`

	MaxBody int64 `name:"feed-max-body" env:"GOALCAST_FEED_MAX_BODY" range:"1.." default:"${ingest_MaxBody}" placeholder:"BYTES" help:"Largest document a provider may post, unpacked; a larger one is answered 413 and not kept."`
	Workers int   `name:"feed-workers" env:"GOALCAST_FEED_WORKERS" range:"0.." default:"0" placeholder:"N" help:"Documents worked on at once; 0 is one per core, at least 2."`

	MeOrigins []string `name:"me-origins" env:"GOALCAST_ME_ORIGINS" format:"origin" placeholder:"ORIGIN,..." help:"Web origins (https://www.example.org, capacitor://localhost, null) whose pages may call /v1/me; empty is none but goalcast's own page. Everything else under /v1 may be read from anywhere."`

	Identity identityConfig `embed:""`
	Limits   limitConfig    `embed:""`
	Networks networksConfig `embed:""`

	ExpectedShare float64 `name:"expected-share" env:"GOALCAST_EXPECTED_SHARE" range:"0..1" default:"0.3" placeholder:"0..1" help:"Part of those who follow a match, its teams or its competition who watch it live: goalcast_expected_viewers is so much of them, a quarter of an hour ahead. Compare it with goalcast_hub_connections of the last match."`

	Odds  oddsConfig  `embed:""`
	Clips clipsConfig `embed:""`
	Pulls pullsConfig `embed:""`

	Archive archiving `embed:""`
	Alarm   alarming  `embed:"" prefix:"alarm-"`

	DeviceKeys deviceKeys `name:"device-keys" env:"GOALCAST_DEVICE_KEYS" secret:"" placeholder:"NAME=KEY,..." help:"Keys that tokens of devices are kept encrypted with: 32 bytes each in base64. The first encrypts, all decrypt. Empty: they are kept in the clear."`

	FCM     fcmConfig     `embed:"" prefix:"fcm-"`
	APNS    apnsConfig    `embed:"" prefix:"apns-"`
	Webpush webpushConfig `embed:"" prefix:"webpush-"`
	KBC     kbcConfig     `embed:"" prefix:"kbc-push-"`

	Partners partnersConfig `embed:""`

	Push pushConfig `embed:"" prefix:"push-"`

	Canary canaryConfig `embed:"" prefix:"canary-"`
}

// fronting is what they have in common with edge: what a process needs that serves viewers.
type fronting struct {
	logging
	Listen        string         `env:"GOALCAST_LISTEN" format:"host-port" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address for viewers, feeds and apps."`
	AdminListen   string         `name:"admin-listen" env:"GOALCAST_ADMIN_LISTEN" format:"host-port" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address for operators: /healthz, /readyz, /metrics, /debug/pprof, /admin, and the page for browsers, /console/. Keep it inside."`
	DrainTime     time.Duration  `name:"drain-time" env:"GOALCAST_DRAIN_TIME" range:"0s.." default:"${hub_DrainTime}" help:"On SIGTERM viewers are said goodbye to spread over this time. A second SIGTERM ends at once."`
	PingInterval  time.Duration  `name:"ping-interval" env:"GOALCAST_PING_INTERVAL" range:"1s.." default:"${hub_PingInterval}" help:"A viewer hears something at least this often."`
	Ring          int            `name:"ring" env:"GOALCAST_RING" range:"1.." default:"${hub_Ring}" placeholder:"N" help:"Events a hub keeps in memory, for viewers who come back."`
	MaxReplay     int            `name:"max-replay" env:"GOALCAST_MAX_REPLAY" range:"1.." default:"${hub_MaxReplay}" placeholder:"N" help:"Events that a viewer who comes back is sent at most; who missed more gets reset and snapshots."`
	StateShare    float64        `name:"state-share" env:"GOALCAST_STATE_SHARE" range:">0..1" default:"${hub_StateShare}" placeholder:"0..1" help:"Part of a hub's time that prices and clocks may take at most; with more viewers or changes they are sent less often, and goals find room."`
	MaxPending    int            `name:"max-pending" env:"GOALCAST_MAX_PENDING" range:"1.." default:"${hub_MaxPending}" placeholder:"BYTES" help:"Events that may wait for a viewer that takes nothing for 2 s before it is cut with code 4008; 32 times as many for one that goes on reading."`
	MaxTopics     int            `name:"max-topics" env:"GOALCAST_MAX_TOPICS" range:"1.." default:"${hub_MaxTopics}" placeholder:"N" help:"Topics of one connection."`
	MaxConns      int            `name:"max-connections" env:"GOALCAST_MAX_CONNECTIONS" range:"0.." default:"0" placeholder:"N" help:"Viewers of this node; more are answered 503. 0 is as many as the process may open files for, less what it needs itself (ulimit -n)."`
	MaxConnsPerIP int            `name:"max-connections-per-ip" env:"GOALCAST_MAX_CONNECTIONS_PER_IP" range:"0.." default:"0" placeholder:"N" help:"Viewers of one address; 0 is no limit (mobile carriers put thousands behind one)."`
	HandshakeRate float64        `name:"handshake-rate" env:"GOALCAST_HANDSHAKE_RATE" range:"0.." default:"0" placeholder:"PER-SECOND" help:"New viewers per second; more are answered 503 with Retry-After. 0 is no limit."`
	Deflate       bool           `env:"GOALCAST_DEFLATE" default:"true" negatable:"" help:"Agree to permessage-deflate with viewers who offer it: a fourth of the bytes or fewer, compressed once for all."`
	SendBuffer    int            `name:"send-buffer" env:"GOALCAST_SEND_BUFFER" range:"0.." default:"131072" placeholder:"BYTES" help:"Kernel memory for what a viewer has not taken yet (SO_SNDBUF); 0 leaves it to the kernel, which may give a slow one megabytes."`
	Proxies       []netip.Prefix `name:"trusted-proxies" env:"GOALCAST_TRUSTED_PROXIES" placeholder:"CIDR,..." help:"Networks of the proxies and CDNs in front of goalcast, whose X-Forwarded-For is believed where clients are counted by address, and whose X-Forwarded-Proto in addresses that are handed out."`
	Origins       []string       `env:"GOALCAST_ORIGINS" placeholder:"HOST,..." help:"Web origins whose pages may connect, as host patterns (*.example.org), whole (capacitor://localhost), or null (pages from files and sandboxes); empty is any."`

	Viewers viewerLimits `embed:""`
	Edges   edgesConfig  `embed:""`
}

// The roles of a process.
const (
	roleHub    = "hub"
	roleIngest = "ingest"
	roleNotify = "notify"
	roleREST   = "rest"
	roleOdds   = "odds"
)

var allRoles = []string{roleHub, roleIngest, roleNotify, roleREST, roleOdds}

type serveCmd struct {
	serving
	stores
	Replicas   replicas      `embed:"" prefix:"database-"`
	TLS        tlsConfig     `embed:"" prefix:"tls-"`
	Roles      []string      `env:"GOALCAST_ROLES" default:"hub,ingest,notify,rest,odds" placeholder:"ROLE,..." help:"What this process does: hub (viewers), ingest (feeds), notify (pushes), rest (snapshots, me, /admin), odds (prices). Each scales alone, but for odds: one process of all holds the sources, and another takes over."`
	TimerSlack time.Duration `name:"timer-slack" env:"GOALCAST_TIMER_SLACK" range:"0s.." default:"0s" help:"How much later than asked for the kernel may wake a thread, to wake it less often; 0 leaves it as it is. With 1ms a hub of many small events saves a tenth of its CPU; the program then starts twice."`
	Migrate    bool          `env:"GOALCAST_MIGRATE" default:"true" negatable:"" help:"Bring the database to this version's schema at the start."`
}

type demoCmd struct {
	serving
	DatabaseURL string  `name:"database-url" env:"GOALCAST_DATABASE_URL" format:"database-url" default:"sqlite::memory:" placeholder:"URL" help:"Database of the demo; in memory, gone when it ends."`
	Speed       float64 `env:"GOALCAST_SPEED" range:">0..600" default:"30" placeholder:"FACTOR" help:"How fast match time goes: 60 is a minute per second."`
	Seed        uint64  `env:"GOALCAST_SEED" default:"7" placeholder:"N" help:"The match day to play; the same number is the same day."`
	Matches     int     `env:"GOALCAST_MATCHES" range:"1..50" default:"6" placeholder:"N" help:"How many matches."`
}

type simulateCmd struct {
	logging
	URL     string  `env:"GOALCAST_URL" default:"http://127.0.0.1:8080" help:"The goalcast to post to."`
	Secret  string  `env:"GOALCAST_FEED_SECRET" secret:"" help:"Secret of its opta feed."`
	Speed   float64 `env:"GOALCAST_SPEED" range:">0..600" default:"1" placeholder:"FACTOR" help:"How fast match time goes: 60 is a minute per second."`
	Seed    uint64  `env:"GOALCAST_SEED" default:"7" placeholder:"N" help:"The match day to play."`
	Matches int     `env:"GOALCAST_MATCHES" range:"1..50" default:"6" placeholder:"N" help:"How many matches."`
}

type migrateCmd struct {
	logging
	stores
	Create bool `env:"GOALCAST_CREATE" help:"Make the SQLite file if it is not there."`
}

type versionCmd struct {
	SBOM bool `name:"sbom" help:"Print instead what the program is made of, as a CycloneDX 1.6 document in JSON: Go and each module with its version."`
}

// parse reads the command line and the environment. Its error is one line that names the flag and
// the variable at fault.
func parse(args []string, cli *commands) (*kong.Context, error) {
	parser, err := newParser(cli)
	if err != nil {
		return nil, fmt.Errorf("command line: %w", err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, named(parser.Model, err)
	}
	if err := checkSettings(ctx); err != nil {
		return nil, err
	}
	if ctx.Command() != "version" {
		if err := unknownVariables(parser.Model, os.Environ()); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

func newParser(cli *commands) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("goalcast"),
		kong.Description("A push hub for live football."),
		kong.UsageOnError(),
		kong.ValueFormatter(helpWithDefault),
		kong.PostBuild(usePackageDefaults),
		kong.Resolvers(kong.ResolverFunc(secretFile)),
	)
}

// helpWithDefault writes a setting's help with its range and its default, which kong leaves out
// where a placeholder says what kind of value is wanted.
func helpWithDefault(v *kong.Value) string {
	if len(v.Tag.Envs) == 0 {
		return v.Help
	}
	is := "none"
	switch {
	case v.HasDefault && v.Default != "":
		is = v.Default
	case v.IsBool():
		is = "false"
	}
	help := v.Help
	if limits := v.Tag.Get("range"); limits != "" && limits != "0.." && limits != "0s.." {
		text := rangeText(limits)
		help += " " + strings.ToUpper(text[:1]) + text[1:] + "."
	}
	return fmt.Sprintf("%s Default: %s ($%s).", help, is, strings.Join(v.Tag.Envs, ", $"))
}

// secretFile gives the value of a secret flag from the file that GOALCAST_..._FILE names,
// without the line end.
func secretFile(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !flag.Tag.Has("secret") || len(flag.Envs) == 0 {
		return nil, nil
	}
	variable := flag.Envs[0] + "_FILE"
	path, ok := os.LookupEnv(variable)
	if !ok || path == "" {
		return nil, nil
	}
	if _, both := os.LookupEnv(flag.Envs[0]); both {
		return nil, fmt.Errorf("%s and %s are both set", flag.Envs[0], variable)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

var flagName = regexp.MustCompile(`--([a-z-]+)`)

// named puts the environment variable in front of an error that names only the flag: whoever set
// the variable looks for that. What a secret's value was is never shown.
func named(model *kong.Application, err error) error {
	text, _, _ := strings.Cut(err.Error(), " (from envar")
	m := flagName.FindStringSubmatch(text)
	if m == nil {
		return err
	}
	var flag *kong.Flag
	_ = kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok && f.Name == m[1] && len(f.Envs) > 0 {
			flag = f
		}
		return next(nil)
	})
	switch {
	case flag == nil:
		return err
	case strings.Contains(text, flag.Envs[0]+"_FILE"): // by secretFile
		return errors.New(strings.TrimPrefix(text, "--"+flag.Name+": "))
	case flag.Tag.Has("secret"):
		return fmt.Errorf("%s: want %s", flag.Envs[0], cmp.Or(flag.PlaceHolder, "a value"))
	}
	return fmt.Errorf("%s: %s", flag.Envs[0], text)
}

// Validate is called by kong; it checks what settings say together.
func (c *serving) Validate() error {
	for _, rule := range []struct {
		variable string
		broken   error
	}{
		{"GOALCAST_FEED_SECRETS", c.FeedSecrets.check(nil)},
		{"GOALCAST_FEEDS_OPEN", c.openFeeds()},
		{"GOALCAST_ADMIN_TOKENS", c.AdminTokens.check(adminRoles)},
		{"GOALCAST_EDGE_SECRETS", c.Edges.Secrets.check(nil)},
		{"GOALCAST_RETENTION", c.Archive.check()},
		{"GOALCAST_FCM_CREDENTIALS", c.FCM.check()},
		{"GOALCAST_FCM_PROJECTS_FILE", c.FCM.checkProjects()},
		{"GOALCAST_FCM_LIVE_TOPICS", c.FCM.checkLive()},
		{"GOALCAST_FCM_TOPICS_FROM", c.FCM.checkTopics(c.Push.SeenWait)},
		{"GOALCAST_APNS_BUNDLE_ID", c.APNS.check()},
		{"GOALCAST_WEBPUSH_KEY", c.Webpush.check()},
		{"GOALCAST_KBC_PUSH_URL", c.KBC.check()},
		{"GOALCAST_PARTNERS_FILE", c.Partners.check()},
		{"GOALCAST_BRIGHTCOVE_ACCOUNT", c.Clips.checkAccount()},
		{"GOALCAST_BRIGHTCOVE_CALLBACK_SECRET", c.Clips.checkCallbacks()},
		{"GOALCAST_OPTA_PULL", c.Pulls.check()},
		{"GOALCAST_ODDS_SOURCES_FILE", c.Odds.check()},
		{"GOALCAST_IDENTITY_FILE", c.Identity.check()},
		{"GOALCAST_CANARY_URL", c.Canary.check(c.FeedSecrets, c.FeedsOpen)},
	} {
		if rule.broken != nil {
			return fmt.Errorf("%s: %w", rule.variable, rule.broken)
		}
	}
	return nil
}

// Validate is called by kong.
func (c *serveCmd) Validate() error {
	for _, r := range c.Roles {
		if !slices.Contains(allRoles, r) {
			return fmt.Errorf("GOALCAST_ROLES: no role %q: want some of %s", r, strings.Join(allRoles, ","))
		}
	}
	if len(c.Roles) == 0 {
		return fmt.Errorf("GOALCAST_ROLES: empty: want some of %s", strings.Join(allRoles, ","))
	}
	return errors.Join(c.serving.Validate(), c.together(), c.copied(), c.TLS.check())
}

// copied refuses replicas of a file.
func (c *serveCmd) copied() error {
	if len(c.Replicas.ReadURLs) == 0 || !strings.HasPrefix(c.DatabaseURL, "sqlite:") {
		return nil
	}
	return errors.New("GOALCAST_DATABASE_READ_URLS: GOALCAST_DATABASE_URL is an SQLite file, which has no replicas: " +
		"name a PostgreSQL database, or leave the replicas out")
}

// together refuses roles that the embedded Redis would leave alone: no other process reaches it, so
// that a hub there hears of no goal that is taken in elsewhere.
func (c *serveCmd) together() error {
	has := func(role string) bool { return slices.Contains(c.Roles, role) }
	if c.RedisURL != "embedded" || has(roleIngest) || !has(roleHub) && !has(roleREST) {
		return nil
	}
	return fmt.Errorf("GOALCAST_REDIS_URL: embedded, which no other process reaches, and GOALCAST_ROLES=%s has no "+
		"%s: nothing would ever be heard. "+
		"Name a Redis that all processes share, or let one process have all roles", strings.Join(c.Roles, ","),
		roleIngest)
}
