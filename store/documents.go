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

// maxDocuments is how many documents one call lists at most, and defaultDocuments how many where the caller does not say.
const (
	maxDocuments     = 1000
	defaultDocuments = 100
)

// KeepDocument commits what a provider sent, and sets ID, State (received) and, if it is zero, Digest. Once it returned nil the document
// survives a crash. ErrUnavailable: it may or may not be kept, and the provider has to repeat it.
func (s *Store) KeepDocument(ctx context.Context, d *goalcast.Document) error {
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return fmt.Errorf("keep document: headers: %w", err)
	}
	if d.Digest == [32]byte{} {
		d.Digest = sha256.Sum256(d.Body)
	}
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	// Not through tx: one statement is a transaction by itself, and one way to the server instead of three.
	row := s.write.QueryRowContext(ctx, s.dialect.sql(`INSERT INTO documents (provider, feed, match_id, headers, body, digest, received, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`),
		clean(d.Provider), clean(d.Feed), d.Match, string(headers), body, d.Digest[:], toMillis(d.Received), goalcast.DocumentReceived)
	var id int64
	if err := row.Scan(&id); err != nil {
		return s.wrap("keep document", err)
	}
	d.ID, d.State = goalcast.DocumentID(id), goalcast.DocumentReceived
	return nil
}

const documentColumns = `id, provider, feed, match_id, headers, digest, received, state, error, attempts`

// Document returns a document with its body; ErrNotFound.
func (s *Store) Document(ctx context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	var body []byte
	d, err := scanDocument(s.queryRow(ctx, `SELECT `+documentColumns+`, body FROM documents WHERE id = $1`, id), &body)
	d.Body = body
	return d, s.wrap(fmt.Sprintf("document %d", id), err)
}

func scanDocument(row interface{ Scan(...any) error }, more ...any) (goalcast.Document, error) {
	var d goalcast.Document
	var headers string
	var digest []byte
	var received int64
	err := row.Scan(append([]any{&d.ID, &d.Provider, &d.Feed, &d.Match, &headers, &digest, &received, &d.State, &d.Error, &d.Attempts}, more...)...)
	if err != nil {
		return goalcast.Document{}, err
	}
	copy(d.Digest[:], digest)
	d.Received = fromMillis(received)
	if err := json.Unmarshal([]byte(headers), &d.Headers); err != nil {
		return d, fmt.Errorf("headers: %w", err)
	}
	return d, nil
}

// FinishDocument says what became of a document and counts an attempt; errText is kept for DocumentFailed. ErrNotFound.
func (s *Store) FinishDocument(ctx context.Context, id goalcast.DocumentID, state goalcast.DocumentState, errText string) error {
	doing := fmt.Sprintf("finish document %d", id)
	result, err := s.write.ExecContext(ctx, s.dialect.sql(`UPDATE documents SET state = $2, error = $3, attempts = attempts + 1 WHERE id = $1`),
		id, state, clean(errText))
	if err != nil {
		return s.wrap(doing, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: %w", doing, goalcast.ErrNotFound)
	}
	return nil
}

// UnfinishedDocuments lists documents received before a time and not yet finished, oldest first: what a crash left behind.
func (s *Store) UnfinishedDocuments(ctx context.Context, olderThan time.Time, limit int) ([]goalcast.DocumentID, error) {
	rows, err := s.query(ctx, `SELECT id FROM documents WHERE state = 'received' AND received < $1 ORDER BY id LIMIT $2`,
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
	list, err := collect(rows, err, func(row scanner) (goalcast.Document, error) { return scanDocument(row) })
	return list, s.wrap("list documents", err)
}

// ResetDocuments marks documents as received again, so that they are worked on anew (a replay after a fix), and returns their numbers,
// newest first. Without a State in the filter it takes the failed ones. Attempts go on counting.
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
		_, err = tx.exec(ctx, `UPDATE documents SET state = 'received', error = '' WHERE id IN `+valuesList(1, len(ids), 1), args...)
		return err
	})
	return ids, err
}

// clean makes text fit for PostgreSQL, which refuses a zero byte and broken UTF-8.
func clean(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}
