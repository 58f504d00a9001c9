package eventlog

import (
	"log/slog"
	"strings"
	"testing"

	"goalcast"
)

func TestStep(t *testing.T) {
	var text strings.Builder
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: noTime}))
	e := &goalcast.Event{ID: "opta:7", Match: 5, Revision: 2, Kind: goalcast.KindGoal}
	Step(t.Context(), log, Applied(e), "event applied", e, Document, goalcast.DocumentID(9))
	Step(t.Context(), log, Applied(&goalcast.Event{Kind: goalcast.KindFixture}), "event applied", e)
	const want = `level=INFO msg="event applied" match=5 event=opta:7 revision=2 document=9` + "\n"
	if text.String() != want {
		t.Errorf("logged %s, want %s", text.String(), want)
	}
}

// What is not logged costs no memory: hubs call it for each event.
func TestStepThatIsNotLogged(t *testing.T) {
	log := slog.New(slog.NewTextHandler(&strings.Builder{}, nil))
	e := &goalcast.Event{ID: "opta:7", Match: 5}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { Step(ctx, log, slog.LevelDebug, "event published", e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
