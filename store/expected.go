package store

import (
	"context"
	"fmt"
	"time"

	"goalcast"
)

// Expected counts the users who follow a match that is on at some time, its teams or its
// competition: those whose kick-off is after from and not after until, and that are not over, plus
// those that are live. It may be read from a replica.
func (s *Store) Expected(ctx context.Context, from, until time.Time) (followers int, err error) {
	err = s.lagging(ctx, func(ctx context.Context, q querier) error {
		return q.queryRow(ctx, fmt.Sprintf(`WITH due AS (SELECT id, competition, home, away FROM matches
			WHERE seq > 0 AND kickoff > $1 AND kickoff <= $2 AND state IN ('%s', '%s')
			UNION SELECT id, competition, home, away FROM matches WHERE seq > 0 AND state = '%[2]s')
			SELECT COUNT(*) FROM (
			SELECT user_id FROM follows WHERE kind = %d AND topic IN (SELECT id FROM due)
			UNION SELECT user_id FROM follows WHERE kind = %d AND topic IN
			(SELECT home FROM due UNION SELECT away FROM due)
			UNION SELECT user_id FROM follows WHERE kind = %d AND topic IN (SELECT competition FROM due)) fans`,
			goalcast.Scheduled, goalcast.Live, goalcast.MatchTopic, goalcast.TeamTopic, goalcast.CompetitionTopic),
			toMillis(from), toMillis(until)).Scan(&followers)
	})
	return followers, s.wrap("count the fans of matches", err)
}
