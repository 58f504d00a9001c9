package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"goalcast"
)

// maxCommentary is how many lines one call lists at most; linesPerStatement how many one statement
// writes.
const (
	maxCommentary     = 1000
	linesPerStatement = 500
)

// SaveCommentary stores the lines of a commentary. A stored line is replaced only by a later edit
// of it; of two edits with the same time the one whose text sorts higher wins, so that the order in
// which documents come makes no difference. A document has everything from its oldest line on: a
// later line that is not in it is withdrawn, unless a newer document has it. Lines before stay,
// since a document may have only the newest lines. changed is true for every document that is
// newer.
func (s *Store) SaveCommentary(ctx context.Context, c goalcast.Commentary) (changed bool, err error) {
	lines := slices.Clone(c.Lines)
	// In the order of their ids, so that two transactions do not wait for each other.
	slices.SortStableFunc(lines, func(a, b goalcast.CommentaryLine) int { return cmp.Compare(a.ID, b.ID) })
	lines = slices.CompactFunc(lines, func(a, b goalcast.CommentaryLine) bool { return a.ID == b.ID })
	err = s.tx(ctx, fmt.Sprintf("save commentary of match %d", c.Match), func(tx *tx) error {
		changed = false
		for some := range slices.Chunk(lines, linesPerStatement) {
			n, err := tx.saveLines(ctx, c, some)
			if err != nil {
				return err
			}
			changed = changed || n > 0
		}
		return tx.saveSpan(ctx, c)
	})
	return changed && err == nil, err
}

// saveLines writes lines and returns how many of them are new, edited, or in a newer document.
func (t *tx) saveLines(ctx context.Context, c goalcast.Commentary, lines []goalcast.CommentaryLine) (int64, error) {
	args := make([]any, 0, 7*len(lines))
	for _, l := range lines {
		body, err := jsonText(l)
		if err != nil {
			return 0, err
		}
		args = append(args, c.Match, clean(c.Language), clean(l.ID), toMillis(l.Modified), place(l), clean(body),
			clean(string(c.Edition)))
	}
	const edited = `(commentary.modified < excluded.modified OR commentary.modified = excluded.modified
		AND commentary.body < excluded.body)`
	result, err := t.exec(ctx, `INSERT INTO commentary (match_id, language, line, modified, place, body, told)
		VALUES `+valuesList(len(lines), 7, 1)+`
		ON CONFLICT (match_id, language, line) DO UPDATE SET
			modified = CASE WHEN `+edited+` THEN excluded.modified ELSE commentary.modified END,
			place = CASE WHEN `+edited+` THEN excluded.place ELSE commentary.place END,
			body = CASE WHEN `+edited+` THEN excluded.body ELSE commentary.body END,
			told = CASE WHEN commentary.told < excluded.told THEN excluded.told ELSE commentary.told END
		WHERE `+edited+` OR commentary.told < excluded.told`, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// saveSpan notes from where on the document has everything. Spans of older documents that reach no
// further back are of no more use.
func (t *tx) saveSpan(ctx context.Context, c goalcast.Commentary) error {
	if len(c.Lines) == 0 || c.Edition == "" {
		return nil
	}
	low := place(slices.MinFunc(c.Lines, func(a, b goalcast.CommentaryLine) int {
		return cmp.Compare(place(a), place(b))
	}))
	language, edition := clean(c.Language), clean(string(c.Edition))
	if _, err := t.exec(ctx, `DELETE FROM commentary_spans WHERE match_id = $1 AND language = $2 AND edition < $3
		AND low >= $4`, c.Match, language, edition, low); err != nil {
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO commentary_spans (match_id, language, edition, low) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, c.Match, language, edition, low)
	return err
}

// place is where a line stands in the match: later ones are higher.
func place(l goalcast.CommentaryLine) int64 {
	return int64(l.Period.Order())*10_000_000 + int64(min(max(l.Minute, 0), 9999))*1000 +
		int64(min(max(l.Second, 0), 999))
}

// Commentary lists the lines of a match in a language that were not withdrawn, newest first; at
// most limit, and at most 1000. With the id of a line it lists those that come after it.
func (s *Store) Commentary(
	ctx context.Context, match goalcast.MatchID, language, after string, limit int,
) ([]goalcast.CommentaryLine, error) {
	if limit <= 0 {
		limit = maxCommentary
	}
	args, behind := []any{match, clean(language), min(limit, maxCommentary)}, ""
	if after != "" {
		args = append(args, clean(after))
		behind = `AND (place, modified, line) < (SELECT a.place, a.modified, a.line FROM commentary a
			WHERE a.match_id = $1 AND a.language = $2 AND a.line = $4)`
	}
	var lines []goalcast.CommentaryLine
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, `SELECT body FROM commentary c WHERE match_id = $1 AND language = $2
			AND NOT EXISTS (SELECT 1 FROM commentary_spans s WHERE s.match_id = c.match_id AND s.language = c.language
			AND s.edition > c.told AND s.low < c.place)
			`+behind+` ORDER BY place DESC, modified DESC, line DESC LIMIT $3`, args...)
		lines, err = collect(rows, err, func(row scanner) (l goalcast.CommentaryLine, err error) {
			var body []byte
			if err := row.Scan(&body); err != nil {
				return l, err
			}
			return l, json.Unmarshal(body, &l)
		})
		return err
	})
	return lines, s.wrap(fmt.Sprintf("commentary of match %d", match), err)
}

// CommentaryLanguages lists the languages in which there is commentary on a match, in order.
func (s *Store) CommentaryLanguages(ctx context.Context, match goalcast.MatchID) ([]string, error) {
	var list []string
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, `SELECT DISTINCT language FROM commentary WHERE match_id = $1
			ORDER BY language`, match)
		list, err = collect(rows, err, func(row scanner) (language string, err error) {
			return language, row.Scan(&language)
		})
		return err
	})
	return list, s.wrap(fmt.Sprintf("languages of match %d", match), err)
}
