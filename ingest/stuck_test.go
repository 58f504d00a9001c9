package ingest

import (
	"context"
	"errors"
	"testing"

	"goalcast"
)

// inTrouble cannot read the first documents: not now, and nobody knows for how long.
type inTrouble struct {
	*Memory
	upTo goalcast.DocumentID
}

func (s inTrouble) Document(ctx context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	if id <= s.upTo {
		return goalcast.Document{}, errors.New("in trouble")
	}
	return s.Memory.Document(ctx, id)
}

// damaged has a document's row and not its bytes.
type damaged struct{ *Memory }

func (s damaged) Document(ctx context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	d, err := s.Memory.Document(ctx, id)
	return d, errors.Join(err, goalcast.ErrNotFound)
}

func TestDocumentsInTroubleDoNotHoldUpOthers(t *testing.T) {
	b := newBench(t, Config{SweepLimit: 2})
	for range 7 {
		d := goalcast.Document{Provider: "plain", Body: []byte(body(oneGoal))}
		d.Digest[0] = byte(len(b.memory.documents))
		if err := b.memory.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
	}
	b.store = inTrouble{b.memory, 6}
	for range 4 {
		b.sweep(t.Context())
	}
	if d, _ := b.memory.Document(t.Context(), 7); d.State == goalcast.DocumentReceived {
		t.Error("six documents in trouble keep the seventh waiting for ever")
	}
	b.store = b.memory
	for range 4 {
		b.sweep(t.Context())
	}
	if n := b.memory.States()[goalcast.DocumentReceived]; n != 0 || len(b.stuck) != 0 {
		t.Errorf("the trouble is over, and %d documents wait; %d are stuck", n, len(b.stuck))
	}
}

// A document whose bytes are gone fails, once.
func TestADamagedDocumentFails(t *testing.T) {
	b := newBench(t, Config{})
	d := goalcast.Document{Provider: "plain", Body: []byte(body(oneGoal))}
	if err := b.memory.KeepDocument(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	b.store = damaged{b.memory}
	b.sweep(t.Context())
	if d, _ := b.memory.Document(t.Context(), d.ID); d.State != goalcast.DocumentFailed || d.Error == "" {
		t.Errorf("%s: %q", d.State, d.Error)
	}
}
