package follow

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
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

// oneMatch is a database in which there is match 1 and nothing else.
type oneMatch struct{}

func (oneMatch) Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) {
	return goalcast.Snapshot{}, goalcast.ErrNotFound
}

func (oneMatch) Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	return nil, nil
}

func (oneMatch) Known(_ context.Context, visit func(goalcast.Topic)) error {
	visit(goalcast.ForMatch(1))
	return nil
}

// madeUp is topics of matches that nobody knows.
func madeUp(from, n int64) (topics []goalcast.Topic) {
	for id := from; id < from+n; id++ {
		topics = append(topics, goalcast.Topic{Kind: goalcast.MatchTopic, ID: id},
			goalcast.Topic{Kind: goalcast.OddsTopic, ID: id})
	}
	return topics
}

// Topics of matches that do not exist are not asked for on the bus, and leave nothing behind; when
// the match comes to be they are.
func TestMadeUpMatchesAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board.New(oneMatch{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		b.Lacks(goalcast.ForMatch(1)) // the first question has all topics read
		synctest.Wait()
		bus := &countingBus{followed: map[goalcast.Topic]int{}}
		r := New(bus, Config{Shards: 1, MaxStates: 2000, Linger: 5 * time.Second, Timeout: 5 * time.Second,
			Changed: func(*Table) {}, Lacks: b.Lacks}, slog.New(slog.DiscardHandler))
		for i := range int64(1000) {
			topics := madeUp(1_000_000+100*i, 50)
			claim, err := r.Follow(t.Context(), topics)
			if err != nil {
				t.Fatal(err)
			}
			claim.Leave()
		}
		if len(r.topics) > 0 || len(bus.followed) > 0 {
			t.Fatalf("%d tables, %d topics followed", len(r.topics), len(bus.followed))
		}
		soon := madeUp(7, 1)
		if _, err := r.Follow(t.Context(), append(soon, goalcast.ForMatch(1))); err != nil {
			t.Fatal(err)
		}
		r.Sweep(time.Now())
		synctest.Wait()
		if len(bus.followed) != 1 {
			t.Errorf("followed %v: the match that is there, and no other", bus.followed)
		}
		fixture := goalcast.Event{ID: "fixture", Revision: 1, Seq: 1, Kind: goalcast.KindFixture, Match: 7,
			Fixture: &goalcast.Fixture{}}
		b.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: 1}, Event: fixture})
		r.Sweep(time.Now())
		synctest.Wait()
		if len(bus.followed) != 3 {
			t.Errorf("followed %v after the match came to be", bus.followed)
		}
	})
}

// lateBus answers a Follow when it is told to, with what it read at the beginning: nothing.
type lateBus struct{ answer chan struct{} }

func (b lateBus) Follow(context.Context, goalcast.Topic) ([]goalcast.State, func(), error) {
	<-b.answer
	return nil, func() {}, nil
}

// The bus reads a topic once more when it is subscribed to. What Follow had read before may be
// there before that, or after it; prices that came meanwhile are shown.
func TestPricesThatComeWhileATopicIsFollowed(t *testing.T) {
	for _, late := range []bool{false, true} {
		topic, now := goalcast.ForOdds(1), time.Now()
		bus := lateBus{make(chan struct{})}
		r := New(bus, Config{Shards: 1, MaxStates: 100, Timeout: time.Minute, Changed: func(*Table) {},
			Gate: func(*Table, *GateChange) {}}, slog.New(slog.DiscardHandler))
		followed := make(chan error, 1)
		go func() {
			_, err := r.Follow(t.Context(), []goalcast.Topic{topic})
			followed <- err
		}()
		for r.Table(topic) == nil {
			time.Sleep(time.Millisecond)
		}
		open := goalcast.Gate{State: goalcast.GateOpen, Since: 1}
		gate := goalcast.State{Topic: topic, Key: goalcast.GateKey, Version: 1, Value: open.Encode()}
		price := goalcast.State{Topic: topic, Key: "1x2", Version: 2, Value: json.RawMessage(`{"price":1500}`)}
		answer := func() {
			close(bus.answer)
			if err := <-followed; err != nil {
				t.Fatal(err)
			}
		}
		r.Set(gate, now)
		r.Set(price, now)
		if !late {
			answer()
		}
		r.Replace(topic, []goalcast.State{gate, price}, now)
		if late {
			answer()
		}
		r.Set(gate, now) // once a second
		text, _ := r.Table(topic).Snapshot()
		if s := string(text); !strings.Contains(s, `"price":1500`) || !strings.Contains(s, `"gate":"open"`) {
			t.Errorf("answer late %t: shown is %s", late, s)
		}
	}
}
