package goalcast_test

import (
	"testing"
	"time"

	"goalcast"
)

// No filter chooses the canary match, and it needs no right where competitions are private: any
// other match of which no competition is known does.
func TestCanaryMatchIsInNoListAndNotPrivate(t *testing.T) {
	private := goalcast.Private{8: goalcast.PrivateRight(0)}
	for id, want := range map[goalcast.MatchID]struct {
		chosen bool
		need   goalcast.Rights
	}{goalcast.CanaryMatch: {false, 0}, 7: {true, goalcast.PrivateRight(0)}} {
		s := goalcast.Snapshot{ID: id, Seq: 1, Updated: time.Now().UnixMilli()}
		e := goalcast.Event{Match: id, Seq: 1, Topics: []goalcast.Topic{goalcast.ForMatch(id)}}
		if got := (goalcast.MatchFilter{Unplanned: true}).Chooses(s); got != want.chosen {
			t.Errorf("match %d: chosen %v", id, got)
		}
		if m, ev := private.Match(&s), private.Event(&e); m != want.need || ev != want.need {
			t.Errorf("match %d needs %b, its event %b", id, m, ev)
		}
		if need, ok := private.Topic(goalcast.ForMatch(id)); need != 0 || ok == want.chosen {
			t.Errorf("topic of match %d: %b, %v", id, need, ok)
		}
	}
}
