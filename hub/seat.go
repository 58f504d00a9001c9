package hub

import (
	"goalcast/hub/follow"
	"goalcast/hub/limits"
	"goalcast/hub/shard"
)

// seat is all that is counted for a viewer at the door: its place within the limits, and its place
// among the viewers of each of its topics. Whoever takes one defers its leave, which gives back
// what no shard has taken over.
type seat struct {
	limit  *limits.Seat // nil: a shard has it, or a later subscription needs none
	claim  follow.Claim
	trail  *trail  // in which it is counted; nil: no delay, or a shard has it
	replay *replay // its place among the replays; nil: it watches live, or a shard has it
}

// leave gives back what the seat still has.
func (s *seat) leave() {
	s.claim.Leave()
	if s.limit != nil {
		s.limit.Leave()
	}
	if s.trail != nil {
		s.trail.leave()
	}
	if s.replay != nil {
		s.replay.leave()
	}
	*s = seat{}
}

// join hands the seat over to a shard with the connection; false if the shard has ended.
func (s *seat) join(to *shard.Shard, j *shard.Join) bool {
	j.Seat, j.Claim = s.limit, s.claim
	return s.handedOver(to.Post(j))
}

// subscribe hands over what a later subscription counts.
func (s *seat) subscribe(to *shard.Shard, o *shard.Subscribed) bool {
	o.Claim = s.claim
	return s.handedOver(to.Post(o))
}

func (s *seat) handedOver(posted bool) bool {
	if posted {
		*s = seat{}
	}
	return posted
}
