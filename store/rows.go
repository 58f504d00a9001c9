package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// given is rows that a statement is given as a table. However many they are, the text of the
// statement is the same, so that the database prepares it once.
type given struct {
	columns []string // "id bigint", with values of int64, or "body text", with strings
	values  []any    // row after row
}

// add adds a row.
func (g *given) add(values ...any) { g.values = append(g.values, values...) }

func (g *given) count() int { return len(g.values) / len(g.columns) }

// columnNames are the names of given's columns, as a statement lists them.
func columnNames(columns []string) string {
	var names []string
	for _, column := range columns {
		name, _, _ := strings.Cut(column, " ")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// table is the rows as a table r for a FROM clause, in their order, and its arguments, the first of
// which has the number from.
func (d *dialect) table(g given, from int) (text string, args []any, err error) {
	if d.name == "sqlite" {
		return g.fromJSON(from)
	}
	var types []string
	for i, column := range g.columns {
		_, kind, _ := strings.Cut(column, " ")
		types = append(types, fmt.Sprintf("$%d::%s[]", from+i, kind))
		if kind == "bigint" {
			args = append(args, columnOf[int64](g, i))
		} else {
			args = append(args, columnOf[string](g, i))
		}
	}
	return fmt.Sprintf("unnest(%s) AS r(%s)", strings.Join(types, ", "), columnNames(g.columns)), args, nil
}

func columnOf[T any](g given, column int) []T {
	list := make([]T, 0, g.count())
	for at := column; at < len(g.values); at += len(g.columns) {
		list = append(list, g.values[at].(T))
	}
	return list
}

// fromJSON is the table as SQLite has it: of one argument, JSON.
func (g *given) fromJSON(from int) (table string, args []any, err error) {
	var names []string
	for i, column := range g.columns {
		name, _, _ := strings.Cut(column, " ")
		names = append(names, fmt.Sprintf("value->>%d AS %s", i, name))
	}
	rows := slices.Collect(slices.Chunk(g.values, len(g.columns)))
	text, err := json.Marshal(rows)
	return fmt.Sprintf("(SELECT %s FROM json_each($%d)) AS r", strings.Join(names, ", "), from),
		[]any{string(text)}, err
}

// among is the condition behind a column that its value is one of a list, and the list as the
// argument of that number: one text for lists of any length.
func (d *dialect) among(number int, list []string) (condition string, arg any, err error) {
	if d.name == "postgres" {
		return fmt.Sprintf("= ANY($%d)", number), list, nil
	}
	text, err := json.Marshal(list)
	return fmt.Sprintf("IN (SELECT value FROM json_each($%d))", number), string(text), err
}
