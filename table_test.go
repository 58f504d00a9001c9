package goalcast_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goalcast"
)

var evening = time.Date(2026, 8, 22, 18, 0, 0, 0, time.UTC)

// row is a line of a made-up table: team, matches won, drawn and lost, goals for and against.
func row(team, won, drawn, lost, scored, against int) goalcast.TableRow {
	return goalcast.TableRow{Team: goalcast.Team{ID: goalcast.TeamID(team)}, Before: 9,
		Total: goalcast.TableRecord{Played: won + drawn + lost, Won: won, Drawn: drawn, Lost: lost, For: scored,
			Against: against, Points: 3*won + drawn}}
}

// standings are made on the day before evening, in the order of the rows.
func standings(rows ...goalcast.TableRow) goalcast.Standings {
	for i := range rows {
		rows[i].Position = i + 1
	}
	return goalcast.Standings{Competition: goalcast.Competition{ID: 23}, Season: "2026", Matchday: 2,
		Groups: []goalcast.Table{{Matchday: 2, Rows: rows}}, Updated: evening.Add(-20 * time.Hour)}
}

// played is a match of evening, which ends two hours later.
func played(id, home, away int, state goalcast.MatchState, score string) goalcast.Snapshot {
	m := goalcast.Snapshot{ID: goalcast.MatchID(id), State: state, Period: goalcast.SecondHalf,
		Fixture: goalcast.Fixture{Competition: goalcast.Competition{ID: 23}, Season: "2026", Matchday: 3,
			Home: goalcast.Team{ID: goalcast.TeamID(home)}, Away: goalcast.Team{ID: goalcast.TeamID(away)},
			Kickoff: evening}}
	if state == goalcast.Finished {
		m.Period, m.Started = goalcast.FullTime, evening.Add(2*time.Hour)
	}
	_, _ = fmt.Sscanf(score, "%d-%d", &m.Score.Home, &m.Score.Away)
	return m
}

// told is a table in short: team, points and movement by place, "*" where a match was added.
func told(s goalcast.Standings) string {
	var text []string
	for _, g := range s.Groups {
		for _, r := range g.Rows {
			text = append(text, fmt.Sprintf("%d:%d%+d%s", r.Team.ID, r.Total.Points, r.Before-r.Position,
				strings.Repeat("*", len(r.Matches))))
		}
	}
	return strings.Join(text, " ")
}

func four() goalcast.Standings {
	return standings(row(1, 2, 0, 0, 4, 0), row(2, 1, 1, 0, 3, 1), row(3, 0, 1, 1, 1, 3), row(4, 0, 0, 2, 0, 4))
}

func TestATableAsItStands(t *testing.T) {
	in := func(m goalcast.Snapshot, change func(*goalcast.Snapshot)) goalcast.Snapshot { change(&m); return m }
	live, over := goalcast.Live, goalcast.Finished
	for _, tt := range []struct {
		name    string
		matches []goalcast.Snapshot
		want    string // of four; empty: as the provider tells it
	}{
		{"kick-off is a draw", []goalcast.Snapshot{played(7, 1, 2, live, "0-0")}, "1:7+0* 2:5+0* 3:1+0 4:0+0"},
		{"a goal moves teams", []goalcast.Snapshot{played(7, 1, 2, live, "0-1")}, "2:7+1* 1:6-1* 3:1+0 4:0+0"},
		{"level on all but goals", []goalcast.Snapshot{played(7, 4, 3, live, "2-0")}, "1:6+0 2:4+0 4:3+1* 3:1-1*"},
		{"a goal taken back", []goalcast.Snapshot{played(7, 4, 3, live, "0-0")}, "1:6+0 2:4+0 3:2+0* 4:1+0*"},
		{"over, and not told by the provider", []goalcast.Snapshot{played(7, 1, 2, over, "0-1")},
			"2:7+1* 1:6-1* 3:1+0 4:0+0"},
		{"two at once", []goalcast.Snapshot{played(7, 1, 2, live, "0-1"), played(8, 4, 3, live, "3-0")},
			"2:7+1* 1:6-1* 4:3+1* 3:1-1*"},
		{"awarded", []goalcast.Snapshot{in(played(7, 1, 2, over, "0-3"), func(m *goalcast.Snapshot) {
			m.Awarded = &m.Score
		})}, "2:7+1* 1:6-1* 3:1+0 4:0+0"},
		{"not begun", []goalcast.Snapshot{played(7, 1, 2, goalcast.Scheduled, "0-0")}, ""},
		{"postponed", []goalcast.Snapshot{played(7, 1, 2, goalcast.Postponed, "0-0")}, ""},
		{"abandoned", []goalcast.Snapshot{played(7, 1, 2, goalcast.Abandoned, "0-1")}, ""},
		{"of another season", []goalcast.Snapshot{in(played(7, 1, 2, live, "0-1"), func(m *goalcast.Snapshot) {
			m.Season = "2025"
		})}, ""},
		{"of another competition", []goalcast.Snapshot{in(played(7, 1, 2, live, "0-1"), func(m *goalcast.Snapshot) {
			m.Competition.ID = 24
		})}, ""},
		{"against a team of no table", []goalcast.Snapshot{played(7, 1, 99, live, "0-1")}, ""},
		{"of a knock-out round", []goalcast.Snapshot{in(played(7, 1, 2, live, "0-1"), func(m *goalcast.Snapshot) {
			m.Matchday = 0
		})}, ""},
		{"in extra time", []goalcast.Snapshot{in(played(7, 1, 2, live, "0-1"), func(m *goalcast.Snapshot) {
			m.Period = goalcast.ExtraFirstHalf
		})}, ""},
	} {
		got := four().AsItStands(nil, tt.matches)
		want, isLive := tt.want, true
		if want == "" {
			want, isLive = told(four()), false
		}
		if told(got) != want || got.Live != isLive {
			t.Errorf("%s: %s, live %v; want %s", tt.name, told(got), got.Live, want)
		}
	}
}

// The provider adds a match to its table when it likes: before the end, at once or late.
func TestAMatchIsInATableOnce(t *testing.T) {
	before := four()
	after := standings(row(2, 2, 1, 0, 4, 1), row(1, 2, 0, 1, 4, 1), row(3, 0, 1, 1, 1, 3), row(4, 0, 0, 2, 0, 4))
	for i, was := range []int{2, 1, 3, 4} {
		after.Groups[0].Rows[i].Before = was
	}
	done := []goalcast.Snapshot{played(7, 1, 2, goalcast.Finished, "0-1")}
	both := append(done, played(8, 3, 4, goalcast.Live, "0-1"))
	earlier := []goalcast.TableCount{before.Count()}
	at := func(s goalcast.Standings, since time.Duration) goalcast.Standings {
		s.Updated = evening.Add(since)
		return s
	}
	for _, tt := range []struct {
		name    string
		table   goalcast.Standings
		earlier []goalcast.TableCount
		matches []goalcast.Snapshot
		want    string
	}{
		{"told at the end", at(after, 2*time.Hour), earlier, done, "2:7+1 1:6-1 3:1+0 4:0+0"},
		{"another match goes on", at(after, 2*time.Hour), earlier, both, "2:7+1 1:6-1 4:3+1* 3:1-1*"},
		{"told a minute later, without it", at(before, 2*time.Hour+time.Minute), earlier, done,
			"2:7+1* 1:6-1* 3:1+0 4:0+0"},
		{"told in play, with it", at(after, time.Hour), earlier,
			[]goalcast.Snapshot{played(7, 1, 2, goalcast.Live, "0-1")}, "2:7+1 1:6-1 3:1+0 4:0+0"},
		{"nothing known of before, told after", at(after, 2*time.Hour), nil, done, "2:7+1 1:6-1 3:1+0 4:0+0"},
		{"nothing known of before, told in play", at(before, time.Hour), nil, done, "2:7+1* 1:6-1* 3:1+0 4:0+0"},
	} {
		if got := told(tt.table.AsItStands(tt.earlier, tt.matches)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What a competition orders by is seen in the provider's table.
func TestATableFollowsTheRulesOfItsCompetition(t *testing.T) {
	match := []goalcast.Snapshot{played(7, 3, 4, goalcast.Live, "9-0")}
	for _, tt := range []struct {
		name  string
		table goalcast.Standings
		want  string
	}{
		{"goal difference", standings(row(1, 1, 1, 0, 5, 0), row(2, 1, 1, 0, 2, 0), row(3, 0, 1, 0, 2, 2),
			row(4, 0, 0, 1, 0, 1)), "3:4+2* 1:4-1 2:4-1 4:0+0*"},
		{"matches won", standings(row(1, 2, 0, 1, 2, 2), row(2, 1, 3, 0, 5, 2), row(3, 0, 3, 0, 2, 2),
			row(4, 0, 0, 1, 0, 1)), "1:6+0 3:6+1* 2:6-1 4:0+0*"},
		{"direct encounters", standings(row(1, 1, 1, 0, 1, 0), row(2, 1, 1, 0, 9, 0), row(3, 0, 1, 0, 2, 2),
			row(4, 0, 0, 1, 0, 1)), "1:4+0 2:4+0 3:4+0* 4:0+0*"},
		{"not even points", standings(row(1, 0, 0, 1, 0, 1), row(3, 0, 1, 0, 2, 2), row(4, 0, 0, 1, 0, 1)),
			"1:0+0 3:4+0* 4:0+0*"},
	} {
		if got := told(tt.table.AsItStands(nil, match)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestGroupsAndZonesOfATableAsItStands(t *testing.T) {
	s := four()
	s.Groups = append(s.Groups, goalcast.Table{ID: "2", Matchday: 2, Rows: []goalcast.TableRow{row(5, 1, 0, 0, 1, 0),
		row(6, 0, 0, 1, 0, 1)}})
	s.Zones = []goalcast.TableZone{{Name: "Cup", Teams: []goalcast.TeamID{1}}, {Name: "Down",
		Teams: []goalcast.TeamID{4, 99}}, {Name: "Nobody"}}
	s.Groups[0].Rows[0].Home = &goalcast.TableRecord{Played: 1}
	got := s.AsItStands(nil, []goalcast.Snapshot{played(7, 1, 2, goalcast.Live, "0-1"),
		played(8, 3, 6, goalcast.Live, "0-1")})
	if r := got.Groups[1].Rows[1]; r.Team.ID != 6 || r.Matches != nil || r.Before != 9 {
		t.Errorf("a match of two groups counts: %+v", r)
	}
	if zones := fmt.Sprint(got.Zones); zones != "[{Cup [2]} {Down [4 99]} {Nobody []}]" {
		t.Errorf("zones %s", zones)
	}
	if got.Groups[0].Rows[1].Home != nil {
		t.Error("home records that hold no match of today")
	}
	if fmt.Sprint(s.Zones) != "[{Cup [1]} {Down [4 99]} {Nobody []}]" || s.Groups[0].Rows[0].Home == nil ||
		s.Groups[0].Rows[0].Team.ID != 1 {
		t.Errorf("the provider's table was changed: %+v", s)
	}
}
