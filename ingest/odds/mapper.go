package odds

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/ingest/letters"
)

// How the mapper works.
const (
	DefaultEvents  = 20_000                 // events that are remembered; more are not mapped
	mapLook        = time.Second            // operators' decisions are looked for
	mapRetry       = 30 * time.Second       // what is not mapped is tried again
	mapPause       = 200 * time.Millisecond // between two looks for matches
	mapOverlap     = 10 * time.Second       // of two looks for decisions: a transaction may be slow
	mapTimeout     = 5 * time.Second        // of a question to the database
	mapAhead       = 14 * 24 * time.Hour    // matches are looked for that kick off until then
	mapBack        = 24 * time.Hour         // and that have kicked off since then
	mapForget      = 48 * time.Hour         // after kick-off or description
	describedEvery = 10 * time.Minute       // an unchanged description is noted again
	maxText        = 200                    // of a name, bytes
)

// errTooMany is the error of Describe where too many events are remembered.
var errTooMany = fmt.Errorf("%w: events of providers", goalcast.ErrTooMany)

// MappingStore is what a StoreMapper needs of the database.
type MappingStore interface {
	Now() time.Time // the database's clock
	// SaveMappings returns them as they are then: what an operator has decided stays.
	SaveMappings(context.Context, []goalcast.OddsMapping) ([]goalcast.OddsMapping, error)
	RecentMappings(ctx context.Context, after time.Time) ([]goalcast.OddsMapping, error)
	MappingsDecided(ctx context.Context, after time.Time) ([]goalcast.OddsMapping, error)
	OddsFixtures(ctx context.Context, from, to time.Time) ([]goalcast.OddsFixture, error)
	OddsGates(context.Context) ([]goalcast.OddsGate, error)
}

// StoreMapper maps events to the matches in the database by what providers say of them, and follows
// what operators decide. Run's goroutine owns it, but for what mu guards.
type StoreMapper struct {
	store   MappingStore
	log     *slog.Logger
	names   *nameReader
	events  int           // DefaultEvents
	look    time.Duration // mapLook
	again   time.Duration // mapRetry
	metrics mapperMetrics
	asked   time.Time     // when decisions were read last, by the database's clock
	wake    chan struct{} // holds one token while descriptions wait

	mu        sync.RWMutex
	known     map[eventKey]goalcast.OddsMapping
	described map[eventKey]Fixture // not worked on yet
}

type mapperMetrics struct {
	unmapped *prometheus.GaugeVec
	waiting  prometheus.Gauge
	mappings *prometheus.CounterVec
	left     *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

// NewMapper makes a mapper; it starts nothing.
func NewMapper(store MappingStore, log *slog.Logger, reg prometheus.Registerer) *StoreMapper {
	f := promauto.With(reg)
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "goalcast", Subsystem: "odds", Name: name, Help: help}
	}
	return &StoreMapper{store: store, log: log, names: newNameReader(), events: DefaultEvents,
		look: mapLook, again: mapRetry, wake: make(chan struct{}, 1),
		known: map[eventKey]goalcast.OddsMapping{}, described: map[eventKey]Fixture{},
		metrics: mapperMetrics{
			unmapped: f.NewGaugeVec(prometheus.GaugeOpts(opts("unmapped_events",
				"Events of a source, of now and the days around, of which nobody knows which match they are.")),
				[]string{"source"}),
			waiting: f.NewGauge(prometheus.GaugeOpts(opts("waiting_events",
				"Events that are not mapped and whose newest prices are kept until they are."))),
			mappings: f.NewCounterVec(prometheus.CounterOpts(opts("mappings_total",
				"Mappings of events that were made or changed, as seen by the process that holds the sources.")),
				[]string{"source", "decision"}),
			left: f.NewCounterVec(prometheus.CounterOpts(opts("waiting_dropped_total",
				"Messages with prices of unmapped events that were not kept, since too many events wait.")),
				[]string{"source"}),
			refused: f.NewCounterVec(prometheus.CounterOpts(opts("descriptions_dropped_total",
				"Descriptions of events that were not looked at, since too many are remembered.")), []string{"source"}),
		}}
}

// Match implements Mapper.
func (m *StoreMapper) Match(source, event string) goalcast.MatchID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[eventKey{source, event}].Match
}

// Describe implements Mapper.
func (m *StoreMapper) Describe(source string, f Fixture) error {
	key := eventKey{source, f.Event}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, known := m.known[key]
	_, waits := m.described[key]
	if !known && !waits && m.fullLocked() {
		m.metrics.refused.WithLabelValues(source).Inc()
		return errTooMany
	}
	if known && !waits && !news(worded(o, f), o) && m.store.Now().Sub(o.Described) < describedEvery {
		return nil
	}
	m.described[key] = f
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return nil
}

// fullLocked says whether as many events are remembered as may be.
func (m *StoreMapper) fullLocked() bool {
	if len(m.known)+len(m.described) < m.events {
		return false
	}
	count := len(m.known)
	for key := range m.described {
		if _, known := m.known[key]; !known {
			count++
		}
	}
	return count >= m.events
}

// Run implements Mapper.
func (m *StoreMapper) Run(ctx context.Context, tell func(func(*Books, time.Time))) error {
	for m.load(ctx, tell) != nil {
		if !sleep(ctx, m.look) {
			return ctx.Err()
		}
	}
	tick := time.NewTicker(m.look)
	defer tick.Stop()
	for retried := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.wake:
			m.report(ctx, "events not mapped, will be tried again", m.describe(ctx, tell))
			if !sleep(ctx, min(mapPause, m.look)) {
				return ctx.Err()
			}
		case <-tick.C:
			m.report(ctx, "decisions of operators not read, will be tried again", m.follow(ctx, tell))
			m.report(ctx, "events not mapped, will be tried again", m.describe(ctx, tell)) // that failed before
			if time.Since(retried) >= m.again {
				retried = time.Now()
				m.forget(tell)
				m.report(ctx, "events not mapped, will be tried again", m.retry(ctx, tell))
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (m *StoreMapper) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		m.log.Warn("odds: "+what, "error", err)
	}
}

// load begins a turn with what the database knows.
func (m *StoreMapper) load(ctx context.Context, tell func(func(*Books, time.Time))) error {
	m.mu.Lock()
	clear(m.known)
	m.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, mapTimeout)
	defer cancel()
	m.asked = m.store.Now()
	list, err := m.store.RecentMappings(limited, m.asked.Add(-mapForget))
	if err != nil {
		m.report(ctx, "mappings not read, will be tried again", err)
		return err
	}
	m.mu.Lock()
	for _, o := range list[:min(len(list), m.events)] {
		m.known[eventKey{o.Source, o.Event}] = o
	}
	m.mu.Unlock()
	tell(func(b *Books, now time.Time) {
		for _, o := range list {
			b.Map(o.Source, o.Event, m.Match(o.Source, o.Event), now)
		}
	})
	m.count()
	return m.follow(ctx, tell)
}

// follow takes in what operators have decided since it was called last, and which matches they have
// shut.
func (m *StoreMapper) follow(ctx context.Context, tell func(func(*Books, time.Time))) error {
	ready := make(chan struct{})
	tell(func(b *Books, _ time.Time) {
		b.Ask()
		close(ready)
	})
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, mapTimeout)
	defer cancel()
	asked := m.store.Now()
	decided, err := m.store.MappingsDecided(limited, m.asked.Add(-mapOverlap))
	if err != nil {
		return err
	}
	gates, err := m.store.OddsGates(limited)
	if err != nil {
		return err
	}
	m.asked = asked
	shut := map[goalcast.MatchID]bool{}
	for _, g := range gates {
		shut[g.Match] = true
	}
	m.learn(decided, tell)
	tell(func(b *Books, _ time.Time) {
		b.ByHand(shut)
		waiting, left := b.Waiting()
		m.metrics.waiting.Set(float64(waiting))
		for source, n := range left {
			m.metrics.left.WithLabelValues(source).Add(float64(n))
		}
	})
	return nil
}

// learn remembers mappings as they are in the database, and moves the books of events that are of
// another match now.
func (m *StoreMapper) learn(list []goalcast.OddsMapping, tell func(func(*Books, time.Time))) {
	var moved []goalcast.OddsMapping
	m.mu.Lock()
	for _, o := range list {
		key := eventKey{o.Source, o.Event}
		was := m.known[key]
		m.known[key] = o
		if was.Match != o.Match {
			moved = append(moved, o)
		}
		if was.Match != o.Match || was.Decision != o.Decision {
			m.metrics.mappings.WithLabelValues(o.Source, string(o.Decision)).Inc()
			m.log.Info("odds: event mapped", "source", o.Source, "event", o.Event, "decision", o.Decision,
				"match", o.Match, "before", was.Match, "home", o.Home, "away", o.Away, "kickoff", o.Kickoff)
		}
	}
	m.mu.Unlock()
	if len(moved) > 0 {
		tell(func(b *Books, now time.Time) {
			for _, o := range moved {
				b.Map(o.Source, o.Event, m.Match(o.Source, o.Event), now)
			}
		})
	}
	m.count()
}

// count sets the gauge of unmapped events.
func (m *StoreMapper) count() {
	m.mu.RLock()
	defer m.mu.RUnlock()
	unmapped := map[string]int{}
	for key, o := range m.known {
		if unmapped[key.source] += 0; o.Decision == goalcast.MappingOpen {
			unmapped[key.source]++
		}
	}
	for source, n := range unmapped {
		m.metrics.unmapped.WithLabelValues(source).Set(float64(n))
	}
}

// describe maps what was described since it was called last.
func (m *StoreMapper) describe(ctx context.Context, tell func(func(*Books, time.Time))) error {
	m.mu.Lock()
	described := m.described
	if len(described) == 0 {
		m.mu.Unlock()
		return nil
	}
	m.described = map[eventKey]Fixture{}
	var list []goalcast.OddsMapping
	for key, f := range described {
		o := m.known[key]
		o.Source, o.Event = key.source, key.event
		list = append(list, worded(o, f))
	}
	m.mu.Unlock()
	err := m.round(ctx, list, true, tell)
	if err == nil {
		return nil
	}
	m.mu.Lock()
	for key, f := range described { // but for what was described again
		if _, again := m.described[key]; !again {
			m.described[key] = f
		}
	}
	m.mu.Unlock()
	return err
}

// worded is a mapping with the words of a description, made fit to be shown.
func worded(o goalcast.OddsMapping, f Fixture) goalcast.OddsMapping {
	var mended letters.Mended
	o.Competition, o.Home, o.Away = letters.Line(f.Competition, maxText, &mended),
		letters.Line(f.Home, maxText, &mended), letters.Line(f.Away, maxText, &mended)
	o.Kickoff = time.Time{}
	if !f.Kickoff.IsZero() {
		o.Kickoff = time.UnixMilli(f.Kickoff.UnixMilli()).UTC()
	}
	return o
}

// retry looks again for matches of events that have none: they may be known by now.
func (m *StoreMapper) retry(ctx context.Context, tell func(func(*Books, time.Time))) error {
	m.mu.RLock()
	list := slices.DeleteFunc(slices.Collect(maps.Values(m.known)), func(o goalcast.OddsMapping) bool {
		return o.Decision != goalcast.MappingOpen
	})
	m.mu.RUnlock()
	return m.round(ctx, list, false, tell)
}

// round looks for the matches of events and saves what has changed; of events that are described
// now also that they were.
func (m *StoreMapper) round(ctx context.Context, list []goalcast.OddsMapping, described bool,
	tell func(func(*Books, time.Time))) error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, mapTimeout)
	defer cancel()
	now := m.store.Now()
	planned, err := m.store.OddsFixtures(ctx, now.Add(-mapBack), now.Add(mapAhead))
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b goalcast.OddsMapping) int { return a.Described.Compare(b.Described) })
	known, taken := newFixtures(planned, m.names), m.taken()
	var changed []goalcast.OddsMapping
	for _, o := range list {
		was := m.mapping(o)
		o = resolve(o, was, known, taken)
		if described && now.Sub(was.Described) >= describedEvery || news(o, was) {
			if described {
				o.Described = now
			}
			changed = append(changed, o)
		}
	}
	saved, err := m.store.SaveMappings(ctx, changed)
	m.learn(saved, tell)
	return err
}

func (m *StoreMapper) mapping(o goalcast.OddsMapping) goalcast.OddsMapping {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[eventKey{o.Source, o.Event}]
}

// place is the event that a source has for a match.
type place struct {
	source string
	match  goalcast.MatchID
}

func (m *StoreMapper) taken() map[place]string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	taken := map[place]string{}
	for _, o := range m.known {
		if o.Match != 0 {
			taken[place{o.Source, o.Match}] = o.Event
		}
	}
	return taken
}

// resolve looks for the match of an event. What an operator has decided is not looked for; nor is
// what was found, unless the event is described otherwise than before.
func resolve(o, was goalcast.OddsMapping, known fixtures, taken map[place]string) goalcast.OddsMapping {
	switch {
	case was.Decision == goalcast.MappingDecided, was.Decision == goalcast.MappingRefused,
		was.Decision == goalcast.MappingFound && sameWords(o, was):
		return o
	}
	fit, may := known.find(o)
	if len(fit) > 1 && slices.Contains(fit, was.Match) {
		fit, may = []goalcast.MatchID{was.Match}, nil // it is not worse than it was
	}
	o.Match, o.Decision, o.Candidates = 0, goalcast.MappingOpen, nil
	if len(fit) == 1 {
		if event := taken[place{o.Source, fit[0]}]; event == "" || event == o.Event {
			o.Match, o.Decision = fit[0], goalcast.MappingFound
			taken[place{o.Source, fit[0]}] = o.Event
			return o
		}
	}
	for _, id := range slices.Concat(fit, may) {
		if !slices.Contains(o.Candidates, id) && len(o.Candidates) < maxCandidates {
			o.Candidates = append(o.Candidates, id)
		}
	}
	return o
}

const maxCandidates = 10

func sameWords(a, b goalcast.OddsMapping) bool {
	return a.Competition == b.Competition && a.Home == b.Home && a.Away == b.Away && a.Kickoff.Equal(b.Kickoff)
}

// news says whether a mapping is to be saved.
func news(o, was goalcast.OddsMapping) bool {
	return !sameWords(o, was) || o.Decision != was.Decision || o.Match != was.Match ||
		!slices.Equal(o.Candidates, was.Candidates)
}

// forget drops events that are over.
func (m *StoreMapper) forget(tell func(func(*Books, time.Time))) {
	before := m.store.Now().Add(-mapForget)
	var gone []eventKey
	m.mu.Lock()
	for key, o := range m.known {
		last := o.Kickoff
		if o.Described.After(last) {
			last = o.Described
		}
		if last.Before(before) && o.Decided.Before(before) {
			gone = append(gone, key)
			delete(m.known, key)
		}
	}
	m.mu.Unlock()
	if len(gone) > 0 {
		tell(func(b *Books, _ time.Time) {
			for _, key := range gone {
				b.Forget(key.source, key.event)
			}
		})
	}
}
