package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func TestWrongSettingsNameTheirVariable(t *testing.T) {
	for _, tt := range []struct {
		env, want string
		args      []string
	}{
		{env: "GOALCAST_LISTEN=nonsense", want: "GOALCAST_LISTEN: \"nonsense\" is not HOST:PORT"},
		{env: "GOALCAST_PUSH_COUNTRY=be", want: "GOALCAST_PUSH_COUNTRY: \"be\" is no country"},
		{env: "GOALCAST_PUSH_ZONE=Europe/Bruxelles", want: "GOALCAST_PUSH_ZONE: no time zone"},
		{env: "GOALCAST_LISTEN=127.0.0.1:99999", want: "GOALCAST_LISTEN"},
		{env: "GOALCAST_ADMIN_LISTEN=:", want: "GOALCAST_ADMIN_LISTEN"},
		{env: "GOALCAST_DATABASE_URL=mysql://x:0123456789abcdef@y", want: "GOALCAST_DATABASE_URL: want one of sqlite:"},
		{env: "GOALCAST_DATABASE_READ_URLS=postgres://x:0123456789abcdef@y/z",
			want: "GOALCAST_DATABASE_READ_URLS: GOALCAST_DATABASE_URL is an SQLite file"},
		{env: "GOALCAST_DATABASE_READ_URLS=postgres://x@y/z,0123456789abcdef@y/z",
			want: "GOALCAST_DATABASE_READ_URLS"},
		{env: "GOALCAST_DATABASE_MAX_LAG=1ms", want: "GOALCAST_DATABASE_MAX_LAG: 1ms is out of range"},
		{env: "GOALCAST_REDIS_URL=localhost:6379", want: "GOALCAST_REDIS_URL"},
		{env: "GOALCAST_ROLES=hub,cook", want: "GOALCAST_ROLES"},
		{env: "GOALCAST_FEED_SECRETS=opta=short", want: "GOALCAST_FEED_SECRETS"},
		{env: "GOALCAST_ME_ORIGINS=null,capacitor://localhost,https://www.example.org/",
			want: `GOALCAST_ME_ORIGINS: "https://www.example.org/"`},
		{env: "GOALCAST_ME_ORIGINS=www.example.org", want: "GOALCAST_ME_ORIGINS"},
		{env: "GOALCAST_PAGE_CLIPS=https://a.example.org,https://b.example.org;script-src",
			want: `GOALCAST_PAGE_CLIPS: "https://b.example.org;script-src"`},
		{env: "GOALCAST_PAGE_PLAYER=https://players.example.org/index.html", want: "GOALCAST_PAGE_PLAYER"},
		{env: "GOALCAST_FEED_SECRETS=0123456789abcdef", want: "GOALCAST_FEED_SECRETS"},
		{env: "GOALCAST_TRUSTED_PROXIES=10.0.0.0", want: "GOALCAST_TRUSTED_PROXIES"},
		{env: "GOALCAST_ADMIN_TOKENS=boss=0123456789abcdef", want: "GOALCAST_ADMIN_TOKENS"},
		{env: "GOALCAST_RING=many", want: "GOALCAST_RING"},
		{env: "GOALCAST_STATE_SHARE=1.5",
			want: "GOALCAST_STATE_SHARE: 1.5 is out of range: want more than 0, at most 1"},
		{env: "GOALCAST_MAX_REPLAY=0", want: "GOALCAST_MAX_REPLAY: 0 is out of range: want at least 1"},
		{env: "GOALCAST_STATE_SHARE=NaN", want: "GOALCAST_STATE_SHARE: NaN is out of range"},
		{env: "GOALCAST_RING=-1", want: "GOALCAST_RING"},
		{env: "GOALCAST_DRAIN_TIME=soon", want: "GOALCAST_DRAIN_TIME"},
		{env: "GOALCAST_PING_INTERVAL=1ms", want: "GOALCAST_PING_INTERVAL: 1ms is out of range: want at least 1s"},
		{env: "GOALCAST_LOG_LEVEL=loud", want: "GOALCAST_LOG_LEVEL"},
		{env: "GOALCAST_MESSAGE_RATE=0", want: "GOALCAST_MESSAGE_RATE"},
		{env: "GOALCAST_STATE_INTERVAL=0s", want: "GOALCAST_STATE_INTERVAL"},
		{env: "GOALCAST_DEVICE_KEYS=key=c2hvcnQ=", want: "GOALCAST_DEVICE_KEYS"},
		{env: "GOALCAST_FCM_PROJECT=bank", want: "GOALCAST_FCM_CREDENTIALS"},
		{env: "GOALCAST_FCM_PROJECTS_FILE=/does/not/exist", want: "GOALCAST_FCM_PROJECTS_FILE: open"},
		{env: "GOALCAST_APNS_BUNDLE_ID=org.example.goals", want: "GOALCAST_APNS_BUNDLE_ID: set, though GOALCAST_APNS_"},
		{env: "GOALCAST_APNS_TEAM_ID=TEAM012345",
			want: "GOALCAST_APNS_BUNDLE_ID: not set, though GOALCAST_APNS_TEAM_ID is"},
		{env: "GOALCAST_FCM_LIVE_TOPICS=live", want: "GOALCAST_FCM_LIVE_TOPICS: set, though GOALCAST_FCM_PROJECT is"},
		{env: "GOALCAST_FCM_TOPICS_FROM=1000", want: "GOALCAST_FCM_TOPICS_FROM: set, though GOALCAST_FCM_PROJECT is"},
		{env: "GOALCAST_APNS_LEAD=10s", want: "GOALCAST_APNS_LEAD: 10s is out of range"},
		{env: "GOALCAST_APNS_ENVIRONMENT=test", want: "GOALCAST_APNS_ENVIRONMENT"},
		{env: "GOALCAST_DATABASE_URL_FILE=/does/not/exist", want: "GOALCAST_DATABASE_URL_FILE"},
		{env: "GOALCAST_BRIGHTCOVE_ACCOUNT=9000001", want: "GOALCAST_BRIGHTCOVE_ACCOUNT"},
		{env: "GOALCAST_BRIGHTCOVE_CALLBACK_URL=https://feeds.example.org",
			want: "GOALCAST_BRIGHTCOVE_CALLBACK_SECRET"},
		{env: "GOALCAST_BRIGHTCOVE_OAUTH_URL=oauth.example.org", want: "GOALCAST_BRIGHTCOVE_OAUTH_URL"},
		{env: "GOALCAST_BRIGHTCOVE_CMS_URL=http://cms.example.org",
			want: "GOALCAST_BRIGHTCOVE_CMS_URL: want an https URL"},
		{env: "GOALCAST_BRIGHTCOVE_CMS_URL=http://127.0.0.1.example.org", want: "GOALCAST_BRIGHTCOVE_CMS_URL"},
		{env: "GOALCAST_BRIGHTCOVE_INGEST_URL=https://me:0123456789abcdef@example.org",
			want: "GOALCAST_BRIGHTCOVE_INGEST_URL"},
		{env: "GOALCAST_BRIGHTCOVE_INGEST_URL=https://example.org/?key=0123456789abcdef",
			want: "GOALCAST_BRIGHTCOVE_INGEST_URL"},
		{env: "GOALCAST_BRIGHTCOVE_CHECK_EVERY=0s", want: "GOALCAST_BRIGHTCOVE_CHECK_EVERY"},
		{env: "GOALCAST_WSC_PULL_URL=ftp://example.org", want: "GOALCAST_WSC_PULL_URL"},
		{env: "GOALCAST_WSC_PULL_EVERY=-5m", want: "GOALCAST_WSC_PULL_EVERY"},
		{env: "GOALCAST_OPTA_PULL=f1:8", want: "GOALCAST_OPTA_PULL: "},
		{env: "GOALCAST_OPTA_PULL=f1:8:2026", want: "GOALCAST_OPTA_PULL_USER"},
		{env: "GOALCAST_OPTA_PULL_URL=http://lists.example.org", want: "GOALCAST_OPTA_PULL_URL"},
		{env: "GOALCAST_OPTA_PULL_URL=https://me:0123456789abcdef@lists.example.org", want: "GOALCAST_OPTA_PULL_URL"},
		{env: "GOALCAST_OPTA_PULL_EVERY=1ms", want: "GOALCAST_OPTA_PULL_EVERY: 1ms is out of range: want at least 1s"},
		{env: "GOALCAST_TLS_CERT_FILE=/tls.crt", want: "GOALCAST_TLS_KEY_FILE: not set"},
		{env: "GOALCAST_TLS_KEY_FILE=/tls.key", want: "GOALCAST_TLS_CERT_FILE: not set"},
		{env: "GOALCAST_SPEED=0", want: "GOALCAST_SPEED", args: []string{"demo"}},
		{env: "GOALCAST_SPEED=NaN", want: "GOALCAST_SPEED", args: []string{"demo"}},
		{env: "GOALCAST_SPEED=-1", want: "GOALCAST_SPEED", args: []string{"simulate"}},
		{env: "GOALCAST_MATCHES=51", want: "is out of range: want 1 to 50", args: []string{"demo"}},
		{env: "GOALCAST_MATCHES=51", want: "is out of range: want 1 to 50", args: []string{"simulate"}},
		{env: "GOALCAST_MATCHES=0", want: "is out of range: want 1 to 50", args: []string{"simulate"}},
	} {
		t.Run(tt.env, func(t *testing.T) {
			name, value, _ := strings.Cut(tt.env, "=")
			t.Setenv(name, value)
			if tt.args == nil {
				tt.args = []string{"serve"}
			}
			_, err := parse(tt.args, &commands{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

func TestSecretsFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "feed-secrets")
	if err := os.WriteFile(file, []byte("opta=0123456789abcdef,wsc=fedcba9876543210\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOALCAST_FEED_SECRETS_FILE", file)
	var cli commands
	if _, err := parse([]string{"serve"}, &cli); err != nil {
		t.Fatal(err)
	}
	want := secrets{"opta": {"0123456789abcdef"}, "wsc": {"fedcba9876543210"}}
	if !reflect.DeepEqual(cli.Serve.FeedSecrets, want) {
		t.Errorf("got %d secrets, want %d", len(cli.Serve.FeedSecrets), len(want))
	}
	t.Setenv("GOALCAST_FEED_SECRETS", "opta=0123456789abcdef")
	if _, err := parse([]string{"serve"}, &commands{}); err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("both set: %v", err)
	}
}

// TestServicesOnThisMachine: plain http is taken for services that are here, for tests and for a
// proxy beside the process.
func TestServicesOnThisMachine(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1:9", "http://[::1]:9/brightcove", "http://localhost",
		"https://cms.example.org/"} {
		t.Setenv("GOALCAST_BRIGHTCOVE_CMS_URL", address)
		var cli commands
		if _, err := parse([]string{"serve"}, &cli); err != nil || cli.Serve.Clips.CMSURL != address {
			t.Errorf("%s: %q, %v", address, cli.Serve.Clips.CMSURL, err)
		}
	}
}

// TestEverySettingIsExplained: each flag has a help text and a variable, and
// what has a unit says so.
func TestEverySettingIsExplained(t *testing.T) {
	parser, err := newParser(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		for _, group := range command.AllFlags(true) {
			for _, f := range group {
				if f.Help == "" {
					t.Errorf("%s --%s is not explained", command.Name, f.Name)
				}
				// By hand, with other flags each time.
				asked := slices.Contains([]string{"replay", "doctor", "version"}, command.Name)
				if len(f.Envs) == 0 && !asked && f.Name != "help" {
					t.Errorf("%s --%s has no variable", command.Name, f.Name)
				}
			}
		}
	}
}

// The README promises it: every setting, with its default.
func TestHelpShowsEveryDefault(t *testing.T) {
	parser, err := newParser(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Envs) > 0 {
			seen++
			want := "Default: none ($" + flag.Envs[0]
			switch {
			case flag.Default != "":
				want = "Default: " + flag.Default + " ($" + flag.Envs[0]
			case flag.IsBool():
				want = "Default: false ($" + flag.Envs[0]
			}
			if got := helpWithDefault(flag.Value); !strings.Contains(got, want) {
				t.Errorf("--%s: %q, want %q in it", flag.Name, got, want)
			}
			if flag.Tag.Has("secret") && flag.Default != "" && flag.Default != "embedded" &&
				!strings.HasPrefix(flag.Default, "sqlite:") {
				t.Errorf("--%s: a secret has a default", flag.Name)
			}
		}
		return next(nil)
	})
	if seen < 50 {
		t.Errorf("%d settings seen", seen)
	}
	var out strings.Builder
	parser.Stdout, parser.Exit = &out, func(int) {}
	_, _ = parser.Parse([]string{"serve", "--help"})
	if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "Default: 20000 ($GOALCAST_RING)") {
		t.Error("the help does not show the default of GOALCAST_RING")
	}
}

func TestArchiveAndAlarmSettings(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"GOALCAST_RETENTION=opta=long", "GOALCAST_RETENTION"},
		{"GOALCAST_RETENTION=opta", "GOALCAST_RETENTION"},
		{"GOALCAST_ALARM_WEBHOOK=ftp://hidden-secret/x", "GOALCAST_ALARM_WEBHOOK"},
		{"GOALCAST_ALARM_WEBHOOK=hidden-secret", "GOALCAST_ALARM_WEBHOOK"},
		{"GOALCAST_ALARM_SILENT=soon", "GOALCAST_ALARM_SILENT"},
	} {
		t.Run(tt.env, func(t *testing.T) {
			name, value, _ := strings.Cut(tt.env, "=")
			t.Setenv(name, value)
			_, err := parse([]string{"serve"}, &commands{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") ||
				strings.Contains(err.Error(), "hidden-secret") {
				t.Errorf("got %v, want one line with %s", err, tt.want)
			}
		})
	}
	t.Setenv("GOALCAST_RETENTION", "opta/F24=30d,opta=365d,wsc=forever")
	t.Setenv("GOALCAST_ALARM_SILENT", "90s")
	var cli commands
	if _, err := parse([]string{"serve"}, &cli); err != nil || cli.Serve.Alarm.Silent != 90*time.Second ||
		len(cli.Serve.Archive.Retention) != 3 {
		t.Errorf("%+v, %v", cli.Serve.Archive, err)
	}
}

// TestOpenFeedsAreForThisMachine: the setting is refused where others could reach the address.
func TestOpenFeedsAreForThisMachine(t *testing.T) {
	for _, tt := range []struct {
		args []string
		ok   bool
	}{
		{nil, true},
		{[]string{"--listen=localhost:8080"}, true},
		{[]string{"--listen=[::1]:8080"}, true},
		{[]string{"--listen=0.0.0.0:8080"}, false},
		{[]string{"--listen=:8080"}, false},
		{[]string{"--listen=192.0.2.1:8080"}, false},
		{[]string{"--trusted-proxies=127.0.0.1/32"}, false},
	} {
		_, err := parse(slices.Concat([]string{"serve", "--feeds-open"}, tt.args), &commands{})
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "GOALCAST_FEEDS_OPEN: ") {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

func TestSecretsAreParsed(t *testing.T) {
	for text, want := range map[string]secrets{
		"a=1":             {"a": {"1"}},
		"a=1,b=2,a=3":     {"a": {"1", "3"}, "b": {"2"}},
		"a=1\nb=2=3\r\n":  {"a": {"1"}, "b": {"2=3"}},
		" a=1 , b=2\n\n,": {"a": {"1"}, "b": {"2"}},
		"a":               nil,
		"=1":              nil,
	} {
		got, err := parseSecrets(text)
		if fmt.Sprint(got) != fmt.Sprint(want) || (err != nil) != (want == nil) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}
