package odds

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// When operators are told.
const (
	alarmEvery  = 5 * time.Second
	downAfter   = 30 * time.Second // a source is not shown for so long
	lateBy      = 2 * time.Second  // what a source tells is older than that by the provider's time
	lateFor     = 30 * time.Second // the alarm closes when nothing was late for so long
	quotaTenths = 10               // fewer than a tenth of the requests are left
)

// AlarmKinds are the kinds of alarm that a runner raises.
var AlarmKinds = []goalcast.AlarmKind{goalcast.AlarmOddsSource, goalcast.AlarmOddsLate, goalcast.AlarmOddsQuota,
	goalcast.AlarmOddsStates}

// health is what is known of the sources, for the alarms. Many goroutines use it.
type health struct {
	mu      sync.Mutex
	sources map[string]*sourceHealth
	stats   Stats
}

type sourceHealth struct {
	shown            time.Time // last; or since when the sources are held
	late             time.Time // when something came late last
	lag              time.Duration
	remaining, limit int // of requests; limit 0: nobody knows
}

// begin forgets what was known in another turn.
func (h *health) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sources, h.stats = map[string]*sourceHealth{}, Stats{Sources: map[string]SourceState{}}
}

func (h *health) of(source string) *sourceHealth {
	s := h.sources[source]
	if s == nil {
		s = &sourceHealth{}
		if h.sources == nil {
			h.sources = map[string]*sourceHealth{}
		}
		h.sources[source] = s
	}
	return s
}

// told notes how old it was what a source told.
func (h *health) told(source string, s stamp) {
	lag := s.lag()
	h.mu.Lock()
	defer h.mu.Unlock()
	if lag > lateBy {
		state := h.of(source)
		state.late, state.lag = s.received, lag
	}
}

// quota notes how many requests are left, and gives the limit: the most that were left, where the
// provider does not tell.
func (h *health) quota(source string, remaining, limit int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(source)
	s.remaining, s.limit = remaining, max(limit, remaining, s.limit)
	if limit > 0 {
		s.limit = limit
	}
	return s.limit
}

// show takes in what the books are.
func (h *health) show(s Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats = s
}

// firing lists the alarms of now.
func (h *health) firing(now time.Time, maxStates int) (list []goalcast.Alarm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add := func(kind goalcast.AlarmKind, of, format string, args ...any) {
		list = append(list, goalcast.Alarm{Name: string(kind) + ":" + of, Kind: kind,
			Text: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(h.stats.Sources)) {
		state, s := h.stats.Sources[name], h.of(name)
		if s.shown.IsZero() || state.Down == "" {
			s.shown = now
		}
		if now.Sub(s.shown) >= downAfter {
			add(goalcast.AlarmOddsSource, name, "prices of source %s are not shown since %s: %s", name,
				s.shown.UTC().Format(time.TimeOnly), state.Down)
		}
		if !s.late.IsZero() && now.Sub(s.late) < lateFor {
			add(goalcast.AlarmOddsLate, name, "source %s is %v behind its own time: a slow network, a delayed key, "+
				"or a "+
				"clock that is wrong", name, s.lag.Round(100*time.Millisecond))
		}
		if s.limit > 0 && s.remaining*quotaTenths < s.limit {
			add(goalcast.AlarmOddsQuota, name, "source %s allows %d more requests of %d", name, s.remaining, s.limit)
		}
	}
	if h.stats.Most > maxStates {
		add(goalcast.AlarmOddsStates, fmt.Sprint(h.stats.Largest), "match %d has %d markets, hubs show %d: raise "+
			"GOALCAST_MAX_STATES", h.stats.Largest, h.stats.Most, maxStates)
		list[len(list)-1].Match = h.stats.Largest
	}
	return list
}

// alarms raises and closes alarms while this process holds the sources.
func (r *Runner) alarms(ctx context.Context) error {
	tick := time.NewTicker(alarmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, saveTime)
		err := r.alarm(limited, r.health.firing(r.now(), r.maxStates))
		cancel()
		if err != nil && ctx.Err() == nil {
			r.log.Warn("odds: alarms stay as they are", "error", err)
		}
	}
}
