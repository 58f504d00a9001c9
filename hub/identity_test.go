package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

// people is an identity whose tokens say who it is: "fan", "punter" (who may see prices), "member"
// and "guest" (who may see a private competition each, and prices), "away" (that cannot be known),
// "fan-3s" and "punter-3s" (for so long); anybody else is nobody. Tickets are tokens with the word
// "once" or "stream" in front.
type people struct{ used *sync.Map }

func (p people) Verify(_ context.Context, token string) (goalcast.Person, error) {
	name, span, _ := strings.Cut(token, "-")
	person := goalcast.Person{User: goalcast.UserID(name), Login: true, Role: goalcast.Viewer}
	if span != "" {
		d, err := time.ParseDuration(span)
		if err != nil {
			return goalcast.Person{}, goalcast.ErrUnauthorized
		}
		person.Expires = time.Now().Add(d)
	}
	switch name {
	case "fan":
	case "punter":
		person.Rights = goalcast.RightOdds
	case "member":
		person.Rights = goalcast.RightOdds | memberRight
	case "guest":
		person.Rights = goalcast.RightOdds | goalcast.PrivateRight(1)
	case "away":
		return goalcast.Person{}, goalcast.ErrUnavailable
	default:
		return goalcast.Person{}, goalcast.ErrUnauthorized
	}
	return person, nil
}

func (p people) Ticket(ctx context.Context, ticket string, once bool) (goalcast.Person, error) {
	kind, token, _ := strings.Cut(ticket, ":")
	if kind != map[bool]string{true: "once", false: "stream"}[once] {
		return goalcast.Person{}, goalcast.ErrUnauthorized
	}
	if _, again := p.used.LoadOrStore(ticket, true); again && once {
		return goalcast.Person{}, goalcast.ErrUnauthorized
	}
	return p.Verify(ctx, token)
}

// watcher is a WebSocket of somebody.
type watcher struct {
	coderViewer
	t *testing.T
}

// watch opens a WebSocket with headers, "Name: value"; or says with which status it is refused.
func watch(t *testing.T, n *node, query string, headers ...string) (*watcher, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	o := &websocket.DialOptions{HTTPHeader: http.Header{}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		o.HTTPHeader.Add(name, value)
	}
	c, res, err := websocket.Dial(ctx, n.web.URL+"?"+query, o)
	if err != nil {
		if res == nil {
			t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	t.Cleanup(func() { c.CloseNow() })
	return &watcher{coderViewer{c}, t}, http.StatusSwitchingProtocols
}

func (w *watcher) say(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	if err := w.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// hears waits for a frame of a type.
func (w *watcher) hears(kind goalcast.FrameType) goalcast.Frame {
	w.t.Helper()
	all := until(w.t, w, kind)
	var f goalcast.Frame
	if err := json.Unmarshal([]byte(all[len(all)-1].raw), &f); err != nil {
		w.t.Fatal(err)
	}
	return f
}

func TestWhoAViewerIs(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, NoOdds: true}, false)
	for _, c := range []struct {
		name, query string
		header      string
		socket      int
		stream      int
	}{
		{"nobody", "topics=match:1", "", 101, 200},
		{"nobody, odds", "topics=odds:1", "", 403, 403},
		{"fan", "topics=match:1", "Authorization: Bearer fan", 101, 200},
		{"fan, odds", "topics=odds:1", "Authorization: Bearer fan", 403, 403},
		{"punter", "topics=odds:1,match:1", "Authorization: bearer punter", 101, 200},
		{"basic", "topics=match:1", "Authorization: Basic eDp5", 101, 200},
		{"bad", "topics=match:1", "Authorization: Bearer eve", 401, 401},
		{"empty", "topics=match:1", "Authorization: Bearer ", 101, 200}, // a header's end is trimmed on its way
		{"away", "topics=match:1", "Authorization: Bearer away", 503, 200},
		{"subprotocol", "topics=odds:1", "Sec-WebSocket-Protocol: goalcast, bearer.punter", 101, 403},
		{"subprotocol, another order", "topics=odds:1", "Sec-WebSocket-Protocol: bearer.punter,goalcast", 101, 403},
		{"bad subprotocol", "topics=match:1", "Sec-WebSocket-Protocol: goalcast, bearer.eve", 401, 200},
		{"ticket for a socket", "topics=odds:1&ticket=once:punter", "", 101, 401},
		{"the same ticket", "topics=odds:1&ticket=once:punter", "", 401, 401},
		{"ticket for a stream", "topics=odds:1&ticket=stream:punter", "", 401, 200},
		{"the same again", "topics=odds:1&ticket=stream:punter", "", 401, 200},
		{"a made-up ticket", "topics=match:1&ticket=x", "", 401, 401},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		w, status := watch(t, n, c.query, headers...)
		if status != c.socket {
			t.Errorf("%s: WebSocket %d, want %d", c.name, status, c.socket)
		}
		if w != nil {
			f := w.hears(goalcast.FrameHello)
			if f.Expires != 0 {
				t.Errorf("%s: expires %d", c.name, f.Expires)
			}
			if want := strings.Contains(c.header, "goalcast"); (w.Subprotocol() == "goalcast") != want {
				t.Errorf("%s: subprotocol %q", c.name, w.Subprotocol())
			}
			w.CloseNow()
		}
		for accept, want := range map[string]int{"text/event-stream": c.stream, "application/json": c.stream} {
			if want == 200 && c.name == "away" && accept == "application/json" {
				want = 503
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.web.URL+"?wait=0s&"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", accept)
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				req.Header.Set(name, value)
			}
			res, err := n.web.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want {
				t.Errorf("%s, %s: %d, want %d", c.name, accept, res.StatusCode, want)
			}
			if got := res.Header.Get("WWW-Authenticate"); (want == 401) != strings.Contains(got, "invalid_token") {
				t.Errorf("%s, %s: WWW-Authenticate %q", c.name, accept, got)
			}
			cancel()
			res.Body.Close()
		}
	}
}

// Whoever only asks keeps the ticket.
func TestAskingUsesNoTicketUp(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}}, false)
	res, err := n.web.Client().Get(n.web.URL + "?check=1&topics=match:1&ticket=once:fan")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if _, status := watch(t, n, "topics=match:1&ticket=once:fan"); res.StatusCode != 204 || status != 101 {
		t.Errorf("%d, then %d", res.StatusCode, status)
	}
}

// What was known at the handshake holds for later subscriptions.
func TestRightsHoldLater(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, NoOdds: true}, false)
	for token, want := range map[string]goalcast.FrameType{"fan": goalcast.FrameError,
		"punter": goalcast.FrameSnapshot} {
		w, _ := watch(t, n, "topics=match:1", "Authorization: Bearer "+token)
		w.hears(goalcast.FrameSnapshot)
		w.say(`{"type":"subscribe","topics":["odds:1"],"id":"7"}`)
		if f := w.hears(want); want == goalcast.FrameError && (f.Code != goalcast.CodeForbidden || f.ID != "7") {
			t.Errorf("%s: %+v", token, f)
		}
	}
}

// A token's end is told ahead, and then the connection ends, whichever way it was made.
func TestATokenEnds(t *testing.T) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprint("portable ", portable), func(t *testing.T) {
			n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, Portable: portable}, false)
			w, _ := watch(t, n, "topics=match:1", "Authorization: Bearer fan-2s")
			began := time.Now()
			hello := w.hears(goalcast.FrameHello)
			if left := time.UnixMilli(hello.Expires).Sub(began); left <= 0 || left > 2*time.Second {
				t.Errorf("it ends in %s", left)
			}
			if f := w.hears(goalcast.FrameExpiring); f.Expires < hello.Expires || f.Expires > hello.Expires+1000 {
				t.Errorf("hello %d, expiring %d", hello.Expires, f.Expires)
			}
			bye := w.hears(goalcast.FrameBye)
			if time.Now().UnixMilli() < hello.Expires || bye.Reason != goalcast.ByeExpired || bye.Retry <= 0 {
				t.Errorf("bye %+v", bye)
			}
			if _, err := w.next(t); websocket.CloseStatus(err) != websocket.StatusCode(goalcast.CloseExpired) {
				t.Errorf("%v", err)
			}
			wait(t, "it to be counted", func() bool { return n.metric(t, "goalcast_hub_closed_total", "expired") == 1 })
			stream := rawSSE(t, n, "GET /?topics=match:1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"+
				"Authorization: Bearer fan-2s\r\n\r\n")
			until(t, stream, goalcast.FrameExpiring)
			if all := until(t, stream, goalcast.FrameBye); all[len(all)-1].Reason != goalcast.ByeExpired {
				t.Errorf("%s", all[len(all)-1].raw)
			}
		})
	}
}

func TestATokenIsRenewed(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, NoOdds: true}, false)
	w, _ := watch(t, n, "topics=match:1,odds:1", "Authorization: Bearer punter-4s")
	end := w.hears(goalcast.FrameHello).Expires
	w.hears(goalcast.FrameExpiring)
	for token, want := range map[string]goalcast.Code{"eve": goalcast.CodeUnauthorized,
		"away": goalcast.CodeUnavailable, "fan": goalcast.CodeForbidden, "": goalcast.CodeUnauthorized} {
		w.say(`{"type":"auth","token":"` + token + `","id":"a1"}`)
		if f := w.hears(goalcast.FrameError); f.Code != want || f.ID != "a1" {
			t.Errorf("%q: %+v", token, f)
		}
	}
	w.say(`{"type":"auth","token":"punter-1h","id":"a2"}`)
	if f := w.hears(goalcast.FrameRenewed); f.ID != "a2" || f.Expires < time.Now().Add(50*time.Minute).UnixMilli() {
		t.Errorf("%+v", f)
	}
	for time.Now().UnixMilli() < end+1500 { // it lives on
		w.say(`{"type":"ping"}`)
		w.hears(goalcast.FramePong)
		time.Sleep(50 * time.Millisecond)
	}
	w.say(`{"type":"auth","token":"punter-40s","id":"a2"}`) // the wheel has just passed, mostly
	w.hears(goalcast.FrameRenewed)
	w.say(`{"type":"auth","token":"punter-3s","id":"a2"}`)
	short := w.hears(goalcast.FrameRenewed).Expires
	if f := w.hears(goalcast.FrameExpiring); f.Expires < short || time.Now().UnixMilli() > short+500 {
		t.Errorf("told of %d at %d: %+v", short, time.Now().UnixMilli(), f)
	}
	w.say(`{"type":"auth","token":"punter","id":"a3"}`) // for ever
	if f := w.hears(goalcast.FrameRenewed); f.ID != "a3" || f.Expires != 0 {
		t.Errorf("%+v", f)
	}
	if got := n.metric(t, "goalcast_hub_closed_total", "expired"); got != 0 {
		t.Errorf("%v ended", got)
	}
}

// Where nobody is known, tokens are not looked at.
func TestWithoutIdentity(t *testing.T) {
	n := start(t, newWorld(), hub.Config{}, false)
	w, status := watch(t, n, "topics=match:1&ticket=x", "Authorization: Bearer eve")
	if status != 101 {
		t.Fatal(status)
	}
	w.say(`{"type":"auth","token":"fan","id":"a1"}`)
	if f := w.hears(goalcast.FrameError); f.Code != goalcast.CodeBadFrame {
		t.Errorf("%+v", f)
	}
}
