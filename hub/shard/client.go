package shard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
	"goalcast/hub/frame"
)

// What clients send, as labels of a counter.
const (
	gotPing = iota // control frames
	gotPong
	gotClose
	gotSubscribe // messages
	gotUnsubscribe
	gotAsk
	gotAuth
	gotAck
	gotBad
	gotKinds
)

// ReceivedNames are the kinds of what clients send, as labels.
var ReceivedNames = [gotKinds]string{
	"ping_frame", "pong_frame", "close_frame", "subscribe", "unsubscribe", "ping", "auth", "ack",
	"bad",
}

// readable reads what a raw connection has to say, or that it is gone.
func (s *Shard) readable(c *Conn) {
	for range 4 { // then it is others' turn; the poller reports the rest again
		n, err := readSocket(int(c.fd), s.buffer)
		switch {
		case n > 0:
			c.asked = 0
			if c.transport == WebSocket && c.life == alive {
				s.feed(c, s.buffer[:n])
			}
			if c.life == dead || c.state&(blocked|paused) != 0 || n < len(s.buffer) {
				return
			}
		case err != nil && wouldBlock(err):
			return
		default:
			s.drop(c, "gone")
			return
		}
	}
}

// feed takes a client's bytes in. They are the caller's: what must be kept is copied.
func (s *Shard) feed(c *Conn, b []byte) {
	if c.input == nil {
		c.input = &s.scratch
		c.input.Standalone = c.is(standalone)
	}
	in := c.input
	if len(in.Bytes) > 0 {
		in.Bytes = append(in.Bytes, b...)
		b = in.Bytes
	}
	for c.life != dead && c.life != closing && c.state&(paused|blocked) == 0 {
		f, n, bad := in.Next(b, s.cfg.MaxMessage, c.encoding.Compressed())
		if bad != nil {
			s.closeFor(c, bad)
			break
		}
		if n == 0 {
			break
		}
		b = b[n:]
		s.frame(c, in, f)
	}
	if c.life == dead || c.life == closing {
		b = nil
		*in = frame.Input{}
	}
	if in.Standalone {
		c.set(standalone)
	}
	in.Bytes = append([]byte(nil), b...)
	switch {
	case in.Empty():
		s.scratch, c.input = frame.Input{}, nil
	case in == &s.scratch:
		kept := s.scratch
		s.scratch, c.input = frame.Input{}, &kept
	}
}

// frame does what a client's frame asks for.
func (s *Shard) frame(c *Conn, in *frame.Input, f frame.ClientFrame) {
	if in.Counts(f) && !s.mayTalk(c) {
		s.closeFor(c, &frame.CloseError{Code: goalcast.ClosePolicy, Reason: "too many messages"})
		return
	}
	switch f.OpCode {
	case ws.OpPing:
		s.stats.Received[gotPing]++
		s.enqueue(c, frame.Fixed("pong", ws.MustCompileFrame(ws.NewPongFrame(bytes.Clone(f.Payload))), nil))
	case ws.OpPong:
		s.stats.Received[gotPong]++
	case ws.OpClose:
		s.stats.Received[gotClose]++
		s.closeFor(c, frame.CloseReply(f.Payload))
	default:
		text, bad := in.Assemble(f, s.cfg.MaxMessage, &s.inflater)
		switch {
		case bad != nil:
			s.closeFor(c, bad)
		case text != nil:
			s.message(c, text)
		}
	}
}

// mayTalk takes one message from the client's allowance.
func (s *Shard) mayTalk(c *Conn) bool {
	const one = 100 // tokens are hundredths
	now := s.millis()
	full := uint64(s.cfg.MessageBurst) * one
	gained := uint64(float64(now-c.refilled) * s.cfg.MessageRate * one / 1000)
	if gained > 0 {
		c.tokens = uint16(min(uint64(c.tokens)+gained, full, 65_000))
		c.refilled = now
	}
	if c.tokens < one {
		return false
	}
	c.tokens -= one
	return true
}

// message does what a client's text message asks for.
func (s *Shard) message(c *Conn, text []byte) {
	var r goalcast.ClientMessage
	if err := json.Unmarshal(text, &r); err != nil {
		words := "not a JSON frame"
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			words = fmt.Sprintf("%s: not a %s", wrong.Field, wrong.Value) // such as topics as one text
		}
		s.refuse(c, r.ID, goalcast.CodeBadFrame, words)
		return
	}
	switch r.Type {
	case goalcast.FramePing:
		s.stats.Received[gotAsk]++
		pong := goalcast.Frame{Type: goalcast.FramePong, ID: r.ID, Time: time.Now().UnixMilli()}
		s.enqueue(c, frame.Of(frame.ClassControl, pong))
	case goalcast.FrameAuth:
		s.stats.Received[gotAuth]++
		s.renew(c, r.Token, r.ID)
	case goalcast.FrameAck:
		s.ack(c, r)
	case goalcast.FrameSubscribe, goalcast.FrameUnsubscribe:
		topics, err := ParseTopics(r.Topics)
		switch {
		case err != nil:
			s.refuse(c, r.ID, goalcast.CodeBadTopic, err.Error())
		case r.ConflateMs != nil && (*r.ConflateMs < 0 || *r.ConflateMs > MaxConflate):
			s.refuse(c, r.ID, goalcast.CodeBadFrame, BadConflate)
		case len(topics) == 0:
			s.refuse(c, r.ID, goalcast.CodeBadFrame, "no topics")
		case r.Type == goalcast.FrameSubscribe:
			s.stats.Received[gotSubscribe]++
			if r.ConflateMs != nil {
				s.setConflate(c, *r.ConflateMs)
			}
			s.subscribe(c, topics, r.ID)
		default:
			s.stats.Received[gotUnsubscribe]++
			for _, t := range topics {
				if i := c.find(t); i >= 0 {
					s.indexOf(c).leave(c, i)
				}
			}
		}
	default:
		s.refuse(c, r.ID, goalcast.CodeBadFrame, fmt.Sprintf("unknown type %.40q", r.Type))
	}
}

// refuse tells the client that it asked for something wrong.
func (s *Shard) refuse(c *Conn, id string, code goalcast.Code, text string) {
	s.stats.Received[gotBad]++
	f := goalcast.Frame{Type: goalcast.FrameError, ID: id, Code: code, Error: text}
	s.enqueue(c, frame.Of(frame.ClassControl, f))
}

// subscribe has a subscription prepared, which may need the database, and reads nothing more from
// the client until it is done.
func (s *Shard) subscribe(c *Conn, topics []goalcast.Topic, id string) {
	if c.replay() != nil {
		s.refuse(c, id, goalcast.CodeBadFrame, "a replay is of one match: open another connection")
		return
	}
	count := len(c.subs)
	for _, t := range topics {
		if c.find(t) < 0 {
			count++
		}
	}
	if count > s.cfg.MaxTopics {
		s.door.Refused("topics")
		s.refuse(c, id, goalcast.CodeTooManyTopics, fmt.Sprintf("at most %d topics", s.cfg.MaxTopics))
		return
	}
	c.set(paused)
	s.watch(c)
	s.door.Subscribe(s, c, topics, id)
}

// subscribed ends what subscribe began: the topics are the connection's from here on, and the
// snapshots are what came before.
func (s *Shard) subscribed(o *Subscribed) {
	c := o.Conn
	if c.life != alive {
		o.Claim.Leave()
		return
	}
	c.clear(paused)
	s.start(c, &o.Start)
	s.goOn(c)
}

// ParseTopics reads topics and drops repeated ones.
func ParseTopics(texts []string) ([]goalcast.Topic, error) {
	topics := make([]goalcast.Topic, 0, len(texts))
	seen := make(map[goalcast.Topic]struct{}, len(texts))
	for _, text := range texts {
		t, err := goalcast.ParseTopic(text)
		if err != nil {
			return nil, err
		}
		if _, again := seen[t]; !again {
			seen[t] = struct{}{}
			topics = append(topics, t)
		}
	}
	return topics, nil
}
