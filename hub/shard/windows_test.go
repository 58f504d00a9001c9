package shard

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"

	"goalcast"
	"goalcast/hub/frame"
)

// unpacker is a client's inflater with a window of its own: Go's, not the one that packs.
type unpacker struct {
	window []byte
	packed int            // messages
	bytes  map[string]int // of frames, by type
}

// frames takes all whole frames off the front of b and gives their texts.
func (u *unpacker) frames(b []byte) (texts []string, rest []byte, err error) {
	for {
		in := bytes.NewReader(b)
		f, err := ws.ReadFrame(in) //lint:ignore SA1019 the peer is the hub under test
		if err != nil {
			return texts, b, nil // incomplete
		}
		size := len(b) - in.Len()
		b = b[len(b)-in.Len():]
		switch {
		case f.Header.OpCode.IsControl() && f.Header.Rsv == 0:
			continue
		case f.Header.Rsv == ws.Rsv(true, false, false):
			if f.Payload, err = u.unpack(f.Payload); err != nil {
				return texts, b, err
			}
		case f.Header.Rsv != 0:
			return texts, b, fmt.Errorf("reserved bits %b", f.Header.Rsv)
		}
		texts = append(texts, string(f.Payload))
		u.bytes[kindOf(f.Payload)] += size
	}
}

// kindOf gives a frame's type.
func kindOf(text []byte) string {
	_, rest, _ := strings.Cut(string(text[:min(len(text), 40)]), `"type":"`)
	kind, _, _ := strings.Cut(rest, `"`)
	return kind
}

func (u *unpacker) unpack(packed []byte) ([]byte, error) {
	u.packed++
	text, err := io.ReadAll(flate.NewReaderDict(io.MultiReader(bytes.NewReader(packed),
		strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), u.window))
	const size = 32 << 10
	u.window = append(u.window, text...)
	u.window = u.window[max(0, len(u.window)-size):]
	return text, err
}

// writing is a shard with one connection whose socket is the test's.
type writing struct {
	*testing.T
	rng      *rand.Rand
	shard    *testWorld
	conn     *Conn
	deflater *frame.Deflater
	events   []*Event

	wire     []byte
	peer     unpacker
	known    map[string]bool // all texts that were put into messages
	owed     []string        // those that must come, in order; states apart
	newest   map[string]int64
	seen     map[string]int64
	versions int64
}

func newWriting(t *testing.T, seed uint64, e frame.Encoding, portable bool) *writing {
	cfg := testConfig()
	cfg.MaxPending = 1 << 30
	w := &writing{T: t, rng: rand.New(rand.NewPCG(seed, 1)), shard: newTestWorld(cfg), conn: &Conn{fd: -1, encoding: e,
		allowance: 1 << 30},
		deflater: frame.NewDeflater(100), known: map[string]bool{}, newest: map[string]int64{},
		seen: map[string]int64{}}
	w.deflater.Earlier = w.earlier
	w.peer.bytes = map[string]int{}
	w.shard.conns[w.conn] = struct{}{}
	for i := range 3 { // topics with states
		name := goalcast.ForOdds(goalcast.MatchID(i + 1))
		w.shard.topics[name] = &topic{followed: w.shard.claim(t, name)[0], members: []member{{conn: w.conn}}}
	}
	if portable {
		NewPortable(w.shard.Shard, w.conn).write = func(d Delivery) {
			w.wire = append(w.wire, bytes.Join(d.Frames, nil)...)
		}
	}
	return w
}

// earlier knows the last five events, as a ring does.
func (w *writing) earlier(base frame.Window) []byte {
	const ring = 5
	n := frame.Window(len(w.events))
	if base == 0 || base > n || base+ring <= n {
		return nil
	}
	return w.events[base-1].JSON()
}

// event publishes one that the connection gets, or, as one of other topics, does not.
func (w *writing) event(mine bool) {
	m, seq := goalcast.MatchID(1+w.rng.IntN(4)), uint64(len(w.events)+1)
	e := goalcast.Event{ID: fmt.Sprint("message:", seq), Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{goalcast.ForMatch(m)}, Message: w.text()}
	raw, _ := json.Marshal(e)
	msg := NewEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: seq}, Event: e, Raw: raw}, seq,
		testTime, w.deflater, 1)
	w.events = append(w.events, msg)
	if mine {
		w.owe(&msg.Message)
	}
}

// text is a JSON string of some length: of digits that hardly shrink, or of words that do.
func (w *writing) text() []byte {
	b := []byte{'"'}
	n := []int{0, 30, 200, 600}[w.rng.IntN(4)]
	if w.rng.IntN(200) == 0 {
		n = 40_000 // more than a window
	}
	for len(b) < n {
		if w.rng.IntN(8) == 0 {
			b = fmt.Append(b, w.rng.Uint64())
		} else {
			b = append(b, "a goal for the harbour rovers "[w.rng.IntN(20):]...)
		}
	}
	return append(b, '"')
}

func (w *writing) owe(m *frame.Message) {
	m.Bytes(frame.WebSocket)
	w.known[string(m.JSON())] = true
	w.owed = append(w.owed, string(m.JSON()))
	w.shard.append(w.conn, m)
}

func (w *writing) other() {
	switch w.rng.IntN(3) {
	case 0:
		text := fmt.Appendf(nil, `{"type":"snapshot","n":%d,"text":%s}`, w.rng.Uint64(), w.text())
		w.owe(&frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassSnapshot, Text: func() []byte {
			return text
		}, Deflater: w.deflater})
	case 1:
		text := fmt.Appendf(nil, `{"type":"pong","time":%d}`, w.rng.Uint64())
		w.owe(&frame.Message{Kind: goalcast.FramePong, Class: frame.ClassControl, Text: func() []byte { return text }})
	default:
		w.shard.append(w.conn, frame.Fixed("pong", ws.MustCompileFrame(ws.NewPingFrame(nil)), nil))
	}
}

// states changes some values, and perhaps begins a flush.
func (w *writing) states() {
	name := goalcast.ForOdds(goalcast.MatchID(1 + w.rng.IntN(3)))
	for range w.rng.IntN(12) {
		key := fmt.Sprint(strings.Repeat("market ", w.rng.IntN(9)), w.rng.IntN(10))
		w.versions++
		st := goalcast.State{Topic: name, Key: key, Version: w.versions, Value: fmt.Appendf(nil, `{"price":%d}`,
			w.rng.IntN(9000)), At: 1}
		table := w.shard.topics[name].followed.Table
		table.Set(st, testTime, 1000, w.deflater)
		w.newest[name.String()+key] = w.versions
		w.known[string(goalcast.Frame{Type: goalcast.FrameState, State: &st,
			Sent: testTime.UnixMilli()}.Encode())] = true
		w.shard.statesChanged(table)
	}
	if w.rng.IntN(4) > 0 {
		w.shard.flushStates()
	}
}

// write has the socket take some of what waits, as flush would.
func (w *writing) write(all bool) {
	s, c := w.shard, w.conn
	c.clear(inEvents | inStates | blocked)
	if c.portable != nil {
		if _, total := s.gather(c); total > 0 {
			s.handOver(c)
		}
		return
	}
	pieces, total := s.gather(c)
	n := total
	if !all && total > 0 {
		n = w.rng.IntN(total + 1)
		if w.rng.IntN(3) == 0 {
			n = min(total, w.rng.IntN(100))
		}
	}
	left := n
	for _, p := range pieces {
		k := min(left, int(p.Len))
		w.wire = append(w.wire, unsafe.Slice(p.Base, p.Len)[:k]...)
		left -= k
	}
	if n > 0 {
		s.consume(c, n)
	}
}

// read has the peer take in what is on the wire.
func (w *writing) read() {
	texts, rest, err := w.peer.frames(w.wire)
	if err != nil {
		w.Fatalf("after %d compressed messages: %v", w.peer.packed, err)
	}
	w.wire = rest
	for _, text := range texts {
		if !w.known[text] {
			w.Fatalf("nobody said %.300q", text)
		}
		var f goalcast.Frame
		if err := json.Unmarshal([]byte(text), &f); err == nil && f.Type == goalcast.FrameState {
			key := f.State.Topic.String() + f.State.Key
			if f.State.Version < w.seen[key] {
				w.Fatalf("%s: version %d after %d", key, f.State.Version, w.seen[key])
			}
			w.seen[key] = f.State.Version
			continue
		}
		if len(w.owed) == 0 || w.owed[0] != text {
			w.Fatalf("got %.200q, owed is %.200q", text, append(w.owed, "nothing")[0])
		}
		w.owed = w.owed[1:]
	}
}

// TestWindows writes random mixtures of events, snapshots, pings and states, cut anywhere, to a
// connection whose peer keeps its window as RFC 7692 has it: it must read exactly what was said,
// and with context in clearly fewer bytes than without.
func TestWindows(t *testing.T) {
	for _, portable := range []bool{false, true} {
		bytes := map[frame.Encoding]map[string]int{frame.WebSocket: {}, frame.Deflate: {}, frame.Context: {}}
		for _, e := range []frame.Encoding{frame.Context, frame.Deflate, frame.WebSocket} {
			for seed := range uint64(4) {
				w := newWriting(t, seed, e, portable)
				for range 300 {
					switch w.rng.IntN(12) {
					case 0, 1, 2, 3:
						w.event(true)
					case 4:
						w.event(false)
					case 5:
						w.other()
					case 6:
						w.write(w.rng.IntN(2) == 0)
						w.states()
					case 7:
						if w.rng.IntN(2) == 0 {
							w.conn.set(throttled)
						} else {
							w.conn.clear(throttled)
						}
					case 8:
						if w.rng.IntN(20) == 0 {
							w.conn.window = 0 // as nothing is lost by not knowing
						}
					default:
						w.write(false)
						w.read()
					}
				}
				w.conn.clear(throttled)
				w.shard.flushStates()
				w.write(true)
				w.write(true)
				w.read()
				if len(w.wire) > 0 || len(w.owed) > 0 || w.conn.waiting != 0 {
					t.Fatalf("seed %d: %d bytes of no frame, %d texts did not come, %d bytes wait", seed, len(w.wire),
						len(w.owed), w.conn.waiting)
				}
				for key, version := range w.newest {
					if w.seen[key] != version {
						t.Errorf("seed %d: %s is %d, should be %d", seed, key, w.seen[key], version)
					}
				}
				for kind, n := range w.peer.bytes {
					bytes[e][kind] += n
				}
			}
		}
		t.Logf("portable %v: bytes by encoding %v", portable, bytes)
		for kind, percent := range map[string]int{string(goalcast.FrameEvent): 80, string(goalcast.FrameState): 85} {
			// of the states, many are no part of a round here
			if bytes[frame.Context][kind] >= bytes[frame.Deflate][kind]*percent/100 ||
				bytes[frame.Deflate][kind] >= bytes[frame.WebSocket][kind] {
				t.Errorf("portable %v: bytes of %ss by encoding: %v", portable, kind, bytes)
			}
		}
	}
}
