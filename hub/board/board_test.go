package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testTime = time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)

// books is a database in memory whose answers can be held up.
type books struct {
	mu    sync.Mutex
	snaps map[goalcast.MatchID]goalcast.Snapshot
	reads int
	asked goalcast.MatchFilter // last
	err   error
	hold  chan struct{}
}

func (b *books) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	b.mu.Lock()
	b.reads++
	s, ok := b.snaps[id]
	hold, err := b.hold, b.err
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return goalcast.Snapshot{}, ctx.Err()
		}
	}
	if err != nil {
		return goalcast.Snapshot{}, err
	}
	if !ok {
		return goalcast.Snapshot{}, goalcast.ErrNotFound
	}
	return s, nil
}

func (b *books) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	b.mu.Lock()
	b.reads++
	b.asked = f
	var found []goalcast.Snapshot
	for _, s := range b.snaps {
		if !s.Kickoff.Before(f.From) && s.Kickoff.Before(f.To) && (f.Team == 0 || s.Home.ID == f.Team ||
			s.Away.ID == f.Team) {
			found = append(found, s)
		}
	}
	hold, err := b.hold, b.err
	b.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return found, err
}

func (b *books) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func testBoard(cfg Config) (*Board, *books) {
	src := &books{snaps: make(map[goalcast.MatchID]goalcast.Snapshot)}
	return New(src, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), cfg), src
}

func fixture(id goalcast.MatchID, kickoff time.Time, revision int) goalcast.Event {
	f := goalcast.Fixture{Kickoff: kickoff, Home: goalcast.Team{ID: 10}, Away: goalcast.Team{ID: goalcast.TeamID(id)}}
	return goalcast.Event{ID: fmt.Sprint("fixture:", id), Revision: revision, Seq: int64(revision),
		Status: goalcast.Confirmed,
		Kind:   goalcast.KindFixture, Match: id, Fixture: &f, Topics: f.Topics(id)}
}

func goal(id goalcast.MatchID, seq int64) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprint("goal:", id, seq), Revision: 1, Seq: seq, Status: goalcast.Confirmed,
		Kind: goalcast.KindGoal, Match: id,
		Team: 10, Period: goalcast.FirstHalf, Minute: int(seq), Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
		Topics: []goalcast.Topic{goalcast.ForMatch(id), goalcast.ForTeam(10)}}
}

// tell puts an event on the board only: the database has it or not.
func (b *Board) tell(offset uint64, e goalcast.Event) {
	b.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: offset}, Event: e})
}

func TestBoardReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		src.hold = make(chan struct{})
		var asking sync.WaitGroup
		for range 100 {
			asking.Go(func() {
				s, c, err := b.Match(context.Background(), 1)
				if err != nil || s.Score.Home != 2 || c.Offset != 8 {
					t.Errorf("%v %v %v", s.Score, c, err)
				}
			})
		}
		synctest.Wait() // all wait for one reading, which was made before these
		b.tell(7, goal(1, 2))
		b.tell(8, goal(1, 3))
		close(src.hold)
		asking.Wait()
		if src.reads != 1 {
			t.Errorf("%d readings", src.reads)
		}
	})
}

// TestBoardWaiterLeaves lets the one who asked first give up: the reading goes on for the others.
func TestBoardWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		src.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, _, err := b.Match(ctx, 1); !errors.Is(err, goalcast.ErrUnavailable) {
				t.Error(err)
			}
		})
		synctest.Wait()
		asking.Go(func() {
			if _, _, err := b.Match(context.Background(), 1); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(src.hold)
		asking.Wait()
	})
}

func TestBoardUnknownMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{Unknown: 10 * time.Second})
		for range 50 {
			if _, _, err := b.Match(context.Background(), 9); !errors.Is(err, goalcast.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if src.reads != 1 {
			t.Errorf("%d readings of a match that is not there", src.reads)
		}
		time.Sleep(11 * time.Second) // synctest's clock
		_, _, _ = b.Match(context.Background(), 9)
		if src.reads != 2 {
			t.Errorf("%d readings after a while", src.reads)
		}
		b.tell(1, fixture(9, time.Now(), 1)) // it appears
		if s, _, err := b.Match(context.Background(), 9); err != nil || s.Seq != 1 {
			t.Errorf("%+v %v", s, err)
		}
		if src.reads != 2 {
			t.Errorf("read although the events told all")
		}
	})
}

// TestBoardLearnsInTheMiddle hears the seventh event of a match that it thought unknown: it is
// read, not made up.
func TestBoardLearnsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		_, _, _ = b.Match(context.Background(), 9)
		src.set(func() {
			src.snaps[9] = goalcast.Apply(goalcast.Apply(goalcast.Snapshot{}, fixture(9, time.Now(), 1)), goal(9, 2))
		})
		b.tell(1, goal(9, 2))
		synctest.Wait()
		if s, _, err := b.Match(context.Background(), 9); err != nil || s.Seq != 2 || s.Home.ID != 10 {
			t.Errorf("%+v %v", s, err)
		}
	})
}

// TestBoardReset changes what the database says while a reading from before the reset is on its
// way: that one must not win.
func TestBoardReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		src.hold = make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			if s, _, err := b.Match(context.Background(), 1); err != nil || s.Score.Home != 1 {
				t.Errorf("%v %v", s.Score, err)
			}
		})
		synctest.Wait()
		src.set(func() { src.snaps[1] = goalcast.Apply(src.snaps[1], goal(1, 2)) })
		b.Reset(goalcast.Cursor{Epoch: "f"})
		close(src.hold)
		asking.Wait()
		if src.reads != 2 {
			t.Errorf("%d readings", src.reads)
		}
	})
}

func TestBoardErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{LoadTimeout: time.Second})
		src.err = goalcast.ErrUnavailable
		if _, _, err := b.Match(context.Background(), 1); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Error(err)
		}
		src.err = nil
		src.hold = make(chan struct{}) // for ever
		if _, _, err := b.Match(context.Background(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		src.hold = nil
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		if _, _, err := b.Match(context.Background(), 1); err != nil {
			t.Error("an error is remembered:", err)
		}
	})
}

func TestBoardIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{MaxMatches: 50, MaxLists: 3})
		for id := goalcast.MatchID(11); id < 16; id++ {
			src.snaps[id] = goalcast.Apply(goalcast.Snapshot{}, fixture(id, time.Now(), 1))
		}
		team := func(id goalcast.TeamID) []goalcast.Snapshot {
			now := time.Now()
			list, err := b.Matches(context.Background(), goalcast.MatchFilter{Team: id, From: now.Add(-time.Hour),
				To: now.Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if got := team(10); len(got) != 5 {
			t.Errorf("%d matches", len(got))
		}
		for id := range goalcast.MatchID(1000) {
			time.Sleep(time.Millisecond)
			_, _, _ = b.Match(context.Background(), 1000+id)
			if len(b.held.matches) > 50 {
				t.Fatalf("%d matches held", len(b.held.matches))
			}
		}
		reads := src.reads
		if got := team(10); len(got) != 5 || src.reads != reads {
			t.Errorf("%d matches of a list that is held, %d readings", len(got), src.reads-reads)
		}
		for id := goalcast.TeamID(20); id < 30; id++ {
			time.Sleep(time.Millisecond)
			team(id)
		}
		if len(b.held.lists) != 3 {
			t.Errorf("%d lists held", len(b.held.lists))
		}
		for id, m := range b.held.matches {
			for _, in := range m.in {
				if _, ok := b.held.lists[in].ids[id]; !ok {
					t.Errorf("match %d believes to be in a list that is gone", id)
				}
			}
		}
	})
}

// TestBoardLists follows fixtures that appear, move away and come back, also while the list is
// being read.
func TestBoardLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		ids := func() string {
			now := time.Now()
			list, err := b.Matches(context.Background(), goalcast.MatchFilter{Team: 10, From: now.Add(-time.Hour),
				To: now.Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, s := range list {
				text += fmt.Sprint(s.ID, " ")
			}
			return text
		}
		now := time.Now()
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, now, 1))
		src.hold = make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			if got := ids(); got != "2 1 " {
				t.Errorf("with a fixture that came during the reading: %s", got)
			}
		})
		synctest.Wait()
		b.tell(1, fixture(2, now.Add(-time.Minute), 1))
		close(src.hold)
		asking.Wait()
		b.tell(2, fixture(3, now.Add(time.Minute), 1))
		if got := ids(); got != "2 1 3 " {
			t.Errorf("with a new fixture: %s", got)
		}
		b.tell(3, fixture(3, now.Add(30*24*time.Hour), 2))
		if got := ids(); got != "2 1 " {
			t.Errorf("with a fixture postponed: %s", got)
		}
		b.tell(4, fixture(3, now.Add(-2*time.Minute), 3))
		if got := ids(); got != "3 2 1 " {
			t.Errorf("with a fixture that came back: %s", got)
		}
		if src.reads != 1 {
			t.Errorf("%d readings", src.reads)
		}
		// days that are not held come from the database
		if _, err := b.Matches(context.Background(), goalcast.MatchFilter{From: now.Add(-240 * time.Hour),
			To: now}); err != nil || src.reads != 2 {
			t.Errorf("%v, %d readings", err, src.reads)
		}
	})
}

// The canary match is served by its id, and is in no list of a day.
func TestCanaryMatchIsInNoList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := testBoard(Config{})
		now := time.Now()
		f := goalcast.MatchFilter{From: now.Add(-time.Hour), To: now.Add(time.Hour), Unplanned: true}
		if _, err := b.Matches(t.Context(), f); err != nil { // from now on the board holds the list
			t.Fatal(err)
		}
		e := goal(goalcast.CanaryMatch, 1)
		e.Times.Received = now.UnixMilli()
		b.tell(1, e)
		if list, err := b.Matches(t.Context(), f); err != nil || len(list) > 0 {
			t.Errorf("listed: %+v, %v", list, err)
		}
		if snaps, ok := b.Snaps(everything, 0); !ok || len(snaps) > 0 {
			t.Errorf("on the board's list: %+v, %v", snaps, ok)
		}
		if m, _, err := b.Match(t.Context(), goalcast.CanaryMatch); err != nil || len(m.Timeline) != 1 {
			t.Errorf("by its id: %+v, %v", m, err)
		}
	})
}
