package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// statsOf are the statistics of a match, as on the bus, among others of its states.
func statsOf(match goalcast.MatchID) []goalcast.State {
	topic := goalcast.ForMatch(match)
	return []goalcast.State{
		{Topic: topic, Key: "commentary/nl", Version: 9, Value: json.RawMessage(`{"text":"Rain."}`)},
		{Topic: topic, Key: goalcast.StatsKey, Version: 7, At: kickoff.UnixMilli(),
			Value: json.RawMessage(`{"home":{"shots":3},"away":{"shots":1}}`)},
	}
}

// textsOf are the revisions of the timeline of a match as the database has them.
func textsOf(m goalcast.Snapshot) map[int64]string {
	texts := map[int64]string{}
	for _, e := range m.Timeline {
		e.Times.Published = 0
		text, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		texts[e.Seq] = string(text)
	}
	return texts
}

// walk reads a list page by page along its Link headers, and gives the names of all entries.
func walk(t *testing.T, h *house, path, list, name string) (names []string) {
	t.Helper()
	next := regexp.MustCompile(`^<(\S+)>; rel="next"$`)
	for range 100 {
		a := h.get(t, path)
		var page map[string]json.RawMessage
		if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		var entries []map[string]any
		if err := json.Unmarshal(page[list], &entries); err != nil || entries == nil {
			t.Fatalf("%s: %v %s", path, err, a.body)
		}
		for _, e := range entries {
			names = append(names, fmt.Sprint(e[name]))
		}
		link := next.FindStringSubmatch(a.header.Get("Link"))
		if (link != nil) != (string(page["more"]) == "true") || (link != nil) != (page["after"] != nil) {
			t.Fatalf("%s: Link %q, %s", path, a.header.Get("Link"), a.body)
		}
		if link == nil {
			return names
		}
		path = link[1]
	}
	t.Fatalf("%s goes on for ever", path)
	return nil
}

// Whoever follows the links of a list gets each entry once, in the order of the whole list.
func TestPagesMakeTheWholeList(t *testing.T) {
	h := open(t)
	h.with(func() {
		for id := goalcast.MatchID(1); id < 6; id++ {
			h.matches[id] = planned(id, kickoff.Add(time.Duration(id%2)*time.Hour), 174, 2, 23)
		}
	})
	for _, tt := range []struct{ path, list, name string }{
		{"/v1/matches", "matches", "id"},
		{"/v1/matches?state=scheduled", "matches", "id"},
		{"/v1/matches?state=live", "matches", "id"},
		{"/v1/teams/174", "matches", "id"},
		{"/v1/competitions/23", "matches", "id"},
		{"/v1/matches/1009316/timeline", "events", "id"},
		{"/v1/matches/1009316/clips", "clips", "event"},
		{"/v1/matches/1009316/commentary", "lines", "id"},
		{"/v1/competitions", "competitions", "id"},
		{"/v1/competitions/23/seasons", "seasons", "season"},
		{"/v1/search?q=po", "found", "name"},
	} {
		whole := walk(t, h, tt.path, tt.list, tt.name)
		if len(whole) == 0 {
			t.Errorf("%s: nothing", tt.path)
		}
		for _, limit := range []int{1, 2, len(whole)} {
			joint := "?"
			if strings.Contains(tt.path, "?") {
				joint = "&"
			}
			path := fmt.Sprintf("%s%slimit=%d", tt.path, joint, limit)
			if got := walk(t, h, path, tt.list, tt.name); !slices.Equal(got, whole) {
				t.Errorf("%s: %v, want %v", path, got, whole)
			}
		}
	}
	for _, path := range []string{"/v1/matches/1009316/timeline?after=x", "/v1/matches/1009316/clips?after=opta:1",
		"/v1/matches?after=7", "/v1/teams/174?after=x", "/v1/competitions/23?after=1-0",
		"/v1/matches/1009316/timeline?after=" + strings.Repeat("x", 161)} {
		if p := h.get(t, path).problem(t, http.StatusBadRequest, "bad_parameter"); p.Parameter != "after" {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// Matches in play are found whenever they were planned; with a date only those of the day.
func TestMatchesByState(t *testing.T) {
	h := open(t)
	h.with(func() {
		late := fullMatch()
		late.ID, late.Kickoff = 1, kickoff.AddDate(0, 0, -1)
		late.Updated = kickoff.UnixMilli()
		h.matches[1] = late
		over := planned(2, kickoff, 1, 2, 23)
		over.State = goalcast.Finished
		h.matches[2] = over
		h.matches[3] = planned(3, kickoff, 1, 2, 23)
	})
	for query, want := range map[string][]goalcast.MatchID{
		"state=live": {1, 1009316}, "state=live&date=2026-05-17": {1009316}, "state=finished": {2},
		"state=live&team=175": {1, 1009316}, "state=live&competition=7": nil,
		"state=scheduled": {3}, "state=postponed": nil, "state=finished&date=2026-05-16": nil,
	} {
		a := h.get(t, "/v1/matches?"+query)
		if l := decode[listAnswer](t, a.body); !equalIDs(l.ids(), want) {
			t.Errorf("%s: %v, want %v", query, l.ids(), want)
		}
		if strings.HasPrefix(query, "state=live") && !strings.Contains(a.header.Get("Cache-Control"), "max-age=1,") {
			t.Errorf("%s: %s", query, a.header.Get("Cache-Control"))
		}
	}
	h.get(t, "/v1/matches?state=playing").problem(t, http.StatusBadRequest, "bad_parameter")
}

// A part of a match says what the whole match says, with validators of its own.
func TestPartsOfAMatch(t *testing.T) {
	h := open(t)
	h.with(func() { h.states = statsOf(1009316) })
	whole := decode[matchAnswer](t, h.get(t, "/v1/matches/1009316").body)
	timeline := h.get(t, "/v1/matches/1009316/timeline")
	got := decode[struct {
		Seq    int64
		Events []goalcast.Event
	}](t, timeline.body)
	if got.Seq != whole.Seq || !reflect.DeepEqual(got.Events, whole.Timeline) {
		t.Errorf("%s", timeline.body)
	}
	lineups := decode[struct{ Lineups []goalcast.LineupInMatch }](t, h.get(t, "/v1/matches/1009316/lineups").body)
	if !reflect.DeepEqual(lineups.Lineups, whole.Lineups) {
		t.Errorf("%+v", lineups)
	}
	if a := h.get(t, "/v1/matches/1009316/stats"); !strings.Contains(string(a.body),
		`"version":7`) || !strings.Contains(string(a.body), `"stats":{"home":{"shots":3},"away":{"shots":1}}`) {
		t.Errorf("%s", a.body)
	}
	for _, part := range []string{"timeline", "lineups", "stats", "clips"} {
		a := h.get(t, "/v1/matches/1009316/"+part)
		if again := h.get(t, "/v1/matches/1009316/"+part, "If-None-Match: "+a.header.Get("ETag")); a.header.Get(
			"ETag") == "" || again.status != http.StatusNotModified || !strings.Contains(a.header.Get("Cache-Control"),
			"max-age=1,") {
			t.Errorf("%s: %d %v", part, again.status, a.header)
		}
		h.get(t, "/v1/matches/4/"+part).problem(t, http.StatusNotFound, "not_found")
		h.get(t, "/v1/matches/1009316/"+part+"?x=1").problem(t, http.StatusBadRequest, "bad_parameter")
	}
	h.with(func() { h.states, h.matches[2] = nil, planned(2, kickoff, 1, 2, 23) })
	h.get(t, "/v1/matches/2/stats").problem(t, http.StatusNotFound, "not_found")
	for _, part := range []string{`timeline","events`, `lineups","lineups`, `clips","clips`} {
		part, list, _ := strings.Cut(part, `","`)
		if a := h.get(t, "/v1/matches/2/"+part); !strings.Contains(string(a.body), `"`+list+`":[]`) {
			t.Errorf("%s of nothing: %s", part, a.body)
		}
	}
}

// Clips are those that can be played, in the country that was asked for.
func TestClipsByCountry(t *testing.T) {
	h := open(t)
	h.with(func() {
		m := fullMatch()
		gone := goalcast.Event{ID: "wsc:3", Revision: 2, Seq: m.Seq + 1, Match: m.ID, Kind: goalcast.KindClip,
			Status: goalcast.Cancelled, Topics: m.Topics(m.ID), Clip: &goalcast.Clip{Video: "v3"}}
		bare := gone
		bare.ID, bare.Seq, bare.Status, bare.Clip = "wsc:4", m.Seq+2, goalcast.Confirmed, &goalcast.Clip{Title: "x"}
		h.matches[m.ID] = goalcast.Apply(goalcast.Apply(m, gone), bare)
	})
	for query, want := range map[string][]string{"": {"wsc:1", "wsc:2"}, "?country=BE": {"wsc:1", "wsc:2"},
		"?country=GB": {"wsc:2"}, "?country=FR": {"wsc:2"}} {
		got := walk(t, h, "/v1/matches/1009316/clips"+query, "clips", "event")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{"be", "BEL", "B1"} {
		h.get(t, "/v1/matches/1009316/clips?country="+bad).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}

// A delta is immutable, read once however many ask, and one of the future is soon asked for again.
func TestDeltas(t *testing.T) {
	h := open(t)
	m := fullMatch()
	h.with(func() { h.texts = textsOf(m) })
	a := h.get(t, "/v1/matches/1009316/deltas/4")
	if string(a.body) != `{"type":"event","event":`+textsOf(m)[4]+`}` ||
		a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%v %s", a.header, a.body)
	}
	if b := h.get(t, "/v1/matches/1009316/deltas/4", "If-None-Match: "+
		a.header.Get("ETag")); b.status != http.StatusNotModified ||
		b.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%d %v", b.status, b.header)
	}
	if h.textsRead != 1 {
		t.Errorf("read %d times", h.textsRead)
	}
	future := h.get(t, fmt.Sprintf("/v1/matches/1009316/deltas/%d", m.Seq+1))
	future.problem(t, http.StatusNotFound, "not_found")
	if got := future.header.Get("Cache-Control"); got != "public, max-age=1" {
		t.Errorf("of the future: %q", got)
	}
	if h.textsRead != 1 {
		t.Error("the database was asked for the future")
	}
	for _, path := range []string{"1009316/deltas/0", "1009316/deltas/x", "1009316/deltas/04", "4/deltas/1"} {
		a := h.get(t, "/v1/matches/"+path)
		a.problem(t, http.StatusNotFound, "not_found")
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: %q", path, got)
		}
	}
}
