package store

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"goalcast"
)

const (
	// maxAudit is how many entries one call lists at most, and by default.
	maxAudit = 1000
	// auditLock is the number of the advisory lock under which an entry finds the one before it.
	auditLock = 0x61756469746c6f67
)

var (
	auditTypes = []string{"id bigint", "begin_id bigint", "at bigint", "who text", "role text", "action text",
		"target text", "value_before text", "value_after text", "request text", "status bigint", "prev text",
		"hash text"}
	auditColumns = columnNames(auditTypes)
)

func scanAudit(row scanner) (e goalcast.AuditEntry, err error) {
	var at int64
	var before, after string
	err = row.Scan(&e.ID, &e.Begin, &at, &e.Who, &e.Role, &e.Action, &e.Target, &before, &after, &e.Request, &e.Status,
		&e.Prev, &e.Hash)
	e.At = fromMillis(at)
	if before != "" {
		e.Before = json.RawMessage(before)
	}
	if after != "" {
		e.After = json.RawMessage(after)
	}
	return e, err
}

// Audit adds an entry, and gives it its ID, its time and its place in the chain. Entries of all
// processes are added one at a time.
func (s *Store) Audit(ctx context.Context, e goalcast.AuditEntry) (goalcast.AuditEntry, error) {
	chain := auditChain{entries: []goalcast.AuditEntry{e}}
	err := s.tx(ctx, "audit", func(tx *tx) error { return chain.add(ctx, tx, s.Now()) })
	return chain.entries[0], err
}

// begun is the entry from before an action, of how it ended.
func begun(e goalcast.AuditEntry) goalcast.AuditEntry {
	return goalcast.AuditEntry{Who: e.Who, Role: e.Role, Action: e.Action, Request: e.Request}
}

// auditChain adds entries to the audit.
type auditChain struct {
	entries []goalcast.AuditEntry
	pairs   bool // how an action began and how it ended, one behind the other
	tried   bool // they have places, and may be there
}

// add adds the entries in a transaction, which may be run again after it was committed, and fills
// in their places.
func (c *auditChain) add(ctx context.Context, tx *tx, now time.Time) error {
	if len(c.entries) == 0 {
		return nil
	}
	if tx.dialect.name == "postgres" {
		if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(auditLock)); err != nil {
			return err
		}
	}
	if c.tried {
		e := c.entries[0]
		var id int64
		err := tx.queryRow(ctx, `SELECT id FROM audit WHERE id = $1 AND hash = $2`, e.ID, e.Hash).Scan(&id)
		if !noRows(err) {
			return err
		}
	}
	last, err := scanAudit(tx.queryRow(ctx, `SELECT `+auditColumns+` FROM audit ORDER BY id DESC LIMIT 1`))
	if err != nil && !noRows(err) {
		return err
	}
	at := fromMillis(toMillis(now))
	if at.Before(last.At) {
		at = last.At
	}
	for i := range c.entries {
		e := &c.entries[i]
		for _, text := range []*string{&e.Who, &e.Role, &e.Action, &e.Target, &e.Request} {
			*text = clean(*text)
		}
		e.Before, e.After = json.RawMessage(clean(string(e.Before))), json.RawMessage(clean(string(e.After)))
		e.ID, e.Prev, e.At = last.ID+1, last.Hash, at
		if c.pairs && i%2 == 1 {
			e.Begin = last.ID
		}
		e.Hash = e.Sum()
		last = *e
	}
	c.tried = true
	rows := given{columns: auditTypes}
	for _, e := range c.entries {
		rows.add(e.ID, e.Begin, toMillis(e.At), e.Who, e.Role, e.Action, e.Target, string(e.Before), string(e.After),
			e.Request, int64(e.Status), e.Prev, e.Hash)
	}
	table, args, err := tx.dialect.table(rows, 1)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO audit (`+auditColumns+`) SELECT `+auditColumns+` FROM `+table, args...)
	return err
}

// AuditEntries lists what was done, newest first: of each action the last entry.
func (s *Store) AuditEntries(ctx context.Context, f goalcast.AuditFilter) ([]goalcast.AuditEntry, error) {
	w := where{}
	w.when(f.Who != "", "who = ", f.Who)
	w.when(f.Action != "", "action <> replace(action, ", f.Action)
	if f.Action != "" {
		w.conditions[len(w.conditions)-1] += ", '')" // it is a part, in the same letters, in both databases
	}
	w.when(!f.Since.IsZero(), "at >= ", toMillis(f.Since))
	w.when(!f.Until.IsZero(), "at < ", toMillis(f.Until))
	w.when(f.Before > 0, "id < ", f.Before)
	w.conditions = append(w.conditions, `(begin_id > 0 OR NOT EXISTS (SELECT 1 FROM audit e
		WHERE e.begin_id = audit.id AND e.begin_id > 0))`)
	limit := f.Limit
	if limit <= 0 {
		limit = maxAudit
	}
	w.args = append(w.args, min(limit, maxAudit))
	rows, err := s.query(ctx, `SELECT `+auditColumns+` FROM audit`+w.String()+
		` ORDER BY id DESC LIMIT $`+strconv.Itoa(len(w.args)), w.args...)
	list, err := collect(rows, err, scanAudit)
	return list, s.wrap("list audit", err)
}

// AuditAfter lists all entries, oldest first, from those behind an ID on. Of the filter Since,
// Until and Limit are read.
func (s *Store) AuditAfter(ctx context.Context, after int64, f goalcast.AuditFilter) ([]goalcast.AuditEntry, error) {
	w := where{}
	w.when(true, "id > ", after)
	w.when(!f.Since.IsZero(), "at >= ", toMillis(f.Since))
	w.when(!f.Until.IsZero(), "at < ", toMillis(f.Until))
	limit := f.Limit
	if limit <= 0 {
		limit = maxAudit
	}
	w.args = append(w.args, min(limit, maxAudit))
	rows, err := s.query(ctx, `SELECT `+auditColumns+` FROM audit`+w.String()+
		` ORDER BY id LIMIT $`+strconv.Itoa(len(w.args)), w.args...)
	list, err := collect(rows, err, scanAudit)
	return list, s.wrap("read audit", err)
}
