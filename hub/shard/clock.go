package shard

import (
	"math/rand/v2"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
	"goalcast/hub/frame"
)

// clock is a shard's: keep-alives that are due, writes that stall, ends that do not come. There is
// no timer per connection.
type clock struct {
	step    time.Duration // of a tick
	tick    uint32
	wheel   [][]*Conn          // by tick: whose keep-alive is due
	stuck   map[*Conn]struct{} // blocked connections
	brief   map[*Conn]struct{} // renewed for less than a turn of the wheel: see expiry.go
	leaving []leaver           // lingering ones, in order of their time
	beat    *frame.Message     // keep-alive of this tick
}

// leaver is a lingering connection and the tick at which it is closed in any case.
type leaver struct {
	conn  *Conn
	until uint32
}

func newClock(cfg Config) clock {
	step := cfg.tick()
	return clock{step: step, wheel: make([][]*Conn, cfg.PingInterval/step+1), stuck: make(map[*Conn]struct{}),
		brief: make(map[*Conn]struct{})}
}

// ticks counts a span in ticks, at least one.
func (k *clock) ticks(d time.Duration) uint32 { return uint32(max((d+k.step-1)/k.step, 1)) }

func (k *clock) interval() uint32 { return uint32(len(k.wheel) - 1) }

// dueIn puts a connection into the wheel, n ticks from now, 1 to the interval.
func (k *clock) dueIn(c *Conn, n uint32) {
	i := (k.tick + n) % uint32(len(k.wheel))
	k.wheel[i] = append(k.wheel[i], c)
}

// millis is the shard's clock for rates; it wraps.
func (s *Shard) millis() uint32 { return uint32(time.Since(s.began).Milliseconds()) }

// handleTick advances the shard's clock.
func (s *Shard) handleTick() {
	k := &s.clock
	k.tick++
	s.publishStats() // also when it never sleeps
	k.beat = nil
	i := k.tick % uint32(len(k.wheel))
	due := k.wheel[i]
	k.wheel[i] = nil
	for _, c := range due {
		s.keepAlive(c)
	}
	s.expireBrief()
	timeout := k.ticks(s.cfg.WriteTimeout)
	for c := range k.stuck {
		s.noteProgress(c)
		if k.tick-c.stalled > timeout {
			s.drop(c, "stalled")
		}
	}
	n := 0
	for n < len(k.leaving) && int32(k.tick-k.leaving[n].until) >= 0 {
		s.drop(k.leaving[n].conn, "")
		n++
	}
	k.leaving = append(k.leaving[:0], k.leaving[n:]...)
}

// keepAlive pings a connection to which nothing was written for an interval. Due times are spread
// over the last quarter of it, or everybody who got the same goal would be pinged in the same tick
// ever after.
func (s *Shard) keepAlive(c *Conn) {
	if c.life != alive {
		return
	}
	if s.expire(c) {
		return
	}
	k := &s.clock
	interval := k.interval()
	due := interval - rand.Uint32N(interval/4+1)
	// who has some kinds of event left out hears of the cursor by nothing else
	if idle := k.tick - c.wrote; idle < interval*3/4 && !c.is(filtered) || c.is(blocked) {
		k.dueIn(c, s.lookIn(c, max(1, due-min(idle, due-1))))
		return
	}
	if c.transport == WebSocket {
		if int(c.asked) >= s.cfg.MaxUnanswered {
			s.close(c, "no_pong", frame.Close(goalcast.CloseNoPong, "no pong"))
			return
		}
		c.asked++
	}
	s.enqueue(c, s.beatFor(c))
	k.dueIn(c, s.lookIn(c, due))
}

// beatFor gives a connection's keep-alive: in a tick one for all who watch live.
func (s *Shard) beatFor(c *Conn) *frame.Message {
	switch k := &s.clock; {
	case c.replay() != nil || c.Delay() > 0:
		return newBeat(s.told(c))
	case k.beat == nil:
		k.beat = newBeat(s.told(c))
	}
	return s.clock.beat
}

// newBeat makes a keep-alive: a pong, with the cursor, so that who follows a quiet match can still
// resume after hours. A WebSocket's comes behind a ping, which scripts cannot see.
func newBeat(cursor goalcast.Cursor) *frame.Message {
	f, id := goalcast.Frame{Type: goalcast.FramePong, Time: time.Now().UnixMilli()}, ""
	if !cursor.IsZero() {
		f.Cursor, id = &cursor, cursor.String()
	}
	m := frame.Of(frame.ClassControl, f)
	m.ID = id
	return frame.Fixed("beat", append(ws.MustCompileFrame(ws.NewPingFrame(nil)), m.Bytes(frame.WebSocket)...),
		m.Bytes(frame.SSE))
}
