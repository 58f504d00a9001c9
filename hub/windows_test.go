package hub

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
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
		case f.Header.Rsv == rsv1:
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
	text, err := io.ReadAll(flate.NewReaderDict(io.MultiReader(bytes.NewReader(packed), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), u.window))
	const size = 32 << 10
	u.window = append(u.window, text...)
	u.window = u.window[max(0, len(u.window)-size):]
	return text, err
}

// writing is a shard with one connection whose socket is the test's.
type writing struct {
	*testing.T
	rng   *rand.Rand
	shard *shard
	conn  *conn

	wire     []byte
	peer     unpacker
	known    map[string]bool // all texts that were put into messages
	owed     []string        // those that must come, in order; states apart
	newest   map[string]int64
	seen     map[string]int64
	versions int64
}

func newWriting(t *testing.T, seed uint64, e encoding, portable bool) *writing {
	reg := prometheus.NewRegistry()
	h := New(Config{Shards: 1, DeflateMin: 100, Ring: 5, MaxPending: 1 << 30}, board.New(nil, slog.Default(), reg), nil, slog.Default(), reg)
	w := &writing{T: t, rng: rand.New(rand.NewPCG(seed, 1)), shard: h.shards[0], conn: &conn{fd: -1, encoding: e, allowance: 1 << 30},
		known: map[string]bool{}, newest: map[string]int64{}, seen: map[string]int64{}}
	w.peer.bytes = map[string]int{}
	w.shard.conns[w.conn] = struct{}{}
	for i := range 3 { // topics with states
		name := goalcast.ForOdds(goalcast.MatchID(i + 1))
		top := &topic{name: name, table: newStateTable(name, 1), members: []member{{conn: w.conn}}}
		w.shard.topics[name] = top
	}
	if portable {
		w.conn.portable = newPortable()
		w.conn.portable.write = func(b batch) { w.wire = append(w.wire, bytes.Join(b.frames, nil)...) }
	}
	return w
}

// event publishes one that the connection gets, or, as one of other topics, does not.
func (w *writing) event(mine bool) {
	h, m := w.shard.hub, goalcast.MatchID(1+w.rng.IntN(4))
	h.seq++
	e := goalcast.Event{ID: fmt.Sprint("message:", h.seq), Kind: goalcast.KindMessage, Topics: []goalcast.Topic{goalcast.ForMatch(m)}, Message: w.text()}
	raw, _ := json.Marshal(e)
	msg := newEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: h.seq}, Event: e, Raw: raw}, h.seq, testTime, h.deflater)
	h.ring.add(msg)
	if mine {
		w.owe(msg)
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

func (w *writing) owe(m *message) {
	m.bytes(encWS)
	w.known[string(m.text)] = true
	w.owed = append(w.owed, string(m.text))
	w.shard.append(w.conn, m)
}

func (w *writing) other() {
	switch w.rng.IntN(3) {
	case 0:
		text := fmt.Appendf(nil, `{"type":"snapshot","n":%d,"text":%s}`, w.rng.Uint64(), w.text())
		m := newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return text })
		m.deflater = w.shard.hub.deflater
		w.owe(m)
	case 1:
		text := fmt.Appendf(nil, `{"type":"pong","time":%d}`, w.rng.Uint64())
		w.owe(newMessage(goalcast.FramePong, classControl, func() []byte { return text }))
	default:
		w.shard.append(w.conn, newFixed("pong", ws.MustCompileFrame(ws.NewPingFrame(nil)), nil))
	}
}

// states changes some values, and perhaps begins a round.
func (w *writing) states() {
	name := goalcast.ForOdds(goalcast.MatchID(1 + w.rng.IntN(3)))
	for range w.rng.IntN(12) {
		key := fmt.Sprint(strings.Repeat("market ", w.rng.IntN(9)), w.rng.IntN(10))
		w.versions++
		st := goalcast.State{Topic: name, Key: key, Version: w.versions, Value: fmt.Appendf(nil, `{"price":%d}`, w.rng.IntN(9000)), At: 1}
		table := w.shard.topics[name].table
		table.set(st, testTime, 1000, w.shard.hub.deflater)
		w.newest[name.String()+key] = w.versions
		w.known[string(goalcast.Frame{Type: goalcast.FrameState, State: &st, Sent: testTime.UnixMilli()}.Encode())] = true
		w.shard.stateChanged(table)
	}
	if w.rng.IntN(4) > 0 {
		w.shard.giveStates()
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

// TestWindows writes random mixtures of events, snapshots, pings and states, cut anywhere, to a connection whose peer keeps its window as RFC 7692 has it:
// it must read exactly what was said, and with context in clearly fewer bytes than without.
func TestWindows(t *testing.T) {
	for _, portable := range []bool{false, true} {
		bytes := map[encoding]map[string]int{encWS: {}, encDeflate: {}, encContext: {}}
		for _, e := range []encoding{encContext, encDeflate, encWS} {
			for seed := range uint64(15) {
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
							w.conn.set(held)
						} else {
							w.conn.clear(held)
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
				w.conn.clear(held)
				w.shard.giveStates()
				w.write(true)
				w.write(true)
				w.read()
				if len(w.wire) > 0 || len(w.owed) > 0 || w.conn.waiting != 0 {
					t.Fatalf("seed %d: %d bytes of no frame, %d texts did not come, %d bytes wait", seed, len(w.wire), len(w.owed), w.conn.waiting)
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
		for kind, percent := range map[string]int{string(goalcast.FrameEvent): 80, string(goalcast.FrameState): 85} { // of the states, many are no part of a round here
			if bytes[encContext][kind] >= bytes[encDeflate][kind]*percent/100 || bytes[encDeflate][kind] >= bytes[encWS][kind] {
				t.Errorf("portable %v: bytes of %ss by encoding: %v", portable, kind, bytes)
			}
		}
	}
}
