package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"goalcast"
)

// numberAll gives all events numbers, and lists what partners can be told.
func numberAll(t *testing.T, s *Store) []goalcast.PartnerEvent {
	t.Helper()
	for {
		n, err := s.NumberEvents(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if n < 10 {
			break
		}
	}
	list, err := s.PartnerEvents(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func partnerOf(t *testing.T, s *Store, name string) goalcast.PartnerState {
	t.Helper()
	list, err := s.Partners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no partner %s among %+v", name, list)
	return goalcast.PartnerState{}
}

// However many commit at once, every event gets one number: of a match in its order, and without a
// hole.
func TestNumbersOfEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const matches, rounds = 4, 6
		done := make(chan struct{})
		var writers, numbering sync.WaitGroup
		for match := range goalcast.MatchID(matches) {
			writers.Go(func() {
				for range rounds {
					score(t, s, match+1, 2)
				}
			})
		}
		numbering.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				if _, err := s.NumberEvents(context.WithoutCancel(t.Context()), 3); err != nil &&
					!errors.Is(err, goalcast.ErrUnavailable) && !s.dialect.retry(err) {
					t.Error(err)
				}
			}
		})
		writers.Wait()
		close(done)
		numbering.Wait()
		list := numberAll(t, s)
		if len(list) != matches*(2*rounds+1) {
			t.Errorf("%d events", len(list))
		}
		seqs := map[goalcast.MatchID]int64{}
		for i, e := range list {
			seqs[e.Event.Match]++
			if e.Number != int64(i)+1 || e.Event.Seq != seqs[e.Event.Match] || e.Broken != nil || e.At.IsZero() ||
				e.Silent {
				t.Fatalf("event %d of all: %+v", i, e)
			}
		}
	})
}

// A transaction that began earlier than another and ends later is not passed over.
func TestALateCommitGetsALaterNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if s.dialect.name != "postgres" {
			return // one writes at a time
		}
		written, commit, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- s.tx(context.WithoutCancel(t.Context()), "late", func(tx *tx) error {
				err := tx.saveEvents(t.Context(), []goalcast.Event{matchEvent(1, 1, goalcast.KindFixture)}, s.Now())
				close(written)
				<-commit
				return err
			})
		}()
		<-written
		score(t, s, 2, 1)
		before := numberAll(t, s)
		close(commit)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		after := numberAll(t, s)
		if len(before) != 2 || len(after) != 3 || after[2].Event.Match != 1 || after[2].Number != 3 {
			t.Errorf("%+v, then %+v", before, after)
		}
	})
}

// What cannot be read has its number all the same, and says so.
func TestAnUnreadableEventForPartners(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		score(t, s, 1, 3)
		for _, query := range []string{`UPDATE events SET body = '{' WHERE match_id = 1 AND seq = 2`,
			`DELETE FROM events WHERE match_id = 1 AND seq = 3`} {
			if _, err := s.exec(ctx, query); err != nil {
				t.Fatal(err)
			}
		}
		var broken []bool
		for _, e := range numberAll(t, s) {
			broken = append(broken, e.Broken != nil)
		}
		if !slices.Equal(broken, []bool{false, true, true, false}) {
			t.Errorf("broken %v", broken)
		}
	})
}

// Only whoever knows where a partner stands moves it on; an operator always does.
func TestPartnersStand(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		score(t, s, 1, 4)
		numberAll(t, s)
		if err := s.ConfigurePartners(ctx, []string{"house", "gate"}); err != nil {
			t.Fatal(err)
		}
		was := partnerOf(t, s, "house")
		if was.Cursor != 5 || was.Newest != 5 || was.Lag(s.Now()) != 0 || was.Configured.IsZero() || was.Sets != 0 {
			t.Errorf("a new one: %+v", was)
		}
		score(t, s, 2, 1)
		if p := partnerOf(t, s, "house"); p.Oldest.IsZero() || p.Newest != 5 {
			t.Errorf("with events that have no number: %+v", p)
		}
		numberAll(t, s)
		now := time.UnixMilli(s.Now().UnixMilli()).UTC()
		next := was
		next.Failing, next.Attempts, next.Retry, next.Reason, next.Error = now, 2, now.Add(time.Minute), "busy", "b\x00"
		save := func(before, after goalcast.PartnerState, want bool) {
			t.Helper()
			if kept, err := s.SavePartner(ctx, before, after); err != nil || kept != want {
				t.Errorf("kept %v, %v", kept, err)
			}
		}
		save(was, next, true)
		if p := partnerOf(t, s, "house"); !p.Failing.Equal(now) || p.Attempts != 2 ||
			!p.Retry.Equal(now.Add(time.Minute)) || p.Reason != "busy" || p.Newest != 7 || p.Oldest.IsZero() {
			t.Errorf("%+v", p)
		}
		took := was
		took.Cursor, took.Taken = 6, now
		save(was, took, true)
		save(was, took, false) // another process was there
		if p := partnerOf(t, s, "house"); p.Cursor != 6 || !p.Taken.Equal(now) || !p.Failing.IsZero() {
			t.Errorf("%+v", p)
		}
		paused := took
		paused.Paused = now
		save(took, paused, true)
		save(took, took, false) // nobody goes on but an operator
		before, after, err := s.ReplayPartner(ctx, "house", 3, time.Time{})
		if err != nil || before.Cursor != 6 || before.Paused.IsZero() || after.Cursor != 3 || after.Sets != 1 ||
			!after.Paused.IsZero() || after.Error != "" {
			t.Errorf("%+v, %+v, %v", before, after, err)
		}
		stale := took
		stale.Cursor = 3
		save(stale, took, false) // that it stood there once means nothing
		for _, tt := range []struct {
			cursor int64
			since  time.Time
			want   int64
		}{{0, time.Time{}, 0}, {7, time.Time{}, 7}, {0, now.Add(-time.Hour), 0}, {0, s.Now().Add(time.Hour), 7}} {
			_, after, err := s.ReplayPartner(ctx, "house", tt.cursor, tt.since)
			if err != nil || after.Cursor != tt.want {
				t.Errorf("%d, %v: %+v, %v", tt.cursor, tt.since, after, err)
			}
		}
		var reach *goalcast.ReachError
		if _, _, err := s.ReplayPartner(ctx, "house", 8, time.Time{}); !errors.As(err, &reach) ||
			*reach != (goalcast.ReachError{First: 0, Last: 7}) {
			t.Errorf("%v", err)
		}
		if _, _, err := s.ReplayPartner(ctx, "nobody", 1, time.Time{}); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if numbers, partners, err := s.PrunePartners(ctx, s.Now().Add(time.Hour)); numbers != 6 || partners != 2 ||
			err != nil {
			t.Errorf("pruned %d and %d, %v", numbers, partners, err)
		}
	})
}

// Where there are partners, the outbox keeps what has no number.
func TestOutboxWaitsForPartners(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		made := score(t, s, 5, 2)
		if err := s.markPublished(ctx, made, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := s.ConfigurePartners(ctx, []string{"house"}); err != nil {
			t.Fatal(err)
		}
		soon := time.Now().Add(time.Minute)
		if n, err := s.PruneOutbox(ctx, soon); err != nil || n != 0 {
			t.Errorf("pruned %d rows without a number, %v", n, err)
		}
		if list := numberAll(t, s); len(list) != 3 {
			t.Errorf("%+v", list)
		}
		if n, err := s.PruneOutbox(ctx, soon); err != nil || n != 3 {
			t.Errorf("pruned %d rows, %v; want 3", n, err)
		}
		made = score(t, s, 5, 1)
		if err := s.markPublished(ctx, made, time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.PruneOutbox(ctx, soon.Add(KeepPartnerEvents)); err != nil || n != 1 {
			t.Errorf("pruned %d rows that nobody numbers, %v; want 1", n, err)
		}
	})
}
