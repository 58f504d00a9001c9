package pull_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/opta/pull"
	"goalcast/internal/samples"
)

func TestPullIsTakenAsIfItWerePosted(t *testing.T) {
	r := newRig(t, pull.Config{}, "f1:8:2026")
	const first, moved = "2026-12-05 15:00:00", "2026-12-06 17:30:00"
	for i, step := range []struct {
		body   string
		events int // so far
		kept   int
		want   map[string]float64
	}{
		{list(1, first), 1, 1, map[string]float64{"new": 1}},
		{list(1, first), 1, 1, map[string]float64{"new": 1, "unchanged": 1}},
		{list(2, first), 1, 2, map[string]float64{"new": 2, "unchanged": 1}}, // other bytes that say the same
		{list(3, moved), 2, 3, map[string]float64{"new": 3, "unchanged": 1}},
	} {
		r.answers(text(http.StatusOK, step.body))
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(i, err)
		}
		if len(r.events) != step.events || len(r.documents()) != step.kept ||
			fmt.Sprint(r.outcomes("F1")) != fmt.Sprint(step.want) {
			t.Errorf("step %d: %d events, %d documents, outcomes %v; want %d, %d, %v", i, len(r.events),
				len(r.documents()), r.outcomes("F1"), step.events, step.kept, step.want)
		}
	}
	e := r.events[len(r.events)-1]
	if e.Match != 7 || e.Kind != goalcast.KindFixture || e.Revision != 2 ||
		!e.Fixture.Kickoff.Equal(time.Date(2026, 12, 6, 17, 30, 0, 0, time.UTC)) ||
		e.Fixture.Home.Name != "Northbridge" {
		t.Errorf("event %+v", e)
	}
	d := r.documents()[2] // the first one
	if d.Feed != "F1" || d.Provider != "opta" || d.State != goalcast.DocumentApplied || d.Repeats != 1 ||
		d.Headers["x-goalcast-pulled"] != "f1:8:2026" {
		t.Errorf("document %+v", d)
	}
	q := r.asked[0].URL.Query()
	if r.asked[0].URL.Path != "/auth/competition.php" || q.Get("feed_type") != "f1" || q.Get("competition") != "8" ||
		q.Get("season_id") != "2026" ||
		q.Get("user") != user || q.Get("psw") != password || q.Has("json") {
		t.Errorf("asked %s", r.asked[0].URL)
	}
	last := gauge(t, r.reg, "goalcast_opta_pull_last_success_timestamp_seconds")
	if time.Since(time.Unix(int64(last), 0)) > time.Minute {
		t.Errorf("last success at %v", last)
	}
	noSecret(t, "the log", r.log.String())
	for _, d := range r.documents() {
		noSecret(t, "a document", fmt.Sprint(d.Headers))
	}
}

// A list that Opta says is unchanged is not sent again; one that could not be
// taken is not asked for so.
func TestPullAsksForChangesOnly(t *testing.T) {
	r := newRig(t, pull.Config{}, "f1:8:2026")
	body := list(1, "2026-12-05 15:00:00")
	r.answers(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", "Thu, 01 Oct 2026 11:00:00 GMT")
		if request.Header.Get("If-None-Match") == `"v1"` && request.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = fmt.Fprint(w, body)
	})
	body, half := "<SoccerFeed", body
	if err := r.Pull(t.Context()); err == nil {
		t.Error("no error")
	}
	body = half
	for range 3 {
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.outcomes("F1"); got["no_document"] != 1 || got["new"] != 1 || got["unchanged"] != 2 ||
		r.documents()[0].Repeats != 0 {
		t.Errorf("outcomes %v, documents %+v", got, r.documents())
	}
	if d := r.documents()[0]; d.Headers["last-modified"] == "" {
		t.Errorf("headers %v", d.Headers)
	}
	// Without a list to hold on to, "unchanged" is none.
	other := newRig(t, pull.Config{}, "f1:8:2026")
	other.answers(text(http.StatusNotModified, ""))
	if err := other.Pull(t.Context()); err == nil || other.outcomes("F1")["status"] != 1 {
		t.Errorf("error %v, outcomes %v", err, other.outcomes("F1"))
	}
}

func TestPullThatFails(t *testing.T) {
	good := list(1, "2026-12-05 15:00:00")
	for name, tt := range map[string]struct {
		outcome, says string
		kept          int
		answer        http.HandlerFunc
	}{
		"error page": {"no_document", "text/html", 0, func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "<!DOCTYPE html><html><body>Sorry. You asked for %s %s</body></html>", r.URL,
				password)
		}},
		"error in XML": {"no_document", "text/xml", 0,
			text(200, `<?xml version="1.0"?><response><error>feed is not available</error></response>`)},
		"JSON":         {"no_document", "text/plain", 0, text(200, `{"SoccerFeed":{"SoccerDocument":{}}}`)},
		"empty":        {"no_document", "0 bytes", 0, text(200, "")},
		"another feed": {"no_document", "a list of F3", 0, text(200, strings.Replace(good, "RESULTS", "STANDINGS", 1))},
		"half a list":  {"no_document", "no end", 0, text(200, good[:len(good)-20])},
		"unread": {"unread", "timestamp", 1,
			text(200, strings.Replace(good, `timestamp="2026`, `timestamp="tomorrow`, 1))},
		"cut off": {"unreachable", "unexpected EOF", 0, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			_, _ = fmt.Fprint(w, good[:200])
		}},
		"401":       {"denied", "401", 0, text(401, "wrong password "+password)},
		"403":       {"denied", "403", 0, text(403, good)},
		"404":       {"status", "404", 0, text(404, good)},
		"500":       {"status", "500", 0, text(500, good)},
		"too large": {"too_large", "5000 bytes", 0, text(200, good+strings.Repeat(" ", 5000))},
		"elsewhere": {"status", "302", 0, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pull.Config{MaxBody: 5000}, "f1:8:2026", "f1:9:2026")
			r.answers(func(w http.ResponseWriter, request *http.Request) {
				if request.URL.Query().Get("competition") == "9" {
					text(200, strings.ReplaceAll(good, "g7", "g9"))(w, request)
					return
				}
				tt.answer(w, request)
			})
			err := r.Pull(t.Context())
			if err == nil || !strings.Contains(err.Error(), "pull f1:8:2026") || !strings.Contains(err.Error(),
				tt.says) || strings.Contains(err.Error(), "f1:9") {
				t.Errorf("error %v", err)
			}
			noSecret(t, "the error", fmt.Sprint(err))
			noSecret(t, "the log", r.log.String())
			if got := r.outcomes("F1"); got[tt.outcome] != 1 || got["new"] != 1 || len(got) != 2 {
				t.Errorf("outcomes %v", got)
			}
			if kept := len(r.documents()); kept != 1+tt.kept || len(r.asked) != 2 {
				t.Errorf("%d documents, %d requests", kept, len(r.asked))
			}
			r.answers(text(200, good)) // and the next run has it
			if err := r.Pull(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The errors of net/http show the whole address, and what a broken service says.
func TestPullShowsNoSecretsOfABrokenLine(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	defer served.Wait()
	defer echo.Close()
	served.Go(func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			line := make([]byte, 4096)
			n, _ := c.Read(line)
			_, _ = c.Write(line[:n]) // no HTTP answer: the request itself
			_ = c.Close()
		}
	})
	for name, address := range map[string]string{"refused": "http://127.0.0.1:1",
		"repeated": "http://" + echo.Addr().String(), "none": "http://a b/\x7f"} {
		r := newRig(t, pull.Config{URL: address}, "f1:8:2026")
		err := r.Pull(t.Context())
		if err == nil || r.outcomes("F1")["unreachable"] != 1 {
			t.Errorf("%s: %v, outcomes %v", name, err, r.outcomes("F1"))
		}
		noSecret(t, "the error of "+name, fmt.Sprint(err))
	}
}

func TestSlowPull(t *testing.T) {
	for name, slow := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, "<SoccerFeed>")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pull.Config{Timeout: 50 * time.Millisecond}, "f40:8:2026")
			r.answers(slow)
			err := r.Pull(t.Context())
			if !errors.Is(err, context.DeadlineExceeded) || r.outcomes("F40")["timeout"] != 1 {
				t.Errorf("%v, outcomes %v", err, r.outcomes("F40"))
			}
			noSecret(t, "the error", fmt.Sprint(err))
		})
	}
}

// When the process ends, a run ends at once, whatever is left to ask for.
func TestStoppedPull(t *testing.T) {
	r := newRig(t, pull.Config{}, "f1:8:2026", "f1:9:2026")
	ctx, cancel := context.WithCancel(t.Context())
	r.answers(func(_ http.ResponseWriter, request *http.Request) { cancel(); <-request.Context().Done() })
	if err := r.Pull(ctx); !errors.Is(err, context.Canceled) || len(r.asked) != 1 || r.outcomes("F1")["stopped"] != 1 {
		t.Errorf("%v after %d requests, outcomes %v", err, len(r.asked), r.outcomes("F1"))
	}
}

// The lists as Opta really made them.
func TestPullOfRealLists(t *testing.T) {
	files := map[string]string{"f1": "opta/f1/srml-24-2011-results.xml", "f3": "opta/f3/srml-24-2011-standings.xml",
		"f40": "opta/f40/srml-24-2011-squads.xml"}
	bodies := map[string][]byte{}
	for feed, file := range files {
		bodies[feed] = samples.Read(t, file)
	}
	r := newRig(t, pull.Config{}, "f1:24:2011", "f3:24:2011", "F40:24:2011")
	r.answers(func(w http.ResponseWriter, request *http.Request) {
		_, _ = w.Write(bodies[request.URL.Query().Get("feed_type")])
	})
	for range 2 {
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fixtures := bytes.Count(bodies["f1"], []byte("<MatchData "))
	if len(r.events) != fixtures || fixtures < 100 {
		t.Errorf("%d events of %d fixtures", len(r.events), fixtures)
	}
	for _, feed := range []string{"F1", "F3", "F40"} {
		if got := r.outcomes(feed); got["new"] != 1 || got["unchanged"] != 1 {
			t.Errorf("%s: %v", feed, got)
		}
	}
	tables, err := r.db.Standings(t.Context(), 24, "2011")
	squad, squadErr := r.db.Squad(t.Context(), 1163, 24, "2011")
	if err != nil || squadErr != nil || len(tables.Groups) == 0 || len(squad.Players) == 0 {
		t.Errorf("tables %v %v, squad %v %v", tables, err, squad, squadErr)
	}
}

func TestParseTargets(t *testing.T) {
	got, err := pull.ParseTargets([]string{"f1:8:2026", " F03:8:2026", "F40:23:2011"})
	if want := "[f1:8:2026 f3:8:2026 f40:23:2011]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
	for _, wrong := range []string{"", "f1", "f1:8", "f1:8:2026:1", "f9:8:2026", "1:8:2026", "f:8:2026", "f1:x:2026",
		"f1:0:2026", "f1:-8:2026", "f1:8:26", "f1:8:x"} {
		if got, err := pull.ParseTarget(wrong); err == nil {
			t.Errorf("%q is %v", wrong, got)
		}
	}
	if _, err := pull.ParseTargets([]string{"f1:8:2026", "F1:8:2026"}); err == nil {
		t.Error("the same list twice")
	}
}
