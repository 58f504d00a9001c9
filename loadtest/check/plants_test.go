package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// follower is a phone that follows the match.
const follower = "token-of-a-phone"

// evening plays a match with a goal, one that is taken back, prices and pushes to viewers of all
// kinds, of whom some go and come back, and gives what is wrong with it.
func evening(t *testing.T, r *rig) []Violation {
	t.Helper()
	var viewers []*Viewer
	for name, way := range map[string]Transport{"websocket": WebSocket, "sse": SSE} {
		viewers = append(viewers, NewViewer(r.history, name, r.proxied, way, goalcast.ForMatch(match),
			goalcast.ForOdds(match)))
	}
	viewers = append(viewers, NewViewer(r.history, "poll", r.direct, Poll, goalcast.ForMatch(match)))
	for _, v := range viewers {
		t.Cleanup(v.Cut)
		v.Join()
	}
	r.history.Phone(follower, match)
	all := func(what string, ok func(*Viewer) bool) {
		t.Helper()
		r.await(what, func() bool { return !slices.ContainsFunc(viewers, func(v *Viewer) bool { return !ok(v) }) })
	}
	heard := func() {
		t.Helper()
		all("everybody hears", func(v *Viewer) bool { _, m, _ := v.State(match); return m.Seq >= r.match.Seq })
		r.history.Ask(t.Context(), "rest", r.direct, match)
	}
	priced := func(thousandths int) {
		t.Helper()
		r.gate(goalcast.GateOpen, "")
		r.price(thousandths)
		all("prices", func(v *Viewer) bool {
			return v.name == "poll" || strings.Contains(string(v.Shown(match)["1x2"].Value), fmt.Sprint(thousandths))
		})
	}
	heard()
	r.play(goalcast.Event{ID: "kick-off", Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf})
	priced(2350)
	r.card("card-1")
	r.gate(goalcast.GateSuspended, goalcast.GateGoal)
	r.goal("goal-1", 1, goalcast.Confirmed)
	heard()
	priced(1900)

	r.gate(goalcast.GateSuspended, goalcast.GateGoal)
	r.goal("goal-2", 1, goalcast.Confirmed)
	heard()
	r.goal("goal-2", 2, goalcast.Cancelled)
	heard()
	for _, p := range []Push{{Event: "goal-1", Revision: 1, Kind: "goal"}, {Event: "goal-2", Revision: 1, Kind: "goal"},
		{Event: "goal-2", Revision: 2, Kind: "goal_cancelled"}} {
		r.push(follower, p.Event, p)
	}
	priced(2010)

	for _, v := range viewers {
		v.Cut()
	}
	r.card("card-2")
	r.card("card-3")
	for _, v := range viewers {
		v.Join()
	}
	heard()
	r.play(goalcast.Event{ID: "end", Kind: goalcast.KindPeriod, Period: goalcast.FullTime})
	heard()
	r.history.Told(Told{Match: match, Score: goalcast.Score{Home: 1}, Goals: []Goal{{Event: "goal-1", Team: home},
		{Event: "goal-2", Team: home, Cancelled: true}}})
	for _, v := range viewers {
		v.Cut()
	}
	return r.history.Check()
}

func (r *rig) card(id string) {
	r.play(goalcast.Event{ID: id, Kind: goalcast.KindCard, Team: away, Period: goalcast.FirstHalf, Minute: 10,
		Card: &goalcast.Card{Type: goalcast.Yellow}})
}

func (r *rig) goal(id string, revision int, status goalcast.Status) {
	r.play(goalcast.Event{ID: id, Revision: revision, Status: status, Kind: goalcast.KindGoal, Team: home,
		Period: goalcast.FirstHalf, Minute: 20, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
}

// is says whether a frame has that revision.
func is(f goalcast.Frame, key string) bool { return f.Event != nil && f.Event.Key() == key }

func pass(text []byte) [][]byte { return [][]byte{text} }

// TestPlantedBugsAreFound plants one bug after the other between a real hub and its viewers, or
// between a notifier and its phones. Each is found by the invariant that is meant for it, by who
// was behind it, and nothing else is.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		plant func() plant // in each connection through the proxy
		does  func(*rig)
		want  string
		also  string   // an invariant that cannot but be broken as well
		event string   // named by the violation
		who   []string // who tells of it
	}{
		{name: "nothing"},
		{name: "drop", want: "no_gap", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "card-1#1") {
					return nil
				}
				return pass(text)
			}
		}},
		{name: "double", want: "once", event: "goal-1", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "goal-1#1") {
					return [][]byte{text, text}
				}
				return pass(text)
			}
		}},
		{name: "double without a cursor", want: "once", event: "goal-1", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "goal-1#1") {
					f.Cursor = nil // as between a loss and its reset, where a number may mean something else
					again, err := json.Marshal(f)
					if err != nil {
						panic(err)
					}
					return [][]byte{text, again}
				}
				return pass(text)
			}
		}},
		{name: "swap", want: "order", event: "card-1", plant: func() plant {
			var held []byte
			return func(f goalcast.Frame, text []byte) [][]byte {
				switch {
				case is(f, "card-1#1"):
					held = text
					return nil
				case f.Event != nil && held != nil:
					first := held
					held = nil
					return [][]byte{text, first}
				}
				return pass(text)
			}
		}},
		{name: "stale price", want: "price", plant: func() plant {
			var old []byte
			return func(f goalcast.Frame, text []byte) [][]byte {
				switch {
				case f.State == nil:
				case old == nil && f.State.Key == "1x2" && strings.Contains(string(text), "2350"):
					old = text
				case old != nil && f.State.Key == goalcast.GateKey &&
					goalcast.ReadGate(f.State.Value).State == goalcast.GateOpen:
					return [][]byte{text, old}
				}
				return pass(text)
			}
		}},
		{name: "late push", want: "push_late", event: "goal-1", who: []string{follower},
			does: func(r *rig) { r.late = 10 * time.Minute }},

		{name: "lost on the way back", want: "no_gap", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "card-2#1") { // while they are away
					return nil
				}
				return pass(text)
			}
		}},
		{name: "gate that does not shut", want: "gate", event: "goal-1", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if f.State != nil && f.State.Key == goalcast.GateKey &&
					goalcast.ReadGate(f.State.Value).Reason == goalcast.GateGoal {
					return nil
				}
				return pass(text)
			}
		}},
		{name: "score that is not the reducer's", want: "score", event: "goal-1", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "goal-1#1") {
					text = []byte(strings.Replace(string(text), `"score":{"home":1`, `"score":{"home":2`, 1))
				}
				return pass(text)
			}
		}},
		{name: "goal that comes back", want: "cancelled", also: "score", event: "goal-2", who: []string{"rest"},
			does: func(r *rig) {
				var before *goalcast.Snapshot // as it was, with the number of what it has become
				r.rest = func(m goalcast.Snapshot) goalcast.Snapshot {
					e, known := m.Event("goal-2")
					switch {
					case known && e.Counts():
						before = &m
					case known && m.State == goalcast.Live:
						old := *before
						old.Seq = m.Seq
						return old
					}
					return m
				}
			}},
		{name: "push that comes twice", want: "push_once", event: "goal-1", who: []string{follower},
			does: func(r *rig) { r.push(follower, "goal-1", Push{Event: "goal-1", Revision: 1, Kind: "goal"}) }},
		{name: "push that replaces nothing", want: "push_once", event: "goal-1", who: []string{follower},
			does: func(r *rig) { r.push(follower, "other", Push{Event: "goal-1", Revision: 0, Kind: "goal"}) }},
		{name: "frame that is none", want: "readable", plant: func() plant {
			return func(f goalcast.Frame, text []byte) [][]byte {
				if is(f, "end#1") {
					return [][]byte{[]byte(`{"typ":"event"}`), text}
				}
				return pass(text)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.plant)
			if tt.does != nil {
				tt.does(r)
			}
			found := evening(t, r)
			if tt.want == "" {
				for _, v := range found {
					t.Error(v)
				}
				return
			}
			if tt.who == nil {
				tt.who = []string{"sse", "websocket"}
			}
			var who []string
			for _, v := range found {
				if v.Invariant == tt.want && (tt.event == "" || v.Event == tt.event) {
					who = append(who, v.Who)
					if len(v.Proof) == 0 {
						t.Errorf("nothing proves it: %s", v)
					}
				}
				if v.Invariant != tt.want && v.Invariant != tt.also {
					t.Errorf("not meant: %s", v)
				}
			}
			slices.Sort(who)
			if who = slices.Compact(who); !slices.Equal(who, tt.who) {
				t.Errorf("%s was found by %v with %v, want %v", tt.want, who, invariantsOf(found), tt.who)
			}
			if len(found) > 0 && testing.Verbose() {
				t.Log(found[0])
			}
		})
	}
}

// TestAHistoryIsCheckedAgain: what was written to a file says the same when it is read.
func TestAHistoryIsCheckedAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.ndjson")
	h, err := New(file, Limits{PushWithin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	event := func(who string, seq int64) {
		h.note(Note{Who: who, Kind: Framed, Data: goalcast.Frame{Type: goalcast.FrameEvent,
			Event: &goalcast.Event{ID: "goal", Revision: 1, Kind: goalcast.KindGoal, Match: match, Seq: seq}}.Encode()})
	}
	event("a", 1)
	event("a", 1)
	h.note(Note{Who: "a", Kind: Framed, Data: []byte("{\"type\":\xff")})
	h.Push(Push{Token: follower, Match: match, Event: "goal", Revision: 1, At: began.Add(time.Hour)})
	h.Phone(follower, match)
	h.Told(Told{Match: match, Goals: []Goal{{Event: "other", Team: home}}})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	notes, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	texts := func(list []Violation) (out []string) {
		for _, v := range list {
			out = append(out, v.String())
		}
		return out
	}
	got, want := texts(Check(notes)), texts(h.Check())
	if !slices.Equal(got, want) {
		t.Errorf("read again:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if names := invariantsOf(Check(notes)); !slices.Equal(names, []string{"once", "push_late", "readable", "truth"}) {
		t.Errorf("found %v:\n%s", names, strings.Join(got, "\n"))
	}
}

// TestInvariantsAreDocumented: docs/load.md has them all, in their order.
func TestInvariantsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/load.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for _, i := range Invariants {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", i.Name, strings.ReplaceAll(i.Means, "Seq", "`seq`"))
	}
	if !strings.Contains(string(page), rows.String()) {
		t.Errorf("want in docs/load.md:\n%s", rows.String())
	}
}
