package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/cache"
	"goalcast/internal/testservers"
	"goalcast/store/bus"
)

// newShared is what one process has of a store and a Redis.
func newShared(t testing.TB, s *Store, url string) *Shared {
	t.Helper()
	r, err := bus.OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewShared(s, r, bus.AnswerOptions{Lease: time.Hour, Wait: time.Hour, Timeout: patience}, quiet(),
		prometheus.NewRegistry())
}

func squadList(edition goalcast.Edition, teams ...goalcast.TeamID) goalcast.SquadList {
	list := goalcast.SquadList{Competition: goalcast.Competition{ID: 23}, Season: "2025", Edition: edition}
	for _, team := range teams {
		list.Squads = append(list.Squads, goalcast.Squad{Team: goalcast.Team{ID: team}, Updated: kickoff,
			Players: []goalcast.SquadPlayer{{Player: goalcast.Player{ID: goalcast.PlayerID(team),
				Name: string(edition)}}}})
	}
	return list
}

func commentaryOf(edition goalcast.Edition, lines ...string) goalcast.Commentary {
	c := goalcast.Commentary{Match: 5, Language: "nl", Made: kickoff, Edition: edition}
	for n, text := range lines {
		c.Lines = append(c.Lines, goalcast.CommentaryLine{ID: fmt.Sprint(n), Modified: kickoff, Minute: n, Text: text})
	}
	return c
}

// What one process saves, all others read at once, although they keep what they read.
func TestWhatIsSavedIsReadByAllProcesses(t *testing.T) {
	t.Parallel()
	url, redis := testservers.Postgres(t), testservers.Redis(t)
	here := newShared(t, openTest(t, url), redis)
	there := newShared(t, openTest(t, url), redis)
	ctx := t.Context()
	save := func(changed bool, err error) {
		t.Helper()
		if !changed || err != nil {
			t.Fatalf("%t, %v", changed, err)
		}
	}
	for n := range 3 {
		edition := goalcast.Edition(fmt.Sprint(n))
		save(here.SaveStandings(ctx, standingsOf("2025", edition, n, kickoff)))
		teams := []goalcast.TeamID{1, 2}[:2-n/2] // the last list has one team
		save(here.SaveSquads(ctx, squadList(edition, teams...)))
		save(here.SaveCommentary(ctx, commentaryOf(edition, slices.Repeat([]string{"Aftrap"}, n+1)...)))
		for _, s := range []*Shared{there, here, there} {
			for _, season := range []string{"2025", ""} {
				table, err := s.Standings(ctx, 23, season)
				if err != nil || table.Groups[0].Rows[0].Total.Points != n {
					t.Errorf("tables of edition %d: %+v, %v", n, table, err)
				}
				if kept, err := s.Store.Standings(ctx, 23, season); err != nil || !reflect.DeepEqual(kept, table) {
					t.Errorf("shared: %+v, in the database: %+v, %v", table, kept, err)
				}
			}
			for team := range goalcast.TeamID(3) {
				squad, err := s.Squad(ctx, team, 0, "")
				if !slices.Contains(teams, team) {
					if !errors.Is(err, goalcast.ErrNotFound) {
						t.Errorf("edition %d, team %d: %+v, %v", n, team, squad, err)
					}
				} else if err != nil || squad.Players[0].Name != fmt.Sprint(n) {
					t.Errorf("edition %d, team %d: %+v, %v", n, team, squad, err)
				}
			}
			for _, limit := range []int{1, 2, 501, 1000, 0} {
				want := n + 1
				if limit > 0 {
					want = min(want, limit)
				}
				if lines, err := s.Commentary(ctx, 5, "nl", "", limit); err != nil || len(lines) != want {
					t.Errorf("edition %d: %d lines of %d, %v", n, len(lines), limit, err)
				}
			}
			if list, err := s.CommentaryLanguages(ctx, 5); err != nil || !slices.Equal(list, []string{"nl"}) {
				t.Errorf("languages: %v, %v", list, err)
			}
		}
	}
	score(t, here.Store, 5, 2)
	for _, s := range []*Shared{here, there} {
		list, err := s.Matches(ctx, goalcast.MatchFilter{From: kickoff, To: kickoff.Add(time.Hour), MayLag: true})
		if err != nil || len(list) != 1 || list[0].ID != 5 || list[0].Seq != 3 {
			t.Errorf("matches: %+v, %v", list, err)
		}
	}
}

// While the table is locked, the database shows who asks it: one of all processes for each thing,
// and each process itself as soon as Redis is gone.
func TestTheDatabaseIsAskedOnceByAllProcesses(t *testing.T) {
	t.Parallel()
	url := testservers.Postgres(t)
	admin := openTest(t, url)
	win(t, admin, 7)
	for _, killed := range []bool{false, true} {
		const processes, requests = 4, 200
		server := testservers.NewRedis(t)
		var all []*Shared
		for range processes {
			all = append(all, newShared(t, openTest(t, url), "redis://"+server.Addr))
		}
		lock, err := admin.write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if err := lock.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		if _, err := lock.Exec("LOCK TABLE standings IN ACCESS EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
		asking := func() (n int) {
			t.Helper()
			if err := admin.queryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
				WHERE $1 = ANY(pg_blocking_pids(pid))`, pid).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		var wg sync.WaitGroup
		for _, s := range all {
			own := cache.New[string, goalcast.Standings](cache.Options{Size: 10, Age: time.Hour, Timeout: time.Hour,
				Now: time.Now})
			for n := range requests {
				season := []string{"2025", ""}[n%2]
				wg.Go(func() {
					table, err := own.Get(t.Context(), season, func(ctx context.Context) (goalcast.Standings, error) {
						return s.Standings(ctx, 23, season)
					})
					if err != nil || table.Groups[0].Rows[0].Total.Points != 7 {
						t.Errorf("%+v, %v", table, err)
					}
				})
			}
		}
		await(t, "one asks for each of two seasons", func() bool { return asking() == 2 })
		await(t, "the others look for the answer again and again", func() bool {
			return server.Calls("evalsha") > 5*2*processes
		})
		if n := asking(); n != 2 {
			t.Errorf("%d ask the database", n)
		}
		if killed {
			server.Stop()
			await(t, "each process asks", func() bool { return asking() == 2*processes })
		}
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
	}
}
