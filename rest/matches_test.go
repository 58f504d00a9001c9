package rest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

// matchAnswer is what tests read of a match.
type matchAnswer struct {
	goalcast.Snapshot
	Minute int
	Clock  string
	Cursor goalcast.Cursor
}

func TestMatch(t *testing.T) {
	h := open(t)
	a := h.get(t, "/v1/matches/1009316")
	m := decode[matchAnswer](t, a.body)
	if m.Score != (goalcast.Score{Home: 1}) || m.Period != goalcast.FirstHalf || len(m.Lineups) != 1 ||
		len(m.Timeline) != 11 {
		t.Errorf("match %s", a.body)
	}
	if m.Minute != 19 || m.Clock != "19" { // kick-off two minutes late, twenty after the planned one
		t.Errorf("minute %d, clock %q", m.Minute, m.Clock)
	}
	if m.Cursor.String() != "k3x9-41" || a.header.Get("Goalcast-Cursor") != "k3x9-41" {
		t.Errorf("cursor %v, header %q", m.Cursor, a.header.Get("Goalcast-Cursor"))
	}
	if m.Home.Name != "Port Amber" || m.Competition.ID != 23 {
		t.Errorf("fixture %+v", m.Fixture)
	}
	h.get(t, "/v1/matches/4").problem(t, http.StatusNotFound, "not_found")
	for _, id := range []string{"x", "0", "-1", "+1", "01", "99999999999999999999", "1.5"} {
		h.get(t, "/v1/matches/"+id).problem(t, http.StatusNotFound, "not_found")
	}
}

// Before the bus was heard there is no cursor, and no field that looks like one.
func TestMatchWithoutCursor(t *testing.T) {
	h := open(t)
	h.with(func() { h.cursor = goalcast.Cursor{} })
	a := h.get(t, "/v1/matches/1009316")
	if bytes.Contains(a.body, []byte(`"cursor"`)) || a.header.Get("Goalcast-Cursor") != "" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// A match with nothing in it has a timeline all the same.
func TestMatchEmptyTimeline(t *testing.T) {
	h := open(t)
	h.with(func() { h.matches[2] = planned(2, kickoff, 1, 2, 3) })
	if a := h.get(t, "/v1/matches/2"); !bytes.Contains(a.body, []byte(`"timeline":[]`)) {
		t.Errorf("%s", a.body)
	}
}

// listAnswer is what tests read of a list.
type listAnswer struct {
	Date, Tz string
	Matches  []struct {
		ID       goalcast.MatchID
		Minute   int
		Clock    string
		Timeline any
		Lineups  any
	}
	More bool
	ID   int64
	Name string
}

func (l listAnswer) ids() (ids []goalcast.MatchID) {
	for _, m := range l.Matches {
		ids = append(ids, m.ID)
	}
	return ids
}

func TestMatches(t *testing.T) {
	h := open(t)
	h.with(func() {
		// 00:30 on the 17th in Brussels
		h.matches[1] = planned(1, time.Date(2026, 5, 16, 22, 30, 0, 0, time.UTC), 174, 2, 7)
		// 00:30 on the 18th in Brussels
		h.matches[2] = planned(2, time.Date(2026, 5, 17, 22, 30, 0, 0, time.UTC), 1, 2, 23)
		h.matches[3] = planned(3, time.Date(2026, 5, 17, 18, 30, 0, 0, time.UTC), 175, 2, 23) // with 1009316
	})
	for _, tt := range []struct {
		query string
		want  []goalcast.MatchID
		more  bool
	}{
		{"", []goalcast.MatchID{3, 1009316, 2}, false}, // today
		{"?date=2026-05-17", []goalcast.MatchID{3, 1009316, 2}, false},
		{"?date=2026-05-17&tz=Europe/Brussels", []goalcast.MatchID{1, 3, 1009316}, false},
		{"?date=2026-05-16", []goalcast.MatchID{1}, false},
		{"?date=2026-05-17&competition=23", []goalcast.MatchID{3, 1009316, 2}, false},
		{"?date=2026-05-17&competition=23&team=175", []goalcast.MatchID{3, 1009316}, false},
		{"?date=2026-05-17&tz=Europe/Brussels&team=174", []goalcast.MatchID{1, 1009316}, false},
		{"?date=2026-05-17&limit=2", []goalcast.MatchID{3, 1009316}, true},
		{"?date=2026-05-17&limit=3", []goalcast.MatchID{3, 1009316, 2}, false},
		{"?date=2026-05-20", nil, false},
	} {
		a := h.get(t, "/v1/matches"+tt.query)
		l := decode[listAnswer](t, a.body)
		if !equalIDs(l.ids(), tt.want) || l.More != tt.more {
			t.Errorf("%s: %v more %t; want %v %t", tt.query, l.ids(), l.More, tt.want, tt.more)
		}
		if l.Matches == nil {
			t.Errorf("%s: no matches is not a list: %s", tt.query, a.body)
		}
		for _, m := range l.Matches {
			if m.Timeline != nil || m.Lineups != nil || m.ID == 1009316 && m.Clock != "19" {
				t.Errorf("%s: %+v", tt.query, m)
			}
		}
		if again := h.get(t, "/v1/matches"+tt.query,
			"If-None-Match: "+a.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("%s: %d with its own tag", tt.query, again.status)
		}
	}
}

// A day without matches names the days around it that have some, in the zone that was asked for.
func TestAnEmptyDayNamesItsNeighbours(t *testing.T) {
	h := open(t)
	h.with(func() {
		// 00:30 on the 19th in Brussels
		h.matches[1] = planned(1, time.Date(2026, 5, 18, 22, 30, 0, 0, time.UTC), 174, 2, 7)
		h.matches[2] = planned(2, time.Date(2026, 6, 2, 18, 0, 0, 0, time.UTC), 174, 2, 7)
	})
	for _, tt := range []struct{ query, previous, next string }{
		{"?date=2026-05-25", "2026-05-18", "2026-06-02"},
		{"?date=2026-05-25&tz=Europe/Brussels", "2026-05-19", "2026-06-02"},
		{"?date=2026-06-03", "2026-06-02", ""},
		{"?date=2026-01-01", "", "2026-05-17"},
		{"?date=2026-05-18", "", ""},               // not empty
		{"?date=2026-05-25&competition=7", "", ""}, // asked for less than all
	} {
		var l struct{ Previous, Next string }
		a := h.get(t, "/v1/matches"+tt.query)
		if err := json.Unmarshal(a.body, &l); err != nil || a.status != 200 || l.Previous != tt.previous ||
			l.Next != tt.next {
			t.Errorf("%s: %d %s %v; want %q and %q", tt.query, a.status, a.body, err, tt.previous, tt.next)
		}
	}
}

// A day is from midnight to midnight of its zone: 23 hours when clocks go forward, 25 when they go
// back.
func TestDayLength(t *testing.T) {
	h := open(t)
	for query, want := range map[string]time.Duration{
		"date=2026-03-29&tz=Europe/Brussels": 23 * time.Hour,
		"date=2026-10-25&tz=Europe/Brussels": 25 * time.Hour,
		"date=2026-10-25":                    24 * time.Hour,
		"date=2026-12-31&tz=Asia/Kolkata":    24 * time.Hour,
	} {
		h.with(func() { h.filters = nil })
		a := h.get(t, "/v1/matches?"+query)
		if len(h.filters) != 1 {
			t.Fatalf("%s: asked %d times", query, len(h.filters))
		}
		if got := h.filters[0].To.Sub(h.filters[0].From); a.status != 200 || got != want {
			t.Errorf("%s: %d, %v; want %v", query, a.status, got, want)
		}
	}
	h.clock.set(time.Date(2026, 5, 17, 22, 30, 0, 0, time.UTC))
	if l := decode[listAnswer](t, h.get(t, "/v1/matches?tz=Europe/Brussels").body); l.Date != "2026-05-18" ||
		l.Tz != "Europe/Brussels" {
		t.Errorf("today in Brussels is %s %s", l.Date, l.Tz)
	}
}

func TestBadParameters(t *testing.T) {
	h := open(t)
	for _, tt := range []struct{ path, parameter string }{
		{"/v1/matches?date=17-05-2026", "date"},
		{"/v1/matches?date=2026-02-30", "date"},
		{"/v1/matches?date=0001-01-01", "date"},
		{"/v1/matches?tz=Mars/Phobos", "tz"},
		{"/v1/matches?tz=Local", "tz"},
		{"/v1/matches?tz=..%2F..%2Fetc%2Fpasswd", "tz"},
		{"/v1/matches?tz=" + strings.Repeat("A", 400), "tz"},
		{"/v1/matches?competition=x", "competition"},
		{"/v1/matches?competition=0", "competition"},
		{"/v1/matches?team=-4", "team"},
		{"/v1/matches?limit=0", "limit"},
		{"/v1/matches?limit=501", "limit"},
		{"/v1/matches?dat=2026-05-17", "query"},
		{"/v1/matches?team=1&team=2", "team"},
		{"/v1/matches/1009316?since=4", "query"},
		{"/v1/teams/174?season=4", "query"},
		{"/v1/competitions/23?team=4", "query"},
		{"/v1/competitions/23?days=32", "days"},
		{"/v1/matches?a=%zz", ""},
	} {
		p := h.get(t, tt.path).problem(t, http.StatusBadRequest, "bad_parameter")
		if p.Parameter != tt.parameter || !strings.Contains(p.Detail, tt.parameter) {
			t.Errorf("%s: %+v", tt.path, p)
		}
	}
}

func TestTeam(t *testing.T) {
	h := open(t)
	now := h.clock.now()
	h.with(func() {
		h.matches[1] = planned(1, now.Add(-8*24*time.Hour), 174, 2, 23)
		h.matches[2] = planned(2, now.Add(-6*24*time.Hour), 2, 174, 23)
		h.matches[3] = planned(3, now.Add(13*24*time.Hour), 174, 2, 7)
		h.matches[4] = planned(4, now.Add(15*24*time.Hour), 174, 2, 23)
		h.matches[5] = planned(5, now, 1, 2, 23)
	})
	team := decode[listAnswer](t, h.get(t, "/v1/teams/174").body)
	if !equalIDs(team.ids(), []goalcast.MatchID{2, 1009316, 3}) || team.ID != 174 {
		t.Errorf("team %+v", team)
	}
	h.get(t, "/v1/teams/999").problem(t, http.StatusNotFound, "not_found")
	h.get(t, "/v1/teams/x").problem(t, http.StatusNotFound, "not_found")
}

func TestCompetition(t *testing.T) {
	h := open(t)
	h.with(func() { h.matches[1] = planned(1, kickoff.Add(24*time.Hour), 1, 2, 23) })
	for query, want := range map[string]goalcast.MatchID{"": 1009316, "?date=2026-05-18": 1} {
		c := decode[listAnswer](t, h.get(t, "/v1/competitions/23"+query).body)
		if !equalIDs(c.ids(), []goalcast.MatchID{want}) || c.ID != 23 {
			t.Errorf("%s: %+v", query, c)
		}
	}
	h.get(t, "/v1/competitions/999").problem(t, http.StatusNotFound, "not_found")
}

// Days of a competition are one list; where they have no matches they name the nearest that have
// some of this competition.
func TestDaysOfACompetition(t *testing.T) {
	h := open(t)
	h.with(func() {
		h.matches[1] = planned(1, kickoff.Add(24*time.Hour), 1, 2, 23)
		h.matches[2] = planned(2, kickoff.Add(4*24*time.Hour), 1, 2, 7)
		h.matches[3] = planned(3, kickoff.Add(9*24*time.Hour), 1, 2, 23)
	})
	for _, tt := range []struct {
		query, previous, next string
		want                  []goalcast.MatchID
	}{
		{"?date=2026-05-16&days=3", "", "", []goalcast.MatchID{1009316, 1}},
		{"?date=2026-05-16&days=31", "", "", []goalcast.MatchID{1009316, 1, 3}},
		{"?date=2026-05-19&days=5", "2026-05-18", "2026-05-26", nil},
		{"?date=2026-06-19", "2026-05-26", "", nil},
	} {
		var l struct{ Previous, Next string }
		a := h.get(t, "/v1/competitions/23"+tt.query)
		if err := json.Unmarshal(a.body, &l); err != nil || a.status != 200 || l.Previous != tt.previous ||
			l.Next != tt.next || !equalIDs(decode[listAnswer](t, a.body).ids(), tt.want) {
			t.Errorf("%s: %d %s %v", tt.query, a.status, a.body, err)
		}
	}
}

func TestDescriptionIsServed(t *testing.T) {
	h := open(t)
	a := h.get(t, "/v1/openapi.yaml")
	if a.header.Get("Content-Type") != "application/yaml" || !bytes.HasPrefix(a.body, []byte("openapi: 3.1")) {
		t.Errorf("%v %.40s", a.header, a.body)
	}
	if again := h.get(t, "/v1/openapi.yaml", "If-None-Match: "+
		a.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("%d", again.status)
	}
}

// Around now memory is asked each time; what is far from now is read once for all who ask, without
// its timelines, and joined without a hole.
func TestFarMatches(t *testing.T) {
	h := open(t)
	now := h.clock.now()
	var want []goalcast.MatchID
	h.with(func() {
		for hour := -7 * 24; hour < 14*24; hour++ {
			id := goalcast.MatchID(2_000_000 + hour)
			h.matches[id] = planned(id, now.Add(time.Duration(hour)*time.Hour).Truncate(time.Hour), 500, 501, 50)
			want = append(want, id)
		}
	})
	for range 3 {
		if team := decode[listAnswer](t, h.get(t, "/v1/teams/500").body); !equalIDs(team.ids(), want[:200]) {
			t.Errorf("%d matches, first %d; want %d, first %d", len(team.ids()), team.ids()[0], 200, want[0])
		}
	}
	far, near := 0, 0
	for _, f := range h.filters {
		if f.From.Before(now.Add(-24*time.Hour)) || f.To.After(now.Add(48*time.Hour)) {
			far++
		} else {
			near++
		}
	}
	if far != 1 || near != 3 {
		t.Errorf("asked %d times for far days, %d times for near ones", far, near)
	}
	h.with(func() { h.filters = nil })
	h.get(t, "/v1/matches?date=2026-05-25&team=500")
	h.clock.add(9 * time.Second)
	a := h.get(t, "/v1/matches?date=2026-05-25&team=500")
	if l := decode[listAnswer](t, a.body); len(l.Matches) != 24 || len(h.filters) != 1 {
		t.Errorf("%d matches, asked %d times", len(l.Matches), len(h.filters))
	}
	h.clock.add(2 * time.Second)
	h.get(t, "/v1/matches?date=2026-05-25&team=500")
	if len(h.filters) != 2 {
		t.Errorf("asked %d times", len(h.filters))
	}
}

// The configuration's limits are the ones that count.
func TestMatchLimits(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.MaxMatches = 3 })
	h.get(t, "/v1/matches")
	if h.filters[0].Limit != 4 { // one more, to tell whether there are more
		t.Errorf("asked for %d", h.filters[0].Limit)
	}
	h.get(t, "/v1/matches?limit=4").problem(t, http.StatusBadRequest, "bad_parameter")
}

func equalIDs(a, b []goalcast.MatchID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestMatchesByPage goes through a day that lies half in memory, while matches are added, taken
// away and moved between its pages: whatever stood still comes once.
func TestMatchesByPage(t *testing.T) {
	h := open(t)
	day := h.clock.now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour) // yesterday
	still := map[goalcast.MatchID]bool{}
	h.with(func() {
		h.matches = map[goalcast.MatchID]goalcast.Snapshot{}
		for i := range 48 {
			id := goalcast.MatchID(100 + i)
			h.matches[id] = planned(id, day.Add(time.Duration(i/2)*time.Hour), 1, 2, 5) // two at a time
			still[id] = true
		}
		loose := planned(7, time.Time{}, 1, 2, 5)
		loose.Updated = day.Add(20 * time.Hour).UnixMilli()
		h.matches[7], still[7] = loose, true
	})
	path, got := "/v1/matches?limit=5&date="+day.Format(time.DateOnly), map[goalcast.MatchID]int{}
	for page := 0; path != ""; page++ {
		a := h.get(t, path)
		list := decode[struct {
			listAnswer
			More  bool
			After string
		}](t, a.body)
		for _, m := range list.Matches {
			got[m.ID]++
		}
		link := a.header.Get("Link")
		if list.More != (list.After != "") || list.More != strings.HasSuffix(link, `; rel="next"`) ||
			len(list.Matches) > 5 || page > 20 {
			t.Fatalf("page %d: %s, link %s", page, a.body, link)
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		h.with(func() {
			added := goalcast.MatchID(500 + page)
			h.matches[added] = planned(added, day, 1, 2, 5)
			gone := goalcast.MatchID(100 + page)
			delete(h.matches, gone)
			delete(still, gone)
			moved := goalcast.MatchID(147 - page)
			h.matches[moved] = planned(moved, day.Add(30*time.Minute), 1, 2, 5)
			delete(still, moved)
		})
	}
	for id := range still {
		if got[id] != 1 {
			t.Errorf("match %d came %d times", id, got[id])
		}
	}
	for _, bad := range []string{"x", "1-", "-1-5", "1-0", "1-05", "99999999999999999999-1"} {
		h.get(t, "/v1/matches?after="+bad).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}
