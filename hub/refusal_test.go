package hub_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// refusalForm is one line of testdata/refusals.json: in which form a reason is told. Tests of
// clients play it to them.
type refusalForm struct {
	Code  string `json:"code"`
	Final bool   `json:"final"`
	// of a handshake, a poll, a check; of an event stream too if it is final, else
	// that is 200 with a bye
	Status int `json:"status"`
}

func refusalForms(t *testing.T) []refusalForm {
	t.Helper()
	text, err := os.ReadFile("../testdata/refusals.json")
	if err != nil {
		t.Fatal(err)
	}
	var forms []refusalForm
	if err := json.Unmarshal(text, &forms); err != nil {
		t.Fatal(err)
	}
	return forms
}

// askAs asks as a client of one kind does, and leaves reading to the caller.
func askAs(t *testing.T, n *node, kind, query, origin, token string) *http.Response {
	t.Helper()
	if kind == "check" {
		query += "&check=1"
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.web.URL+"/v1/live?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case "sse":
		req.Header.Set("Accept", "text/event-stream")
	case "websocket":
		for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			req.Header.Set(name, value)
		}
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := n.web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestRefusalsSayWhatToDoNext: each reason in each form. One that may be over later never looks
// final to the client that gets it, and the other way round.
func TestRefusalsSayWhatToDoNext(t *testing.T) {
	enter := func(t *testing.T, n *node) {
		until(t, dialCoder(t, n, query("match:5", goalcast.Cursor{})), goalcast.FrameSnapshot)
	}
	causes := map[string][]struct {
		name, query, origin, token string
		cfg                        hub.Config
		before                     func(*testing.T, *node)
		world                      func() *world
	}{
		"full": {
			{name: "node", cfg: hub.Config{MaxConns: 1}, before: enter},
			{name: "address", cfg: hub.Config{MaxConnsPerIP: 1}, before: enter},
		},
		"rate":     {{name: "handshakes", cfg: hub.Config{HandshakeRate: .001, HandshakeMax: 1}, before: enter}},
		"draining": {{name: "drain", before: func(t *testing.T, n *node) { _ = n.Drain(t.Context()) }}},
		"starting": {{name: "not yet", before: nil}},
		"unavailable": {
			{name: "identity", token: "away", cfg: hub.Config{Identity: people{}}},
		},
		"replays_full": {{name: "one", query: "topics=match:1&replay=kickoff", cfg: hub.Config{MaxReplays: 1},
			world: haltingWorld, before: func(t *testing.T, n *node) {
				until(t, dialCoder(t, n, replayOf(1, 1)), goalcast.FrameEvent)
			}}},
		"no_replay": {
			{name: "no match", query: "topics=match:9&replay=kickoff"},
			{name: "not over", query: "topics=match:2&replay=kickoff", world: haltingWorld},
			{name: "too long", query: "topics=match:1&replay=kickoff", world: endlessWorld},
		},
		"forbidden": {{name: "odds", query: "topics=odds:1", cfg: hub.Config{NoOdds: true}},
			{name: "odds, known", query: "topics=odds:1", token: "fan",
				cfg: hub.Config{NoOdds: true, Identity: people{}}}},
		"unauthorized": {{name: "token", token: "nobody", cfg: hub.Config{Identity: people{}}}},
		"bad_topic": {{name: "kind", query: "topics=match:1,foo:2"},
			{name: "letters", query: "topics=m,a,t,c,h"},
			{name: "replay of two", query: "topics=match:1,match:2&replay=kickoff"},
			{name: "replay of prices", query: "topics=odds:1&replay=kickoff"}},
		"too_many_topics": {{name: "three", query: "topics=match:1,match:2,match:3", cfg: hub.Config{MaxTopics: 2}}},
		"bad_cursor":      {{name: "since", query: "topics=match:1&since=!"}},
		"bad_parameter": {{name: "wait", query: "topics=match:1&wait=soon"}, {name: "query", query: "topics=%zz"},
			{name: "conflate", query: "topics=match:1&conflate_ms=-1"},
			{name: "replay", query: "topics=match:1&replay=half_time"},
			{name: "speed", query: "topics=match:1&replay=kickoff&speed=61"},
			{name: "fraction", query: "topics=match:1&replay=kickoff&speed=1.5"},
			{name: "live speed", query: "topics=match:1&speed=2"}},
		"bad_origin": {{name: "page", origin: "https://evil.example",
			cfg: hub.Config{Origins: []string{"good.example"}}}},
	}
	for _, form := range refusalForms(t) {
		if len(causes[form.Code]) == 0 {
			t.Errorf("%s is not tried", form.Code)
		}
		for _, cause := range causes[form.Code] {
			t.Run(form.Code+"/"+cause.name, func(t *testing.T) {
				t.Parallel()
				cfg := cause.cfg
				cfg.RetrySpread = 3 * time.Second
				w := newWorld()
				if cause.world != nil {
					w = cause.world()
				}
				cfg.Replay = w.Told
				var n *node
				if form.Code == "starting" {
					n = unstarted(t, w, cfg)
				} else {
					n = start(t, w, cfg, false)
				}
				if cause.before != nil {
					cause.before(t, n)
				}
				topics := cause.query
				if topics == "" {
					topics = "topics=match:1"
				}
				for _, kind := range []string{"websocket", "poll", "sse", "check"} {
					if kind == "poll" && strings.Contains(topics, "replay=kickoff") {
						checkRefusal(t, kind, askAs(t, n, kind, topics, "", ""),
							refusalForm{Code: "bad_parameter", Final: true, Status: 400})
						continue
					}
					res := askAs(t, n, kind, topics, cause.origin, cause.token)
					checkRefusal(t, kind, res, form)
				}
			})
		}
	}
}

func checkRefusal(t *testing.T, kind string, res *http.Response, form refusalForm) {
	t.Helper()
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	if temporary := seconds >= 1 && seconds <= 4 &&
		res.Header.Get("Access-Control-Expose-Headers") == "Retry-After"; temporary == form.Final {
		t.Errorf("%s: Retry-After %q", kind, res.Header.Get("Retry-After"))
	}
	if res.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("%s: a page cannot read why", kind)
	}
	if kind == "sse" && !form.Final {
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || !res.Close {
			t.Errorf("event stream: %s, %v, closes %v; a browser would give up, or keep the connection", res.Status,
				res.Header, res.Close)
		}
		in := bufio.NewReader(res.Body)
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		var f goalcast.Frame
		if len(lines) != 5 || lines[1] != "event: bye" || json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")),
			&f) != nil ||
			lines[0] != "retry: "+strconv.FormatInt(f.Retry, 10) || string(f.Reason) != form.Code || f.Retry < 500 ||
			f.Retry > 3500 {
			t.Errorf("event stream: %q", text)
		}
		return
	}
	var p struct {
		Type, Title, Code, Detail string
		Status                    int
		RequestID                 string `json:"request_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil ||
		res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %v, %v", kind, res.Header, err)
	}
	if res.StatusCode != form.Status || p.Status != form.Status || p.Code != form.Code || p.Detail == "" ||
		p.Type != "about:blank" || p.Title == "" ||
		p.RequestID == "" || p.RequestID != res.Header.Get("X-Request-Id") {
		t.Errorf("%s: %s %+v, want %+v", kind, res.Status, p, form)
	}
}

// A match that cannot be read is no reason to give up: not for an event stream, and not once the
// handshake is over.
func TestUnavailableLooksTemporary(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.down = errors.New("database away")
	n := start(t, w, hub.Config{RetrySpread: 3 * time.Second}, false)
	for _, kind := range []string{"websocket", "poll", "sse"} {
		checkRefusal(t, kind, askAs(t, n, kind, "topics=match:1", "", ""),
			refusalForm{Code: "unavailable", Status: 503})
	}
}

// Who asks whether it would be let in takes no place, waits for nothing, and may follow nothing.
func TestCheckLetsNobodyIn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	n := start(t, w, hub.Config{MaxConns: 1, HandshakeRate: .001, HandshakeMax: 1}, false)
	for range 3 {
		for _, query := range []string{"topics=match:1", "x=1"} {
			if res := askAs(t, n, "check", query, "", ""); res.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %s", query, res.Status)
			}
		}
	}
	if w.read("match:1") != 0 || n.metric(t, "goalcast_hub_handshakes_total", "") != 0 {
		t.Error("a question was taken for a viewer")
	}
	dialCoder(t, n, url.Values{"topics": {"match:1"}})
}

// docs/wire.md has a row for each code, and says of each what is true.
func TestRefusalsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range refusalForms(t) {
		row := "| `" + form.Code + "` | " + strconv.Itoa(form.Status) + " | "
		if form.Final {
			row += "no"
		} else {
			row += "yes"
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/wire.md has no %q", row)
		}
	}
}
