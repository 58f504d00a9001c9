package hub

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

// TestWhoGetsChains looks at the forms of events: who has the event before in its window gets one that refers to it, who has another event
// one of a few more, all others the one that stands for itself.
func TestWhoGetsChains(t *testing.T) {
	w := newWriting(t, 1, encContext, false)
	h := w.shard.hub
	var events []*message
	publish := func(scorer string) *message {
		h.seq++
		goal := goalcast.Event{ID: fmt.Sprint("goal:", h.seq), Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Match: 1, Team: 10, Minute: int(h.seq),
			Topics: []goalcast.Topic{goalcast.ForMatch(1), goalcast.ForTeam(10), goalcast.ForTeam(11)}, Player: &goalcast.Player{Name: scorer}}
		raw, _ := json.Marshal(goal)
		m := newEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: h.seq}, Event: goal, Raw: raw}, h.seq, testTime, h.deflater)
		h.ring.add(m)
		events = append(events, m)
		return m
	}
	h.ring.maxEvents = 20
	for range 30 {
		publish("Ada Quill")
	}
	last := events[29]
	whole := len(last.bytes(encDeflate))
	for _, tt := range []struct {
		name  string
		base  ending
		short bool
	}{
		{"nothing in it", 0, false}, {"the event before", 29, true}, {"an older one", 25, true}, {"one the ring has forgotten", 10, false},
		{"itself", 30, false}, {"a newer one", 31, false}, {"a round of states", roundEnding | 3, false},
	} {
		b, after := last.follow(encContext, tt.base)
		if short := len(b) < whole/2; short != tt.short || after != 30 {
			t.Errorf("%s: %d bytes, by itself %d; the window ends with %d", tt.name, len(b), whole, after)
		}
		if again, _ := last.follow(encContext, tt.base); &again[0] != &b[0] {
			t.Errorf("%s: made twice", tt.name)
		}
	}
	short := 0
	for base := ending(12); base < 30; base++ {
		if b, _ := last.follow(encContext, base); len(b) < whole/2 {
			short++
		}
	}
	if n := len(*last.chains.list.Load()); n != maxChains || short != maxChains-1 { // one is of the base that is gone
		t.Errorf("%d forms, %d of them used", n, short)
	}
	long := publish(fmt.Sprintf("%x", sha512.Sum512([]byte("a"))) + fmt.Sprintf("%x", sha512.Sum512([]byte("b")))) // hardly shrinks: there is room for a few of its forms
	for base := ending(20); base < 28; base++ {
		long.follow(encContext, base)
	}
	if n, one := long.chains.bytes, len((*long.chains.list.Load())[0].frame); one == 0 || n < one || n > len(long.bytes(encWS)) || 8*one < len(long.bytes(encWS)) {
		t.Errorf("%d bytes of forms of %d each for %d", n, one, len(long.bytes(encWS)))
	}
	if b, after := newFrame(classControl, goalcast.Frame{Type: goalcast.FramePong}).follow(encContext, 29); isPacked(b) || after != 29 {
		t.Errorf("what is not compressed made the window end with %d", after)
	}
	snapshot := newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return bytes.Repeat([]byte("snapshot "), 50) })
	snapshot.deflater = h.deflater
	if b, after := snapshot.follow(encContext, 29); !isPacked(b) || after != 0 {
		t.Errorf("after a snapshot the window ends with %d", after)
	}
}

// TestRoundsFollow gives out rounds of prices: the frames of one are a stream, which goes on where the round before ended, unless something came between.
func TestRoundsFollow(t *testing.T) {
	w := newWriting(t, 1, encContext, false)
	table := w.shard.topics[goalcast.ForOdds(1)].table
	for round := range 6 {
		w.prices(table)
		if round == 4 {
			w.event(true)
		}
		_, total := w.shard.gather(w.conn)
		plan := w.shard.plan[len(w.shard.plan)-1]
		alone := plan.burst.alone(encDeflate).bytes
		next := plan.frames == plan.burst.next
		if next != (round != 0 && round != 4) || len(plan.frames.ends) != 10 || 10*len(plan.bytes) > 5*len(alone) || next && 10*len(plan.bytes) > 4*len(alone) {
			t.Errorf("round %d: %d bytes in %d frames, %d by themselves; it goes on: %v", round, len(plan.bytes), len(plan.frames.ends), len(alone), next)
		}
		w.shard.consume(w.conn, total)
	}
}

// prices changes ten prices and begins a round.
func (w *writing) prices(table *stateTable) {
	for key := range 10 {
		w.versions++
		st := goalcast.State{Topic: table.topic, Key: fmt.Sprint("market/1x2/", key), Version: testTime.UnixMilli() + w.versions, At: testTime.UnixMilli(),
			Value: fmt.Appendf(nil, `{"price":%d}`, w.rng.IntN(9000))}
		table.set(st, testTime, 1000, w.shard.hub.deflater)
	}
	w.shard.stateChanged(table)
	w.shard.giveStates()
}

// TestLongerBurstsAreShared: what one viewer lacks alone is not compressed for it; what several lack is, once.
func TestLongerBurstsAreShared(t *testing.T) {
	w := newWriting(t, 1, encContext, false)
	table := w.shard.topics[goalcast.ForOdds(1)].table
	w.prices(table)
	w.prices(table)
	w.shard.gather(w.conn)
	first := w.shard.plan[0]
	if alone := first.burst.alone(encDeflate); first.frames != alone || first.window != 0 || len(alone.ends) != 10 {
		t.Errorf("the first gets a stream of its own")
	}
	var shared *frames
	for i := range 3 {
		c := &conn{fd: -1, encoding: encContext, behind: append([]behind(nil), w.conn.behind...)}
		w.shard.gather(c)
		next := w.shard.plan[0]
		if next.frames != next.burst.fresh || next.window == 0 || 2*len(next.bytes) > len(first.bytes) || i > 0 && next.frames != shared {
			t.Errorf("another gets %d bytes, the first %d; its window ends with %x", len(next.bytes), len(first.bytes), next.window)
		}
		shared = next.frames
	}
	w.prices(table)
	if again := w.shard.burst(w.conn.behind[0]); again == first.burst || again.upto == first.burst.upto {
		t.Error("what was put together before a round is sent after it")
	}
}

// BenchmarkPack is what a form of a goal takes: by itself, and for those who have another goal in their windows.
func BenchmarkPack(b *testing.B) {
	texts := make([][]byte, 2)
	for i := range texts {
		wire, err := os.ReadFile("../testdata/wire/event.json")
		if err != nil {
			b.Fatal(err)
		}
		var text bytes.Buffer
		if err := json.Compact(&text, wire); err != nil {
			b.Fatal(err)
		}
		texts[i] = bytes.Replace(text.Bytes(), []byte("opta:12329"), fmt.Append(nil, "opta:1233", i), 1)
	}
	d := newDeflater(1)
	for name, before := range map[string][]byte{"alone": nil, "context": texts[0]} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = len(d.pack(before, texts[1], &d.context))
			}
			b.ReportMetric(float64(n), "bytes")
			b.ReportMetric(float64(len(texts[1])), "plain")
		})
	}
}
