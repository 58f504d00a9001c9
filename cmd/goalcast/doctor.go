package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"goalcast/identity"
	"goalcast/ingest/odds/betfair"
	"goalcast/internal/doctor"
	"goalcast/internal/tracing"
	"goalcast/store"
	"goalcast/store/bus"
)

// doctorCmd has the settings of serve, so that it is called with the same environment.
type doctorCmd struct {
	serveCmd `embed:""`
	For      int  `name:"viewers" range:"0.." default:"0" placeholder:"N" help:"Viewers that this node is to hold, which the kernel's limits are compared with; 0 is GOALCAST_MAX_CONNECTIONS, or 10,000 where that is 0 too."`
	JSON     bool `name:"json" help:"Print JSON."`
}

// usualViewers is how many a node is looked at for when nobody says.
const usualViewers = 10_000

// errUnwell is what a doctor returns who found something wrong.
var errUnwell = errors.New("something is wrong: see above")

// Run looks at what goalcast would stand on, prints it, and changes nothing.
func (c *doctorCmd) Run(ctx context.Context, o options) error {
	report := c.examine(ctx, o)
	if err := printReport(os.Stdout, report, c.JSON); err != nil {
		return err
	}
	if report.Worst() == doctor.Fail {
		return errUnwell
	}
	return nil
}

func printReport(to io.Writer, report *doctor.Report, asJSON bool) error {
	if asJSON {
		return report.WriteJSON(to)
	}
	return report.Write(to)
}

// wrongSettings is the report of a doctor whom settings keep from looking further; nil for any
// other command.
func wrongSettings(args []string, err error) *doctor.Report {
	if len(args) == 0 || args[0] != "doctor" {
		return nil
	}
	return &doctor.Report{Findings: []doctor.Finding{{Check: "settings", Status: doctor.Fail, Found: err.Error(),
		Do: "goalcast serve --help names all settings with their defaults"}}}
}

func (c *doctorCmd) examine(ctx context.Context, o options) *doctor.Report {
	r := &doctor.Report{}
	r.Add(c.settings(o)...)
	r.Add(c.files()...)
	r.Add(c.database(ctx)...)
	r.Add(c.redis(ctx)...)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // it answers, which is all that is asked
	}}
	for _, s := range c.services() {
		r.Add(doctor.Reach(ctx, client, s.setting, s.address)...)
	}
	r.Add(listens(ctx, "GOALCAST_LISTEN", c.Listen), listens(ctx, "GOALCAST_ADMIN_LISTEN", c.AdminListen))
	if slices.Contains(c.Roles, roleHub) {
		need := doctor.Need{Viewers: cmp.Or(c.For, c.MaxConns, usualViewers), Files: reservedFiles + maxRequests}
		r.Add(doctor.Kernel(doctor.Host{Root: os.DirFS("/"), Files: openFiles()}, need)...)
	}
	return r
}

// settings are those that are right by themselves, and that nobody should run with.
func (c *doctorCmd) settings(o options) []doctor.Finding {
	var list []doctor.Finding
	warn := func(found, do string) {
		list = append(list, doctor.Finding{Check: "settings", Status: doctor.Warn, Found: found, Do: do})
	}
	if len(o.exposed) > 0 {
		warn("secrets on the command line can be read by every user of this machine: "+strings.Join(o.exposed, ", "),
			"environment variables, or files by those with _FILE behind their names")
	}
	if set := retiredVariables(os.Environ()); len(set) > 0 {
		warn("constants now, which change nothing: "+strings.Join(set, ", "), "unset them")
	}
	if len(c.AdminTokens) == 0 && c.Identity.File == "" {
		warn("nobody may use /admin: GOALCAST_ADMIN_TOKENS and GOALCAST_IDENTITY_FILE are not set",
			"GOALCAST_ADMIN_TOKENS_FILE, docs/operations.md")
	}
	if err := tracing.Check(); err != nil {
		warn("no traces, since a setting cannot be followed: "+err.Error(), "docs/tracing.md")
	}
	if c.FeedsOpen {
		warn("any user of this machine may post feeds: GOALCAST_FEEDS_OPEN", "GOALCAST_FEED_SECRETS_FILE instead")
	}
	if c.DeviceKeys.keys == nil && c.pushes() {
		warn("tokens of devices are kept in the clear: GOALCAST_DEVICE_KEYS is not set", "GOALCAST_DEVICE_KEYS_FILE")
	}
	if c.RedisURL == "embedded" && !loopback(c.Listen) {
		warn("Redis is embedded: this process shares nothing with others, and forgets its place when it ends",
			"GOALCAST_REDIS_URL")
	}
	if len(list) == 0 {
		list = append(list, doctor.Finding{Check: "settings", Status: doctor.OK, Found: "right, and none unknown"})
	}
	return list
}

// pushes says whether anything is sent to devices.
func (c *doctorCmd) pushes() bool {
	return c.FCM.Project != "" || c.FCM.ProjectsFile != "" || c.APNS.Bundle != "" || c.Webpush.Key != "" ||
		c.KBC.URL != ""
}

// files are those that hold secrets: those that variables name, and those that other files name.
func (c *doctorCmd) files() []doctor.Finding {
	var list []doctor.Finding
	look := func(setting, path string) {
		if path != "" {
			list = append(list, doctor.SecretFile(setting, path))
		}
	}
	for _, variable := range secretVariables() {
		look(variable+"_FILE", os.Getenv(variable+"_FILE"))
	}
	look("GOALCAST_TLS_KEY_FILE", c.TLS.KeyFile)
	look("GOALCAST_KBC_PUSH_KEY_FILE", c.KBC.KeyFile)
	for _, entries := range []struct{ setting, path string }{
		{"GOALCAST_ODDS_SOURCES_FILE", c.Odds.SourcesFile}, {"GOALCAST_IDENTITY_FILE", c.Identity.File},
		{"GOALCAST_PARTNERS_FILE", c.Partners.File}, {"GOALCAST_FCM_PROJECTS_FILE", c.FCM.ProjectsFile},
	} {
		for _, path := range namedFiles(entries.path) {
			look(entries.setting, path)
		}
	}
	return list
}

func (c *doctorCmd) database(ctx context.Context) []doctor.Finding {
	const setting = "GOALCAST_DATABASE_URL"
	fail := func(err error, do string) []doctor.Finding {
		return []doctor.Finding{{Check: setting, Status: doctor.Fail, Found: err.Error(), Do: do}}
	}
	if err := store.Exists(c.DatabaseURL); err != nil {
		return []doctor.Finding{{Check: setting, Status: doctor.Warn, Found: err.Error() + ": serve makes one"}}
	}
	ctx, cancel := context.WithTimeout(ctx, doctor.Patience)
	defer cancel()
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(ctx, c.DatabaseURL, quiet)
	if err != nil {
		return fail(err, "is the server up, and does it let this user in?")
	}
	defer db.Close()
	here := doctor.Finding{Check: setting, Status: doctor.OK, Found: "answers, with this version's schema"}
	switch err := db.Migrated(ctx); {
	case err == nil:
	case c.Migrate:
		here.Status, here.Found = doctor.Warn, err.Error()+": serve brings it to this version's"
	default:
		return fail(err, "goalcast migrate")
	}
	list := []doctor.Finding{here, doctor.Clock("the database", time.Until(db.Now()))}
	for i, url := range c.Replicas.ReadURLs {
		f := doctor.Finding{Check: "GOALCAST_DATABASE_READ_URLS", Status: doctor.OK,
			Found: fmt.Sprintf("replica %d answers", i+1)}
		replica, err := store.Open(ctx, url, quiet)
		if err == nil {
			err = replica.Close()
		}
		if err != nil {
			f.Status, f.Found = doctor.Warn, fmt.Sprintf("replica %d: %v: reads go to the primary", i+1, err)
		}
		list = append(list, f)
	}
	return list
}

// oldestRedis is the first version with what the bus needs: sharded pub/sub.
const oldestRedis = 7

func (c *doctorCmd) redis(ctx context.Context) []doctor.Finding {
	const setting = "GOALCAST_REDIS_URL"
	if c.RedisURL == "embedded" {
		return []doctor.Finding{{Check: setting, Status: doctor.OK, Found: "embedded"}}
	}
	ctx, cancel := context.WithTimeout(ctx, doctor.Patience)
	defer cancel()
	redis, err := bus.OpenRedis(c.RedisURL)
	if err != nil {
		return []doctor.Finding{{Check: setting, Status: doctor.Fail, Found: err.Error()}}
	}
	defer redis.Close()
	servers, err := redis.Inspect(ctx)
	if err != nil {
		return []doctor.Finding{{Check: setting, Status: doctor.Fail, Found: err.Error(),
			Do: "is it up, and are user and password right? It has to allow PING, TIME and INFO"}}
	}
	var list []doctor.Finding
	for _, s := range servers {
		f := doctor.Finding{Check: setting, Status: doctor.OK,
			Found: strings.TrimSpace(s.Address + " version " + s.Version)}
		var major int
		_, _ = fmt.Sscanf(s.Version, "%d.", &major)
		switch {
		case major < oldestRedis:
			f.Status, f.Do = doctor.Fail, fmt.Sprintf("Redis %d or newer", oldestRedis)
		case s.MaxMemory > 0 && s.Policy != "noeviction":
			f.Status, f.Do = doctor.Fail, "CONFIG SET maxmemory-policy noeviction, and in its configuration file"
			f.Found += ", " + s.Policy + ": when it is full it deletes what the bus needs"
		}
		list = append(list, f, doctor.Clock("Redis", s.Ahead))
	}
	return list
}

// service is what goalcast calls, by the setting that says where.
type service struct{ setting, address string }

// services are all that the settings ask for.
func (c *doctorCmd) services() []service {
	var list []service
	add := func(wanted bool, setting, address string) {
		if wanted && address != "" {
			list = append(list, service{setting, address})
		}
	}
	add(c.FCM.Project != "", "GOALCAST_FCM_PROJECT", cmp.Or(c.FCM.Endpoint, "https://fcm.googleapis.com"))
	add(c.FCM.Project != "" && c.FCM.Endpoint == "", "GOALCAST_FCM_CREDENTIALS", "https://oauth2.googleapis.com")
	several := c.FCM.ProjectsFile != ""
	add(several, "GOALCAST_FCM_PROJECTS_FILE", cmp.Or(c.FCM.Endpoint, "https://fcm.googleapis.com"))
	add(several && c.FCM.Endpoint == "", "GOALCAST_FCM_PROJECTS_FILE", "https://oauth2.googleapis.com")
	add(c.KBC.URL != "", "GOALCAST_KBC_PUSH_URL", c.KBC.URL)
	add(c.KBC.URL != "", "GOALCAST_KBC_PUSH_TOKEN_URL", c.KBC.TokenURL)
	add(c.Clips.PullKey != "", "GOALCAST_WSC_PULL_URL", c.Clips.PullURL)
	add(c.Clips.Account != "", "GOALCAST_BRIGHTCOVE_OAUTH_URL", c.Clips.OAuthURL)
	add(c.Clips.Account != "", "GOALCAST_BRIGHTCOVE_CMS_URL", c.Clips.CMSURL)
	add(c.Clips.Account != "", "GOALCAST_BRIGHTCOVE_INGEST_URL", c.Clips.IngestURL)
	add(len(c.Pulls.Lists) > 0, "GOALCAST_OPTA_PULL_URL", c.Pulls.URL)
	add(c.Canary.URL != "", "GOALCAST_CANARY_URL", c.Canary.URL)
	add(c.Canary.FeedURL != "", "GOALCAST_CANARY_FEED_URL", c.Canary.FeedURL)
	add(c.Alarm.Webhook != "", "GOALCAST_ALARM_WEBHOOK", c.Alarm.Webhook)
	if known, err := c.Identity.read(); err == nil && known != nil {
		for _, i := range known.Issuers {
			add(true, "GOALCAST_IDENTITY_FILE", whereKeysAre(i))
		}
	}
	if c.Odds.SourcesFile != "" {
		sources, _ := readOddsSources(c.Odds.SourcesFile) // Validate has read it
		for _, s := range sources {
			for _, address := range oddsAddresses(s) {
				add(true, "GOALCAST_ODDS_SOURCES_FILE", address)
			}
		}
	}
	if c.Partners.File != "" && c.Partners.Endpoint == "" {
		partners, _ := readPartners(c.Partners.File)
		for _, p := range partners {
			add(true, "GOALCAST_PARTNERS_FILE", p.URL)
		}
	}
	return list
}

// whereKeysAre is the address by which an issuer's tokens are checked.
func whereKeysAre(i identity.Issuer) string {
	if i.Introspection != nil {
		return i.Introspection.URL
	}
	return cmp.Or(i.Keys, i.URL)
}

// oddsAddresses are those of a source of odds; none of one that others post to.
func oddsAddresses(s oddsSource) []string {
	switch s.Kind {
	case kindPost:
		return nil
	case kindBetfair:
		cfg := betfair.Config{Address: s.URL, API: s.API}.WithDefaults()
		if cfg.API == betfair.NoAPI {
			cfg.API = ""
		}
		return []string{"tls://" + cfg.Address, cfg.API}
	case kindUOF:
		cfg := s.uof().WithDefaults()
		return []string{cfg.AMQP, cfg.API}
	}
	return []string{s.stream().URL}
}

// namedFiles are the files that a file of entries names: the values of fields that end with _file
// or _files.
func namedFiles(path string) (list []string) {
	if path == "" {
		return nil
	}
	document, err := readDocument(path)
	if err != nil {
		return nil // Validate has told
	}
	var walk func(node *yaml.Node, names bool)
	walk = func(node *yaml.Node, names bool) {
		switch node.Kind {
		case yaml.ScalarNode:
			if names && node.Value != "" {
				list = append(list, node.Value)
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				field := node.Content[i].Value
				walk(node.Content[i+1], names || strings.HasSuffix(field, "_file") ||
					strings.HasSuffix(field, "_files"))
			}
		default:
			for _, child := range node.Content {
				walk(child, names)
			}
		}
	}
	walk(document, false)
	return list
}

// listens says whether an address is free.
func listens(ctx context.Context, setting, address string) doctor.Finding {
	f := doctor.Finding{Check: setting, Status: doctor.OK, Found: address + " is free"}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		f.Status, f.Found, f.Do = doctor.Warn, err.Error(), "nothing, if goalcast runs already"
		return f
	}
	_ = l.Close()
	return f
}

// secretVariables are the settings of serve that can be read from a file.
func secretVariables() []string {
	var cli commands
	parser, err := newParser(&cli)
	if err != nil {
		return nil
	}
	var list []string
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok && f.Tag.Has("secret") {
			list = append(list, f.Envs[0])
		}
		return next(nil)
	})
	slices.Sort(list)
	return slices.Compact(list)
}
