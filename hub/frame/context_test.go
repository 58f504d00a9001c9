package frame

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"goalcast"
)

var testTime = time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)

// TestContextForms looks at the forms of events: who has the event before in its window gets one
// that refers to it, who has another event one of a few more, all others the one that stands for
// itself.
func TestContextForms(t *testing.T) {
	var events []*Message
	d := NewDeflater(128)
	d.Earlier = func(base Window) []byte { // of the last 20 events
		if base == 0 || base > Window(len(events)) || base <= Window(max(0, len(events)-20)) {
			return nil
		}
		return events[base-1].JSON()
	}
	publish := func(scorer string) *Message {
		seq := uint64(len(events) + 1)
		goal := goalcast.Event{ID: fmt.Sprint("goal:", seq), Revision: 1, Status: goalcast.Confirmed,
			Kind: goalcast.KindGoal, Match: 1, Team: 10, Minute: int(seq),
			Topics: []goalcast.Topic{goalcast.ForMatch(1), goalcast.ForTeam(10), goalcast.ForTeam(11)},
			Player: &goalcast.Player{Name: scorer}}
		raw, _ := json.Marshal(goal)
		p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: seq}, Event: goal, Raw: raw}
		m := &Message{Kind: goalcast.FrameEvent, Seq: seq, Text: func() []byte {
			return goalcast.EventFrame(p, testTime.UnixMilli())
		}, Deflater: d}
		m.Bytes(WebSocket)
		events = append(events, m)
		return m
	}
	for range 30 {
		publish("Ada Quill")
	}
	last := events[29]
	whole := len(last.Bytes(Deflate))
	for _, tt := range []struct {
		name  string
		base  Window
		short bool
	}{
		{"nothing in it", 0, false}, {"the event before", 29, true}, {"an older one", 25, true},
		{"one the ring has forgotten", 10, false},
		{"itself", 30, false}, {"a newer one", 31, false}, {"a batch of states", BatchWindow(3), false},
	} {
		b, after := last.Encode(Context, tt.base)
		if short := len(b) < whole/2; short != tt.short || after != 30 {
			t.Errorf("%s: %d bytes, by itself %d; the window ends with %d", tt.name, len(b), whole, after)
		}
		if again, _ := last.Encode(Context, tt.base); &again[0] != &b[0] {
			t.Errorf("%s: made twice", tt.name)
		}
	}
	short := 0
	for base := Window(12); base < 30; base++ {
		if b, _ := last.Encode(Context, base); len(b) < whole/2 {
			short++
		}
	}
	// one is of the base that is gone
	if n := len(*last.context.list.Load()); n != maxContextForms || short != maxContextForms-1 {
		t.Errorf("%d forms, %d of them used", n, short)
	}
	// hardly shrinks: there is room for a few of its forms
	long := publish(fmt.Sprintf("%x", sha512.Sum512([]byte("a"))) + fmt.Sprintf("%x", sha512.Sum512([]byte("b"))))
	for base := Window(20); base < 28; base++ {
		long.Encode(Context, base)
	}
	if n, one := long.context.bytes, len((*long.context.list.Load())[0].frame); one == 0 || n < one ||
		n > len(long.Bytes(WebSocket)) || 8*one < len(long.Bytes(WebSocket)) {
		t.Errorf("%d bytes of forms of %d each for %d", n, one, len(long.Bytes(WebSocket)))
	}
	if b, after := Of(ClassControl, goalcast.Frame{Type: goalcast.FramePong}).Encode(Context, 29); isCompressed(b) ||
		after != 29 {
		t.Errorf("what is not compressed made the window end with %d", after)
	}
	text := func() []byte { return bytes.Repeat([]byte("snapshot "), 50) }
	snapshot := &Message{Kind: goalcast.FrameSnapshot, Class: ClassSnapshot, Text: text, Deflater: d}
	if b, after := snapshot.Encode(Context, 29); !isCompressed(b) || after != 0 {
		t.Errorf("after a snapshot the window ends with %d", after)
	}
}

// BenchmarkCompress is what a form of a goal takes: by itself, and for those who have another goal
// in their windows.
func BenchmarkCompress(b *testing.B) {
	texts := make([][]byte, 2)
	for i := range texts {
		wire, err := os.ReadFile("../../testdata/wire/event.json")
		if err != nil {
			b.Fatal(err)
		}
		var text bytes.Buffer
		if err := json.Compact(&text, wire); err != nil {
			b.Fatal(err)
		}
		texts[i] = bytes.Replace(text.Bytes(), []byte("opta:12329"), fmt.Append(nil, "opta:1233", i), 1)
	}
	d := NewDeflater(1)
	for name, before := range map[string][]byte{"alone": nil, "context": texts[0]} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = len(d.compress(before, texts[1], &d.InContext))
			}
			b.ReportMetric(float64(n), "bytes")
			b.ReportMetric(float64(len(texts[1])), "plain")
		})
	}
}
