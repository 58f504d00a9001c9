package uof

import (
	"slices"
	"strconv"

	"goalcast/ingest/odds"
)

// settlements reads a bet_settlement, bet_cancel or one of their rollbacks.
func (b *book) settlements(m *message) []odds.Settlement {
	all := make([]odds.Settlement, 0, len(m.markets))
	for i := range m.markets {
		if s, ok := b.settlement(m, &m.markets[i]); ok {
			all = append(all, s)
		}
	}
	return all
}

func (b *book) settlement(m *message, q *quote) (s odds.Settlement, ok bool) {
	if s.Market, ok = marketKey(q.id, q.specifiers); !ok {
		b.refused(refusedKey)
		return s, false
	}
	switch m.kind {
	case kindBetCancel, kindRollbackCancel:
		s.Void, s.From, s.Until = true, moment(m.from), moment(m.to)
	case kindBetSettlement:
		for _, o := range q.outcomes {
			if o.result == "-1" {
				continue // not decided yet
			}
			r, known := result(q.id, s.Market, o)
			if !known || len(s.Results) >= b.cfg.MaxSelections {
				b.refused(refusedSettlement)
				return s, false
			}
			s.Results = append(s.Results, r)
		}
		if len(s.Results) == 0 {
			return s, false
		}
	}
	s.Cancelled = m.kind == kindRollbackSettlement || m.kind == kindRollbackCancel
	return s, true
}

// result is how bets on an outcome ended; false if we do not understand it.
func result(id int64, market string, o outcome) (r odds.Result, ok bool) {
	if r.Selection, ok = selectionKey(id, market, o.id); !ok {
		return r, false
	}
	void, ok := share(o.voidFactor)
	if !ok {
		return r, false
	}
	switch {
	case o.result != "0" && o.result != "1":
		return r, false
	case void == 1000:
		r.Outcome = odds.Void
	case void == 500 && o.result == "1":
		r.Outcome = odds.HalfWon
	case void == 500:
		r.Outcome = odds.HalfLost
	case void != 0:
		return r, false
	case o.result == "1":
		r.Outcome = odds.Won
	default:
		r.Outcome = odds.Lost
	}
	if o.deadHeat == "" || o.result == "0" {
		return r, true
	}
	r.DeadHeat, ok = share(o.deadHeat)
	if r.DeadHeat == 1000 {
		r.DeadHeat = 0
	}
	return r, ok
}

// share reads a number from 0 to 1, in thousandths; nothing is 0.
func share(text string) (odds.Price, bool) {
	if text == "" {
		return 0, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, false
	}
	return odds.Price(f*1000 + 1e-6), true
}

// closeSettled closes the markets of the match that a message has settled for good, and returns
// them: nobody bets on what is known.
func (b *book) closeSettled(m *message) (closed []*market) {
	e := b.events[m.event]
	if e == nil || m.kind != kindBetSettlement && m.kind != kindBetCancel || m.from != 0 || m.to != 0 {
		return nil
	}
	for _, q := range m.markets {
		key, _ := marketKey(q.id, q.specifiers)
		mk := e.markets[key]
		if mk == nil || mk.Status == odds.Closed || mk.at > m.at || mk.live && mk.producer != m.producer ||
			slices.ContainsFunc(q.outcomes, func(o outcome) bool { return o.result == "-1" }) {
			continue
		}
		mk.Status, mk.at = odds.Closed, m.at
		closed = append(closed, mk)
	}
	return closed
}
