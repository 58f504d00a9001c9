package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/zstd"

	"goalcast"
)

// How a body is stored: the column packing.
const (
	packedNot  = 0
	packedZstd = 1
)

// minPack is the size below which compression saves less than a page of the database; maxUnpacked
// bounds how much memory a damaged row can take.
const (
	minPack     = 512
	maxUnpacked = 256 << 20
)

// compressor compresses bodies. It may be used by many goroutines.
//
// Bodies are compressed before they are stored, on the goal's way, at zstd's fastest level.
// Measured on two busy cores with every commit flushed: 90 kB take 0.18 ms to compress and become a
// fifth or less; stored compressed they take 1.0 ms, raw 0.8 to 1.0; 900 kB take 4.7 to 5.0 ms
// compressed, 4.3 to 5.3 raw: what compression costs, writing less saves (BenchmarkKeepDocument,
// BenchmarkKeepRaw, BenchmarkCompress). Storing raw first and compressing later in a job would
// write everything twice.
type compressor struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newCompressor() (*compressor, error) {
	// Encoder and Decoder keep their states for reuse, one per processor; neither has goroutines as
	// long as only EncodeAll and DecodeAll are used.
	// the document has its own SHA-256
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &compressor{in, out}, nil
}

// compress never returns nil, and the body itself where compression does not make it smaller.
func (p *compressor) compress(body []byte) (packing int, packed []byte) {
	if len(body) < minPack {
		return packedNot, notNil(body)
	}
	packed = p.in.EncodeAll(body, make([]byte, 0, len(body)/4))
	if len(packed) >= len(body) {
		return packedNot, body
	}
	return packedZstd, packed
}

func (p *compressor) decompress(packing int, packed []byte, size int) ([]byte, error) {
	switch packing {
	case packedNot:
		return packed, nil
	case packedZstd:
		body, err := p.out.DecodeAll(packed, make([]byte, 0, min(size, maxUnpacked)))
		if err != nil {
			return nil, fmt.Errorf("unpack: %w: %w", goalcast.ErrPermanent, err)
		}
		return body, nil
	}
	return nil, fmt.Errorf("unpack: %w: packing %d of a newer version", goalcast.ErrPermanent, packing)
}

// Partitions of document_bodies, on PostgreSQL only. A day is UTC, counted from 1970.

const (
	dayMillis = int64(24 * time.Hour / time.Millisecond)
	// partitionsAhead is how many days have their partition before they begin, so that no document
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

func partitionName(day int64) string {
	return "document_bodies_" + time.UnixMilli(day*dayMillis).UTC().Format("20060102")
}

// noPartition reports whether a row found no partition to go to.
func noPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.ConstraintName == ""
}

// makePartition makes a day's partition if there is none, as a table that is attached: unlike
// CREATE TABLE ... PARTITION OF, that waits for no reader or writer of the other days.
func (s *Store) makePartition(ctx context.Context, day int64) error {
	name := partitionName(day)
	return s.tx(ctx, "make partition "+name, func(tx *tx) error {
		if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, partitionLock); err != nil {
			return err
		}
		var there bool
		err := tx.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_inherits
			WHERE inhparent = 'document_bodies'::regclass AND inhrelid = to_regclass($1))`, name).Scan(&there)
		if err != nil || there {
			return err
		}
		for _, statement := range []string{
			fmt.Sprintf(`CREATE TABLE %s (LIKE document_bodies INCLUDING ALL, CHECK (received >= %d
				AND received < %d))`, name, day*dayMillis, (day+1)*dayMillis),
			fmt.Sprintf(`ALTER TABLE document_bodies ATTACH PARTITION %s FOR VALUES
				FROM (%d) TO (%d)`, name, day*dayMillis, (day+1)*dayMillis),
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
		if err := s.makePartition(ctx, day); err != nil {
			return err
		}
	}
	return nil
}

// partitions lists the days that have a partition.
func (s *Store) partitions(ctx context.Context) ([]int64, error) {
	rows, err := s.query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'document_bodies'::regclass ORDER BY c.relname`)
	days, err := collect(rows, err, func(row scanner) (int64, error) {
		var name string
		if err := row.Scan(&name); err != nil {
			return 0, err
		}
		t, err := time.Parse("document_bodies_20060102", name)
		return dayOf(t.UnixMilli()), err
	})
	return days, s.wrap("partitions", err)
}

// dropPartition drops a day's partition. It gives up soon when it is being read: the next run finds
// it again.
func (s *Store) dropPartition(ctx context.Context, day int64) (dropped bool, err error) {
	name := partitionName(day)
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
