package rest_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// svgText reads an SVG as any reader of XML would: its texts by element, and its root's language.
func svgText(t *testing.T, body []byte) (texts map[string][]string, language string) {
	t.Helper()
	texts = map[string][]string{}
	var open []string
	for d := xml.NewDecoder(strings.NewReader(string(body))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, language
		}
		if err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Name.Local, "href") {
					t.Errorf("attribute %s", a.Name.Local)
				}
				if len(open) == 1 && a.Name.Local == "lang" {
					language = a.Value
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			name := open[len(open)-1]
			texts[name] = append(texts[name], string(e))
		}
	}
}

func TestScoreCards(t *testing.T) {
	h := open(t)
	set := func(change func(*goalcast.Snapshot)) {
		m := planned(7, kickoff, 174, 999, 5)
		m.Home.Name, m.Away.Name = `<script>alert("1")</script>`, "R&D \x01 United of a very very very long name"
		m.Competition.Name = "Cup 'n' Shield"
		change(&m)
		h.with(func() { h.matches[7] = m })
	}
	for _, tt := range []struct {
		change func(*goalcast.Snapshot)
		query  string
		middle string
		status string
		lang   string
	}{
		{func(*goalcast.Snapshot) {}, "", kickoff.Format("15:04"), kickoff.Format("2006-01-02") + " UTC", "en"},
		{func(m *goalcast.Snapshot) {
			m.State, m.Period, m.Started = goalcast.Live, goalcast.FirstHalf, h.clock.now().Add(-12*time.Minute)
			m.Score.Home = 1
		}, "", "1 – 0", "13′", "en"},
		{func(m *goalcast.Snapshot) { m.State, m.Period = goalcast.Live, goalcast.HalfTime }, "?lang=nl-BE", "0 – 0",
			"Rust", "nl"},
		{func(m *goalcast.Snapshot) {
			m.State, m.Period, m.Shootout = goalcast.Finished, goalcast.FullTime, &goalcast.Score{Home: 3, Away: 4}
		}, "?lang=de", "0 – 0", "Beendet (3–4 Elfmeterschießen)", "de"},
		{func(m *goalcast.Snapshot) { m.State = goalcast.Postponed }, "?lang=fr", "–", "Reporté", "fr"},
		{func(m *goalcast.Snapshot) { m.State = goalcast.Abandoned }, "?lang=pt", "0 – 0", "Abandoned", "en"},
	} {
		set(tt.change)
		a := h.get(t, "/v1/matches/7/card.svg"+tt.query)
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "image/svg+xml") {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
		texts, language := svgText(t, a.body)
		lines := texts["text"]
		if len(lines) != 6 || lines[1] != tt.middle || lines[2] != tt.status || language != tt.lang ||
			!strings.HasPrefix(lines[3], `<script>alert(`) || !strings.HasSuffix(lines[3], "…") ||
			lines[4] != "R&D \uFFFD United of a" || !strings.HasSuffix(lines[5], "…") || len(texts["script"]) > 0 {
			t.Errorf("%s: %q in %s", tt.query, texts, language)
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") ||
			a.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("%v", a.header)
		}
		match := h.get(t, "/v1/matches/7")
		if got, want := a.header.Get("Cache-Control"), match.header.Get("Cache-Control"); got != want {
			t.Errorf("%s: kept %s, its match %s", tt.status, got, want)
		}
		if a := h.get(t, "/v1/matches/7/card.svg"+tt.query, "If-None-Match: "+a.header.Get("ETag")); a.status !=
			http.StatusNotModified {
			t.Errorf("the same again: %d", a.status)
		}
	}
	for path, status := range map[string]int{"/v1/matches/8/card.svg": 404, "/v1/matches/x/card.svg": 404,
		"/v1/matches/7/card.svg?lang=%3C": 400, "/v1/matches/7/card.svg?size=9": 400} {
		if a := h.get(t, path); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// entries reads a calendar by the rules of RFC 5545: unfolded, its entries by UID.
func entries(t *testing.T, body []byte) map[string]map[string]string {
	t.Helper()
	text := string(body)
	for _, line := range strings.SplitAfter(text, "\r\n") {
		if len(line) > 77 || line != "" && !strings.HasSuffix(line, "\r\n") || strings.Contains(strings.TrimSuffix(line,
			"\r\n"), "\n") {
			t.Errorf("line %q", line)
		}
	}
	all, entry := map[string]map[string]string{}, map[string]string(nil)
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n ", ""), "\r\n") {
		switch name, value, _ := strings.Cut(line, ":"); {
		case line == "BEGIN:VEVENT":
			entry = map[string]string{}
		case line == "END:VEVENT":
			all[entry["UID"]] = entry
			entry = nil
		case entry != nil:
			entry[name] = value
		}
	}
	return all
}

func TestCalendars(t *testing.T) {
	h := open(t)
	now := h.clock.now()
	h.with(func() {
		clear(h.matches)
		m := planned(7, now.Add(200*24*time.Hour), 174, 999, 5)
		m.Away.Name, m.Venue, m.City = `Ä; B, C \ D`+"\n"+strings.Repeat("é", 60), "The Pier", "Harbour"
		m.FixtureRevision = 2
		h.matches[7] = m
		m = planned(8, now.Add(-3*24*time.Hour), 174, 999, 5)
		m.State, m.Score = goalcast.Finished, goalcast.Score{Home: 2, Away: 1}
		h.matches[8] = m
		m = planned(9, now.Add(24*time.Hour), 999, 174, 5)
		m.State, m.Halted, m.Reason, m.FixtureRevision = goalcast.Postponed, goalcast.Postponed, "Snow", 5
		h.matches[9] = m
		h.matches[10] = planned(10, now.Add(500*24*time.Hour), 174, 999, 5)
		h.matches[11] = planned(11, now.Add(-50*24*time.Hour), 174, 999, 5)
	})
	a := h.get(t, "/v1/teams/174/calendar.ics")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/calendar; charset=utf-8" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	all := entries(t, a.body)
	if len(all) != 3 {
		t.Fatalf("%d entries: %s", len(all), a.body)
	}
	far := all["match-7@goalcast"]
	if want := ` – Ä\; B\, C \\ D\n` + strings.Repeat("é", 60); !strings.HasSuffix(far["SUMMARY"], want) ||
		far["DTSTART"] != now.Add(200*24*time.Hour).UTC().Format("20060102T150405Z") || far["SEQUENCE"] != "2" ||
		far["LOCATION"] != `The Pier\, Harbour` || far["STATUS"] != "CONFIRMED" || far["DTSTAMP"] == "" {
		t.Errorf("%q", far)
	}
	if over := all["match-8@goalcast"]; !strings.Contains(over["SUMMARY"], " 2–1 ") {
		t.Errorf("%q", over)
	}
	if off := all["match-9@goalcast"]; off["STATUS"] != "CANCELLED" || off["SEQUENCE"] != "5" ||
		off["DESCRIPTION"] != "Snow" {
		t.Errorf("%q", off)
	}
	if again := h.get(t, "/v1/teams/174/calendar.ics", "If-None-Match: "+a.header.Get("ETag")); again.status !=
		http.StatusNotModified {
		t.Errorf("the same again: %d", again.status)
	}
	for path, status := range map[string]int{"/v1/teams/1/calendar.ics": 404,
		"/v1/teams/174/calendar.ics?from=1": 400} {
		if a := h.get(t, path); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
