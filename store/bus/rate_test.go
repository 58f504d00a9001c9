package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast/internal/testservers"
)

// rates opens one Rate per process: each has its own client.
func rates(t *testing.T, url string, count int, o RateOptions) []*Rate {
	t.Helper()
	var all []*Rate
	for range count {
		r, err := OpenRedis(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		if err := r.client.Ping(t.Context()).Err(); err != nil { // a busy machine may take longer than a rate waits
			t.Fatal(err)
		}
		all = append(all, NewRate(r, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	}
	return all
}

// drain takes messages of all Rates at once, ten at a time, and says how long it took.
func drain(t *testing.T, all []*Rate, each int) time.Duration {
	t.Helper()
	started := time.Now()
	var wg sync.WaitGroup
	for _, r := range all {
		wg.Go(func() {
			for range each / 10 {
				if err := r.Wait(t.Context(), 10); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}

func TestRateIsSharedByProcesses(t *testing.T) {
	t.Parallel()
	all := rates(t, testservers.Redis(t), 2, RateOptions{Name: "test", PerMinute: 6000, Burst: 50, Processes: 1})
	// 100 a second and 50 at once: 250 take two seconds. With a limit each they would take 0.75 s.
	if took := drain(t, all, 130); took < 2*time.Second {
		t.Errorf("260 messages took %v", took)
	}
	for _, r := range all {
		if n := testutil.ToFloat64(r.alone); n != 0 {
			t.Errorf("%v went past Redis", n)
		}
	}
	other := rates(t, testservers.Redis(t), 1, RateOptions{Name: "other", PerMinute: 60, Burst: 50})[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := other.Wait(ctx, 120); !errors.Is(err, context.DeadlineExceeded) { // more than a burst: in parts
		t.Errorf("120 at 1 a second after 50 at once: %v", err)
	}
}

func TestRateInThisProcess(t *testing.T) {
	t.Parallel()
	r, err := OpenRedis("embedded")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := []*Rate{NewRate(r, RateOptions{Name: "test", PerMinute: 6000, Burst: 50}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())}
	if took := drain(t, all, 100); took < 500*time.Millisecond {
		t.Errorf("100 messages took %v", took)
	}
	if n := testutil.ToFloat64(all[0].alone); n != 0 {
		t.Errorf("%v went past Redis", n)
	}
}

func TestRateWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	all := rates(t, server.URL, 2, RateOptions{Name: "test", PerMinute: 6000, Burst: 50, Processes: 2})
	drain(t, all, 10)
	server.Stop()
	// Half of the rate each: 50 at once and then 50 a second.
	if took := drain(t, all, 100); took < time.Second {
		t.Errorf("100 messages of each took %v", took)
	}
	for _, r := range all {
		if n := testutil.ToFloat64(r.alone); n != 100 {
			t.Errorf("%v went by the process's own share", n)
		}
	}
	server.Start()
	for deadline := time.Now().Add(patience); ; {
		before := testutil.ToFloat64(all[0].alone)
		drain(t, all[:1], 10)
		if testutil.ToFloat64(all[0].alone) == before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Redis is back, and not asked")
		}
	}
}
