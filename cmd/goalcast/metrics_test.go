package main

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"goalcast/internal/testservers"
	"goalcast/notify/apns/apnstest"
	"goalcast/notify/webpush"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// metric is one that a process has, as docs/metrics.md lists it.
type metric struct {
	name, kind, help string
	labels           []string
}

// described is how a Desc prints itself; client_golang has no other way to read one.
var described = regexp.MustCompile(`^Desc\{fqName: "(.*?)", help: "(.*)", unit: ".*", constLabels: \{(.*)\}, ` +
	`variableLabels: \{(.*)\}\}$`)

// everyMetric is what a process has that does everything there is to do.
func everyMetric(t *testing.T) []metric {
	t.Helper()
	kinds := map[string]string{}
	descs := make(chan *prometheus.Desc)
	all := []*node{wholeNode(t), anEdge(t)}
	for _, n := range all {
		families, err := n.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			kinds[f.GetName()] = strings.ToLower(dto.MetricType_name[int32(f.GetType())])
		}
	}
	go func() {
		for _, n := range all {
			n.reg.Describe(descs)
		}
		close(descs)
	}()
	var list []metric
	for d := range descs {
		parts := described.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatalf("not understood: %s", d)
		}
		m := metric{name: parts[1], kind: kinds[parts[1]], help: parts[2]}
		for _, constant := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(parts[3], -1) {
			m.labels = append(m.labels, constant[1])
		}
		m.labels = append(m.labels, strings.FieldsFunc(parts[4], func(r rune) bool { return r == ',' })...)
		if !strings.HasPrefix(m.name, "goalcast_") { // Go's and the process's own
			continue
		}
		// A vector nobody has counted on has no type yet. Gauges are there from the start.
		switch {
		case m.kind == "" && strings.HasSuffix(m.name, "_total"):
			m.kind = "counter"
		case m.kind == "":
			m.kind = "histogram"
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(list, func(a, b metric) bool { return a.name == b.name })
}

// anEdge has what an edge has; it starts nothing.
func anEdge(t *testing.T) *node {
	t.Helper()
	var cli commands
	if _, err := parse([]string{"edge", "--upstream=http://127.0.0.1:9",
		"--upstream-secret=secret-of-the-edge"}, &cli); err != nil {
		t.Fatal(err)
	}
	n, err := newEdge(&cli.Edge, options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// wholeNode has all roles and every service; it starts nothing.
func wholeNode(t *testing.T) *node {
	t.Helper()
	folder := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p8, _ := apnstest.Key()
	key, _ := webpush.NewKey()
	certificate, privateKey := testservers.NewAuthority(t).Issue(time.Now().Add(time.Hour))
	const nobody = "http://127.0.0.1:9"
	secret := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, value := range map[string]string{
		"GOALCAST_DATABASE_URL":       testservers.Postgres(t),
		"GOALCAST_DATABASE_READ_URLS": "postgres://127.0.0.1:9/goalcast",
		"GOALCAST_REDIS_URL":          testservers.NewRedis(t).URL,
		"GOALCAST_TLS_CERT_FILE":      write("tls.crt", string(certificate)),
		"GOALCAST_TLS_KEY_FILE":       write("tls.key", string(privateKey)),
		"GOALCAST_FEED_SECRETS":       "odds=" + secret + ",canary=" + secret,
		"GOALCAST_EDGE_SECRETS":       "partner=" + secret,
		"GOALCAST_IDENTITY_FILE": write("identity.yaml",
			"issuers: [{name: kbc, kind: oidc, issuer: '"+nobody+"', audiences: [goalcast]}]\n"),
		"GOALCAST_PARTNERS_FILE": write("partners.yaml",
			"[{name: gazette, url: 'https://127.0.0.1:9', topics: [all], secrets: [whsec_"+secret+"]}]\n"),
		"GOALCAST_ODDS_SOURCES_FILE": write("odds.yaml", "- {name: line, kind: sse, priority: 1, url: '"+nobody+"/'}\n"+
			"- {name: posted, kind: post, priority: 2}\n"),
		"GOALCAST_FCM_PROJECT": "demo", "GOALCAST_FCM_ENDPOINT": nobody + "/v1",
		"GOALCAST_APNS_BUNDLE_ID": apnstest.BundleID, "GOALCAST_APNS_KEY": string(p8),
		"GOALCAST_APNS_KEY_ID":  apnstest.KeyID,
		"GOALCAST_APNS_TEAM_ID": apnstest.TeamID, "GOALCAST_APNS_ENDPOINT": nobody,
		"GOALCAST_WEBPUSH_KEY": key, "GOALCAST_WEBPUSH_SUBJECT": "https://goals.example.org/about",
		"GOALCAST_WEBPUSH_PAGE": "https://goals.example.org/{match}", "GOALCAST_WEBPUSH_ENDPOINT": nobody,
		"GOALCAST_KBC_PUSH_URL": nobody + "/bank", "GOALCAST_KBC_PUSH_TOKEN_URL": nobody + "/oauth",
		"GOALCAST_KBC_PUSH_CLIENT_ID": "goalcast", "GOALCAST_KBC_PUSH_CLIENT_SECRET": secret,
		"GOALCAST_BRIGHTCOVE_ACCOUNT": "1", "GOALCAST_BRIGHTCOVE_CLIENT_ID": "goalcast",
		"GOALCAST_BRIGHTCOVE_CLIENT_SECRET": secret,
		"GOALCAST_OPTA_PULL":                "f1:8:2026", "GOALCAST_OPTA_PULL_USER": "goalcast",
		"GOALCAST_OPTA_PULL_PASSWORD": secret,
		"GOALCAST_OPTA_PULL_URL":      nobody, "GOALCAST_WSC_PULL_KEY": secret, "GOALCAST_WSC_PULL_URL": nobody,
		"GOALCAST_ALARM_WEBHOOK": nobody, "GOALCAST_CANARY_URL": nobody,
	} {
		t.Setenv(name, value)
	}
	var cli commands
	if _, err := parse([]string{"serve"}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, replicas: c.Replicas,
		tls: c.TLS, roles: c.Roles, migrate: c.Migrate},
		options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	n.expected.set(0) // as the job does
	walls := newFence(nil, n.reg)
	n.newServers(n.publicRoutes(http.NotFoundHandler(), walls), n.adminRoutes(new(atomic.Bool), walls))
	return n
}

func TestMetrics(t *testing.T) {
	all := everyMetric(t)
	t.Run("documented", func(t *testing.T) { testDocumented(t, all) })
	t.Run("conventional", func(t *testing.T) { testConventional(t, all) })
	t.Run("named", func(t *testing.T) { testNamed(t, all) })
}

// docs/metrics.md is made from what a process registers.
func testDocumented(t *testing.T, all []metric) {
	var page bytes.Buffer
	fmt.Fprint(&page, "# Metrics\n\nWhat `/metrics` on the admin address has besides Go's and the process's own\n"+
		"(`go_*`, `process_*`). This page is made from the program: `go test ./cmd/goalcast -run TestMetrics\n"+
		"-update`. A process has the metrics of its roles and of the services it is set up for. Times are\n"+
		"seconds, sizes bytes. A histogram has `_bucket`, `_sum` and `_count`. No label is a match, a team, a\n"+
		"user or a phone: a process has less than 3,000 series, however many matches it has told of.\n\n"+
		"Dashboards are in [`deploy/grafana`](../deploy/grafana), alerts in\n"+
		"[`deploy/alerts.yaml`](../deploy/alerts.yaml); "+
		"[runbook.md](runbook.md) says what to do about them.\n")
	part := ""
	for _, m := range all {
		name, _, _ := strings.Cut(strings.TrimPrefix(m.name, "goalcast_"), "_")
		if name != part {
			part = name
			fmt.Fprintf(&page, "\n## %s\n\n| metric | type | labels | what it shows |\n|---|---|---|---|\n", part)
		}
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, strings.ReplaceAll(m.help, "|", `\|`))
	}
	const path = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, page.Bytes()) {
		t.Errorf("docs/metrics.md is not what the program has (%v): run this test with -update", err)
	}
}

// Names as Prometheus asks for: units spelled out, _total for counters and nothing else, a help.
func testConventional(t *testing.T, all []metric) {
	whole := regexp.MustCompile(`^goalcast_[a-z]+(_[a-z]+)*$`)
	odd := regexp.MustCompile(`_(ms|us|ns|milliseconds|kb|mb|percent|sec|secs|count|sum|bucket)(_|$)`)
	for _, m := range all {
		if strings.HasSuffix(m.name, "_total") != (m.kind == "counter") {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
		if m.help == "" || !whole.MatchString(m.name) || odd.MatchString(m.name) {
			t.Errorf("%s: its name, or no help: %q", m.name, m.help)
		}
	}
}

// What dashboards, alerts and pages name is there; expressions group by labels that there are.
func testNamed(t *testing.T, all []metric) {
	labels := map[string][]string{}
	for _, m := range all {
		labels[m.name] = append(slices.Clone(m.labels), "instance", "le")
	}
	var files []string
	for _, pattern := range []string{"docs/*.md", "README.md", "deploy/*.yaml", "deploy/*/*.yaml",
		"deploy/*/*/*/*.yaml", "deploy/grafana/*.json"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	// At least two words: goalcast_audit is a role in PostgreSQL.
	name := regexp.MustCompile(`goalcast_[a-z]+_[a-z_]*[a-z]\b`)
	grouped := regexp.MustCompile(`by \(([^)]*)\) \((?:rate\()?(goalcast_[a-z_]+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllString(string(text), -1) {
			if _, ok := labels[family(found, labels)]; !ok {
				t.Errorf("%s names %s, which no process has", file, found)
			}
		}
		for _, found := range grouped.FindAllStringSubmatch(string(text), -1) {
			of := family(found[2], labels)
			for _, label := range strings.FieldsFunc(found[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(labels[of], label) {
					t.Errorf("%s groups %s by %s; it has %v", file, of, label, labels[of])
				}
			}
		}
	}
}

// family is the metric that a series belongs to: a histogram has several.
func family(series string, known map[string][]string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(series, suffix); ok && known[base] != nil {
			return base
		}
	}
	return series
}
