package hub_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// counted is what is counted of a match, as of a version.
func counted(match goalcast.MatchID, version int64) goalcast.State {
	return goalcast.State{Topic: goalcast.ForMatch(match), Key: goalcast.StatsKey, Version: version,
		Value: json.RawMessage(fmt.Sprintf(`{"shots":%d}`, version))}
}

// setState keeps a state on the bus and tells it to those who follow.
func (w *world) setState(st goalcast.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[st.Topic] = []goalcast.State{st}
	for _, n := range w.nodes {
		n.State(st)
	}
}

// What is counted in a match stands in its snapshot, and comes as it changes; topics that have no
// states are not followed.
func TestStatesOfAMatch(t *testing.T) {
	everyway(t, hub.Config{StateInterval: time.Millisecond}, func(t *testing.T, w *world, n *node,
		dial func(string, goalcast.Cursor) viewer) {
		w.fixture(7)
		w.setState(counted(7, 1))
		v := dial("match:7,team:70,competition:5", goalcast.Cursor{})
		all := until(t, v, goalcast.FrameSnapshot)
		for len(all) < 4 {
			all = append(all, until(t, v, goalcast.FrameSnapshot)...)
		}
		if s := all[1]; len(s.States) != 1 || string(s.States[0].Value) != `{"shots":1}` {
			t.Errorf("snapshot %s", s.raw)
		}
		w.setState(counted(7, 2))
		if s := until(t, v, goalcast.FrameState); string(s[len(s)-1].State.Value) != `{"shots":2}` {
			t.Errorf("states %v", s)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if got := slices.Sorted(slices.Values(w.follows)); !slices.Equal(got, []string{"+competition:5", "+match:7"}) {
			t.Errorf("followed %s", got)
		}
	})
}

// The bus does not answer who wants to follow a match's states: viewers join without, and get them
// when it does.
func TestStatesComeWhenTheBusAnswers(t *testing.T) {
	w := newWorld()
	w.fixture(7)
	w.deaf = fmt.Errorf("no bus: %w", goalcast.ErrUnavailable)
	n := start(t, w, hub.Config{}, false)
	v := dialCoder(t, n, query("match:7", goalcast.Cursor{}))
	only(t, v, goalcast.FrameHello)
	if s := only(t, v, goalcast.FrameSnapshot); len(s.States) != 0 {
		t.Errorf("snapshot %s", s.raw)
	}
	w.mu.Lock()
	w.deaf = nil
	w.mu.Unlock()
	w.setState(counted(7, 3))
	if s := only(t, v, goalcast.FrameState); string(s.State.Value) != `{"shots":3}` {
		t.Errorf("state %s", s.raw)
	}
}

// A topic is followed once, however many look at it, and given up when nobody does any more.
func TestManyMatchesAreFollowedOnce(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{FollowLinger: 10 * time.Millisecond}, false)
	var viewers []viewer
	for range 3 {
		var topics []string
		for id := range 100 {
			topics = append(topics, fmt.Sprint("match:", 1+id))
		}
		viewers = append(viewers, dialCoder(t, n, query(strings.Join(topics, ","), goalcast.Cursor{})))
	}
	for _, v := range viewers {
		until(t, v, goalcast.FrameSnapshot)
	}
	follows := func() []string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.Clone(w.follows)
	}
	if got := follows(); len(got) != 100 || n.metric(t, "goalcast_hub_state_topics", "") != 100 {
		t.Errorf("%d follows", len(got))
	}
	for _, v := range viewers {
		v.cut()
	}
	wait(t, "all given up", func() bool {
		return len(follows()) == 200 && n.metric(t, "goalcast_hub_state_topics", "") == 0
	})
}
