package store

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"goalcast"
)

// scanner is a row, alone or one of many.
type scanner interface{ Scan(...any) error }

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// collect reads all rows and closes them. It takes the query's error too, so that a query and its
// reading are two lines.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// unreadable is a row whose text cannot be decoded: of a later version, or damaged. It stays so:
// ErrPermanent.
type unreadable struct {
	row string // "match 7"
	err error
}

func (e *unreadable) Error() string { return e.row + " cannot be read: " + e.err.Error() }

func (e *unreadable) Unwrap() []error { return []error{goalcast.ErrPermanent, e.err} }

// collectReadable is collect for lists that are useful without a row: an unreadable one is skipped
// and logged.
func collectReadable[T any](s *Store, rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	type maybe struct {
		value T
		ok    bool
	}
	list, err := collect(rows, err, func(row scanner) (maybe, error) {
		v, err := scan(row)
		var bad *unreadable
		if errors.As(err, &bad) {
			s.log.Error("a row is passed over", "row", bad.row, "error", bad.err)
			return maybe{}, nil
		}
		return maybe{v, true}, err
	})
	var out []T
	for _, m := range list {
		if m.ok {
			out = append(out, m.value)
		}
	}
	return out, err
}

// where gathers the conditions of a query and their arguments.
type where struct {
	conditions []string
	args       []any
}

// when adds "column = " and the argument's placeholder, when the condition holds.
func (w *where) when(holds bool, text string, arg any) {
	if holds {
		w.args = append(w.args, arg)
		w.conditions = append(w.conditions, text+"$"+strconv.Itoa(len(w.args)))
	}
}

// String is the WHERE clause, empty without conditions.
func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// valuesList writes "($1,$2),($3,$4)" for rows of columns each, counting from the given placeholder
// number.
func valuesList(rows, columns, from int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		for c := range columns {
			b.WriteByte("(,"[min(c, 1)])
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(from + r*columns + c))
		}
		b.WriteByte(')')
	}
	return b.String()
}
