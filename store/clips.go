package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// clipColumns are the fields of a clip's record that the store copies into columns. The rest of the
// record is its owner's business.
type clipColumns struct {
	Match    goalcast.MatchID `json:"match"`
	Event    string           `json:"event"`
	Version  int64            `json:"version"`
	Video    string           `json:"video"`
	Job      string           `json:"job"`
	State    string           `json:"state"`
	Attempts int              `json:"attempts"`
	Error    string           `json:"error"`
	Due      int64            `json:"due"` // ms since 1970 UTC
}

// UpdateClip changes the record of a clip under its lock. fn gets the current record, nil for a new
// clip, and returns the changed one: a JSON object in which the columns of the clips table (match,
// event, version, video, job, state, attempts, error, due) have those names. Nothing is written
// when fn returns an error, which is then returned unchanged, or the record that it got. fn may be
// called more than once, so it changes nothing outside, and it must not call the store: with SQLite
// the only connection is taken.
func (s *Store) UpdateClip(ctx context.Context, id string, fn func(record []byte) ([]byte, error)) error {
	var refused error
	err := s.tx(ctx, fmt.Sprintf("update clip %q", id), func(tx *tx) error {
		refused = nil
		old, err := tx.lockClip(ctx, id)
		if err != nil {
			return err
		}
		changed, err := fn(bytes.Clone(old))
		if err != nil {
			refused = err
			return errRollback
		}
		if bytes.Equal(old, changed) {
			return errRollback
		}
		return tx.saveClip(ctx, id, changed, s.Now())
	})
	return errors.Join(err, refused)
}

// lockClip reads a clip's record for an update. A new clip has none (nil), but a row to lock.
func (t *tx) lockClip(ctx context.Context, id string) ([]byte, error) {
	read := func() (record []byte, err error) {
		err = t.queryRow(ctx, `SELECT body FROM clips WHERE id = $1`+t.dialect.forUpdate, id).Scan(&record)
		if len(record) == 0 {
			record = nil
		}
		return record, err
	}
	record, err := read()
	if !errors.Is(err, sql.ErrNoRows) {
		return record, err
	}
	result, err := t.exec(ctx, `INSERT INTO clips (id) VALUES ($1) ON CONFLICT DO NOTHING`, id)
	if err != nil {
		return nil, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return nil, err
	}
	return read() // another transaction was first, and has ended since
}

func (t *tx) saveClip(ctx context.Context, id string, record []byte, now time.Time) error {
	var c clipColumns
	if err := json.Unmarshal(record, &c); err != nil {
		return fmt.Errorf("record of clip %q: %w: %w", id, goalcast.ErrPermanent, err)
	}
	_, err := t.exec(ctx, `UPDATE clips
		SET match_id = $2, event = $3, version = $4, video = $5, job = $6, state = $7, attempts = $8, error = $9,
		due = $10, updated = $11, body = $12 WHERE id = $1`,
		id, c.Match, clean(c.Event), c.Version, clean(c.Video), clean(c.Job), clean(c.State), c.Attempts,
		clean(c.Error), c.Due, toMillis(now), clean(string(record)))
	return err
}

// Clip returns the record of a clip; ErrNotFound.
func (s *Store) Clip(ctx context.Context, id string) ([]byte, error) {
	var record []byte
	err := s.queryRow(ctx, `SELECT body FROM clips WHERE id = $1`, id).Scan(&record)
	return record, s.wrap(fmt.Sprintf("clip %q", id), err)
}

// ClipOfVideo returns the id of the clip that is that video at the player; ErrNotFound.
func (s *Store) ClipOfVideo(ctx context.Context, video string) (id string, err error) {
	if video == "" {
		return "", fmt.Errorf("clip of no video: %w", goalcast.ErrNotFound)
	}
	err = s.queryRow(ctx, `SELECT id FROM clips WHERE video = $1 ORDER BY id LIMIT 1`, video).Scan(&id)
	return id, s.wrap(fmt.Sprintf("clip of video %q", video), err)
}

// DueClips lists the ids of clips that were due before a time, the longest due first.
func (s *Store) DueClips(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := s.query(ctx, `SELECT id FROM clips WHERE due > 0 AND due < $1 ORDER BY due, id
		LIMIT $2`, before.UnixMilli(), limit)
	ids, err := collect(rows, err, func(row scanner) (id string, err error) { return id, row.Scan(&id) })
	return ids, s.wrap("due clips", err)
}

// FailedClips lists the clips that were given up (state "failed") since a time, by id; at most 100.
func (s *Store) FailedClips(ctx context.Context, since time.Time) ([]goalcast.FailedClip, error) {
	rows, err := s.query(ctx, `SELECT id, match_id, error, body FROM clips WHERE state = 'failed' AND updated >= $1
		ORDER BY id LIMIT 100`, since.UnixMilli())
	list, err := collect(rows, err, func(row scanner) (clip goalcast.FailedClip, err error) {
		var record []byte
		if err := row.Scan(&clip.ID, &clip.Match, &clip.Error, &record); err != nil {
			return clip, err
		}
		var more struct{ Title string }
		_ = json.Unmarshal(record, &more) // saveClip saw to it that it is JSON; a title of another shape is none
		clip.Title = more.Title
		return clip, nil
	})
	return list, s.wrap("failed clips", err)
}

// ClipsOf lists the records of a match's clips by id; match 0 has those whose match is unknown. At
// most 1000.
func (s *Store) ClipsOf(ctx context.Context, match goalcast.MatchID) ([][]byte, error) {
	rows, err := s.query(ctx, `SELECT body FROM clips WHERE match_id = $1 ORDER BY id LIMIT $2`, match, maxMatches)
	list, err := collect(rows, err, func(row scanner) (record []byte, err error) { return record, row.Scan(&record) })
	return list, s.wrap(fmt.Sprintf("clips of match %d", match), err)
}
