package edge

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

// session is one edge's connection. Its writer takes events from the ring at its own pace, so only
// states ever wait for it.
type session struct {
	server  *Server
	name    string
	history uint64 // events that it wants of a stream that begins
	wake    chan struct{}
	follows map[goalcast.Topic]func() // by whom; changed by the reader alone, under the server's mutex

	// guarded by the server's mutex
	resets  uint64 // Server.resets of the stream it is told
	resumed bool   // it goes on where it was, and is to be told so
	at      uint64 // offset of the last event that it was told
	live    bool   // it was told that this was all
	silent  bool   // it was told that the bus is silent
	lines   [][]byte
	waiting int    // bytes of the lines
	cut     string // why it is to end; empty if it is not

	reading goalcast.Topic // whose states are being read for it
	news    bool           // one of them has come meanwhile
	reread  bool           // all of them have come meanwhile
}

// maxBatch is how many bytes of lines one message has; a line that is longer has one of its own.
const maxBatch = 128 << 10

// maxCommand is how many bytes a message of an edge has at most.
const maxCommand = 1 << 20

var (
	errCut  = errors.New("cut")          // the server ends the session
	errSlow = errors.New("took nothing") // for Config.WriteTimeout
)

// run serves the edge until one of the two sides ends it.
func (e *session) run(ctx context.Context, conn *websocket.Conn) {
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxCommand)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.write(ctx, conn) })
	g.Go(func() error { return e.read(ctx, conn) })
	err := g.Wait()
	for _, unfollow := range e.follows {
		unfollow()
	}
	e.server.mu.Lock()
	if e.cut == "" {
		e.cut = cutGone
	}
	why := e.cut
	e.server.mu.Unlock()
	e.server.metrics.ended.WithLabelValues(why).Inc()
	e.server.log.Info("an edge has gone", "edge", e.name, "reason", why, "error", err)
}

// write sends what there is, and something at least once per beat.
func (e *session) write(ctx context.Context, conn *websocket.Conn) error {
	beat := time.NewTicker(e.server.cfg.Beat)
	defer beat.Stop()
	for {
		batch, err := e.next(false)
		if err == nil && len(batch) == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-e.wake:
				continue
			case <-beat.C:
				batch, err = e.next(true)
			}
		}
		if err != nil {
			_ = conn.Close(websocket.StatusGoingAway, "come back")
			return err
		}
		if err := e.send(ctx, conn, batch); err != nil {
			return err
		}
	}
}

func (e *session) send(ctx context.Context, conn *websocket.Conn, batch []byte) error {
	limited, cancel := context.WithTimeoutCause(ctx, e.server.cfg.WriteTimeout, errSlow)
	defer cancel()
	err := conn.Write(limited, websocket.MessageText, batch)
	// A write that takes too long closes the connection. The reader notices that at once, and may
	// have ended the session by now, so that only the cause tells what came first.
	if err != nil && errors.Is(context.Cause(limited), errSlow) {
		e.server.mu.Lock()
		defer e.server.mu.Unlock()
		e.cutLocked(cutSlow)
	}
	return err
}

// next collects what is to be sent now: events go first. With beat it is never nothing.
func (e *session) next(beat bool) ([]byte, error) {
	s := e.server
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch bytes.Buffer
	add := func(line []byte) {
		if batch.Len() > 0 {
			batch.WriteByte('\n')
		}
		batch.Write(line)
	}
	if e.resumed {
		e.resumed = false
		add(line("c", s.ring.cursor(e.at).String()))
	}
	if e.resets != s.resets {
		e.resets, e.live = s.resets, false
		e.at = max(s.ring.first, s.ring.last-min(s.ring.last, e.history))
		add(line("r", s.ring.cursor(e.at).String()))
	}
	if e.at < s.ring.first {
		e.cutLocked(cutSlow)
	}
	if e.cut != "" {
		return nil, errCut
	}
	for ; e.at < s.ring.last && batch.Len() < maxBatch; e.at++ {
		cursor := s.ring.cursor(e.at + 1).String()
		if raw := s.ring.after(e.at); raw != nil {
			add(line("e", cursor, string(raw)))
		} else {
			add(line("n", cursor))
		}
	}
	switch {
	case s.stale && !e.silent:
		e.silent, e.live = true, false
		add(line("q"))
	case !s.stale && s.caught && !e.live && e.at == s.ring.last:
		e.silent, e.live = false, true
		add(line("l"))
	}
	for len(e.lines) > 0 && batch.Len() < maxBatch {
		add(e.lines[0])
		e.dropLocked()
	}
	if beat && batch.Len() == 0 {
		if s.stale {
			add(line("q"))
		} else {
			add(line("b", s.ring.cursor(e.at).String()))
		}
	}
	return batch.Bytes(), nil
}

func (e *session) dropLocked() {
	e.waiting -= len(e.lines[0])
	e.lines[0] = nil
	e.lines = e.lines[1:]
}

// tellLocked adds a line about states.
func (e *session) tellLocked(line []byte) {
	if e.waiting += len(line); e.waiting > e.server.cfg.MaxStates {
		e.cutLocked(cutSlow)
		return
	}
	e.lines = append(e.lines, line)
	e.wakeUp()
}

// cutLocked ends the session.
func (e *session) cutLocked(why string) {
	if e.cut == "" {
		e.cut, e.lines = why, nil
	}
	e.wakeUp()
}

func (e *session) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// read does what the edge asks for.
func (e *session) read(ctx context.Context, conn *websocket.Conn) error {
	for {
		limited, cancel := context.WithTimeout(ctx, e.server.cfg.ReadTimeout)
		_, text, err := conn.Read(limited)
		cancel()
		if err != nil {
			return err
		}
		for command := range bytes.SplitSeq(text, []byte("\n")) {
			if len(command) < 2 || command[0] != '+' && command[0] != '-' {
				continue
			}
			topic, err := goalcast.ParseTopic(string(command[1:]))
			if err != nil {
				continue // of a later version
			}
			if command[0] == '-' {
				e.unfollow(topic)
			} else if err := e.follow(ctx, topic); err != nil {
				return err
			}
		}
	}
}

// follow has the topic's states told, and answers with those known. An error of the bus ends the
// session: the edge asks again when it is back.
func (e *session) follow(ctx context.Context, t goalcast.Topic) error {
	s := e.server
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AnswerTime)
	defer cancel()
	may, err := e.may(ctx, t)
	done := err == nil && !may
	if done {
		s.mu.Lock()
		e.tellLocked(jsonLine("a "+t.String(), []goalcast.State{}))
		s.mu.Unlock()
	}
	for try := 1; err == nil && !done; try++ {
		done, err = e.ask(ctx, t, try == followTries)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.cutLocked(cutStates)
	}
	return err
}

// followTries is how often a topic is read that changes while it is read.
const followTries = 10

// ask reads a topic's states and tells them. What came meanwhile was told already: a value may be
// newer than what was read, and then it has to be read again, which is what false says; all values
// are newer in any case.
func (e *session) ask(ctx context.Context, t goalcast.Topic, last bool) (done bool, err error) {
	s := e.server
	s.mu.Lock()
	before := e.follows[t]
	if before == nil {
		before = func() {}
		e.follows[t] = before // what comes while the others are read is told
	}
	e.reading, e.news, e.reread = t, false, false
	s.mu.Unlock()
	known, unfollow, err := s.bus.Follow(ctx, t)
	if err != nil {
		return false, err
	}
	defer before()
	s.mu.Lock()
	defer s.mu.Unlock()
	e.follows[t], e.reading = unfollow, goalcast.Topic{}
	switch {
	case e.reread:
		return true, nil
	case e.news && !last:
		return false, nil
	}
	e.tellLocked(jsonLine("a "+t.String(), known))
	return true, nil
}

// may says whether the edge gets the states of a topic.
func (e *session) may(ctx context.Context, t goalcast.Topic) (bool, error) {
	s := e.server
	if !t.Kind.HasStates() || t.Kind.StatesOnly() && s.cfg.NoOdds || len(e.follows) >= s.cfg.MaxTopics {
		return false, nil
	}
	if need, ok := s.board.Private().Topic(t); ok {
		return need == 0, nil
	}
	if err := s.board.Load(ctx, []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(t.ID))}); err != nil {
		return false, err
	}
	need, ok := s.need(t)
	return ok && need == 0, nil
}

func (e *session) unfollow(t goalcast.Topic) {
	s := e.server
	s.mu.Lock()
	unfollow := e.follows[t]
	delete(e.follows, t)
	s.mu.Unlock()
	if unfollow != nil {
		unfollow()
	}
}
