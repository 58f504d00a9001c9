package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// toldInSteps has match 3 told in four revisions, a minute apart: a fixture, the kick-off, a goal
// that is taken back.
func toldInSteps(h *house) (steps []goalcast.Snapshot, at []time.Time) {
	var m goalcast.Snapshot
	for i, e := range []goalcast.Event{
		{ID: "match:3:fixture", Revision: 1, Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{Kickoff: kickoff,
			Home: goalcast.Team{ID: 1, Name: "Port Amber"}, Away: goalcast.Team{ID: 2, Name: "Harbour"}}},
		{ID: "match:3:period:first_half", Revision: 1, Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf,
			At: kickoff},
		{ID: "goal", Revision: 1, Kind: goalcast.KindGoal, Team: 1, Period: goalcast.FirstHalf, Minute: 2,
			Goal: &goalcast.Goal{Type: goalcast.OpenPlay}},
		{ID: "goal", Revision: 2, Status: goalcast.Cancelled, Kind: goalcast.KindGoal, Team: 1,
			Period: goalcast.FirstHalf, Minute: 2, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}},
	} {
		e.Match, e.Seq, e.Topics = 3, int64(i+1), []goalcast.Topic{goalcast.ForMatch(3)}
		if e.Status == "" {
			e.Status = goalcast.Confirmed
		}
		m = goalcast.Apply(m, e)
		steps, at = append(steps, m), append(at, kickoff.Add(time.Duration(i)*time.Minute))
		h.revisions = append(h.revisions, goalcast.Revision{Event: e, At: at[i]})
	}
	h.matches[3] = m
	return steps, at
}

// A match as it was after a revision is what the reducer made of it then, a goal that was taken
// back later included; so it is at any moment until the next.
func TestAMatchAsItWas(t *testing.T) {
	h := open(t)
	var steps []goalcast.Snapshot
	var at []time.Time
	h.with(func() { steps, at = toldInSteps(h) })
	for i, want := range steps {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{fmt.Sprintf("?seq=%d", i+1), "?at=" + at[i].Format(time.RFC3339),
			"?at=" + at[i].Add(59*time.Second).Format(time.RFC3339)} {
			a := h.get(t, "/v1/matches/3"+path)
			got := decode[goalcast.Snapshot](t, a.body)
			if again, _ := json.Marshal(got); a.status != http.StatusOK || string(again) != string(text) {
				t.Errorf("%s: %d\n%s, want\n%s", path, a.status, again, text)
			}
			if got := a.header.Get("Cache-Control"); !strings.Contains(got, "immutable") ||
				a.header.Get("ETag") == "" || a.header.Get("Goalcast-Cursor") != "" || strings.Contains(string(a.body), `"cursor"`) {
				t.Errorf("%s: %s, %v", path, got, a.header)
			}
		}
	}
	if steps[2].Score.Home != 1 || steps[3].Score.Home != 0 {
		t.Errorf("%+v, %+v", steps[2].Score, steps[3].Score)
	}
	now := h.clock.now()
	if a := h.get(t, "/v1/matches/3?at="+now.Format(time.RFC3339)); strings.Contains(a.header.Get("Cache-Control"),
		"immutable") {
		t.Errorf("of this moment: %s", a.header.Get("Cache-Control"))
	}
	h.get(t, "/v1/matches/3?seq=5").problem(t, http.StatusNotFound, "not_found")
	h.get(t, "/v1/matches/4?seq=1").problem(t, http.StatusNotFound, "not_found")
	h.get(t, "/v1/matches/3?at="+kickoff.Add(-time.Second).Format(time.RFC3339)).problem(t, http.StatusNotFound,
		"not_found")
	for _, q := range []string{"seq=0", "seq=x", "at=x", "at=" + now.Add(time.Minute).Format(time.RFC3339),
		"seq=1&at=" + kickoff.Format(time.RFC3339)} {
		h.get(t, "/v1/matches/3?"+q).problem(t, http.StatusBadRequest, "bad_parameter")
	}
	h.with(func() { h.revisions = h.revisions[:2] }) // a revision that the board has is not to be had
	h.clock.add(2 * time.Hour)
	h.get(t, "/v1/matches/3?seq=4").problem(t, http.StatusServiceUnavailable, "unavailable")
}

// As it was, too, a private match is only for those with the right.
func TestAPrivateMatchAsItWas(t *testing.T) {
	h, member, guest, _ := openPrivate(t)
	h.with(func() {
		toldInSteps(h)
		m := h.matches[3]
		m.Competition.ID = 23
		h.matches[3] = m
	})
	for _, q := range []string{"seq=2", "at=" + kickoff.Format(time.RFC3339)} {
		if a := h.get(t, "/v1/matches/3?"+q, member); a.status != http.StatusOK ||
			a.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%d %s", a.status, a.header.Get("Cache-Control"))
		}
		h.get(t, "/v1/matches/3?"+q, guest).problem(t, http.StatusNotFound, "not_found")
		h.get(t, "/v1/matches/3?"+q).problem(t, http.StatusNotFound, "not_found")
	}
}

// Who has a delay reads a match as it was told that long ago, and of its revisions those that are
// so old: a goal that was taken back meanwhile counts.
func TestAMatchWithADelay(t *testing.T) {
	h := open(t)
	var steps []goalcast.Snapshot
	h.with(func() {
		var at []time.Time
		steps, at = toldInSteps(h)
		for i := range h.revisions { // the last a minute ago
			h.revisions[i].At = h.clock.now().Add(at[i].Sub(at[3]) - time.Minute)
		}
		m := h.matches[3]
		m.Updated = h.clock.now().Add(-time.Minute).UnixMilli()
		h.matches[3] = m
	})
	for delay, want := range map[string]goalcast.Snapshot{"90": steps[2], "150": steps[1]} {
		a := h.get(t, "/v1/matches/3?delay="+delay)
		got := decode[goalcast.Snapshot](t, a.body)
		if a.status != http.StatusOK || got.Seq != want.Seq || got.Score != want.Score ||
			a.header.Get("Goalcast-Cursor") != "" || strings.Contains(string(a.body), `"cursor"`) ||
			!strings.Contains(a.header.Get("Cache-Control"), "max-age=1,") {
			t.Errorf("%s s ago: %d %s %v", delay, a.status, a.body, a.header)
		}
	}
	for _, delay := range []string{"0", "30"} {
		if got := decode[goalcast.Snapshot](t, h.get(t, "/v1/matches/3?delay="+delay).body); got.Seq != 4 {
			t.Errorf("%s s ago: %d revisions", delay, got.Seq)
		}
	}
	before := 0
	h.with(func() { before = h.historyRead })
	for delay := range 10 { // where it stood then is known, however many delays there are
		h.get(t, fmt.Sprintf("/v1/matches/3?delay=%d", 61+6*delay))
	}
	h.with(func() {
		if h.historyRead > before+1 { // the minute after
			t.Errorf("the history was read %d times", h.historyRead-before)
		}
	})
	h.get(t, "/v1/matches/3?delay=299").problem(t, http.StatusNotFound, "not_found")
	for _, q := range []string{"delay=301", "delay=x", "delay=-1", "delay=5&seq=1", "delay=5&lang=nl"} {
		h.get(t, "/v1/matches/3?"+q).problem(t, http.StatusBadRequest, "bad_parameter")
	}
	e := decode[goalcast.Event](t, []byte(textsOf(fullMatch())[4]))
	e.Times.Received = h.clock.now().Add(-time.Minute).UnixMilli()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	h.with(func() { h.texts = map[int64]string{4: string(text)} })
	h.get(t, "/v1/matches/1009316/deltas/4?delay=90").problem(t, http.StatusNotFound, "not_found")
	if a := h.get(t, "/v1/matches/1009316/deltas/4?delay=30"); a.status != http.StatusOK {
		t.Errorf("a revision that is old enough: %d %s", a.status, a.body)
	}
}
