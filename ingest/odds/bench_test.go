package odds

import (
	"fmt"
	"log/slog"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus"
)

// BenchmarkChanges takes changes of markets in and publishes them on a real Redis, as the runner
// does in one step of 50 ms at 100,000 a second: 5,000 changes of 100 matches, none of them twice.
func BenchmarkChanges(b *testing.B) {
	const matches, perMatch = 100, 50
	server := testservers.NewRedis(b)
	opened, err := bus.OpenRedis(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer opened.Close()
	out := bus.New(opened, bus.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	books := NewBooks([]SourceConfig{{Name: "s", TTL: time.Hour}}, time.Hour)
	now := time.Now()
	market := func(i, round int) Market {
		return Market{Key: fmt.Sprintf("ou:%d.5", i), Status: Open, Selections: []Selection{
			{Key: "over", Price: Price(1500 + round%1000), Text: "1.5"}, {Key: "under", Price: Price(2500 - round%1000),
				Text: "2.5"}}}
	}
	publish := func() {
		steps := books.Steps(1, now)
		done, err := out.PublishOdds(b.Context(), now, steps)
		if err != nil {
			b.Fatal(err)
		}
		for i, d := range done {
			books.Done(steps[i], d, now)
		}
	}
	for id := range matches {
		var all []Market
		for i := range perMatch {
			all = append(all, market(i, 0))
		}
		books.Image("s", goalcast.MatchID(id+1), all, now)
	}
	publish() // a beat, which is refused: what the bus has is not known yet
	publish()
	round, own, redis := 0, processTime(b), redisTime(b, server.Addr)
	for b.Loop() {
		round++
		for id := range matches {
			for i := range perMatch {
				books.Change("s", goalcast.MatchID(id+1), []Market{market(i, round)}, now)
			}
		}
		publish()
	}
	changes := float64(b.N * matches * perMatch)
	b.ReportMetric(changes/b.Elapsed().Seconds(), "changes/s")
	own, redis = processTime(b)-own, redisTime(b, server.Addr)-redis
	b.ReportMetric(changes/own.Seconds(), "changes/core-s") // of this process
	b.ReportMetric(changes/(own+redis).Seconds(), "changes/core-s-with-Redis")
}

// redisTime is the processor time that a Redis server has used.
func redisTime(b *testing.B, addr string) (used time.Duration) {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	cpu, err := client.InfoMap(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, key := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(cpu["CPU"][key], 64)
		if err != nil {
			b.Fatal(err)
		}
		used += time.Duration(seconds * float64(time.Second))
	}
	return used
}

// processTime is the processor time that this process has used.
func processTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
