package betfairtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"goalcast/internal/samples"
)

// Recordings are lines of changes, by the samples they come from. What is not a recording but a
// line of its own goes on from the line before.
func Recordings(t *testing.T) map[string][][]json.RawMessage {
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

// madeUp is an hour of two markets, one of which is replaced now and then: for clones without
// samples.
func madeUp() (lines [][]json.RawMessage) {
	random := rand.New(rand.NewPCG(3, 3))
	one := func(text string) { lines = append(lines, []json.RawMessage{json.RawMessage(text)}) }
	define := func(id, marketType, status string) {
		one(Definition(id, marketType, status, Active(11, 2), Active(12, 1), Active(13, 3)))
	}
	statuses := []string{"OPEN", "SUSPENDED", "OPEN", "OPEN"}
	types := map[string][]string{"1.1": {"WINNER"}, "1.2": {"TOP", "PLACE"}}
	define("1.1", "WINNER", "OPEN")
	define("1.2", "TOP", "SUSPENDED")
	for range 300 {
		id := []string{"1.1", "1.2"}[random.IntN(2)]
		switch runner := 11 + random.IntN(3); random.IntN(12) {
		case 0:
			define(id, types[id][random.IntN(len(types[id]))], statuses[random.IntN(len(statuses))])
		case 1:
			one(fmt.Sprintf(`{"id":%q,"img":true,"rc":[{"id":%d,"batb":[[1,2.02,3],[0,2.06,4.5]],`+
				`"bdatb":[[0,2.08,1]]}]}`, id, runner))
		case 2:
			one(Back(id, runner, "0", "0"))
		default:
			one(fmt.Sprintf(`{"id":%q,"rc":[{"id":%d,"ltp":3,"batb":[[0,%d.%02d,%d]],`+
				`"bdatb":[[0,%d.%02d,%d],[1,1.01,2]]}],"con":true}`, id, runner, 1+random.IntN(20), 1+random.IntN(99),
				1+random.IntN(99), 1+random.IntN(20), 1+random.IntN(99), random.IntN(3)))
		}
	}
	return lines
}

// Definition is a market of made-up event 7.
func Definition(id, marketType, status string, runners ...string) string {
	return fmt.Sprintf(`{"id":%q,"marketDefinition":{"eventId":"7","eventTypeId":"1","bettingType":"ODDS","numberOfWinners":1,`+
		`"marketType":%q,"status":%q,"openDate":"2026-11-28T20:00:00.000Z","runners":[%s]}}`, id, marketType, status,
		strings.Join(runners, ","))
}

// Active is a runner that can be bet on, at a place in the order.
func Active(id, order int) string {
	return fmt.Sprintf(`{"id":%d,"sortPriority":%d,"status":"ACTIVE"}`, id, order)
}

// Was is a runner that has ended.
func Was(id, order int, status string) string {
	return fmt.Sprintf(`{"id":%d,"sortPriority":%d,"status":%q}`, id, order, status)
}

// Back is the best price of a runner; size 0 removes it.
func Back(id string, runner int, price, size string) string {
	return fmt.Sprintf(`{"id":%q,"rc":[{"id":%d,"batb":[[0,%s,%s]]}]}`, id, runner, price, size)
}
