package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"goalcast/internal/testservers"
	"goalcast/notify/apns/apnstest"
)

// What the alerts of deploy/alerts.yaml ask for is there as soon as a process runs, with zero, so
// that the first fault is an increase; and each alert has its paragraph in the operator's page.
func TestAlertsFindTheirMetrics(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	// nobody is told anything
	issuers := filepath.Join(t.TempDir(), "identity.yaml")
	if err := os.WriteFile(issuers, []byte("issuers: [{name: kbc, kind: oidc, issuer: 'http://127.0.0.1:9', "+
		"audiences: [goalcast]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	partners := filepath.Join(t.TempDir(), "partners.yaml")
	if err := os.WriteFile(partners, []byte("[{name: gazette, url: 'https://127.0.0.1:9', topics: [all], "+
		"secrets: [whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p8, _ := apnstest.Key()
	env := onFile(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT=http://127.0.0.1:9/v1",
		"GOALCAST_APNS_BUNDLE_ID="+apnstest.BundleID, "GOALCAST_APNS_KEY="+string(p8),
		"GOALCAST_APNS_KEY_ID="+apnstest.KeyID, "GOALCAST_APNS_TEAM_ID="+apnstest.TeamID,
		"GOALCAST_APNS_ENDPOINT=http://127.0.0.1:9", "GOALCAST_IDENTITY_FILE="+issuers,
		"GOALCAST_PARTNERS_FILE="+partners, "GOALCAST_CANARY_URL=http://127.0.0.1:9")
	p := start(t, env, "serve")
	f7 := madeUpMatches(t)[0].f7
	p.take(optaNow("F7", f7))
	last := p.metric("goalcast_ingest_last_document_timestamp_seconds", `provider="opta"`)
	if now := float64(time.Now().Unix()); last < now-120 || last > now+1 {
		t.Errorf("the last document came at %f", last)
	}
	p.stop(30 * time.Second)

	p = start(t, env.with(newKeyPair(t, testservers.NewAuthority(t)).settings()...), "serve")
	waitFor(t, 10*time.Second, "the last document to be known again", func() error {
		if got := p.metric("goalcast_ingest_last_document_timestamp_seconds", `provider="opta"`); got != last {
			return fmt.Errorf("it came at %f, after a restart at %f", last, got)
		}
		return nil
	})
	edge := launch(t, common.with("GOALCAST_UPSTREAM=http://127.0.0.1:9",
		"GOALCAST_UPSTREAM_SECRET=secret-of-an-edge-in-this-test"), "edge")
	metrics := p.metrics() + edge.metrics()
	for _, alert := range regexp.MustCompile(`alert: (\w+)\n(?: *#.*\n)* *expr: (.*)`).FindAllStringSubmatch(string(rules), -1) {
		_, section, found := strings.Cut(string(page), "\n### "+alert[1]+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		for _, part := range []string{"**It means:**", "**Fans see:**", "**Do:**", "**Check:**"} {
			if !found || strings.Count(section, part) != 1 {
				t.Errorf("docs/runbook.md does not say of %s: %s", alert[1], part)
			}
		}
		if link := "/runbook.md#" + strings.ToLower(alert[1]) + `"`; !strings.Contains(string(rules), link) {
			t.Errorf("%s has no link to its heading: %s", alert[1], link)
		}
		for _, name := range regexp.MustCompile(`goalcast_\w+`).FindAllString(alert[2], -1) {
			if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(metrics) {
				t.Errorf("%s asks for %s, which is not there at the start", alert[1], name)
			}
		}
		for _, label := range regexp.MustCompile(`(goalcast_\w+)\{(\w+="\w+")`).FindAllStringSubmatch(alert[2], -1) {
			if !regexp.MustCompile(`(?m)^` + label[1] + `\{[^}]*` + label[2]).MatchString(metrics) {
				t.Errorf("%s asks for %s with %s, which is not there at the start", alert[1], label[1], label[2])
			}
		}
	}
}
