package bus

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// errRedisAway says that Redis did not answer a moment ago.
var errRedisAway = errors.New("redis is away")

// absencePause is how long Redis is not asked again by whoever it did not answer in time.
const absencePause = time.Second

// absence notes that Redis does not answer, so that those who can do without it wait once a second
// at most, and its beginning and end are logged once.
type absence struct {
	log         *slog.Logger
	begun, over string // what the log says

	mu    sync.Mutex
	until time.Time // Redis is not asked before; zero while it answers
}

// now says whether Redis is not to be asked.
func (a *absence) now() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.until)
}

// note takes what came of asking: nil is an answer.
func (a *absence) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
		if a.until.IsZero() {
			a.log.Warn(a.begun, "error", err)
		}
		a.until = time.Now().Add(absencePause)
	case !a.until.IsZero():
		a.until = time.Time{}
		a.log.Info(a.over)
	}
}
