package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus/bustest"
)

// sweeping runs relays, as so many processes would.
func (r *rig) sweeping(relays ...*Relay) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, relay := range relays {
		wg.Go(func() {
			if err := relay.Run(ctx); !errors.Is(err, context.Canceled) {
				r.t.Errorf("Run = %v", err)
			}
		})
	}
	r.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// unpublishedLeft waits until every row of the outbox is marked.
func unpublishedLeft(t testing.TB, s *Store) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		rows, err := s.unpublished(t.Context(), time.Now().Add(time.Minute), 10)
		if err == nil && len(rows) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still unpublished: %d rows, %v", len(rows), err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRelayPublishesAndMarks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		r := newRig(t, testservers.Redis(t))
		relay := r.relay(s)
		e := r.listen()
		before := time.Now().UnixMilli()
		made := score(t, s, 5, 150)
		if err := relay.Publish(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		if err := relay.Publish(t.Context(), made[:10]); err != nil {
			t.Errorf("published again: %v", err)
		}
		e.Until("all events", func() bool { return len(e.Events) == 151 })
		if got := e.Seqs(5); !slices.Equal(got, sequence(1, 151)) {
			t.Errorf("heard %v", got)
		}
		if p := e.Events[0].Times.Published; p < before || p > time.Now().UnixMilli() {
			t.Errorf("published at %d, want now", p)
		}
		if made[0].Times.Published != 0 {
			t.Error("the caller's event was changed")
		}
		unpublishedLeft(t, s)
	})
}

// Two processes commit in turn and publish in any order: the later one finds a hole and fills it
// from the outbox.
func TestRelaysRace(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		url := testservers.Redis(t)
		one, two := newRig(t, url), newRig(t, url)
		relays := []*Relay{one.relay(s), two.relay(s)}
		e := one.listen()
		first := score(t, s, 5, 1)
		second := score(t, s, 5, 1)
		if err := relays[1].Publish(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		e.Until("all in order", func() bool { return len(e.Events) == 3 })
		if err := relays[0].Publish(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		const writers, each = 4, 10
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					made := score(t, s, goalcast.MatchID(5+i%2), 1)
					if err := relays[w%2].Publish(t.Context(), made); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		e.Until("every event once", func() bool { return len(e.Events) == 3+writers*each+1 })
		if got, want := e.Seqs(5), sequence(1, 3+writers*each/2); !slices.Equal(got, want) {
			t.Errorf("match 5: %v, want %v", got, want)
		}
		if got, want := e.Seqs(6), sequence(1, 1+writers*each/2); !slices.Equal(got, want) {
			t.Errorf("match 6: %v, want %v", got, want)
		}
		unpublishedLeft(t, s)
	})
}

// A process dies between its commit and its publication, or Redis is away: the rows stay, and every
// process that sweeps finds them; each event goes out once.
func TestSweepFindsWhatACrashLeftBehind(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		url := testservers.Redis(t)
		one, two := newRig(t, url), newRig(t, url)
		e := one.listen()
		score(t, s, 5, 20)
		if _, err := s.SaveMessages(t.Context(), nil, message("message:1", `"x"`)); err != nil {
			t.Fatal(err)
		}
		a, b := one.relay(s), two.relay(s)
		one.sweeping(a, b)
		e.Until("all events", func() bool { return len(e.Events) == 22 })
		unpublishedLeft(t, s)
		if got := e.Seqs(5); !slices.Equal(got, sequence(1, 21)) || len(e.Events) != 22 {
			t.Errorf("heard %v", e.All)
		}
		// Counted once all is marked, each event by the one that was first.
		e.Until("22 swept", func() bool { return testutil.ToFloat64(a.swept)+testutil.ToFloat64(b.swept) == 22 })
	})
}

// Redis dies in mid-match and returns empty: what was committed meanwhile goes out at once, what
// was published before does not go out again, and the order holds though the bus has forgotten
// where the match was.
func TestRelayAfterAWipe(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL)
	relay := r.relay(s)
	r.sweeping(relay)
	e := r.listen()
	if err := relay.Publish(t.Context(), score(t, s, 5, 5)); err != nil {
		t.Fatal(err)
	}
	e.Until("the first half", func() bool { return len(e.Events) == 6 })
	server.Stop()
	for range 4 {
		if err := relay.Publish(t.Context(), score(t, s, 5, 1)); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("publish without Redis = %v, want ErrUnavailable", err)
		}
	}
	server.Start()
	back := time.Now()
	e.Until("what was missed", func() bool { return len(e.Resets) == 2 && len(e.Events) == 4 })
	t.Logf("%v after Redis was back", time.Since(back))
	if got := e.Seqs(5); !slices.Equal(got, sequence(7, 10)) {
		t.Errorf("heard %v, want 7 to 10", got)
	}
	unpublishedLeft(t, s)

	// Wiped without anybody noticing: the later of two events comes first, of a match that the bus
	// no longer knows.
	server.FlushAll()
	older, newer := score(t, s, 5, 1), score(t, s, 5, 1)
	if err := errors.Join(relay.Publish(t.Context(), newer), relay.Publish(t.Context(), older)); err != nil {
		t.Fatal(err)
	}
	e.Until("both", func() bool { return len(e.Resets) == 3 && len(e.Events) == 2 })
	if got := e.Seqs(5); !slices.Equal(got, sequence(11, 12)) {
		t.Errorf("heard %v, want 11 and 12", got)
	}
}

// The bus knows less than the outbox says (a failover): there is nothing to wait for.
func TestRelayBehindAHoleThatNobodyFills(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	r := newRig(t, testservers.Redis(t))
	relay := r.relay(s)
	e := r.listen()
	made := score(t, s, 5, 3)
	if err := r.bus.PublishAll(t.Context(), made[:1]); err != nil {
		t.Fatal(err)
	}
	if err := s.markPublished(t.Context(), made, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := relay.Publish(t.Context(), score(t, s, 5, 1)); err != nil {
		t.Fatal(err)
	}
	e.Until("the new event", func() bool { return len(e.Events) == 2 && e.Events[1].Seq == 5 })
}

func TestSweepPassesOverUnreadableRows(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	r := newRig(t, testservers.Redis(t))
	e := r.listen()
	score(t, s, 5, 1)
	score(t, s, 6, 1)
	if _, err := s.write.Exec(`UPDATE outbox SET body = 'broken', created = 0 WHERE match_id = 5
		AND seq = 2`); err != nil {
		t.Fatal(err)
	}
	relay := NewRelay(s, r.bus, quiet(), nil)
	r.sweeping(relay)
	e.Until("the readable ones", func() bool { return len(e.Events) == 3 })
	unpublishedLeft(t, s)
}

// PostgreSQL comes back without its last transactions, and the numbers of what it lost are given to
// other events: they are published, and as viewers were told of what is no more, they are reset.
// Once is enough, however many matches are concerned.
func TestDatabaseThatWentBack(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url)
		e := r.listen()
		before, after := openTest(t, "sqlite::memory:"), openTest(t, "sqlite::memory:")
		lost := func(match goalcast.MatchID, seq int64) goalcast.Event {
			ev := matchEvent(match, seq, goalcast.KindCard)
			ev.ID = fmt.Sprint("lost:", match, ":", seq)
			return ev
		}
		commit := func(s *Store, events ...goalcast.Event) {
			t.Helper()
			err := s.UpdateMatch(t.Context(), events[0].Match, func(m goalcast.MatchRecord) (goalcast.MatchRecord,
				[]goalcast.Event, error) {
				for _, ev := range events {
					m.Snapshot = goalcast.Apply(m.Snapshot, ev)
				}
				return m, events, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.relay(s).Publish(t.Context(), events); err != nil {
				t.Fatal(err)
			}
		}
		for match := goalcast.MatchID(7); match <= 8; match++ {
			commit(before, goals(match, 1, 2)...)
			commit(after, goals(match, 1, 2)...) // which the bus has
			commit(before, lost(match, 3), lost(match, 4), lost(match, 5))
		}
		e.Until("what will be lost", func() bool { return len(e.Events) == 10 })
		commit(after, goals(7, 3, 3)...)
		e.Until("a reset, and the event that has the number now", func() bool {
			return len(e.Resets) == 2 && e.Resets[1].Epoch != e.Resets[0].Epoch && len(e.Events) == 1 &&
				e.Events[0].Key() == goals(7, 3, 3)[0].Key()
		})
		commit(after, goals(8, 3, 3)...) // all were reset: the other match needs no other epoch
		commit(after, goals(7, 4, 6)...)
		e.Until("what comes then", func() bool { return len(e.Events) == 5 })
		if got := e.Seqs(7); !slices.Equal(got, sequence(3, 6)) || len(e.Resets) != 2 {
			t.Errorf("match 7: %v, resets %v", got, e.Resets)
		}
		unpublishedLeft(t, after)

		// The same goal under the same number, and another scorer by now.
		corrected := matchEvent(9, 1, goalcast.KindGoal)
		corrected.Player = &goalcast.Player{ID: 2}
		was := corrected
		was.Player = &goalcast.Player{ID: 1}
		commit(before, was)
		e.Until("the first scorer", func() bool { return len(e.Events) == 6 })
		commit(after, corrected)
		e.Until("a reset, and the scorer who stands", func() bool {
			return len(e.Resets) == 3 && len(e.Events) == 1 && e.Events[0].Player.ID == 2
		})
	})
}

// The same message is told once, as it was first said, also after the bus lost its memory; in a
// database that knows nothing of it, it is another one.
func TestMessageIsToldOnce(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL)
	e := r.listen()
	s := openTest(t, "sqlite::memory:")
	post := func(s *Store, text string) {
		t.Helper()
		ev := message("message:x", text)
		if told, err := r.relay(s).Post(t.Context(), nil, ev); err != nil || !told {
			t.Fatalf("told %t, %v", told, err)
		}
	}
	post(s, `"first words"`)
	e.Until("one", func() bool { return len(e.All) == 1 })
	server.FlushAll()
	e.Until("a reset", func() bool { return len(e.Resets) == 2 })
	post(s, `"other words"`)
	post(openTest(t, "sqlite::memory:"), `"words of a restored database"`)
	e.Until("the message of the other database", func() bool { return len(e.Events) == 1 })
	if got := string(e.Events[0].Message); got != `"words of a restored database"` {
		t.Errorf("told %s", got)
	}
}
