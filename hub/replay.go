package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// A match that is over can be played again, from kick-off, to one viewer: each revision as it was
// told, at its pace or faster. Such a viewer is a connection of a shard like any other, but it
// follows no topics; a goroutine of its own posts what it is told. All of the match is read before
// it joins, so that nothing can be missing later.

const (
	// maxSpeed is a match in two minutes.
	maxSpeed = 60
	// maxReplayEvents and maxReplayBytes are how long a match may be, and how much memory each
	// viewer's replay can take. A long match has some 500 revisions, of 400 kB.
	maxReplayEvents = 10_000
	maxReplayBytes  = 4 << 20
	// replayReads is how many matches are read for it at one time: a very long one takes a second.
	replayReads = 2
	// longestPause is how long nothing may be told while play rests, as it was: half-time, a
	// suspension, a correction on the next day. What is longer is cut.
	longestPause = time.Minute
	// longestWait is the same while the ball rolls, where time is what it was unless a feed broke.
	longestWait = 30 * time.Minute
)

// replay is a match that is played again to one viewer. Before a shard has the connection it is the
// request's; from then on the feeding goroutine's, and nothing of it changes.
type replay struct {
	speed int
	kinds goalcast.KindSet // that are told
	hub   *Hub             // in which it has a place
	gone  chan struct{}    // closed when the connection has ended
	need  goalcast.Rights

	topic   goalcast.Topic
	epoch   string // of its cursors, whose offsets count what was told of the match
	before  int    // what was told before kick-off: it is in matches
	matches []byte // the match then, as in a snapshot frame
	told    []told // from kick-off on
}

// told is one revision as it was told.
type told struct {
	text []byte // the event's JSON
	kind goalcast.KindSet
	wait time.Duration // behind the one before
}

var errTooLong = errors.New("too much was told of this match for it to be played again")

// parseReplay reads what a request says of a replay.
func (v *viewer) parseReplay(q url.Values) *refusal {
	bad := func(text string) *refusal { return &refusal{goalcast.CodeBadParameter, "replay", text} }
	if !q.Has("replay") {
		if q.Has("speed") {
			return bad("speed is of a replay: replay=kickoff&speed=10")
		}
		return nil
	}
	v.replay = &replay{speed: 1}
	if q.Get("replay") != "kickoff" {
		return bad("a match can be played again from kick-off only: replay=kickoff")
	}
	if v.transport == shard.Poll && !v.check {
		return bad("a replay wants a WebSocket or an event stream")
	}
	if len(v.topics) != 1 || v.topics[0].Kind != goalcast.MatchTopic {
		return &refusal{goalcast.CodeBadTopic, "replay", "a replay is of one match: topics=match:1"}
	}
	v.replay.topic = v.topics[0]
	if text := q.Get("speed"); text != "" {
		speed, err := strconv.Atoi(text)
		if err != nil || speed < 1 || speed > maxSpeed {
			return bad(fmt.Sprintf("speed wants a whole number from 1 to %d", maxSpeed))
		}
		v.replay.speed = speed
	}
	return nil
}

// mayReplay finds out whether the match may be played again to the viewer. To who may not see it
// there is no such match.
func (h *Hub) mayReplay(ctx context.Context, v *viewer) *refusal {
	none := func(text string) *refusal { return &refusal{goalcast.CodeNoReplay, "no_replay", text} }
	if h.cfg.Replay == nil {
		return none("nothing is played again here")
	}
	m, _, err := h.board.Match(ctx, goalcast.MatchID(v.replay.topic.ID))
	switch {
	case err != nil && !errors.Is(err, goalcast.ErrNotFound):
		h.log.Warn("replay", "error", err)
		return unavailable()
	case err != nil || !v.rights.Have(h.board.Private().Match(m)):
		return none("there is no such match")
	case m.State != goalcast.Finished:
		return none("this match is not over")
	case m.Seq > maxReplayEvents: // what is read is counted again, with messages
		return none(errTooLong.Error())
	case h.replays.Load() >= int64(h.cfg.MaxReplays):
		return tooMany("replays")
	}
	v.replay.need = h.board.Private().Match(m)
	return nil
}

// prepareReplay gives the viewer a place among the replays and reads the match.
func (h *Hub) prepareReplay(ctx context.Context, v *viewer, s *seat) *refusal {
	if no := h.mayReplay(ctx, v); no != nil {
		return no
	}
	if h.replays.Add(1) > int64(h.cfg.MaxReplays) {
		h.replays.Add(-1)
		return tooMany("replays")
	}
	v.replay.hub, v.replay.gone = h, make(chan struct{})
	s.replay = v.replay
	err := h.readReplay(ctx, v.replay)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLong):
		return &refusal{goalcast.CodeNoReplay, "no_replay", errTooLong.Error()}
	case !errors.Is(err, context.Canceled):
		h.log.Warn("replay", "error", err)
	}
	return unavailable()
}

func (h *Hub) readReplay(ctx context.Context, r *replay) error {
	select {
	case h.reading <- struct{}{}:
		defer func() { <-h.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	all, err := h.cfg.Replay(ctx, goalcast.MatchID(r.topic.ID), maxReplayEvents+1)
	if err != nil {
		return err
	}
	return r.plan(all)
}

// plan makes a replay of all that was told of its match.
func (r *replay) plan(all []goalcast.Revision) error {
	if len(all) > maxReplayEvents {
		return errTooLong
	}
	r.epoch = "r" + strconv.FormatInt(r.topic.ID, 36)
	var m goalcast.Snapshot
	var last time.Time
	size, rolls := 0, false
	for _, rev := range all {
		e := rev.Event
		if !slices.Contains(e.Topics, r.topic) {
			continue
		}
		if r.told == nil {
			then := goalcast.Apply(m, e)
			if !hasBegun(then) {
				m = then
				r.before++
				continue
			}
			r.matches = matchesOf(m)
			m, last = then, rev.At
		} else {
			m.Take(e)
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.KeyOfAll(), err)
		}
		if size += len(text); size > maxReplayBytes {
			return errTooLong
		}
		longest := longestPause
		if rolls {
			longest = longestWait
		}
		r.told = append(r.told, told{text, goalcast.SetOf(e.Kind), min(max(rev.At.Sub(last), 0), longest)})
		last, rolls = rev.At, m.Period.InPlay() && m.Delay == nil
	}
	if r.told == nil {
		r.matches = matchesOf(m)
	}
	return nil
}

// hasBegun says that a match is not before its kick-off.
func hasBegun(m goalcast.Snapshot) bool {
	return m.State != "" && m.State != goalcast.Scheduled && m.State != goalcast.Postponed
}

// matchesOf is what a snapshot frame says of a match.
func matchesOf(m goalcast.Snapshot) []byte {
	matches := []goalcast.Snapshot{}
	if m.Seq > 0 {
		matches = append(matches, m)
	}
	text, err := json.Marshal(matches)
	if err != nil {
		panic("snapshot: " + err.Error()) // as in the board: nothing in it can fail
	}
	return text
}

// cursor is the place behind so much of what was told of the match.
func (r *replay) cursor(n int) goalcast.Cursor {
	return goalcast.Cursor{Epoch: r.epoch, Offset: uint64(n)}
}

func (r *replay) end() int { return r.before + len(r.told) }

// outcome says how a viewer's request to go on ends.
func (r *replay) outcome(v *viewer) goalcast.Reason {
	switch {
	case v.bad != "":
		return v.bad
	case v.since.Epoch != r.epoch:
		return goalcast.ResetEpoch
	case v.since.Offset < uint64(r.before):
		return goalcast.ResetTooOld
	case v.since.Offset > uint64(r.end()):
		return goalcast.ResetAhead
	}
	return resumed
}

// over says that a viewer comes back who has been told all. It is false for who watches live.
func (r *replay) over(v *viewer) bool {
	return r != nil && v.resume && r.outcome(v) == resumed && v.since.Offset == uint64(r.end())
}

// joinReplay posts the connection with the match as it was at kick-off, or where the viewer goes on
// from.
func (h *Hub) joinReplay(to *shard.Shard, c *shard.Conn, v *viewer, s *seat, input []byte) error {
	r, from := v.replay, v.replay.before
	r.kinds = v.kinds
	var frames []*frame.Message
	if v.resume && r.outcome(v) == resumed {
		from = int(v.since.Offset)
		frames = append(frames, h.hello(v, v.since))
	} else {
		at := r.cursor(from)
		frames = append(frames, h.hello(v, at))
		if v.resume {
			frames = append(frames, resetMessage(r.outcome(v)))
		}
		frames = append(frames, &frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassSnapshot,
			Text: func() []byte { return snapshotText(r.topic, at.String(), r.matches, nil) }}, mark(at))
	}
	c.Play(&shard.Replay{Need: r.need,
		Begin: func() { h.working.Go(func() { r.feed(from, to.Post, c) }) },
		End:   r.leave,
	})
	if !s.join(to, &shard.Join{Conn: c, Input: input, Start: shard.Start{Frames: frames}}) {
		return errNotRunning
	}
	return nil
}

// leave ends the replay and gives its place back. It is called once: by the shard that has the
// connection or, if none has, by the seat.
func (r *replay) leave() {
	close(r.gone)
	r.hub.replays.Add(-1)
}

// feed posts what was told of the match behind a place, of the kinds asked for, each at its time,
// then the end.
func (r *replay) feed(from int, post func(shard.Op) bool, c *shard.Conn) {
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := from; n < r.end(); n++ {
		t := r.told[n-r.before]
		due = due.Add(t.wait / time.Duration(r.speed))
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-r.gone:
			return
		}
		if r.kinds.Has(t.kind) && !post(&shard.Replayed{Conn: c, Message: r.message(n+1, t.text)}) {
			return
		}
	}
	post(&shard.ReplayOver{Conn: c})
}

// message is the frame of what was told, as it was but for its cursor and when it is sent.
func (r *replay) message(n int, text []byte) *frame.Message {
	p := goalcast.Published{Cursor: r.cursor(n), Raw: text}
	sent := time.Now().UnixMilli()
	return &frame.Message{Kind: goalcast.FrameEvent, Class: frame.ClassEvent, ID: p.Cursor.String(),
		Text: func() []byte { return goalcast.EventFrame(p, sent) }}
}
