package store

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

func team(id int64, language, name string) goalcast.Name {
	return goalcast.Name{Kind: goalcast.FoundTeam, ID: id, Language: language, Name: name}
}

func cup(id int64, language, name string) goalcast.Name {
	return goalcast.Name{Kind: goalcast.FoundCompetition, ID: id, Language: language, Name: name}
}

// saveNames saves names and expects what they replaced.
func saveNames(t *testing.T, s *Store, list []goalcast.Name, want ...goalcast.Name) {
	t.Helper()
	if before, err := s.SaveNames(t.Context(), list); err != nil || !slices.Equal(before, want) {
		t.Errorf("before %v: %v, %v; want %v", list, before, err, want)
	}
}

func namesVersion(t *testing.T, s *Store) string {
	t.Helper()
	version, err := s.NamesVersion(t.Context())
	must(t, err)
	return version
}

func TestNamesAreSavedAndRemoved(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		versions := []string{namesVersion(t, s)}
		changed := func(want bool) {
			t.Helper()
			version := namesVersion(t, s)
			if version != versions[len(versions)-1] != want || want && slices.Contains(versions, version) {
				t.Errorf("version %q after %q", version, versions)
			}
			versions = append(versions, version)
		}
		saveNames(t, s, []goalcast.Name{team(7, "nl", "Luik"), team(7, "nl-BE", "Standard Luik"),
			team(10, "nl", "Bergen"), cup(7, "nl", "Beker")},
			cup(7, "nl", ""), team(7, "nl", ""), team(7, "nl-BE", ""), team(10, "nl", ""))
		changed(true)
		saveNames(t, s, []goalcast.Name{team(7, "nl", "Luik"), team(8, "fr", "")}) // is so already
		changed(false)
		saveNames(t, s, []goalcast.Name{team(10, "nl", ""), team(7, "nl", "Luik"), team(7, "nl-BE", "Standard")},
			team(7, "nl-BE", "Standard Luik"), team(10, "nl", "Bergen"))
		changed(true)

		all := []goalcast.Name{cup(7, "nl", "Beker"), team(7, "nl", "Luik"), team(7, "nl-BE", "Standard")}
		for what, tt := range map[string]struct {
			filter goalcast.NameFilter
			want   []goalcast.Name
		}{
			"all":         {goalcast.NameFilter{}, all},
			"teams":       {goalcast.NameFilter{Kind: goalcast.FoundTeam}, all[1:]},
			"of 7 in nl":  {goalcast.NameFilter{ID: 7, Language: "nl"}, all[:2]},
			"of 8":        {goalcast.NameFilter{ID: 8}, nil},
			"two":         {goalcast.NameFilter{Limit: 2}, all[:2]},
			"after two":   {goalcast.NameFilter{After: all[1]}, all[2:]},
			"after none":  {goalcast.NameFilter{After: team(7, "nl-AA", "")}, all[2:]},
			"nl after it": {goalcast.NameFilter{Language: "nl", After: all[0]}, all[1:2]},
		} {
			if got, err := s.ListNames(ctx, tt.filter); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, %v; want %v", what, got, err, tt.want)
			}
		}
		names, err := s.Names(ctx)
		if err != nil || names.Len() != 3 || names.Version() != versions[len(versions)-1] ||
			names.Team(goalcast.Team{ID: 7}, "nl-BE").Name != "Standard" ||
			names.Competition(goalcast.Competition{ID: 7}, "nl-BE").Name != "Beker" {
			t.Errorf("%+v, %v", names, err)
		}
	})
}

// Many names are written by few statements; more than there may be are refused, with all that came
// with them.
func TestNamesAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var many []goalcast.Name
		for id := range int64(goalcast.MaxNames) {
			many = append(many, team(id+1, "nl", fmt.Sprint("FC ", id)))
		}
		if before, err := s.SaveNames(ctx, many); err != nil || len(before) != goalcast.MaxNames {
			t.Fatal(len(before), err)
		}
		version := namesVersion(t, s)
		refused := func(list ...goalcast.Name) {
			t.Helper()
			if before, err := s.SaveNames(ctx, list); !errors.Is(err, goalcast.ErrTooMany) || before != nil {
				t.Errorf("%d names more: %v, %v", len(list), before, err)
			}
			if now := namesVersion(t, s); now != version {
				t.Errorf("version %s, was %s", now, version)
			}
		}
		refused(team(1, "nl", "Luik"), team(1, "fr", "Liège"))
		saveNames(t, s, []goalcast.Name{team(1, "nl", ""), team(1, "fr", "Liège")}, team(1, "fr", ""),
			team(1, "nl", "FC 0"))
		for i := range many {
			many[i].Name = ""
		}
		if before, err := s.SaveNames(ctx, many); err != nil || len(before) != goalcast.MaxNames-1 {
			t.Fatal(len(before), err)
		}
		version = namesVersion(t, s)
		var languages []goalcast.Name
		for i := range goalcast.MaxNameLanguages {
			languages = append(languages, team(2, "a"+string(rune('a'+i)), "Luik"))
		}
		refused(languages...) // and French
		saveNames(t, s, languages[:1], team(2, "aa", ""))
		if names, err := s.Names(ctx); err != nil || names.Len() != 2 {
			t.Errorf("%d names, %v", names.Len(), err)
		}
	})
}

// A process that holds the names sees what another changed, and keeps what it has while the
// database is away.
func TestNameBookFollowsChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		b := NewNameBook(s, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		check := func(want string) {
			t.Helper()
			must(t, b.Refresh(t.Context()))
			if got := b.Names().Team(goalcast.Team{ID: 7, Name: "Liège"}, "nl").Name; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		check("Liège")
		if b.Names() != nil {
			t.Error("read though there is nothing")
		}
		saveNames(t, s, []goalcast.Name{team(7, "nl", "Luik")}, team(7, "nl", ""))
		check("Luik")
		held := b.Names()
		if check("Luik"); b.Names() != held {
			t.Error("read again without a change")
		}
		saveNames(t, s, []goalcast.Name{team(7, "nl", "Standard")}, team(7, "nl", "Luik"))
		check("Standard")
		// a database from before
		if _, err := s.exec(t.Context(), `DELETE FROM names`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), `UPDATE names_version SET version = ''`); err != nil {
			t.Fatal(err)
		}
		check("Liège")
		saveNames(t, s, []goalcast.Name{team(7, "nl", "Luik")}, team(7, "nl", ""))
		check("Luik")
		must(t, s.Close())
		if err := b.Refresh(t.Context()); err == nil {
			t.Error("refreshed from a database that is away")
		}
		if got := b.Names().Team(goalcast.Team{ID: 7}, "nl").Name; got != "Luik" {
			t.Errorf("%q while the database is away", got)
		}
	})
}

// A database that the version before search and names has filled: it can be searched after the job
// has run, knows the seasons of its matches but of one that cannot be read, and takes names. The
// way back leaves what was there.
func TestMigrationsOfSearchAndNames(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		provider, err := s.migrations()
		must(t, err)
		kept(t, s, 7, "Coastal League", "Sandvík", "Rovers")
		kept(t, s, 8, "Coastal League", "Sandvík", "Rovers")
		if _, err := s.SaveSquads(ctx, squadsNamed("1", "Ólaf Berg")); err != nil {
			t.Fatal(err)
		}
		saveNames(t, s, []goalcast.Name{team(1, "nl", "Zandvik")}, team(1, "nl", ""))
		if _, err := provider.DownTo(ctx, 25); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"names", "names_version", "search_words", "seasons", "squad_players"} {
			var n int
			if err := s.write.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n); err == nil {
				t.Errorf("%s is there in the version before", table)
			}
		}
		if _, err := s.exec(ctx, `UPDATE matches SET snapshot = 'torn "season":"19' WHERE id = 8`); err != nil {
			t.Fatal(err)
		}
		must(t, s.Migrate(ctx))
		must(t, s.Migrated(ctx))
		if m, err := s.Match(ctx, 7); err != nil || m.Home.Name != "Sandvík" {
			t.Errorf("%+v, %v", m, err)
		}
		if got, err := s.Seasons(ctx, 23); err != nil || len(got) != 2 || got[0].Season != "2025" || !got[1].Squads {
			t.Errorf("seasons %+v, %v", got, err)
		}
		if got := search(t, s, "sandvik"); got != "" {
			t.Errorf("found before the job ran: %s", got)
		}
		if done, err := s.IndexNames(ctx); err != nil || done != 5 {
			t.Errorf("%d, %v", done, err)
		}
		if got := search(t, s, "sandvik") + ", " + search(t, s, "berg"); got !=
			"team 1 Sandvík, player 1 Ólaf Berg" {
			t.Errorf("found %s", got)
		}
		if p, err := s.Player(ctx, 1); err != nil || len(p.Squads) != 1 {
			t.Errorf("%+v, %v", p, err)
		}
		if names, err := s.Names(ctx); err != nil || names.Len() != 0 || names.Version() != "" {
			t.Errorf("%+v, %v", names, err)
		}
		saveNames(t, s, []goalcast.Name{team(1, "nl", "Zandvik")}, team(1, "nl", ""))
		if version := namesVersion(t, s); strings.TrimSpace(version) == "" {
			t.Error("no version")
		}
	})
}
