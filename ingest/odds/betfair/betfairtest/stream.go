package betfairtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stream is a connection. Its id is that of the subscription it serves; 0 before there is one.
type stream struct {
	net net.Conn
	id  int
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := &stream{net: conn}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		}
		s.streams[c] = true
		s.mu.Unlock()
		s.done.Go(func() { s.serve(c) })
	}
}

// serve greets, answers requests and beats until the connection ends.
func (s *Server) serve(c *stream) {
	ended := make(chan struct{})
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, c)
		_ = c.net.Close()
		close(ended)
	}()
	s.done.Go(func() { s.beats(c, ended) })
	s.locked(func() { s.line(c, map[string]any{"op": "connection", "connectionId": "002-051134157842-432409"}) })
	for lines := bufio.NewScanner(c.net); lines.Scan(); {
		var request Subscription
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			s.tb.Errorf("betfair: request %q: %v", lines.Text(), err)
			return
		}
		s.locked(func() { s.answer(c, request) })
	}
}

func (s *Server) beats(c *stream, ended <-chan struct{}) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		s.locked(func() {
			if c.id != 0 && !s.faults.silent {
				s.message(c, map[string]any{"ct": "HEARTBEAT", "clk": s.clk(len(s.history))})
			}
		})
	}
}

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// answer does what a request asks for.
func (s *Server) answer(c *stream, request Subscription) {
	s.requests = append(s.requests, request)
	status := map[string]any{"op": "status", "id": request.ID, "statusCode": "SUCCESS", "connectionClosed": false,
		"connectionsAvailable": 9}
	fail := func(code string, closed bool) {
		status["statusCode"], status["errorCode"], status["connectionClosed"] = "FAILURE", code, closed
		status["errorMessage"] = "session " + request.Session + " is not good"
		s.line(c, status)
		if closed {
			_ = c.net.Close()
		}
	}
	if request.Op == "authentication" {
		switch {
		case s.faults.refuseAuth != "":
			fail(s.faults.refuseAuth, true)
		case request.AppKey != AppKey:
			fail("INVALID_APP_KEY", true)
		case !s.tokens[request.Session]:
			fail("INVALID_SESSION_INFORMATION", true)
		default:
			s.line(c, status)
		}
		return
	}
	from, known := s.from(request)
	switch {
	case s.faults.refuseSub != "":
		fail(s.faults.refuseSub, false)
		return
	case !known:
		fail("INVALID_CLOCK", false)
		return
	}
	c.id = request.ID
	s.line(c, status)
	kind := "SUB_IMAGE"
	if request.Clk != "" {
		kind = "RESUB_DELTA"
	}
	s.changes(c, kind, slices.Concat(s.history[from:]...))
}

// from says where a request resumes.
func (s *Server) from(request Subscription) (from int, known bool) {
	if request.Clk == "" {
		return 0, true
	}
	epoch, place, _ := strings.Cut(request.Clk, "/")
	n, err := strconv.Atoi(place)
	return n, err == nil && epoch == fmt.Sprint("c", s.epoch) && request.InitialClk == fmt.Sprint("i", s.epoch)
}

func (s *Server) clk(n int) string { return fmt.Sprintf("c%d/%d", s.epoch, n) }

// changes sends changes of markets as one message, or in segments.
func (s *Server) changes(c *stream, kind string, markets []json.RawMessage) {
	m := map[string]any{"clk": s.clk(len(s.history)), "mc": markets}
	if kind != "" {
		m["ct"], m["initialClk"] = kind, fmt.Sprint("i", s.epoch)
		m["conflateMs"], m["heartbeatMs"] = s.faults.conflate, 500
	}
	pieces := s.pieces(markets)
	switch {
	case s.faults.unfinished && len(pieces) > 0:
		s.faults.unfinished = false
		m["mc"], m["segmentType"] = pieces[:1], "SEG_START"
		s.message(c, m)
	case s.faults.segments && len(pieces) > 1:
		for i, piece := range pieces {
			part := map[string]any{"mc": []json.RawMessage{piece}, "segmentType": "SEG"}
			for _, name := range []string{"ct", "conflateMs", "heartbeatMs"} {
				if v, ok := m[name]; ok {
					part[name] = v
				}
			}
			switch i {
			case 0:
				part["segmentType"] = "SEG_START"
			case len(pieces) - 1:
				part["segmentType"], part["clk"], part["initialClk"] = "SEG_END", m["clk"], m["initialClk"]
			case 1:
				s.message(c, map[string]any{"ct": "HEARTBEAT", "clk": m["clk"]}) // amid segments
			}
			s.message(c, part)
		}
	default:
		s.message(c, m)
	}
}

// pieces splits changes of markets so that each has one runner.
func (s *Server) pieces(markets []json.RawMessage) (out []json.RawMessage) {
	for _, market := range markets {
		var fields map[string]json.RawMessage
		var runners []json.RawMessage
		s.must(json.Unmarshal(market, &fields))
		if rc := fields["rc"]; rc != nil {
			s.must(json.Unmarshal(rc, &runners))
		}
		for i, one := range runners {
			if i > 0 {
				fields = map[string]json.RawMessage{"id": fields["id"]}
			}
			fields["rc"] = s.marshal([]json.RawMessage{one})
			out = append(out, s.marshal(fields))
		}
		if len(runners) == 0 {
			out = append(out, market)
		}
	}
	return out
}

// message sends a change message with what all of them have.
func (s *Server) message(c *stream, m map[string]any) {
	s.last = max(time.Now().Add(-s.faults.delay).UnixMilli(), s.last+1)
	m["op"], m["pt"] = "mcm", s.last
	if m["id"] == nil {
		m["id"] = c.id
	}
	if s.faults.unreliable {
		m["status"] = 503
	}
	if s.faults.marked {
		m["isMarketDataDelayed"] = true
	}
	if s.faults.unknown {
		m["betDelayModels"], m["some"] = []string{"PASSIVE"}, map[string]any{"thing": []any{nil, 1.5, "x"}}
	}
	s.line(c, m)
}

// line writes a line, whole or not. A connection that is cut is closed in it.
func (s *Server) line(c *stream, v any) {
	text := append(s.marshal(v), '\r', '\n')
	if m, ok := v.(map[string]any); ok && s.faults.cut && m["mc"] != nil {
		s.faults.cut = false
		defer c.net.Close()
		text = text[:len(text)/2]
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(time.Minute))
	for len(text) > 0 {
		n := len(text)
		if s.random != nil {
			n = min(n, 1+s.random.IntN(max(100, n/4)))
		}
		if _, err := c.net.Write(text[:n]); err != nil {
			return // the client is gone
		}
		text = text[n:]
	}
}

func (s *Server) marshal(v any) []byte {
	text, err := json.Marshal(v)
	s.must(err)
	return text
}

func (s *Server) must(err error) {
	if err != nil {
		s.tb.Errorf("betfair: %v", err)
	}
}
