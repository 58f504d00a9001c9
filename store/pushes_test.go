package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

// push commits a revision of an event and plans it with batches 0 to batches-1 of ten devices each
// or, with a base, sources.
func push(t *testing.T, s *Store, revision, base, batches int, now time.Time) {
	t.Helper()
	e := commitRevision(t, s, revision)
	planned, err := s.PlanPush(t.Context(), e, func(r goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch,
		error) {
		r.Event, r.Match, r.Revision, r.State, r.Base, r.Told, r.Topics = e.ID, e.Match, revision, "shown", revision,
			revision, e.Topics
		r.Batches, r.Content, r.Print, r.Since, r.Shown = batches, []byte(`{"kind":"goal"}`), "x", now, now
		var out []goalcast.PushBatch
		for i := range batches {
			b := goalcast.PushBatch{ID: id(revision, i), Event: e.ID, Revision: revision, Number: i, Devices: ten(i),
				Created: now, Expires: now.Add(time.Minute)}
			if base > 0 {
				b.Devices, b.Source = nil, id(base, i)
				r.Base = base
			}
			out = append(out, b)
		}
		return r, out, nil
	})
	if err != nil || !planned {
		t.Fatalf("planned %v, %v", planned, err)
	}
}

func idsOf(batches []goalcast.DueBatch) (ids []string) {
	for _, b := range batches {
		ids = append(ids, b.ID)
	}
	return ids
}

func id(revision, number int) string {
	return goalcast.Event{ID: "opta:1", Revision: revision}.Key() + "/" + string(rune('0'+number))
}

// ten are the devices of a batch.
func ten(batch int) []int64 {
	var ids []int64
	for i := range 10 {
		ids = append(ids, int64(batch*10+i+1))
	}
	return ids
}

// commitRevision puts the next revision of one goal into the events and the outbox.
func commitRevision(t *testing.T, s *Store, revision int) goalcast.Event {
	t.Helper()
	e := goalcast.Event{ID: "opta:1", Revision: revision, Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Match: 9,
		Seq:    int64(revision),
		Topics: []goalcast.Topic{goalcast.ForMatch(9)}, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
	err := s.UpdateMatch(t.Context(), 9, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
		r.Snapshot = goalcast.Apply(r.Snapshot, e)
		return r, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func claim(t *testing.T, s *Store, id string, now time.Time) (goalcast.PushClaim, bool) {
	t.Helper()
	c, ok, err := s.ClaimBatch(t.Context(), id, now, 30*time.Second)
	if err != nil {
		t.Fatalf("claim %s: %v", id, err)
	}
	return c, ok
}

func finish(t *testing.T, s *Store, c goalcast.PushClaim, r goalcast.PushResult) bool {
	t.Helper()
	kept, err := s.FinishBatch(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// pass lets so much time pass for the leases, which go by the database's clock.
func pass(t *testing.T, s *Store, d time.Duration) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), s.dialect.sql(`UPDATE push_batches
		SET lease_until = lease_until - $1`), d.Milliseconds()); err != nil {
		t.Fatal(err)
	}
}

// sabotage runs a statement behind the store's back.
func sabotage(t *testing.T, s *Store, statement string) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Who was pushed an event may ask for its times without knowing its match.
func TestTimesOfAPushedEvent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		commitRevision(t, s, 1)
		if _, err := s.EventTimes(t.Context(), 0, "opta:1", 1); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("of what was not pushed: %v", err)
		}
		push(t, s, 2, 0, 1, time.UnixMilli(1_700_000_000_000).UTC())
		for revision, want := range map[int]error{1: nil, 2: nil, 3: goalcast.ErrNotFound} {
			if _, err := s.EventTimes(t.Context(), 0, "opta:1", revision); !errors.Is(err, want) {
				t.Errorf("of revision %d: %v", revision, err)
			}
		}
	})
}

func TestPushIsPlannedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := time.UnixMilli(1_700_000_000_000).UTC()
		e := commitRevision(t, s, 1)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				planned, err := s.PlanPush(t.Context(), e, func(r goalcast.PushRecord) (goalcast.PushRecord,
					[]goalcast.PushBatch, error) {
					r.Event, r.Revision = e.ID, r.Revision+1
					return r, []goalcast.PushBatch{{ID: id(1, 0), Event: e.ID, Revision: 1, Devices: ten(0),
						Created: now, Expires: now.Add(time.Minute)}}, nil
				})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if planned {
					won++
				}
			})
		}
		wg.Wait()
		rec, err := s.PushRecord(t.Context(), e.ID)
		if err != nil || won != 1 || rec.Revision != 1 {
			t.Errorf("%d planned it, record %+v, %v", won, rec, err)
		}
		left, err := s.UnplannedEvents(t.Context(), 10)
		if err != nil || len(left) != 0 {
			t.Errorf("left in the outbox: %v, %v", left, err)
		}
		if none, err := s.PushRecord(t.Context(), "opta:2"); err != nil || none.Revision != 0 {
			t.Errorf("record of nothing: %+v, %v", none, err)
		}
	})
}

func TestEventsWithoutPushAreMarked(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		one, two := commitRevision(t, s, 1), commitRevision(t, s, 2)
		if err := s.MarkPlanned(t.Context(), []string{one.Key(), "opta:7#1"}); err != nil {
			t.Fatal(err)
		}
		left, err := s.UnplannedEvents(t.Context(), 10)
		if err != nil || len(left) != 1 || left[0].Key() != two.Key() || !left[0].SameContent(two) {
			t.Errorf("left %v, %v", left, err)
		}
	})
}

func TestBatchIsClaimedByOneUntilItsLeaseEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := time.UnixMilli(1_700_000_000_000).UTC()
		push(t, s, 1, 0, 2, now)
		if due, err := s.DueBatches(t.Context(), now, 10, nil); err != nil || len(due) != 2 {
			t.Fatalf("due %v, %v", due, err)
		}
		var wg sync.WaitGroup
		claims := make(chan goalcast.PushClaim, 8)
		for range 8 {
			wg.Go(func() {
				if c, ok, err := s.ClaimBatch(t.Context(), id(1, 0), now, 30*time.Second); err != nil {
					t.Error(err)
				} else if ok {
					claims <- c
				}
			})
		}
		wg.Wait()
		close(claims)
		if len(claims) != 1 {
			t.Fatalf("%d claims", len(claims))
		}
		first := <-claims
		want := goalcast.PushBatch{ID: id(1, 0), Event: "opta:1", Revision: 1, Created: now,
			Expires: now.Add(time.Minute)}
		if !reflect.DeepEqual(first.Batch, want) || first.Attempt != 1 || first.Newest != 1 ||
			!slices.Equal(first.Devices, ten(0)) || first.Record.Told != 1 ||
			!first.Record.Shown.Equal(now) || !reflect.DeepEqual(first.Record.Topics,
			[]goalcast.Topic{goalcast.ForMatch(9)}) {
			t.Errorf("claim %+v", first)
		}
		current := func(c goalcast.PushClaim, revision int) bool {
			c.Record.Revision = revision
			ok, err := s.BatchCurrent(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		if !current(first, 1) || current(first, 2) {
			t.Error("BatchCurrent of a claim that stands")
		}
		pass(t, s, 20*time.Second)
		if _, ok := claim(t, s, id(1, 0), now.Add(time.Hour)); ok { // of a process whose clock is ahead
			t.Error("claimed within the lease of another")
		}
		pass(t, s, 11*time.Second)
		second, ok := claim(t, s, id(1, 0), now.Add(31*time.Second))
		if !ok || second.Attempt != 2 {
			t.Fatalf("after the lease: %v, %+v", ok, second)
		}
		if current(first, 1) || finish(t, s, first, goalcast.PushResult{State: "sent"}) {
			t.Error("who lost his claim still has a say")
		}
		if !finish(t, s, second, goalcast.PushResult{State: "sent", Reached: []int64{3, 1}, Revision: 1}) {
			t.Error("who has the claim has no say")
		}
		if _, ok := claim(t, s, id(1, 0), now.Add(time.Hour)); ok {
			t.Error("claimed although sent")
		}
		if due, err := s.DueBatches(t.Context(), now.Add(time.Hour), 10, nil); err != nil ||
			!slices.Equal(idsOf(due), []string{id(1, 1)}) {
			t.Errorf("due %v, %v", due, err)
		}
		if _, ok := claim(t, s, "nothing", now); ok {
			t.Error("claimed what is not there")
		}
	})
}

func TestBatchPutOff(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := time.UnixMilli(1_700_000_000_000).UTC()
		push(t, s, 1, 0, 1, now)
		c, _ := claim(t, s, id(1, 0), now)
		finish(t, s, c, goalcast.PushResult{State: "planned", Reached: []int64{1, 5}, Remaining: []int64{9, 2},
			NotBefore: now.Add(10 * time.Second), Revision: 1})
		if _, ok := claim(t, s, id(1, 0), now.Add(9*time.Second)); ok {
			t.Error("claimed before its time")
		}
		c, ok := claim(t, s, id(1, 0), now.Add(10*time.Second))
		if !ok || !slices.Equal(c.Devices, []int64{2, 9}) || c.Attempt != 2 {
			t.Fatalf("claim %v %+v", ok, c)
		}
		finish(t, s, c, goalcast.PushResult{State: "sent", Reached: []int64{9}, Revision: 1})
		push(t, s, 2, 1, 1, now)
		c, ok = claim(t, s, id(2, 0), now.Add(time.Minute))
		if !ok || !slices.Equal(c.Reached, []int64{1, 5, 9}) || c.Devices != nil || c.Sent != 1 || c.Newest != 2 {
			t.Errorf("claim %v %+v", ok, c)
		}
	})
}

func TestNewerRevisionWaitsForTheOlderUnderWay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := time.UnixMilli(1_700_000_000_000).UTC()
		push(t, s, 1, 0, 2, now)
		goal, _ := claim(t, s, id(1, 0), now)
		push(t, s, 2, 1, 2, now.Add(time.Second))
		if ok, _ := s.BatchCurrent(t.Context(), goal); ok {
			t.Error("the older revision is still current")
		}
		if _, ok := claim(t, s, id(2, 0), now.Add(2*time.Second)); ok {
			t.Error("overtook a push under way")
		}
		finish(t, s, goal, goalcast.PushResult{State: "sent", Reached: []int64{4}, Revision: 1})
		off, ok := claim(t, s, id(2, 0), now.Add(2*time.Second))
		if !ok || !slices.Equal(off.Reached, []int64{4}) {
			t.Errorf("claim %v %+v", ok, off)
		}
		// A sender that died in mid-batch: nobody knows who got it, and nobody waits longer than
		// its lease.
		push2, ok := claim(t, s, id(1, 1), now.Add(3*time.Second))
		if !ok || push2.Record.Revision != 2 {
			t.Fatalf("claim %v %+v", ok, push2)
		}
		pass(t, s, time.Minute)
		off, ok = claim(t, s, id(2, 1), now.Add(time.Minute))
		if !ok || !slices.Equal(off.Reached, ten(1)) || off.Sent != 0 {
			t.Errorf("claim %v %+v", ok, off)
		}
		finish(t, s, off, goalcast.PushResult{State: "planned"})
		// Also if somebody has seen meanwhile that the older one must not be sent again.
		again, ok := claim(t, s, id(1, 1), now.Add(2*time.Minute))
		if !ok || again.Attempt != 2 || !slices.Equal(again.Devices, ten(1)) {
			t.Fatalf("claim %v %+v", ok, again)
		}
		finish(t, s, again, goalcast.PushResult{State: "dropped", Reason: "cancelled"})
		if off, ok = claim(t, s, id(2, 1), now.Add(2*time.Minute)); !ok || !slices.Equal(off.Reached, ten(1)) {
			t.Errorf("claim %v %+v", ok, off)
		}
	})
}

func TestPushIsExtended(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := time.UnixMilli(1_700_000_000_000).UTC()
		push(t, s, 1, 0, 1, now)
		open := func(before time.Time) []string {
			events, err := s.OpenPushes(t.Context(), before, 10)
			if err != nil {
				t.Fatal(err)
			}
			return events
		}
		extend := func(more bool, cut goalcast.UserID) {
			err := s.ExtendPush(t.Context(), "opta:1", func(r goalcast.PushRecord) (goalcast.PushRecord,
				[]goalcast.PushBatch, error) {
				b := goalcast.PushBatch{ID: id(1, r.Batches), Event: r.Event, Revision: 1, Number: r.Batches,
					Devices: ten(r.Batches), Created: now, Expires: now.Add(time.Minute)}
				r.Batches, r.Open, r.Cut, r.Expires = r.Batches+1, more, cut, now.Add(time.Minute)
				return r, []goalcast.PushBatch{b}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := open(time.Now().Add(time.Hour)); len(got) != 0 {
			t.Errorf("open: %v", got)
		}
		extend(true, "ann")
		if got := open(time.Now().Add(-time.Minute)); len(got) != 0 {
			t.Errorf("open, though somebody is at it: %v", got)
		}
		if got := open(time.Now().Add(time.Minute)); !slices.Equal(got, []string{"opta:1"}) {
			t.Errorf("open: %v", got)
		}
		extend(false, "bob")
		if got := open(time.Now().Add(time.Hour)); len(got) != 0 {
			t.Errorf("open: %v", got)
		}
		rec, err := s.PushRecord(t.Context(), "opta:1")
		if err != nil || rec.Batches != 3 || rec.Open || rec.Cut != "bob" || !rec.Expires.Equal(now.Add(time.Minute)) {
			t.Errorf("record %+v, %v", rec, err)
		}
		if c, ok := claim(t, s, id(1, 2), now); !ok || !slices.Equal(c.Devices, ten(2)) {
			t.Errorf("claim %v %+v", ok, c)
		}
		nothing := func(r goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch, error) { return r, nil, nil }
		if err := s.ExtendPush(t.Context(), "opta:2", nothing); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("extended what is not there: %v", err)
		}
	})
}

func TestPrunePushes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		push(t, s, 1, 0, 2, time.Now())
		if n, err := s.PrunePushes(t.Context(), time.Now().Add(-time.Hour)); err != nil || n != 0 {
			t.Errorf("pruned %d, %v", n, err)
		}
		before, err := s.PushRecord(t.Context(), "opta:1")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{1, 0} { // twice is once
			if n, err := s.PrunePushes(t.Context(), time.Now().Add(time.Hour)); err != nil || n != want {
				t.Errorf("pruned %d, %v", n, err)
			}
		}
		if due, err := s.DueBatches(t.Context(), time.Now(), 10, nil); err != nil || len(due) != 0 {
			t.Errorf("batches left: %v, %v", due, err)
		}
		before.Topics, before.Content = []goalcast.Topic{}, []byte{}
		if after, err := s.PushRecord(t.Context(), "opta:1"); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("record is %+v, was %+v, %v", after, before, err)
		}
	})
}

// What cannot be read is set aside and counted; nothing waits behind it, and nobody tries it for
// ever.
func TestUnreadablePushRowsAreSetAside(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := s.Now()
		push(t, s, 1, 0, 2, now)
		commitRevision(t, s, 2)
		sabotage(t, s, `UPDATE outbox SET body = replace(body, '"revision":2', '"revision":"two"') WHERE revision = 2`)
		commitRevision(t, s, 3)
		if events, err := s.UnplannedEvents(t.Context(), 1); err != nil || len(events) != 1 ||
			events[0].Revision != 3 || s.SetAside() != 1 {
			t.Errorf("to plan: %v, %v; %d set aside", events, err, s.SetAside())
		}
		if err := s.MarkPlanned(t.Context(), []string{"opta:1#3"}); err != nil {
			t.Fatal(err)
		}
		broken := `x'80'`
		if s.dialect.name == "postgres" {
			broken = `'\x80'`
		}
		sabotage(t, s, `UPDATE push_batches SET remaining = `+broken+` WHERE number = 0`)
		sabotage(t, s, `UPDATE pushes SET topics = 'x'`)
		sabotage(t, s, `INSERT INTO push_batches (id, event_id, revision, number, source, created, expires)
			VALUES ('orphan', 'opta:9', 1, 0, '', 0, 0)`)
		if due, err := s.DueBatches(t.Context(), now, 10, nil); err != nil || len(due) != 3 {
			t.Errorf("due %v, %v", due, err)
		}
		for _, id := range []string{"orphan", id(1, 0)} {
			if _, ok := claim(t, s, id, now); ok {
				t.Errorf("claimed %s", id)
			}
		}
		if c, ok := claim(t, s, id(1, 1), now); !ok || !slices.Equal(c.Devices, ten(1)) {
			t.Errorf("the other batch: %v %+v", ok, c)
		}
		if due, err := s.DueBatches(t.Context(), now, 10, nil); err != nil || len(due) != 0 || s.SetAside() != 2 {
			t.Errorf("due %v, %v; %d set aside", due, err, s.SetAside())
		}
	})
}

// What waits for another revision is not due: it does not stand in front of others, and nobody
// claims it in vain.
func TestBatchThatWaitsIsNotDue(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := s.Now()
		due := func(want ...string) {
			t.Helper()
			if got, err := s.DueBatches(t.Context(), now, 10, nil); err != nil || !slices.Equal(idsOf(got), want) {
				t.Errorf("due %v, %v, want %v", got, err, want)
			}
		}
		push(t, s, 1, 0, 1, now)
		commitRevision(t, s, 2)
		due() // until the second revision is planned
		if _, ok := claim(t, s, id(1, 0), now); ok {
			t.Error("claimed before the newer revision is planned")
		}
		if err := s.MarkPlanned(t.Context(), []string{"opta:1#2"}); err != nil { // as a replay does from the start
			t.Fatal(err)
		}
		due(id(1, 0))
		c, ok := claim(t, s, id(1, 0), now)
		if current, err := s.BatchCurrent(t.Context(), c); !ok || c.Newest != 2 || c.Void || err != nil || !current {
			t.Errorf("claim %v %+v, current %t, %v", ok, c, current, err)
		}
		push(t, s, 3, 1, 1, now)
		due() // the first is being sent
		finish(t, s, c, goalcast.PushResult{State: goalcast.BatchSent})
		due(id(3, 0))
	})
}

// A correction waits for the batch that it corrects, and not for one of other devices that is still
// being sent.
func TestCorrectionWaitsForItsOwnDevicesOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := s.Now()
		push(t, s, 1, 0, 2, now)
		if _, ok := claim(t, s, id(1, 0), now); !ok {
			t.Fatal("not claimed")
		}
		push(t, s, 2, 1, 2, now)
		if _, ok := claim(t, s, id(2, 0), now); ok {
			t.Error("claimed while its devices are being sent to")
		}
		if _, ok := claim(t, s, id(2, 1), now); !ok {
			t.Error("waits for others' devices")
		}
		push(t, s, 3, 1, 2, now)
		if _, ok := claim(t, s, id(3, 1), now); ok {
			t.Error("claimed while its devices are sent the correction before")
		}
	})
}

// Batches of a push service can be left out when others are looked for.
func TestBatchesOfAServiceAreLeftOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := s.Now()
		push(t, s, 1, 0, 2, now)
		sabotage(t, s, `UPDATE push_batches SET service = 'slow' WHERE number = 0`)
		services, err := s.BatchServices(t.Context(), "opta:1", 1)
		if err != nil || !slices.Equal(services, []string{"slow", ""}) {
			t.Errorf("services %q, %v", services, err)
		}
		for _, tt := range []struct {
			without []string
			want    []goalcast.DueBatch
		}{
			{nil, []goalcast.DueBatch{{ID: id(1, 0), Service: "slow"}, {ID: id(1, 1)}}},
			{[]string{"slow", "other"}, []goalcast.DueBatch{{ID: id(1, 1)}}},
			{[]string{""}, []goalcast.DueBatch{{ID: id(1, 0), Service: "slow"}}},
		} {
			due, err := s.DueBatches(t.Context(), now, 10, tt.without)
			slices.SortFunc(due, func(a, b goalcast.DueBatch) int { return strings.Compare(a.ID, b.ID) })
			if err != nil || !slices.Equal(due, tt.want) {
				t.Errorf("without %q: %v, %v", tt.without, due, err)
			}
		}
	})
}

// A match without names puts off its own events, each for as long as it has waited.
func TestPlansArePostponed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		e := commitRevision(t, s, 1)
		left := func() int {
			t.Helper()
			events, err := s.UnplannedEvents(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(events)
		}
		for _, waited := range []int{0, 5000, 1_000_000} {
			sabotage(t, s, fmt.Sprintf(`UPDATE outbox SET plan_after = 0, created = %s - %d`, s.dialect.now, waited))
			if left() != 1 {
				t.Error("not there")
			}
			var before, after, created, until int64
			row := func(query string, to ...any) {
				t.Helper()
				if err := s.queryRow(t.Context(), query).Scan(to...); err != nil {
					t.Fatal(err)
				}
			}
			row(`SELECT `+s.dialect.now, &before)
			if err := s.PostponePlans(t.Context(), []string{e.Key(), "opta:7#1"}); err != nil {
				t.Fatal(err)
			}
			row(`SELECT `+s.dialect.now+`, created, plan_after FROM outbox`, &after, &created, &until)
			again := func(at int64) int64 { return at + min(max(at-created, 1000), 15000) }
			if until < again(before) || until > again(after) {
				t.Errorf("put off by about %d ms, %d ms after it was written", until-before, waited)
			}
			if waited > 10_000 && left() != 0 {
				t.Errorf("there, %d ms after it was written", waited)
			}
		}
		if b, err := s.PushBacklog(t.Context()); err != nil || b != (goalcast.PushBacklog{Events: 1}) {
			t.Errorf("waiting: %+v, %v", b, err)
		}
	})
}

func TestPackIDs(t *testing.T) {
	t.Parallel()
	for range 200 {
		ids := make([]int64, rand.N(600))
		for i := range ids {
			ids[i] = rand.Int64N(1 << 40)
		}
		got, err := unpackIDs(packIDs(ids))
		want := slices.Compact(slices.Sorted(slices.Values(ids)))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
	}
	if _, err := unpackIDs([]byte{0x80}); err == nil {
		t.Error("read half a number")
	}
}
