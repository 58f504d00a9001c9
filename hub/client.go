package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// What clients say, as labels of a counter.
const (
	heardPing = iota // control frames
	heardPong
	heardClose
	heardSubscribe // messages
	heardUnsubscribe
	heardAsk
	heardBad
	heardKinds
)

var heardNames = [heardKinds]string{"ping_frame", "pong_frame", "close_frame", "subscribe", "unsubscribe", "ping", "bad"}

// message does what a client's text message asks for.
func (s *shard) message(c *conn, text []byte) {
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
		s.stats.heard[heardAsk]++
		pong := goalcast.Frame{Type: goalcast.FramePong, ID: r.ID, Time: time.Now().UnixMilli()}
		s.enqueue(c, newFrame(classControl, pong))
	case goalcast.FrameSubscribe, goalcast.FrameUnsubscribe:
		topics, err := parseTopics(r.Topics)
		switch {
		case err != nil:
			s.refuse(c, r.ID, goalcast.CodeBadTopic, err.Error())
		case r.ConflateMs != nil && (*r.ConflateMs < 0 || *r.ConflateMs > maxConflateMs):
			s.refuse(c, r.ID, goalcast.CodeBadFrame, badConflate)
		case len(topics) == 0:
			s.refuse(c, r.ID, goalcast.CodeBadFrame, "no topics")
		case r.Type == goalcast.FrameSubscribe:
			s.stats.heard[heardSubscribe]++
			if r.ConflateMs != nil {
				s.setConflate(c, *r.ConflateMs)
			}
			s.subscribe(c, topics, r.ID)
		default:
			s.stats.heard[heardUnsubscribe]++
			for _, t := range topics {
				if i := c.find(t); i >= 0 {
					s.leave(c, i)
				}
			}
		}
	default:
		s.refuse(c, r.ID, goalcast.CodeBadFrame, fmt.Sprintf("unknown type %.40q", r.Type))
	}
}

// refuse tells the client that it asked for something wrong.
func (s *shard) refuse(c *conn, id string, code goalcast.Code, text string) {
	s.stats.heard[heardBad]++
	s.enqueue(c, newFrame(classControl, goalcast.Frame{Type: goalcast.FrameError, ID: id, Code: code, Error: text}))
}

// subscribe has a subscription prepared, which may need the database, and reads nothing more from the client until it is done.
func (s *shard) subscribe(c *conn, topics []goalcast.Topic, id string) {
	count := len(c.subs)
	for _, t := range topics {
		if c.find(t) < 0 {
			count++
		}
	}
	if count > s.hub.cfg.MaxTopics {
		s.hub.metrics.refused.WithLabelValues("topics").Inc()
		s.refuse(c, id, goalcast.CodeTooManyTopics, fmt.Sprintf("at most %d topics", s.hub.cfg.MaxTopics))
		return
	}
	c.set(paused)
	s.watch(c)
	s.hub.working.Go(func() { s.hub.prepareSubscribe(s, c, topics, id) })
}

// prepareSubscribe brings the snapshots of topics and posts them, with the subscription, to the connection's shard.
func (h *Hub) prepareSubscribe(s *shard, c *conn, topics []goalcast.Topic, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.JoinTimeout)
	defer cancel()
	refuse := func(code goalcast.Code, text string) {
		m := newFrame(classControl, goalcast.Frame{Type: goalcast.FrameError, ID: id, Code: code, Error: text})
		s.inbox.post(op{kind: opSubscribe, conn: c, arg: &join{frames: []*message{m}}})
	}
	if h.cfg.Authorize != nil {
		if err := h.cfg.Authorize(c.origin.request, topics); err != nil {
			refuse(refusalOf(err))
			return
		}
	}
	if err := h.hold(ctx, topics); err != nil {
		h.log.Warn("subscribe", "err", err)
		refuse(goalcast.CodeUnavailable, errUnavailable.Error())
		return
	}
	err := h.withSnapshots(ctx, topics, c.encoding, func(j *join) bool {
		return s.inbox.post(op{kind: opSubscribe, conn: c, arg: j})
	})
	if err != nil {
		h.release(topics)
		h.log.Warn("subscribe", "err", err)
		refuse(goalcast.CodeUnavailable, errUnavailable.Error())
	}
}

// subscribed ends what subscribe began: the topics are the connection's from here on, and the snapshots are what came before.
func (s *shard) subscribed(c *conn, j *join) {
	if c.state&(dead|closing|lingering) != 0 {
		s.hub.release(j.topics)
		return
	}
	c.clear(paused)
	s.followAll(c, j)
	s.allow(c, j.frames)
	s.watch(c)
	if c.input != nil && !c.is(dead) {
		s.feed(c, nil)
	}
	if c.portable != nil && c.state&(blocked|paused|dead) == 0 {
		c.portable.resume()
	}
}

// followAll subscribes to a join's topics. States that were given out between its snapshots and now are sent once more.
func (s *shard) followAll(c *conn, j *join) {
	for _, name := range j.topics {
		if !s.follow(c, name) {
			s.hub.release([]goalcast.Topic{name}) // it holds it already
		}
		t := s.topics[name]
		t.joined = j.seq
		if t.table == nil {
			t.table = s.hub.states.table(name)
		}
		mark, ok := j.marks[name]
		switch {
		case t.table == nil || !ok:
		case len(t.members) == 1:
			t.flushed, t.round = mark, burst{}
			if !t.dirty {
				t.dirty = true
				s.dirty = append(s.dirty, t) // what changed since the snapshot was made
			}
		case mark < t.flushed:
			s.fallBehind(c, t, mark)
		}
	}
}

// parseTopics reads topics and drops repeated ones.
func parseTopics(texts []string) ([]goalcast.Topic, error) {
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
