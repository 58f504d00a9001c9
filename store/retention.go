package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// DefaultRetention is how long documents are kept that no rule names: a season and its aftermath.
const DefaultRetention = 400 * 24 * time.Hour

// pruneBatch is how many documents one transaction deletes: PostgreSQL's documents that come
// meanwhile do not wait for it, SQLite's do.
const pruneBatch = 500

// Retention says how long documents are kept: by "opta/F24" (provider and feed), "opta" (all other
// feeds of the provider) or "" (all others). What has no rule is kept for DefaultRetention; a rule
// of 0 or less keeps for ever.
type Retention map[string]time.Duration

// ParseRetention reads "opta/F24=30d,opta=365d,=90d": times in days (d), or as Go writes durations
// (12h). Feeds are in upper case.
func ParseRetention(rules map[string]string) (Retention, error) {
	out := Retention{}
	for name, text := range rules {
		provider, feed, _ := strings.Cut(name, "/")
		if strings.Contains(feed, "/") || strings.Contains(name, "/") && (provider == "" || feed == "") {
			return nil, fmt.Errorf("retention of %q: want PROVIDER/FEED, PROVIDER or nothing before the equal sign",
				name)
		}
		span, err := parseSpan(text)
		if err != nil {
			return nil, fmt.Errorf("retention of %q: %w", name, err)
		}
		if feed != "" {
			name = provider + "/" + strings.ToUpper(feed)
		}
		out[name] = span
	}
	return out, nil
}

func parseSpan(text string) (time.Duration, error) {
	if text == "forever" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36500 {
			return 0, fmt.Errorf("%q is not a number of days (30d)", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	span, err := time.ParseDuration(text)
	if err != nil || span <= 0 {
		return 0, fmt.Errorf("%q is neither a time (30d, 12h) nor forever", text)
	}
	return span, nil
}

// rule is one line of a Retention, with the condition that chooses its documents.
type rule struct {
	span      time.Duration
	condition string
	args      []any
}

// rules are all rules, the default too, each without what a narrower one names.
func (r Retention) rules() []rule {
	all := Retention{"": DefaultRetention}
	for name, span := range r {
		all[name] = span
	}
	var out []rule
	for name, span := range all {
		provider, feed, narrow := strings.Cut(name, "/")
		var conditions []string
		var args []any
		add := func(text string, arg any) {
			args = append(args, arg)
			conditions = append(conditions, fmt.Sprintf("%s $%d", text, len(args)+1)) // $1 is the time
		}
		if name != "" {
			add("provider =", provider)
		}
		if narrow {
			add("feed =", feed)
		}
		for other := range all {
			otherProvider, otherFeed, otherNarrow := strings.Cut(other, "/")
			switch {
			case name == "" && other != "" && !otherNarrow:
				add("provider <>", otherProvider)
			case name == "" && otherNarrow:
				add("provider || '/' || feed <>", other)
			case name != "" && !narrow && otherNarrow && otherProvider == provider:
				add("feed <>", otherFeed)
			}
		}
		condition := ""
		for _, c := range conditions {
			condition += " AND " + c
		}
		out = append(out, rule{span, condition, args})
	}
	return out
}

// PruneDocuments deletes documents that are older than the retention of their feed, and drops the
// days' partitions that are not needed any more. A document that came again is as old as its last
// arrival. It returns how many documents it deleted.
func (s *Store) PruneDocuments(ctx context.Context, retention Retention, now time.Time) (deleted int64, err error) {
	for _, r := range retention.rules() {
		if r.span <= 0 {
			continue
		}
		for {
			n, err := s.pruneBatch(ctx, r, now.Add(-r.span))
			deleted += n
			if err != nil {
				return deleted, err
			}
			if n < pruneBatch {
				break
			}
		}
	}
	if s.dialect.name != "postgres" {
		return deleted, nil
	}
	days, err := s.partitions(ctx, bodiesTable)
	if err != nil {
		return deleted, err
	}
	today := dayOf(now.UnixMilli())
	for _, day := range days {
		if day >= today-1 { // documents may still be on their way
			continue
		}
		if err := s.dropUnused(ctx, day); err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// pruneBatch deletes some documents of a rule. Their bytes stay where they are in a partition of
// which no document is left: dropping it is cheaper. On SQLite, and where the day has other
// documents, the bytes are deleted.
func (s *Store) pruneBatch(ctx context.Context, r rule, before time.Time) (int64, error) {
	type row struct{ id, received int64 }
	var gone []row
	err := s.tx(ctx, "prune documents", func(tx *tx) error {
		rows, err := tx.query(ctx, fmt.Sprintf(`SELECT id, received FROM documents WHERE received < $1 AND seen < $1%s
			ORDER BY received LIMIT %d`, r.condition, pruneBatch)+
			s.dialect.forUpdate, append([]any{toMillis(before)}, r.args...)...)
		gone, err = collect(rows, err, func(sc scanner) (v row, err error) { return v, sc.Scan(&v.id, &v.received) })
		if err != nil || len(gone) == 0 {
			return err
		}
		var ids []any
		byDay := map[int64][]any{}
		for _, g := range gone {
			ids = append(ids, g.id)
			byDay[dayOf(g.received)] = append(byDay[dayOf(g.received)], g.id)
		}
		if _, err := tx.exec(ctx, `DELETE FROM documents WHERE id IN `+valuesList(1, len(ids), 1), ids...); err != nil {
			return err
		}
		for day, list := range byDay {
			if err := tx.deleteBodies(ctx, day, list); err != nil {
				return err
			}
		}
		return nil
	})
	return int64(len(gone)), err
}

func (t *tx) deleteBodies(ctx context.Context, day int64, ids []any) error {
	from, to := day*dayMillis, (day+1)*dayMillis
	if t.dialect.name == "postgres" {
		var left bool
		err := t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM documents WHERE received >= $1
			AND received < $2)`, from, to).Scan(&left)
		if err != nil || !left {
			return err
		}
	}
	_, err := t.exec(ctx, `DELETE FROM document_bodies WHERE received >= $1 AND received < $2
		AND document IN `+valuesList(1, len(ids), 3),
		append([]any{from, to}, ids...)...)
	return err
}

// dropUnused drops a day's partition if no document of that day is left.
func (s *Store) dropUnused(ctx context.Context, day int64) error {
	var left bool
	err := s.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM documents WHERE received >= $1
		AND received < $2)`, day*dayMillis, (day+1)*dayMillis).Scan(&left)
	if err != nil || left {
		return s.wrap("documents of a day", err)
	}
	dropped, err := s.dropPartition(ctx, bodiesTable, day)
	if dropped {
		s.log.Info("archive partition dropped", "partition", bodiesTable.name(day))
	}
	return err
}

// PruneCanary deletes revisions of the canary match from before a time that are on the bus. The
// match stays as it stands. It returns how many it deleted.
func (s *Store) PruneCanary(ctx context.Context, before time.Time) (int64, error) {
	result, err := s.exec(ctx, `DELETE FROM events WHERE match_id = $1 AND created < $2 AND NOT EXISTS (
		SELECT 1 FROM outbox o WHERE o.match_id = events.match_id AND o.event_id = events.id
		AND o.revision = events.revision AND o.published_at IS NULL)`, goalcast.CanaryMatch, toMillis(before))
	if err != nil {
		return 0, s.wrap("prune the canary match", err)
	}
	n, err := result.RowsAffected()
	return n, s.wrap("prune the canary match", err)
}

// Days lists the days of which the archive has a partition, oldest first; none on SQLite.
func (s *Store) Days(ctx context.Context) ([]time.Time, error) {
	if s.dialect.name != "postgres" {
		return nil, nil
	}
	days, err := s.partitions(ctx, bodiesTable)
	if err != nil {
		return nil, err
	}
	slices.Sort(days)
	out := make([]time.Time, len(days))
	for i, d := range days {
		out[i] = time.UnixMilli(d * dayMillis).UTC()
	}
	return out, nil
}
