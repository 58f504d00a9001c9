package betfairtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Publish keeps a message's changes of markets ("mc") and sends them to all who subscribed.
func (s *Server) Publish(markets ...json.RawMessage) {
	s.locked(func() {
		s.history = append(s.history, markets)
		s.each(func(c *stream) { s.changes(c, "", markets) })
	})
}

// Repeat sends the newest message once more.
func (s *Server) Repeat() {
	s.locked(func() {
		if n := len(s.history); n > 0 {
			s.each(func(c *stream) { s.changes(c, "", s.history[n-1]) })
		}
	})
}

// ImageAgain sends an image that nobody asked for.
func (s *Server) ImageAgain() {
	s.locked(func() { s.each(func(c *stream) { s.changes(c, "SUB_IMAGE", slices.Concat(s.history...)) }) })
}

// Old sends changes of markets with the id of a subscription before this one.
func (s *Server) Old(markets ...json.RawMessage) {
	s.locked(func() {
		s.each(func(c *stream) { s.message(c, map[string]any{"id": c.id - 1, "clk": "old", "mc": markets}) })
	})
}

// Raw sends a line as it is.
func (s *Server) Raw(line string) {
	s.locked(func() { s.each(func(c *stream) { _, _ = c.net.Write([]byte(line + "\r\n")) }) })
}

// Restart forgets all changes, and every place that was given: whoever resumes is told so.
func (s *Server) Restart(markets ...json.RawMessage) {
	s.locked(func() {
		s.epoch++
		s.history = [][]json.RawMessage{markets}
		s.cutAll()
	})
}

// Cut closes all connections.
func (s *Server) Cut() { s.locked(s.cutAll) }

func (s *Server) cutAll() {
	for c := range s.streams {
		_ = c.net.Close()
		c.id = 0
	}
}

func (s *Server) each(f func(*stream)) {
	for c := range s.streams {
		if c.id != 0 {
			f(c)
		}
	}
}

// CutInNext closes the connection in the middle of the next message with changes.
func (s *Server) CutInNext() { s.locked(func() { s.faults.cut = true }) }

// UnfinishedNext sends the beginning of the next message with changes, and never the rest.
func (s *Server) UnfinishedNext() { s.locked(func() { s.faults.unfinished = true }) }

// Split writes lines in pieces of any length; the seed says which.
func (s *Server) Split(seed uint64) { s.locked(func() { s.random = rand.New(rand.NewPCG(seed, 1)) }) }

// Segments sends messages in segments, or whole again.
func (s *Server) Segments(on bool) { s.locked(func() { s.faults.segments = on }) }

// Unknown adds fields that nobody knows.
func (s *Server) Unknown(on bool) { s.locked(func() { s.faults.unknown = on }) }

// Unreliable says of all messages that they are: status 503.
func (s *Server) Unreliable(on bool) { s.locked(func() { s.faults.unreliable = on }) }

// Silent sends no heartbeats.
func (s *Server) Silent(on bool) { s.locked(func() { s.faults.silent = on }) }

// Delay makes messages older than they are.
func (s *Server) Delay(d time.Duration) { s.locked(func() { s.faults.delay, s.last = d, 0 }) }

// Beat sends a heartbeat now, and returns Betfair's time of the message before it.
func (s *Server) Beat() (before time.Time) {
	s.locked(func() {
		before = time.UnixMilli(s.last)
		s.each(func(c *stream) { s.message(c, map[string]any{"ct": "HEARTBEAT", "clk": s.clk(len(s.history))}) })
	})
	return before
}

// Conflate is how long Betfair collects changes, whatever was asked for.
func (s *Server) Conflate(d time.Duration) {
	s.locked(func() { s.faults.conflate = int(d.Milliseconds()) })
}

// MarkDelayed has messages say that they are delayed.
func (s *Server) MarkDelayed(on bool) { s.locked(func() { s.faults.marked = on }) }

// Refuse answers authentication and subscriptions with these error codes; empty accepts.
func (s *Server) Refuse(authentication, subscription string) {
	s.locked(func() { s.faults.refuseAuth, s.faults.refuseSub = authentication, subscription })
}

// Subscriptions lists the subscriptions so far.
func (s *Server) Subscriptions() (out []Subscription) {
	s.locked(func() {
		for _, r := range s.requests {
			if r.Op == "marketSubscription" {
				out = append(out, r)
			}
		}
	})
	return out
}

// DelayKey says of the application key that it is a delayed one.
func (s *Server) DelayKey(delayed bool) { s.locked(func() { s.keys = keys(AppKey, delayed) }) }

// Name gives an event the names of its teams, for who asks.
func (s *Server) Name(event, competition, home, away string, kickoff time.Time) {
	s.locked(func() {
		s.names[event] = fmt.Sprintf(`{"marketId":"1.1","event":{"id":%q,"name":%q,"openDate":%q},"competition":{"id":"7",`+
			`"name":%q},"runners":[{"selectionId":58805,"runnerName":"The Draw","sortPriority":3},{"selectionId":2,`+
			`"runnerName":%q,"sortPriority":2},{"selectionId":1,"runnerName":%q,"sortPriority":1}]}`, event,
			home+" v "+away, kickoff.UTC().Format(time.RFC3339), competition, away, home)
	})
}

// EndSession ends a session.
func (s *Server) EndSession(token string) { s.locked(func() { delete(s.tokens, token) }) }

// Logins says how often somebody has logged in.
func (s *Server) Logins() (n int) {
	s.locked(func() { n = s.logins })
	return n
}

// NamesAsked says how often names were asked for.
func (s *Server) NamesAsked() (n int) {
	s.locked(func() { n = s.asked })
	return n
}

// History is all changes of markets so far.
func (s *Server) History() (out [][]json.RawMessage) {
	s.locked(func() { out = slices.Clone(s.history) })
	return out
}
