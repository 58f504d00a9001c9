package store

import (
	"errors"
	"sync"
	"testing"
	"time"

	"goalcast"
)

func TestAlarms(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		silent := func(match goalcast.MatchID, text string) goalcast.Alarm {
			return goalcast.Alarm{Name: "feed_silent:" + string('0'+rune(match)), Kind: goalcast.AlarmSilent,
				Match: match, Text: text}
		}
		lag := goalcast.Alarm{Name: "queue_lag:urgent", Kind: goalcast.AlarmQueueLag, Text: "lag"}
		kinds := []goalcast.AlarmKind{goalcast.AlarmSilent, goalcast.AlarmQueueLag}
		at := func(minute int) time.Time { return kickoff.Add(time.Duration(minute) * time.Minute) }
		settle := func(minute int, kinds []goalcast.AlarmKind, opens, closes int, firing ...goalcast.Alarm) (opened,
			closed []goalcast.Alarm) {
			t.Helper()
			opened, closed, err := s.SettleAlarms(ctx, kinds, firing, at(minute))
			if err != nil || len(opened) != opens || len(closed) != closes {
				t.Fatalf("minute %d: opened %+v, closed %+v, %v", minute, opened, closed, err)
			}
			return opened, closed
		}
		opened, _ := settle(1, kinds, 2, 0, silent(1, "since 18:40"), lag)
		if a := opened[0]; a.ID == 0 || a.Match != 1 || !a.Opened.Equal(at(1)) || !a.Closed.IsZero() {
			t.Errorf("opened %+v", a)
		}
		settle(2, kinds, 1, 0, silent(1, "since 18:40, still\x00"), lag, silent(2, "x"))
		settle(3, kinds[1:], 0, 0, lag) // the matches could not be looked at: what is open stays
		_, closed := settle(4, kinds, 0, 2, silent(1, "since 18:40, still"))
		if !closed[0].Closed.Equal(at(4)) {
			t.Errorf("closed %+v", closed)
		}
		acked, first, err := s.AckAlarm(ctx, opened[0].ID, "operator", at(5))
		if err != nil || !first || acked.AckedBy != "operator" || !acked.Acked.Equal(at(5)) ||
			acked.Text != "since 18:40, still" {
			t.Errorf("acknowledged %+v, %v, %v", acked, first, err)
		}
		if again, first, err := s.AckAlarm(ctx, opened[0].ID, "another", at(6)); err != nil || first || again != acked {
			t.Errorf("acknowledged again %+v, %v, %v", again, first, err)
		}
		if _, _, err := s.AckAlarm(ctx, 999, "operator", at(6)); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("acknowledged 999: %v", err)
		}
		settle(7, kinds, 0, 0, silent(1, "since 18:40, still"))
		settle(8, kinds, 1, 0, silent(1, "since 18:40, still"), lag) // the same reason again is another alarm
		for _, tt := range []struct {
			filter goalcast.AlarmFilter
			want   int
		}{{goalcast.AlarmFilter{}, 4}, {goalcast.AlarmFilter{Open: true}, 2},
			{goalcast.AlarmFilter{Kind: goalcast.AlarmQueueLag}, 2},
			{goalcast.AlarmFilter{Match: 2}, 1}, {goalcast.AlarmFilter{Before: acked.ID}, int(acked.ID) - 1},
			{goalcast.AlarmFilter{Limit: 3}, 3}} {
			if list, err := s.Alarms(ctx, tt.filter); err != nil || len(list) != tt.want || len(list) > 1 &&
				list[0].ID < list[1].ID {
				t.Errorf("%+v: %+v, %v", tt.filter, list, err)
			}
		}
		if open, err := s.OpenAlarms(ctx); err != nil || open[goalcast.AlarmSilent] != 1 ||
			open[goalcast.AlarmQueueLag] != 1 {
			t.Errorf("open: %v, %v", open, err)
		}
		if err := s.PruneAlarms(ctx, at(5)); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Alarms(ctx, goalcast.AlarmFilter{}); err != nil || len(list) != 2 {
			t.Errorf("after pruning: %+v, %v", list, err)
		}
	})
}

func TestAlarmOpensOnceFromSeveralProcesses(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		n := 0
		for range 8 {
			wg.Go(func() {
				opened, _, err := s.SettleAlarms(t.Context(), []goalcast.AlarmKind{goalcast.AlarmSilent},
					[]goalcast.Alarm{{Name: "x", Kind: goalcast.AlarmSilent}}, kickoff)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				n += len(opened)
			})
		}
		wg.Wait()
		if n != 1 {
			t.Errorf("opened %d times", n)
		}
	})
}

func TestLastAndFailedDocuments(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		id := keep(t, s, goalcast.Document{Provider: "opta", Feed: "F9", Match: 1, Received: kickoff,
			Body: []byte("a")})
		keep(t, s, goalcast.Document{Provider: "opta", Feed: "F9", Match: 1, Received: kickoff.Add(time.Minute),
			Body: []byte("b")})
		keep(t, s, goalcast.Document{Provider: "opta", Feed: "F9", Match: 1, Received: kickoff.Add(time.Hour),
			Body: []byte("a")})
		got, err := s.LastDocuments(ctx, []goalcast.MatchID{1, 2})
		if err != nil || len(got) != 1 || !got[1].Equal(kickoff.Add(time.Hour)) {
			t.Errorf("last %v, %v", got, err)
		}
		if err := s.FinishDocument(ctx, id, goalcast.DocumentFailed, "why"); err != nil {
			t.Fatal(err)
		}
		want := goalcast.FailedFeed{Provider: "opta", Feed: "F9", Documents: 1, Newest: id}
		if got, err := s.FailedFeeds(ctx, kickoff); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("failed %v, %v", got, err)
		}
		if got, err := s.FailedFeeds(ctx, kickoff.Add(2*time.Hour)); err != nil || len(got) != 0 {
			t.Errorf("failed later %v, %v", got, err)
		}
	})
}
