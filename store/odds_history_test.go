package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
)

// shownAt is a price of 1x2, home, that was published then, ms after the hour;
// gone without a price.
func shownAt(ms int64, price int32) goalcast.OddsShown {
	row := goalcast.OddsShown{Match: 7, Market: "1x2", At: hour + ms, Source: "exchange", Provider: hour + ms - 80,
		Received: hour + ms - 30}
	if price > 0 {
		row.Status = "open"
		row.Selections = []goalcast.ShownSelection{{Key: "away"}, {Key: "home", Price: price, Text: "2.3599"}}
	}
	return row
}

func gateAt(ms int64, state goalcast.GateState, reason goalcast.GateReason) goalcast.OddsShown {
	return goalcast.OddsShown{Match: 7, Market: goalcast.GateKey, At: hour + ms,
		Gate: &goalcast.Gate{State: state, Reason: reason, Since: hour + ms}}
}

const hour = 1_790_000_000_000

func newHistory(t *testing.T, s *Store) *OddsHistory {
	return NewOddsHistory(s, quiet(), prometheus.NewRegistry())
}

func TestWhatWasShownThen(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		h := newHistory(t, s)
		rows := []goalcast.OddsShown{
			gateAt(1000, goalcast.GateOpen, ""), shownAt(1000, 2350), shownAt(2000, 2400), shownAt(2500, 0),
			shownAt(2700, 2450),
			gateAt(3000, goalcast.GateSuspended, goalcast.GateGoal),
			gateAt(5000, goalcast.GateOpen, ""), // without 1x2
			shownAt(6000, 1800),
		}
		h.Record(rows)
		must(t, h.flush(t.Context()))
		h.Record(rows) // the answer to a write was lost: it is written again
		must(t, h.flush(t.Context()))
		for _, tt := range []struct {
			ms   int64
			want string
		}{
			{999, " false 0"},
			{1000, "open true 2350"},
			{1999, "open true 2350"},
			{2000, "open true 2400"},
			{2500, "open false 0"},
			{2999, "open true 2450"},
			{3000, "suspended goal false 0"},
			{5000, "open false 0"},
			{86_400_000, "open true 1800"},
		} {
			a, err := s.OddsAt(t.Context(), 7, "1x2", "home", time.UnixMilli(hour+tt.ms))
			if a.Reason != "" {
				a.Gate += " " + goalcast.GateState(a.Reason)
			}
			if got := fmt.Sprint(a.Gate, " ", a.Shown, " ", a.Price); err != nil || got != tt.want {
				t.Errorf("after %d ms: %s, %v, want %s", tt.ms, got, err, tt.want)
			}
		}
		a, err := s.OddsAt(t.Context(), 7, "1x2", "home", time.UnixMilli(hour+1500))
		if err != nil || a.Text != "2.3599" || a.Source != "exchange" || a.Provider != hour+920 ||
			a.Received != hour+970 || a.Published != hour+1000 || a.Since != hour+1000 {
			t.Errorf("%+v, %v", a, err)
		}
		for what, ask := range map[string][2]string{"another selection": {"1x2", "draw"},
			"one that could not be bet on": {"1x2", "away"}, "another market": {"btts", "yes"}} {
			if a, err := s.OddsAt(t.Context(), 7, ask[0], ask[1], time.UnixMilli(hour+1500)); err != nil || a.Shown {
				t.Errorf("%s: %+v, %v", what, a, err)
			}
		}
		must(t, s.PruneOddsHistory(t.Context(), time.UnixMilli(hour).Add(keepHistory)))
		if a, err := s.OddsAt(t.Context(), 7, "1x2", "home", time.UnixMilli(hour+1500)); err != nil || !a.Shown {
			t.Errorf("what is not old enough was deleted: %+v, %v", a, err)
		}
		must(t, s.PruneOddsHistory(t.Context(), time.UnixMilli(hour).Add(keepHistory+48*time.Hour)))
		if a, err := s.OddsAt(t.Context(), 7, "1x2", "home", time.UnixMilli(hour+1500)); err != nil || a.Gate != "" {
			t.Errorf("what is old was kept: %+v, %v", a, err)
		}
	})
}

// A database that is away loses nothing, up to the limit; then the oldest rows go, and are counted.
func TestHistoryWaitsForTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		h := newHistory(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h.Record([]goalcast.OddsShown{gateAt(0, goalcast.GateOpen, "")})
		if err := h.flush(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		many := make([]goalcast.OddsShown, historyLimit)
		for i := range many {
			many[i] = shownAt(int64(i), 2000)
		}
		h.Record(many)
		if got := testutil.ToFloat64(h.dropped); got != 1 {
			t.Errorf("%v rows dropped, want the oldest", got)
		}
		h.mu.Lock()
		h.rows = h.rows[:2*historyChunk+1]
		h.mu.Unlock()
		must(t, h.flush(t.Context()))
		var rows int
		must(t, s.queryRow(t.Context(), `SELECT COUNT(*) FROM odds_history`).Scan(&rows))
		if rows != 2*historyChunk+1 {
			t.Errorf("%d rows", rows)
		}
	})
}

// A row that the database refuses for good holds up no other.
func TestARefusedRowIsLostAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		h := newHistory(t, s)
		h.log = quiet()
		rows := []goalcast.OddsShown{shownAt(0, 2000), shownAt(1, 2000), shownAt(2, 2000), shownAt(3, 2000)}
		rows[2].Source = "feed\x00" // PostgreSQL's text knows no such byte, SQLite's does
		h.Record(rows)
		must(t, h.flush(t.Context()))
		want := map[string]int{"postgres": 3, "sqlite": 4}[s.dialect.name]
		var count int
		must(t, s.queryRow(t.Context(), `SELECT COUNT(*) FROM odds_history`).Scan(&count))
		if count != want || testutil.ToFloat64(h.dropped) != float64(4-want) ||
			testutil.ToFloat64(h.written) != float64(want) {
			t.Errorf("%d rows, %v dropped, %v written", count, testutil.ToFloat64(h.dropped),
				testutil.ToFloat64(h.written))
		}
	})
}

// Old rows go a few at a time.
func TestHistoryIsPrunedInPieces(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		rows := make([]goalcast.OddsShown, historyPrune+10)
		for i := range rows {
			rows[i] = shownAt(int64(i), 2000)
		}
		must(t, s.saveShown(t.Context(), rows))
		end := time.UnixMilli(rows[len(rows)-1].At)
		must(t, s.PruneOddsHistory(t.Context(), end.Add(keepHistory+48*time.Hour)))
		var count int
		must(t, s.queryRow(t.Context(), `SELECT COUNT(*) FROM odds_history`).Scan(&count))
		if count != 0 {
			t.Errorf("%d rows are left", count)
		}
	})
}

// What was recorded two seconds ago is there after a crash: Run is not told to end.
func TestHistoryIsWrittenBehind(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		h := newHistory(t, s)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		count := func() (rows int) {
			must(t, s.queryRow(t.Context(), `SELECT COUNT(*) FROM odds_history`).Scan(&rows))
			return rows
		}
		h.Record([]goalcast.OddsShown{shownAt(0, 2000)})
		for deadline := time.Now().Add(patience); count() == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is written")
			}
		}
		h.Record([]goalcast.OddsShown{shownAt(1, 2100)})
		stop()
		must(t, <-done)
		if got := count(); got != 2 {
			t.Errorf("%d rows after the end, want 2", got)
		}
	})
}

func BenchmarkOddsHistory(b *testing.B) {
	onDurable(b, func(b *testing.B, s *Store) {
		h := NewOddsHistory(s, quiet(), prometheus.NewRegistry())
		rows := make([]goalcast.OddsShown, historyBatch)
		var at int64
		for b.Loop() {
			for i := range rows {
				at++
				rows[i] = shownAt(at, 2000)
			}
			h.Record(rows)
			if err := h.flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
	})
}
