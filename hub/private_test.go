package hub_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
	"goalcast/hub/board"
)

// memberRight shows competition 8, guests see 9.
const memberRight goalcast.Rights = 1 << 8

var (
	private  = goalcast.Private{8: memberRight, 9: goalcast.PrivateRight(1)}
	tickets  atomic.Int64
	rightful = map[string]bool{"": false, "punter": false, "guest": false, "member": true}
)

// privateWorld has match 1 of a private competition, at home team 10, match 2 of a public one, at
// home the same team, and match 4 that has no competition.
func privateWorld() *world {
	w := newWorld()
	w.board = board.Config{Private: private}
	w.matchOf(1, 8)
	w.matchOf(2, 5)
	w.matchOf(4, 0)
	return w
}

// matchOf makes a match of a competition: home 10, away 100 + id.
func (w *world) matchOf(id goalcast.MatchID, competition goalcast.CompetitionID) {
	w.moved(id, competition, 1)
}

func (w *world) moved(id goalcast.MatchID, competition goalcast.CompetitionID, revision int) {
	f := goalcast.Fixture{Competition: goalcast.Competition{ID: competition, Name: fmt.Sprint("Cup ", competition)},
		Kickoff: time.Now().UTC().Truncate(time.Second), Home: goalcast.Team{ID: 10, Name: "Harbour Rovers"},
		Away: goalcast.Team{ID: goalcast.TeamID(100 + id), Name: fmt.Sprintf("Guests %d", id)}}
	w.play(goalcast.Event{ID: fmt.Sprint("fixture:", id), Revision: revision, Status: goalcast.Confirmed,
		Kind: goalcast.KindFixture, Match: id, Fixture: &f, Topics: f.Topics(id)})
}

func (w *world) value(t goalcast.Topic, key string, version int64, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := goalcast.State{Topic: t, Key: key, Version: version, Value: json.RawMessage(value)}
	w.states[t] = append(w.states[t], st)
	for _, n := range w.nodes {
		n.State(st)
	}
}

func (w *world) message(t goalcast.Topic, id, text string) {
	w.play(goalcast.Event{ID: "message:" + id, Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{t}, Message: json.RawMessage(`"` + text + `"`)})
}

// tell has something of all kinds happen in match 1, then in match 2.
func (w *world) tell(n int) {
	w.goal(1, n)
	w.goal(4, n)
	w.message(goalcast.ForMatch(1), fmt.Sprint("m", n), "hush of the match")
	w.message(goalcast.ForCompetition(8), fmt.Sprint("c", n), "hush of the cup")
	w.play(goalcast.Event{ID: fmt.Sprint("settlement:1:", n), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindMessage, Match: 1, Topics: []goalcast.Topic{goalcast.ForOdds(1)},
		Message: json.RawMessage(`"hush of a bet"`)})
	w.value(goalcast.ForOdds(1), "1x2", int64(n), `{"price":"hush"}`)
	w.value(goalcast.ForMatch(1), goalcast.StatsKey, int64(n), `{"shots":"hush"}`)
	w.value(goalcast.ForMatch(1), goalcast.CommentaryKey+"en", int64(n), `{"text":"hush"}`)
	w.goal(2, n)
	w.value(goalcast.ForOdds(2), "1x2", int64(n), `{"open":true}`)
}

// secrets are what frames have of match 1 and of none else.
var secrets = []string{"Guests 1", "Cup 8", "goal:1:", "fixture:1", "hush", `"match":1,`}

func told(frames []received, secret string) bool {
	for _, f := range frames {
		if f.Type != goalcast.FrameHello && strings.Contains(f.raw, secret) {
			return true
		}
	}
	return false
}

// readOn reads up to a goal of match 2 and a price of it.
func readOn(t *testing.T, v viewer, goal int) (all []received) {
	t.Helper()
	for event, price := false, false; !event || !price; {
		f, err := v.next(t)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
		event = event || f.Event != nil && f.Event.ID == fmt.Sprintf("goal:2:%d", goal)
		price = price || f.State != nil && f.State.Topic == goalcast.ForOdds(2) && f.State.Version >= int64(goal) ||
			f.Topic != nil && *f.Topic == goalcast.ForOdds(2) && len(f.States) > 0
	}
	return all
}

// as is a query of somebody, by a ticket of the kind that a viewer may use.
func as(who, kind string, q url.Values) url.Values {
	if who != "" {
		once := map[bool]string{true: "stream", false: "once"}[kind == "sse" || kind == "poll"]
		q.Set("ticket", fmt.Sprintf("%s:%s-%dh", once, who, 1000+tickets.Add(1)))
	}
	return q
}

// What is private reaches nobody without the right, by whatever topic and however connected: not in
// a snapshot, live, as a state, from the ring, nor when all is read again. With the right it does.
func TestWhatIsPrivateStaysHidden(t *testing.T) {
	for kind, dial := range kinds {
		for who, may := range rightful {
			t.Run(kind+" "+who, func(t *testing.T) {
				t.Parallel()
				w := privateWorld()
				n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
				const sentinels = ",match:2,odds:2"
				viewers, secretsOf := map[string]viewer{}, map[string]string{"match:1": "goal:1:", "team:10": "goal:1:",
					"competition:8": "goal:1:", "odds:1": "hush", "match:1,odds:1,team:10,competition:8": "goal:1:"}
				w.tell(1)
				for topics := range secretsOf {
					viewers[topics] = dial(t, n, as(who, kind, query(topics+sentinels, goalcast.Cursor{})))
				}
				check := func(what, topics string, frames []received, wants bool) {
					t.Helper()
					if wants {
						if secret := secretsOf[topics]; !told(frames, secret) {
							t.Errorf("%s, %s: was not told %q", what, topics, secret)
						}
						return
					}
					for _, secret := range secrets {
						if told(frames, secret) {
							t.Errorf("%s, %s: was told %q:\n%v", what, topics, secret, frames)
						}
					}
				}
				cursors := map[string]goalcast.Cursor{}
				for topics, v := range viewers { // the snapshots, up to the sentinel's
					var all []received
					for len(all) == 0 || all[len(all)-1].Topic == nil || *all[len(all)-1].Topic != goalcast.ForOdds(2) {
						f, err := v.next(t)
						if err != nil {
							t.Fatal(err)
						}
						all = append(all, f)
					}
					check("snapshot", topics, all, may)
					if hello := all[0]; hello.Cursor != nil {
						cursors[topics] = *hello.Cursor
					}
				}
				w.tell(2)
				for topics, v := range viewers {
					check("live", topics, readOn(t, v, 2), may)
				}
				for topics, c := range cursors {
					v := dial(t, n, as(who, kind, query(topics+sentinels, c)))
					check("ring", topics, readOn(t, v, 2), may)
				}
				if kind == "poll" {
					return
				}
				w.reset("e2")
				w.tell(3)
				for topics, v := range viewers {
					check("reset", topics, readOn(t, v, 3), may)
				}
			})
		}
	}
}

// A match of which no competition is known may be of any.
func TestAMatchWithoutCompetitionIsHidden(t *testing.T) {
	w := privateWorld()
	n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
	v := dialCoder(t, n, query("match:4,team:10,match:2", goalcast.Cursor{}))
	all := until(t, v, goalcast.FrameSnapshot)
	for range 2 { // it listens to all three before anything happens
		all = append(all, until(t, v, goalcast.FrameSnapshot)...)
	}
	w.goal(4, 1)
	w.moved(4, 5, 2) // now it is known to be public: all of it comes
	all = append(all, until(t, v, goalcast.FrameEvent)...)
	for last := all[0]; last.Type != goalcast.FrameSnapshot || !strings.Contains(last.raw, "goal:4:1"); {
		f, err := v.next(t)
		if err != nil {
			t.Fatal(err)
		}
		all, last = append(all, f), f
	}
	for i, f := range all {
		if strings.Contains(f.raw, "Cup 0") || strings.Contains(f.raw, "goal:4:1") && i < len(all)-1 {
			t.Errorf("%s", f.raw)
		}
	}
	w.goal(4, 2)
	only(t, v, goalcast.FrameEvent)
}

// Who follows a match before there is one gets nothing of it if it turns out to be private, and all
// of it if not.
func TestAMatchToComeMayBePrivate(t *testing.T) {
	w := privateWorld()
	n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
	nobody := dialCoder(t, n, query("match:5,match:6,odds:5,odds:6", goalcast.Cursor{}))
	member := dialCoder(t, n, as("member", "coder", query("match:5,match:6,odds:5,odds:6", goalcast.Cursor{})))
	for _, v := range []viewer{nobody, member} {
		for range 4 {
			until(t, v, goalcast.FrameSnapshot)
		}
	}
	w.matchOf(5, 8)
	w.value(goalcast.ForOdds(5), "1x2", 1, `1`)
	w.goal(5, 1)
	w.matchOf(6, 5)
	w.value(goalcast.ForOdds(6), "1x2", 1, `1`)
	w.goal(6, 1)
	for who, v := range map[string]viewer{"nobody": nobody, "member": member} {
		var all []string
		for text := ""; !strings.Contains(text, `"odds:6"`) || !strings.Contains(text, "goal:6:1"); text += all[len(all)-1] {
			f, err := v.next(t)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f.raw)
		}
		text := strings.Join(all, "\n")
		for _, secret := range []string{"fixture:5", "goal:5:1", `"odds:5"`} {
			if strings.Contains(text, secret) != (who == "member") {
				t.Errorf("%s, %s:\n%s", who, secret, text)
			}
		}
		if !strings.Contains(text, "fixture:6") || !strings.Contains(text, "goal:6:1") {
			t.Errorf("%s:\n%s", who, text)
		}
	}
}

// Another token shows what it shows from then on, and no more: all snapshots come again.
func TestARightIsGainedAndLostByANewToken(t *testing.T) {
	w := privateWorld()
	n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
	v, _ := watch(t, n, "topics=team:10,match:1,odds:1,match:2,odds:2", "Authorization: Bearer punter")
	for range 5 {
		v.hears(goalcast.FrameSnapshot)
	}
	renew := func(token string, may bool) {
		t.Helper()
		v.say(`{"type":"auth","token":"` + token + `"}`)
		v.hears(goalcast.FrameRenewed)
		for range 5 {
			f := only(t, v, goalcast.FrameSnapshot)
			switch {
			case *f.Topic == goalcast.ForTeam(10) && len(f.Matches) != map[bool]int{true: 2, false: 1}[may],
				*f.Topic == goalcast.ForMatch(1) && len(f.Matches) != map[bool]int{true: 1, false: 0}[may],
				*f.Topic == goalcast.ForMatch(2) && len(f.Matches) != 1:
				t.Errorf("%s: %s", token, f.raw)
			}
		}
	}
	hears := func(goal int, may bool) {
		t.Helper()
		w.tell(goal)
		frames := readOn(t, v, goal)
		if got := told(frames, "goal:1:"); got != may {
			t.Errorf("goal %d: %v", goal, frames)
		}
		for _, secret := range secrets {
			if !may && told(frames, secret) {
				t.Errorf("goal %d: %s: %v", goal, secret, frames)
			}
		}
	}
	hears(1, false)
	renew("member", true)
	hears(2, true)
	renew("punter", false)
	hears(3, false)
	v.say(`{"type":"auth","token":"fan"}`) // no more than that changes: nothing comes again
	v.hears(goalcast.FrameRenewed)
	hears(4, false)
}

// Who comes back with a right that it had not when it got its cursor is shown what it could not
// know.
func TestARightIsGainedByComingBack(t *testing.T) {
	for _, kind := range []string{"coder", "sse"} {
		w := privateWorld()
		n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
		w.goal(1, 1)
		c := w.goal(2, 1)
		dialCoder(t, n, query("team:10", goalcast.Cursor{})) // it has been told of
		v := kinds[kind](t, n, as("member", kind, query("team:10", c)))
		only(t, v, goalcast.FrameHello)
		f := only(t, v, goalcast.FrameSnapshot)
		if !strings.Contains(f.raw, "goal:1:1") || f.Cursor != nil {
			t.Errorf("%s: %s", kind, f.raw)
		}
		w.goal(1, 2)
		only(t, v, goalcast.FrameEvent)
	}
}

// A match that moves out of a private competition is shown to all who follow it; one that moves in
// is told of no more.
func TestAMatchMovesInAndOut(t *testing.T) {
	w := privateWorld()
	n := start(t, w, hub.Config{Identity: people{&sync.Map{}}}, false)
	v := dialCoder(t, n, query("team:10,match:1,competition:5", goalcast.Cursor{}))
	for range 3 {
		until(t, v, goalcast.FrameSnapshot)
	}
	w.goal(1, 1)
	w.moved(1, 5, 2)
	only(t, v, goalcast.FrameEvent)
	if f := only(t, v, goalcast.FrameSnapshot); !strings.Contains(f.raw, "goal:1:1") {
		t.Errorf("%s", f.raw)
	}
	w.goal(1, 2)
	only(t, v, goalcast.FrameEvent)
	w.moved(1, 8, 3)
	w.goal(1, 3)
	w.goal(2, 1)
	if f := only(t, v, goalcast.FrameEvent); f.Event.ID != "goal:2:1" {
		t.Errorf("%s", f.raw)
	}
}
