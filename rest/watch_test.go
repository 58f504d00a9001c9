package rest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

func TestAdminMe(t *testing.T) {
	h, issuer := openWithIssuer(t)
	for token, want := range map[string]string{editorToken: `{"role":"editor","user":"token:`,
		operatorToken: `{"role":"operator","user":"token:`} {
		if a := h.get(t, "/admin/me", as(token)); !strings.HasPrefix(string(a.body), want) {
			t.Errorf("%s", a.body)
		}
	}
	a := h.get(t, "/admin/me", as(issuer.Token(claims{"role": "admin"})))
	if !strings.Contains(string(a.body), `"role":"admin","user":"login:`) ||
		!strings.Contains(string(a.body), `"expires":"`) {
		t.Errorf("%s", a.body)
	}
	h.get(t, "/admin/me", as(issuer.Token(claims{"role": "viewer"}))).problem(t, http.StatusForbidden, "forbidden")
}

// What hubs told is added up by topic; matches in play come first, then those with most viewers,
// also one of another day that somebody follows.
func TestViewers(t *testing.T) {
	h := open(t)
	topics := func(pairs ...any) (list []goalcast.TopicViewers) {
		for i := 0; i < len(pairs); i += 2 {
			topic, err := goalcast.ParseTopic(pairs[i].(string))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, goalcast.TopicViewers{Topic: topic, Viewers: pairs[i+1].(int)})
		}
		return list
	}
	h.with(func() {
		h.matches[2] = planned(2, kickoff.Add(30*time.Minute), 176, 177, 23)
		h.matches[3] = planned(3, kickoff.Add(72*time.Hour), 178, 179, 23)
		h.matches[4] = planned(4, kickoff.Add(73*time.Hour), 178, 179, 23)
		h.last = map[goalcast.MatchID]time.Time{1009316: kickoff.Add(19 * time.Minute)}
		h.nodes = []goalcast.Audience{
			{Node: "web-1-ABCD", Viewers: 30, Transports: map[string]int{"websocket": 30}, Limit: 100, Followed: 3,
				Age:    1500 * time.Millisecond,
				Topics: topics("match:1009316", 20, "odds:1009316", 4, "team:174", 5)},
			{Node: "web-2-EFGH", Viewers: 12, Reason: "hub is draining", Followed: 2, Transports: map[string]int{},
				Topics: topics("match:3", 50, "team:174", 3, "match:99", 1, "match:1009316", 2)},
		}
	})
	a := h.get(t, "/admin/viewers", as(operatorToken))
	got := decode[struct {
		Viewers int
		Nodes   []struct {
			Node, Reason string
			Age          float64 `json:"age_seconds"`
		}
		Matches []struct {
			Match   struct{ ID goalcast.MatchID }
			Viewers int
			Odds    int       `json:"odds_viewers"`
			Last    time.Time `json:"last_document"`
		}
		Topics []struct {
			Topic, Name string
			Viewers     int
		}
	}](t, a.body)
	if got.Viewers != 42 || len(got.Nodes) != 2 || got.Nodes[0].Age != 1.5 || got.Nodes[1].Reason != "hub is draining" {
		t.Errorf("%s", a.body)
	}
	var ids []goalcast.MatchID
	for _, m := range got.Matches {
		ids = append(ids, m.Match.ID)
	}
	if m := got.Matches[0]; !slices.Equal(ids, []goalcast.MatchID{1009316, 3, 2}) || m.Viewers != 22 || m.Odds != 4 ||
		!m.Last.Equal(kickoff.Add(19*time.Minute)) || !got.Matches[1].Last.IsZero() {
		t.Errorf("%v, %+v", ids, got.Matches)
	}
	if len(got.Topics) != 1 || got.Topics[0].Topic != "team:174" || got.Topics[0].Name != "Port Amber" ||
		got.Topics[0].Viewers != 8 {
		t.Errorf("%+v", got.Topics)
	}
	h.with(func() { h.busErr = goalcast.ErrUnavailable })
	h.get(t, "/admin/viewers", as(operatorToken)).problem(t, http.StatusServiceUnavailable, "unavailable")
	h = open(t, func(_ *rest.Config, d *rest.Deps) { d.Viewers = nil })
	h.get(t, "/admin/viewers", as(operatorToken)).problem(t, http.StatusNotImplemented, "not_here")
}

// A feed is silent when a match that it tells of is on, and it has been still for three minutes and
// for much longer than usual.
func TestFeeds(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.Feeds = []string{"opta", "wsc"} })
	now := h.clock.now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	h.with(func() {
		h.feeds = []goalcast.FeedState{
			{Provider: "opta", Feed: "F1", Last: ago(time.Hour)},
			{Provider: "opta", Feed: "F24", Last: ago(2 * time.Minute), Playing: true, Hour: 500, Document: 9},
			{Provider: "opta", Feed: "F9", Last: ago(4 * time.Minute), Playing: true, Hour: 240, Failed: 2, Ignored: 3,
				Waiting: 1, LastFailed: &goalcast.FailedDocument{ID: 8, At: ago(5 * time.Minute),
					Error: "no <Soccer>"}},
			{Provider: "opta", Feed: "F13", Last: ago(4 * time.Minute), Playing: true, Hour: 20},
			{Provider: "json", Last: ago(2 * time.Hour), Playing: true},
		}
	})
	a := h.get(t, "/admin/feeds", as(operatorToken))
	var silent, all []string
	for _, f := range decode[struct {
		Feeds []struct {
			Provider, Feed string
			Silent         time.Time `json:"silent_since"`
		}
	}](t, a.body).Feeds {
		all = append(all, f.Provider+"/"+f.Feed)
		if !f.Silent.IsZero() {
			silent = append(silent, f.Provider+"/"+f.Feed)
		}
	}
	if !slices.Equal(silent, []string{"json/", "opta/F9"}) ||
		!slices.Equal(all, []string{"json/", "opta/F1", "opta/F13", "opta/F24", "opta/F9", "wsc/"}) {
		t.Errorf("all %v, silent %v", all, silent)
	}
	if !strings.Contains(string(a.body), `"last_failed":{"id":8,`) {
		t.Errorf("%s", a.body)
	}
	if h.feedsOf[0] != ago(24*time.Hour) || h.feedsOf[1] != ago(time.Hour) ||
		!slices.Equal(h.feedsOf[2].([]goalcast.MatchID), []goalcast.MatchID{1009316}) {
		t.Errorf("%v", h.feedsOf)
	}
	// however many look, the database is asked once in a while
	h.with(func() { h.feeds = nil })
	if b := h.get(t, "/admin/feeds", as(operatorToken)); string(b.body) != string(a.body) {
		t.Errorf("%s", b.body)
	}
	h.clock.add(4 * time.Second)
	if b := h.get(t, "/admin/feeds", as(operatorToken)); string(b.body) == string(a.body) {
		t.Errorf("%s", b.body)
	}
	h.clock.add(4 * time.Second)
	h.with(func() { h.err = goalcast.ErrUnavailable })
	h.get(t, "/admin/feeds", as(operatorToken)).problem(t, http.StatusServiceUnavailable, "unavailable")
}

func TestPushList(t *testing.T) {
	h := open(t)
	h.with(func() {
		h.pushes = []goalcast.PushState{
			{Event: "opta:1", Match: 1009316, Revision: 2, State: goalcast.RecordShown, Since: kickoff,
				Planned: kickoff, Content: []byte(`{"kind":"goal","texts":{"nl":{"title":"x"},` +
					`"en":{"title":"GOAL! 1-0","body":"Varde"}}}`),
				Batches: []goalcast.PushCount{{State: "failed", Reason: "expired", Count: 2},
					{State: "sent", Count: 40}}},
			{Event: "opta:2", Planned: kickoff, Content: []byte("?")},
		}
	})
	a := string(h.get(t, "/admin/pushes", as(operatorToken)).body)
	for _, part := range []string{`"title":"GOAL! 1-0"`, `"kind":"goal"`, `"batches":[]`,
		`{"state":"failed","reason":"expired","batches":2}`,
		`"waiting":{"audiences":2,"batches":3,"events":1,"held":0}`} {
		if !strings.Contains(a, part) {
			t.Errorf("no %s in %s", part, a)
		}
	}
	if a := string(h.get(t, "/admin/pushes?limit=1", as(operatorToken)).body); strings.Contains(a, "opta:2") {
		t.Errorf("%s", a)
	}
	h.get(t, "/admin/pushes?limit=101", as(operatorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
}

// What became of one event's pushes is told by revision and push service, whatever is in its id.
func TestPushOfOneEvent(t *testing.T) {
	h := open(t)
	times := goalcast.PushTimes{}
	for _, d := range []time.Duration{20 * time.Millisecond, 30 * time.Millisecond, 2 * time.Second} {
		times.Note(d)
	}
	state := goalcast.PushState{Event: "1009316/opta:1#2", Match: 1009316, Revision: 2, State: goalcast.RecordWithdrawn,
		Since: kickoff, Planned: kickoff, Content: []byte(`{"kind":"goal_cancelled"}`)}
	h.with(func() {
		h.figures = goalcast.PushFigures{PushState: state, Withheld: map[string]int{"off": 4},
			Revisions: []goalcast.PushRevision{{Revision: 1, Devices: 10, Waiting: 2,
				Unsent: map[string]int{"cancelled": 3},
				Tally: goalcast.PushTally{"fcm": {Sent: 3, Seen: 1, Removed: 2, Times: times,
					Failed: map[string]int{"unregistered": 2}, Retried: map[string]int{"unavailable": 1}}},
				Batches: []goalcast.PushCount{{State: "claimed", Count: 1}, {State: "planned", Count: 2},
					{State: "sent", Count: 1}}}, {Revision: 2, Batches: []goalcast.PushCount{{State: "sent",
				Count: 1}}}}}
	})
	const path = "/admin/pushes/1009316%2Fopta:1%232"
	_, answer := h.send(t, http.MethodGet, path, "", as(operatorToken)) // a described path knows no / in a parameter
	a := string(answer.body)
	for _, part := range []string{`"event":"1009316/opta:1#2"`, `"state":"withdrawn"`, `"open_batches":3`,
		`"withheld":{"off":4}`, `"devices":10,"waiting":2,"unsent":{"cancelled":3},"services":{"fcm":{"sent":3,"seen":1,` +
			`"failed":{"unregistered":2},"retried":{"unavailable":1},"removed":2,"p50_ms":32,"p99_ms":2048}}`,
		`"revision":2,"devices":0,"waiting":0,"unsent":{},"services":{}`} {
		if !strings.Contains(a, part) {
			t.Errorf("no %s in %s", part, a)
		}
	}
	h.get(t, "/admin/pushes/opta:1", as(operatorToken)).problem(t, http.StatusNotFound, "not_found")
	h.get(t, path+"?limit=1", as(operatorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	h.get(t, path, as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	h.with(func() { h.err = goalcast.ErrUnavailable })
	h.get(t, path, as(operatorToken)).problem(t, http.StatusServiceUnavailable, "unavailable")
}

// Gates of the matches of these hours are listed as they are on the bus, whoever shut them.
func TestGatesNow(t *testing.T) {
	h := open(t)
	h.with(func() { h.gate = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal, Since: 7} })
	a := string(h.get(t, "/admin/odds/gates", as(operatorToken)).body)
	if !strings.Contains(a, `"odds":{"gate":"suspended","reason":"goal","since":7}`) ||
		!strings.Contains(a, `"id":1009316`) {
		t.Errorf("%s", a)
	}
	h.clock.add(4 * time.Second)
	h.with(func() { h.gate = goalcast.Gate{} })
	if a := string(h.get(t, "/admin/odds/gates", as(operatorToken)).body); strings.Contains(a, `"odds"`) {
		t.Errorf("%s", a)
	}
	h.clock.add(4 * time.Second)
	h.with(func() { h.busErr = goalcast.ErrUnavailable }) // what operators shut is known all the same
	if a := string(h.get(t, "/admin/odds/gates", as(operatorToken)).body); a != `{"gates":[]}` {
		t.Errorf("%s", a)
	}
	h = open(t, func(_ *rest.Config, d *rest.Deps) { d.Odds = nil })
	if a := string(h.get(t, "/admin/odds/gates", as(operatorToken)).body); a != `{"gates":[]}` {
		t.Errorf("%s", a)
	}
}

// A preview shows what would be sent, to how many, and sends nothing.
func TestPreviewOfAMessage(t *testing.T) {
	h := open(t)
	h.with(func() {
		h.nodes = []goalcast.Audience{{Node: "a", Topics: []goalcast.TopicViewers{{Topic: goalcast.ForTeam(174),
			Viewers: 7}}}, {Node: "b", Topics: []goalcast.TopicViewers{{Topic: goalcast.ForTeam(174), Viewers: 2}}}}
	})
	const body = `{"topic":"team:174","body":{"text":"Rain <b>"},"id":"quiz-1"}`
	a := h.ask(t, http.MethodPost, "/admin/messages/preview", body, as(editorToken))
	if a.status != http.StatusOK || !strings.Contains(string(a.body), `"id":"message:quiz-1"`) ||
		!strings.Contains(string(a.body), `"viewers":9`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.ask(t, http.MethodPost, "/admin/messages/preview", `{"topic":"x","body":1}`, as(editorToken)).
		problem(t, http.StatusBadRequest, "bad_topic")
	if len(h.messages)+len(h.published) != 0 || strings.Contains(h.log.String(), "action=message") {
		t.Errorf("saved %v, published %v", h.messages, h.published)
	}
	h.with(func() { h.busErr = goalcast.ErrUnavailable })
	a = h.ask(t, http.MethodPost, "/admin/messages/preview", body, as(editorToken))
	if !strings.Contains(string(a.body), `"viewers":null`) {
		t.Errorf("%s", a.body)
	}
}
