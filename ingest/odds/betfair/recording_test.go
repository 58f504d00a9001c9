package betfair_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"goalcast/ingest/odds/betfair"
	"goalcast/internal/samples"
)

// recordings are lines of changes, by the samples they come from. What is not a recording but a
// line of its own goes on from the line before.
func recordings(t *testing.T) map[string][][]json.RawMessage {
	t.Helper()
	out := map[string][][]json.RawMessage{"made up": madeUp()}
	for name, files := range map[string][]string{
		"advanced": {"1.197931750"},
		"basic":    {"BASIC-1.132153978"},
		"single lines": {"streaming_mcm_SUB_IMAGE.json", "streaming_mcm_update.json", "streaming_mcm_UPDATE_tv.json",
			"streaming_mcm_RESUB_DELTA.json", "streaming_mcm_SUB_IMAGE_no_market_def.json",
			"streaming_mcm_UPDATE_md.json"},
	} {
		t.Run("read "+name, func(t *testing.T) {
			for _, file := range files {
				for _, text := range bytes.Split(bytes.TrimSpace(samples.Read(t, "odds/betfair/"+file)),
					[]byte("\n")) {
					var line struct {
						Markets []json.RawMessage `json:"mc"`
					}
					if err := json.Unmarshal(text, &line); err != nil {
						t.Fatal(err)
					}
					out[name] = append(out[name], line.Markets)
				}
			}
		})
	}
	return out
}

// madeUp is an hour of two markets, for who has no samples.
func madeUp() (lines [][]json.RawMessage) {
	random := rand.New(rand.NewPCG(3, 3))
	statuses := []string{"OPEN", "OPEN", "OPEN", "SUSPENDED"}
	define := func(id, marketType, status string) json.RawMessage {
		return json.RawMessage(definition(id, marketType, status, active(11, 2), active(12, 1), active(13, 3)))
	}
	lines = append(lines, []json.RawMessage{define("1.1", "WINNER", "OPEN"), define("1.2", "TOP", "SUSPENDED")})
	for range 300 {
		id := []string{"1.1", "1.2"}[random.IntN(2)]
		switch runner := 11 + random.IntN(3); random.IntN(12) {
		case 0:
			lines = append(lines, []json.RawMessage{define(id, map[string]string{"1.1": "WINNER", "1.2": "TOP"}[id],
				statuses[random.IntN(4)])})
		case 1:
			lines = append(lines, []json.RawMessage{json.RawMessage(fmt.Sprintf(
				`{"id":%q,"img":true,"rc":[{"id":%d,"batb":[[1,2.02,3],[0,2.06,4.5]],"bdatb":[[0,2.08,1]]}]}`, id,
				runner))})
		case 2:
			lines = append(lines, raw(back(id, runner, "0", "0")))
		default:
			lines = append(lines, raw(fmt.Sprintf(`{"id":%q,"rc":[{"id":%d,"ltp":3,"batb":[[0,%d.%02d,%d]],`+
				`"bdatb":[[0,%d.%02d,%d],[1,1.01,2]]}],"con":true}`, id, runner, 1+random.IntN(20), 1+random.IntN(99),
				1+random.IntN(99), 1+random.IntN(20), 1+random.IntN(99), random.IntN(3))))
		}
	}
	return lines
}

// TestBookIsTheNaiveReadersAfterEveryLine plays recordings line by line over a connection with
// everything wrong that a network and a server can have.
func TestBookIsTheNaiveReadersAfterEveryLine(t *testing.T) {
	for name, lines := range recordings(t) {
		for seed, ladder := range []string{"batb", "bdatb"} {
			if name == "basic" && seed > 0 {
				continue // it has neither
			}
			t.Run(name+" "+ladder, func(t *testing.T) { play(t, lines, ladder, uint64(seed)) })
		}
	}
}

func play(t *testing.T, lines [][]json.RawMessage, ladder string, seed uint64) {
	r := newRig(t)
	r.cfg.Virtual = ladder == "bdatb"
	r.cfg.API = betfair.NoAPI
	r.server.Split(seed)
	random := rand.New(rand.NewPCG(seed, 2))
	reader := newNaive(ladder)
	for i, line := range lines {
		reader.apply(line...)
		what := trouble(r, line, random)
		if i == 0 {
			r.run()
		}
		r.catchUp()
		want := reader.book()
		for event := range want {
			if got := r.viewer.sees(event); !reflect.DeepEqual(got, want[event]) {
				t.Fatalf("line %d (%s), event %s:\n%v\nwant\n%v", i, what, event, got, want[event])
			}
		}
		r.viewer.do(func() {
			if len(r.viewer.book) != len(want) {
				t.Fatalf("line %d: %d events, want %d", i, len(r.viewer.book), len(want))
			}
		})
	}
	r.end()
	if n := len(r.server.Subscriptions()); n < len(lines)/20 {
		t.Errorf("%d subscriptions: nothing was wrong", n)
	}
}

// trouble publishes a line in one of many ways, and says which.
func trouble(r *rig, line []json.RawMessage, random *rand.Rand) string {
	s := r.server
	s.Segments(random.IntN(3) == 0)
	s.Unknown(random.IntN(2) == 0)
	switch random.IntN(24) {
	case 0:
		s.CutInNext()
		s.Publish(line...)
		return "cut in the line"
	case 1:
		s.Cut()
		s.Publish(line...)
		return "cut before the line"
	case 2:
		s.Publish(line...)
		s.Cut()
		return "cut after the line"
	case 3:
		s.UnfinishedNext()
		s.Publish(line...)
		s.Repeat()
		return "unfinished segments"
	case 4:
		s.UnfinishedNext()
		s.Publish(line...)
		s.Cut()
		return "cut amid segments"
	case 5:
		s.Publish(line...)
		s.Repeat()
		s.Repeat()
		return "repeated"
	case 6:
		s.Publish(line...)
		s.Old(slices.Concat(line,
			raw(`{"id":"1.9","marketDefinition":{"eventId":"666","status":"OPEN","runners":[]}}`))...)
		return "old subscription"
	case 7:
		s.Publish(line...)
		s.ImageAgain()
		return "an image again"
	case 8:
		s.Restart(slices.Concat(history(r, line)...)...)
		return "a server that knows no clocks"
	case 9:
		if r.stop != nil {
			r.run() // another process
		}
		s.Publish(line...)
		return "another process"
	default:
		s.Publish(line...)
		return "nothing wrong"
	}
}

// history is all that was published, and the line.
func history(r *rig, line []json.RawMessage) [][]json.RawMessage {
	return append(r.server.History(), line)
}
