package bus

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

// A goroutine left behind fails the package.
func TestMain(m *testing.M) {
	LogRedisTo(slog.New(slog.DiscardHandler)) // connections break all the time here
	goleak.VerifyTestMain(m)
}
