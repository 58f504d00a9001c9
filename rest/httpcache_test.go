package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// The tag stays while nothing is new of the match, whatever happens elsewhere; it goes with the
// minute and with an event.
func TestETag(t *testing.T) {
	h := open(t)
	const path = "/v1/matches/1009316"
	tag := h.get(t, path).header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || len(tag) < 20 {
		t.Fatalf("tag %s is not a strong one", tag)
	}
	h.with(func() { h.cursor.Offset = 77 })
	h.clock.add(30 * time.Second)
	for _, inm := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		a := h.get(t, path, "If-None-Match: "+inm)
		if a.status != http.StatusNotModified || len(a.body) != 0 {
			t.Errorf("If-None-Match %s: %d %s", inm, a.status, a.body)
		}
		if a.header.Get("Goalcast-Cursor") != "k3x9-77" || a.header.Get("Cache-Control") == "" ||
			a.header.Get("ETag") == "" {
			t.Errorf("304 without its headers: %v", a.header)
		}
	}
	if a := h.get(t, path, `If-None-Match: "other"`); a.status != http.StatusOK || a.header.Get("ETag") != tag {
		t.Errorf("%d, tag %s; want 200, %s", a.status, a.header.Get("ETag"), tag)
	}
	h.clock.add(30 * time.Second)
	a := h.get(t, path, "If-None-Match: "+tag)
	if a.status != http.StatusOK || a.header.Get("ETag") == tag || decode[matchAnswer](t, a.body).Minute != 20 {
		t.Errorf("a minute later: %d, tag %s", a.status, a.header.Get("ETag"))
	}
	tag = a.header.Get("ETag")
	h.with(func() {
		m := h.matches[1009316]
		e, _ := m.Event("opta:1")
		e.Revision, e.Seq, e.Status = 2, m.Seq+1, goalcast.Cancelled
		h.matches[1009316] = goalcast.Apply(m, e)
	})
	a = h.get(t, path, "If-None-Match: "+tag)
	if a.status != http.StatusOK || decode[matchAnswer](t, a.body).Score != (goalcast.Score{}) {
		t.Errorf("after the goal was taken back: %d %s", a.status, a.body)
	}
}

func TestHead(t *testing.T) {
	h := open(t)
	get := h.get(t, "/v1/matches/1009316")
	a := h.ask(t, http.MethodHead, "/v1/matches/1009316", "")
	if a.status != http.StatusOK || len(a.body) != 0 || a.header.Get("ETag") != get.header.Get("ETag") {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := h.ask(t, http.MethodHead, "/v1/matches/5", ""); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}

func TestCacheControl(t *testing.T) {
	const (
		live     = "public, max-age=1, s-maxage=1, stale-while-revalidate=5, stale-if-error=600"
		finished = "public, max-age=60, s-maxage=60, stale-while-revalidate=600, stale-if-error=600"
		later    = "public, max-age=10, s-maxage=10, stale-while-revalidate=30, stale-if-error=600"
	)
	h := open(t)
	now := h.clock.now()
	done := planned(3, now.Add(-3*time.Hour), 1, 2, 5)
	done = goalcast.Apply(done, goalcast.Event{ID: "p", Revision: 1, Match: 3, Topics: done.Topics(3),
		Kind: goalcast.KindPeriod, Period: goalcast.FullTime, Status: goalcast.Confirmed})
	off := planned(6, now.Add(-3*time.Hour), 1, 2, 5)
	off.State = goalcast.Abandoned
	h.with(func() {
		h.matches[2] = planned(2, now.Add(24*time.Hour), 1, 2, 5)
		h.matches[3] = done
		h.matches[4] = planned(4, now.Add(time.Hour), 1, 2, 4)
		h.matches[6] = off
	})
	for path, want := range map[string]string{
		"/v1/matches/1009316":         live,
		"/v1/matches/2":               later,
		"/v1/matches/3":               finished,
		"/v1/matches/4":               live, // line-ups come before it starts
		"/v1/matches/6":               finished,
		"/v1/matches?competition=5":   finished,
		"/v1/matches?competition=23":  live,
		"/v1/matches?competition=99":  later,
		"/v1/teams/174":               live,
		"/v1/openapi.yaml":            "public, max-age=300, s-maxage=300, stale-if-error=600",
		"/v1/matches/999":             "no-store",
		"/v1/matches?date=2026-05-18": later,
		"/v1/competitions/4":          live,
	} {
		if a := h.get(t, path); a.header.Get("Cache-Control") != want {
			t.Errorf("%s: %q, want %q", path, a.header.Get("Cache-Control"), want)
		}
	}
}

// TestTodayEndsAtMidnight keeps no answer that says "today" beyond midnight of the zone that was
// asked for.
func TestTodayEndsAtMidnight(t *testing.T) {
	h := open(t)
	h.clock.set(time.Date(2026, 5, 17, 21, 59, 30, 0, time.UTC)) // 23:59:30 in Brussels
	done := planned(3, h.clock.now().Add(-5*time.Hour), 1, 2, 5)
	done = goalcast.Apply(done, goalcast.Event{ID: "p", Revision: 1, Match: 3, Topics: done.Topics(3),
		Kind: goalcast.KindPeriod, Period: goalcast.FullTime, Status: goalcast.Confirmed})
	h.with(func() { h.matches = map[goalcast.MatchID]goalcast.Snapshot{3: done} })
	for _, tt := range []struct {
		path string
		left time.Duration
		want string
	}{
		{"/v1/matches?tz=Europe/Brussels", 30 * time.Second, "public, max-age=30, s-maxage=30"},
		{"/v1/matches?tz=Europe/Brussels", 200 * time.Second,
			"public, max-age=60, s-maxage=60, stale-while-revalidate=140, stale-if-error=140"},
		{"/v1/matches?tz=Europe/Brussels", 300 * time.Millisecond, "public, max-age=0, s-maxage=0"},
		{"/v1/matches", 30 * time.Second,
			"public, max-age=60, s-maxage=60, stale-while-revalidate=600, stale-if-error=600"},
		{"/v1/competitions/5?tz=Europe/Brussels", 45 * time.Second, "public, max-age=45, s-maxage=45"},
	} {
		h.clock.set(time.Date(2026, 5, 17, 22, 0, 0, 0, time.UTC).Add(-tt.left))
		if a := h.get(t, tt.path); a.header.Get("Cache-Control") != tt.want {
			t.Errorf("%s, %v before midnight: %q, want %q", tt.path, tt.left, a.header.Get("Cache-Control"), tt.want)
		}
	}
}

// TestDoubtfulAnswersAreNotKept says so when what is served may be old.
func TestDoubtfulAnswersAreNotKept(t *testing.T) {
	h := open(t)
	h.with(func() { h.doubtful = true })
	for _, path := range []string{"/v1/matches/1009316", "/v1/matches", "/v1/teams/174", "/v1/competitions/23"} {
		a := h.get(t, path)
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(a.header.Get("Warning"), "110 ") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}
