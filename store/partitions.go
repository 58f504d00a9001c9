package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	dayMillis = int64(24 * time.Hour / time.Millisecond)
	// partitionsAhead is how many days have their partition before they begin, so that no row
	// has to wait for one; today's not counted.
	partitionsAhead = 3
	// partitionLock is the number of the advisory lock under which partitions are made and dropped.
	partitionLock = 0x676f616c63617374
	// partitionPatience is how long making or dropping one waits for a lock: documents that come
	// meanwhile wait behind it.
	partitionPatience = "200ms"
)

func dayOf(ms int64) int64 {
	if ms < 0 {
		return (ms+1)/dayMillis - 1
	}
	return ms / dayMillis
}

// partitioned is a table that is partitioned by day, on PostgreSQL only. A day is UTC, counted from
// 1970.
type partitioned struct{ table, column string } // which tells the day, in ms since 1970

// The tables there are.
var (
	bodiesTable  = partitioned{"document_bodies", "received"}
	historyTable = partitioned{"odds_history", "at"}
)

// name is that of a day's partition.
func (p partitioned) name(day int64) string {
	return p.table + "_" + time.UnixMilli(day*dayMillis).UTC().Format("20060102")
}

// noPartition reports whether a row found no partition to go to.
func noPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.ConstraintName == ""
}

// makePartition makes a day's partition if there is none, as a table that is attached: unlike
// CREATE TABLE ... PARTITION OF, that waits for no reader or writer of the other days.
func (s *Store) makePartition(ctx context.Context, p partitioned, day int64) error {
	name := p.name(day)
	return s.tx(ctx, "make partition "+name, func(tx *tx) error {
		if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, partitionLock); err != nil {
			return err
		}
		var there bool
		err := tx.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_inherits
			WHERE inhparent = to_regclass($2) AND inhrelid = to_regclass($1))`, name, p.table).Scan(&there)
		if err != nil || there {
			return err
		}
		for _, statement := range []string{
			fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING ALL, CHECK (%s >= %d AND %[3]s < %[5]d))`, name, p.table,
				p.column, day*dayMillis, (day+1)*dayMillis),
			fmt.Sprintf(`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, p.table, name, day*dayMillis,
				(day+1)*dayMillis),
		} {
			if _, err := tx.exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// MakePartitions makes the partitions of today and the next days; a job calls it every hour. On
// SQLite there is nothing to do.
func (s *Store) MakePartitions(ctx context.Context, now time.Time) error {
	if s.dialect.name != "postgres" {
		return nil
	}
	today := dayOf(now.UnixMilli())
	for day := today; day <= today+partitionsAhead; day++ {
		for _, p := range []partitioned{bodiesTable, historyTable} {
			if err := s.makePartition(ctx, p, day); err != nil {
				return err
			}
		}
	}
	return nil
}

// partitions lists the days that have a partition.
func (s *Store) partitions(ctx context.Context, p partitioned) ([]int64, error) {
	rows, err := s.query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass($1) ORDER BY c.relname`, p.table)
	days, err := collect(rows, err, func(row scanner) (int64, error) {
		var name string
		if err := row.Scan(&name); err != nil {
			return 0, err
		}
		t, err := time.Parse("20060102", strings.TrimPrefix(name, p.table+"_"))
		return dayOf(t.UnixMilli()), err
	})
	return days, s.wrap("partitions", err)
}

// dropPartition drops a day's partition. It gives up soon when it is being read: the next run finds
// it again.
func (s *Store) dropPartition(ctx context.Context, p partitioned, day int64) (dropped bool, err error) {
	name := p.name(day)
	err = s.tx(ctx, "drop partition "+name, func(tx *tx) error {
		for _, statement := range []string{
			fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, partitionLock),
			`SET LOCAL lock_timeout = '` + partitionPatience + `'`,
			`DROP TABLE IF EXISTS ` + name,
		} {
			if _, err := tx.exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil, err
}
