package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/cache"
	"goalcast/internal/testservers"
)

// newAnswers are those of one process, which waits for others as long as it takes.
func newAnswers(t testing.TB, url string) *Answers {
	t.Helper()
	r, err := OpenRedis(url)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return NewAnswers(r, AnswerOptions{Lease: 2 * patience, Wait: patience, Timeout: patience}, quiet(),
		prometheus.NewRegistry())
}

// newCache is what a process has before Answers: of those in it who want the same, one asks.
func newCache() *cache.Cache[int, []byte] {
	return cache.New[int, []byte](cache.Options{Size: 100, Age: time.Hour, Timeout: 2 * patience, Now: time.Now})
}

// outcomes is how often an outcome was counted.
func (a *Answers) outcomes(name string) int {
	return int(testutil.ToFloat64(a.given.WithLabelValues(name)))
}

func (a *Answers) drops(name string) int {
	return int(testutil.ToFloat64(a.dropped.WithLabelValues(name)))
}

// load is a question's Load that answers with a text.
func load(text string) func(context.Context, bool) ([]byte, error) {
	return func(context.Context, bool) ([]byte, error) { return []byte(text), nil }
}

// Of several processes, hundreds of requests for each of several things ask the database once for
// each.
func TestOneOfAllProcessesAsks(t *testing.T) {
	t.Parallel()
	url := testservers.Redis(t)
	const processes, requests, objects = 4, 300, 5
	var asked [objects]atomic.Int32
	var wg sync.WaitGroup
	for range processes {
		a, own := newAnswers(t, url), newCache()
		for n := range requests {
			object := n % objects
			wg.Go(func() {
				body, err := own.Get(t.Context(), object, func(ctx context.Context) ([]byte, error) {
					return a.Get(ctx, Question{Group: "tables:1", Key: fmt.Sprint(object), Life: maxAnswerLife,
						Load: func(context.Context, bool) ([]byte, error) {
							asked[object].Add(1)
							return fmt.Append(nil, "table ", object), nil
						}})
				})
				if err != nil || string(body) != fmt.Sprint("table ", object) {
					t.Errorf("object %d: %q, %v", object, body, err)
				}
			})
		}
	}
	wg.Wait()
	for object := range asked {
		if n := asked[object].Load(); n != 1 {
			t.Errorf("object %d was asked for %d times", object, n)
		}
	}
}

func TestAnswers(t *testing.T) {
	onBothRedises(t, func(t *testing.T, r *Redis) {
		a := NewAnswers(r, AnswerOptions{Recent: time.Minute, Timeout: patience}, quiet(), prometheus.NewRegistry())
		ctx := t.Context()
		get := func(q Question) string {
			t.Helper()
			body, err := a.Get(ctx, q)
			must(t, err)
			return string(body)
		}
		q := func(key, text string) Question {
			return Question{Group: "tables:1", Key: key, Life: time.Minute, Load: load(text)}
		}
		if get(q("a", "old")) != "old" || get(q("a", "new")) != "old" {
			t.Error("an answer that is there was not given")
		}

		// What changes while the database is asked is not kept: nobody knows whether it was read
		// before.
		var recents []bool
		racing := q("b", "")
		racing.Load = func(_ context.Context, recent bool) ([]byte, error) {
			recents = append(recents, recent)
			if len(recents) == 1 {
				must(t, a.Changed(ctx, "tables:1"))
			}
			return fmt.Append(nil, "reading ", len(recents)), nil
		}
		for n, want := range []string{"reading 1", "reading 2", "reading 2"} {
			if got := get(racing); got != want {
				t.Errorf("%d: %s, want %s", n, got, want)
			}
		}
		if recents[0] || !recents[1] || a.drops("changed") != 1 {
			t.Errorf("recent: %v, %d dropped for a change", recents, a.drops("changed"))
		}
		if got := get(q("a", "new")); got != "new" {
			t.Errorf("after a change of its group: %s", got)
		}

		// That there is none is kept, for a moment; an error is not.
		calls := 0
		none := q("c", "")
		for _, err := range []error{goalcast.ErrUnavailable, goalcast.ErrNotFound, goalcast.ErrUnavailable} {
			none.Load = func(context.Context, bool) ([]byte, error) { calls++; return nil, err }
			_, got := a.Get(ctx, none)
			if want := err; calls == 2 && !errors.Is(got, goalcast.ErrNotFound) || calls == 1 && !errors.Is(got, want) {
				t.Errorf("call %d: %v", calls, got)
			}
		}
		if calls < 2 {
			t.Errorf("asked %d times", calls)
		}

		// Bounds.
		large := strings.Repeat("x", maxAnswer+1)
		if get(q("large", large)) != large || get(q("large", "small")) != "small" || a.drops("large") != 1 {
			t.Errorf("%d too large", a.drops("large"))
		}
		for n := range maxAnswers + 10 {
			get(q(fmt.Sprint("many-", n), "x"))
		}
		if kept := r.client.ZCard(ctx, a.names.answers()).Val(); kept != maxAnswers || a.drops("full") < 10 {
			t.Errorf("%d answers kept, %d too many", kept, a.drops("full"))
		}
	})
}

// One that asks and does not come back is waited for only so long.
func TestOneThatAsksTooLongIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	url := testservers.Redis(t)
	slow, other := newAnswers(t, url), newAnswers(t, url)
	other.options.Wait = 50 * time.Millisecond
	asking, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_, err := slow.Get(t.Context(), Question{Group: "days", Key: "x",
			Load: func(context.Context, bool) ([]byte, error) {
				close(asking)
				<-release
				return nil, nil
			}})
		must(t, err)
	})
	<-asking
	body, err := other.Get(t.Context(), Question{Group: "days", Key: "x", Load: load("own")})
	if err != nil || string(body) != "own" || other.outcomes("late") != 1 {
		t.Errorf("%q, %v, %d late", body, err, other.outcomes("late"))
	}
	close(release)
}

// Redis that is killed while many wait costs nobody an answer, and is used again when it is back.
func TestRedisIsKilledWhileTheyWait(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	const processes, requests = 3, 50
	all := make([]*Answers, processes)
	for n := range all {
		all[n] = newAnswers(t, "redis://"+server.Addr)
	}
	asking, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	var asked atomic.Int32
	for _, a := range all {
		own := newCache()
		for range requests {
			wg.Go(func() {
				body, err := own.Get(t.Context(), 0, func(ctx context.Context) ([]byte, error) {
					return a.Get(ctx, Question{Group: "days", Key: "x", Life: time.Minute,
						Load: func(context.Context, bool) ([]byte, error) {
							asked.Add(1)
							once.Do(func() { close(asking) })
							<-release
							return []byte("x"), nil
						}})
				})
				if err != nil || string(body) != "x" {
					t.Errorf("%q, %v", body, err)
				}
			})
		}
	}
	<-asking
	server.Stop()
	close(release)
	wg.Wait()
	if n := asked.Load(); n > processes {
		t.Errorf("asked %d times by %d processes", n, processes)
	}
	server.Start()
	deadline := time.Now().Add(patience)
	for n := 0; all[0].outcomes("shared") == 0; n++ {
		body, err := all[0].Get(t.Context(), Question{Group: "days", Key: "y", Life: time.Minute, Load: load("y")})
		if err != nil || string(body) != "y" {
			t.Fatalf("%q, %v", body, err)
		}
		if time.Now().After(deadline) {
			t.Fatal("Redis is not used again")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
