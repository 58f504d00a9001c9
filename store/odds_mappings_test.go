package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"goalcast"
)

func described(event string, match goalcast.MatchID) goalcast.OddsMapping {
	m := goalcast.OddsMapping{Source: "exchange", Event: event, Match: match, Decision: goalcast.MappingOpen,
		Competition: "Cup", Kickoff: kickoff, Home: "FC Nummer 1", Away: "SV Nummer 2",
		Described: kickoff.Add(-time.Hour)}
	if match != 0 {
		m.Decision = goalcast.MappingFound
	}
	return m
}

func saveMappings(t *testing.T, s *Store, list ...goalcast.OddsMapping) []goalcast.OddsMapping {
	t.Helper()
	saved, err := s.SaveMappings(t.Context(), list)
	if err != nil || len(saved) != len(list) {
		t.Fatalf("saved %d of %d: %v", len(saved), len(list), err)
	}
	return saved
}

func TestMappingsAreFoundAndDecided(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		score(t, s, 5, 0)
		score(t, s, 6, 0)
		begin := s.Now().Add(-time.Second)
		open := described("a", 0)
		open.Candidates = []goalcast.MatchID{5, 6}
		saved := saveMappings(t, s, open)[0]
		if saved.Decision != goalcast.MappingOpen || !slices.Equal(saved.Candidates, open.Candidates) ||
			saved.Home != open.Home || !saved.Kickoff.Equal(kickoff) || saved.Decided.Before(begin) {
			t.Errorf("saved %+v", saved)
		}
		saved = saveMappings(t, s, described("a", 5))[0]
		if saved.Match != 5 || saved.Decision != goalcast.MappingFound || len(saved.Candidates) != 0 {
			t.Errorf("found %+v", saved)
		}
		if again := saveMappings(t, s, described("a", 5))[0]; !again.Decided.Equal(saved.Decided) {
			t.Errorf("decided %v, then %v without a change", saved.Decided, again.Decided)
		}

		// A second event of the source is not the same match; one of another source is.
		second := saveMappings(t, s, described("b", 5))[0]
		if second.Match != 0 || second.Decision != goalcast.MappingOpen ||
			!slices.Equal(second.Candidates, []goalcast.MatchID{5}) {
			t.Errorf("second %+v", second)
		}
		other := described("b", 5)
		other.Source = "feed"
		if saved := saveMappings(t, s, other)[0]; saved.Match != 5 {
			t.Errorf("of another source %+v", saved)
		}

		// An operator's word displaces what was found, and stays when the event is described again.
		d, err := s.DecideOdds(ctx, "exchange", "b", 5, "operator")
		if err != nil || d.Mapping.Match != 5 || d.Mapping.Decision != goalcast.MappingDecided ||
			d.Mapping.By != "operator" || d.Before.Match != 0 || d.Displaced == nil || d.Displaced.Event != "a" ||
			d.Displaced.Match != 0 || !slices.Equal(d.Displaced.Candidates, []goalcast.MatchID{5}) ||
			!slices.Equal(d.Matches(), []goalcast.MatchID{5}) {
			t.Errorf("decision %+v, %v", d, err)
		}
		words := described("b", 6)
		words.Home = "Another name"
		if saved := saveMappings(t, s, words)[0]; saved.Match != 5 || saved.Decision != goalcast.MappingDecided ||
			saved.Home != "Another name" || !saved.Decided.Equal(d.Mapping.Decided) {
			t.Errorf("described after a decision %+v", saved)
		}
		if _, err := s.DecideOdds(ctx, "exchange", "a", 5, "operator"); !errors.Is(err, goalcast.ErrTaken) {
			t.Errorf("taken by a decision: %v", err)
		}
		if _, err := s.DecideOdds(ctx, "exchange", "a", 99, "operator"); !errors.Is(err, goalcast.ErrNoMatch) {
			t.Errorf("match 99: %v", err)
		}
		if _, err := s.DecideOdds(ctx, "exchange", "z", 5, "operator"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("event z: %v", err)
		}
		d, err = s.DecideOdds(ctx, "exchange", "b", 6, "operator")
		if err != nil || !slices.Equal(d.Matches(), []goalcast.MatchID{5, 6}) || d.Displaced != nil {
			t.Errorf("corrected %+v, %v", d, err)
		}
		d, err = s.DecideOdds(ctx, "exchange", "b", 0, "operator")
		if err != nil || d.Mapping.Decision != goalcast.MappingRefused || d.Mapping.Match != 0 || d.Before.Match != 6 {
			t.Errorf("refused %+v, %v", d, err)
		}

		got := func(list []goalcast.OddsMapping, err error) (names []string) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
			for _, m := range list {
				names = append(names, m.Source+" "+m.Event)
			}
			slices.Sort(names)
			return names
		}
		all := []string{"exchange a", "exchange b", "feed b"}
		for what, tt := range map[string]struct{ got, want []string }{
			"all":      {got(s.Mappings(ctx, goalcast.OddsMappingFilter{})), all},
			"feed":     {got(s.Mappings(ctx, goalcast.OddsMappingFilter{Source: "feed"})), all[2:]},
			"refused":  {got(s.Mappings(ctx, goalcast.OddsMappingFilter{Decision: goalcast.MappingRefused})), all[1:2]},
			"match 5":  {got(s.Mappings(ctx, goalcast.OddsMappingFilter{Match: 5})), all[2:]},
			"recent":   {got(s.RecentMappings(ctx, kickoff)), all},
			"too old":  {got(s.RecentMappings(ctx, kickoff.Add(time.Second))), nil},
			"decided":  {got(s.MappingsDecided(ctx, begin)), all},
			"no later": {got(s.MappingsDecided(ctx, s.Now().Add(time.Minute))), nil},
		} {
			if !slices.Equal(tt.got, tt.want) {
				t.Errorf("%s: %v, want %v", what, tt.got, tt.want)
			}
		}
		if list, err := s.Mappings(ctx, goalcast.OddsMappingFilter{Limit: 2}); err != nil || len(list) != 2 {
			t.Errorf("two of them: %v, %v", list, err)
		}
		var whole, pages []goalcast.OddsMapping
		if whole, err = s.Mappings(ctx, goalcast.OddsMappingFilter{}); err != nil {
			t.Fatal(err)
		}
		for f := (goalcast.OddsMappingFilter{Limit: 1}); ; {
			page, err := s.Mappings(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 || len(pages) > len(whole) {
				break
			}
			pages = append(pages, page...)
			f.After = goalcast.OddsMappingPlace{Described: page[0].Described, Source: page[0].Source,
				Event: page[0].Event}
		}
		if !reflect.DeepEqual(pages, whole) {
			t.Errorf("page by page %v, at once %v", pages, whole)
		}
	})
}

func TestManyMappingsAreSavedAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var list []goalcast.OddsMapping
		for i := range 2*mappingsAtOnce + 1 {
			list = append(list, described(fmt.Sprint("event-", i), goalcast.MatchID(i)))
		}
		for i, m := range saveMappings(t, s, list...) {
			if m.Event != list[i].Event || m.Match != list[i].Match {
				t.Errorf("%d: %+v", i, m)
			}
		}
	})
}

func TestFixturesForOdds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		score(t, s, 5, 1)
		want := goalcast.OddsFixture{Match: 5, Competition: "Eredivisie der Dromen", Kickoff: kickoff,
			Home: "FC Nummer 1", Away: "SV Nummer 2"}
		list, err := s.OddsFixtures(t.Context(), kickoff, kickoff)
		if err != nil || len(list) != 1 || list[0] != want {
			t.Errorf("%+v, %v", list, err)
		}
		list, err = s.OddsFixtures(t.Context(), kickoff.Add(time.Millisecond), kickoff.Add(time.Hour))
		if err != nil || len(list) != 0 {
			t.Errorf("later: %+v, %v", list, err)
		}
	})
}

func TestGatesShutByHandAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, err := s.ShutOdds(ctx, 5, true, "operator"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("no such match: %v", err)
		}
		score(t, s, 5, 0)
		first, err := s.ShutOdds(ctx, 5, true, "operator")
		if err != nil || !first.Shut || first.Since.IsZero() || first.By != "operator" {
			t.Errorf("%+v, %v", first, err)
		}
		if again, err := s.ShutOdds(ctx, 5, true, "somebody"); err != nil || again != first {
			t.Errorf("again %+v, %v; who was first stays", again, err)
		}
		if list, err := s.OddsGates(ctx); err != nil || len(list) != 1 || list[0] != first {
			t.Errorf("list %+v, %v", list, err)
		}
		if g, err := s.ShutOdds(ctx, 5, false, "operator"); err != nil || g != (goalcast.OddsGate{Match: 5}) {
			t.Errorf("opened %+v, %v", g, err)
		}
		if list, err := s.OddsGates(ctx); err != nil || len(list) != 0 {
			t.Errorf("list %+v, %v", list, err)
		}
	})
}

func TestPlacesOfSourcesAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if text, err := s.KeptOdds(ctx, "exchange"); err != nil || text != nil {
			t.Errorf("%q, %v", text, err)
		}
		for _, want := range []string{"clk 1", "\x00\xff", ""} {
			if err := s.KeepOdds(ctx, "exchange", []byte(want)); err != nil {
				t.Fatal(err)
			}
			if text, err := s.KeptOdds(ctx, "exchange"); err != nil || string(text) != want {
				t.Errorf("%q, %v; want %q", text, err, want)
			}
		}
		if err := s.KeepOdds(ctx, "exchange", make([]byte, maxKept+1)); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("too much: %v", err)
		}
	})
}

func TestOldMappingsAreDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		score(t, s, 5, 0)
		timeless := described("b", 0)
		timeless.Kickoff = time.Time{}
		saveMappings(t, s, described("a", 5), timeless)
		if _, err := s.ShutOdds(ctx, 5, true, "operator"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			before      time.Time
			gone, gates int
		}{{kickoff.Add(-time.Hour), 0, 1}, {kickoff, 1, 1}, {kickoff.Add(1), 0, 1},
			{kickoff.Add(time.Second), 1, 1}, {s.Now().Add(time.Hour), 0, 0}} {
			n, err := s.PruneOdds(ctx, tt.before)
			gates, listErr := s.OddsGates(ctx)
			if err != nil || listErr != nil || int(n) != tt.gone || len(gates) != tt.gates {
				t.Errorf("before %v: %d deleted, %d gates, %v, %v", tt.before, n, len(gates), err, listErr)
			}
		}
	})
}
