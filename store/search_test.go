package store

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"goalcast"
)

// kept stores a fixture with these names.
func kept(t *testing.T, s *Store, match goalcast.MatchID, competition, home, away string) {
	t.Helper()
	err := s.UpdateMatch(t.Context(), match, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		f := goalcast.Fixture{Competition: goalcast.Competition{ID: 23, Name: competition}, Season: "2025",
			Home: goalcast.Team{ID: 1, Name: home}, Away: goalcast.Team{ID: 2, Name: away}, Kickoff: kickoff}
		e := goalcast.Event{ID: "fixture", Revision: int(r.Snapshot.Seq) + 1, Seq: r.Snapshot.Seq + 1, Match: match,
			Kind: goalcast.KindFixture, Status: goalcast.Confirmed, Topics: f.Topics(match), Fixture: &f}
		r.Snapshot = goalcast.Apply(r.Snapshot, e)
		return r, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func squadsNamed(edition goalcast.Edition, names ...string) goalcast.SquadList {
	squad := goalcast.Squad{Competition: goalcast.Competition{ID: 23}, Season: "2024",
		Team: goalcast.Team{ID: 1, Name: "Sandvík"}, Updated: kickoff}
	for i, name := range names {
		squad.Players = append(squad.Players, goalcast.SquadPlayer{Player: goalcast.Player{ID: goalcast.PlayerID(i + 1),
			Name: name}, Shirt: i + 1})
	}
	return goalcast.SquadList{Competition: squad.Competition, Season: "2024", Squads: []goalcast.Squad{squad},
		Edition: edition}
}

// search lists what is found, in order.
func search(t *testing.T, s *Store, text string) string {
	t.Helper()
	found, err := s.Search(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range found {
		list = append(list, fmt.Sprintf("%s %d %s", f.Kind, f.ID, f.Name))
	}
	return strings.Join(list, ", ")
}

// A name is found by the beginnings of its words from the moment on that it is stored, whatever the
// accents, and by its old words no more when it changes.
func TestSearchFindsWordsByTheirBeginnings(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		kept(t, s, 7, "Élite Nord", "Sandvík FC", "Rovers of Sandby")
		if _, err := s.SaveSquads(t.Context(), squadsNamed("1", "Ólaf Sandersøn", "N'Dour Élan", "İlkay")); err != nil {
			t.Fatal(err)
		}
		check := func(text, want string) {
			t.Helper()
			if got := search(t, s, text); got != want {
				t.Errorf("%q: %s; want %s", text, got, want)
			}
		}
		check("sand", "team 2 Rovers of Sandby, team 1 Sandvík FC, player 1 Ólaf Sandersøn")
		check("SANDVIK", "team 1 Sandvík FC")
		check("fc sa", "team 1 Sandvík FC")
		check("rov san of", "team 2 Rovers of Sandby")
		check("el", "competition 23 Élite Nord, player 2 N'Dour Élan")
		check("olaf sandersö", "player 1 Ólaf Sandersøn")
		check("ndour", "player 2 N'Dour Élan")
		check("dour", "player 2 N'Dour Élan")
		check("ilk", "player 3 İlkay")
		check("andvik", "")
		check("sand%", "team 2 Rovers of Sandby, team 1 Sandvík FC, player 1 Ólaf Sandersøn")
		check("_a", "")
		check("zzz", "")
		kept(t, s, 7, "Élite Nord", "Nordvík", "Rovers of Sandby")
		check("sandvik", "")
		check("nord", "team 1 Nordvík, competition 23 Élite Nord")
		if _, err := s.SaveSquads(t.Context(), squadsNamed("2", "Ólaf Berg")); err != nil {
			t.Fatal(err)
		}
		check("olaf", "player 1 Ólaf Berg")
		check("sanders", "")
	})
}

// A thing is found by each of its names, as long as it has them.
func TestSearchFindsNamesByLanguage(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		kept(t, s, 7, "Coastal League", "Sandvík FC", "Rovers")
		check := func(text, want string) {
			t.Helper()
			if got := search(t, s, text); got != want {
				t.Errorf("%q: %s; want %s", text, got, want)
			}
		}
		save := func(names ...goalcast.Name) {
			t.Helper()
			if _, err := s.SaveNames(t.Context(), names); err != nil {
				t.Fatal(err)
			}
		}
		french := goalcast.Name{Kind: goalcast.FoundTeam, ID: 1, Language: "fr", Name: "Baie-des-Sables"}
		dutch := goalcast.Name{Kind: goalcast.FoundTeam, ID: 1, Language: "nl", Name: "Zandbaai"}
		save(french, dutch, goalcast.Name{Kind: goalcast.FoundCompetition, ID: 23, Language: "fr",
			Name: "Ligue des Côtes"})
		check("sables", "team 1 Sandvík FC")
		check("zand", "team 1 Sandvík FC")
		check("sandvik", "team 1 Sandvík FC")
		check("cotes", "competition 23 Coastal League")
		kept(t, s, 7, "Coastal League", "Nordvík", "Rovers") // the provider calls it otherwise
		check("zand", "team 1 Nordvík")
		dutch.Name = ""
		save(dutch)
		check("zand", "")
		check("nord", "team 1 Nordvík")
	})
}

// Names and squads that were stored before there was a search, or by a version without, are found
// after the job has run.
func TestNamesFromBeforeAreIndexed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		kept(t, s, 7, "Coastal League", "Sandvík", "Rovers")
		if _, err := s.SaveSquads(t.Context(), squadsNamed("1", "Ólaf Berg")); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{`DELETE FROM search_words`, `UPDATE teams SET indexed = ''`,
			`UPDATE competitions SET indexed = ''`, `UPDATE players SET indexed = 'Olaf'`,
			`UPDATE squads SET listed = FALSE`, `DELETE FROM squad_players`} {
			if _, err := s.exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if got := search(t, s, "sandvik"); got != "" {
			t.Errorf("found %s", got)
		}
		if done, err := s.IndexNames(t.Context()); err != nil || done != 5 {
			t.Errorf("%d, %v", done, err)
		}
		if got := search(t, s, "sandvik") + search(t, s, "coast") + search(t, s, "berg"); got !=
			"team 1 Sandvíkcompetition 23 Coastal Leagueplayer 1 Ólaf Berg" {
			t.Errorf("found %s", got)
		}
		if p, err := s.Player(t.Context(), 1); err != nil || len(p.Squads) != 1 {
			t.Errorf("%+v, %v", p, err)
		}
		if done, err := s.IndexNames(t.Context()); err != nil || done != 0 {
			t.Errorf("again: %d, %v", done, err)
		}
	})
}

func TestPlayersSeasonsAndCompetitions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, err := s.Player(ctx, 1); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if _, err := s.Seasons(ctx, 23); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("%v", err)
		}
		kept(t, s, 7, "Coastal League", "Sandvík", "Rovers")
		if _, err := s.SaveSquads(ctx, squadsNamed("1", "Ólaf Berg", "Ilo Varde")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SaveStandings(ctx, standingsOf("2025", "1", 3, kickoff)); err != nil {
			t.Fatal(err)
		}
		p, err := s.Player(ctx, 2)
		if err != nil || p.Name != "Ilo Varde" || len(p.Squads) != 1 || p.Squads[0].Team.Name != "Sandvík" ||
			p.Squads[0].As.Shirt != 2 || p.Squads[0].Season != "2024" {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := s.SaveSquads(ctx, squadsNamed("2", "Ólaf Berg")); err != nil {
			t.Fatal(err)
		}
		if p, err := s.Player(ctx, 2); err != nil || len(p.Squads) != 0 {
			t.Errorf("who is in no squad any more: %+v, %v", p, err)
		}
		want := []goalcast.Season{{Season: "2025", Standings: true}, {Season: "2024", Squads: true}}
		if got, err := s.Seasons(ctx, 23); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Competitions(ctx, 0, 1); err != nil || len(got) != 1 || got[0].Name != "Coastal League" {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Competitions(ctx, 23, 1); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
