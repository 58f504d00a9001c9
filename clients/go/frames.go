package client

import (
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// received takes one frame, or the end of the link. What is not understood is left alone: later
// versions add types and fields.
func (l *listener) received(text []byte, ok bool) {
	if !ok {
		l.ended(l.link.err)
		return
	}
	l.heardAt = time.Now()
	f, err := decode(text)
	if err != nil {
		l.lose("a frame that cannot be read")
		return
	}
	switch f.Type {
	case goalcast.FrameHello:
		l.hello(f)
	case goalcast.FrameSnapshot:
		l.snapshot(f)
	case goalcast.FrameEvent:
		if f.Event != nil {
			l.event(f)
		}
	case goalcast.FrameState:
		if f.State != nil {
			if s, ok := f.State.known(); ok {
				l.state(s, f.Sent)
			}
		}
	case goalcast.FrameReset:
		l.reset(f.Reason)
	case goalcast.FrameStale:
		if f.Stale != nil && *f.Stale {
			l.setStatus(Status{Phase: Stale})
		} else {
			l.setStatus(Status{Phase: Connected})
		}
	case goalcast.FrameError:
		l.problem(f)
	case goalcast.FrameBye:
		l.bye(f)
	case goalcast.FramePong:
		l.pong(f)
	case goalcast.FrameExpiring:
		l.expiring()
	}
}

func (l *listener) hello(f frame) {
	delete(l.alarms, helloAlarm)
	l.alarms.after(settledAlarm, l.o.Settled, func() { l.failures, l.broken, l.blocked = 0, 0, 0 })
	l.greeted, l.unauthorized = true, 0
	if f.Ping > 0 {
		l.silence = milliseconds(f.Ping)
	}
	l.mu.Lock()
	l.prices.hello(milliseconds(f.OddsBeat))
	l.clockRTT = 0
	l.mu.Unlock()
	if f.Time > 0 {
		l.measureClock(time.UnixMilli(f.Time), time.Second) // until a ping tells better
	}
	l.setStatus(Status{Phase: Connected})
	l.upgradeLater()
	l.listenForSilence()
	l.topicsChanged() // while the connection was being made
	if l.over == nil && l.link.send != nil {
		l.ping()
	}
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (l *listener) snapshot(f frame) {
	topic, err := goalcast.ParseTopic(f.Topic)
	if err != nil {
		return // nobody here asked for such a topic
	}
	for i := range f.Matches {
		l.replace(f.Matches[i].known(), topic)
	}
	if slices.ContainsFunc(f.States, func(s state) bool { return s.Key == goalcast.GateKey }) {
		l.mu.Lock()
		l.prices.void(topic)
		l.mu.Unlock()
	}
	for i := range f.States {
		if s, ok := f.States[i].known(); ok {
			l.state(s, 0)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unjoined, topic)
	if len(l.unjoined) == 0 {
		l.prices.outdated = false
	}
	if f.Cursor != "" {
		l.cursor = f.Cursor
	}
}

// replace takes a snapshot, unless the match is known newer. A team's or competition's has no
// line-ups and only the main events, and so has that of a match which comes along with an event:
// what else is known of the match stays.
func (l *listener) replace(m *goalcast.Snapshot, topic goalcast.Topic) {
	l.mu.Lock()
	before := l.matches[m.ID]
	if whole := goalcast.ForMatch(m.ID); before != nil && !l.outdated[m.ID] {
		if m.Seq < before.Seq {
			l.mu.Unlock()
			return
		}
		if topic != whole || !slices.Contains(l.topics, whole) {
			m = withMore(m, before)
		}
	}
	delete(l.outdated, m.ID)
	l.matches[m.ID] = m
	l.mu.Unlock()
	if l.o.OnMatch != nil {
		l.o.OnMatch(Change{Now: m, Before: before})
	}
}

// withMore adds to a shortened snapshot what an older, longer one knows: line-ups, and events that
// it leaves out.
func withMore(short, long *goalcast.Snapshot) *goalcast.Snapshot {
	m := *short
	m.Timeline = slices.Clone(long.Timeline)
	for _, e := range short.Timeline {
		i := slices.IndexFunc(m.Timeline, func(old goalcast.Event) bool { return old.ID == e.ID })
		switch {
		case i < 0:
			m.Timeline = append(m.Timeline, e)
		case m.Timeline[i].Revision <= e.Revision:
			m.Timeline[i] = e
		}
	}
	slices.SortFunc(m.Timeline, goalcast.InMatchOrder)
	if len(m.Lineups) == 0 {
		m.Lineups = long.Lineups
	}
	return &m
}

func (l *listener) event(f frame) {
	e := Event{Event: f.Event.known(), Cursor: f.Cursor}
	l.mu.Lock()
	if f.Cursor != "" {
		l.cursor = f.Cursor
	}
	if !l.told.isNew(fmt.Sprintf("%d/%s", e.Match, e.ID), e.Revision) { // an event's id is of its match
		l.mu.Unlock()
		return
	}
	if e.Match != 0 && e.Kind.Info().Place != goalcast.PlaceNone {
		if e.Before = l.matches[e.Match]; e.Before == nil {
			e.Before = &goalcast.Snapshot{}
		}
		now := goalcast.Apply(*e.Before, e.Event)
		e.Now = &now
		l.matches[e.Match] = e.Now
		if e.Before.ID == 0 {
			e.Before = nil
		}
	}
	e.Latency = l.latencyLocked(e.Times, f.Sent)
	l.mu.Unlock()
	l.give(e, nil)
	if e.Now != nil && l.o.OnMatch != nil && !l.left {
		l.o.OnMatch(Change{Now: e.Now, Before: e.Before, Event: &e.Event})
	}
}

func (l *listener) latencyLocked(t goalcast.Times, sent int64) Latency {
	if l.o.Replay { // that was then
		return Latency{}
	}
	here := time.Now().Add(l.clock).UnixMilli()
	span := func(from, to int64) time.Duration {
		if from <= 0 || to <= 0 {
			return 0
		}
		return milliseconds(max(0, to-from))
	}
	return Latency{Provider: span(t.Provider, t.Received), Ingest: span(t.Received, t.Published),
		Hub: span(t.Published, sent), Network: span(sent, here), Total: span(t.Received, here)}
}

// reset: what comes next begins anew.
func (l *listener) reset(reason goalcast.Reason) {
	l.forget()
	if l.o.OnReset != nil {
		l.o.OnReset(reason)
	}
}

func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor = ""
	for id := range l.matches {
		l.outdated[id] = true
	}
	l.prices.outdated = true
	l.told = revisions{}
	for _, t := range l.topics {
		l.unjoined[t] = true
	}
}

// bye: the hub leaves, or cannot take anybody now, and says when to come back, differently to
// everyone.
func (l *listener) bye(f frame) {
	if f.Reason == goalcast.ByeReplayOver {
		l.forget() // its cursor is good for nothing else
		l.over = &ending{reason: string(f.Reason), done: true}
		return
	}
	l.keepCursor(f)
	reason := string(f.Reason)
	if reason == "" {
		reason = "bye"
	}
	l.over = &ending{reason: reason, retry: milliseconds(f.Retry)}
}

// keepCursor takes that of a frame which is of no topic: before every snapshot has come it would
// leave a topic out.
func (l *listener) keepCursor(f frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Cursor != "" && len(l.unjoined) == 0 {
		l.cursor = f.Cursor
	}
}

func (l *listener) pong(f frame) {
	l.keepCursor(f)
	if f.ID == "" || f.ID != l.pingID {
		return
	}
	delete(l.alarms, pongAlarm)
	l.pingID = ""
	if f.Time > 0 {
		rtt := time.Since(l.pingAt)
		l.measureClock(time.UnixMilli(f.Time).Add(rtt/2), max(rtt, 1))
	}
}

// measureClock keeps the offset of the quickest round trip: it is the one that can be least wrong.
func (l *listener) measureClock(hub time.Time, rtt time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clockRTT == 0 || rtt <= l.clockRTT {
		l.clock, l.clockRTT = time.Until(hub), rtt
	}
}

// problem: none of a subscription's topics is followed. Those that may be later are asked for
// again; the others are dropped, else they would have the next connection refused.
func (l *listener) problem(f frame) {
	if f.ID != "" && f.ID == l.authID { // a token that was not taken
		switch {
		case f.Code == goalcast.CodeUnavailable:
			l.alarms.after(authAlarm, 2*time.Second, l.expiring)
		case f.Code == goalcast.CodeUnauthorized && l.unauthorized < 2:
			l.unauthorized++
			l.alarms.after(authAlarm, time.Second, l.expiring)
		}
		return // else the hub says bye, and the next connection is told why it is refused
	}
	topics := l.requests[f.ID]
	delete(l.requests, f.ID)
	switch {
	case len(topics) == 0:
	case f.Code.Info().Final:
		l.mu.Lock()
		l.dropLocked(topics)
		l.mu.Unlock()
		l.asked = slices.DeleteFunc(l.asked, func(t goalcast.Topic) bool { return slices.Contains(topics, t) })
	default:
		wait := time.Duration(float64(l.o.Backoff) * (2 + 8*l.o.random()))
		l.alarms.after("again "+f.ID, wait, func() {
			still := slices.DeleteFunc(topics, func(t goalcast.Topic) bool { return !slices.Contains(l.asked, t) })
			if len(still) > 0 {
				l.subscribe(still)
			}
		})
	}
	p := Problem{Code: f.Code, Detail: f.Error, Topics: slices.Clone(topics)}
	if l.o.OnProblem != nil {
		l.o.OnProblem(p)
		return
	}
	l.o.Log.Warn("the hub did not like something", "code", p.Code, "detail", p.Detail, "topics", texts(p.Topics))
}

// expiring: what the hub knows of who watches ends soon. A WebSocket hands a new token in; others
// come back with one.
func (l *listener) expiring() {
	if l.o.Token == nil {
		return // the hub says bye in time
	}
	if l.link.send == nil {
		l.over = &ending{again: true}
		return
	}
	ctx := l.session
	l.work.Go(func() {
		token, err := l.token(ctx)
		if err != nil || token == "" {
			return // then the hub says bye, and the next connection asks again
		}
		select {
		case l.tokens <- token:
		case <-ctx.Done():
		}
	})
}
