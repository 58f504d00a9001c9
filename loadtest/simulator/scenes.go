package simulator

import (
	"slices"
	"strconv"
	"time"
)

// reviewTime is how long a goal stands before it is taken back.
const reviewTime = 100 * time.Second

// act plays one scene at a moment.
func (p *performance) act(what plot, at time.Duration) {
	side := p.home
	if p.rng.IntN(100) >= 54 { // playing at home helps
		side = p.away
	}
	switch what {
	case addedTime:
		minutes := strconv.Itoa(p.halves[p.half].added)
		p.newEvent(p.home, p.half, at, time.Second, typeAdded, 0, detail{id: qAddedMinutes, value: minutes})
		p.moment(at)
	case plainGoal, penaltyGoal, takenBack, corrected:
		p.goal(what, side, at)
	case ownGoal:
		p.ownGoal(side, at)
	case missedPenalty:
		e := p.newEvent(side, p.half, at, p.entry(), typeShotSaved, p.someone(side, true).id, detail{id: qPenalty},
			detail{id: 56, value: "Center"})
		e.x, e.y = 88.5, 50
		p.moment(at)
	case yellow, secondYellow, straightRed:
		p.card(what, side, at)
	case substitution:
		p.substitute(side, at)
	}
}

// moment notes that something happened that a document should tell at once.
func (p *performance) moment(at time.Duration) { p.moments = append(p.moments, at) }

// entry is how long the collector takes to type an event in.
func (p *performance) entry() time.Duration {
	return time.Duration(1500+p.rng.IntN(2000)) * time.Millisecond
}

func (p *performance) goal(what plot, side *squad, at time.Duration) {
	scorer := p.someone(side, true)
	details := []detail{{id: 56, value: "Center"}, {id: 102, value: number(45 + tenths(p.rng, 10))},
		{id: 103, value: number(tenths(p.rng, 38))}}
	var assist int64
	switch {
	case what == penaltyGoal:
		details = append(details, detail{id: qPenalty})
	case p.last != nil && p.last.squad == side && at-p.last.at < time.Minute &&
		p.last.versions[0].player != scorer.id && p.rng.IntN(4) > 0:
		assist = p.last.versions[0].player
		details = append(details, detail{id: qAssisted}, detail{id: qRelated, related: p.last})
	}
	e := p.newEvent(side, p.half, at, p.entry(), typeGoal, scorer.id, details...)
	e.x, e.y = 88+tenths(p.rng, 11), 40+tenths(p.rng, 20)
	p.incidents = append(p.incidents, &incident{kind: goal, event: e, side: side, assist: assist})
	p.moment(at)
	switch what {
	case takenBack:
		review := p.newEvent(side, p.half, at+25*time.Second, 2*time.Second, typeReview, 0, detail{id: qGoalGiven},
			detail{id: qUnderReview})
		review.becomes(at+reviewTime-4*time.Second, func(v *version) {
			v.details = []detail{{id: qReviewed}, {id: qNoGoal}, {id: qDelay}}
		})
		e.deleted(at + reviewTime)
		p.moment(at + 25*time.Second)
		p.moment(at + reviewTime)
	case corrected:
		other := p.someoneElse(side, scorer.id)
		for other.id == assist {
			other = p.someoneElse(side, scorer.id)
		}
		e.becomes(at+4*time.Minute, func(v *version) { v.player = other.id })
		p.moment(at + 4*time.Minute)
	}
}

// ownGoal is one for side, made by a defender of the other team: F24 has it under the maker's team,
// F7 and F9 under the one that gains.
func (p *performance) ownGoal(side *squad, at time.Duration) {
	unlucky := p.other(side)
	by := p.someone(unlucky, false)
	e := p.newEvent(unlucky, p.half, at, p.entry(), typeGoal, by.id, detail{id: qOwnGoal},
		detail{id: 56, value: "Center"})
	e.x, e.y = 3, 51
	p.incidents = append(p.incidents, &incident{kind: goal, event: e, side: side})
	p.moment(at)
}

func (p *performance) card(what plot, side *squad, at time.Duration) {
	team := p.pitches[side]
	by := p.someone(side, false)
	colour, reason := qYellow, []string{"Foul", "Foul", "Dissent", "Handball", "Time Wasting"}[p.rng.IntN(5)]
	switch {
	case what == secondYellow:
		if i := slices.IndexFunc(team.on, func(one *player) bool { return team.booked[one.id] }); i >= 0 {
			by = team.on[i]
		} else { // nobody is booked yet: the first one comes two minutes earlier, for someone who was there then
			for by.place == 0 {
				by = p.someone(side, false)
			}
			p.booking(side, by, qYellow, "Foul", at-2*time.Minute)
		}
		colour, reason = qSecond, "Foul"
	case what == straightRed:
		colour, reason = qRed, "Foul"
	default:
		for range 20 { // second yellows are a plot of their own
			if !team.booked[by.id] {
				break
			}
			by = p.someone(side, false)
		}
		if team.booked[by.id] {
			return
		}
	}
	p.booking(side, by, colour, reason, at)
	if colour != qYellow {
		team.on = slices.DeleteFunc(team.on, func(one *player) bool { return one == by })
	}
}

func (p *performance) booking(side *squad, by *player, colour int, reason string, at time.Duration) {
	at = max(at, p.halves[p.half].start+20*time.Second)
	e := p.newEvent(side, p.half, at, p.entry(), typeCard, by.id, detail{id: 13, value: "243"}, detail{id: colour})
	p.incidents = append(p.incidents, &incident{kind: card, event: e, side: side, reason: reason})
	p.pitches[side].booked[by.id] = true
	p.moment(at)
}

// substitute brings a player of the bench on for one of the same line; at most five per team.
func (p *performance) substitute(side *squad, at time.Duration) {
	team := p.pitches[side]
	if len(team.bench) <= 2 {
		return
	}
	on := team.bench[1+p.rng.IntN(len(team.bench)-1)] // the second goalkeeper stays where he is
	i := 1 + p.rng.IntN(len(team.on)-1)
	for try := range team.on {
		if k := 1 + (i+try)%(len(team.on)-1); team.on[k].position == on.position {
			i = k
			break
		}
	}
	out := team.on[i]
	if out.place == 0 { // who came on stays on
		return
	}
	reason, why := "Tactical", 42
	if p.rng.IntN(6) == 0 {
		reason, why = "Injury", 41
	}
	left := p.newEvent(side, p.half, at, p.entry(), typeOff, out.id, detail{id: 44, value: out.position},
		detail{id: why})
	came := p.newEvent(side, p.half, at+100*time.Millisecond, p.entry(), typeOn, on.id,
		detail{id: 44, value: on.position}, detail{id: why})
	left.versions[0].details = append(left.versions[0].details, detail{id: qRelated, related: came})
	came.versions[0].details = append(came.versions[0].details, detail{id: qRelated, related: left})
	came.min, came.sec = left.min, left.sec // it is one moment, whatever the tenth of a second
	p.incidents = append(p.incidents, &incident{kind: swap, event: came, side: side, off: out.id, reason: reason})
	p.moment(at)
	team.on[i] = on
	team.bench = slices.DeleteFunc(team.bench, func(one *player) bool { return one == on })
}
