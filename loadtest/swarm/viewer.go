package swarm

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// phase is how far a viewer is.
type phase uint8

const (
	away      phase = iota // no connection
	connected              // dialing; the request is written when the socket takes it
	asked                  // the answer's header is awaited
	joining                // what comes first is awaited
	live
	asleep // joined and never reads
)

// viewer is one connection and what it has seen. A worker has tens of thousands of them.
type viewer struct {
	fd      int32
	place   int32 // in the worker's list
	use     int32 // counts its sockets, so that an event of an old one is known for what it is
	phase   phase
	chunked bool // SSE in chunks
	slow    bool
	epoch   uint8   // of the cursor, in checker.epochs
	awaits  int16   // hello and snapshots until it has joined
	left    int32   // of a chunk
	offset  uint64  // of the cursor; 0 with epoch 0 for none
	began   int64   // dialing, micros
	retry   int64   // ms that a goodbye asked for
	alone   bool    // each compressed message stands for itself: that was agreed on
	window  *window // what compressed messages may refer to; nil: nothing
	rest    []byte  // an incomplete frame
	head    []byte  // an incomplete header of a chunk
	streams []stream
	odds    []oddsTrack
}

// stream is how far a viewer is in one stream of events.
type stream struct {
	id   int64
	last int64 // number of the last event; -1 if it may be any
}

// oddsTrack is the number of the last value of each key of a match.
type oddsTrack struct {
	match int64
	last  []int32
}

// checker looks into frames and counts. One worker has one; it belongs to the loop.
type checker struct {
	cfg    Config
	stats  Stats
	epochs []string // the first is ""
}

func newChecker(cfg Config) *checker {
	return &checker{cfg: cfg, stats: NewStats(), epochs: []string{""}}
}

// newViewer makes viewer number n.
func (k *checker) newViewer(n int) viewer {
	v := viewer{fd: -1}
	from := int64(-1)
	if k.cfg.FromOne {
		from = 0
	}
	for _, id := range k.cfg.numbers(n) {
		v.streams = append(v.streams, stream{id, from})
	}
	return v
}

// numbers are those that the viewer was made with.
func (k *checker) numbers(v *viewer) []int64 {
	list := make([]int64, 0, 4)
	for _, s := range v.streams[:k.cfg.PerConn] {
		list = append(list, s.id)
	}
	return list
}

// cursor is what the viewer comes back with.
func (k *checker) cursor(v *viewer) string {
	if v.epoch == 0 {
		return ""
	}
	return k.epochs[v.epoch] + "-" + strconv.FormatUint(v.offset, 10)
}

// setCursor takes a cursor; an event's must be above the last one.
func (k *checker) setCursor(v *viewer, text []byte, event bool) {
	i := len(text) - 1
	for i >= 0 && text[i] != '-' {
		i--
	}
	if i <= 0 {
		return
	}
	offset, err := strconv.ParseUint(string(text[i+1:]), 10, 64)
	if err != nil {
		return
	}
	if k.epochs[v.epoch] != string(text[:i]) {
		v.epoch, v.offset = k.epoch(string(text[:i])), 0
	}
	if event && offset <= v.offset {
		k.stats.CursorsBack++
		return
	}
	v.offset = offset
}

func (k *checker) epoch(name string) uint8 {
	for i, e := range k.epochs {
		if e == name {
			return uint8(i)
		}
	}
	if len(k.epochs) == 256 { // a server that makes one each second is not what this is for
		return 0
	}
	k.epochs = append(k.epochs, strings.Clone(name))
	return uint8(len(k.epochs) - 1)
}

// frame takes one frame's JSON text, or for other protocols one message; now is when it was read.
func (k *checker) frame(v *viewer, text []byte, now int64) {
	k.stats.Frames++
	if k.cfg.Protocol == Plain {
		if len(text) > 0 {
			k.event(v, text, now)
		}
		return
	}
	if len(text) < len(typeMark)+2 || string(text[:len(typeMark)]) != string(typeMark) {
		k.stats.Errors["frame without type"]++
		return
	}
	kind := text[len(typeMark):]
	switch string(kind[:2]) {
	case "ev":
		if c := after(text[:min(len(text), 80)], cursorMark); c != nil && k.cfg.Transport == WebSocket {
			k.setCursor(v, quoted(c), true)
		}
		k.event(v, text, now)
	case "st":
		if string(kind[:4]) == "stat" {
			k.state(v, text, now)
		} else {
			k.stats.Stale++
		}
	case "sn":
		k.stats.Snapshots++
		k.values(v, text, 0)
		if v.awaits > 0 {
			v.awaits--
		}
	case "he":
		if v.awaits > 0 {
			v.awaits--
		}
		if c := after(text, cursorMark); c != nil && k.cfg.Transport == WebSocket {
			k.setCursor(v, quoted(c), false)
		}
	case "re":
		k.reset(v)
	case "by":
		k.stats.Byes++
		v.retry = numberAfter(text, retryMark)
	}
}

// reset forgets what the viewer saw: snapshots follow, and any number may be next.
func (k *checker) reset(v *viewer) {
	k.stats.Resets++
	for i := range v.streams {
		v.streams[i].last = -1
	}
	if k.cfg.Transport == SSE {
		v.offset = 0
	}
	v.awaits = int16(len(k.cfg.topics(k.numbers(v))))
}

// event checks an event's place in its stream.
func (k *checker) event(v *viewer, text []byte, now int64) {
	k.stats.Events++
	earliest(&k.stats.FirstEvent, now)
	k.stats.LastEvent = now
	var mark [3]int64
	switch body := after(text, eventMark); {
	case body != nil && numbersAt(body, mark[:]) == 3:
	case k.cfg.Protocol == Goalcast:
		since := 1000 * numberAfter(text, publishedMark)
		switch {
		case k.cfg.FromPost && bytes.Contains(text, fixtureMark):
			since = 0
		case k.cfg.FromPost:
			since = 1000 * numberAfter(text, receivedMark)
		}
		mark = [3]int64{numberAfter(text, matchMark), numberAfter(text, seqMark), since}
	}
	if mark[2] > 0 {
		k.stats.EventLatency.record(now - mark[2])
	}
	if mark[1] == 0 {
		k.stats.Unmarked++
		return
	}
	for i := range v.streams {
		if s := &v.streams[i]; s.id == mark[0] {
			switch {
			case s.last >= 0 && mark[1] <= s.last:
				k.stats.Repeated++
				return
			case s.last >= 0:
				k.stats.Missed += mark[1] - s.last - 1
			}
			s.last = mark[1]
			return
		}
	}
	v.streams = append(v.streams, stream{mark[0], mark[1]}) // of a topic that all follow, or of a team's match
	if k.cfg.FromOne {
		k.stats.Missed += mark[1] - 1
	}
}

// state checks a value.
func (k *checker) state(v *viewer, text []byte, now int64) {
	k.stats.LastState = now
	if since := numberAfter(text, gateMark); since > 0 {
		k.stats.GateLatency.record(now - 1000*since)
	}
	if k.values(v, text, now) == 0 {
		k.stats.States++
	}
}

// values notes all marked values of a frame; now is 0 for those of snapshots, which
// are as old as they are.
func (k *checker) values(v *viewer, text []byte, now int64) (count int) {
	for {
		if text = after(text, stateMark); text == nil {
			return count
		}
		var mark [4]int64
		if numbersAt(text, mark[:]) != 4 || mark[1] >= 10_000 {
			continue
		}
		count++
		if now > 0 {
			k.stats.States++
			k.stats.StateLatency.record(now - mark[3])
		}
		last := v.lastValue(mark[0], int(mark[1]))
		if int32(mark[2]) < *last {
			k.stats.Backwards++
			continue
		}
		*last = int32(mark[2])
	}
}

func (v *viewer) lastValue(match int64, key int) *int32 {
	var t *oddsTrack
	for i := range v.odds {
		if v.odds[i].match == match {
			t = &v.odds[i]
		}
	}
	if t == nil {
		v.odds = append(v.odds, oddsTrack{match: match})
		t = &v.odds[len(v.odds)-1]
	}
	for len(t.last) <= key {
		t.last = append(t.last, 0)
	}
	return &t.last[key]
}

// check compares what a viewer has with what was published. Streams and matches that were never
// seen count if they are among its numbers.
func (k *checker) check(v *viewer, want Expected, verdict *Verdict) {
	verdict.Conns++
	behind := int64(0)
	for _, s := range v.streams {
		behind += max(want.Streams[s.id]-max(s.last, 0), 0)
	}
	verdict.Behind += behind
	if behind > 0 {
		verdict.Viewers++
	}
	if len(want.Odds) == 0 || !strings.Contains(k.cfg.Topics, "odds:{n}") {
		return
	}
	for _, number := range k.numbers(v) {
		keys, ok := want.Odds[number]
		if !ok || slices.Max(append([]int64{0}, keys...)) == 0 {
			continue
		}
		seen := false
		for _, t := range v.odds {
			if t.match != number {
				continue
			}
			seen = true
			for key, n := range keys {
				if n > 0 && (key >= len(t.last) || int64(t.last[key]) != n) {
					verdict.Prices++
				}
			}
		}
		if !seen {
			verdict.Missing++
		}
	}
}
