package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"goalcast"
)

func TestDocumentIsKeptByteForByte(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		body := append([]byte("<?xml encoding=\"ISO-8859-1\"?>\x00\xff\xfe\r\n"),
			bytes.Repeat([]byte{0xe9, 'x'}, 1<<19)...)
		d := goalcast.Document{
			Provider: "opta", Feed: "F9", Match: 7, Body: bytes.Clone(body),
			Received: kickoff.Add(123 * time.Millisecond),
			Headers:  map[string]string{"x-meta-feed-type": "F9", "x-odd": "caf\xe9"},
		}
		if err := s.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		got, err := s.Document(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Body, body) || got.Digest != sha256.Sum256(body) {
			t.Error("the body differs from what was sent")
		}
		if !got.Received.Equal(d.Received) || got.Provider != "opta" || got.Feed != "F9" || got.Match != 7 ||
			got.State != goalcast.DocumentReceived || got.Attempts != 0 || got.Headers["x-meta-feed-type"] != "F9" {
			t.Errorf("got %+v", got)
		}
		empty := goalcast.Document{Provider: "x\x00y\xff"}
		if err := s.KeepDocument(t.Context(), &empty); err != nil {
			t.Fatalf("a document of nothing: %v", err)
		}
		if got, err := s.Document(t.Context(), empty.ID); err != nil || len(got.Body) != 0 ||
			got.Provider != "xy\uFFFD" || !got.Received.IsZero() {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := s.Document(t.Context(), 999); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("document 999: %v, want ErrNotFound", err)
		}
	})
}

func keep(t testing.TB, s *Store, d goalcast.Document) goalcast.DocumentID {
	t.Helper()
	if err := s.KeepDocument(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	return d.ID
}

func TestDocumentStatesAndLists(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var ids []goalcast.DocumentID
		for i := range 5 {
			ids = append(ids, keep(t, s, goalcast.Document{Provider: "opta", Feed: []string{"F9", "F24"}[i%2],
				Match: goalcast.MatchID(1 + i%3),
				Body:  []byte("<x/>"), Received: kickoff.Add(time.Duration(i) * time.Minute)}))
		}
		if !slices.IsSorted(ids) {
			t.Errorf("ids %v do not rise", ids)
		}
		finish := func(id goalcast.DocumentID, state goalcast.DocumentState, text string) {
			t.Helper()
			if err := s.FinishDocument(ctx, id, state, text); err != nil {
				t.Fatal(err)
			}
		}
		finish(ids[0], goalcast.DocumentApplied, "")
		finish(ids[1], goalcast.DocumentFailed, "truncated\x00 \xff")
		finish(ids[1], goalcast.DocumentFailed, "truncated\x00 \xff")
		if err := s.FinishDocument(ctx, 999, goalcast.DocumentApplied, ""); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("finish 999: %v, want ErrNotFound", err)
		}
		if got, err := s.UnfinishedDocuments(ctx, kickoff.Add(4*time.Minute), 10); err != nil ||
			!slices.Equal(got, ids[2:4]) {
			t.Errorf("unfinished = %v, %v; want %v", got, err, ids[2:4])
		}
		if got, err := s.UnfinishedDocuments(ctx, kickoff.Add(time.Hour), 1); err != nil ||
			!slices.Equal(got, ids[2:3]) {
			t.Errorf("unfinished, one = %v, %v; want %v", got, err, ids[2:3])
		}
		for _, tt := range []struct {
			name   string
			filter goalcast.DocumentFilter
			want   []int // places in ids
		}{
			{"all", goalcast.DocumentFilter{}, []int{4, 3, 2, 1, 0}},
			{"feed", goalcast.DocumentFilter{Feed: "F24"}, []int{3, 1}},
			{"provider", goalcast.DocumentFilter{Provider: "wsc"}, nil},
			{"match", goalcast.DocumentFilter{Match: 1}, []int{3, 0}},
			{"state", goalcast.DocumentFilter{State: goalcast.DocumentFailed}, []int{1}},
			{"times", goalcast.DocumentFilter{From: kickoff.Add(time.Minute), To: kickoff.Add(3 * time.Minute)},
				[]int{2, 1}},
			{"page", goalcast.DocumentFilter{Before: ids[3], Limit: 2}, []int{2, 1}},
		} {
			list, err := s.Documents(ctx, tt.filter)
			var got, want []goalcast.DocumentID
			for _, d := range list {
				got = append(got, d.ID)
			}
			for _, i := range tt.want {
				want = append(want, ids[i])
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v; want %v", tt.name, got, err, want)
			}
		}
		failed, err := s.Document(ctx, ids[1])
		if err != nil || failed.State != goalcast.DocumentFailed || failed.Error != "truncated \uFFFD" ||
			failed.Attempts != 2 {
			t.Errorf("failed document: %+v, %v", failed, err)
		}
		if got, err := s.ResetDocuments(ctx, goalcast.DocumentFilter{Feed: "F24"}); err != nil ||
			!slices.Equal(got, ids[1:2]) {
			t.Errorf("reset = %v, %v; want %v", got, err, ids[1:2])
		}
		if d, err := s.Document(ctx, ids[1]); err != nil || d.State != goalcast.DocumentReceived || d.Error != "" ||
			d.Attempts != 2 {
			t.Errorf("after reset: %+v, %v", d, err)
		}
	})
}
