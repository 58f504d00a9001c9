package store

import (
	"context"
	"strconv"
	"time"

	"goalcast"
)

// maxFeeds is how many feeds FeedStates lists.
const maxFeeds = 200

// FeedStates says what came of each feed since a time, by provider and feed; hour is when the last
// hour began. A document that came before since and again after it is not seen: providers that send
// a list again and again change it now and then. playing are matches whose feeds are marked.
func (s *Store) FeedStates(ctx context.Context, since, hour time.Time, playing []goalcast.MatchID) (
	[]goalcast.FeedState, error) {
	args := []any{toMillis(since), toMillis(hour)}
	plays := "0"
	if playing = playing[:min(len(playing), maxMatches)]; len(playing) > 0 {
		for _, id := range playing {
			args = append(args, id)
		}
		plays = "CASE WHEN match_id IN " + valuesList(1, len(playing), 3) + " THEN 1 ELSE 0 END"
	}
	count := func(which string) string {
		return "COALESCE(SUM(CASE WHEN received >= $2" + which + " THEN 1 ELSE 0 END), 0)"
	}
	args = append(args, maxFeeds)
	rows, err := s.query(ctx, `SELECT provider, feed, MAX(seen), MAX(id), MAX(`+plays+`), `+count("")+`, `+
		count(" AND state = 'failed'")+`, `+count(" AND state = 'ignored'")+`, `+count(" AND state = 'received'")+`
		FROM documents WHERE received >= $1 GROUP BY provider, feed ORDER BY provider, feed
		LIMIT $`+strconv.Itoa(len(args)), args...)
	list, err := collect(rows, err, scanFeedState)
	if err != nil {
		return nil, s.wrap("feeds", err)
	}
	failed, err := s.lastFailed(ctx, since)
	if err != nil {
		return nil, err
	}
	for i, f := range list {
		if d, ok := failed[[2]string{f.Provider, f.Feed}]; ok {
			list[i].LastFailed = &d
		}
	}
	return list, nil
}

func scanFeedState(row scanner) (f goalcast.FeedState, err error) {
	var last int64
	var playing int
	err = row.Scan(&f.Provider, &f.Feed, &last, &f.Document, &playing, &f.Hour, &f.Failed, &f.Ignored, &f.Waiting)
	f.Last, f.Playing = fromMillis(last), playing > 0
	return f, err
}

// lastFailed finds the newest document of each feed that came since a time and cannot be
// understood.
func (s *Store) lastFailed(ctx context.Context, since time.Time) (map[[2]string]goalcast.FailedDocument, error) {
	rows, err := s.query(ctx, `SELECT provider, feed, id, seen, error FROM documents WHERE id IN (SELECT MAX(id)
		FROM documents WHERE state = 'failed' AND seen >= $1 GROUP BY provider, feed) LIMIT $2`, toMillis(since),
		maxFeeds)
	failed := map[[2]string]goalcast.FailedDocument{}
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var feed [2]string
		var d goalcast.FailedDocument
		var seen int64
		err = row.Scan(&feed[0], &feed[1], &d.ID, &seen, &d.Error)
		d.At = fromMillis(seen)
		failed[feed] = d
		return none, err
	})
	return failed, s.wrap("documents that failed", err)
}
