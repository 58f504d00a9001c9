package opta

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"goalcast/ingest/merge"
)

// FuzzRead hands any bytes to Read as any feed. It must end soon, never panic, leave the body
// alone, and say either what the document tells or what is wrong.
func FuzzRead(f *testing.F) {
	seeds := map[string]string{
		"F24": f24(ev(5010, 1, second) + ev(5016, 16, second, "29", "55=10") + ev(6, 43, second, "144=17", "31=0") +
			ev(1, 18, second, "55=3") + ev(3, 19, second, "55=1") +
			lineupOfTeam(9, 34, 2, "17:00:00.5") + part(7, 30, 2, 1, "19:50:00.0", "209") + ev(8, 65, second, "329",
			"336") + ev(70, 70, away, "277=4")),
		"F7": f7(inPlay, `<Goal EventID="1" Period="FirstHalf" PlayerRef="p11" Time="27" TimeStamp="20200705T182701+0100"><Assist PlayerRef="p12"/></Goal>
			<Booking Card="Yellow" Period="2" Time="9"/><Substitution Period="2" SubOff="p11" SubOn="p12"/><ShootOut><PenaltyShot Outcome="Scored"/></ShootOut>`,
			`<PlayerLineUp><MatchPlayer PlayerRef="p1" Status="Start"><Stat Type="formation_place">1</Stat></MatchPlayer></PlayerLineUp>`),
		"F9": `<?xml version="1.0" encoding="ISO-8859-1"?>` + f7(`Period="FullTime"><Result Type="AfterExtraTime"/>`,
			"", "")[38:],
		"F1": `<SoccerFeed><SoccerDocument Type="RESULTS Latest" timestamp="2011-10-26 09-00-38"><MatchData uID="g1"><MatchInfo Period="FullTime"><Date>2011-10-01 18:00:00</Date><TZ>BST</TZ>
			</MatchInfo><TeamData Score="1" Side="Home" TeamRef="t1"><Goal Period="ShootOut"/></TeamData></MatchData></SoccerDocument></SoccerFeed>`,
		"":   `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;&#65;<![CDATA[x]]></a>`,
		"F3": f3Doc, "F13": f13Doc, "F26": f26Doc,
		"F13M": "<",
		"F40":  f40Doc,
		"F2":   "\xef\xbb\xbf<a b='&amp;'><b/></a><!-- -->",
	}
	for feed, body := range seeds {
		f.Add(feed, []byte(body))
		f.Add(feed, []byte(body[:len(body)*2/3]))
	}
	p := New()
	f.Fuzz(func(t *testing.T, feed string, body []byte) {
		before := bytes.Clone(body)
		began := time.Now()
		described, _ := p.Describe(map[string]string{"x-meta-default-filename": feed}, body)
		doc := document(feed, "")
		doc.Body = body
		r, err := p.Read(doc)
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("%d bytes took %v", len(body), took)
		}
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		if described != "" && normalFeed(described) != described {
			t.Fatalf("described as %q", described)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "opta") || len(err.Error()) > 400 && !errors.Is(err, merge.ErrUnread) {
				t.Fatalf("an error that is not clear: %v", err)
			}
			return
		}
		checkReading(t, r)
	})
}

// checkReading checks what must hold of every reading, whatever the document was.
func checkReading(t *testing.T, r merge.Reading) {
	t.Helper()
	if r.Source == "" || r.Version.Time.IsZero() || r.Version.Time.Location() != time.UTC || r.Version.Digest == "" {
		t.Fatalf("reading without source or version: %+v", r)
	}
	for _, s := range r.Standings {
		if s.Competition.ID <= 0 || s.Groups == nil || s.Updated.IsZero() {
			t.Fatalf("%+v", s)
		}
	}
	for _, l := range r.Squads {
		for _, s := range l.Squads {
			if s.Team.ID <= 0 || s.Players == nil || s.Competition.ID <= 0 || s.Updated.IsZero() {
				t.Fatalf("%+v", s)
			}
		}
	}
	for _, c := range r.Commentary {
		if c.Match <= 0 || c.Language == "" || c.Made.IsZero() || len(c.Lines) > maxLines {
			t.Fatalf("%+v", c)
		}
	}
	for _, m := range r.Matches {
		if m.Match <= 0 || m.Fixture == nil {
			t.Fatalf("match without id or fixture: %+v", m)
		}
		seen := map[string]bool{}
		for _, e := range m.Facts {
			if e.ID == "" || len(e.ID) > 120 || seen[e.ID] || e.Match != m.Match || e.Kind == "" || e.Status == "" ||
				e.Minute < 0 || e.Second < 0 || e.Second > 59 {
				t.Fatalf("%+v", e)
			}
			seen[e.ID] = true
		}
	}
}
