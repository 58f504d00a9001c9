package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/notify/partner/partnertest"
)

// which may be kept, and says nothing
func noMatch(secret string) string { return fmt.Sprintf(`{"nobody":%q}`, secret) }

// mayPost says whether a document with the secret was taken or told that it makes no sense, and not
// refused for who sent it.
func mayPost(t *testing.T, base, secret string) bool {
	t.Helper()
	got, _ := ask(t, http.MethodPost, base+"/feeds/json", bearer(secret), noMatch(secret))
	return got != http.StatusUnauthorized && got != http.StatusForbidden
}

// TestSecretsAreExchangedWithoutARestart: a file that changed is read on SIGHUP, an old and a new
// secret hold at once, a broken file changes nothing, and no viewer notices.
func TestSecretsAreExchangedWithoutARestart(t *testing.T) {
	t.Parallel()
	const first, second = "the-first-secret-0", "the-second-secret-0"
	folder := t.TempDir()
	feeds, tokens := filepath.Join(folder, "feeds"), filepath.Join(folder, "tokens")
	partners := filepath.Join(folder, "partners.yaml")
	house := &partnertest.Server{Secret: partnerSecret(second)}
	houses := httptest.NewServer(house)
	t.Cleanup(houses.Close)
	partnersText := func(secrets ...string) string {
		return "- {name: house, url: 'https://house.example.org/', topics: [all], secrets: [" +
			strings.Join(secrets, ", ") + "]}\n"
	}
	write := func(feedText, tokenText, partnersText string) {
		t.Helper()
		for file, text := range map[string]string{feeds: feedText, tokens: tokenText, partners: partnersText} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("json="+first+"\n", "operator="+first+"\n", partnersText(partnerSecret(first)))
	p := start(t, []string{"GOALCAST_DATABASE_URL=sqlite:" + filepath.Join(folder, "goalcast.db"),
		"GOALCAST_FEED_SECRETS_FILE=" + feeds, "GOALCAST_ADMIN_TOKENS_FILE=" + tokens,
		"GOALCAST_PARTNERS_FILE=" + partners, "GOALCAST_PARTNERS_ENDPOINT=" + houses.URL,
		"GOALCAST_DRAIN_TIME=0s"}, "serve")
	v := newViewer(t, p.public, overWebSocket, goalcast.ForMatch(1))
	v.join()
	admits := func(what string, want map[string]bool) {
		t.Helper()
		for secret, want := range want {
			operates, _ := ask(t, http.MethodGet, p.admin+"/admin/documents", bearer(secret), "")
			if got := mayPost(t, p.public, secret); got != want || (operates == http.StatusOK) != want {
				t.Errorf("%s: %s posts: %v, operates: %d; want %v", what, secret, got, operates, want)
			}
		}
	}
	hangUp := func(until string) {
		t.Helper()
		before := strings.Count(p.log.String(), until)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 20*time.Second, until, func() error {
			if strings.Count(p.log.String(), until) < before+3 {
				return fmt.Errorf("the log does not say so for all files")
			}
			return nil
		})
	}
	admits("at first", map[string]bool{first: true, second: false})
	write("json="+first+",json="+second, "operator="+first+"\noperator="+second+"\n",
		partnersText(partnerSecret(first), partnerSecret(second)))
	hangUp("secrets read again")
	admits("both", map[string]bool{first: true, second: true})
	write("json="+second, "operator="+second, partnersText(partnerSecret(second)))
	hangUp("secrets read again")
	admits("then", map[string]bool{first: false, second: true})
	for i, broken := range []string{"", "json=short", "what?"} {
		write(broken, strings.Replace(broken, "json", "operator", 1), []string{"", "- a\n", "- {name: b}\n"}[i])
		hangUp("secrets not read again")
		admits(fmt.Sprint("broken ", i), map[string]bool{first: false, second: true})
	}
	if status, text := ask(t, http.MethodPost, p.public+"/feeds/json?wait=30s", bearer(second),
		`{"time":"2026-08-22T14:30:00Z","match":1,"fixture":{"competition":{"id":8,"name":"Coastal League"},
		"home":{"id":1,"name":"Noordzand"},"away":{"id":2,"name":"Val-Rouge"},"kickoff":"2026-08-22T15:00:00Z"}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	waitFor(t, time.Minute, "the partner to be told", func() error {
		if len(house.Taken()) == 0 {
			return fmt.Errorf("%v", house.Wrong())
		}
		return nil
	})
	if wrong := house.Wrong(); len(wrong) > 0 {
		t.Errorf("signed by the secret before: %v", wrong)
	}
	if n := v.Hellos(); n != 1 {
		t.Errorf("the viewer was said hello to %d times", n)
	}
	for _, secret := range []string{first, second} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// TestFeedsWithoutASecretAreShut: to a proxy on this machine that says nothing of itself, to web
// pages and to other users; not to programs of our own user.
func TestFeedsWithoutASecretAreShut(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-the-other-feed"
	folder := t.TempDir()
	p := start(t, []string{"GOALCAST_DATABASE_URL=sqlite:" + filepath.Join(folder, "goalcast.db"),
		"GOALCAST_FEED_SECRETS=wsc=" + secret, "GOALCAST_FEEDS_OPEN=false",
		"GOALCAST_DRAIN_TIME=0s"}, "serve")
	proxy := testservers.Nginx(t, p.public)
	for _, feed := range []string{"json", "opta"} {
		if got, text := ask(t, http.MethodPost, proxy+"/feeds/"+feed, bearer(""),
			noMatch("")); got != http.StatusForbidden || !strings.Contains(text, "GOALCAST_FEED_SECRETS") {
			t.Errorf("%s by nginx: %d %s", feed, got, text)
		}
	}
	for _, base := range []string{proxy, p.public} {
		if got, _ := ask(t, http.MethodPost, base+"/feeds/wsc", bearer(""),
			noMatch("")); got != http.StatusUnauthorized {
			t.Errorf("a feed with a secret, without it, by %s: %d", base, got)
		}
	}
	post := func(as *syscall.Credential, base string, args ...string) string {
		cmd := exec.Command("curl", append([]string{"-s", "-o", os.DevNull, "-w", "%{http_code}", "--data-binary",
			noMatch(""), base + "/feeds/json"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := post(nil, p.public); (got == "403") != (runtime.GOOS != "linux") {
		t.Errorf("a program of our own user: %s", got)
	}
	if got := post(nil, p.public, "-H", "Sec-Fetch-Site: cross-site"); got != "403" {
		t.Errorf("a web page: %s", got)
	}
	if got := post(nil, p.public, "--http1.0"); got != "403" {
		t.Errorf("what speaks HTTP/1.0, as a proxy may: %s", got)
	}
	if os.Geteuid() == 0 {
		if got := post(&syscall.Credential{Uid: 65534, Gid: 65534}, p.public); got != "403" {
			t.Errorf("another user: %s", got)
		}
	}
}

// TestSecretsOnTheCommandLine: whoever gives them there is warned, and no page of the
// admin address shows them.
func TestSecretsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-that-is-shown"
	p := start(t, []string{"GOALCAST_DATABASE_URL=sqlite::memory:", "GOALCAST_DRAIN_TIME=0s"}, "serve",
		"--feed-secrets=json="+secret, "--redis-url=embedded")
	for _, path := range []string{"cmdline", "", "goroutine?debug=2", "heap?debug=1", "cmdline?debug=1"} {
		if _, text := ask(t, http.MethodGet, p.admin+"/debug/pprof/"+path, bearer(""), ""); strings.Contains(text,
			secret) {
			t.Errorf("/debug/pprof/%s shows a secret", path)
		}
	}
	if got, _ := ask(t, http.MethodGet, p.admin+"/debug/pprof/cmdline", bearer(""), ""); got != http.StatusNotFound {
		t.Errorf("cmdline: %d", got)
	}
	var warned struct{ Flags []string }
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "secrets on the command line") {
			if err := json.Unmarshal([]byte(line), &warned); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(warned.Flags, []string{"--feed-secrets"}) {
		t.Errorf("warned of %v", warned.Flags)
	}
	if strings.Contains(p.log.String(), secret) {
		t.Error("the log shows the secret")
	}
}
