package opta

import (
	"time"

	"goalcast"
)

// periods tells which parts of the match have begun. F24 has starts (32) and ends (30) of the
// parts in which the ball rolls, one of each per team; the first of the two tells when. What an
// end means depends on what follows, see after. A deleted start or end is taken back only if no
// live one says the same.
func (g *game) periods() []goalcast.Event {
	starts := map[goalcast.Period]bool{} // live
	for i := range g.events {
		if t := &g.events[i]; t.kind == typePeriodStart && !t.deleted {
			starts[t.period] = true
		}
	}
	type moment struct {
		at      time.Time
		deleted bool
	}
	began := map[goalcast.Period]moment{}
	for i := range g.events {
		t := &g.events[i]
		var p goalcast.Period
		switch {
		case t.kind == typePeriodStart && t.period.InPlay():
			p = t.period
		case t.kind == typePeriodEnd:
			p = after(t, starts)
		}
		if p == "" {
			continue
		}
		now := moment{g.at(t), t.deleted}
		old, known := began[p]
		earlier := old.at.IsZero() || !now.at.IsZero() && now.at.Before(old.at)
		if !known || old.deleted && !now.deleted || old.deleted == now.deleted && earlier {
			began[p] = now
		}
	}
	var out []goalcast.Event
	for p, b := range began {
		e := goalcast.Event{ID: periodID(g.id, p), Status: goalcast.Confirmed, Kind: goalcast.KindPeriod, Match: g.id,
			Period: p, At: b.at}
		if b.deleted {
			e.Status = goalcast.Cancelled
		}
		out = append(out, e)
	}
	return byID(out)
}

// after says what begins when a period ends; "" if that is not known yet.
//
// The end of the second half is the end of the match if it says so (Q209), and a pause before extra
// time or a shoot-out if it says that (Q308, Q309) or a later part has started. With neither, the
// qualifier may just not have been entered yet: then nothing is said, since a full time that is
// taken back is worse than one that comes seconds later with the next document. The same goes for
// the end of extra time. Whatever was said, a later start overrules it.
func after(t *f24Event, starts map[goalcast.Period]bool) goalcast.Period {
	over := t.has(qualifierGameOver)
	goesOn := t.has(qualifierExtraTime) || t.has(qualifierPenalties)
	switch t.period {
	case goalcast.FirstHalf:
		return goalcast.HalfTime
	case goalcast.SecondHalf:
		switch {
		case starts[goalcast.ExtraFirstHalf] || starts[goalcast.ExtraSecondHalf] || starts[goalcast.Shootout]:
			return goalcast.FullTime90
		case over:
			return goalcast.FullTime
		case goesOn:
			return goalcast.FullTime90
		}
	case goalcast.ExtraFirstHalf:
		return goalcast.ExtraHalfTime
	case goalcast.ExtraSecondHalf:
		switch {
		case starts[goalcast.Shootout]:
			return goalcast.ExtraFullTime
		case over:
			return goalcast.FullTime
		case goesOn:
			return goalcast.ExtraFullTime
		}
	case goalcast.Shootout, goalcast.FullTime:
		return goalcast.FullTime
	}
	return ""
}
