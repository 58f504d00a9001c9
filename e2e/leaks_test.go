package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goalcast/identity/identitytest"
	"goalcast/internal/seal"
	"goalcast/internal/testservers"
	"goalcast/notify/apns/apnstest"
	"goalcast/notify/webpush"
)

// mark is in every secret of these tests, so that whoever shows a part of one is found too.
const mark = "sesame"

// marked is a secret.
func marked(name string) string { return mark + "-" + name + "-0123456789" }

// leaks finds secrets in what goalcast says.
type leaks struct {
	t    *testing.T
	mu   sync.Mutex
	more []string // secrets without the mark
}

// know adds secrets that somebody else made.
func (l *leaks) know(secrets ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more = append(l.more, secrets...)
}

// look fails the test if the text has a secret in it, as it is or in base64.
func (l *leaks) look(where, text string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range slices.Concat(l.more, inBase64(mark)) {
		if i := strings.Index(text, secret); i >= 0 {
			l.t.Errorf("%s shows a secret: %s", where, around(text, i))
		}
	}
	if i := strings.Index(strings.ToLower(text), mark); i >= 0 {
		l.t.Errorf("%s shows a secret: %s", where, around(text, i))
	}
}

func around(text string, i int) string { return text[max(0, i-200):min(len(text), i+80)] }

// inBase64 is what a word looks like within a longer text in base64, at each of the three places
// where it may begin.
func inBase64(word string) (all []string) {
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", shift) + word))
		all = append(all, text[(shift*8+5)/6:(shift+len(word))*8/6])
	}
	return all
}

// send asks, looks at the whole answer and returns its status.
func (l *leaks) send(method, address string, header http.Header, body string) (status int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	res, err := http.DefaultTransport.RoundTrip(r) // a redirect is an answer
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res.StatusCode
	}
	text, err := httputil.DumpResponse(res, true)
	if err != nil {
		l.t.Fatal(err)
	}
	where, _, _ := strings.Cut(address, "?")
	l.look(method+" "+where, string(text))
	return res.StatusCode
}

// parrot is every service that goalcast calls: it never does what it is asked for, and its errors
// repeat the whole request, with the secrets in it.
type parrot struct {
	*httptest.Server
	mu    sync.Mutex
	heard map[string]int // requests, by the first step of their path
}

func newParrot(t *testing.T) *parrot {
	p := &parrot{heard: map[string]int{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := httputil.DumpRequest(r, true)
	who, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // "*" opens HTTP/2
	p.mu.Lock()
	p.heard[who]++
	n := p.heard[who]
	p.mu.Unlock()
	switch {
	case (who == "oauth" || who == "bank-oauth") && n > 3:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":300}`, marked("access-token"))
	case n%3 == 0: // which shows in the caller's error with the address
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("Location", r.URL.String()+"&again")
		w.WriteHeader([]int{0, http.StatusInternalServerError, http.StatusUnauthorized}[n%3])
		_, _ = w.Write(text)
	}
}

// answered says whether each of them was called often enough to meet every kind of error.
func (p *parrot) answered(all ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, who := range all {
		if p.heard[who] < 3 {
			return fmt.Errorf("%s was called %d times: %v", who, p.heard[who], p.heard)
		}
	}
	return nil
}

// vault has a secret in every place that goalcast's settings have for one.
type vault struct {
	t      *testing.T
	folder string
	files  map[string]string // contents by name, without those that hold a secret alone
	env    settings
}

func (v *vault) write(name, text string) (path string) {
	v.t.Helper()
	path = filepath.Join(v.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// secret writes a file that holds a secret and nothing else.
func (v *vault) secret(name string) (path string) { return v.write(name, marked(name)+"\n") }

func newVault(t *testing.T, p *parrot, issuer *identitytest.Server, database, redis string) *vault {
	t.Helper()
	v := &vault{t: t, folder: t.TempDir(), files: map[string]string{}}
	v.files["odds.yaml"] = fmt.Sprintf(`
- {name: socket, kind: websocket, priority: 1, url_file: %s, header_files: {X-Pass: %s}}
- {name: events, kind: sse, priority: 2, url_file: %s, header_files: {Authorization: %s}}
- {name: lines, kind: json, priority: 3, url_file: %s}
- {name: exchange, kind: betfair, priority: 4, url: "127.0.0.1:1", api: "%s/betfair", app_key_file: %s,
   session_file: %s}
- {name: book, kind: uof, priority: 5, url: "amqps://127.0.0.1:1", api: "%s/uof", token_file: %s}
- {name: posted, kind: post, priority: 6}
`, v.write("socket", strings.Replace(p.URL, "http", "ws", 1)+"/socket?key="+marked("socket")), v.secret("header"),
		v.write("events", p.URL+"/events?key="+marked("events")), v.secret("authorization"),
		v.write("lines", p.URL+"/lines?key="+marked("lines")),
		p.URL, v.secret("app-key"), v.secret("session"), p.URL, v.secret("uof-token"))
	v.files["identity.yaml"] = fmt.Sprintf(`issuers:
- {name: club, kind: oidc, issuer: %q, audiences: [goalcast], roles: {operator: {claim: groups, values: [ops]}}}
- {name: opaque, kind: introspection, issuer: "https://id.example.org", introspection_url: "%s/introspect",
   client_id: goalcast, client_secret_file: %s, prefix: opaque_}
`, issuer.URL(), p.URL, v.secret("client-secret"))
	v.files["partners.yaml"] = fmt.Sprintf(`
- {name: gazette, url: "https://hooks.example.org/partner/%s?key=%s", topics: [all], secrets: [%s],
   secret_files: [%s]}
`, marked("partner-path"), marked("partner-query"), partnerSecret("partner"),
		v.write("partner", partnerSecret("partner-file")+"\n"))
	key, err := x509.MarshalPKCS8PrivateKey(identitytest.RSAKey(0))
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{"type": "service_account", "project_id": "demo",
		"private_key_id": marked("key-id"), "client_email": "goalcast@example.org", "token_uri": p.URL + "/google",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))})
	if err != nil {
		t.Fatal(err)
	}
	v.env = settings{"GOALCAST_LOG_LEVEL=debug", "GOALCAST_DRAIN_TIME=0s", "GOALCAST_FEEDS_OPEN=false",
		"GOALCAST_DATABASE_URL=" + database, "GOALCAST_REDIS_URL=" + redis,
		"GOALCAST_DATABASE_READ_URLS=postgres://reader:" + marked("replica") + "@127.0.0.1:1/goalcast",
		"GOALCAST_FEED_SECRETS_FILE=" + v.write("feeds", feedSecrets("opta", "json", "wsc", "odds")),
		"GOALCAST_ADMIN_TOKENS_FILE=" +
			v.write("tokens", "operator:anna="+marked("operator")+"\nadmin="+marked("admin")),
		"GOALCAST_EDGE_SECRETS_FILE=" + v.write("edges", "partner="+marked("edge")),
		"GOALCAST_UPSTREAM_SECRET=" + marked("upstream"),
		"GOALCAST_IDENTITY_FILE=" + v.write("identity.yaml", v.files["identity.yaml"]),
		"GOALCAST_ODDS_SOURCES_FILE=" + v.write("odds.yaml", v.files["odds.yaml"]),
		"GOALCAST_WSC_PULL_KEY=" + marked("wsc-pull"), "GOALCAST_WSC_PULL_URL=" + p.URL + "/wsc",
		"GOALCAST_WSC_PULL_EVERY=1s",
		"GOALCAST_OPTA_PULL=f1:8:2026", "GOALCAST_OPTA_PULL_USER=" + marked("opta-user"),
		"GOALCAST_OPTA_PULL_PASSWORD=" + marked("opta-password"), "GOALCAST_OPTA_PULL_URL=" + p.URL + "/opta",
		"GOALCAST_OPTA_PULL_EVERY=1s",
		"GOALCAST_BRIGHTCOVE_ACCOUNT=1", "GOALCAST_BRIGHTCOVE_CLIENT_ID=goalcast",
		"GOALCAST_BRIGHTCOVE_CLIENT_SECRET=" + marked("brightcove"),
		"GOALCAST_BRIGHTCOVE_OAUTH_URL=" + p.URL + "/oauth",
		"GOALCAST_BRIGHTCOVE_CMS_URL=" + p.URL + "/cms", "GOALCAST_BRIGHTCOVE_INGEST_URL=" + p.URL + "/ingest",
		"GOALCAST_BRIGHTCOVE_CALLBACK_URL=https://feeds.example.org", "GOALCAST_BRIGHTCOVE_CALLBACK_SECRET=" +
			marked("callback"),
		"GOALCAST_DEVICE_KEYS_FILE=" + v.write("device-keys", "key="+base64.StdEncoding.EncodeToString(
			[]byte(marked("devices-0123456789"))[:seal.KeySize])),
		"GOALCAST_FCM_PROJECT=demo", "GOALCAST_FCM_CREDENTIALS=" + string(account),
		"GOALCAST_APNS_BUNDLE_ID=org.example.goals", "GOALCAST_APNS_KEY_FILE=" + v.write("apns.p8", appleKey()),
		"GOALCAST_APNS_KEY_ID=KEY0123456", "GOALCAST_APNS_TEAM_ID=TEAM012345",
		"GOALCAST_APNS_ENDPOINT=" + p.URL,
		"GOALCAST_WEBPUSH_KEY_FILE=" + v.write("vapid.key", browsersKey()),
		"GOALCAST_WEBPUSH_SUBJECT=https://goals.example.org/about",
		"GOALCAST_WEBPUSH_PAGE=https://goals.example.org/{match}", "GOALCAST_WEBPUSH_ENDPOINT=" + p.URL,
		"GOALCAST_KBC_PUSH_URL=" + p.URL + "/bank", "GOALCAST_KBC_PUSH_TOKEN_URL=" + p.URL + "/bank-oauth",
		"GOALCAST_KBC_PUSH_CLIENT_ID=goalcast", "GOALCAST_KBC_PUSH_CLIENT_SECRET_FILE=" + v.secret("bank"),
		"GOALCAST_PARTNERS_FILE=" + v.write("partners.yaml", v.files["partners.yaml"]),
		"GOALCAST_PARTNERS_ENDPOINT=" + p.URL,
		"GOALCAST_ALARM_WEBHOOK=" + p.URL + "/webhook/" + marked("webhook") + "?key=" + marked("webhook"),
		"GOALCAST_ALARM_WEBHOOK_SECRET=" + marked("webhook-secret"), "GOALCAST_ALARM_JOB_STALE=1s",
	}
	return v
}

// partnerSecret is a secret that requests to a partner are signed with.
func partnerSecret(name string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(marked(name)+"-0123456789"))
}

// appleKey is the text of a .p8 file.
var appleKey = sync.OnceValue(func() string {
	p8, _ := apnstest.Key()
	return string(p8)
})

// appleKeyLines are the lines of that key.
func appleKeyLines() []string {
	lines := strings.Split(strings.TrimSpace(appleKey()), "\n")
	return lines[1 : len(lines)-2] // the last one may be short
}

// browsersKey is a private key for pushes to browsers.
var browsersKey = sync.OnceValue(func() string {
	key, _ := webpush.NewKey()
	return key
})

// keyLines are the lines of the key in the service account.
func keyLines(t *testing.T) (lines []string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(identitytest.RSAKey(0))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(base64.StdEncoding.EncodeToString(key)) {
		for ; len(line) >= 32; line = line[32:] {
			lines = append(lines, line[:32])
		}
	}
	return lines[2:] // what all keys begin with is no secret
}

func feedSecrets(feeds ...string) string {
	var pairs []string
	for _, feed := range feeds {
		pairs = append(pairs, feed+"="+marked("feed-"+feed))
	}
	return strings.Join(pairs, "\n")
}

// sources are all the lines of the command's source, where settings are declared.
func sources(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("../cmd/goalcast/*.go")
	if err != nil || len(names) < 20 {
		t.Fatal(names, err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// elsewhere are settings whose secrets are in the starts that fail.
var elsewhere = []string{"GOALCAST_FEED_SECRET", "password_file", "key_file", "certificate_file",
	"credentials_file"}

// TestEverySecretSettingIsWatchedForLeaks: whoever adds a setting that holds a secret gives it a
// place in the tests below.
func TestEverySecretSettingIsWatchedForLeaks(t *testing.T) {
	t.Parallel()
	v := newVault(t, newParrot(t), identitytest.New(t), "postgres://u:"+marked("database")+"@127.0.0.1:1/x",
		"redis://:"+marked("redis")+"@127.0.0.1:1")
	has := map[string]bool{}
	for _, pair := range v.env {
		name, _, _ := strings.Cut(pair, "=")
		has[strings.TrimSuffix(name, "_FILE")] = true
	}
	entries := strings.Join(slices.Collect(maps.Values(v.files)), "\n")
	text, found := sources(t), 0
	for _, m := range regexp.MustCompile("env:\"(GOALCAST_\\w+)\"[^`\n]* secret:\"").FindAllStringSubmatch(text, -1) {
		if found++; !has[m[1]] && !slices.Contains(elsewhere, m[1]) {
			t.Errorf("%s may hold a secret, and no test looks for it", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`yaml:"(\w+_files?)"`).FindAllStringSubmatch(text, -1) {
		if found++; !strings.Contains(entries, " "+m[1]+":") && !slices.Contains(elsewhere, m[1]) {
			t.Errorf("%s may name a file with a secret, and no test looks for it", m[1])
		}
	}
	if found < 20 {
		t.Errorf("only %d settings were found", found)
	}
}

// TestSecretsAreShownNowhere: with a secret in every setting, every service failing in every way,
// wrong tokens and right ones in the wrong places, no secret is in a log, an answer, a metric or a
// profile.
func TestSecretsAreShownNowhere(t *testing.T) {
	t.Parallel()
	l, services, issuer := &leaks{t: t}, newParrot(t), identitytest.New(t)
	l.know(keyLines(t)...)
	l.know(appleKeyLines()...)
	l.know(browsersKey())
	postgres, redis := testservers.NewPostgres(t), testservers.NewRedis(t)
	redis.Do("ACL", "SETUSER", "goalcast", "on", ">"+marked("redis"), "~*", "&*", "+@all")
	database, err := url.Parse(postgres.URL)
	if err != nil {
		t.Fatal(err)
	}
	database.User = url.UserPassword(database.User.Username(), marked("database"))
	v := newVault(t, services, issuer, database.String(), "redis://goalcast:"+marked("redis")+"@"+redis.Addr)
	p := start(t, v.env, "serve")

	edge := launch(t, settings{"GOALCAST_LOG_LEVEL=debug", "GOALCAST_UPSTREAM=" + services.URL,
		"GOALCAST_UPSTREAM_SECRET=" + marked("upstream")}, "edge")

	l.logins(p, issuer)
	l.feeds(p)
	for _, path := range []string{"bus", "matches/match:1"} {
		l.send(http.MethodGet, p.public+"/edge/v1/"+path, bearer(marked("no-edge")), "")
		l.send(http.MethodGet, p.public+"/edge/v1/"+path, bearer(marked("edge")), "")
	}
	l.everyRoute(p)
	for i := range 4 { // each asks the issuer, which is asked again after a second
		waitFor(t, time.Minute, "the issuer to be asked", func() error {
			l.send(http.MethodGet, p.public+"/v1/me/follows", bearer("opaque_"+marked(fmt.Sprint("token-", i))), "")
			return services.answered("introspect")
		})
	}
	hangUp(t, p, v)
	waitFor(t, 3*time.Minute, "all services to have been called", func() error {
		return services.answered("edge", "opta", "wsc", "oauth", "cms", "google", "webhook", "introspect", "socket",
			"events", "lines", "betfair", "uof", "partner", "bank-oauth", "bank")
	})
	l.admin(p)
	l.look("log", p.log.String())
	l.look("an edge's metrics", edge.metrics())
	edge.kill()
	l.look("an edge's log", edge.log.String())

	redis.Do("ACL", "SETUSER", "goalcast", "resetpass", ">another")
	_ = redis.Try("CLIENT", "KILL", "USER", "goalcast")
	postgres.Stop()
	waitFor(t, time.Minute, "goalcast to notice", func() error {
		if status := l.send(http.MethodGet, p.admin+"/readyz", nil, ""); status == http.StatusOK {
			return errors.New("it is ready")
		}
		return nil
	})
	l.everyRoute(p)
	l.admin(p)
	p.kill()
	l.look("log", p.log.String())
	if !strings.Contains(p.log.String(), "WRONGPASS") {
		t.Error("the log has nothing of the password that Redis does not take")
	}
}

// logins shows tokens on every way in that they have.
func (l *leaks) logins(p *process, issuer *identitytest.Server) {
	l.t.Helper()
	login := issuer.Token(identitytest.Claims{"sub": marked("subject"), "groups": []string{"ops"}})
	l.know(strings.Split(login, ".")[1:]...)
	header := bearer(login)
	header.Set("Content-Type", "application/json")
	for _, kind := range []string{"websocket", "stream"} {
		status, text := ask(l.t, http.MethodPost, p.public+"/v1/live/ticket", header, `{"for":"`+kind+`"}`)
		var answer struct{ Ticket string }
		if err := json.Unmarshal([]byte(text), &answer); status != http.StatusCreated || err != nil {
			l.t.Fatalf("%d %s", status, text)
		}
		l.know(answer.Ticket)
		for range 2 {
			l.send(http.MethodGet, p.live("topics=match:1&wait=0s&ticket="+answer.Ticket), nil, "")
		}
	}
	for _, topics := range []string{"match:1", "odds:1", "no-topic"} {
		live := p.live("wait=0s&topics=" + topics)
		l.send(http.MethodGet, live+"&ticket="+marked("ticket"), nil, "")
		l.send(http.MethodGet, live+"&token="+marked("token"), bearer(login), "")
		l.send(http.MethodGet, live, bearer(marked("bearer")), "")
		l.send(http.MethodGet, live, bearer(login+mark), "")
		socket(l.t, live, "goalcast", "bearer."+marked("protocol"))
		socket(l.t, live+"&ticket="+marked("ticket"))
	}
	anonymous := marked("anonymous-user-of-the-app-0123456789")
	device := p.public + "/v1/me/devices/" + marked("phone:0123456789012345678901234567890123456789")
	me := bearer(anonymous)
	me.Set("Content-Type", "application/json")
	// the user's own devices are his to see
	if status, text := ask(l.t, http.MethodPut, device, me, `{"platform":"ios","language":"nl"}`); status/100 != 2 {
		l.t.Fatalf("device: %d %s", status, text)
	}
	if status := l.send(http.MethodPut, p.public+"/v1/me/follows/match:7", me, ""); status/100 != 2 {
		l.t.Fatalf("follow: %d", status)
	}
	customer := p.public + "/v1/me/devices/" + marked("customer")
	if status, text := ask(l.t, http.MethodPut, customer, header, `{"platform":"bank","language":"nl"}`); status/100 != 2 {
		l.t.Fatalf("customer: %d %s", status, text)
	}
	if status := l.send(http.MethodPut, p.public+"/v1/me/follows/match:7", header, ""); status/100 != 2 {
		l.t.Fatalf("follow: %d", status)
	}
	l.send(http.MethodPut, device, me, `{`)
	l.send(http.MethodPost, p.public+"/v1/me/merge", me, `{"anonymous":"`+anonymous+`"}`)
	l.send(http.MethodPost, p.public+"/v1/me/merge", header, `{"anonymous":"`+marked("short")+`"}`)
	l.send(http.MethodGet, p.admin+"/admin/documents", bearer(login), "")
}

// feeds posts documents with secrets in all places, right and wrong, and ones that fail.
func (l *leaks) feeds(p *process) {
	l.t.Helper()
	m := madeUpMatches(l.t)[1]
	opta := optaNow("F7", m.f7)
	opta.header.Set("Authorization", "Bearer "+marked("feed-opta"))
	document, err := p.postTo("opta", opta.header, opta.body)
	if err != nil {
		l.t.Fatal(err)
	}
	applied := func() error {
		var d struct{ State string }
		err := get(fmt.Sprintf("%s/admin/documents/%d", p.admin, document), bearer(marked("operator")), &d)
		if d.State != "applied" {
			return fmt.Errorf("%q: %w", d.State, err)
		}
		return nil
	}
	waitFor(l.t, time.Minute, "the match", applied)
	goal := p.match(m.id).Timeline[0]
	for _, e := range p.match(m.id).Timeline {
		if e.Kind == "goal" {
			goal = e
		}
	}
	clip := fmt.Sprintf(`{"Action":"Create","ActionTime":"2018-08-20T20:40:00Z",
		"ContentId":"65f0c0ffee65f0c0ffee0001","ContentType":"Moment","Content":{"id":"65f0c0ffee65f0c0ffee0001",
		"type":"Moment","title":"The opener","version":1,"status":"Active","createTime":"2018-08-20T20:40:00Z",
		"updateTime":"2018-08-20T20:40:00Z","executionTimeType":"InGame","duration":14,
		"videoRenditions":[{"url":"https://cdn.example.org/wide.mp4","fileType":"Mp4","aspectRatio":"16:9"}],
		"metadata":{"game":{"provider":"Opta","providerId":"%d"},"team":{"provider":"Opta","providerId":"%d"}},
		"labels":[{"title":"Goal","identifier":"goal"}],"extraInfo":{"eventMinute":"%d"}}}`, m.id, goal.Team, goal.Minute)
	if status := l.send(http.MethodPost, p.public+"/feeds/wsc", http.Header{"X-Api-Key": {marked("feed-wsc")},
		"Content-Type": {"application/json"}}, clip); status != http.StatusOK {
		l.t.Fatalf("clip: %d", status)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	scored := fmt.Sprintf(`{"time":%q,"match":7,"fixture":{"competition":{"id":5,"name":"Coastal League"},
		"home":{"id":71,"name":"Port Amber"},"away":{"id":72,"name":"Saltmarsh"},"kickoff":%[1]q},
		"events":[{"id":"whistle","kind":"period","period":"first_half","at":%[1]q}]}`, now)
	for _, secret := range []string{marked("feed-json"), marked("wrong")} {
		for _, feed := range []string{"json", "opta", "wsc", "odds", "none"} {
			for _, body := range []string{scored, "{", "<x", ""} {
				to := p.public + "/feeds/" + feed
				l.send(http.MethodPost, to, bearer(secret), body)
				l.send(http.MethodPost, to+"?key="+secret, http.Header{"Cookie": {"token=" + secret}}, body)
				l.send(http.MethodPost, to, http.Header{"X-Api-Key": {secret}}, body)
				l.send(http.MethodPost, to, http.Header{"Authorization": {"Basic " +
					base64.StdEncoding.EncodeToString([]byte("u:"+secret))}}, body)
			}
		}
	}
	l.send(http.MethodPost, p.public+"/callbacks/brightcove/"+marked("forged")+"/1", nil, "{}")
}

// everyRoute asks for all that is described, with tokens that are wrong, right, and in the wrong
// places.
func (l *leaks) everyRoute(p *process) {
	l.t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		l.t.Fatal(err)
	}
	in := url.Values{}
	for _, name := range []string{"token", "access_token", "key", "ticket", "secret", "password"} {
		in.Set(name, marked("query"))
	}
	paths := regexp.MustCompile(`(?m)^  (/\S+):$`).FindAllStringSubmatch(string(text), -1)
	if len(paths) < 30 {
		l.t.Fatalf("only %d paths", len(paths))
	}
	for _, m := range paths {
		base := p.public
		if strings.HasPrefix(m[1], "/admin/") {
			base = p.admin
		}
		to := base + regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(m[1], "1")
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			l.send(method, to+"?"+in.Encode(), nil, "{")
			l.send(method, to, bearer(marked("no-token")), "{}")
			l.send(method, to, http.Header{"Authorization": {marked("no-scheme")}}, "{}")
			l.send(method, to, bearer(marked("operator")), "{")
		}
	}
}

// admin asks the admin address for all that it shows.
func (l *leaks) admin(p *process) {
	l.t.Helper()
	paths := []string{"/healthz", "/readyz", "/readyz?role=nobody", "/metrics", "/debug/pprof/",
		"/debug/pprof/symbol", "/admin/documents?limit=100", "/admin/alarms?state=all", "/admin/queues",
		"/admin/audit?limit=100", "/admin/audit/export", "/admin/audit/verify", "/admin/config", "/console/",
		"/console/login"}
	for _, name := range []string{"goroutine", "heap", "allocs", "block", "mutex", "threadcreate"} {
		paths = append(paths, "/debug/pprof/"+name+"?debug=1", "/debug/pprof/"+name+"?debug=2")
	}
	for id := 1; id <= 20; id++ {
		paths = append(paths, fmt.Sprint("/admin/documents/", id), fmt.Sprintf("/admin/documents/%d/body", id))
	}
	for _, queue := range []string{"upload", "check", "batch", "push", "clips", "pushes"} {
		paths = append(paths, "/admin/queues/"+queue+"/dead")
	}
	for _, path := range paths {
		l.send(http.MethodGet, p.admin+path, bearer(marked("admin")), "")
	}
	if status := l.send(http.MethodGet, p.admin+"/debug/pprof/cmdline", nil, ""); status != http.StatusNotFound {
		l.t.Errorf("cmdline: %d", status)
	}
	l.send(http.MethodPost, p.admin+"/console/login", http.Header{"Content-Type": {"application/x-www-form-urlencoded"},
		"Origin": {p.admin}}, "token="+marked("guess"))
}

// hangUp has goalcast read files of secrets that are wrong.
func hangUp(t *testing.T, p *process, v *vault) {
	t.Helper()
	for i, text := range []string{marked("nobody"), "json=" + mark, "=" + marked("nameless")} {
		v.write("feeds", text)
		v.write("tokens", text)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 20*time.Second, "the files to be read", func() error {
			if n := strings.Count(p.log.String(), "SIGHUP: files of secrets"); n <= i {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
	}
}

// TestAStartThatFailsShowsNoSecret: what is wrong is said, and what was configured is not.
func TestAStartThatFailsShowsNoSecret(t *testing.T) {
	t.Parallel()
	l, services := &leaks{t: t}, newParrot(t)
	folder := t.TempDir()
	file := func(text string) string {
		t.Helper()
		f, err := os.CreateTemp(folder, "")
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	odds := func(entry string) []string {
		return []string{"GOALCAST_ODDS_SOURCES_FILE=" + file("- {name: a, priority: 1, "+entry+"}\n")}
	}
	issuers := func(entry string) []string {
		return []string{"GOALCAST_IDENTITY_FILE=" + file("issuers: [{name: a, "+entry+"}]\n")}
	}
	secret, held := marked("anything"), file(marked("held"))
	for name, env := range map[string][]string{
		"database away":      {"GOALCAST_DATABASE_URL=postgres://u:" + secret + "@127.0.0.1:1/x?sslmode=disable"},
		"database's scheme":  {"GOALCAST_DATABASE_URL=mysql://u:" + secret + "@127.0.0.1/x"},
		"database's escapes": {"GOALCAST_DATABASE_URL=postgres://u:" + secret + "%zz@127.0.0.1/x"},
		"database's port":    {"GOALCAST_DATABASE_URL=postgres://u:" + secret + "@127.0.0.1:port/x"},
		"database's option":  {"GOALCAST_DATABASE_URL=postgres://u:" + secret + "@127.0.0.1:1/x?sslmode=" + secret},
		"database twice":     {"GOALCAST_DATABASE_URL=" + secret, "GOALCAST_DATABASE_URL_FILE=" + held},
		"database's file":    {"GOALCAST_DATABASE_URL_FILE=" + held},
		"replica's scheme":   {"GOALCAST_DATABASE_READ_URLS=sqlite:" + secret},
		"replica of a file":  {"GOALCAST_DATABASE_READ_URLS=postgres://u:" + secret + "@127.0.0.1/x"},
		"replica's escapes":  {"GOALCAST_DATABASE_READ_URLS=postgres://u:" + secret + "%zz@127.0.0.1/x"},
		"redis's scheme":     {"GOALCAST_REDIS_URL=http://:" + secret + "@127.0.0.1:1"},
		"redis's escapes":    {"GOALCAST_REDIS_URL=redis://:" + secret + "%zz@127.0.0.1:1"},
		"redis's database":   {"GOALCAST_REDIS_URL=redis://:" + secret + "@127.0.0.1:1/" + secret},
		"sentinel's master":  {"GOALCAST_REDIS_URL=redis+sentinel://:" + secret + "@127.0.0.1:1"},
		"a feed's pair":      {"GOALCAST_FEED_SECRETS=" + secret},
		"a feed's name":      {"GOALCAST_FEED_SECRETS==" + secret},
		"a short secret":     {"GOALCAST_FEED_SECRETS=json=" + mark},
		"no role":            {"GOALCAST_ADMIN_TOKENS=emperor=" + secret},
		"no token":           {"GOALCAST_ADMIN_TOKENS=" + secret},
		"a token's name":     {"GOALCAST_ADMIN_TOKENS=admin:a b=" + secret},
		"a short token":      {"GOALCAST_ADMIN_TOKENS=admin=" + mark},
		"a list of pulls":    {"GOALCAST_OPTA_PULL=f1", "GOALCAST_OPTA_PULL_PASSWORD=" + secret},
		"half a login":       {"GOALCAST_OPTA_PULL=f1:8:2026", "GOALCAST_OPTA_PULL_USER=" + secret},
		"half an account":    {"GOALCAST_BRIGHTCOVE_ACCOUNT=1", "GOALCAST_BRIGHTCOVE_CLIENT_SECRET=" + secret},
		"short for callbacks": {"GOALCAST_BRIGHTCOVE_CALLBACK_URL=https://a.example.org",
			"GOALCAST_BRIGHTCOVE_CALLBACK_SECRET=" + mark},
		"credentials":       {"GOALCAST_FCM_PROJECT=demo", "GOALCAST_FCM_CREDENTIALS=" + secret},
		"credentials' kind": {"GOALCAST_FCM_PROJECT=demo", `GOALCAST_FCM_CREDENTIALS={"type":"` + secret + `"}`},
		"credentials' key": {"GOALCAST_FCM_PROJECT=demo", `GOALCAST_FCM_CREDENTIALS={"type":"service_account",
			"client_email":"a@example.org","private_key":"` + secret + `"}`},
		"an app's credentials": {"GOALCAST_FCM_PROJECTS_FILE=" + file("- {name: a, project: demo-app, "+
			"credentials_file: "+held+"}\n")},
		"a key for Apple": {"GOALCAST_APNS_BUNDLE_ID=org.example.goals", "GOALCAST_APNS_KEY=" + secret,
			"GOALCAST_APNS_KEY_ID=KEY0123456", "GOALCAST_APNS_TEAM_ID=TEAM012345"},
		"a key for browsers": {"GOALCAST_WEBPUSH_SUBJECT=https://goals.example.org/about",
			"GOALCAST_WEBPUSH_PAGE=https://goals.example.org/", "GOALCAST_WEBPUSH_KEY=" + secret},
		"the bank's client": {"GOALCAST_KBC_PUSH_URL=https://push.example.org",
			"GOALCAST_KBC_PUSH_CLIENT_SECRET=" + secret},
		"the bank's address":   {"GOALCAST_KBC_PUSH_URL=https://goalcast:" + secret + "@push.example.org"},
		"the webhook's scheme": {"GOALCAST_ALARM_WEBHOOK=ftp://alarms.example.org/" + secret},
		"the webhook":          {"GOALCAST_ALARM_WEBHOOK=https://alarms.example.org/%zz" + secret},
		"a setting's name":     {"GOALCAST_FEED_SECRET_JSON=" + secret},
		"no client secret":     issuers("kind: introspection, client_secret: " + secret),
		"a file of two lines":  issuers("kind: introspection, client_secret_file: " + file(secret+"\n"+secret+"\n")),
		"introspection": issuers("kind: introspection, introspection_url: 'http://id.example.org', " +
			"client_secret_file: " + held),
		"a partner's secret": {"GOALCAST_PARTNERS_FILE=" + file("- {name: a, secrets: [whsec_"+secret+"]}")},
		"a partner's address": {"GOALCAST_PARTNERS_FILE=" + file("- {name: a, url: 'http://a.example.org/"+secret+
			"', topics: [all], secrets: ["+partnerSecret("start")+"]}")},
		"a token in the open": odds("kind: uof, token: " + secret),
		"a list of headers":   odds("kind: sse, url: 'https://a.example.org', header_files: [" + secret + "]"),
		"an address's scheme": odds("kind: sse, url_file: " + file("ftp://a.example.org/"+secret)),
		"an address":          odds("kind: json, url_file: " + file("https://%zz"+secret)),
		"a certificate": odds("kind: betfair, user: u, app_key_file: " + held + ", password_file: " + held +
			", certificate_file: " + held + ", key_file: " + held),
	} {
		status, said := l.run(folder, env, "serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0")
		if status == 0 || said == "" {
			t.Errorf("%s: status %d, %q", name, status, said)
		}
		l.look(name, said)
	}
	for _, args := range [][]string{
		{"serve", "--feed-secrets=" + mark}, {"serve", "--admin-tokens=" + secret}, {"serve", "--redis-url=" + secret},
		{"migrate", "--database-url=postgres://u:" + secret + "@127.0.0.1:1/x"},
		{"simulate", "--secret=" + secret, "--url=" + services.URL + "/feeds", "--speed=600", "--matches=1"},
	} {
		status, said := l.run(folder, nil, args...)
		if status == 0 || said == "" {
			t.Errorf("%s: status %d, %q", args, status, said)
		}
		l.look(args[0]+" "+strings.SplitN(args[1], "=", 2)[0], said)
	}
}

// run starts goalcast, which has to end by itself, and returns its status and all that it printed.
func (l *leaks) run(folder string, env []string, args ...string) (status int, said string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), goRace)
	cmd.Env = append(cmd.Env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		l.t.Errorf("%v does not end: %s", args[0], tail(out.String(), 2000))
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		l.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}
