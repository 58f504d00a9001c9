package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
)

// sampleMatch is a match of which both feeds are there: a real one, or a made-up one where the
// providers' samples are not there.
type sampleMatch struct {
	id      goalcast.MatchID
	f24, f7 []byte
	topics  []goalcast.Topic
	thin    bool // most events that tell nothing are left out of its F24s, but for the last
}

// sampleMatches are matches for tests of what is read in them. The F24s of the first are whole.
func sampleMatches(t testing.TB) [2]sampleMatch {
	t.Helper()
	out := playable(samples.Matches(t))
	out[1].thin = true
	return out
}

// madeUpMatches are matches for tests of what happens around them.
func madeUpMatches(t testing.TB) [2]sampleMatch {
	t.Helper()
	return playable(samples.MadeUpMatches(t))
}

func playable(matches [2]samples.Match) (out [2]sampleMatch) {
	for i, m := range matches {
		out[i] = sampleMatch{id: goalcast.MatchID(m.ID), f24: m.F24, f7: m.F7,
			topics: []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(m.ID)),
				goalcast.ForTeam(goalcast.TeamID(m.Home)), goalcast.ForTeam(goalcast.TeamID(m.Away)),
				goalcast.ForCompetition(goalcast.CompetitionID(m.Competition))}}
	}
	return out
}

// delivery is a document as it is posted.
type delivery struct {
	header http.Header
	body   []byte
	at     time.Time
}

// optaNow is a document of Opta's as it is posted at this moment.
func optaNow(feed string, body []byte) delivery {
	now := time.Now()
	return delivery{optatest.Headers(feed, body, now), body, now}
}

// lives are the deliveries of matches by lifeKey: cutting them out takes longer than posting them.
var lives sync.Map

type lifeKey struct {
	match goalcast.MatchID
	thin  bool
}

// deliveries are the match's documents as they were live: at each moment an F24 and an F7 as they
// were then; at the end both as they are today.
func (m sampleMatch) deliveries() []delivery {
	once, _ := lives.LoadOrStore(lifeKey{m.id, m.thin}, sync.OnceValue(m.cutLive))
	return slices.Clone(once.(func() []delivery)())
}

func (m sampleMatch) cutLive() []delivery {
	parsed := optatest.ParseF24(m.f24)
	if m.thin {
		parsed.Thin()
	}
	var out []delivery
	for _, at := range parsed.Moments() {
		a, b := parsed.Cut(at), optatest.CutF7(m.f7, at)
		out = append(out, delivery{optatest.Headers("F24", a, at), a, at}, delivery{optatest.Headers("F7", b, at), b,
			at})
	}
	return append(out, optaNow("F24", m.f24), optaNow("F7", m.f7))
}

// TestMatchesAsTheyWereLive plays matches to a running goalcast and looks at them as viewers do.
func TestMatchesAsTheyWereLive(t *testing.T) {
	t.Parallel()
	for _, m := range sampleMatches(t) {
		t.Run(fmt.Sprint(m.id), func(t *testing.T) {
			t.Parallel()
			inOrder := map[string][]goalcast.Event{}
			for mode, start := range map[string]func(testing.TB, ...string) system{"embedded": startEmbedded,
				"clustered": startClustered} {
				t.Run(mode, func(t *testing.T) { inOrder[mode] = playInOrder(t, start(t), m) })
			}
			sameEvents(t, "embedded and clustered", inOrder["embedded"], inOrder["clustered"])
			t.Run("disorder", func(t *testing.T) {
				sameEvents(t, "order and disorder", inOrder["embedded"], playInDisorder(t, startEmbedded(t), m))
			})
		})
	}
}

// playInOrder posts one document after the other, holds the score against the count after each
// pair, cuts viewers off in mid-match, and returns the events.
func playInOrder(t *testing.T, s system, m sampleMatch) []goalcast.Event {
	full := optatest.ParseF24(m.f24)
	viewers := map[string]*viewer{}
	for name, transport := range transports {
		viewers[name] = newViewer(t, s.hub.public, transport, m.topics...)
		viewers[name].polls = name == "poll"
		viewers[name].join()
	}
	docs := m.deliveries()
	away := map[string][2]int{ // each viewer is away for a part of the match, by document
		"websocket": {len(docs) / 4, len(docs) / 3}, "sse": {len(docs) / 3, len(docs) / 2},
		"poll": {len(docs) / 2, len(docs) * 3 / 4},
	}
	for i, d := range docs {
		for name, v := range viewers {
			switch i {
			case away[name][0]:
				v.Cut()
			case away[name][1]:
				v.join()
			}
		}
		s.ingest.take(d)
		want := full.CountAt(d.at)
		waitFor(t, 20*time.Second, fmt.Sprintf("the score after document %d", i), func() error {
			got, err := s.hub.snapshot(m.id)
			if err != nil || got.Score != (goalcast.Score{Home: want.Home, Away: want.Away}) {
				return fmt.Errorf("%v, want %d-%d: %w", got.Score, want.Home, want.Away, err)
			}
			return nil
		})
	}
	final := s.ingest.match(m.id)
	checkFinal(t, final, optatest.CountF24(m.f24))
	var events []goalcast.Event
	for name, v := range viewers {
		v.waitSeq(m.id, final.Seq)
		seen, own, problem := v.State(m.id)
		if problem != nil {
			t.Errorf("%s: %v", name, problem)
		}
		if v.Resets() > 0 {
			t.Errorf("%s: reset %d times", name, v.Resets())
		}
		for i, e := range seen {
			if e.Seq != int64(i+1) {
				t.Fatalf("%s: event %d has seq %d", name, i+1, e.Seq)
			}
		}
		if len(seen) != int(final.Seq) || own.Score != final.Score || own.State != final.State ||
			len(own.Timeline) != len(final.Timeline) {
			t.Errorf("%s: %d events, %v %s with %d in the timeline; REST says %d, %v %s with %d", name, len(seen),
				own.Score, own.State, len(own.Timeline),
				final.Seq, final.Score, final.State, len(final.Timeline))
		}
		events = seen
	}
	return events
}

// playInDisorder posts every document twice, neighbours swapped, and an old one at the end; it
// returns the events that a viewer saw.
func playInDisorder(t *testing.T, s system, m sampleMatch) []goalcast.Event {
	v := newViewer(t, s.hub.public, overWebSocket, m.topics...)
	v.join()
	docs := m.deliveries()
	for i := 0; i+3 < len(docs); i += 4 { // neighbours of the same feed are two apart
		docs[i], docs[i+1], docs[i+2], docs[i+3] = docs[i+2], docs[i+3], docs[i], docs[i+1]
	}
	docs = append(docs, docs[len(docs)/2])
	for _, d := range docs {
		var kept [2]int64
		for i := range kept {
			document, err := s.ingest.post(d)
			if err != nil {
				t.Fatal(err)
			}
			kept[i] = document
		}
		for _, document := range kept { // the same one: it is kept once
			s.ingest.applied(document)
		}
	}
	final := s.ingest.match(m.id)
	checkFinal(t, final, optatest.CountF24(m.f24))
	v.waitSeq(m.id, final.Seq)
	events, _, problem := v.State(m.id)
	if problem != nil {
		t.Error(problem)
	}
	return events
}

// checkFinal holds the final snapshot against the independent count.
func checkFinal(t *testing.T, s goalcast.Snapshot, want optatest.Count) {
	t.Helper()
	var got struct{ goals, cards, substitutions, left int }
	for _, e := range s.Timeline {
		if !e.Counts() {
			continue
		}
		switch e.Kind {
		case goalcast.KindGoal:
			got.goals++
		case goalcast.KindCard:
			got.cards++
		case goalcast.KindSubstitution:
			if e.Substitution.On != nil {
				got.substitutions++
			} else {
				got.left++
			}
		}
	}
	if s.Score != (goalcast.Score{Home: want.Home, Away: want.Away}) || got.goals != want.Home+want.Away ||
		got.cards != want.Cards() ||
		got.substitutions != want.Substitutions || got.left != want.Left {
		t.Errorf("final: %v and %+v; want %+v", s.Score, got, want)
	}
	if s.State != goalcast.Finished || s.Period != goalcast.FullTime || len(s.Lineups) != 2 || s.Home.Name == "" ||
		s.Kickoff.IsZero() {
		t.Errorf("final: %s, %s, %d line-ups, %q, kick-off %s", s.State, s.Period, len(s.Lineups), s.Home.Name,
			s.Kickoff)
	}
}

// sameEvents compares the newest revisions of two runs: the same ids with the same content.
func sameEvents(t *testing.T, what string, a, b []goalcast.Event) {
	t.Helper()
	newest := func(events []goalcast.Event) map[string]goalcast.Event {
		out := map[string]goalcast.Event{}
		for _, e := range events {
			out[e.ID] = e
		}
		return out
	}
	left, right := newest(a), newest(b)
	if len(left) == 0 {
		t.Error("no events")
	}
	for id, e := range left {
		if other, ok := right[id]; !ok {
			t.Errorf("%s: %s %s is missing", what, e.Kind, id)
		} else if !e.SameContent(other) {
			t.Errorf("%s: %s differs:\n%+v\n%+v", what, id, e, other)
		}
	}
	for id, e := range right {
		if _, ok := left[id]; !ok {
			t.Errorf("%s: %s %s is only in the second", what, e.Kind, id)
		}
	}
}

// TestRedisRestartsEmptyInMidMatch: viewers stay connected and get the next goal.
func TestRedisRestartsEmptyInMidMatch(t *testing.T) {
	t.Parallel()
	s, m := startClustered(t), madeUpMatches(t)[1]
	docs := m.deliveries()
	var viewers []*viewer
	for _, transport := range []transport{overWebSocket, overSSE} {
		v := newViewer(t, s.hub.public, transport, m.topics...)
		v.join()
		viewers = append(viewers, v)
	}
	half := len(docs) / 2
	s.ingest.take(docs[:half]...)
	before := s.ingest.match(m.id)
	for _, v := range viewers {
		v.waitSeq(m.id, before.Seq)
	}
	s.redis.RestartEmpty()
	s.ingest.take(docs[half:]...)
	final := s.ingest.match(m.id)
	checkFinal(t, final, optatest.CountF24(m.f24))
	for _, v := range viewers {
		v.waitSeq(m.id, final.Seq)
		_, own, _ := v.State(m.id)
		if own.Score != final.Score || len(own.Timeline) != len(final.Timeline) {
			t.Errorf("viewer has %v and %d events, want %v and %d", own.Score, len(own.Timeline), final.Score,
				len(final.Timeline))
		}
		if v.Hellos() != 1 || v.Resets() == 0 {
			t.Errorf("%d hellos, %d resets: want one connection and a reset", v.Hellos(), v.Resets())
		}
	}
}

// TestKilledBetweenKeepingAndPublishing kills the process that takes feeds in, at each point
// of a document's way. The one started after it finishes the work: viewers of another process
// see every event once; those of an embedded one, whose bus died with it, are told to start
// over and miss nothing.
func TestKilledBetweenKeepingAndPublishing(t *testing.T) {
	t.Parallel()
	m := madeUpMatches(t)[1]
	docs := m.deliveries()
	docs = slices.Concat(docs[:4], docs[len(docs)/2:len(docs)/2+4], docs[len(docs)-2:])
	for _, point := range []string{"kept", "parsed", "committed", "published"} {
		t.Run("clustered/"+point, func(t *testing.T) {
			t.Parallel()
			s := startClustered(t)
			v := newViewer(t, s.hub.public, overWebSocket, m.topics...)
			v.join()
			s.ingest.kill()
			final := s.playAndDie(t, m, docs, point, "--roles=ingest,rest")
			checkFinal(t, final, optatest.CountF24(m.f24))
			v.waitSeq(m.id, final.Seq)
			events, _, problem := v.State(m.id)
			if problem != nil || len(events) != int(final.Seq) || v.Resets() > 0 {
				t.Error(errors.Join(problem, fmt.Errorf("%d events of %d, %d resets", len(events), final.Seq,
					v.Resets())))
			}
		})
		t.Run("embedded/"+point, func(t *testing.T) {
			t.Parallel()
			s := startEmbedded(t)
			v := newViewer(t, s.hub.public, overWebSocket, m.topics...)
			v.join()
			s.ingest.kill()
			final := s.playAndDie(t, m, docs, point, "--listen="+strings.TrimPrefix(s.hub.public, "http://"))
			checkFinal(t, final, optatest.CountF24(m.f24))
			v.waitSeq(m.id, final.Seq)
			if _, own, _ := v.State(m.id); own.Score != final.Score || len(own.Timeline) != len(final.Timeline) ||
				v.Resets() == 0 {
				t.Errorf("viewer: %v, %d events, %d resets; want %v and %d", own.Score, len(own.Timeline), v.Resets(),
					final.Score, len(final.Timeline))
			}
		})
	}
}

// playAndDie posts the documents to a process that kills itself when it passes the point for the
// third time, and then to those started after it, as a provider does that repeats what was not
// acknowledged. It returns the match when all documents are worked on.
func (s system) playAndDie(t *testing.T, m sampleMatch, docs []delivery, point string,
	args ...string) goalcast.Snapshot {
	p := start(t, s.env.with("GOALCAST_TEST_FAULT="+point+":3"), append([]string{"serve"}, args...)...)
	deaths := 0
	alive := func() {
		select {
		case <-p.done:
			deaths++
			p = start(t, s.env, append([]string{"serve"}, args...)...)
		default:
		}
	}
	for i, d := range docs {
		waitFor(t, 60*time.Second, fmt.Sprintf("document %d to be kept", i), func() error {
			_, err := p.post(d)
			if err != nil {
				alive()
			}
			return err
		})
	}
	waitFor(t, 60*time.Second, "all documents to be applied", func() error {
		alive()
		return p.unfinished()
	})
	if deaths != 1 {
		t.Fatalf("the process died %d times", deaths)
	}
	final := p.match(m.id)
	return final
}
