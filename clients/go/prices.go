package client

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"

	"goalcast"
)

// prices are the newest states, and whether those that are prices may be shown. Client.mu guards
// it.
type prices struct {
	states   map[goalcast.Topic]map[string]goalcast.State
	outdated bool                         // until every snapshot has come after a reset any version counts
	heard    map[goalcast.Topic]time.Time // topics of prices -> when the hub said what was heard last of them
	silent   map[goalcast.Topic]bool      // those of which it said nothing for too long, as OnState knows it
	beat     time.Duration                // hello.odds_beat
}

const defaultBeat = 5 * time.Second

func newPrices() prices {
	return prices{states: map[goalcast.Topic]map[string]goalcast.State{}, heard: map[goalcast.Topic]time.Time{},
		silent: map[goalcast.Topic]bool{}, beat: defaultBeat}
}

// State is the newest value of a key of a topic. Prices are better asked for with Price.
func (c *Client) State(topic goalcast.Topic, key string) (goalcast.State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.prices.states[topic][key]
	return s, ok
}

// Gate says whether prices of a match may be shown. While there is no live connection they may not.
// It is true at this moment only: ask again whenever you draw.
func (c *Client) Gate(match goalcast.MatchID) goalcast.Gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gateLocked(goalcast.ForOdds(match))
}

func (c *Client) gateLocked(topic goalcast.Topic) goalcast.Gate {
	s, ok := c.prices.states[topic][goalcast.GateKey]
	if !ok {
		return goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateStart}
	}
	if c.status.Phase != Connected {
		return goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateConnection}
	}
	g := goalcast.ReadGate(s.Value)
	if g.State == goalcast.GateOpen && c.prices.isSilent(topic) {
		return goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateSilent}
	}
	return g
}

// Price is a price of a match in thousandths, Price(1009316, "1x2", "home"); false if none may be
// shown now.
func (c *Client) Price(match goalcast.MatchID, market, selection string) (thousandths int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	topic := goalcast.ForOdds(match)
	if c.gateLocked(topic).State != goalcast.GateOpen {
		return 0, false
	}
	var m struct {
		Status     string                      `json:"st"`
		Selections map[string]struct{ P *int } `json:"sel"`
	}
	if err := json.Unmarshal(c.prices.states[topic][market].Value, &m); err != nil || m.Status != "open" {
		return 0, false
	}
	if p := m.Selections[selection].P; p != nil {
		return *p, true
	}
	return 0, false
}

// isSilent: after two beats without a word prices are hidden. Nothing was lost, so that the next
// word brings them back. Both clocks count: one that nobody sets, and one that goes on while the
// machine sleeps.
func (p *prices) isSilent(topic goalcast.Topic) bool {
	heard, ok := p.heard[topic]
	return !ok || max(time.Since(heard), time.Now().Round(0).Sub(heard.Round(0))) > 2*p.beat
}

// void forgets prices, whichever way their gate goes.
func (p *prices) void(topic goalcast.Topic) { delete(p.states, topic) }

// hello: what another connection told of prices is void. All comes again, and another hub counts
// its gates from elsewhere.
func (p *prices) hello(beat time.Duration) {
	if beat > 0 {
		p.beat = beat
	}
	for topic := range p.heard {
		p.void(topic)
		p.set(goalcast.State{Topic: topic, Key: goalcast.GateKey, Value: goalcast.Gate{State: goalcast.GateSuspended,
			Reason: goalcast.GateConnection}.Encode()})
	}
	clear(p.heard)
	clear(p.silent)
}

func (p *prices) set(s goalcast.State) {
	if p.states[s.Topic] == nil {
		p.states[s.Topic] = map[string]goalcast.State{}
	}
	p.states[s.Topic][s.Key] = s
}

// take takes a state, and says whether that changes anything. gated: it is of prices.
func (p *prices) take(s goalcast.State) (gated, changed bool) {
	old, known := p.states[s.Topic][s.Key]
	_, shut := p.states[s.Topic][goalcast.GateKey]
	gated = s.Key == goalcast.GateKey || shut
	switch {
	case known && old.Version >= s.Version && !p.outdated:
		return gated, false
	case s.Key == goalcast.GateKey:
		p.void(s.Topic)
	case gated && goalcast.ReadGate(p.states[s.Topic][goalcast.GateKey].Value).State != goalcast.GateOpen:
		return gated, false
	}
	if s.Removed() {
		delete(p.states[s.Topic], s.Key)
	} else {
		p.set(s)
	}
	return gated, true
}

// state takes one and tells of it.
func (l *listener) state(s goalcast.State, sent int64) {
	l.mu.Lock()
	gated, changed := l.prices.take(s)
	l.mu.Unlock()
	if gated {
		l.hearPrices(s.Topic, sent)
	}
	if changed && l.o.OnState != nil {
		l.o.OnState(s)
	}
}

// hearPrices notes when the hub said something of prices. What was on its way for longer than
// prices live, in a network or in front of a machine that slept, is as good as silence; unless it
// is the clock that is wrong.
func (l *listener) hearPrices(topic goalcast.Topic, sent int64) {
	l.mu.Lock()
	now, late := time.Now(), time.Duration(0)
	if sent > 0 && l.clockRTT > 0 {
		late = max(0, now.Add(l.clock).Sub(time.UnixMilli(sent)))
	}
	l.prices.heard[topic] = now.Add(-late)
	silent := l.prices.isSilent(topic)
	l.mu.Unlock()
	if silent {
		l.measureAgain()
	}
	l.watchPrices()
}

// watchPrices tells when prices fall silent, and when they are heard again.
func (l *listener) watchPrices() {
	l.mu.Lock()
	var told []goalcast.State
	for _, topic := range slices.Collect(maps.Keys(l.prices.heard)) {
		silent := l.prices.isSilent(topic)
		if silent == l.prices.silent[topic] {
			continue
		}
		l.prices.silent[topic] = silent
		told = append(told, goalcast.State{Topic: topic, Key: goalcast.GateKey, Value: l.gateLocked(topic).Encode()})
	}
	watching, every := len(l.prices.heard) > 0, min(500*time.Millisecond, l.prices.beat/2)
	l.mu.Unlock()
	for _, s := range told {
		if l.o.OnState != nil {
			l.o.OnState(s)
		}
	}
	if watching && l.over == nil && !l.alarms.has(pricesAlarm) {
		l.alarms.after(pricesAlarm, every, l.watchPrices)
	}
}

// measureAgain asks the hub for its time again. A connection that cannot ask is made anew.
func (l *listener) measureAgain() {
	if l.link.send == nil {
		l.lose("late")
		return
	}
	if l.alarms.has(pongAlarm) {
		return
	}
	l.mu.Lock()
	l.clockRTT = math.MaxInt64
	l.mu.Unlock()
	l.ping()
}
