package board

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goalcast"
)

// today is the filter of a list that is held.
func today(now time.Time) goalcast.MatchFilter {
	return goalcast.MatchFilter{From: now.Add(-time.Hour), To: now.Add(time.Hour), Limit: 100}
}

// TestBoardServesWithoutDatabase goes on with what is in memory for hours, and waits for the
// database only a moment now and then.
func TestBoardServesWithoutDatabase(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, src := testBoard(Config{})
			src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now().Add(3*time.Hour), 1))
			topics := []goalcast.Topic{goalcast.ForTeam(10), goalcast.ForMatch(1)}
			ask := func() time.Duration {
				begin := time.Now()
				if err := b.Load(context.Background(), topics); err != nil {
					t.Errorf("a viewer joins: %v", err)
				}
				b.mu.Lock()
				if s := b.held.snaps(b.held.lists[topics[0]]); len(s) != 1 {
					t.Errorf("%d matches", len(s))
				}
				b.mu.Unlock()
				return time.Since(begin)
			}
			ask()
			if _, err := b.Matches(context.Background(), today(time.Now())); err != nil {
				t.Fatal(err)
			}
			src.set(func() {
				src.err = goalcast.ErrUnavailable
				if hangs {
					src.hold = make(chan struct{})
				}
			})
			waited := 0
			for range 300 {
				time.Sleep(10 * time.Second)
				if took := ask(); took > b.cfg.Patience {
					t.Errorf("a join took %v", took)
				} else if took > 0 {
					waited++
				}
				if _, err := b.Matches(context.Background(), today(time.Now())); err != nil {
					t.Errorf("a list: %v", err)
				}
			}
			if hangs {
				close(src.hold)
			} else if waited > 0 {
				t.Errorf("%d of 300 joins waited for a database that refuses", waited)
			}
			synctest.Wait()
		})
	}
}

// TestBoardMendsHoles misses a revision: the match is read again, once, whatever becomes of the
// first attempt.
func TestBoardMendsHoles(t *testing.T) {
	for _, away := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, src := testBoard(Config{})
			var mended []int
			b.mended = func(_ goalcast.MatchID, s goalcast.Snapshot) { mended = append(mended, s.Score.Home) }
			src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
			home := func() int {
				s, _, err := b.Match(context.Background(), 1)
				if err != nil {
					t.Fatal(err)
				}
				return s.Score.Home
			}
			home()
			src.set(func() {
				for seq := range int64(3) {
					src.snaps[1] = goalcast.Apply(src.snaps[1], goal(1, 2+seq))
				}
				if away {
					src.err = goalcast.ErrUnavailable
				}
			})
			b.tell(1, goal(1, 2))
			b.tell(3, goal(1, 4)) // 3 did not come
			if away {
				if got := home(); got != 2 {
					t.Errorf("%d goals while nothing can be read, of two that came", got)
				}
				src.set(func() { src.err = nil })
				time.Sleep(b.cfg.Retry)
			}
			if got := home(); got != 3 {
				t.Errorf("%d goals of three", got)
			}
			synctest.Wait()
			reads := src.reads
			b.tell(4, goal(1, 5))
			if got := home(); got != 4 || src.reads != reads {
				t.Errorf("%d goals of four, %d readings after it was mended", got, src.reads-reads)
			}
			if len(mended) != 1 || mended[0] != 3 {
				t.Errorf("told of %v", mended)
			}
		})
	}
}

// TestBoardReadsWhileTheBusIsSilent serves nothing that is older than StaleAge while events may be
// missing, and says so where it must.
func TestBoardReadsWhileTheBusIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		score := func() string {
			s, _, err := b.Match(context.Background(), 1)
			if err != nil {
				t.Fatal(err)
			}
			list, err := b.Matches(context.Background(), today(time.Now()))
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			return fmt.Sprint(s.Score.Home, list[0].Score.Home)
		}
		score()
		b.Stale(true)
		src.set(func() { src.snaps[1] = goalcast.Apply(src.snaps[1], goal(1, 2)) })
		time.Sleep(b.cfg.StaleAge + time.Millisecond)
		reads := src.reads
		for range 50 {
			if got := score(); got != "1 1" || b.Doubtful() {
				t.Fatalf("score %s, doubtful %v", got, b.Doubtful())
			}
		}
		if got := src.reads - reads; got != 2 {
			t.Errorf("%d readings for 50 who ask for a match and a list", got)
		}
		src.set(func() { src.err = goalcast.ErrUnavailable })
		time.Sleep(b.cfg.StaleAge + time.Millisecond)
		if got := score(); got != "1 1" || !b.Doubtful() {
			t.Errorf("score %s, doubtful %v", got, b.Doubtful())
		}
		src.set(func() { src.err = nil })
		b.Stale(false)
		if b.Doubtful() {
			t.Error("doubtful although the bus is heard")
		}
		b.tell(1, goal(1, 2)) // the bus fills what it missed
		b.tell(2, goal(1, 3))
		reads = src.reads
		if got := score(); got != "2 2" || src.reads != reads {
			t.Errorf("score %s after %d readings", got, src.reads-reads)
		}
	})
}

// TestBoardTakesTurns has many who ask for much, and one who asks for one match: nobody waits for
// all that another asks for.
func TestBoardTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{Loads: 2})
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		b.source = slow{src}
		ctx, cancel := context.WithCancel(context.Background())
		var asking sync.WaitGroup
		for i := range 50 {
			var topics []goalcast.Topic
			for k := range 100 {
				topics = append(topics, goalcast.ForMatch(goalcast.MatchID(1000+i*100+k)))
			}
			asking.Go(func() { _ = b.Load(ctx, topics) })
		}
		synctest.Wait()
		begin := time.Now()
		if _, _, err := b.Match(context.Background(), 1); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 52*slowRead/2 { // each of the 50 had one turn
			t.Errorf("one match took %v", took)
		}
		b.mu.Lock()
		if len(b.loads.byTopic) > 51 || len(b.loads.underWay) > 2 {
			t.Errorf("%d readings wait or are under way, events visit %d", len(b.loads.byTopic), len(b.loads.underWay))
		}
		b.mu.Unlock()
		cancel()
		asking.Wait()
		time.Sleep(time.Second)
	})
}

const slowRead = 2 * time.Millisecond

type slow struct{ *books }

func (s slow) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	time.Sleep(slowRead)
	return s.books.Match(ctx, id)
}

// TestBoardRefusesWhatIsTooMuch limits readings that wait, in all and by address.
func TestBoardRefusesWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{Loads: 1, MaxWaiting: 20, MaxPerAddress: 5})
		src.hold = make(chan struct{})
		var asking sync.WaitGroup
		var mu sync.Mutex
		refused := map[string]int{}
		ask := func(ip string, id int) {
			ctx := context.Background()
			if ip != "" {
				ctx = ForAddress(ctx, netip.MustParseAddr(ip))
			}
			asking.Go(func() {
				if _, _, err := b.Match(ctx, goalcast.MatchID(id)); errors.Is(err, goalcast.ErrUnavailable) {
					mu.Lock()
					refused[ip]++
					mu.Unlock()
				}
			})
			synctest.Wait()
		}
		for i := range 10 {
			ask(fmt.Sprintf("2001:db8::%x", i+1), 100+i) // one customer's /64
		}
		ask("2001:db8:0:1::1", 200)
		ask("192.0.2.1", 300)
		ask("192.0.2.2", 300) // the same reading
		for i := range 14 {
			ask("", 400+i)
		}
		ask("", 500)
		mu.Lock()
		if len(refused) != 6 || refused["2001:db8::6"] != 1 || refused[""] != 1 {
			t.Errorf("refused: %v", refused)
		}
		mu.Unlock()
		close(src.hold)
		asking.Wait()
		synctest.Wait()
		if len(b.loads.byAddress) != 0 || len(b.loads.byTopic) != 0 || len(b.loads.underWay) != 0 {
			t.Errorf("left behind: %d addresses, %d readings, %d under way", len(b.loads.byAddress),
				len(b.loads.byTopic), len(b.loads.underWay))
		}
		if _, _, err := b.Match(context.Background(), 500); !errors.Is(err, goalcast.ErrNotFound) {
			t.Error(err)
		}
	})
}

// listed is a database that can say what there is.
type listed struct{ *books }

func (l listed) Known(_ context.Context, visit func(goalcast.Topic)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, s := range l.snaps {
		for _, t := range s.Topics(id) {
			visit(t)
		}
	}
	return l.err
}

// TestMadeUpTopicsCostNothing asks for thirty thousand topics that do not exist; those that come to
// be are found at once.
func TestMadeUpTopicsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		b.source = listed{src}
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		ensure := func(topics ...goalcast.Topic) {
			t.Helper()
			if err := b.Load(context.Background(), topics); err != nil {
				t.Fatal(err)
			}
		}
		ensure(goalcast.ForMatch(77)) // the first question has all topics read
		synctest.Wait()
		reads := src.reads
		for i := range 30_000 {
			id := int64(1_000_000 + i)
			made := []goalcast.Topic{{Kind: goalcast.MatchTopic, ID: id}, {Kind: goalcast.TeamTopic, ID: id},
				{Kind: goalcast.CompetitionTopic, ID: id}}
			ensure(made[i%3])
			if v, _, ok := b.View(made[i%3], 0); !ok || string(v.JSON()) != "[]" {
				t.Fatalf("no snapshot of %s", made[i%3])
			}
		}
		if src.reads != reads || len(b.catalog.unknown) > 1 || len(b.held.lists) > 0 || len(b.held.matches) > 0 {
			t.Errorf("%d readings; %d unknown, %d lists, %d matches held", src.reads-reads, len(b.catalog.unknown),
				len(b.held.lists), len(b.held.matches))
		}
		src.set(func() {
			src.snaps[1_000_001] = goalcast.Apply(goalcast.Snapshot{}, fixture(1_000_001, time.Now(), 1))
		})
		b.tell(1, fixture(1_000_001, time.Now(), 1))
		if _, _, err := b.Match(context.Background(), 1_000_001); err != nil {
			t.Error("a match that came to be:", err)
		}
		// What the bus did not tell of is found when it is silent, or was.
		src.set(func() {
			src.snaps[1_000_003] = goalcast.Apply(goalcast.Snapshot{}, fixture(1_000_003, time.Now(), 1))
		})
		b.Stale(true)
		time.Sleep(silentKnown + time.Second)
		if _, _, err := b.Match(context.Background(), 1_000_003); err != nil {
			t.Error("a match that came to be while the bus was silent:", err)
		}
		src.set(func() {
			src.snaps[1_000_004] = goalcast.Apply(goalcast.Snapshot{}, fixture(1_000_004, time.Now(), 1))
		})
		b.Stale(false)
		b.Reset(goalcast.Cursor{Epoch: "f"})
		if _, _, err := b.Match(context.Background(), 1_000_004); err != nil {
			t.Error("a match that came to be before a reset:", err)
		}
		synctest.Wait()
	})
}

// TestUnknownMatchesAreBounded is for a source that cannot say what there is.
func TestUnknownMatchesAreBounded(t *testing.T) {
	b, src := testBoard(Config{MaxUnknown: 100})
	for id := range goalcast.MatchID(1000) {
		if _, _, err := b.Match(context.Background(), 1+id); !errors.Is(err, goalcast.ErrNotFound) {
			t.Fatal(err)
		}
		if len(b.catalog.unknown) > 100 || len(b.held.matches) > 0 {
			t.Fatalf("%d unknown, %d matches held", len(b.catalog.unknown), len(b.held.matches))
		}
	}
	if src.reads != 1000 {
		t.Errorf("%d readings", src.reads)
	}
}

// TestManyMatchesAreReadOnce lists a day with more matches than are read at once, and one with more
// than are held.
func TestManyMatchesAreReadOnce(t *testing.T) {
	for _, most := range []int{5000, 700} {
		synctest.Test(t, func(t *testing.T) {
			b, src := testBoard(Config{ListMatches: most, MaxMatches: 100})
			b.source = paged{src}
			now := time.Now()
			for i := range 1300 {
				id := goalcast.MatchID(i + 1)
				src.snaps[id] = goalcast.Apply(goalcast.Snapshot{}, fixture(id, now.Add(time.Duration(i%7)*time.Minute),
					1))
			}
			for range 20 {
				list, err := b.Matches(context.Background(), goalcast.MatchFilter{From: now, To: now.Add(time.Hour),
					Limit: 200})
				if err != nil || len(list) != 200 {
					t.Fatal(len(list), err)
				}
			}
			if src.reads > 4 { // three pages; or two that show that there are too many, and one of the day
				t.Errorf("%d readings", src.reads)
			}
		})
	}
}

// paged is a database that keeps to the filter.
type paged struct{ *books }

func (p paged) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	all, err := p.books.Matches(ctx, f)
	return page(all, f), err
}

func page(all []goalcast.Snapshot, f goalcast.MatchFilter) []goalcast.Snapshot {
	all = slices.DeleteFunc(all, func(s goalcast.Snapshot) bool { return !f.Chooses(s) })
	slices.SortFunc(all, goalcast.ByTime)
	return all[:min(len(all), f.Limit)]
}

// madeUp is topics of matches that nobody knows.
func madeUp(from, n int64) (topics []goalcast.Topic) {
	for id := from; id < from+n; id++ {
		topics = append(topics, goalcast.Topic{Kind: goalcast.MatchTopic, ID: id},
			goalcast.Topic{Kind: goalcast.OddsTopic, ID: id})
	}
	return topics
}

// The fans of a team without a fixture are many, and a mobile network has few addresses: what
// somebody asked for lately is not counted again.
func TestManyMayAskForOneTopicThatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		b.source = listed{src}
		b.Lacks(goalcast.ForMatch(1))
		synctest.Wait()
		network := ForAddress(t.Context(), netip.MustParseAddr("192.0.2.1"))
		for i := range 10 * madeUpBurst {
			if !b.Admit(network, []goalcast.Topic{goalcast.ForTeam(77), goalcast.ForMatch(5)}) {
				t.Fatalf("the %d. fan was refused", i+1)
			}
		}
		for i := range int64(maxMadeUp/1000 + 20) { // 1,000 topics each
			address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			b.Admit(ForAddress(t.Context(), address), madeUp(1_000_000+1000*i, 500))
		}
		if n := b.guests.asked.Len(); n > maxMadeUp {
			t.Errorf("%d topics are remembered", n)
		}
	})
}

// An address that makes up topics faster than people do is refused, also with one of them; what
// exists it gets, and others get all.
func TestAddressesThatMakeUpTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		b.source = listed{src}
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, time.Now(), 1))
		b.Lacks(goalcast.ForMatch(1))
		synctest.Wait()
		from := func(ip string) context.Context { return ForAddress(t.Context(), netip.MustParseAddr(ip)) }
		admitted := 0
		for i := range int64(200) {
			if b.Admit(from("2001:db8::"+string('a'+rune(i%6))), madeUp(1000*(i+1), 10)) {
				admitted++
			}
		}
		if admitted != madeUpBurst/20 {
			t.Errorf("%d of 200 requests with 20 made-up topics were admitted", admitted)
		}
		if b.Admit(from("2001:db8::1"), madeUp(5, 1)) ||
			!b.Admit(from("2001:db8::1"), []goalcast.Topic{goalcast.ForMatch(1)}) {
			t.Error("what does not exist was admitted, or what exists refused")
		}
		if !b.Admit(from("2001:db8:0:1::1"), madeUp(5, 1)) || !b.Admit(t.Context(), madeUp(5, 1)) {
			t.Error("another address was refused")
		}
		time.Sleep(time.Second)
		if !b.Admit(from("2001:db8::1"), madeUp(5, madeUpRate/2)) {
			t.Error("refused for good")
		}
		for i := range uint32(2 * maxAddresses) {
			b.Admit(from(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()),
				madeUp(1_000_000+int64(i), 1))
		}
		if b.guests.limits.Len() > maxAddresses {
			t.Errorf("%d addresses are kept", b.guests.limits.Len())
		}
	})
}

// Of days that are far from now the source may say what was a moment ago, of others not; and what
// the board has heard since is shown all the same.
func TestOnlyFarDaysMayLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, src := testBoard(Config{})
		now, day := time.Now(), 24*time.Hour
		src.snaps[1] = goalcast.Apply(goalcast.Snapshot{}, fixture(1, now.Add(-5*day), 1))
		if _, _, err := b.Match(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		b.tell(1, goal(1, 2)) // the source has not heard of it
		for _, tt := range []struct {
			from, to time.Duration
			may      bool
		}{
			{-6 * day, -4 * day, true},
			{3 * day, 4 * day, true},
			{-6 * day, 0, false},
			{-6 * day, -day, false}, // to the edge
			{day, 4 * day, false},
			{-6 * day, 4 * day, false},
		} {
			list, err := b.Matches(t.Context(), goalcast.MatchFilter{From: now.Add(tt.from), To: now.Add(tt.to)})
			if err != nil {
				t.Fatal(err)
			}
			if src.asked.MayLag != tt.may {
				t.Errorf("from %v to %v: may lag: %t", tt.from, tt.to, src.asked.MayLag)
			}
			if tt.from == -6*day && (len(list) != 1 || list[0].Seq != 2) {
				t.Errorf("from %v to %v: %+v, want the match with its goal", tt.from, tt.to, list)
			}
		}
		if _, err := b.Matches(t.Context(), goalcast.MatchFilter{}); err != nil || src.asked.MayLag {
			t.Errorf("all there are: may lag: %t, %v", src.asked.MayLag, err)
		}
	})
}
