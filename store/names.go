package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"goalcast"
)

const (
	maxNamesList    = 1000 // one list has at most
	namesStatement  = 500  // names that one statement writes
	removesAtOnce   = 100  // names that one statement removes
	nameColumns     = `kind, id, language, name`
	oneNamesVersion = ` FROM names_version WHERE one = 1`
)

func scanName(row scanner) (n goalcast.Name, err error) {
	return n, row.Scan(&n.Kind, &n.ID, &n.Language, &n.Name)
}

// SaveNames gives things names in a language; an empty one removes what there is. It returns what
// changed, as it was before (empty for a name that was not there) and in order. Each kind, id and
// language may be there once. ErrTooMany: there would be more than goalcast.MaxNames, or than
// MaxNameLanguages languages; then nothing has changed.
func (s *Store) SaveNames(ctx context.Context, list []goalcast.Name) (before []goalcast.Name, err error) {
	version := rand.Text()
	err = s.tx(ctx, "save names", func(tx *tx) error {
		var current string
		err := tx.queryRow(ctx, `SELECT version`+oneNamesVersion+tx.dialect.forUpdate).Scan(&current)
		if err != nil || current == version { // it was committed, and the answer was lost
			return err
		}
		var changed []goalcast.Name
		if before, changed, err = tx.changedNames(ctx, list); err != nil {
			return err
		}
		if len(changed) == 0 {
			return errRollback
		}
		if err := tx.writeNames(ctx, changed); err != nil {
			return err
		}
		if err := tx.reindex(ctx, changed); err != nil {
			return err
		}
		var names, languages int
		if err := tx.queryRow(ctx, `SELECT COUNT(*), COUNT(DISTINCT language) FROM names`).Scan(&names,
			&languages); err != nil {
			return err
		}
		if names > goalcast.MaxNames || languages > goalcast.MaxNameLanguages {
			return fmt.Errorf("%w: %d names in %d languages", goalcast.ErrTooMany, names, languages)
		}
		_, err = tx.exec(ctx, `UPDATE names_version SET version = $1 WHERE one = 1`, version)
		return err
	})
	if err != nil {
		return nil, err
	}
	return before, nil
}

// changedNames are those of the list that are not so already, and the same as they are, in order.
func (t *tx) changedNames(ctx context.Context, list []goalcast.Name) (before, changed []goalcast.Name, err error) {
	list = slices.SortedFunc(slices.Values(list), goalcast.Name.Compare)
	there := map[goalcast.Name]string{} // by all but the name
	for some := range slices.Chunk(list, namesStatement) {
		ids := make([]any, len(some))
		for i, n := range some {
			ids[i] = n.ID
		}
		rows, err := t.query(ctx, `SELECT `+nameColumns+` FROM names WHERE id IN `+
			"("+strings.Trim(valuesList(1, len(ids), 1), "()")+")", ids...)
		found, err := collect(rows, err, scanName)
		if err != nil {
			return nil, nil, err
		}
		for _, n := range found {
			name := n.Name
			n.Name = ""
			there[n] = name
		}
	}
	for _, n := range list {
		n.Name = clean(n.Name)
		was := n
		was.Name = ""
		if was.Name = there[was]; was != n {
			before, changed = append(before, was), append(changed, n)
		}
	}
	return before, changed, nil
}

// writeNames writes names, and removes those that are empty.
func (t *tx) writeNames(ctx context.Context, list []goalcast.Name) error {
	var gone, kept []goalcast.Name
	for _, n := range list {
		if n.Name == "" {
			gone = append(gone, n)
		} else {
			kept = append(kept, n)
		}
	}
	for some := range slices.Chunk(gone, removesAtOnce) {
		var which []string
		var args []any
		for _, n := range some {
			args = append(args, n.Kind, n.ID, n.Language)
			which = append(which, fmt.Sprintf(`kind = $%d AND id = $%d AND language = $%d`, len(args)-2, len(args)-1,
				len(args)))
		}
		if _, err := t.exec(ctx, `DELETE FROM names WHERE `+strings.Join(which, ` OR `), args...); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(kept, namesStatement) {
		args := make([]any, 0, 4*len(some))
		for _, n := range some {
			args = append(args, n.Kind, n.ID, n.Language, n.Name)
		}
		if _, err := t.exec(ctx, `INSERT INTO names (`+nameColumns+`) VALUES `+valuesList(len(some), 4, 1)+
			` ON CONFLICT (kind, id, language) DO UPDATE SET name = excluded.name`, args...); err != nil {
			return err
		}
	}
	return nil
}

// ListNames lists names by kind, id and language; at most 1000.
func (s *Store) ListNames(ctx context.Context, f goalcast.NameFilter) ([]goalcast.Name, error) {
	w := where{}
	w.when(f.Kind != "", "kind = ", f.Kind)
	w.when(f.ID != 0, "id = ", f.ID)
	w.when(f.Language != "", "language = ", f.Language)
	if f.After.Kind != "" {
		n := len(w.args)
		w.args = append(w.args, f.After.Kind, f.After.ID, f.After.Language)
		w.conditions = append(w.conditions, fmt.Sprintf(`(kind, id, language) > ($%d, $%d, $%d)`, n+1, n+2, n+3))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = maxNamesList
	}
	w.args = append(w.args, min(limit, maxNamesList))
	rows, err := s.query(ctx, `SELECT `+nameColumns+` FROM names`+w.String()+` ORDER BY kind, id, language LIMIT $`+
		strconv.Itoa(len(w.args)), w.args...)
	list, err := collect(rows, err, scanName)
	return list, s.wrap("list names", err)
}

// NamesVersion is a text that changes whenever names do.
func (s *Store) NamesVersion(ctx context.Context) (version string, err error) {
	err = s.queryRow(ctx, `SELECT version`+oneNamesVersion).Scan(&version)
	return version, s.wrap("version of names", err)
}

// Names reads all names. They are not older than their version.
func (s *Store) Names(ctx context.Context) (*goalcast.Names, error) {
	version, err := s.NamesVersion(ctx) // first: what changes between the two is read again
	if err != nil {
		return nil, err
	}
	rows, err := s.query(ctx, `SELECT `+nameColumns+` FROM names`)
	list, err := collect(rows, err, scanName)
	if err != nil {
		return nil, s.wrap("read names", err)
	}
	return goalcast.NewNames(version, list), nil
}
