package store

import (
	"testing"
	"time"

	"goalcast"
)

// Who follows a match in several ways is one; matches that are over, far off or put off do not
// count, and one that is live does, however long ago it began.
func TestFansOfMatchesToCome(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		add := func(id goalcast.MatchID, begins time.Time, periods ...goalcast.Period) {
			t.Helper()
			err := s.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				e := matchEvent(id, 1, goalcast.KindFixture)
				e.Fixture = fixtureOf(goalcast.TeamID(id*10), goalcast.TeamID(id*10+1))
				e.Fixture.Competition.ID, e.Fixture.Kickoff = goalcast.CompetitionID(id), begins
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				events := []goalcast.Event{e}
				for i, period := range periods {
					p := matchEvent(id, int64(2+i), goalcast.KindPeriod)
					p.Period = period
					r.Snapshot = goalcast.Apply(r.Snapshot, p)
					events = append(events, p)
				}
				return r, events, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		add(1, kickoff)
		add(2, kickoff.Add(-5*time.Hour), goalcast.FirstHalf)
		add(3, kickoff.Add(-time.Minute), goalcast.FirstHalf, goalcast.FullTime)
		add(4, kickoff.Add(time.Minute))
		add(5, kickoff.Add(-2*time.Hour)) // never began
		for user, topics := range map[goalcast.UserID][]goalcast.Topic{
			"ann": {goalcast.ForMatch(1), goalcast.ForTeam(10), goalcast.ForTeam(21)},
			"bob": {goalcast.ForTeam(11)},
			"cyd": {goalcast.ForCompetition(2)},
			"dan": {goalcast.ForMatch(3), goalcast.ForMatch(4), goalcast.ForTeam(50)},
		} {
			for _, topic := range topics {
				follow(t, s, user, topic)
			}
		}
		for _, tt := range []struct {
			from, until time.Duration
			want        int
		}{{-time.Hour, 0, 3}, {-time.Hour, time.Minute, 4}, {-time.Hour, -time.Second, 2}} {
			got, err := s.Expected(t.Context(), kickoff.Add(tt.from), kickoff.Add(tt.until))
			if err != nil || got != tt.want {
				t.Errorf("from %s until %s: %d, %v; want %d", tt.from, tt.until, got, err, tt.want)
			}
		}
	})
}
