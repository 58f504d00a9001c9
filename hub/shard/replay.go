package shard

import (
	"goalcast"
	"goalcast/hub/frame"
)

// Replay is what feeds a connection that a match is played to again: one that follows no topics,
// is told nothing of the bus, and has cursors of its own. Its functions are called on the shard's
// goroutine, once each, and do not wait.
type Replay struct {
	Need  goalcast.Rights // what one has to have to be shown the match
	Begin func()          // the connection has joined: Replayed may be posted from now on
	End   func()          // it has ended
}

// replayOver ends a connection behind all that it was told.
func (s *Shard) replayOver(c *Conn) {
	last := []*frame.Message{s.bye(goalcast.ByeReplayOver, goalcast.Cursor{})}
	if c.transport == WebSocket {
		last = append(last, frame.Close(goalcast.CloseNormal, string(goalcast.ByeReplayOver)))
	}
	s.close(c, "replay_over", last...)
}

// told is the cursor that a connection may be told now. There is none while the bus has lost
// events, and none in a replay, whose frames have their own.
func (s *Shard) told(c *Conn) goalcast.Cursor {
	if l := s.laneOf(c); l != nil {
		if c.is(outdated) || c.last > l.last { // it has a newer one
			return goalcast.Cursor{}
		}
		return l.cursor
	}
	if s.broken || c.replay() != nil {
		return goalcast.Cursor{}
	}
	return s.cursor
}
