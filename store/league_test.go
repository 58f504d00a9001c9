package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

func standingsOf(season string, edition goalcast.Edition, points int, at time.Time) goalcast.Standings {
	return goalcast.Standings{Competition: goalcast.Competition{ID: 23, Name: "Eredivisie der Dromen"}, Season: season,
		Updated: at, Edition: edition,
		Groups: []goalcast.Table{{Name: "Group A", Rows: []goalcast.TableRow{{Team: goalcast.Team{ID: 1,
			Name: "FC \x00Nummer 1"}, Position: 1, Deducted: 3,
			Total: goalcast.TableRecord{Played: 2, Won: 2, Points: points}}}}}}
}

func TestStandingsOfTheNewestEditionHold(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, err := s.Standings(ctx, 23, ""); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("none yet: %v", err)
		}
		for _, tt := range []struct {
			edition goalcast.Edition
			points  int
			changed bool
		}{{"2", 4, true}, {"1", 1, false}, {"2", 2, false}, {"3", 3, true}} {
			if changed, err := s.SaveStandings(ctx, standingsOf("2026", tt.edition, tt.points, kickoff)); err != nil ||
				changed != tt.changed {
				t.Errorf("edition %s: %v, %v", tt.edition, changed, err)
			}
		}
		got, err := s.Standings(ctx, 23, "")
		if err != nil || got.Groups[0].Rows[0].Total.Points != 3 || got.Groups[0].Rows[0].Deducted != 3 ||
			got.Competition.ID != 23 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.SaveStandings(ctx, standingsOf("2025", "9", 9, kickoff.AddDate(-1, 0, 0))); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Standings(ctx, 23, ""); err != nil || got.Season != "2026" {
			t.Errorf("newest season: %s, %v", got.Season, err)
		}
		if got, err := s.Standings(ctx, 23, "2025"); err != nil || got.Groups[0].Rows[0].Total.Points != 9 {
			t.Errorf("2025: %+v, %v", got, err)
		}
		if _, err := s.Standings(ctx, 23, "1999"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("1999: %v", err)
		}
	})
}

// What the tables held that were replaced is kept, as long as it differs.
func TestCountsOfReplacedStandings(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, _, err := s.StandingsToPlayOn(ctx, 23); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("none yet: %v", err)
		}
		for i := range maxCounts + 4 {
			table := standingsOf("2026", goalcast.Edition(fmt.Sprintf("%04d", i)), i,
				kickoff.Add(time.Duration(i)*time.Hour))
			table.Groups[0].Rows[0].Total.Played = max(i-1, 0) // the second is a correction
			if _, err := s.SaveStandings(ctx, table); err != nil {
				t.Fatal(err)
			}
			if _, err := s.SaveStandings(ctx, standingsOf("2026", "", 0, kickoff)); err != nil { // an old one
				t.Fatal(err)
			}
			newest, earlier, err := s.StandingsToPlayOn(ctx, 23)
			if err != nil || newest.Groups[0].Rows[0].Total.Points != i {
				t.Fatalf("%+v, %v", newest, err)
			}
			// of those before it the first two say the same
			if n := len(earlier); n != min(max(i-1, min(i, 1)), maxCounts) ||
				n > 0 && earlier[n-1].Played[1] != max(i-2, 0) {
				t.Fatalf("after %d: %d counts, %+v", i, n, earlier)
			}
		}
	})
}

func TestCompetitionsOfATime(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		save := func(id goalcast.MatchID, competition goalcast.CompetitionID, at time.Time, state goalcast.MatchState) {
			t.Helper()
			err := s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord,
				[]goalcast.Event, error) {
				e := matchEvent(id, 1, goalcast.KindGoal)
				r.Snapshot.Seq, r.Snapshot.State = 1, state
				r.Snapshot.Competition.ID, r.Snapshot.Kickoff = competition, at
				return r, []goalcast.Event{e}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		save(1, 5, kickoff, goalcast.Finished)
		save(2, 5, kickoff.Add(time.Hour), goalcast.Live)
		save(3, 6, kickoff.Add(-100*time.Hour), goalcast.Live)
		save(4, 7, kickoff.Add(-100*time.Hour), goalcast.Finished)
		save(5, 8, kickoff.Add(2*time.Hour), goalcast.Scheduled)
		save(6, 0, kickoff, goalcast.Live)
		got, err := s.CompetitionsAt(t.Context(), kickoff, kickoff.Add(2*time.Hour))
		if want := []goalcast.CompetitionID{5, 6}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	})
}

func squadOf(team goalcast.TeamID, season string, at time.Time, names ...string) goalcast.Squad {
	s := goalcast.Squad{Competition: goalcast.Competition{ID: 23}, Season: season,
		Team: goalcast.Team{ID: team, Name: fmt.Sprint("FC ", team)}, Updated: at.UTC(),
		Players: []goalcast.SquadPlayer{}}
	for i, name := range names {
		s.Players = append(s.Players, goalcast.SquadPlayer{Player: goalcast.Player{ID: goalcast.PlayerID(int(team)*100 +
			i), Name: name}, Shirt: i + 1})
	}
	return s
}

func TestSquadsAndNames(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		first := goalcast.SquadList{Competition: goalcast.Competition{ID: 23}, Season: "2026", Edition: "1",
			Squads: []goalcast.Squad{squadOf(1, "2026", kickoff, "Ann", "Bo"), squadOf(2, "2026", kickoff, "Cy"),
				squadOf(77, "2026", kickoff)}}
		first.Squads[1].Left = []goalcast.SquadPlayer{{Player: goalcast.Player{ID: 999, Name: "Gone"},
			LeftOn: "2026-07-01"}, {Player: goalcast.Player{ID: 200, Name: "Cy"}}}
		save := func(l goalcast.SquadList, want bool) {
			t.Helper()
			if changed, err := s.SaveSquads(ctx, l); err != nil || changed != want {
				t.Fatalf("edition %s: %v, %v; want %v", l.Edition, changed, err, want)
			}
		}
		save(first, true)
		save(first, false)
		got, err := s.Squad(ctx, 2, 0, "")
		if err != nil || !reflect.DeepEqual(got, first.Squads[1]) {
			t.Errorf("%+v, %v; want %+v", got, err, first.Squads[1])
		}
		if got, err := s.Squad(ctx, 77, 23, "2026"); err != nil || len(got.Players) != 0 {
			t.Errorf("placeholder: %+v, %v", got, err)
		}
		second := first
		second.Edition, second.Squads = "2", []goalcast.Squad{squadOf(1, "2026", kickoff, "Anna")}
		save(second, true)
		older := first
		older.Edition = "0"
		save(older, false)
		if _, err := s.Squad(ctx, 2, 0, ""); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("a team that is gone from the list: %v", err)
		}
		names, err := s.PlayerNames(ctx, []goalcast.PlayerID{100, 101, 200, 999, 5})
		if want := map[goalcast.PlayerID]string{100: "Anna", 101: "Bo", 200: "Cy", 999: "Gone"}; err != nil ||
			!reflect.DeepEqual(names, want) {
			t.Errorf("%v, %v; want %v", names, err, want)
		}
		// A newer list in which the team only stands by its name does not hide its players.
		save(goalcast.SquadList{Competition: goalcast.Competition{ID: 24}, Season: "2027", Edition: "5",
			Squads: []goalcast.Squad{squadOf(1, "2027", kickoff.AddDate(1, 0, 0))}}, true)
		if got, err := s.Squad(ctx, 1, 0, ""); err != nil || len(got.Players) != 1 || got.Season != "2026" {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.PlayerNames(ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("nobody: %v, %v", got, err)
		}
	})
}

// Lists come from several processes in any order: the newest holds, whole.
func TestSquadsInAnyOrder(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				squads := []goalcast.Squad{squadOf(1, "2026", kickoff, fmt.Sprint("Name ", n)),
					squadOf(goalcast.TeamID(10+n), "2026", kickoff, "X")}
				if _, err := s.SaveSquads(t.Context(), goalcast.SquadList{Competition: goalcast.Competition{ID: 23},
					Season: "2026", Edition: goalcast.Edition(fmt.Sprint(n)), Squads: squads}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := s.Squad(t.Context(), 1, 23, "2026")
		if err != nil || got.Players[0].Name != "Name 7" {
			t.Errorf("%+v, %v", got, err)
		}
		for n := range 7 {
			if _, err := s.Squad(t.Context(), goalcast.TeamID(10+n), 0, ""); !errors.Is(err, goalcast.ErrNotFound) {
				t.Errorf("team of list %d: %v", n, err)
			}
		}
		if names, err := s.PlayerNames(t.Context(), []goalcast.PlayerID{100}); err != nil || names[100] != "Name 7" {
			t.Errorf("%v, %v", names, err)
		}
	})
}

func TestCommentaryIsEditedByLine(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		line := func(id string, p goalcast.Period, minute, modified int, text string) goalcast.CommentaryLine {
			return goalcast.CommentaryLine{ID: id, Type: "goal", Text: text, Period: p, Minute: minute,
				Modified: kickoff.Add(time.Duration(modified) * time.Second), Players: []goalcast.PlayerID{5}}
		}
		documents := [][]goalcast.CommentaryLine{
			{line("1", goalcast.PreMatch, 0, 0, "line-ups"), line("2", goalcast.FirstHalf, 12, 10, "goal by A")},
			{line("3", goalcast.SecondHalf, 93, 30, "late \x00"), line("2", goalcast.FirstHalf, 12, 20, "goal by B")},
			{line("2", goalcast.FirstHalf, 12, 20, "goal by C"), line("4", goalcast.ExtraFirstHalf, 92, 40, "extra")},
			{line("2", goalcast.FirstHalf, 11, 5, "goal?")},
		}
		want := []string{"extra", "late ", "goal by C", "line-ups"}
		for round := range 4 {
			match := goalcast.MatchID(round + 1)
			rand.Shuffle(len(documents), func(a, b int) { documents[a], documents[b] = documents[b], documents[a] })
			for _, lines := range documents {
				if _, err := s.SaveCommentary(ctx, goalcast.Commentary{Match: match, Language: "nl",
					Lines: lines}); err != nil {
					t.Fatal(err)
				}
			}
			for _, lines := range documents {
				if changed, err := s.SaveCommentary(ctx, goalcast.Commentary{Match: match, Language: "nl",
					Lines: lines}); err != nil || changed {
					t.Errorf("again: %v, %v", changed, err)
				}
			}
			got, err := s.Commentary(ctx, match, "nl", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, l := range got {
				texts = append(texts, l.Text)
			}
			if len(texts) != 4 || texts[0] != want[0] || !slices.Equal(texts[2:], want[2:]) {
				t.Errorf("%q, want %q", texts, want)
			}
		}
		if _, err := s.SaveCommentary(ctx, goalcast.Commentary{Match: 1, Language: "en",
			Lines: documents[0]}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.CommentaryLanguages(ctx, 1); err != nil || !slices.Equal(got, []string{"en", "nl"}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := s.Commentary(ctx, 1, "nl", "", 1); err != nil || len(got) != 1 || got[0].Text != "extra" {
			t.Errorf("%+v, %v", got, err)
		}
		var pages []string
		for after, n := "", 0; n < 5; n++ {
			got, err := s.Commentary(ctx, 1, "nl", after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				break
			}
			after = got[0].ID
			pages = append(pages, got[0].Text)
		}
		if len(pages) != 4 || pages[0] != want[0] || !slices.Equal(pages[2:], want[2:]) {
			t.Errorf("page by page: %q, want %q", pages, want)
		}
		if got, err := s.Commentary(ctx, 9, "nl", "", 0); err != nil || len(got) != 0 {
			t.Errorf("no match: %v, %v", got, err)
		}
	})
}

// A line that a newer document leaves out, though it tells what came before and after, is
// withdrawn; one from before the document's first line is not. What is left does not depend on the
// order of the documents.
func TestCommentaryLinesAreWithdrawn(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		doc := func(edition string, minutes ...int) goalcast.Commentary {
			c := goalcast.Commentary{Language: "en", Edition: goalcast.Edition(edition)}
			for _, m := range minutes {
				c.Lines = append(c.Lines, goalcast.CommentaryLine{ID: fmt.Sprint(m), Type: "goal",
					Text: fmt.Sprintf("minute %d", m), Period: goalcast.FirstHalf, Minute: m, Modified: kickoff})
			}
			return c
		}
		documents := []goalcast.Commentary{
			doc("a", 10, 5, 1),
			doc("b", 20, 10, 5, 1),
			doc("c", 20, 5, 1),       // 10 is withdrawn
			doc("d", 30, 25, 20),     // the newest lines only: what is older stays
			doc("e", 30, 20),         // 25 is withdrawn
			doc("f", 40, 35, 30, 1),  // tells all: 5 and 20 are withdrawn
			doc("g", 40, 35, 30, 20), // 20 is back, 1 and 5 are older than what it tells
		}
		for round := range 8 {
			match := goalcast.MatchID(round + 1)
			if round > 0 {
				rand.Shuffle(len(documents), func(a, b int) { documents[a], documents[b] = documents[b], documents[a] })
			}
			want := map[string]string{"b": "20 10 5 1", "c": "20 5 1", "d": "30 25 20 5 1", "e": "30 20 5 1",
				"f": "40 35 30 1", "g": "40 35 30 20 1"}
			shown := ""
			for _, c := range documents {
				c.Match = match
				if _, err := s.SaveCommentary(ctx, c); err != nil {
					t.Fatal(err)
				}
				lines, err := s.Commentary(ctx, match, "en", "", 0)
				if err != nil {
					t.Fatal(err)
				}
				ids := make([]string, len(lines))
				for i, l := range lines {
					ids[i] = l.ID
				}
				if shown = strings.Join(ids, " "); round == 0 && want[string(c.Edition)] != "" &&
					shown != want[string(c.Edition)] {
					t.Errorf("after %s: %s, want %s", c.Edition, shown, want[string(c.Edition)])
				}
				if again, err := s.SaveCommentary(ctx, c); err != nil || again {
					t.Errorf("%s again: %v, %v", c.Edition, again, err)
				}
			}
			if shown != want["g"] {
				t.Errorf("round %d: %s, want %s", round, shown, want["g"])
			}
		}
	})
}
