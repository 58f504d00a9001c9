package betfair_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"goalcast/ingest/odds/betfair"
	"goalcast/ingest/odds/betfair/betfairtest"
)

// TestBookIsTheNaiveReadersAfterEveryLine plays recordings line by line over a connection with
// everything wrong that a network and a server can have.
func TestBookIsTheNaiveReadersAfterEveryLine(t *testing.T) {
	for name, lines := range betfairtest.Recordings(t) {
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
	reader := betfairtest.NewNaive(ladder)
	for i, line := range lines {
		reader.Apply(line...)
		what := trouble(r, line, random)
		if i == 0 {
			r.run()
		}
		r.catchUp()
		want := reader.Book()
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
