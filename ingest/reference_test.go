package ingest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
	"goalcast/store"
)

// shelf is an ingest with the real provider and store, which is also the library,
// and what it publishes.
type shelf struct {
	*ingest.Ingest
	*store.Store
	t      *testing.T
	events []goalcast.Event
	states []goalcast.State
	asked  int   // for names
	broken error // of SetState and PlayerNames
}

func (s *shelf) Publish(_ context.Context, events []goalcast.Event) error {
	s.events = append(s.events, events...)
	return nil
}

func (s *shelf) SetState(_ context.Context, states []goalcast.State) error {
	s.states = append(s.states, states...)
	return s.broken
}

func (s *shelf) PlayerNames(ctx context.Context, ids []goalcast.PlayerID) (map[goalcast.PlayerID]string, error) {
	if s.asked++; s.broken != nil {
		return nil, s.broken
	}
	return s.Store.PlayerNames(ctx, ids)
}

func (s *shelf) Enqueue(context.Context, goalcast.Task) error { return errors.New("no queue") }

func newShelf(t *testing.T) *shelf {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	db := openStore(t, "sqlite::memory:")
	s := &shelf{Store: db, t: t}
	s.Ingest = ingest.New(ingest.Config{Reference: s, States: s}, db, s, s, []ingest.Provider{opta.New()}, log,
		prometheus.NewRegistry())
	return s
}

// take keeps and applies a document, and returns it as it stands then.
func (s *shelf) take(feed string, body []byte) goalcast.Document {
	s.t.Helper()
	doc := goalcast.Document{Provider: "opta", Feed: feed, Body: body, Digest: sha256.Sum256(body),
		Received: time.Now().UTC()}
	if err := s.KeepDocument(s.t.Context(), &doc); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Process(s.t.Context(), doc.ID); err != nil {
		s.t.Fatal(err)
	}
	doc, err := s.Document(s.t.Context(), doc.ID)
	if err != nil || doc.State != goalcast.DocumentApplied {
		s.t.Fatalf("%s: %s %s, %v", feed, doc.State, doc.Error, err)
	}
	return doc
}

func TestRealTablesAndSquadsAreKept(t *testing.T) {
	s := newShelf(t)
	s.take("F3", samples.Read(t, "opta/f3/srml-24-2011-standings.xml"))
	s.take("F40", samples.Read(t, "opta/f40/srml-24-2011-squads.xml"))
	s.take("F40", samples.Read(t, "opta/f40/srml-24-2011-squads-2.xml"))
	all := func() (out []goalcast.Squad) {
		for _, row := range mustStandings(t, s).Groups[0].Rows {
			squad, err := s.Squad(t.Context(), row.Team.ID, 24, "2011")
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, squad)
		}
		return out
	}
	both := all()
	s.take("F40", samples.Read(t, "opta/f40/srml-24-2011-squads.xml"))
	if !reflect.DeepEqual(all(), both) {
		t.Error("of two lists the same one holds whichever comes last")
	}
	table, err := s.Standings(t.Context(), 24, "2011")
	if err != nil || len(table.Groups) != 1 || len(table.Groups[0].Rows) != 20 ||
		table.Groups[0].Rows[0].Team.ID != 149 {
		t.Errorf("%+v, %v", table, err)
	}
	squad, err := s.Squad(t.Context(), 1163, 24, "2011")
	if err != nil || len(squad.Players) < 20 || squad.Team.ID != 1163 {
		t.Errorf("%+v, %v", squad, err)
	}
}

// A squad list names players of matches that are stored, in line-ups too, once; those whom it does
// not name, and matches of other competitions, stay as they are.
func TestLateSquadsNameStoredMatches(t *testing.T) {
	s := newShelf(t)
	s.take("F24", []byte(optatest.MadeF24(27, optatest.MadeStart, optatest.MadeEvent(16, 16, 1, 11, 26),
		optatest.MadeEvent(17, 16, 1, 12, 28))))
	s.take("F24", []byte(strings.NewReplacer(`<Game id="7"`, `<Game id="8"`, `competition_id="3"`,
		`competition_id="4"`).Replace(optatest.MadeF24(27, optatest.MadeStart, optatest.MadeEvent(26, 16, 1, 11, 26)))))
	err := s.UpdateMatch(t.Context(), 7, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		var err error
		lineup := goalcast.Event{ID: "x", Kind: goalcast.KindLineup, Status: goalcast.Confirmed, Team: 1,
			Lineup: &goalcast.Lineup{Team: 1, Players: []goalcast.LineupPlayer{{Player: goalcast.Player{ID: 11},
				Start: true}}}}
		var events []goalcast.Event
		rec, events, err = apply(rec, merge.Reading{Source: "opta:f24b", Version: merge.Version{Time: time.Now()}},
			merge.MatchReading{Match: 7, Facts: []goalcast.Event{lineup}}, 1)
		return rec, events, err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.events)
	s.take("F40", []byte(squads))
	var got []string
	for _, e := range s.events[before:] {
		got = append(got, fmt.Sprintf("%d %s", e.Match, e.Key()))
	}
	if want := []string{"7 match:7:lineup:1#2", "7 opta:16#2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	m, err := s.Match(t.Context(), 7)
	if e, _ := m.Event("opta:17"); err != nil || len(m.Lineups) != 1 || m.Lineups[0].Players[0].Name != "Ada Lark" ||
		e.Player.Name != "" {
		t.Errorf("%+v, %+v, %v", m.Lineups, e.Player, err)
	}
	s.take("F40", []byte(strings.Replace(squads, "095125", "105125", 1)))
	if n := len(s.events) - before; n != 2 {
		t.Errorf("named again: %d revisions", n)
	}
}

func mustStandings(t *testing.T, s *shelf) goalcast.Standings {
	t.Helper()
	table, err := s.Standings(t.Context(), 24, "2011")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

const squads = `<SoccerFeed timestamp="20200701T095125+0000"><SoccerDocument Type="SQUADS Latest" competition_id="3" season_id="2019"><Team uID="t1"><Name>Northbridge</Name>
 <Player uID="p11"><Name>Ada Lark</Name><Stat Type="first_name">Ada</Stat><Stat Type="last_name">Lark</Stat></Player></Team></SoccerDocument></SoccerFeed>`

// F24 names nobody. Who is known from a squad list is named, and the match's
// own feeds go before it.
func TestNamesFromSquads(t *testing.T) {
	s := newShelf(t)
	goal := optatest.MadeF24(27, optatest.MadeStart, optatest.MadeEvent(16, 16, 1, 11, 26))
	s.take("F24", []byte(goal))
	if e := s.events[len(s.events)-1]; e.Player.ID != 11 || e.Player.Name != "" {
		t.Fatalf("%+v", e.Player)
	}
	asked := s.asked
	s.take("F24", []byte(optatest.MadeF24(28, optatest.MadeStart, optatest.MadeEvent(16, 16, 1, 11, 26))))
	if s.asked != asked {
		t.Error("asked again for a name that there is not")
	}
	s.take("F40", []byte(squads))
	if e := s.events[len(s.events)-1]; e.Key() != "opta:16#2" || e.Player.Name != "Ada Lark" {
		t.Fatalf("stored before the list: %s %+v", e.Key(), e.Player)
	}
	s.take("F24", []byte(optatest.MadeF24(29, optatest.MadeStart, optatest.MadeEvent(16, 16, 1, 11, 26))))
	if e := s.events[len(s.events)-1]; e.Key() != "opta:16#2" || e.Player.Name != "Ada Lark" {
		t.Fatalf("%s %+v", e.Key(), e.Player)
	}
	// The library away: what was learned stays, and nothing is held back.
	s.broken = errors.New("away")
	before := len(s.events)
	s.take("F24", []byte(optatest.MadeF24(30, optatest.MadeStart, optatest.MadeEvent(16, 16, 1, 11, 26),
		optatest.MadeEvent(17, 16, 1, 12, 28))))
	if got := s.events[before:]; len(got) != 1 || got[0].ID != "opta:17" {
		t.Errorf("%+v", got)
	}
	s.broken = nil
	s.take("F7", []byte(strings.Replace(optatest.MadeF7(31, "FirstHalf", "", 2, 0,
		`<Goal EventID="16" Period="FirstHalf" PlayerRef="p11" Time="27"/><Goal EventID="17" Period="FirstHalf" PlayerRef="p12" Time="29"/>`, ""),
		"<Venue", `<Team uID="t1"><Player uID="p11"><PersonName><Known>Lark</Known></PersonName></Player></Team><Venue`,
		1)))
	snapshot, err := s.Match(t.Context(), 7)
	if e, _ := snapshot.Event("opta:16"); err != nil || e.Player.Name != "Lark" {
		t.Errorf("%+v, %v", e.Player, err)
	}
}

func TestLiveStatisticsAndCommentaryAreState(t *testing.T) {
	s := newShelf(t)
	s.take("F9", samples.Read(t, "opta/f9/f9-790722-live-48min.xml"))
	if len(s.states) != 1 {
		t.Fatalf("%+v", s.states)
	}
	got := s.states[0]
	at := time.Date(2015, 4, 14, 23, 7, 23, 0, time.UTC).UnixMilli()
	if got.Topic != goalcast.ForMatch(790722) || got.Key != "stats" || got.Version != at || got.At != at {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{`{"home":{`, `"possession":41.6`, `"shots":7`, `"shots_on_target":2`, `"corners":2`,
		`"offsides":0`, `,"away":{`, `"possession":58.4`, `"corners":0`, `"fouls":3`} {
		if !strings.Contains(string(got.Value), want) {
			t.Errorf("no %s in %s", want, got.Value)
		}
	}
	line := `<Commentary game_id="7" lang_id="nl"><message id="2" type="goal" comment="Doelpunt!" period="1" minute="26" second="5" last_modified="2020-07-05 18:29:00"/></Commentary>`
	s.broken = errors.New("away") // costs the state, and nothing else
	s.take("F13M", []byte(line))
	if last := s.states[len(s.states)-1]; last.Key != "commentary/nl" || last.Topic != goalcast.ForMatch(7) ||
		!strings.Contains(string(last.Value), `"text":"Doelpunt!"`) {
		t.Errorf("%+v", last)
	}
	lines, err := s.Commentary(t.Context(), 7, "nl", "", 0)
	want := []goalcast.CommentaryLine{{ID: "2", Type: "goal", Text: "Doelpunt!", Period: goalcast.FirstHalf, Minute: 27,
		Second: 5, Clock: "27", Modified: time.Date(2020, 7, 5, 17, 29, 0, 0, time.UTC)}}
	if err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("%+v, %v", lines, err)
	}
}

// A late document's statistics do not go out: nothing that is older follows what is newer.
func TestLateStatisticsAreDropped(t *testing.T) {
	s := newShelf(t)
	stat := `<Stat Type="total_scoring_att">%</Stat>`
	for i, minute := range []int{30, 40, 35} {
		s.take("F9", []byte(optatest.MadeF7(minute, "FirstHalf", "", 0, 0,
			strings.Replace(stat, "%", string(rune('1'+i)), 1), "")))
	}
	if len(s.states) != 2 || !strings.Contains(string(s.states[1].Value), `"shots":2`) {
		t.Errorf("%d states", len(s.states))
	}
}
