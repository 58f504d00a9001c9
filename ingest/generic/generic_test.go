package generic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/generic"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
	"goalcast/store"
)

// example is the document in docs/providers.md, so that what people copy from there works.
func example(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatal("no example in docs/providers.md")
	}
	return found[1]
}

func read(body string) (merge.Reading, error) {
	return generic.New().Read(goalcast.Document{Provider: generic.Name, Body: []byte(body)})
}

func TestExampleInTheDocumentation(t *testing.T) {
	body := example(t)
	feed, match := generic.New().Describe(nil, body)
	r, err := read(string(body))
	if err != nil || feed != "MATCH" || match != 9000000001 || len(r.Matches) != 1 || r.Matches[0].Match != match ||
		r.Source != "json" || r.Version.Time.IsZero() {
		t.Fatalf("%s %d %+v, %v", feed, match, r, err)
	}
	kinds := map[goalcast.Kind]int{}
	for _, e := range r.Matches[0].Facts {
		kinds[e.Kind]++
		if !strings.HasPrefix(e.ID, "json:") || e.Status == "" {
			t.Errorf("%+v", e)
		}
	}
	if kinds[goalcast.KindGoal] != 1 || kinds[goalcast.KindPeriod] != 1 || kinds[goalcast.KindCard] != 1 {
		t.Errorf("kinds %v", kinds)
	}
}

func TestRefusals(t *testing.T) {
	const fixture = `"fixture":{"home":{"id":1},"away":{"id":2}}`
	with := func(events string) string {
		return `{"time":"2026-05-17T14:30:00Z","match":7,` + fixture + `,"events":[` + events + `]}`
	}
	for _, tt := range []struct{ body, want string }{
		{with(""), ""},
		{with(`{"id":"g","kind":"goal","team":1}`), ""},
		{with(`{"id":"g","kind":"goal","team":1}`) + " \n", ""},
		{"", "not a match"},
		{"[]", "not a match"},
		{with("") + "{}", "behind"},
		{`{"match":7,` + fixture + `}`, "time:"},
		{`{"time":"yesterday","match":7}`, "not a match"},
		{`{"time":"2026-05-17T14:30:00Z",` + fixture + `}`, "match:"},
		{`{"time":"2026-05-17T14:30:00Z","match":-7,` + fixture + `}`, "match:"},
		{`{"time":"2026-05-17T14:30:00Z","match":7}`, "fixture:"},
		{`{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":1},"away":{"id":1}}}`, "fixture:"},
		{`{"time":"2026-05-17T14:30:00Z","match":7,"evnets":[],` + fixture + `}`, "evnets"},
		{with(`{"id":"g","kind":"goal"}`), "needs team"},
		{with(`{"id":"","kind":"goal","team":1}`), "id"},
		{with(`{"id":"a b","kind":"goal","team":1}`), "id"},
		{with(`{"id":"g","kind":"clip","team":1}`), "no kind"},
		{with(`{"id":"g","kind":"card","team":1}`), "card.type"},
		{with(`{"id":"g","kind":"goal","team":1,"status":"maybe"}`), "status"},
		{with(`{"id":"g","kind":"goal","team":1,"minute":-1}`), "minute"},
		{with(`{"id":"g","kind":"goal","team":1,"period":"third"}`), "no period"},
		{with(`{"id":"g","kind":"goal","team":1},{"id":"g","kind":"goal","team":1}`), "events[1]"},
	} {
		_, err := read(tt.body)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.body, err, tt.want)
		}
	}
}

// What is wrong is told with the place where it stands, and what is wanted there.
func TestErrorsNameTheField(t *testing.T) {
	const begin = `{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":1},"away":{"id":2}},"events":[{"id":"a","kind":"goal","team":1},`
	for _, tt := range []struct{ body, field, want string }{
		{begin + `{"id":"b","kind":"goal","team":1,"minute":"soon"}]}`, "events[1].minute",
			`whole number, at most 9007199254740991, not "soon"`},
		{begin + `{"id":"b","kind":"goal","team":1,"minute":3.5}]}`, "events[1].minute", "not 3.5"},
		{begin + `{"id":"b","kind":"goal","team":1,"minute":700}]}`, "events[1].minute", "0 to 200"},
		{begin + `{"id":"b","kind":"goal","team":1,"player":{"nmae":"A"}}]}`, "events[1].player.nmae", "no such field"},
		{begin + `{"id":"b","kind":"goal","team":1,"player":"Ida"}]}`, "events[1].player", `object, not "Ida"`},
		{begin + `{"id":"b","kind":"goal","team":1,"at":"today"}]}`, "events[1].at",
			"want a time like 2026-05-17T14:30:00Z"},
		{begin + `{"id":"b","kind":"goal","team":1,"at":"9999-12-31T23:59:59-23:00"}]}`, "events[1].at", "years"},
		{begin + `{"id":"b","kind":"goal","team":1,"goal":{"type":"lucky"}}]}`, "events[1].goal.type",
			"goal, own or penalty"},
		{begin + `{"id":"b","kind":"card","team":1,"card":{"type":"blue"}}]}`, "events[1].card.type",
			"yellow, second_yellow or red"},
		{begin + `{"id":"b","kind":"goal"}]}`, "events[1].team", "needs team"},
		{begin + `{"id":"a","kind":"goal","team":2}]}`, "events[1].id", "twice"},
		{begin + `{"id":"b","kind":"goal","team":1,"Team":2}]}`, "events[1].team", "twice"},
		{begin + `7]}`, "events[1]", "object, not 7"},
		{`{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":1},"away":{"id":2},"kickoff":"0001-01-02T00:00:00Z"}}`, "fixture.kickoff", "years"},
		{`{"match":9223372036854775808}`, "match", "whole number"},
		{`{"match":9007199254740992}`, "match", "at most 9007199254740991"},
		{`{"events":{}}`, "events", "list, not an object"},
		{`{"lineups":[{"team":1,"players":[{"captain":"perhaps"}]}]}`, "lineups[0].players[0].captain",
			"true or false"},
		{"{\n  \"match\": 7,\n}", "", "line 3, column 1"},
		{`{"a":` + strings.Repeat("[", 100_000), "", "deeper than"},
		{`{"events":[` + strings.Repeat("{},", 200_000) + `{}]}`, "", "more than"},
	} {
		_, err := read(tt.body)
		var field *merge.FieldError
		if !errors.As(err, &field) || field.Field != tt.field || !strings.Contains(field.Text, tt.want) {
			t.Errorf("%.300s: %v, want %q: %q", tt.body, err, tt.field, tt.want)
		}
	}
}

// How something is written is no reason to refuse what it says.
func TestFormIsReadLeniently(t *testing.T) {
	r, err := read("\xef\xbb\xbf" + `{"time":" 2026-05-17t14:30:00z","match":"7","fixture":{"home":{"id":"1","name":"Caf` + "\xe9" + `"},"away":{"id":2.0,"name":"O\'Dowd\x21 \ud83d"},"season":2026,"venue":null,
		"competition":null},"lineups":null,"events":[{"id":17,"kind":"goal","team":"1","minute":"27","player":{"id":5,"name":"A	B\u0000"},"card":null,"at":""}]}` + "\x00\n")
	if err != nil {
		t.Fatal(err)
	}
	m := r.Matches[0]
	f, e := m.Fixture, m.Facts[0]
	if m.Match != 7 || f.Home != (goalcast.Team{ID: 1, Name: "Caf\uFFFD"}) ||
		f.Away != (goalcast.Team{ID: 2, Name: "O'Dowd! \uFFFD"}) || f.Season != "2026" || f.Venue != "" {
		t.Errorf("match %d: %+v", m.Match, f)
	}
	if e.ID != "json:17" || e.Minute != 27 || e.Team != 1 || e.Player.Name != "A B\x00" || !e.At.IsZero() {
		// ingest sees to what a JSON escape brings
		t.Errorf("%+v", e)
	}
	for _, kind := range []string{letters.Encoding, letters.Escape, letters.Control} {
		if r.Mended[kind] == "" {
			t.Errorf("%s is not noted: %v", kind, r.Mended)
		}
	}
}

// Senders count the events of each match from the start: the same ids in two matches are
// events of two matches.
func TestTwoMatchesMayHaveTheSameIDs(t *testing.T) {
	server, db := serve(t)
	for match := range 2 {
		body := strings.Replace(string(example(t)), `"match": 9000000001`, fmt.Sprintf(`"match": %d`, 9000000001+match),
			1)
		res, err := http.Post(server.URL+"/feeds/json?wait=10s", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK || !strings.Contains(string(text), `"applied"`) {
			t.Errorf("match %d: %s %s", match, res.Status, text)
		}
		s, err := db.Match(t.Context(), goalcast.MatchID(9000000001+match))
		if e, ok := s.Event("json:goal-1"); err != nil || !ok || !e.Counts() || s.Score.Home+s.Score.Away == 0 {
			t.Errorf("match %d: %+v, %v", match, s, err)
		}
	}
}

// serve takes the feed in, on a database in memory, until the test ends.
func serve(t *testing.T) (*httptest.Server, *store.Store) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite::memory:", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := ingest.New(ingest.Config{Open: true}, db, bus{}, nil, []ingest.Provider{generic.New()}, log,
		prometheus.NewRegistry())
	server := httptest.NewServer(in.Handler())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	t.Cleanup(server.Close)
	return server, db
}

// The way of someone who tries it with curl: a match, a goal, a second thought; at each step the
// snapshot is looked at.
func TestFromPostToSnapshot(t *testing.T) {
	server, db := serve(t)
	post := func(change func(doc map[string]any)) {
		t.Helper()
		var doc map[string]any
		if err := json.Unmarshal(example(t), &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(server.URL+"/feeds/json", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", res.Status, text)
		}
	}
	defer http.DefaultClient.CloseIdleConnections()
	until := func(what string, holds func(goalcast.Snapshot) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			m, err := db.Match(t.Context(), 9000000001)
			if err == nil && holds(m) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v, %v", what, m, err)
			}
		}
	}
	post(func(map[string]any) {})
	until("a goal", func(m goalcast.Snapshot) bool {
		return m.Score == goalcast.Score{Home: 1} && m.State == goalcast.Live && m.Period == goalcast.FirstHalf &&
			m.Home.Name != "" && !m.Kickoff.IsZero()
	})
	const goal1 = "json:goal-1"
	post(func(doc map[string]any) { // the goal is not told any more: it was taken back
		doc["time"] = "2026-05-17T15:00:00Z"
		doc["events"] = doc["events"].([]any)[:1]
	})
	until("no goal", func(m goalcast.Snapshot) bool {
		e, ok := m.Event(goal1)
		return m.Score == goalcast.Score{} && ok && e.Status == goalcast.Cancelled && e.Revision == 2
	})
	post(func(doc map[string]any) { // older than the newest: late, whatever it says
		doc["time"] = "2026-05-17T14:59:00Z"
		doc["fixture"].(map[string]any)["venue"] = "late"
	})
	post(func(doc map[string]any) {
		doc["time"] = "2026-05-17T15:01:00Z"
		doc["fixture"].(map[string]any)["halted"] = "abandoned"
		doc["events"] = doc["events"].([]any)[:1]
	})
	until("abandoned", func(m goalcast.Snapshot) bool {
		return m.State == goalcast.Abandoned && m.Score == goalcast.Score{} && m.Venue != "late"
	})
}

// The documentation's lines of shell bring the example to today, so that whoever tries it sees the
// match among today's; every time in it is set.
func TestExampleIsOfToday(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if lines == nil {
		t.Fatal("no lines of shell in docs/providers.md")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "match.json"), example(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ago := range []time.Duration{time.Minute, 0} {
		shell := exec.CommandContext(t.Context(), "sh", "-ec", string(lines[1])+fmt.Sprintf("\ntoday %d",
			int(ago.Seconds())))
		shell.Dir = dir
		before := time.Now().Truncate(time.Second)
		body, err := shell.Output()
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(before)
		r, err := read(string(body))
		if err != nil || bytes.Contains(body, []byte("2026-05-17")) {
			t.Fatalf("%s: %v", body, err)
		}
		m := r.Matches[0]
		for what, at := range map[string]struct {
			time.Time
			ago time.Duration
		}{"time": {r.Version.Time, ago}, "kickoff": {m.Fixture.Kickoff, 30 * time.Minute},
			"at": {m.Facts[0].At, 30*time.Minute - 40*time.Second}} {
			if off := at.Sub(before.Add(-at.ago)); off < 0 || off > took {
				t.Errorf("%s is %s", what, at)
			}
		}
	}
}

// Whoever writes a document by hand hears at once what is wrong with it, each time, and with ?wait=
// what came of it; and a second match of the afternoon is a match.
func TestAnswersToWhoPostsByHand(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite::memory:", log)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := ingest.New(ingest.Config{Open: true}, db, bus{}, nil, []ingest.Provider{generic.New()}, log,
		prometheus.NewRegistry())
	server := httptest.NewServer(in.Handler())
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	post := func(query string, body []byte) (status int, answer map[string]any) {
		t.Helper()
		res, err := server.Client().Post(server.URL+"/feeds/json"+query, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, answer
	}
	for range 3 {
		status, answer := post("", bytes.Replace(example(t), []byte(`"minute": 27`), []byte(`"minute": "27th"`), 1))
		if status != 422 || answer["field"] != "events[1].minute" || answer["document"] != 1.0 ||
			!strings.Contains(fmt.Sprint(answer["detail"]), `not "27th"`) {
			t.Fatalf("%d %v", status, answer)
		}
	}
	docs, err := db.Documents(t.Context(), goalcast.DocumentFilter{})
	if err != nil || len(docs) != 1 || docs[0].State != goalcast.DocumentFailed || !strings.Contains(docs[0].Error,
		"events[1].minute") {
		t.Errorf("kept %+v, %v", docs, err)
	}
	for _, match := range []string{"9000000001", "9000000002"} {
		body := bytes.ReplaceAll(example(t), []byte(`"match": 9000000001`), []byte(`"match": `+match))
		status, answer := post("?wait=10s", body)
		if status != 200 || answer["state"] != "applied" || answer["outcome"] != "changed" ||
			!strings.Contains(fmt.Sprint(answer["matches"]), "json:goal-1") {
			t.Errorf("match %s: %d %v", match, status, answer)
		}
		if status, answer := post("?wait=10s", body); status != 200 || answer["outcome"] != "repeated" {
			t.Errorf("match %s again: %d %v", match, status, answer)
		}
		id, _ := strconv.ParseInt(match, 10, 64)
		if m, err := db.Match(t.Context(), goalcast.MatchID(id)); err != nil || m.Score != (goalcast.Score{Home: 1}) {
			t.Errorf("match %s: %+v, %v", match, m.Score, err)
		}
	}
}

type bus struct{}

func (bus) Publish(context.Context, []goalcast.Event) error { return nil }

// FuzzRead: no document ends the process, and what is read is fit to be applied.
func FuzzRead(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(`{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":1},"away":{"id":2}},"events":[{"id":"v","kind":"var","var":{"subject":"goal","outcome":"cancelled"}}]}`))
	f.Add([]byte(`{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":1},"away":{"id":2}},"lineups":[{"team":1,"players":[{"id":4,"name":"A"}]}]}`))
	f.Add([]byte(`{"match":1e400}`))
	f.Add([]byte("\xef\xbb\xbf{\"match\":\"7\",\"time\":\"2026-05-17T14:30:00Z\"," +
		"\"fixture\":{\"home\":{\"id\":1,\"name\":\"\xe9\\q\\ud800\"},\"away\":{\"id\":2.0}}}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := generic.New()
		_, match := p.Describe(nil, body)
		r, err := p.Read(goalcast.Document{Body: body})
		if err != nil {
			return
		}
		m := r.Matches[0]
		if match != 0 && m.Match != match || m.Match <= 0 || r.Version.Time.IsZero() || m.Fixture == nil {
			t.Fatalf("match %d, described %d, %+v", m.Match, match, r.Version)
		}
		s := goalcast.Snapshot{}
		seen := map[string]bool{}
		for i, e := range m.Facts {
			if e.ID == "" || len(e.ID) > 120 || seen[e.ID] || e.Kind == "" || e.Status == "" || e.Team < 0 {
				t.Fatalf("%+v", e)
			}
			seen[e.ID] = true
			e.Match, e.Revision, e.Seq = m.Match, 1, int64(i+1)
			s = goalcast.Apply(s, e)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Fatal(err)
		}
	})
}
