package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// maxDocuments is how many documents one call lists at most, and defaultDocuments how many by
// default.
const (
	maxDocuments     = 1000
	defaultDocuments = 100
)

// KeepDocument commits what a provider sent, and sets ID, State (received), Size and, if it is
// zero, Digest. Once it returned nil the document survives a crash. ErrUnavailable: it may or may
// not be stored, and the provider has to repeat it.
//
// Bytes that the same provider sent before for the same feed and match are counted instead of
// stored again: ID, State, Error, Attempts and Repeats (above 0) are then those of the document
// that is there. State says whether it still has to be processed.
func (s *Store) KeepDocument(ctx context.Context, d *goalcast.Document) error {
	return s.kept(len(d.Body), s.keepDocument(ctx, d))
}

func (s *Store) keepDocument(ctx context.Context, d *goalcast.Document) error {
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return fmt.Errorf("keep document: headers: %w", err)
	}
	if d.Digest == [32]byte{} {
		d.Digest = sha256.Sum256(d.Body)
	}
	d.Size = len(d.Body)
	packing, body := s.compressor.compress(d.Body)
	known := []any{clean(d.Provider), clean(d.Feed), d.Match, string(headers), d.Size, d.Digest[:],
		toMillis(d.Received)}
	var row scanner
	if s.dialect.name == "postgres" {
		row, err = s.keepOnPostgres(ctx, known, packing, body)
	} else {
		row, err = s.keepOnSQLite(ctx, known, packing, body)
	}
	if err == nil {
		err = row.Scan(&d.ID, &d.State, &d.Error, &d.Attempts, &d.Repeats)
	}
	return s.wrap("keep document", err)
}

// insertDocument counts a document that is there, and inserts one that is not: then repeats is 0.
const insertDocument = `INSERT INTO documents (provider, feed, match_id, headers, size, digest, received, seen)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
	ON CONFLICT (digest, provider, feed, match_id) DO UPDATE SET repeats = documents.repeats + 1, seen = excluded.seen
	RETURNING id, state, error, attempts, repeats`

// keptRow is the row that insertDocument returns, read already.
type keptRow struct {
	id                int64
	state, text       string
	attempts, repeats int
}

func (k keptRow) Scan(to ...any) error {
	*to[0].(*goalcast.DocumentID), *to[1].(*goalcast.DocumentState), *to[2].(*string) = goalcast.DocumentID(k.id),
		goalcast.DocumentState(k.state), k.text
	*to[3].(*int), *to[4].(*int) = k.attempts, k.repeats
	return nil
}

func scanKept(row scanner) (k keptRow, err error) {
	return k, row.Scan(&k.id, &k.state, &k.text, &k.attempts, &k.repeats)
}

// keepOnPostgres needs one statement, which is a transaction by itself: one round trip instead of
// four. It makes the day's partition when that is missing.
func (s *Store) keepOnPostgres(ctx context.Context, known []any, packing int, body []byte) (scanner, error) {
	const query = `WITH d AS (` + insertDocument + `),
		b AS (INSERT INTO document_bodies (document, received, packing, body) SELECT id, $7, $8, $9 FROM d
		WHERE repeats = 0)
		SELECT id, state, error, attempts, repeats FROM d`
	args := append(known, packing, body)
	kept, err := scanKept(s.queryRow(ctx, query, args...))
	if noPartition(err) {
		if err := s.makePartition(ctx, bodiesTable, dayOf(known[6].(int64))); err != nil {
			return nil, err
		}
		kept, err = scanKept(s.queryRow(ctx, query, args...)) // the pool that reads is the one that writes
	}
	return kept, err
}

func (s *Store) keepOnSQLite(ctx context.Context, known []any, packing int, body []byte) (scanner, error) {
	var kept keptRow
	err := s.tx(ctx, "insert", func(tx *tx) (err error) {
		if kept, err = scanKept(tx.queryRow(ctx, insertDocument, known...)); err != nil || kept.repeats > 0 {
			return err
		}
		_, err = tx.exec(ctx, `INSERT INTO document_bodies (document, received, packing, body)
			VALUES ($1, $2, $3, $4)`, kept.id, known[6], packing, body)
		return err
	})
	return kept, err
}

const documentColumns = `id, provider, feed, match_id, headers, size, digest, received, repeats, seen, state, error,
	attempts`

// Document returns a document with its body; ErrNotFound.
func (s *Store) Document(ctx context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	doing := fmt.Sprintf("document %d", id)
	d, err := scanDocument(s.queryRow(ctx, `SELECT `+documentColumns+` FROM documents WHERE id = $1`, id))
	if err != nil {
		return d, s.wrap(doing, err)
	}
	// A second query instead of a join: with the time as a plain value PostgreSQL looks into one
	// partition and not into hundreds.
	var packing int
	var body []byte
	err = s.queryRow(ctx, `SELECT packing, body FROM document_bodies WHERE received = $1
		AND document = $2`, toMillis(d.Received), id).Scan(&packing, &body)
	if err != nil {
		return d, s.wrap(doing+": body", err)
	}
	d.Body, err = s.compressor.decompress(packing, body, d.Size)
	return d, s.wrap(doing, err)
}

func scanDocument(row scanner) (goalcast.Document, error) {
	var d goalcast.Document
	var headers string
	var digest []byte
	var received, seen int64
	err := row.Scan(&d.ID, &d.Provider, &d.Feed, &d.Match, &headers, &d.Size, &digest, &received, &d.Repeats, &seen,
		&d.State, &d.Error, &d.Attempts)
	if err != nil {
		return goalcast.Document{}, err
	}
	copy(d.Digest[:], digest)
	d.Received, d.Seen = fromMillis(received), fromMillis(seen)
	if err := json.Unmarshal([]byte(headers), &d.Headers); err != nil {
		return d, &unreadable{fmt.Sprintf("document %d", d.ID), fmt.Errorf("headers: %w", err)}
	}
	return d, nil
}

// FinishDocument sets a document's state and counts an attempt; errText is stored for
// DocumentFailed. ErrNotFound.
func (s *Store) FinishDocument(
	ctx context.Context, id goalcast.DocumentID, state goalcast.DocumentState, errText string,
) error {
	doing := fmt.Sprintf("finish document %d", id)
	result, err := s.exec(ctx, `UPDATE documents SET state = $2, error = $3, attempts = attempts + 1 WHERE id = $1`,
		id, state, clean(errText))
	if err != nil {
		return s.wrap(doing, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: %w", doing, goalcast.ErrNotFound)
	}
	return nil
}

// UnfinishedDocuments lists documents received before a time (by Now) and not yet finished, oldest
// first: what a crash left behind.
func (s *Store) UnfinishedDocuments(
	ctx context.Context, olderThan time.Time, limit int,
) ([]goalcast.DocumentID, error) {
	rows, err := s.query(ctx, `SELECT id FROM documents WHERE state = 'received'
		AND `+s.past("received", "<", 1)+` ORDER BY id LIMIT $2`,
		olderThan.UnixMilli(), limit)
	ids, err := collect(rows, err, scanDocumentID)
	return ids, s.wrap("unfinished documents", err)
}

func scanDocumentID(row scanner) (id goalcast.DocumentID, err error) { return id, row.Scan(&id) }

func documentsWhere(f goalcast.DocumentFilter) (string, []any) {
	w := where{}
	w.when(f.Provider != "", "provider = ", f.Provider)
	w.when(f.Feed != "", "feed = ", f.Feed)
	w.when(f.Match != 0, "match_id = ", f.Match)
	w.when(f.Lists, "match_id = ", 0)
	w.when(f.State != "", "state = ", f.State)
	w.when(!f.From.IsZero(), "received >= ", toMillis(f.From))
	w.when(!f.To.IsZero(), "received < ", toMillis(f.To))
	w.when(f.Before != 0, "id < ", f.Before)
	limit := f.Limit
	if limit <= 0 {
		limit = defaultDocuments
	}
	w.args = append(w.args, min(limit, maxDocuments))
	return w.String() + " ORDER BY id DESC LIMIT $" + strconv.Itoa(len(w.args)), w.args
}

// Documents lists documents without their bodies, newest first.
func (s *Store) Documents(ctx context.Context, f goalcast.DocumentFilter) ([]goalcast.Document, error) {
	chosen, args := documentsWhere(f)
	rows, err := s.query(ctx, `SELECT `+documentColumns+` FROM documents`+chosen, args...)
	list, err := collectReadable(s, rows, err, scanDocument)
	return list, s.wrap("list documents", err)
}

// ResetDocuments marks documents as received again, so that they are processed again (a replay
// after a fix), and returns their numbers, newest first. Without a State in the filter it takes the
// failed ones. Attempts go on counting.
func (s *Store) ResetDocuments(ctx context.Context, f goalcast.DocumentFilter) ([]goalcast.DocumentID, error) {
	if f.State == "" {
		f.State = goalcast.DocumentFailed
	}
	var ids []goalcast.DocumentID
	err := s.tx(ctx, "reset documents", func(tx *tx) error {
		chosen, args := documentsWhere(f)
		rows, err := tx.query(ctx, `SELECT id FROM documents`+chosen+s.dialect.forUpdate, args...)
		if ids, err = collect(rows, err, scanDocumentID); err != nil || len(ids) == 0 {
			return err
		}
		args = args[:0]
		for _, id := range ids {
			args = append(args, id)
		}
		_, err = tx.exec(ctx, `UPDATE documents SET state = 'received', error = ''
			WHERE id IN `+valuesList(1, len(ids), 1), args...)
		return err
	})
	return ids, err
}

// clean makes text fit for PostgreSQL, which refuses a zero byte and broken UTF-8.
func clean(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}
