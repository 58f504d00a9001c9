package rest_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"goalcast"
	"goalcast/rest"
)

// Environment variables of TestGeneratedRequests: how many requests, 10,000 unless it says so, and
// the seed that a failure printed.
const (
	generatedCount = "GOALCAST_GENERATED"
	generatedSeed  = "GOALCAST_GENERATED_SEED"
)

// Whatever is asked, of whatever path, by whomever: nothing ends in an error of ours, and every
// answer is as it is described.
func TestGeneratedRequests(t *testing.T) {
	count, seed := 10_000, uint64(time.Now().UnixNano())
	if text := os.Getenv(generatedCount); text != "" {
		count, _ = strconv.Atoi(text)
	}
	if text := os.Getenv(generatedSeed); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("%d requests, %s=%d", count, generatedSeed, seed)
	h, issuer := openWithIssuer(t, func(c *rest.Config, d *rest.Deps) {
		wide := rest.Rate{PerMinute: 1e7, Burst: 1e7}
		c.UserRate, c.IPRate, c.DeviceRate = wide, wide, wide
		d.Tickets, d.Browsers, c.Bank = &shelf{}, toBrowsers{}, true
	})
	h.desc.known = map[[sha256.Size]byte]bool{} // to check an answer takes longer than to make it
	h.with(func() {
		h.states, h.texts = statsOf(1009316), textsOf(fullMatch())
		h.documents[7] = document(7)
		h.process = applied
	})
	g := generator{Rand: rand.New(rand.NewPCG(seed, 1)), callers: []string{"", "let-me-in", anna, editorToken,
		operatorToken, "admin-token-0123456789"}}
	for _, role := range goalcast.Roles {
		g.callers = append(g.callers, issuer.Token(claims{"role": role.String(), "sub": "s" + role.String()}))
	}
	for path, item := range h.desc.doc.Paths.Map() {
		for method, op := range item.Operations() {
			g.operations = append(g.operations, operation{method, path, op, item})
		}
	}
	slices.SortFunc(g.operations, func(a, b operation) int {
		return strings.Compare(a.path+a.method, b.path+b.method)
	})
	statuses, answered := map[int]int{}, map[string]bool{}
	for n := range count {
		h.with(func() { h.audits = h.audits[:min(len(h.audits), 50)] }) // or its export grows without end
		op := g.operations[n%len(g.operations)]                         // each in turn
		method, target, body, headers := g.request(op)
		a, err := serve(h, method, target, body, headers)
		statuses[a.status]++
		if a.status < 300 {
			answered[op.method+" "+op.path] = true
		}
		asked := op.path == "/v1/oembed" && a.status == http.StatusNotImplemented // for a format that there is not
		if err != nil || a.status >= 500 && !asked {
			t.Fatalf("request %d of seed %d: %s %s %v %q\n%d %.600s\n%v", n, seed, method, target, headers, body,
				a.status, a.body, err)
		}
	}
	t.Logf("statuses %v; %d different answers; %d of %d operations were done", statuses, len(h.desc.known),
		len(answered), len(g.operations))
	if len(answered)*4 < len(g.operations)*3 || statuses[http.StatusBadRequest] == 0 ||
		statuses[http.StatusForbidden] == 0 {
		t.Errorf("these requests ask for little: %d of %d operations, %v", len(answered), len(g.operations), statuses)
	}
}

// serve asks without a network, and holds the answer against the description.
func serve(h *house, method, target, body string, headers map[string]string) (answer, error) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	handler := h.server.Public()
	if strings.HasPrefix(r.URL.Path, "/admin") {
		handler = h.server.Admin()
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	r.Body = io.NopCloser(strings.NewReader(body))
	query := r.URL.Query() // one with an empty value is one that is not there
	for name := range query {
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	r.URL.RawQuery = query.Encode()
	return a, h.desc.errorIn(r, a)
}

// operation is one of the description.
type operation struct {
	method, path string
	op           *openapi3.Operation
	item         *openapi3.PathItem
}

// generator makes requests from the description: most of them right, all others wrong in one way or
// another.
type generator struct {
	*rand.Rand
	operations []operation
	callers    []string
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// one says yes once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func (g *generator) request(o operation) (method, target, body string, headers map[string]string) {
	path, query, headers := o.path, url.Values{}, map[string]string{}
	for _, p := range slices.Concat(o.item.Parameters, o.op.Parameters) {
		v := p.Value
		switch v.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+v.Name+"}", url.PathEscape(g.text(v.Name, v.Schema.Value)))
		case "query":
			if v.Required != g.one(8) || !v.Required && g.one(4) {
				query.Add(v.Name, g.text(v.Name, v.Schema.Value))
			}
		case "header":
			if g.one(4) {
				headers[v.Name] = pick(g, "*", `"x"`, `W/"y", "z"`, "", "nl-BE, fr;q=0.5")
			}
		}
	}
	if g.one(20) {
		query.Add(pick(g, "limit", "after", "lang", "x", "date"), g.garbage())
	}
	target = path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	if token := pick(g, g.callers...); token != "" {
		headers["Authorization"] = pick(g, "Bearer ", "Bearer ", "Bearer ", "Bearer ", "Basic ", "") + token
	}
	if g.one(2) && strings.HasPrefix(o.path, "/admin") { // often enough by somebody who may
		headers["Authorization"] = "Bearer admin-token-0123456789"
	}
	if b := o.op.RequestBody; b != nil && !g.one(12) {
		headers["Content-Type"] = pick(g, "application/json", "application/json", "application/json",
			"application/json; charset=utf-8", "text/plain", "")
		body = g.body(b.Value.Content["application/json"].Schema.Value)
	}
	method = o.method
	if g.one(30) {
		method = pick(g, "GET", "POST", "PUT", "DELETE", "PATCH")
	}
	return method, target, body, headers
}

// known are values that mean something to the house.
var known = map[string][]string{
	"id": {"1009316", "1009316", "174", "23", "7", "5"}, "seq": {"3", "4", "13", "14", "999"},
	"token": {phone}, "topic": {"team:174", "match:1009316", "competition:23"}, "q": {"port", "po am", "été", "zz"},
	"tz": {"UTC", "Europe/Brussels"}, "market": {"1x2", "ou:2.5"}, "selection": {"home"},
	"after": {"opta:1", "team:174", "1779042600000-1009316", "2"}, "queue": {"default"}, "task": {"a"},
	"event": {"1.23"}, "source": {"exchange"},
	"anonymous": {anna, bram}, "language": {"nl", "fr-BE"}, "lang": {"nl", "fr-BE"},
	"kind": {"team", "competition"}, "season": {"2025", "2018"}, "at": {"2026-05-17T18:44:01Z"},
}

// text is a value of a parameter: one that fits its schema, one that the house knows, or nonsense.
func (g *generator) text(name string, s *openapi3.Schema) string {
	if g.one(12) {
		return g.garbage()
	}
	if list := known[name]; list != nil && !g.one(6) {
		return pick(g, list...)
	}
	return strings.Trim(fmt.Sprint(g.value(s)), `"`)
}

func (g *generator) garbage() string {
	return pick(g, "", "x", "0", "-1", "01", "99999999999999999999", "2026-02-30", "é", "\x00", "\xff\xfe", "%",
		"../..", "a/b", "match:0", "' OR 1=1 --", strings.Repeat("9", 200), "null", "1e3", "🏳️", " ", "a;b", "[]")
}

// value fits a schema, or nearly.
func (g *generator) value(s *openapi3.Schema) any {
	switch {
	case s == nil:
		return nil
	case len(s.Enum) > 0:
		return pick(g, s.Enum...)
	case s.Format == "date-time":
		return pick(g, "2026-05-17T18:44:01Z", "2026-05-17T20:44:01.5+02:00")
	case s.Format == "date":
		return pick(g, "2026-05-17", "2026-05-18", "2100-12-31", "1999-01-01")
	case s.Type.Includes("integer"):
		low, high := 0.0, 1000.0
		if s.Min != nil {
			low = *s.Min
		}
		if s.Max != nil {
			high = *s.Max
		}
		return int64(low) + g.Int64N(int64(high-low)+1)
	case s.Type.Includes("boolean"):
		return g.one(2)
	case s.Type.Includes("object"):
		return g.object(s)
	case s.Type.Includes("array"):
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.value(s.Items.Value))
		}
		return list
	}
	return pick(g, "nl", "opta", "team:174", "0123456789abcdefABCDEF", "a b", "Ω", strings.Repeat("k", 1+g.IntN(60)))
}

func (g *generator) object(s *openapi3.Schema) map[string]any {
	o := map[string]any{}
	for name, p := range s.Properties {
		if slices.Contains(s.Required, name) == g.one(15) {
			continue
		}
		o[name] = g.value(p.Value)
		if list := known[name]; list != nil && !g.one(5) && p.Value.Type.Includes("string") {
			o[name] = pick(g, list...)
		}
	}
	if g.one(15) {
		o["surprise"] = g.garbage()
	}
	return o
}

// body is JSON for a schema, cut off or replaced now and then.
func (g *generator) body(s *openapi3.Schema) string {
	text, err := json.Marshal(g.value(s))
	if err != nil {
		panic(err)
	}
	switch {
	case g.one(15):
		return string(text[:g.IntN(len(text)+1)])
	case g.one(15):
		return pick(g, "[]", "null", "7", "{}", "\xff", `{"a":{"a":{"a":[]}}}`, strings.Repeat("[", 5000),
			`"`+strings.Repeat("x", 20_000)+`"`)
	}
	return string(text)
}
