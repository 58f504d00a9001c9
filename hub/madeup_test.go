package hub

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goalcast"
)

// countingBus counts what is followed.
type countingBus struct {
	mu       sync.Mutex
	followed map[goalcast.Topic]int
}

func (b *countingBus) Follow(_ context.Context, t goalcast.Topic) ([]goalcast.State, func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.followed[t]++
	return nil, func() { b.unfollow(t) }, nil
}

func (b *countingBus) unfollow(t goalcast.Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.followed[t]--
}

// madeUp is topics of matches that nobody knows.
func madeUp(from, n int64) (topics []goalcast.Topic) {
	for id := from; id < from+n; id++ {
		topics = append(topics, goalcast.Topic{Kind: goalcast.MatchTopic, ID: id}, goalcast.Topic{Kind: goalcast.OddsTopic, ID: id})
	}
	return topics
}

// Topics of matches that do not exist are not asked for on the bus, and leave nothing behind; when the match comes to be they are.
func TestMadeUpMatchesAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(BoardConfig{})
		b.source = listed{src}
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		b.lacks(goalcast.ForMatch(1)) // the first question has all topics read
		synctest.Wait()
		bus := &countingBus{followed: map[goalcast.Topic]int{}}
		s := newStates(bus, Config{}.withDefaults(), slog.New(slog.NewTextHandler(io.Discard, nil)), func(*stateTable) {})
		s.lacks = b.lacks
		for i := range int64(1000) {
			topics := madeUp(1_000_000+100*i, 50)
			if err := s.hold(t.Context(), topics); err != nil {
				t.Fatal(err)
			}
			s.release(topics)
		}
		if len(s.tables) > 0 || len(bus.followed) > 0 {
			t.Fatalf("%d tables, %d topics followed", len(s.tables), len(bus.followed))
		}
		soon := madeUp(7, 1)
		if err := s.hold(t.Context(), append(soon, goalcast.ForMatch(1))); err != nil {
			t.Fatal(err)
		}
		s.sweep(time.Now())
		synctest.Wait()
		if len(bus.followed) != 1 {
			t.Errorf("followed %v: the match that is there, and no other", bus.followed)
		}
		b.tell(1, fixture(7, time.Now(), 1))
		s.sweep(time.Now())
		synctest.Wait()
		if len(bus.followed) != 3 {
			t.Errorf("followed %v after the match came to be", bus.followed)
		}
	})
}

// An address that makes up topics faster than people do is refused, also with one of them; what exists it gets, and others get all.
func TestAddressesThatMakeUpTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(BoardConfig{})
		b.source = listed{src}
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		b.lacks(goalcast.ForMatch(1))
		synctest.Wait()
		from := func(ip string) context.Context { return withAsker(t.Context(), netip.MustParseAddr(ip)) }
		admitted := 0
		for i := range int64(200) {
			if b.admit(from("2001:db8::"+string('a'+rune(i%6))), madeUp(1000*i, 10)) {
				admitted++
			}
		}
		if admitted != madeUpBurst/20 {
			t.Errorf("%d of 200 requests with 20 made-up topics were admitted", admitted)
		}
		if b.admit(from("2001:db8::1"), madeUp(5, 1)) || !b.admit(from("2001:db8::1"), []goalcast.Topic{goalcast.ForMatch(1)}) {
			t.Error("what does not exist was admitted, or what exists refused")
		}
		if !b.admit(from("2001:db8:0:1::1"), madeUp(5, 1)) || !b.admit(t.Context(), madeUp(5, 1)) {
			t.Error("another address was refused")
		}
		time.Sleep(time.Second)
		if !b.admit(from("2001:db8::1"), madeUp(5, madeUpRate/2)) {
			t.Error("refused for good")
		}
		for i := range uint32(2 * maxAskers) {
			b.admit(from(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()), madeUp(5, 1))
		}
		if len(b.madeUp) > maxAskers {
			t.Errorf("%d addresses are kept", len(b.madeUp))
		}
	})
}
