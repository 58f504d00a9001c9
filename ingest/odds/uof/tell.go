package uof

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast/ingest/odds"
)

// take does what a message says.
func (r *session) take(m *message) {
	if !slices.Contains(kinds, m.kind) {
		r.m.messages.WithLabelValues("other").Inc()
		return
	}
	r.m.messages.WithLabelValues(m.kind).Inc()
	now := time.Now()
	p := r.producers[m.producer]
	switch {
	case p == nil && m.producer != 0:
		return // not one of ours
	case p != nil && m.kind == kindAlive:
		p.alive(now, m.time(), m.subscribed)
		r.sink.Alive(m.time())
	case p != nil && m.kind == kindSnapshotComplete:
		p.snapshotComplete(now, m.request)
	case strings.HasPrefix(m.event, matchURN) && isKey(m.event):
		r.match(m, p, now)
	}
}

// match takes a message about a match. The producer may be nil: settlements need not name it.
func (r *session) match(m *message, p *producer, now time.Time) {
	if p != nil && m.request != 0 {
		p.recovered(now, m.request)
	}
	switch m.kind {
	case kindFixtureChange:
		r.fixtures.again(m.event)
	case kindBetSettlement, kindBetCancel, kindRollbackSettlement, kindRollbackCancel:
		r.settlement(m)
	case kindOddsChange, kindBetStop:
		// What was asked for by others, or for its settlements, tells of the past.
		if p != nil && (m.request == 0 || m.request == p.request) {
			r.odds(m, p, now)
		}
	}
}

// odds takes an odds_change or bet_stop.
func (r *session) odds(m *message, p *producer, now time.Time) {
	e := r.book.event(m, now)
	if e == nil {
		return
	}
	if e.fixture == nil {
		r.fixtures.need(e.id)
	}
	if m.kind == kindOddsChange {
		changed := r.book.oddsChange(e, m, p.live)
		if !e.told && p.open() {
			r.image(e, m.time())
			return
		}
		r.change(e, m, changed)
		return
	}
	switch stopped, all := r.book.betStop(e, m, p.live); {
	case !e.told || len(stopped) == 0:
	case all:
		// The next that is told of the match is all of it.
		e.told = false
		r.sink.Suspend(e.id, m.time())
		e.hide()
	default:
		r.suspend(e, m.time(), stopped)
	}
}

// image tells all of a match, as it was at the provider's time.
func (r *session) image(e *event, at time.Time) {
	if e.fixture != nil && !e.named {
		e.named = true
		r.sink.Fixture(*e.fixture)
	}
	all := make([]odds.Market, 0, len(e.markets))
	for _, mk := range e.markets {
		all = append(all, r.say(mk))
	}
	slices.SortFunc(all, func(a, b odds.Market) int { return strings.Compare(a.Key, b.Key) })
	e.told = true
	r.sink.Image(e.id, at, all)
}

// change tells single markets of a match, but for those that were suspended for the sink and are.
func (r *session) change(e *event, m *message, changed []*market) {
	if !e.told {
		return
	}
	all := make([]odds.Market, 0, len(changed))
	for _, mk := range changed {
		if r.shown[mk.producer] || mk.shown == odds.Open {
			all = append(all, r.say(mk))
		}
	}
	if len(all) > 0 {
		r.sink.Change(e.id, m.time(), all)
	}
}

// suspend tells that markets are suspended.
func (r *session) suspend(e *event, at time.Time, markets []*market) {
	keys := make([]string, 0, len(markets))
	for _, mk := range markets {
		mk.shown = odds.Suspended
		keys = append(keys, mk.Key)
	}
	if len(keys) > 0 && e.told {
		slices.Sort(keys)
		r.sink.Suspend(e.id, at, keys...)
	}
}

// say is what the sink is told of a market: one of a producer that is down is suspended.
func (r *session) say(mk *market) odds.Market {
	told := mk.Market
	if p := r.producers[mk.producer]; told.Status == odds.Open && !p.open() {
		told.Status = odds.Suspended
	}
	mk.shown = told.Status
	return told
}

// hide notes that the sink shows nothing of a match.
func (e *event) hide() {
	for _, mk := range e.markets {
		if mk.shown == odds.Open {
			mk.shown = odds.Suspended
		}
	}
}

// settlement tells how bets ended, whatever the state of the producer.
func (r *session) settlement(m *message) {
	if all := r.book.settlements(m); len(all) > 0 {
		r.sink.Settle(m.event, m.time(), all)
	}
	if closed := r.book.closeSettled(m); len(closed) > 0 {
		r.change(r.book.events[m.event], m, closed)
	}
}

// distrust suspends a match of which a message could not be read.
func (r *session) distrust(routingKey string) {
	e := r.book.events[eventOf(routingKey)]
	if e == nil {
		return
	}
	e.distrust()
	if e.told {
		e.told = false
		r.sink.Suspend(e.id, time.Time{})
		e.hide()
	}
}

// turn tells that a producer has opened or is shut.
func (r *session) turn(p *producer, open bool) {
	value := 0.0
	if open {
		value = 1
	}
	r.m.producer.WithLabelValues(strconv.Itoa(p.id)).Set(value)
	r.log.Info("producer of odds", "producer", p.id, "name", p.name, "open", open, "state", p.phase, "late", p.late)
	if !open && !r.anyOpen() {
		r.down(odds.ReasonProvider)
		return
	}
	for _, e := range r.book.events {
		of := e.of(p.id)
		switch {
		case len(of) == 0:
		case open:
			r.image(e, p.current)
		default:
			r.suspend(e, moment(e.at), of)
		}
	}
}

// down tells that nothing may be shown. Each match opens again with its next image.
func (r *session) down(reason odds.Reason) {
	r.sink.Down(reason)
	for _, e := range r.book.events {
		e.told = false
		e.hide()
	}
	for id := range r.shown {
		r.m.producer.WithLabelValues(strconv.Itoa(id)).Set(0)
	}
}

func (r *session) anyOpen() bool {
	for _, open := range r.shown {
		if open {
			return true
		}
	}
	return false
}

// of lists the markets of a producer.
func (e *event) of(producer int) (all []*market) {
	for _, mk := range e.markets {
		if mk.producer == producer {
			all = append(all, mk)
		}
	}
	return all
}
