package ingest

import (
	"context"
	"errors"
	"testing"

	"goalcast"
	"goalcast/ingest/merge"
)

// asking is a provider that has to ask before its documents can be applied.
type asking struct {
	plain
	answer func(merge.Reading) (merge.Reading, error)
}

func (a asking) Complete(_ context.Context, _ goalcast.Document, r merge.Reading) (merge.Reading, error) {
	return a.answer(r)
}

func TestCompleterHasTheLastWord(t *testing.T) {
	b := newBench(t, Config{})
	var answer func(merge.Reading) (merge.Reading, error)
	b.providers["plain"] = asking{answer: func(r merge.Reading) (merge.Reading, error) { return answer(r) }}
	answer = func(merge.Reading) (merge.Reading, error) { return merge.Reading{}, goalcast.ErrUnavailable }
	b.send(t, b.url, body(oneGoal))
	b.await(t, "a task", func(m *Memory) bool { return len(m.Tasks) == 1 })
	if b.memory.StatesNow()[goalcast.DocumentReceived] != 1 {
		t.Errorf("passing trouble: %v", b.memory.StatesNow())
	}
	answer = func(r merge.Reading) (merge.Reading, error) { r.Matches = nil; return r, nil }
	if err := b.Process(t.Context(), 1); err != nil || b.memory.StatesNow()[goalcast.DocumentApplied] != 1 ||
		len(b.memory.Log) != 0 {
		t.Errorf("nothing to apply: %v, %v", err, b.memory.StatesNow())
	}
	for name, wrong := range map[string]func(merge.Reading) (merge.Reading, error){
		"bad match": func(r merge.Reading) (merge.Reading, error) { r.Matches[0].Match = -1; return r, nil },
		"permanent": func(r merge.Reading) (merge.Reading, error) { return r, goalcast.ErrPermanent },
		"panic":     func(r merge.Reading) (merge.Reading, error) { panic("oops") },
	} {
		answer = wrong
		if err := b.Process(t.Context(), 1); !errors.Is(err, goalcast.ErrPermanent) ||
			b.memory.StatesNow()[goalcast.DocumentFailed] != 1 {
			t.Errorf("%s: %v, %v", name, err, b.memory.StatesNow())
		}
	}
	answer = func(r merge.Reading) (merge.Reading, error) { return r, nil }
	if err := b.Process(t.Context(), 1); err != nil || len(b.memory.Log) != 2 {
		t.Errorf("at last: %v, %v", err, keys(b.memory.Log))
	}
}

func TestTellAndAccept(t *testing.T) {
	b := newBench(t, Config{})
	if _, err := b.Accept(t.Context(), "plain", map[string]string{"x": "y"}, body(oneGoal)); err != nil ||
		b.memory.StatesNow()[goalcast.DocumentApplied] != 1 {
		t.Fatalf("accept: %v, %v", err, b.memory.StatesNow())
	}
	if d, err := b.memory.Document(t.Context(), 1); err != nil || d.Headers["x"] != "y" || len(d.Body) == 0 {
		t.Errorf("kept %+v, %v", d, err)
	}
	if _, err := b.Accept(t.Context(), "nobody", nil, nil); !errors.Is(err, goalcast.ErrPermanent) {
		t.Errorf("accept of nobody: %v", err)
	}
	if _, err := b.Accept(t.Context(), "plain", nil, []byte("x")); !errors.Is(err, goalcast.ErrPermanent) ||
		b.memory.StatesNow()[goalcast.DocumentFailed] != 1 {
		t.Errorf("accept of nonsense: %v", err)
	}
	told := says(sourcePlayer+"a", 61, nil, goalcast.Event{ID: "cutter:a", Kind: goalcast.KindClip,
		Status: goalcast.Confirmed,
		Clip:   &goalcast.Clip{Video: "v1", Thumbnail: "player's", Poster: "large"}})
	for range 2 {
		if err := b.Report(t.Context(), "plain", merge.Reading{Source: told.source, Version: told.v,
			Matches: []merge.MatchReading{told.m}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.memory.Published) != 3 {
		t.Errorf("published %v", keys(b.memory.Published))
	}
	if err := b.Report(t.Context(), "plain", merge.Reading{}); !errors.Is(err, goalcast.ErrPermanent) {
		t.Errorf("report nothing: %v", err)
	}
	b.memory.With(func() { b.memory.UpdateErr = goalcast.ErrUnavailable })
	if err := b.Report(t.Context(), "plain", merge.Reading{Source: "x",
		Matches: []merge.MatchReading{told.m}}); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("tell while the store is away: %v", err)
	}
}
