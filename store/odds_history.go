package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// How the history of prices is written: behind their publication, so that a crash loses at most
// what came in the last historyEvery and during one write.
const (
	historyLimit = 200_000             // rows that wait; of more the oldest are dropped
	historyEvery = time.Second         // between two writes
	historyBatch = 20_000              // rows of one write; as many waiting begin one at once
	historyPause = 10 * time.Second    // the longest after a failed write; it doubles up to that
	historyTime  = 10 * time.Second    // of one write
	historyEnd   = 5 * time.Second     // for what waits when the process ends
	keepHistory  = 90 * 24 * time.Hour // disputes about bets come within weeks
	historyPrune = 5_000               // rows of one DELETE on SQLite
	historyChunk = 50                  // rows of one INSERT on SQLite: its driver takes 15 times as long with 3,000
)

// OddsHistory writes what was shown of prices. Record and Run may be called by
// different goroutines.
type OddsHistory struct {
	store *Store
	log   *slog.Logger
	full  chan struct{} // holds a token while a batch waits

	mu    sync.Mutex
	rows  []goalcast.OddsShown // that wait, the oldest first
	since time.Time            // when the oldest came

	written, dropped prometheus.Counter
}

// NewOddsHistory makes a history; it starts nothing.
func NewOddsHistory(s *Store, log *slog.Logger, reg prometheus.Registerer) *OddsHistory {
	f := promauto.With(reg)
	h := &OddsHistory{store: s, log: log, full: make(chan struct{}, 1),
		written: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_odds_history_written_total",
			Help: "Rows of the history of prices that were written."}),
		dropped: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_odds_history_dropped_total",
			Help: "Rows of the history of prices that were lost: too many waited for the database, or it refused " +
				"them."})}
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_odds_history_" + name, Help: help}, value)
	}
	gauge("waiting", "Rows of the history of prices that wait for the database.", func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(len(h.rows))
	})
	gauge("waiting_seconds", "How long the oldest of them has waited.", func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.rows) == 0 {
			return 0
		}
		return time.Since(h.since).Seconds()
	})
	return h
}

// Record has rows written soon. It does not block.
func (h *OddsHistory) Record(rows []goalcast.OddsShown) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.rows) == 0 {
		h.since = time.Now()
	}
	h.rows = append(h.rows, rows...)
	h.limitLocked()
	if len(h.rows) >= historyBatch {
		select {
		case h.full <- struct{}{}:
		default:
		}
	}
}

func (h *OddsHistory) limitLocked() {
	if over := len(h.rows) - historyLimit; over > 0 {
		h.dropped.Add(float64(over))
		h.rows = h.rows[over:]
	}
}

// Run writes until ctx ends, and then what waits, for a moment.
func (h *OddsHistory) Run(ctx context.Context) error {
	pause := historyEvery
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyEnd)
			defer cancel()
			if err := h.flush(ctx); err != nil {
				h.log.Error("history of prices: the end is lost", "error", err)
			}
			return nil
		case <-h.full:
		case <-time.After(historyEvery):
		}
		err := h.flush(ctx)
		if err == nil {
			pause = historyEvery
		} else if ctx.Err() == nil {
			pause = min(2*pause, historyPause)
			h.log.Warn("history of prices not written, will be tried again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// flush writes what waits now. What a write failed on waits on.
func (h *OddsHistory) flush(ctx context.Context) error {
	h.mu.Lock()
	batches := (len(h.rows) + historyBatch - 1) / historyBatch
	h.mu.Unlock()
	for range batches {
		h.mu.Lock()
		batch := slices.Clone(h.rows[:min(len(h.rows), historyBatch)])
		h.rows = h.rows[len(batch):]
		begun, oldest := time.Now(), h.since
		h.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, historyTime)
		refused, err := h.save(limited, batch)
		cancel()
		h.mu.Lock()
		if err != nil {
			h.rows = slices.Concat(batch, h.rows)
			h.since = oldest
			h.limitLocked()
			h.mu.Unlock()
			return err
		}
		h.since = begun
		h.mu.Unlock()
		h.written.Add(float64(len(batch) - refused))
	}
	return nil
}

// save writes rows. Those that the database refuses for good are lost, counted and said: else all
// later ones would wait behind them.
func (h *OddsHistory) save(ctx context.Context, rows []goalcast.OddsShown) (refused int, err error) {
	err = h.store.saveShown(ctx, rows)
	switch {
	case !errors.Is(err, goalcast.ErrPermanent):
		return 0, err
	case len(rows) == 1:
		h.dropped.Inc()
		h.log.Error("history of prices: a row is refused", "error", err, "match", rows[0].Match, "market",
			rows[0].Market)
		return 1, nil
	}
	first, err := h.save(ctx, rows[:len(rows)/2])
	if err != nil {
		return 0, err
	}
	second, err := h.save(ctx, rows[len(rows)/2:])
	return first + second, err
}

var historyColumns = []string{"match_id", "market", "at", "gate", "source", "status", "selections", "provider",
	"received"}

// shownRow is a row as the table has it.
func shownRow(r goalcast.OddsShown) ([]any, error) {
	var gate, selections string
	var err error
	if r.Gate != nil {
		gate = string(r.Gate.Encode())
	}
	if len(r.Selections) > 0 {
		if selections, err = jsonText(r.Selections); err != nil {
			return nil, err
		}
	}
	return []any{int64(r.Match), r.Market, r.At, gate, r.Source, r.Status, clean(selections), r.Provider, r.Received},
		nil
}

// saveShown writes rows; those that are there already change nothing.
func (s *Store) saveShown(ctx context.Context, rows []goalcast.OddsShown) error {
	values := make([][]any, len(rows))
	for i, r := range rows {
		var err error
		if values[i], err = shownRow(r); err != nil {
			return fmt.Errorf("history of prices: %w: %w", goalcast.ErrPermanent, err)
		}
	}
	if s.dialect.name != "postgres" {
		return s.tx(ctx, "history of prices", func(tx *tx) error { return tx.insertShown(ctx, values) })
	}
	copied := func() error { return s.again(ctx, func() error { return s.copyShown(ctx, values) }) }
	err := copied()
	if noPartition(err) {
		days := map[int64]bool{}
		for _, r := range rows {
			days[dayOf(r.At)] = true
		}
		for day := range days {
			if err := s.makePartition(ctx, historyTable, day); err != nil {
				return err
			}
		}
		err = copied()
	}
	return s.wrap("history of prices", err)
}

func (t *tx) insertShown(ctx context.Context, values [][]any) error {
	for chunk := range slices.Chunk(values, historyChunk) {
		if _, err := t.exec(ctx, `INSERT INTO odds_history (match_id, market, at, gate, source, status, selections,
			provider, received) VALUES `+valuesList(len(chunk), len(historyColumns), 1)+` ON CONFLICT DO NOTHING`,
			slices.Concat(chunk...)...); err != nil {
			return err
		}
	}
	return nil
}

// copyShown copies rows by PostgreSQL's COPY, which knows no conflicts: by way of a table that is
// gone with the transaction.
func (s *Store) copyShown(ctx context.Context, values [][]any) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		return pgx.BeginFunc(ctx, driver.(*stdlib.Conn).Conn(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `CREATE TEMP TABLE shown (LIKE odds_history) ON COMMIT DROP`); err != nil {
				return err
			}
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{"shown"}, historyColumns,
				pgx.CopyFromRows(values)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO odds_history SELECT * FROM shown ON CONFLICT DO NOTHING`)
			return err
		})
	})
}

// PruneOddsHistory deletes what was shown longer ago than it is kept.
func (s *Store) PruneOddsHistory(ctx context.Context, now time.Time) error {
	before := now.Add(-keepHistory).UnixMilli()
	if s.dialect.name != "postgres" {
		return s.wrap("prune history of prices", s.pruneShown(ctx, before))
	}
	days, err := s.partitions(ctx, historyTable)
	if err != nil {
		return err
	}
	for _, day := range days {
		if day >= dayOf(before) {
			continue
		}
		if _, err := s.dropPartition(ctx, historyTable, day); err != nil {
			return err
		}
	}
	return nil
}

// pruneShown deletes rows a few at a time: on SQLite everybody who writes waits for one DELETE.
func (s *Store) pruneShown(ctx context.Context, before int64) error {
	for {
		result, err := s.exec(ctx, `DELETE FROM odds_history WHERE rowid IN
			(SELECT rowid FROM odds_history WHERE at < $1 LIMIT $2)`, before, historyPrune)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n < historyPrune {
			return err
		}
	}
}

// OddsAt finds what was shown of a selection at a moment.
func (s *Store) OddsAt(ctx context.Context, match goalcast.MatchID, market, selection string, at time.Time) (
	goalcast.OddsAt, error) {
	answer := goalcast.OddsAt{Match: match, Market: market, Selection: selection, At: at.UnixMilli()}
	gate, since, err := s.shownBefore(ctx, match, goalcast.GateKey, 0, answer.At)
	if err != nil || gate.Gate == nil {
		return answer, err
	}
	answer.Gate, answer.Reason, answer.Since = gate.Gate.State, gate.Gate.Reason, gate.Gate.Since
	if answer.Gate != goalcast.GateOpen {
		return answer, nil
	}
	row, published, err := s.shownBefore(ctx, match, market, since, answer.At)
	if err != nil || row.Status == "" {
		return answer, err
	}
	answer.Source, answer.Status = row.Source, row.Status
	answer.Provider, answer.Received, answer.Published = row.Provider, row.Received, published
	for _, one := range row.Selections {
		if one.Key == selection {
			answer.Price, answer.Text, answer.Shown = one.Price, one.Text, one.Price > 0
		}
	}
	return answer, nil
}

// shownBefore is the newest row of a market between two moments, both included, and when that was;
// a zero one if there is none.
func (s *Store) shownBefore(ctx context.Context, match goalcast.MatchID, market string, from, to int64) (
	row goalcast.OddsShown, at int64, err error) {
	var gate, selections string
	err = s.queryRow(ctx, `SELECT at, gate, source, status, selections, provider, received FROM odds_history
		WHERE match_id = $1 AND market = $2 AND at >= $3 AND at <= $4 ORDER BY at DESC LIMIT 1`, match, market, from,
		to).Scan(&at, &gate, &row.Source, &row.Status, &selections, &row.Provider, &row.Received)
	if noRows(err) {
		return row, 0, nil
	}
	if err != nil {
		return row, 0, s.wrap(fmt.Sprintf("history of prices of match %d", match), err)
	}
	if gate != "" {
		g := goalcast.ReadGate(json.RawMessage(gate))
		row.Gate = &g
	}
	if selections != "" {
		err = json.Unmarshal([]byte(selections), &row.Selections)
	}
	return row, at, err
}
