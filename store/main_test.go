package store

import (
	"flag"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"goalcast/store/bus"
)

// A goroutine left behind fails the package.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait for servers more than they compute
		panic(err)
	}
	bus.LogRedisTo(slog.New(slog.DiscardHandler)) // connections break all the time here
	goleak.VerifyTestMain(m,
		// Of a closed pool whose server is away: it ends within a second.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}
