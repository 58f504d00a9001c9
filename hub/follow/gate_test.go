package follow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// priced is a table of prices, and a viewer who was told everything so far.
type priced struct {
	t     *testing.T
	table *Table
	now   time.Time
	gate  int64 // version on the bus

	upto uint64 // what the viewer knows
	told []string
	last goalcast.State // the newest gate
}

func newPriced(t *testing.T) *priced {
	return &priced{t: t, table: NewTable(goalcast.ForOdds(1), 1), now: time.UnixMilli(1_790_000_000_000)}
}

// tell gives the viewer a gate and then what a flush would.
func (p *priced) tell(change *GateChange) {
	p.t.Helper()
	if change != nil {
		p.upto = max(p.upto, change.Void)
		p.told = append(p.told, p.text(change.Message.Text()))
	}
	updates, upto := p.table.Since(p.upto)
	for _, u := range updates {
		p.told = append(p.told, p.text(u.Frame.Text()))
	}
	p.upto = upto
}

func (p *priced) text(b []byte) string {
	p.t.Helper()
	var f goalcast.Frame
	if err := json.Unmarshal(b, &f); err != nil {
		p.t.Fatal(err)
	}
	return stateText(*f.State)
}

func stateText(st goalcast.State) string {
	switch {
	case st.Key == goalcast.GateKey:
		g := goalcast.ReadGate(st.Value)
		return strings.TrimSpace(fmt.Sprintf("!%s %s", g.State, g.Reason))
	case st.Removed():
		return st.Key + " gone"
	}
	return fmt.Sprintf("%s@%d", st.Key, st.Version)
}

func (p *priced) state(key string, version int64, value string) goalcast.State {
	return goalcast.State{Topic: p.table.Topic, Key: key, Version: version, Value: json.RawMessage(value)}
}

// comes has values come over the bus: "1x2@3", "1x2@4 gone", or "!open" and "!suspended goal" for a
// new gate, "!" for the same once more.
func (p *priced) comes(values ...string) {
	p.t.Helper()
	for _, st := range p.parse(values) {
		_, _, gate := p.table.Take(st, p.now, 100, nil)
		p.tell(gate)
	}
}

// read has values read from what the bus keeps.
func (p *priced) read(values ...string) {
	p.t.Helper()
	_, _, gate := p.table.Replace(p.parse(values), p.now, 100, nil)
	p.tell(gate)
}

func (p *priced) parse(values []string) (list []goalcast.State) {
	for _, v := range values {
		switch {
		case v == "!":
			list = append(list, p.last)
		case v[0] == '!':
			state, reason, _ := strings.Cut(v[1:], " ")
			p.gate++
			g := goalcast.Gate{State: goalcast.GateState(state), Reason: goalcast.GateReason(reason), Since: p.gate}
			p.last = p.state(goalcast.GateKey, p.gate, string(g.Encode()))
			list = append(list, p.last)
		default:
			var key, gone string
			var version int64
			v = strings.Replace(v, "@", " ", 1)
			_, _ = fmt.Sscan(v, &key, &version, &gone)
			value := `{"st":"open"}`
			if gone != "" {
				value = "null"
			}
			list = append(list, p.state(key, version, value))
		}
	}
	return list
}

// pass lets time go by, looking as often as the hub does.
func (p *priced) pass(d time.Duration) {
	p.t.Helper()
	for until := p.now.Add(d); p.now.Before(until); {
		p.now = p.now.Add(250 * time.Millisecond)
		p.tell(p.table.Watch(p.now, nil))
	}
}

// want compares what the viewer was told since the last time, and what one who comes now sees.
func (p *priced) want(told, snapshot string) {
	p.t.Helper()
	if got := strings.Join(p.told, ", "); got != told {
		p.t.Errorf("told %q, want %q", got, told)
	}
	p.told = nil
	text, _ := p.table.Snapshot()
	var states []goalcast.State
	if text != nil {
		if err := json.Unmarshal(text, &states); err != nil {
			p.t.Fatal(err)
		}
	}
	var shown []string
	for _, st := range states {
		shown = append(shown, stateText(st))
	}
	if got := strings.Join(shown, ", "); got != snapshot {
		p.t.Errorf("snapshot %q, want %q", got, snapshot)
	}
}

func TestPricesAreShownBehindAnOpenGateOnly(t *testing.T) {
	p := newPriced(t)
	p.comes("!open", "1x2@1", "ou:2.5@1")
	p.want("!open, 1x2@1, ou:2.5@1", "!open, 1x2@1, ou:2.5@1")
	p.comes("!suspended goal", "1x2@2")
	p.want("!suspended goal", "!suspended goal")
	p.comes("!suspended review")
	p.want("!suspended review", "!suspended review")
	p.comes("!open", "1x2@2")
	p.want("!open, 1x2@2", "!open, 1x2@2")
	p.comes("1x2@1", "1x2@3 gone")
	p.want("1x2 gone", "!open")
	p.comes("!closed finished")
	p.want("!closed finished", "!closed finished")
}

// What the bus keeps may be a day old: nothing of it is shown before somebody vouches for it.
func TestWhatWasReadIsHiddenUntilTheTopicIsHeardOf(t *testing.T) {
	p := newPriced(t)
	p.read("!open", "1x2@5", "ou:2.5@5")
	p.want("!suspended start", "!suspended start")
	p.comes("!")
	p.want("!open, 1x2@5, ou:2.5@5", "!open, 1x2@5, ou:2.5@5")

	p.read("!", "1x2@7") // the connection was lost: the other market is gone
	p.want("!suspended start", "!suspended start")
	p.comes("1x2@8")
	p.want("!open, 1x2@8", "!open, 1x2@8")

	p.read() // Redis lost its memory
	p.want("!suspended start", "!suspended start")
	p.comes("1x2@9")
	p.want("", "!suspended start")
	p.comes("!open", "1x2@10")
	p.want("!open, 1x2@10", "!open, 1x2@10")
}

func TestSilenceShutsTheGate(t *testing.T) {
	p := newPriced(t)
	p.comes("!open", "1x2@1")
	p.want("!open, 1x2@1", "!open, 1x2@1")
	p.pass(goalcast.GateSilence)
	p.want("", "!open, 1x2@1")
	p.pass(250 * time.Millisecond)
	p.want("!suspended silent", "!suspended silent")
	p.comes("!")
	p.want("!open, 1x2@1", "!open, 1x2@1")
	for range 20 {
		p.pass(time.Second)
		p.comes("!")
	}
	if n := len(p.told); n != 5 && n != 6 { // each 3 to 4 seconds, so that viewers hear something
		t.Errorf("told %q in 20 seconds", p.told)
	}
	p.told = slices.DeleteFunc(p.told, func(what string) bool { return what == "!open" })
	p.want("", "!open, 1x2@1")
}

// Viewers hear something of a gate that is shut too.
func TestAGateIsRepeated(t *testing.T) {
	p := newPriced(t)
	p.comes("!suspended goal")
	p.pass(GateBeat)
	p.want("!suspended goal, !suspended goal", "!suspended goal")
	last := p.table.GateSince(0)
	p.pass(GateBeat)
	if next := p.table.GateSince(0); next == last {
		t.Error("it was not told again")
	}
}

// While the bus is silent no message opens a gate: it may come from one half of a cut network.
func TestGatesAreShutWhileTheBusIsSilent(t *testing.T) {
	p := newPriced(t)
	p.comes("!open", "1x2@1")
	p.told = nil
	p.tell(p.table.Shut(goalcast.GateBus, p.now, nil))
	p.want("!suspended bus", "!suspended bus")
	p.comes("1x2@2", "!")
	p.want("", "!suspended bus")
	p.tell(p.table.Unshut(p.now, nil))
	p.want("!suspended silent", "!suspended silent")
	p.comes("!")
	p.want("!open, 1x2@2", "!open, 1x2@2")
	if change := p.table.Unshut(p.now, nil); change != nil {
		t.Error("opened what was open")
	}
}

// The versions of a gate's frames go up at each hub, whatever it adds to what the bus says.
func TestViewersNeverSeeAnOlderGate(t *testing.T) {
	p := newPriced(t)
	var last int64
	look := func() {
		t.Helper()
		var f goalcast.Frame
		if err := json.Unmarshal(p.table.GateSince(0).Text(), &f); err != nil {
			t.Fatal(err)
		}
		if f.State.Version <= last {
			t.Errorf("version %d after %d", f.State.Version, last)
		}
		last = f.State.Version
	}
	for range 3 {
		p.comes("!open")
		look()
		p.tell(p.table.Shut(goalcast.GateBus, p.now, nil))
		look()
		p.tell(p.table.Unshut(p.now, nil))
		look()
		p.comes("!")
		look()
	}
}

// A topic of a match has no gate, and its states are shown.
func TestWhatWasReadBeforeAGateIsPassedOver(t *testing.T) {
	p := newPriced(t)
	p.comes("!open", "1x2@1")
	old := p.last
	p.comes("!suspended goal")
	p.want("!open, 1x2@1, !suspended goal", "!suspended goal")
	_, _, gate := p.table.Replace([]goalcast.State{old, p.state("1x2", 1, `{"st":"open"}`)}, p.now, 100, nil)
	p.tell(gate)
	p.comes("1x2@2")
	p.want("", "!suspended goal")
}

func TestOtherTopicsHaveNoGate(t *testing.T) {
	table := NewTable(goalcast.ForMatch(1), 1)
	one := goalcast.State{Topic: table.Topic, Key: goalcast.StatsKey, Version: 1, Value: json.RawMessage(`1`)}
	news, _, gate := table.Replace([]goalcast.State{one}, time.Now(), 10, nil)
	if !news || gate != nil {
		t.Errorf("news %t, gate %v", news, gate)
	}
	one.Version = 2
	if news, _, gate = table.Take(one, time.Now(), 10, nil); !news || gate != nil ||
		table.Watch(time.Now(), nil) != nil {
		t.Errorf("news %t, gate %v", news, gate)
	}
}

// TestAnEventOutdatesAGate: one that was published after the gate was opened shuts it, until the
// next gate, or until it would have come.
func TestAnEventOutdatesAGate(t *testing.T) {
	p := newPriced(t)
	event := func(published int64) { p.tell(p.table.Outdate(goalcast.GateGoal, published, p.now, nil)) }
	event(5) // there are no prices
	p.comes("!open", "1x2@1")
	p.want("!open, 1x2@1", "!open, 1x2@1")
	event(1) // the gate was opened after that
	p.want("", "!open, 1x2@1")
	event(5)
	p.want("!suspended goal", "!suspended goal")
	p.comes("!", "1x2@2")
	p.read("!", "1x2@2")
	p.want("!suspended start", "!suspended start")
	p.comes("!", "1x2@2")
	p.want("!suspended goal", "!suspended goal")
	p.comes("!suspended goal")
	p.comes("!open", "1x2@3")
	p.want("!suspended goal, !open, 1x2@3", "!open, 1x2@3")

	event(9)
	p.want("!suspended goal", "!suspended goal")
	for range 4 { // nobody shut the gate, and somebody vouches for it
		p.pass(time.Second)
		p.comes("!")
	}
	p.want("!open, 1x2@3", "!open, 1x2@3")
}
