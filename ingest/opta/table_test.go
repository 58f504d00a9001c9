package opta

import (
	"fmt"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/internal/samples"
)

// TestTableAsItStandsEndsAsTheProvidersIs plays the last day of a league on the table of the day
// before, which is counted from the results: at the end it is the provider's table, row by row.
func TestTableAsItStandsEndsAsTheProvidersIs(t *testing.T) {
	for name, league := range map[string]func(samples.TB) (f1, f3 []byte){
		"sample": samples.League, "made up": samples.MadeUpLeague,
	} {
		t.Run(name, func(t *testing.T) {
			f1, f3 := league(t)
			tables, err := New().Read(document("F3", string(f3)))
			if err != nil {
				t.Fatal(err)
			}
			results, err := New().Read(document("F1", string(f1)))
			if err != nil {
				t.Fatal(err)
			}
			want := tables.Standings[0]
			before, day := dayBefore(want, resultsOf(results.Matches))
			if len(day) != len(want.Groups[0].Rows)/2 {
				t.Fatalf("%d matches on the last day", len(day))
			}
			// In play the goals come one by one; what is added up is the score.
			for i := range day {
				final := day[i].Score
				day[i].State, day[i].Score = goalcast.Live, goalcast.Score{}
				for day[i].Score != final {
					if day[i].Score.Home < final.Home {
						day[i].Score.Home++
					} else {
						day[i].Score.Away++
					}
					checkSums(t, before.AsItStands(nil, day))
				}
				day[i].State = goalcast.Finished
			}
			got := before.AsItStands(nil, day)
			if !got.Live {
				t.Error("nothing was added")
			}
			for i, row := range got.Groups[0].Rows {
				official := want.Groups[0].Rows[i]
				if row.Team != official.Team || row.Position != official.Position || row.Total != official.Total ||
					row.Before != official.Before || len(row.Matches) != 1 {
					t.Errorf("row %d: %+v, want %+v", i, row, official)
				}
			}
			if zones, official := fmt.Sprint(got.Zones), fmt.Sprint(want.Zones); zones != official {
				t.Errorf("zones %s, want %s", zones, official)
			}
			// The provider's table has these matches now: nothing is counted twice.
			settled := want.AsItStands([]goalcast.TableCount{before.Count()}, day)
			if settled.Live {
				t.Error("matches that the provider's table has are added again")
			}
			for i, row := range settled.Groups[0].Rows {
				if official := want.Groups[0].Rows[i]; row.Total != official.Total || row.Before != official.Before {
					t.Errorf("settled row %d: %+v, want %+v", i, row, official)
				}
			}
		})
	}
}

// resultsOf are matches that a fixture list tells the results of.
func resultsOf(list []merge.MatchReading) (matches []goalcast.Snapshot) {
	for _, m := range list {
		if r := m.Fixture.Reported; r != nil && r.Period == goalcast.FullTime {
			matches = append(matches, goalcast.Snapshot{ID: m.Match, Fixture: *m.Fixture, State: goalcast.Finished,
				Period: goalcast.FullTime, Score: r.Score})
		}
	}
	return matches
}

// dayBefore counts the table without the matches of its last day, in the order in which the day
// began.
func dayBefore(table goalcast.Standings, all []goalcast.Snapshot) (before goalcast.Standings,
	day []goalcast.Snapshot) {
	before = table
	rows := make([]goalcast.TableRow, len(table.Groups[0].Rows))
	for _, row := range table.Groups[0].Rows {
		was := goalcast.TableRow{Team: row.Team, Position: row.Before, Deducted: row.Deducted}
		was.Total.Points = -row.Deducted
		rows[row.Before-1] = was
	}
	for _, m := range all {
		if m.Matchday == table.Matchday {
			day = append(day, m)
			continue
		}
		for i := range rows {
			r := &rows[i].Total
			scored, against := m.Score.Home, m.Score.Away
			switch rows[i].Team.ID {
			default:
				continue
			case m.Away.ID:
				scored, against = against, scored
			case m.Home.ID:
			}
			r.Played, r.For, r.Against = r.Played+1, r.For+scored, r.Against+against
			switch {
			case scored > against:
				r.Won, r.Points = r.Won+1, r.Points+3
			case scored < against:
				r.Lost++
			default:
				r.Drawn, r.Points = r.Drawn+1, r.Points+1
			}
		}
	}
	before.Groups = []goalcast.Table{{Matchday: table.Matchday - 1, Rows: rows}}
	before.Zones = nil
	for _, z := range table.Zones { // the same places, held by those who stood there
		places := goalcast.TableZone{Name: z.Name, Teams: []goalcast.TeamID{}}
		for _, id := range z.Teams {
			for _, row := range table.Groups[0].Rows {
				if row.Team.ID == id {
					places.Teams = append(places.Teams, rows[row.Position-1].Team.ID)
				}
			}
		}
		before.Zones = append(before.Zones, places)
	}
	before.Updated = table.Updated.Add(-7 * 24 * time.Hour)
	return before, day
}

// checkSums checks what holds in every table.
func checkSums(t *testing.T, s goalcast.Standings) {
	t.Helper()
	scored, against := 0, 0
	for i, row := range s.Groups[0].Rows {
		r := row.Total
		if row.Position != i+1 || r.Played != r.Won+r.Drawn+r.Lost ||
			r.Points != 3*r.Won+r.Drawn-row.Deducted {
			t.Fatalf("row %d does not add up: %+v", i, row)
		}
		scored, against = scored+r.For, against+r.Against
	}
	if scored != against {
		t.Fatalf("%d goals scored, %d against", scored, against)
	}
}
