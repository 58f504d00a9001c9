package rest_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"goalcast"
	"goalcast/docs"
)

func mustJSON(text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "not JSON: " + string(text)
	}
	return v
}

// Every route is described, and every description has a route.
func TestDescriptionHasEveryRoute(t *testing.T) {
	h := open(t)
	if err := h.desc.doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Error(err)
	}
	var served, described []string
	for _, handler := range []http.Handler{h.server.Public(), h.server.Admin()} {
		err := chi.Walk(handler.(chi.Routes), func(method, route string, _ http.Handler,
			_ ...func(http.Handler) http.Handler) error {
			served = append(served, method+" "+route)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, item := range h.desc.doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served:\n%s\ndescribed:\n%s", strings.Join(served, "\n"), strings.Join(described, "\n"))
	}
	if len(served) < 20 {
		t.Errorf("only %d routes", len(served))
	}
}

// The check itself finds what is wrong: a missing field, a field too many, a wrong type, in depth,
// a status or media type that is not described.
func TestDescriptionCheckCanFail(t *testing.T) {
	h := open(t)
	good := h.get(t, "/v1/matches/1009316")
	req, err := http.NewRequest(http.MethodGet, h.public.URL+"/v1/matches/1009316", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new string }{
		{"nothing", "", ""},
		{"field too many", `{"id":1009316,`, `{"id":1009316,"goals":3,`},
		{"field missing", `"state":"live",`, ``},
		{"wrong type", `"timeline":[`, `"timeline":["x",`},
		{"too many in depth", `"assist":{`, `"assist":{"age":4,`},
		{"unknown word", `"type":"yellow"`, `"type":"blue"`},
	} {
		bad := good
		bad.body = []byte(strings.Replace(string(good.body), tt.old, tt.new, 1))
		err := h.desc.errorIn(req, bad)
		if (err != nil) != (tt.old != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	odd := good
	odd.header = good.header.Clone()
	odd.header.Set("Content-Type", "text/html")
	if h.desc.errorIn(req, odd) == nil {
		t.Error("text/html was taken")
	}
	odd = good
	odd.status = http.StatusTeapot
	if h.desc.errorIn(req, odd) == nil {
		t.Error("a match as an error was taken")
	}
}

// Every operation answers well once; with the check in ask that is every schema of an answer.
func TestEveryOperation(t *testing.T) {
	h := open(t, withBrowsers)
	h.documents[7] = document(7)
	h.with(func() { h.states, h.texts = append(statsOf(1009316), tableOf(23, "2018")), textsOf(fullMatch()) })
	h.with(func() { h.figures.Event, h.figures.Planned = "opta:1", kickoff })
	asyncapi := http.StatusOK
	if _, err := fs.Stat(docs.Files, "asyncapi.yaml"); err != nil {
		asyncapi = http.StatusNotFound
	}
	for _, tt := range []struct {
		method, path, body, auth string
		status                   int
	}{
		{"GET", "/v1/matches?date=2026-05-17", "", "", 200},
		{"GET", "/v1/matches/1009316", "", "", 200},
		{"GET", "/v1/teams/174", "", "", 200},
		{"GET", "/v1/competitions/23?date=2026-05-17&tz=Europe/Brussels", "", "", 200},
		{"GET", "/v1/competitions/23?date=2026-06-17&days=31", "", "", 200},
		{"GET", "/v1/matches/1009316/commentary?lang=nl&limit=1", "", "", 200},
		{"GET", "/v1/matches/1009316/odds", "", "", 200},
		{"GET", "/v1/matches/1009316/timeline?limit=2", "", "", 200},
		{"GET", "/v1/matches/1009316/lineups", "", "", 200},
		{"GET", "/v1/matches/1009316/stats", "", "", 200},
		{"GET", "/v1/matches/1009316/card.svg?lang=nl", "", "", 200},
		{"GET", "/v1/matches/1009316/card.html?lang=nl", "", "", 200},
		{"GET", "/v1/oembed?maxwidth=300&url=http%3A%2F%2F" + strings.TrimPrefix(h.public.URL, "http://") +
			"%2Fv1%2Fmatches%2F1009316", "", "", 200},
		{"GET", "/v1/teams/174/calendar.ics", "", "", 200},
		{"GET", "/v1/matches/1009316/clips?country=BE", "", "", 200},
		{"GET", "/v1/matches/1009316/deltas/4", "", "", 200},
		{"GET", "/v1/teams/174/squad?competition=23&season=2018", "", "", 200},
		{"GET", "/v1/competitions/23/standings?season=2018", "", "", 200},
		{"GET", "/v1/competitions/23/standings?live=true", "", "", 200},
		{"GET", "/v1/competitions?limit=1", "", "", 200},
		{"GET", "/v1/competitions/23/seasons", "", "", 200},
		{"GET", "/v1/players/5", "", "", 200},
		{"GET", "/v1/search?q=po&limit=2", "", "", 200},
		{"GET", "/v1/openapi.yaml", "", "", 200},
		{"GET", "/v1/asyncapi.yaml", "", "", asyncapi},
		{"GET", "/docs", "", "", 200},
		{"GET", "/docs/swagger-ui.css", "", "", 200},
		{"PUT", "/v1/me/devices/" + phone, `{"platform":"android","language":"nl-BE"}`, anna, 204},
		{"PUT", "/v1/me/devices/customer_1000001", `{"platform":"bank","language":"nl"}`, anna, 501},
		{"PUT", "/v1/me/subscriptions", subscription, anna, 200},
		{"GET", "/v1/me/subscriptions", "", anna, 200},
		{"DELETE", "/v1/me/subscriptions/0123456789abcdefghijkl", "", anna, 204},
		{"GET", "/v1/me", "", anna, 200},
		{"GET", "/v1/me/devices", "", anna, 200},
		{"DELETE", "/v1/me/devices/" + phone, "", anna, 204},
		{"PUT", "/v1/me/follows/team:174", "", anna, 204},
		{"GET", "/v1/me/follows", "", anna, 200},
		{"PUT", "/v1/me/follows/team:174/preferences", `{"kinds":{"goals":false}}`, anna, 204},
		{"GET", "/v1/me/follows/team:174/preferences", "", anna, 200},
		{"PUT", "/v1/me/preferences", quiet("22:30", "07:00", "Europe/Brussels", "hold"), anna, 204},
		{"GET", "/v1/me/preferences", "", anna, 200},
		{"POST", "/v1/me/receipts", receipt("opta:1", 1, h.clock.now()), anna, 200},
		{"POST", "/v1/receipts/made-by-us?shown_at=" + "2026-05-17T18:41:00Z", "", "", 204},
		{"DELETE", "/v1/me/follows/team:174", "", anna, 204},
		{"POST", "/admin/messages", `{"topic":"match:1009316","body":{"text":"Rain."}}`, editorToken, 202},
		{"GET", "/admin/documents?provider=opta&feed=f9&match=1009316" +
			"&state=applied&from=2026-05-17T00:00:00Z&to=2026-05-18T00:00:00Z&limit=3", "", operatorToken, 200},
		{"PUT", "/admin/names", `{"names":[{"kind":"team","id":174,"language":"nl","name":"Haven"}]}`, editorToken, 200},
		{"GET", "/admin/names?kind=team&id=174&language=nl&limit=1", "", editorToken, 200},
		{"GET", "/admin/documents/7", "", operatorToken, 200},
		{"GET", "/admin/pushes?limit=1", "", operatorToken, 200},
		{"GET", "/admin/pushes/opta:1", "", operatorToken, 200},
		{"GET", "/admin/documents/7/body", "", operatorToken, 200},
		{"POST", "/admin/documents/7/replay", "", operatorToken, 200},
	} {
		var headers []string
		if tt.auth != "" {
			headers = append(headers, as(tt.auth))
		}
		h.with(func() { h.process = applied })
		if a := h.ask(t, tt.method, tt.path, tt.body, headers...); a.status != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, a.status, a.body)
		}
		if tt.auth != "" { // and without a token, a 401 that is described
			h.ask(t, tt.method, tt.path, tt.body).problem(t, http.StatusUnauthorized, "unauthorized")
		}
	}
}

// Clips of both kinds, where a player has them and where only their cutter does, are in the match
// that answers are checked with, with every field there is: so the description has every field.
func TestDescriptionHasEveryFieldOfClips(t *testing.T) {
	h := open(t)
	unseen := map[string]bool{}
	clip := reflect.TypeFor[goalcast.Clip]()
	for i := range clip.NumField() {
		name, _, _ := strings.Cut(clip.Field(i).Tag.Get("json"), ",")
		unseen[name] = true
	}
	var answer struct {
		Timeline []struct{ Clip map[string]any }
	}
	if err := json.Unmarshal(h.get(t, "/v1/matches/1009316").body, &answer); err != nil {
		t.Fatal(err)
	}
	for _, e := range answer.Timeline {
		for name := range e.Clip {
			delete(unseen, name)
		}
	}
	if len(unseen) > 0 {
		t.Errorf("in no answer: %v", unseen)
	}
}
