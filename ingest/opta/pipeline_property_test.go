package opta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// happening is something in a made-up match that all feeds but the fixture list tell.
type happening struct {
	id, kind, team, player, minute int // kind is F24's type: 16 goal, 17 card, 19 substitution, 13 missed penalty
	own, penalty, red, review      bool
	gone                           bool // taken back; for good, since a provider's deletion is
}

// truthOf is the match as it is at a moment.
type truthOf struct {
	r      *rand.Rand
	all    []happening
	period int // 1 first half, 2 half time, 3 second half, 4 full time
	halted string
	day    int // of July 2020
}

// change lets one thing happen, or corrects one.
func (m *truthOf) change() {
	pick := func() *happening {
		if len(m.all) == 0 {
			return &happening{}
		}
		return &m.all[m.r.IntN(len(m.all))]
	}
	switch m.r.IntN(12) {
	case 0, 1, 2, 3:
		kinds := []int{16, 16, 17, 19, 13}
		h := happening{id: 100 + len(m.all), kind: kinds[m.r.IntN(len(kinds))], team: 1 + m.r.IntN(2)}
		h.minute = 1 + 4*len(m.all) // two things are minutes apart: what is entered again is another test's matter
		h.player = 10*h.team + m.r.IntN(5)
		h.own, h.penalty, h.red = m.r.IntN(6) == 0, h.kind == 13, m.r.IntN(5) == 0
		m.all = append(m.all, h)
	case 4:
		pick().gone = true
	case 5:
		h := pick()
		h.player = 10*h.team + m.r.IntN(5) // another scorer; mistaken identity
	case 6:
		h := pick()
		h.minute = max(1, h.minute) ^ 1 // it is corrected by a minute, and back
	case 7:
		h := pick()
		h.red = !h.red // a card upgraded, or not
	case 8:
		h := pick()
		h.review = !h.review
	case 9, 10:
		m.period = min(m.period+1, 4)
	case 11:
		m.halted = []string{"", "", "Postponed"}[m.r.IntN(3)]
		m.day = 5 + m.r.IntN(3)
	}
}

// side is the team that gains a goal.
func (h happening) side() int {
	if h.own {
		return 3 - h.team
	}
	return h.team
}

func (m *truthOf) score() (s goalcast.Score) {
	for _, h := range m.all {
		switch {
		case h.kind != 16 || h.gone:
		case h.side() == 1:
			s.Home++
		default:
			s.Away++
		}
	}
	return s
}

// f24 tells what was taken back as deleted, or leaves it out.
func (m *truthOf) f24(n int) string {
	events := []string{start}
	if m.period > 1 {
		events = append(events, eventIn(1, 2, 30, 1, 0, 46, 0))
	}
	if m.period > 2 {
		events = append(events, eventIn(2, 3, 32, 1, 0, 45, 0))
	}
	if m.period > 3 {
		events = append(events, eventIn(2, 4, 30, 1, 0, 93, 0, "209"))
	}
	for _, h := range m.all {
		if h.gone {
			if m.r.IntN(3) > 0 {
				events = append(events, event(h.id, 43, h.team, h.player, h.minute, fmt.Sprint("144=", h.kind)))
			}
			continue
		}
		var q []string
		add := func(holds bool, text string) {
			if holds {
				q = append(q, text)
			}
		}
		add(h.kind == 16 && h.own, "28")
		add(h.kind == 16 && h.review, "343")
		add(h.penalty, "9")
		add(h.kind == 17 && h.red, "33")
		add(h.kind == 17 && !h.red, "31")
		events = append(events, event(h.id, h.kind, h.team, h.player, h.minute, q...))
	}
	m.r.Shuffle(len(events), func(a, b int) { events[a], events[b] = events[b], events[a] })
	return document(n, events...)
}

func (m *truthOf) f7(n int) string {
	var sides [3]strings.Builder
	for _, h := range m.all {
		if h.gone {
			continue
		}
		where := fmt.Sprintf(`EventID="%d" Period="FirstHalf" Time="%d" PlayerRef="p%d"`, h.id, h.minute+1, h.player)
		switch h.kind {
		case 16:
			kind := "Goal"
			if h.own {
				kind = "Own"
			}
			fmt.Fprintf(&sides[h.side()], `<Goal %s Type="%s"/>`, where, kind)
		case 17:
			card := "Yellow"
			if h.red {
				card = "StraightRed"
			}
			fmt.Fprintf(&sides[h.team], `<Booking %s Card="x" CardType="%s"/>`, where, card)
		case 19:
			fmt.Fprintf(&sides[h.team], `<Substitution EventID="%d" Period="1" Time="%d" SubOn="p%d" SubOff="p99"/>`,
				h.id, h.minute+1, h.player)
		}
	}
	s := m.score()
	return match(n, []string{"", "FirstHalf", "HalfTime", "SecondHalf", "FullTime"}[m.period], "", s.Home, s.Away,
		sides[1].String(), sides[2].String())
}

func (m *truthOf) f1(n int) string {
	period := "PreMatch"
	if m.halted != "" {
		period = m.halted
	}
	return list(n, period, fmt.Sprintf("2020-07-%02d 18:00:00", m.day), "0", "0")
}

func (m *truthOf) f26(n int) string {
	var scorers [3]strings.Builder
	for _, h := range m.all {
		if h.kind == 16 && !h.gone {
			fmt.Fprintf(&scorers[h.side()], `<scorer min="%d" sec="30" period="First Half" goal-type="GOAL"><player-code>%d</player-code></scorer>`, h.minute, h.player)
		}
	}
	s := m.score()
	side := func(name string, id, score int) string {
		return fmt.Sprintf(`<%s team-id="%d" score="%d"><scorers>%s</scorers></%[1]s>`, name, id, score,
			scorers[id].String())
	}
	return fmt.Sprintf(`<feed><content.item><content.body><results comp-id="3" date="2020-07-05" ko-time="18:00"><result game-id="7" timestamp="%s" period="%s">%s%s</result></results></content.body></content.item></feed>`,
		local(n, " "), []string{"", "First Half", "Half Time", "Second Half", "Full Time"}[m.period],
		side("home-team", 1, s.Home), side("away-team", 2, s.Away))
}

type posted struct{ feed, body string }

// life makes all documents of a made-up match; the last ones are of one moment, so that they tell
// the same, and are made twice, so that they are believed whatever they take back.
func life(r *rand.Rand) ([]posted, *truthOf) {
	m := &truthOf{r: r, period: 1, day: 5}
	var out []posted
	steps := 6 + r.IntN(10)
	for n := range steps + 1 {
		for range 1 + r.IntN(3) {
			if n < steps {
				m.change()
			}
		}
		last := n >= steps-1
		for _, d := range []struct {
			feed string
			make func(int) string
		}{{"F24", m.f24}, {"F9", m.f7}, {"F1", m.f1}, {"F26", m.f26}} {
			if last || r.IntN(3) > 0 {
				out = append(out, posted{d.feed, d.make(2 * (n + 1))})
			}
		}
	}
	return out, m
}

// readings reads each document once, however often it is played.
func readings(t *testing.T, documents []posted) map[posted]merge.Reading {
	t.Helper()
	out := make(map[posted]merge.Reading, len(documents))
	for _, d := range documents {
		if _, done := out[d]; !done {
			out[d] = read(t, d.feed, d.body)
		}
	}
	return out
}

// played applies documents, each third through JSON, as a store keeps records, and returns the
// record. Every step's log holds.
func played(t *testing.T, documents []posted, read map[posted]merge.Reading) goalcast.MatchRecord {
	t.Helper()
	var rec goalcast.MatchRecord
	replayed := goalcast.Snapshot{}
	for i, d := range documents {
		r := read[d]
		next, events, err := revise(rec, r, r.Matches[0], int64(1000+i))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Seq != replayed.Seq+1 {
				t.Fatalf("seq %d after %d", e.Seq, replayed.Seq)
			}
			replayed = goalcast.Apply(replayed, e)
		}
		if rec = next; i%3 > 0 {
			continue
		}
		text, err := json.Marshal(next)
		if err != nil {
			t.Fatal(err)
		}
		rec = goalcast.MatchRecord{}
		if err := json.Unmarshal(text, &rec); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := standing(t, replayed), standing(t, rec.Snapshot); !bytes.Equal(got, want) {
		t.Fatalf("a viewer who heard all has\n%s\nnot\n%s", got, want)
	}
	return rec
}

// standing is a snapshot's text without what depends on the way to it: revisions, sequence numbers,
// times and the scores of the moment.
func standing(t *testing.T, s goalcast.Snapshot) []byte {
	t.Helper()
	s.Seq, s.FixtureRevision, s.Updated = 0, 0, 0
	s.Timeline = slices.Clone(s.Timeline)
	for i := range s.Timeline {
		e := &s.Timeline[i]
		e.Revision, e.Seq, e.Score, e.Times = 0, 0, nil, goalcast.Times{}
	}
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Documents of all feeds of a match, with random corrections, in any order and any number of times,
// end in the same snapshot, and it is the truth.
func TestAnyOrderOfRealDocumentsEndsTheSame(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		documents, truth := life(r)
		read := readings(t, documents)
		want := played(t, documents, read)
		if got := want.Snapshot.Score; got != truth.score() {
			t.Fatalf("seed %d: score %v, it is %v", seed, got, truth.score())
		}
		if at := want.Snapshot.Kickoff; !at.Equal(time.Date(2020, 7, truth.day, 17, 0, 0, 0, time.UTC)) &&
			at.Day() != 5 {
			// the newest word of F1 and F7
			t.Fatalf("seed %d: kick-off %s", seed, at)
		}
		for _, d := range disagreements(want) {
			// All feeds tell of one moment; only those that leave out what the other has may
			// differ: F7 has no missed penalties.
			if d.What != "missing" && d.What != "withdrawn" {
				t.Fatalf("seed %d: %+v", seed, d)
			}
		}
		for range 2 {
			shuffled := slices.Clone(documents)
			for range r.IntN(8) {
				shuffled = append(shuffled, documents[r.IntN(len(documents))])
			}
			r.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
			got := played(t, shuffled, read)
			if a, b := standing(t, got.Snapshot), standing(t, want.Snapshot); !bytes.Equal(a, b) {
				t.Fatalf("seed %d: ends as\n%s\nnot\n%s", seed, a, b)
			}
			a, b := disagreements(got), disagreements(want)
			for _, list := range [][]merge.Disagreement{a, b} {
				for i := range list {
					list[i].Since = time.Time{}
				}
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: disagreements\n%+v\nnot\n%+v", seed, a, b)
			}
		}
	}
}
