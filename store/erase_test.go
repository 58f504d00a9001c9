package store

import (
	"slices"
	"testing"
)

func TestAUserIsErased(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		save("ann", "a", "b")
		follow("ann", 1, 2)
		save("bob", "c")
		follow("bob", 1)
		prefer(t, s, "ann", sleeps)
		prefer(t, s, "bob", sleeps)
		for range 2 { // twice is once
			if err := s.Erase(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
		}
		if d, f := tokens(t, s, "ann"), followed(t, s, "ann"); len(d) != 0 || f != "[]" {
			t.Errorf("ann has %v, %s", d, f)
		}
		if ann, bob := preferencesOf(t, s, "ann"), preferencesOf(t, s, "bob"); !ann.IsZero() || bob.IsZero() {
			t.Errorf("ann has %+v, bob %+v", ann, bob)
		}
		if d, f := tokens(t, s, "bob"), followed(t, s, "bob"); !slices.Equal(d, []string{"c"}) || f != "[team:1]" {
			t.Errorf("bob has %v, %s", d, f)
		}
	})
}

// No table that says something of a user is forgotten.
func TestAllTablesOfUsersAreErased(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		query := `SELECT table_name FROM information_schema.columns WHERE column_name = 'user_id'
			AND table_schema = current_schema() ORDER BY table_name`
		if s.dialect.name == "sqlite" {
			query = `SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) p ON p.name = 'user_id'
				WHERE m.type = 'table' ORDER BY m.name`
		}
		rows, err := s.query(t.Context(), query)
		tables, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
		if want := slices.Sorted(slices.Values(userTables)); err != nil || !slices.Equal(tables, want) {
			t.Errorf("tables %v, %v; erased %v", tables, err, want)
		}
	})
}
