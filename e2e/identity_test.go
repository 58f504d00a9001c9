package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/identity/identitytest"
)

// identityFile writes a file that knows an issuer's tokens, and has settings name it.
func identityFile(t *testing.T, issuer *identitytest.Server, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity.yaml")
	text := fmt.Sprintf(`issuers:
  - name: club
    kind: oidc
    issuer: %s
    audiences: [goalcast]
    roles: {operator: {claim: groups, values: [ops]}}
    odds: {claim: age18, values: [true]}
%s`, issuer.URL(), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "GOALCAST_IDENTITY_FILE=" + path
}

// socket opens a WebSocket and waits for hello; or says with which status it was refused.
func socket(t *testing.T, url string, protocols ...string) (*websocket.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, res, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: protocols})
	if err != nil {
		if res == nil {
			t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	t.Cleanup(func() { c.CloseNow() })
	if f := frameOf(t, c); f.Type != goalcast.FrameHello {
		t.Fatalf("%+v", f)
	}
	return c, http.StatusSwitchingProtocols
}

func frameOf(t *testing.T, c *websocket.Conn) (f goalcast.Frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A login is the same on every way in, at any process: a ticket that one process gave out another
// takes, once. Nothing of it is in a log.
func TestLoginsOnEveryWayIn(t *testing.T) {
	t.Parallel()
	issuer := identitytest.New(t)
	s := startClustered(t, identityFile(t, issuer, ""), "GOALCAST_ODDS_PUBLIC=false")
	fan, punter := issuer.Token(identitytest.Claims{"sub": "ann"}), issuer.Token(identitytest.Claims{"age18": true})
	const odds = "topics=odds:1"
	for token, want := range map[string]int{fan: 403, punter: 101, fan + "x": 401} {
		if _, status := socket(t, s.hub.live(odds), "goalcast", "bearer."+token); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	header := func(token string) http.Header {
		h := bearer(token)
		h.Set("Content-Type", "application/json")
		return h
	}
	ticket := func(kind string) string {
		t.Helper()
		status, text := ask(t, http.MethodPost, s.ingest.public+"/v1/live/ticket", header(punter), `{"for":"`+kind+`"}`)
		var answer struct{ Ticket string }
		if err := json.Unmarshal([]byte(text), &answer); status != http.StatusCreated || err != nil {
			t.Fatalf("%d %s", status, text)
		}
		return answer.Ticket
	}
	once, stream := ticket("websocket"), ticket("stream")
	for _, want := range []int{101, 401} {
		if _, status := socket(t, s.hub.live(odds+"&ticket="+once)); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	poll := s.hub.live(odds + "&wait=0s&ticket=" + stream)
	for range 2 {
		if status, text := ask(t, http.MethodGet, poll, nil, ""); status != http.StatusOK {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, _ := ask(t, http.MethodDelete, s.ingest.public+"/v1/live/ticket", header(punter), ""); status != 204 {
		t.Errorf("%d", status)
	}
	if status, text := ask(t, http.MethodGet, poll, nil, ""); status != http.StatusUnauthorized {
		t.Errorf("a revoked ticket: %d %s", status, text)
	}
	// the same login administers, if its claims say so
	ops := issuer.Token(identitytest.Claims{"groups": []string{"ops"}})
	for token, want := range map[string]int{ops: 200, fan: 403} {
		if status, text := ask(t, http.MethodGet, s.ingest.admin+"/admin/alarms", bearer(token), ""); status != want {
			t.Errorf("%d %s, want %d", status, text, want)
		}
	}
	for _, p := range []*process{s.ingest, s.hub} {
		told := p.log.String() + p.metrics()
		for _, secret := range []string{once, stream, fan, punter, ops, strings.Split(punter, ".")[1]} {
			if strings.Contains(told, secret) {
				t.Errorf("a secret is told: %s", tail(told, 2000))
			}
		}
	}
}

// A login that ends on an open socket is told, renewed, and else ended. The issuer may be down.
func TestALoginEndsOnAnOpenSocket(t *testing.T) {
	t.Parallel()
	issuer := identitytest.New(t)
	p := start(t, onFile(t, identityFile(t, issuer, "")), "serve")
	short := func() string { return issuer.Token(identitytest.Claims{"exp": time.Now().Add(8 * time.Second).Unix()}) }
	kept, _ := socket(t, p.live("topics=match:1"), "goalcast", "bearer."+short())
	left, _ := socket(t, p.live("topics=match:1"), "goalcast", "bearer."+short())
	issuer.Down(true) // its keys are known
	next := func(c *websocket.Conn, kind goalcast.FrameType) goalcast.Frame {
		for {
			if f := frameOf(t, c); f.Type == kind {
				return f
			}
		}
	}
	end := next(kept, goalcast.FrameExpiring).Expires
	long := issuer.Token(nil)
	if err := kept.Write(t.Context(), websocket.MessageText, []byte(`{"type":"auth","token":"`+long+`"}`)); err != nil {
		t.Fatal(err)
	}
	if f := next(kept, goalcast.FrameRenewed); f.Expires < end+1_000_000 {
		t.Errorf("%+v", f)
	}
	if f := next(left, goalcast.FrameBye); f.Reason != goalcast.ByeExpired || time.Now().UnixMilli() < end-2000 {
		t.Errorf("%+v", f)
	}
	if err := kept.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping","id":"1"}`)); err != nil {
		t.Fatal(err)
	}
	for next(kept, goalcast.FramePong).ID != "1" { // a keep-alive may come before
	}
}
