package goalcast_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"

	"goalcast"
)

// texts makes plain texts of words of any type.
func texts[T ~string](words []T) []string {
	out := make([]string, 0, len(words))
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

// pick makes a list of something of each row.
func pick[Row any, T ~string](rows []Row, get func(Row) (T, bool)) []string {
	var out []string
	for _, row := range rows {
		if v, ok := get(row); ok {
			out = append(out, string(v))
		}
	}
	return out
}

func kindNames() []string {
	return pick(goalcast.Kinds, func(k goalcast.KindInfo) (goalcast.Kind, bool) { return k.Kind, true })
}

// declared are the values of all constants of a type in a file of this package.
func declared(t *testing.T, file, typ string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range parsed.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
				continue
			}
			for _, value := range v.Values {
				out = append(out, strings.Trim(value.(*ast.BasicLit).Value, `"`))
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no constants of type %s", file, typ)
	}
	return out
}

// same says what of two lists stands in one only; the order makes no difference.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: %q is missing", what, w)
		}
	}
	for i, g := range got {
		if !slices.Contains(want, g) || slices.Index(got, g) != i {
			t.Errorf("%s: %q is too much", what, g)
		}
	}
}

// TestTablesAreComplete holds the tables to the constants that there are.
func TestTablesAreComplete(t *testing.T) {
	same(t, "Kinds", kindNames(), declared(t, "kind.go", "Kind"))
	same(t, "ServerFrames and ClientFrames", texts(slices.Concat(goalcast.ServerFrames, goalcast.ClientFrames)),
		declared(t, "wire.go", "FrameType"))
	codes := pick(goalcast.Codes, func(c goalcast.CodeInfo) (goalcast.Code, bool) { return c.Code, true })
	same(t, "Codes", codes, declared(t, "wire.go", "Code"))
	byes := pick(goalcast.Codes, func(c goalcast.CodeInfo) (goalcast.Code, bool) { return c.Code, !c.Final })
	same(t, "ResetReasons and ByeReasons", texts(slices.Concat(goalcast.ResetReasons, goalcast.ByeReasons)),
		append(declared(t, "wire.go", "Reason"), byes...))
	var closing []string
	for _, c := range goalcast.CloseCodes {
		closing = append(closing, fmt.Sprint(c))
	}
	same(t, "CloseCodes", closing, declared(t, "wire.go", "CloseCode"))
	for i, info := range goalcast.TopicKinds {
		if int(info.Kind) != i+1 || info.Kind.Info() != &goalcast.TopicKinds[i] {
			t.Errorf("the row of topics %q is not at its number, %d", info.Name, info.Kind)
		}
		if info.Kind.HasStates() != (len(info.States) > 0) || !info.Events && info.Matches != goalcast.NoMatches {
			t.Errorf("topics %q: matches without events", info.Name)
		}
	}
	if next := goalcast.TopicKind(len(goalcast.TopicKinds) + 1); next.Info().Name != "" ||
		!strings.Contains(next.String(), "(") {
		t.Errorf("there is a kind of topic %d", next)
	}
}

// TestKindsHaveTheirDetail holds the table to Event and to the events of the reducer's files, of
// which each kind needs one.
func TestKindsHaveTheirDetail(t *testing.T) {
	details := map[string]int{} // by JSON name: the field's index
	event := reflect.TypeFor[goalcast.Event]()
	for i := range event.NumField() {
		name, _, _ := strings.Cut(event.Field(i).Tag.Get("json"), ",")
		details[name] = i
	}
	samples := map[goalcast.Kind][]goalcast.Event{}
	for _, c := range reducerCases() {
		for _, e := range c.Events {
			samples[e.Kind] = append(samples[e.Kind], e)
		}
	}
	owner := map[string]bool{}
	for _, info := range goalcast.Kinds {
		owner[info.Detail] = info.Detail != ""
	}
	for _, info := range goalcast.Kinds {
		if len(samples[info.Kind]) == 0 {
			t.Errorf("%s: reducer_test.go has no event of it", info.Kind)
		}
		if _, there := details[info.Detail]; info.Detail != "" && !there {
			t.Errorf("%s: Event has no field %q", info.Kind, info.Detail)
		}
		for _, e := range samples[info.Kind] {
			for name, i := range details {
				if set := !reflect.ValueOf(e).Field(i).IsZero(); owner[name] && set != (name == info.Detail) {
					t.Errorf("%s: %s: field %q is set: %v", info.Kind, e.ID, name, set)
				}
			}
			if info.Kind.Is(goalcast.Sided) && e.Team == 0 {
				t.Errorf("%s: %s: no team", info.Kind, e.ID)
			}
		}
		for place, in := range placesOf(samples[info.Kind]) {
			if in != (place == info.Place) {
				t.Errorf("%s: is in %s: %v; want %s", info.Kind, place, in, info.Place)
			}
		}
	}
}

// placesOf is where the first of these events ends up.
func placesOf(events []goalcast.Event) map[goalcast.Place]bool {
	if len(events) == 0 {
		return nil
	}
	s := goalcast.Apply(goalcast.Snapshot{}, events[0])
	return map[goalcast.Place]bool{goalcast.PlaceTimeline: len(s.Timeline) > 0,
		goalcast.PlaceLineups: len(s.Lineups) > 0,
		goalcast.PlaceFixture: s.FixtureRevision > 0, goalcast.PlaceNone: s.ID == 0}
}

// document is a YAML file of docs/.
func document(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(asJSON, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at goes down a document by keys.
func down(t *testing.T, doc any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := doc.(map[string]any)
		if !ok || m[k] == nil {
			t.Fatalf("no %s in %v", k, keys)
		}
		doc = m[k]
	}
	return doc
}

// wordsAt is the list at a place; the empty word of an enum is left out.
func wordsAt(t *testing.T, doc any, keys ...string) []string {
	t.Helper()
	var out []string
	for _, v := range down(t, doc, keys...).([]any) {
		if v != "" {
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

// TestDescriptionsHaveTheTables holds the lists in docs/asyncapi.yaml and
// docs/openapi.yaml to the tables.
func TestDescriptionsHaveTheTables(t *testing.T) {
	async, open := document(t, "asyncapi.yaml"), document(t, "openapi.yaml")
	schemas := down(t, async, "components", "schemas")
	property := func(schema, name, list string) []string {
		return wordsAt(t, schemas, schema, "properties", name, list)
	}
	same(t, "asyncapi: kinds", property("Event", "kind", "x-extensible-enum"), kindNames())
	same(t, "openapi: kinds", wordsAt(t, open, "components", "schemas", "Event", "properties", "kind", "enum"),
		kindNames())
	same(t, "asyncapi: reasons of a reset", property("reset", "reason", "x-extensible-enum"),
		texts(goalcast.ResetReasons))
	same(t, "asyncapi: reasons of a bye", property("bye", "reason", "x-extensible-enum"), texts(goalcast.ByeReasons))
	same(t, "asyncapi: codes of an error", property("error", "code", "x-extensible-enum"), pick(goalcast.Codes,
		func(c goalcast.CodeInfo) (goalcast.Code, bool) { return c.Code, c.InFrame }))
	same(t, "asyncapi: statuses", property("Event", "status", "enum"), declared(t, "event.go", "Status"))
	same(t, "asyncapi: delays", property("Delay", "type", "enum"), declared(t, "kind.go", "DelayType"))
	same(t, "asyncapi: periods", wordsAt(t, schemas, "Period", "enum"), declared(t, "match.go", "Period"))
	same(t, "asyncapi: match states", wordsAt(t, schemas, "MatchState", "enum"), declared(t, "match.go", "MatchState"))
	same(t, "asyncapi: goals", wordsAt(t, schemas, "Event", "properties", "goal", "properties", "type", "enum"),
		declared(t, "kind.go", "GoalType"))
	same(t, "asyncapi: cards", wordsAt(t, schemas, "Event", "properties", "card", "properties", "type", "enum"),
		declared(t, "kind.go", "CardType"))
	same(t, "asyncapi: ends of a bet", wordsAt(t, schemas, "Event", "properties", "settlement", "properties", "results",
		"items", "properties", "result", "enum"), declared(t, "settlement.go", "SettlementWord"))
	for _, name := range []string{"asyncapi: details", "openapi: details"} {
		fields := down(t, map[string]any{"asyncapi: details": async, "openapi: details": open}[name], "components",
			"schemas", "Event", "properties").(map[string]any)
		for _, info := range goalcast.Kinds {
			if info.Detail != "" && fields[info.Detail] == nil {
				t.Errorf("%s: %s has no field %q", name, info.Kind, info.Detail)
			}
		}
	}
	var frames []string
	for name := range down(t, async, "components", "messages").(map[string]any) {
		frames = append(frames, name)
	}
	same(t, "asyncapi: messages", frames, texts(slices.Concat(goalcast.ServerFrames, goalcast.ClientFrames)))
	for operation, want := range map[string][]goalcast.FrameType{"watch": goalcast.ServerFrames,
		"ask": goalcast.ClientFrames} {
		var refs []string
		for _, ref := range down(t, async, "operations", operation, "messages").([]any) {
			refs = append(refs, strings.TrimPrefix(ref.(map[string]any)["$ref"].(string), "#/channels/live/messages/"))
		}
		same(t, "asyncapi: "+operation, refs, texts(want))
	}
	names := pick(goalcast.TopicKinds, func(k goalcast.TopicInfo) (string, bool) { return k.Name, true })
	if got, want := down(t, schemas, "Topic", "pattern"), "^("+strings.Join(names, "|")+"):[1-9][0-9]*$"; got != want {
		t.Errorf("asyncapi: topics %s, want %s", got, want)
	}
	followed := pick(goalcast.TopicKinds, func(k goalcast.TopicInfo) (string, bool) { return k.Name, k.Events })
	if got, want := down(t, open, "components", "schemas", "Topic", "pattern"), "^("+strings.Join(followed, "|")+
		"):[1-9][0-9]*$"; got != want {
		t.Errorf("openapi: topics %s, want %s", got, want)
	}
	about := down(t, async, "info", "description").(string)
	for _, c := range goalcast.CloseCodes {
		if !strings.Contains(about, fmt.Sprint(c)) {
			t.Errorf("asyncapi: close code %d is not told", c)
		}
	}
}

// TestGuideHasTheTables holds docs/wire.md to the tables.
func TestGuideHasTheTables(t *testing.T) {
	text, err := os.ReadFile("docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	need := func(what, row string) {
		t.Helper()
		if !strings.Contains(guide, row) {
			t.Errorf("docs/wire.md: %s: no %q", what, row)
		}
	}
	for _, c := range goalcast.Codes {
		if c.Status > 0 && c.Code != goalcast.CodeMethod { // which is no client's mistake but a developer's
			need("refusals", fmt.Sprintf("| `%s` | %d | %s |", c.Code, c.Status,
				map[bool]string{true: "no", false: "yes"}[c.Final]))
		}
		if c.InFrame {
			need("codes of error frames", "`"+string(c.Code)+"`")
		}
	}
	_, closing, _ := strings.Cut(guide, "Close codes of a WebSocket")
	for _, c := range goalcast.CloseCodes {
		if !strings.Contains(closing, fmt.Sprint(c)) {
			t.Errorf("docs/wire.md: close code %d is not told", c)
		}
	}
	for _, f := range slices.Concat(goalcast.ServerFrames, goalcast.ClientFrames) {
		if !strings.Contains(guide, "`"+string(f)+"`") && !strings.Contains(guide, `"type":"`+string(f)+`"`) {
			t.Errorf("docs/wire.md: frames of type %s are not told", f)
		}
	}
	for _, info := range goalcast.TopicKinds {
		need("topics", "`"+info.Name+":ID`")
		for _, key := range info.States {
			row := "| `" + info.Name + ":ID` | `" + key
			if key == "" {
				row = "| `" + info.Name + ":ID` | the provider's"
			}
			need("states", row)
		}
	}
}

// TestGuideTellsReasonsOfGates: docs/wire.md has a row for each.
func TestGuideTellsReasonsOfGates(t *testing.T) {
	guide, err := os.ReadFile("docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(guide), "## Prices and their gate")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, reason := range goalcast.GateReasons {
		if !strings.Contains(table, "`"+string(reason)+"`") {
			t.Errorf("docs/wire.md: the reason %s is not told", reason)
		}
	}
}

// TestFilesOfTheTables holds what is made of the tables to them: the form of each refusal, which
// tests of clients play, and what clients/js knows of kinds, topics and codes.
func TestFilesOfTheTables(t *testing.T) {
	for file, want := range map[string][]byte{"testdata/refusals.json": refusalsFile(t),
		"clients/js/tables.js": scriptFile(t)} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the tables say (%v); go test . -update writes it", file, err)
		}
	}
}

func refusalsFile(t *testing.T) []byte {
	var out bytes.Buffer
	comma := "[\n"
	for _, c := range goalcast.Codes {
		if c.Status == 0 || c.Code == goalcast.CodeMethod { // no client asks with another method
			continue
		}
		fmt.Fprintf(&out, "%s  {\"code\": %s, \"final\": %s, \"status\": %d}", comma, compact(t, c.Code),
			compact(t, c.Final), c.Status)
		comma = ",\n"
	}
	out.WriteString("\n]\n")
	return out.Bytes()
}

func compact(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scriptFile is clients/js/tables.js.
func scriptFile(t *testing.T) []byte {
	var out strings.Builder
	out.WriteString("// tables.js: what the hub's tables say (kind.go, topic.go, wire.go). Written by `go test . " +
		"-update`; not to be\n// changed by hand.\n")
	table := func(about, name string, rows func(row func(key string, value any))) {
		fmt.Fprintf(&out, "\n/** %s */\nexport const %s = {\n", about, name)
		rows(func(key string, value any) { fmt.Fprintf(&out, "  %s: %s,\n", key, script(compact(t, value))) })
		out.WriteString("};\n")
	}
	type kind struct {
		Detail string         `json:"detail,omitempty"`
		Place  goalcast.Place `json:"place"`
		Push   goalcast.Push  `json:"push"`
		Sided  bool           `json:"sided"`
		Played bool           `json:"played"`
		Listed bool           `json:"listed"`
	}
	table("The kinds of event.", "kinds", func(row func(string, any)) {
		for _, k := range goalcast.Kinds {
			row(string(k.Kind), kind{k.Detail, k.Place, k.Push, k.Kind.Is(goalcast.Sided), k.Kind.Is(goalcast.Played),
				k.Kind.Is(goalcast.Listed)})
		}
	})
	type topic struct {
		Events  bool             `json:"events"`
		Matches goalcast.Matches `json:"matches"`
		States  []string         `json:"states"`
	}
	table("The kinds of topic. A state's key that ends with a / is followed by more; an empty one stands for any.",
		"topicKinds", func(row func(string, any)) {
			for _, k := range goalcast.TopicKinds {
				row(k.Name, topic{k.Events, k.Matches, append([]string{}, k.States...)})
			}
		})
	table("The types of frame, by who sends them.", "frameTypes", func(row func(string, any)) {
		row("hub", goalcast.ServerFrames)
		row("client", goalcast.ClientFrames)
	})
	type code struct {
		Status  int  `json:"status"`
		InFrame bool `json:"inFrame"`
		Final   bool `json:"final"`
	}
	table("Why the hub refuses something. What is not final may be right a little later.", "codes",
		func(row func(string, any)) {
			for _, c := range goalcast.Codes {
				row(string(c.Code), code{c.Status, c.InFrame, c.Final})
			}
		})
	table("Why a stream cannot be resumed, and why it ends.", "reasons", func(row func(string, any)) {
		row("reset", goalcast.ResetReasons)
		row("bye", goalcast.ByeReasons)
	})
	return []byte(out.String())
}

// script writes JSON as the rest of clients/js is written.
func script(text string) string {
	for _, r := range [][2]string{{`{"`, `{ "`}, {`}`, ` }`}, {`":`, `": `}, {`,"`, `, "`}} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ { // keys without quotes, words in single ones
		if text[i] != '"' {
			out.WriteByte(text[i])
			continue
		}
		end := i + 1 + strings.IndexByte(text[i+1:], '"')
		if strings.HasPrefix(text[end+1:], ":") {
			out.WriteString(text[i+1 : end])
		} else {
			out.WriteString("'" + text[i+1:end] + "'")
		}
		i = end
	}
	return out.String()
}
