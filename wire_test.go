package goalcast_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oasdiff/yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"goalcast"
)

const wireDir = "testdata/wire"

// wireFrames are samples of every frame, by the name of their file. What is said of people
// and clubs is made up.
func wireFrames() map[string]goalcast.Frame {
	at := time.Date(2026, 8, 22, 15, 27, 41, 0, time.UTC)
	ms := at.UnixMilli()
	cursor := func(n uint64) *goalcast.Cursor { return &goalcast.Cursor{Epoch: "k3x9", Offset: n} }
	fixture := goalcast.Event{ID: "match:4711:fixture", Revision: 1, Seq: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindFixture, Match: 4711,
		Fixture: &goalcast.Fixture{Competition: goalcast.Competition{ID: 23, Name: "Coastal League"}, Season: "2026",
			Matchday: 3,
			Home:     goalcast.Team{ID: 174, Name: "Harbour Rovers"},
			Away:     goalcast.Team{ID: 175, Name: "Mill Athletic"},
			Kickoff:  at.Add(-27 * time.Minute),
			Venue:    "Pier Road", City: "Saltwick"}}
	fixture.Topics = fixture.Fixture.Topics(4711)
	topics := fixture.Topics
	lineup := goalcast.Event{ID: "match:4711:lineup:174", Revision: 1, Seq: 2, Status: goalcast.Confirmed,
		Kind: goalcast.KindLineup, Match: 4711, Topics: topics,
		Lineup: &goalcast.Lineup{Team: 174, Formation: "433", Players: []goalcast.LineupPlayer{
			{Player: goalcast.Player{ID: 9001, Name: "Ada Lund"}, Shirt: 1, Position: "goalkeeper", Place: 1,
				Start: true, Captain: true},
			{Player: goalcast.Player{ID: 9002, Name: "Bo Marsh"}, Shirt: 14}}}}
	kickoff := goalcast.Event{ID: "match:4711:period:first_half", Revision: 1, Seq: 3, Status: goalcast.Confirmed,
		Kind: goalcast.KindPeriod, Match: 4711, Topics: topics,
		Period: goalcast.FirstHalf, At: at.Add(-27 * time.Minute)}
	goal := goalcast.Event{ID: "opta:1232921226", Revision: 2, Seq: 5, Status: goalcast.Confirmed,
		Kind: goalcast.KindGoal, Match: 4711, Topics: topics,
		Team: 174, Player: &goalcast.Player{ID: 9003, Name: "Cy Pike"}, Period: goalcast.FirstHalf, Minute: 27,
		Second: 41, Clock: "27",
		Goal:  &goalcast.Goal{Type: goalcast.OpenPlay, Assist: &goalcast.Player{ID: 9002, Name: "Bo Marsh"}},
		Score: &goalcast.Score{Home: 1}, At: at,
		Times: goalcast.Times{Provider: ms + 9000, Received: ms + 9400, Published: ms + 9405}}
	var match goalcast.Snapshot
	for _, e := range []goalcast.Event{fixture, lineup, kickoff, goal} {
		match = goalcast.Apply(match, e)
	}
	cancelled := goal
	cancelled.Revision, cancelled.Seq, cancelled.Status, cancelled.Score = 3, 6, goalcast.Cancelled, &goalcast.Score{}
	message := goalcast.Event{ID: "message:8f2c", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Match: 4711, Topics: topics[:1],
		Message: json.RawMessage(`{"text":"Rain delays the second half"}`), Times: goalcast.Times{Published: ms}}
	clip := goalcast.Event{ID: "wsc:6a92fa1ee363eba308515c01:4711", Revision: 2, Seq: 7, Status: goalcast.Confirmed,
		Kind: goalcast.KindClip, Match: 4711, Topics: topics,
		Team: 174, Player: goal.Player, Period: goalcast.FirstHalf, Minute: 27, Second: 41, Clock: "27",
		Score: &goalcast.Score{Home: 1}, At: at.Add(4 * time.Minute),
		Clip: &goalcast.Clip{Of: goal.ID, Version: 3, Title: "Pike opens the score", Account: "9000001",
			Video:     "5660000000002",
			Thumbnail: "https://images.example.org/5660000000002-th.jpg",
			Poster:    "https://images.example.org/5660000000002-vs.jpg", Seconds: 14,
			Include: []string{"BE", "NL"}, Exclude: []string{"GB"}},
		Times: goalcast.Times{Provider: ms + 250000, Received: ms + 250100, Published: ms + 262000}}
	settlement := goalcast.Event{ID: "settlement:ou:2.5", Revision: 2, Status: goalcast.Confirmed,
		Kind: goalcast.KindSettlement, Match: 4711, Topics: []goalcast.Topic{goalcast.ForOdds(4711)},
		Settlement: &goalcast.Settlement{Market: "ou:2.5", Line: "2.5", Results: []goalcast.SettlementResult{
			{Selection: "over", Result: goalcast.Lost}, {Selection: "under", Result: goalcast.Won, DeadHeat: 500}}},
		Times: goalcast.Times{Provider: ms, Received: ms + 80, Published: ms + 90}}
	price := goalcast.State{Topic: goalcast.ForOdds(4711), Key: "1x2", Version: ms, At: ms,
		Value: json.RawMessage(`{"st":"open","sel":{"home":{"p":2350},"draw":{"p":3400},"away":{}}}`)}
	gate := goalcast.State{Topic: goalcast.ForOdds(4711), Key: goalcast.GateKey, Version: ms, At: ms,
		Value: goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal, Since: ms}.Encode()}
	openGate := gate
	openGate.Value = goalcast.Gate{State: goalcast.GateOpen, Since: ms}.Encode()
	matchTopic, oddsTopic, stale := goalcast.ForMatch(4711), goalcast.ForOdds(4711), true
	along := match
	along.Lineups = nil
	return map[string]goalcast.Frame{
		"hello": {Type: goalcast.FrameHello, Version: goalcast.WireVersion, Cursor: cursor(1234),
			Topics: []goalcast.Topic{matchTopic, goalcast.ForTeam(174), oddsTopic}, Ping: 25000, Time: ms},
		"snapshot": {Type: goalcast.FrameSnapshot, Cursor: cursor(1234), Topic: &matchTopic,
			Matches: []goalcast.Snapshot{match}},
		"snapshot-odds": {Type: goalcast.FrameSnapshot, Cursor: cursor(1234), Topic: &oddsTopic,
			States: []goalcast.State{openGate, price}},
		"snapshot-along":   {Type: goalcast.FrameSnapshot, Topic: &matchTopic, Matches: []goalcast.Snapshot{along}},
		"event":            {Type: goalcast.FrameEvent, Cursor: cursor(1235), Event: &goal, Sent: ms + 9407},
		"event-cancelled":  {Type: goalcast.FrameEvent, Cursor: cursor(1236), Event: &cancelled, Sent: ms + 95000},
		"event-message":    {Type: goalcast.FrameEvent, Cursor: cursor(1237), Event: &message, Sent: ms + 1},
		"event-clip":       {Type: goalcast.FrameEvent, Cursor: cursor(1238), Event: &clip, Sent: ms + 262002},
		"event-settlement": {Type: goalcast.FrameEvent, Cursor: cursor(1239), Event: &settlement, Sent: ms + 92},
		"state":            {Type: goalcast.FrameState, State: &price, Sent: ms + 3},
		"reset":            {Type: goalcast.FrameReset, Reason: "too_old"},
		"stale":            {Type: goalcast.FrameStale, Stale: &stale},
		"error": {Type: goalcast.FrameError, ID: "7", Code: "bad_topic",
			Error: `bad topic "match:x": want match:, team:, competition: or odds: and a number`},
		"bye":          {Type: goalcast.FrameBye, Reason: "drain", Cursor: cursor(1237), Retry: 4210},
		"pong":         {Type: goalcast.FramePong, ID: "8", Time: ms},
		"pong-unasked": {Type: goalcast.FramePong, Cursor: cursor(1237), Time: ms},
		"subscribe":    {Type: goalcast.FrameSubscribe, Topics: []goalcast.Topic{matchTopic, oddsTopic}, ID: "7"},
		"hello-replay": {Type: goalcast.FrameHello, Version: goalcast.WireVersion,
			Cursor: &goalcast.Cursor{Epoch: "r3mv", Offset: 2}, Topics: topics[:1], Ping: 25_000, Time: ms, Speed: 10},
		"hello-delayed": {Type: goalcast.FrameHello, Version: goalcast.WireVersion, Cursor: cursor(1234),
			Topics: topics[:1], Ping: 25_000, Time: ms, DelayS: 30},
		"hello-filtered": {Type: goalcast.FrameHello, Version: goalcast.WireVersion, Cursor: cursor(1234),
			Topics: []goalcast.Topic{goalcast.ForMatch(1009316)}, Ping: 25000, Time: 1787412458900,
			Kinds: []goalcast.Kind{goalcast.KindGoal, goalcast.KindCard, goalcast.KindFixture}},
		"hello-conflated": {Type: goalcast.FrameHello, Version: goalcast.WireVersion, Cursor: cursor(1234),
			Topics: []goalcast.Topic{oddsTopic}, Ping: 25000,
			ConflateMs: 1000, OddsBeat: 5000, Time: ms},
		"state-gate":          {Type: goalcast.FrameState, State: &gate, Sent: ms + 4},
		"subscribe-conflated": {Type: goalcast.FrameSubscribe, Topics: []goalcast.Topic{oddsTopic}, ConflateMs: 1000},
		"unsubscribe":         {Type: goalcast.FrameUnsubscribe, Topics: []goalcast.Topic{oddsTopic}},
		"ping":                {Type: goalcast.FramePing, ID: "8"},
		"expiring":            {Type: goalcast.FrameExpiring, Expires: ms + 30_000},
		"renewed":             {Type: goalcast.FrameRenewed, ID: "a1", Expires: ms + 3_600_000},
		"ack":                 {Type: goalcast.FrameAck, Cursors: []goalcast.Cursor{*cursor(1235), *cursor(1236)}},
		"hello-ack": {Type: goalcast.FrameHello, Version: goalcast.WireVersion, Cursor: cursor(1234),
			Topics: topics[:1], Ping: 25_000, Time: ms, Expires: ms + 3_600_000, Ack: true},
		"auth": {Type: goalcast.FrameAuth, ID: "a1",
			Token: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"},
	}
}

// TestWireFiles compares what frames encode to with the files that the clients' tests read.
func TestWireFiles(t *testing.T) {
	frames := wireFrames()
	for name, f := range frames {
		var want bytes.Buffer
		if err := json.Indent(&want, f.Encode(), "", "  "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		file := filepath.Join(wireDir, name+".json")
		if *update {
			if err := os.MkdirAll(wireDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the frame encodes to (%v); -update writes it", file, err)
		}
		var back goalcast.Frame
		if err := json.Unmarshal(got, &back); err != nil || !bytes.Equal(back.Encode(), f.Encode()) {
			t.Errorf("%s does not survive being read: %v", file, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(wireDir, "*.json"))
	if err != nil || len(files) != len(frames) {
		t.Errorf("%d files for %d frames: %v", len(files), len(frames), err)
	}
}

// schemas compiles those of docs/asyncapi.yaml. Strict ones refuse fields that are not described,
// as clients never would.
func schemas(t *testing.T) func(name string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	strict(doc.(map[string]any)["components"].(map[string]any)["schemas"])
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return func(name string) *jsonschema.Schema {
		t.Helper()
		s, err := c.Compile("asyncapi.json#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func strict(v any) {
	if m, ok := v.(map[string]any); ok {
		if _, ok := m["properties"].(map[string]any); ok && m["type"] == "object" {
			m["additionalProperties"] = false
		}
		for _, sub := range m {
			strict(sub)
		}
	}
}

// TestWireSchemas holds the files to docs/asyncapi.yaml, and both to the frame types there are.
func TestWireSchemas(t *testing.T) {
	schema := schemas(t)
	seen := make(map[goalcast.FrameType]bool)
	for name, f := range wireFrames() {
		file, err := os.Open(filepath.Join(wireDir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(string(f.Type)).Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// every field is needed or known to be optional: an unknown one must fail, or the
		// check above checks nothing
		v.(map[string]any)["surprise"] = true
		if schema(string(f.Type)).Validate(v) == nil {
			t.Errorf("%s: a field that is not described passes", name)
		}
		seen[f.Type] = true
	}
	types := append(slices.Clone(goalcast.ServerFrames), goalcast.ClientFrames...)
	slices.Sort(types)
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, types) {
		t.Errorf("files of %s, want %s", got, types)
	}
}

// TestReducerFilesFitTheSchema holds real reducer input and output to the schemas of events and
// matches, with every kind of event.
func TestReducerFilesFitTheSchema(t *testing.T) {
	schema := schemas(t)
	files, err := filepath.Glob("testdata/reducer/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	events, snapshots := 0, 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Events    []json.RawMessage   `json:"events"`
			Snapshots []goalcast.Snapshot `json:"snapshots"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(name, err)
		}
		for _, raw := range file.Events {
			var e goalcast.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(name, err)
			}
			if len(e.Topics) == 0 {
				e.Topics = []goalcast.Topic{goalcast.ForMatch(1)}
			}
			encoded, _ := json.Marshal(e)
			v, _ := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
			if err := schema("Event").Validate(v); err != nil && e.Revision > 0 && e.Status != "" {
				t.Errorf("%s: %s: %v", name, e.ID, err)
			}
			events++
		}
		for _, match := range file.Snapshots {
			if match.ID == 0 {
				continue // nothing has happened yet
			}
			encoded, _ := json.Marshal(match)
			v, _ := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
			if err := schema("Match").Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			snapshots++
		}
	}
	if events == 0 || snapshots == 0 {
		t.Error("nothing in the files")
	}
}
