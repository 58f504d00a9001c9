package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"goalcast"
)

// maxCommentary is how many lines one call lists at most; linesPerStatement how many one statement writes.
const (
	maxCommentary     = 1000
	linesPerStatement = 500
)

// SaveCommentary keeps the lines of a commentary. A line that is kept is replaced by a later edit of it alone; of two edits of the same time the one whose text
// sorts higher holds, so that the order in which documents come makes no difference. Lines that are missing from it stay: nobody tells whether a document has all.
func (s *Store) SaveCommentary(ctx context.Context, c goalcast.Commentary) (changed bool, err error) {
	lines := slices.Clone(c.Lines)
	// In the order of their ids, so that two transactions do not wait for each other.
	slices.SortStableFunc(lines, func(a, b goalcast.CommentaryLine) int { return cmp.Compare(a.ID, b.ID) })
	lines = slices.CompactFunc(lines, func(a, b goalcast.CommentaryLine) bool { return a.ID == b.ID })
	err = s.tx(ctx, fmt.Sprintf("save commentary of match %d", c.Match), func(tx *tx) error {
		changed = false
		for some := range slices.Chunk(lines, linesPerStatement) {
			args := make([]any, 0, 6*len(some))
			for _, l := range some {
				body, err := jsonText(l)
				if err != nil {
					return err
				}
				args = append(args, c.Match, clean(c.Language), clean(l.ID), toMillis(l.Modified), place(l), clean(body))
			}
			result, err := tx.exec(ctx, `INSERT INTO commentary (match_id, language, line, modified, place, body) VALUES `+valuesList(len(some), 6, 1)+`
				ON CONFLICT (match_id, language, line) DO UPDATE SET modified = excluded.modified, place = excluded.place, body = excluded.body
				WHERE commentary.modified < excluded.modified OR commentary.modified = excluded.modified AND commentary.body < excluded.body`, args...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			changed = changed || n > 0
		}
		return nil
	})
	return changed && err == nil, err
}

// place is where a line stands in the match: later ones are higher.
func place(l goalcast.CommentaryLine) int64 {
	return int64(l.Period.Order())*10_000_000 + int64(min(max(l.Minute, 0), 9999))*1000 + int64(min(max(l.Second, 0), 999))
}

// Commentary lists the lines of a match in a language, newest first; at most limit, and at most 1000.
func (s *Store) Commentary(ctx context.Context, match goalcast.MatchID, language string, limit int) ([]goalcast.CommentaryLine, error) {
	if limit <= 0 {
		limit = maxCommentary
	}
	rows, err := s.query(ctx, `SELECT body FROM commentary WHERE match_id = $1 AND language = $2 ORDER BY place DESC, modified DESC, line DESC LIMIT $3`,
		match, clean(language), min(limit, maxCommentary))
	lines, err := collect(rows, err, func(row scanner) (l goalcast.CommentaryLine, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return l, err
		}
		return l, json.Unmarshal(body, &l)
	})
	return lines, s.wrap(fmt.Sprintf("commentary of match %d", match), err)
}

// CommentaryLanguages lists the languages in which there is commentary on a match, in order.
func (s *Store) CommentaryLanguages(ctx context.Context, match goalcast.MatchID) ([]string, error) {
	rows, err := s.query(ctx, `SELECT DISTINCT language FROM commentary WHERE match_id = $1 ORDER BY language`, match)
	list, err := collect(rows, err, func(row scanner) (language string, err error) { return language, row.Scan(&language) })
	return list, s.wrap(fmt.Sprintf("languages of match %d", match), err)
}
