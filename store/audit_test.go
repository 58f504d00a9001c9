package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

func entry(action string) goalcast.AuditEntry {
	return goalcast.AuditEntry{Who: "token:anna", Role: "operator", Action: action, Target: "7", Request: "r1"}
}

// chain checks all entries as a reader would, page by page.
func chain(t *testing.T, s *Store) (goalcast.AuditChain, error) {
	t.Helper()
	var c goalcast.AuditChain
	for {
		page, err := s.AuditAfter(t.Context(), c.ID, goalcast.AuditFilter{Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return c, nil
		}
		for _, e := range page {
			if err := c.Add(e); err != nil {
				return c, err
			}
		}
	}
}

// Each entry follows from the one before, however many are added at once.
func TestAuditIsAChain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const writers, each = 4, 10
		var wait sync.WaitGroup
		for w := range writers {
			wait.Go(func() {
				for i := range each {
					e := entry(fmt.Sprintf("PUT /admin/%d/%d", w, i))
					e.Before, e.After = []byte(`{"a":"é\u0000"}`), []byte(`{"b":1}`)
					if _, err := s.Audit(t.Context(), e); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		c, err := chain(t, s)
		if err != nil || c.ID != writers*each {
			t.Errorf("checked to %d: %v", c.ID, err)
		}
	})
}

// Of an action the list has the entry of how it ended; while there is none, the one of its
// beginning.
func TestAuditListsActions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		begun, err := s.Audit(t.Context(), entry("POST /admin/messages"))
		if err != nil || begun.ID != 1 || begun.Prev != "" || begun.At.IsZero() {
			t.Fatalf("%+v, %v", begun, err)
		}
		open := entry("PUT /admin/odds/gates/{id}")
		open.Who = "token:bram"
		if open, err = s.Audit(t.Context(), open); err != nil {
			t.Fatal(err)
		}
		done := begun
		done.Begin, done.Status, done.After = begun.ID, 202, []byte(`{"id":"message:1"}`)
		if done, err = s.Audit(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			filter goalcast.AuditFilter
			want   string
		}{
			{goalcast.AuditFilter{}, "3 2"},
			{goalcast.AuditFilter{Limit: 1}, "3"},
			{goalcast.AuditFilter{Before: 3}, "2"},
			{goalcast.AuditFilter{Who: "token:anna"}, "3"},
			{goalcast.AuditFilter{Action: "odds"}, "2"},
			{goalcast.AuditFilter{Action: "ODDS"}, ""},
			{goalcast.AuditFilter{Action: "%"}, ""},
			{goalcast.AuditFilter{Since: done.At.Add(time.Hour)}, ""},
			{goalcast.AuditFilter{Until: begun.At}, ""},
			{goalcast.AuditFilter{Since: begun.At, Until: done.At.Add(time.Millisecond)}, "3 2"},
		} {
			list, err := s.AuditEntries(t.Context(), tt.filter)
			var ids []string
			for _, e := range list {
				ids = append(ids, fmt.Sprint(e.ID))
			}
			if got := strings.Join(ids, " "); got != tt.want || err != nil {
				t.Errorf("%+v: %q, %v; want %q", tt.filter, got, err, tt.want)
			}
		}
		all, err := s.AuditAfter(t.Context(), 0, goalcast.AuditFilter{})
		if err != nil || len(all) != 3 || all[2].Begin != 1 || string(all[2].After) != string(done.After) ||
			all[2].Hash != done.Hash {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// The database itself refuses to change what is written.
func TestAuditIsOnlyAddedTo(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for range 3 {
			if _, err := s.Audit(t.Context(), entry("POST /admin/messages")); err != nil {
				t.Fatal(err)
			}
		}
		statements := []string{`UPDATE audit SET who = 'nobody' WHERE id = 2`, `DELETE FROM audit WHERE id = 3`,
			`DELETE FROM audit`}
		if s.dialect.name == "postgres" {
			statements = append(statements, `TRUNCATE audit`)
		} else {
			statements = append(statements, `INSERT OR REPLACE INTO audit SELECT 3, begin_id, at, 'nobody', role,
				action, target, value_before, value_after, request, status, prev, hash FROM audit WHERE id = 1`)
		}
		for _, statement := range statements {
			if _, err := s.exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "only added to") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if c, err := chain(t, s); err != nil || c.ID != 3 {
			t.Errorf("checked to %d: %v", c.ID, err)
		}
	})
}

// A role that may only read and add, as docs/audit.md sets it up, can take no trigger away.
func TestAuditWithoutRights(t *testing.T) {
	t.Parallel()
	s := openTest(t, testservers.Postgres(t))
	if _, err := s.Audit(t.Context(), entry("POST /admin/messages")); err != nil {
		t.Fatal(err)
	}
	for statement, want := range map[string]string{
		`INSERT INTO audit SELECT 2, 0, at, who, role, action, target, '', '', '', 0, hash, 'x' FROM audit`: "",
		`UPDATE audit SET who = 'nobody'`:         "permission denied",
		`ALTER TABLE audit DISABLE TRIGGER USER`:  "must be owner",
		`DROP TRIGGER audit_is_kept ON audit`:     "must be owner",
		`TRUNCATE audit`:                          "permission denied",
		`ALTER TABLE audit OWNER TO CURRENT_USER`: "must be owner",
		`DROP FUNCTION audit_is_kept CASCADE`:     "must be owner",
	} {
		err := s.tx(t.Context(), "try", func(tx *tx) error {
			for _, prepare := range []string{`CREATE ROLE goalcast_serves NOLOGIN`,
				`DO $$ BEGIN EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO goalcast_serves'; END $$`,
				`GRANT SELECT, INSERT ON audit TO goalcast_serves`, `SET LOCAL ROLE goalcast_serves`, statement} {
				if _, err := tx.exec(t.Context(), prepare); err != nil {
					return fmt.Errorf("%.30s: %w", prepare, err)
				}
			}
			return errRollback
		})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// Whoever owns the tables can take the triggers away. What is changed then shows.
func TestAuditShowsChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for range 5 {
			if _, err := s.Audit(t.Context(), entry("POST /admin/messages")); err != nil {
				t.Fatal(err)
			}
		}
		off := []string{`DROP TRIGGER audit_is_not_changed`, `DROP TRIGGER audit_is_not_deleted`}
		if s.dialect.name == "postgres" {
			off = []string{`ALTER TABLE audit DISABLE TRIGGER USER`}
		}
		for _, statement := range off {
			if _, err := s.exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		for i, change := range []struct {
			statement string
			last      int64 // entry that is as it was
		}{
			{`DELETE FROM audit WHERE id = 5`, 4}, // this does not show here: docs/audit.md
			{`UPDATE audit SET at = at + 1 WHERE id = 4`, 3},
			{`UPDATE audit SET hash = 'made up' WHERE id = 3`, 2},
			{`DELETE FROM audit WHERE id = 2`, 1},
			{`UPDATE audit SET value_after = '{}' WHERE id = 1`, 0},
		} {
			if _, err := s.exec(t.Context(), change.statement); err != nil {
				t.Fatal(err)
			}
			c, err := chain(t, s)
			if c.ID != change.last || errors.Is(err, goalcast.ErrChain) != (i > 0) {
				t.Errorf("%s: checked to %d: %v", change.statement, c.ID, err)
			}
		}
	})
}
