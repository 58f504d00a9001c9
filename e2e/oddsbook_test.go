package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/ingest/odds"
)

// book is the markets of a match by key, each in short: "open away=2900 draw=- home=2350".
type book map[string]string

// reader is a viewer of prices that keeps books by the rules of docs/wire.md, but for the timer.
type reader struct {
	*viewer
	name string
	may  func(match goalcast.MatchID, key, market string) bool // whether a market was ever so

	mu     sync.Mutex
	live   bool // there is a connection, and the hub hears the bus
	topics map[goalcast.MatchID]*topicOfPrices
	bad    error // what nobody must ever see
}

type topicOfPrices struct {
	gate   goalcast.Gate
	states map[string]goalcast.State // the gate too
}

func newReader(t *testing.T, name, base string, over transport, topics []goalcast.Topic,
	may func(goalcast.MatchID, string, string) bool) *reader {
	r := &reader{viewer: newViewer(t, base, over, topics...), name: name, may: may,
		topics: map[goalcast.MatchID]*topicOfPrices{}}
	connect := r.Transport
	r.Transport = func(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
		defer r.do(func() { r.live = false })
		return connect(ctx, base, topics, since, frame)
	}
	r.Also = func(f goalcast.Frame, _ []byte) { r.do(func() { r.frame(f) }) }
	r.Join()
	return r
}

func (r *reader) do(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *reader) frame(f goalcast.Frame) {
	switch f.Type {
	case goalcast.FrameHello: // of another connection, maybe to another hub: all prices come again
		r.live = true
		clear(r.topics)
	case goalcast.FrameStale:
		r.live = !*f.Stale
	case goalcast.FrameSnapshot:
		if f.Topic.Kind == goalcast.OddsTopic {
			delete(r.topics, goalcast.MatchID(f.Topic.ID))
		}
		for _, st := range f.States {
			r.state(st)
		}
	case goalcast.FrameState:
		r.state(*f.State)
	}
}

func (r *reader) state(st goalcast.State) {
	match := goalcast.MatchID(st.Topic.ID)
	p := r.topics[match]
	if p == nil {
		p = &topicOfPrices{states: map[string]goalcast.State{}}
		r.topics[match] = p
	}
	if known, ok := p.states[st.Key]; ok && known.Version >= st.Version {
		return
	}
	if st.Key == goalcast.GateKey {
		p.gate = goalcast.ReadGate(st.Value)
		clear(p.states) // whichever way it goes
	}
	p.states[st.Key] = st
	if st.Key == goalcast.GateKey || st.Removed() || p.gate.State != goalcast.GateOpen {
		return
	}
	if text := wireText(st.Value); !r.may(match, st.Key, text) {
		r.bad = errors.Join(r.bad, fmt.Errorf("%s, match %d, %s: %s was never so", r.name, match, st.Key, text))
	}
}

// sees is what is visible of a match; nil while nothing may be.
func (r *reader) sees(match goalcast.MatchID) (book, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.topics[match]
	if p == nil || !r.live || p.gate.State != goalcast.GateOpen {
		return nil, r.bad
	}
	b := book{}
	for key, st := range p.states {
		if key != goalcast.GateKey && !st.Removed() {
			b[key] = wireText(st.Value)
		}
	}
	return b, r.bad
}

// about says why a reader sees what it sees of a match.
func (r *reader) about(match goalcast.MatchID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.topics[match]; p != nil {
		return fmt.Sprintf("live %t, gate %+v", r.live, p.gate)
	}
	return fmt.Sprintf("live %t, no gate", r.live)
}

// wireText is a market in short as the wire has it.
func wireText(value json.RawMessage) string {
	var m struct {
		Status     string `json:"st"`
		Selections map[string]struct {
			Price int64 `json:"p"`
		} `json:"sel"`
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return fmt.Sprintf("%v: %s", err, value)
	}
	prices := map[string]int64{}
	for key, s := range m.Selections {
		prices[key] = s.Price
	}
	return inShort(m.Status, prices)
}

// marketText is a market in short as a naive reader has it.
func marketText(m odds.Market) string {
	prices := map[string]int64{}
	for _, s := range m.Selections {
		prices[s.Key] = int64(s.Price)
	}
	return inShort(string(m.Status), prices)
}

func inShort(status string, prices map[string]int64) string {
	words := []string{status}
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		price := "-"
		if p := prices[key]; p != 0 {
			price = fmt.Sprint(p)
		}
		words = append(words, key+"="+price)
	}
	return strings.Join(words, " ")
}
