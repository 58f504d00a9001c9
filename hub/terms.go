package hub

import (
	"sync"

	"goalcast"
	"goalcast/hub/shard"
)

// alwaysSent are the kinds that viewers are sent whatever they ask for: by the first event of a new
// match, its fixture, a viewer learns that there is such a match.
var alwaysSent = goalcast.SetOf(goalcast.KindFixture)

// terms are those of the viewers who asked for some kinds of event only, by these kinds: made once
// for all who ask for the same, and kept. With fifteen kinds there are 16,384 at most, of 16 bytes.
type terms struct {
	mu     sync.Mutex // guards the rest
	filter map[goalcast.KindSet]*shard.Terms
}

// of gives the terms of who asks for some kinds; nil for all kinds.
func (t *terms) of(kinds goalcast.KindSet) *shard.Terms {
	if kinds == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.filter == nil {
		t.filter = make(map[goalcast.KindSet]*shard.Terms)
	}
	known := t.filter[kinds]
	if known == nil {
		known = &shard.Terms{Kinds: kinds}
		t.filter[kinds] = known
	}
	return known
}
