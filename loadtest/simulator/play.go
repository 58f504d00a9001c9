package simulator

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// plot is one thing that will happen in a match.
type plot int

const (
	plainGoal plot = iota
	penaltyGoal
	ownGoal
	takenBack // a goal that a review takes back
	corrected // a goal whose scorer is changed later
	missedPenalty
	yellow
	secondYellow
	straightRed
	substitution
	addedTime
)

// scene is a plot at a moment of a half.
type scene struct {
	plot
	half int
	at   time.Duration // after the half's start
}

// plots decides what happens in the i-th of n matches. Over the day at least one goal is taken
// back, one scorer corrected, one player sent off, one penalty scored and one own goal made,
// whatever the dice say.
func plots(rng *rand.Rand, i, n int) []plot {
	var out []plot
	for range poisson(rng, 2.2) {
		p := plainGoal
		switch rng.IntN(24) {
		case 0, 1:
			p = penaltyGoal
		case 2:
			p = ownGoal
		case 3:
			if !slices.Contains(out, takenBack) && i > 0 { // the first match has its own
				p = takenBack
			}
		}
		out = append(out, p)
	}
	for j, p := range []plot{takenBack, corrected, penaltyGoal, ownGoal, straightRed, missedPenalty, secondYellow} {
		if j%n == i {
			out = append(out, p)
		}
	}
	for range 2 + rng.IntN(4) {
		out = append(out, yellow)
	}
	for range 6 + rng.IntN(5) {
		out = append(out, substitution)
	}
	return out
}

func poisson(rng *rand.Rand, mean float64) int {
	n := 0
	for p := rng.Float64(); p > math.Exp(-mean); p *= rng.Float64() {
		n++
	}
	return n
}

// place spreads plots over the match: substitutions late, a goal that is taken back early, and
// nothing within three minutes of a goal that is under review.
func (m *match) place(rng *rand.Rand, all []plot) []scene {
	var out []scene
	for h := range m.halves {
		out = append(out, scene{addedTime, h, 45*time.Minute - 20*time.Second})
	}
	for _, p := range all {
		for range 200 {
			s := scene{plot: p, half: rng.IntN(2)}
			from, to := time.Minute, m.halves[s.half].end-m.halves[s.half].start-time.Minute
			switch p {
			case substitution:
				s.half, from = 1, time.Duration(rng.IntN(35))*time.Minute+time.Minute
			case takenBack:
				from, to = 5*time.Minute, 40*time.Minute
				if m.first(out, takenBack) {
					s.half, to = 0, 20*time.Minute
				}
			}
			if to <= from {
				continue
			}
			s.at = from + time.Duration(rng.Int64N(int64(to-from))).Truncate(time.Millisecond)
			if !slices.ContainsFunc(out, s.tooClose) {
				out = append(out, s)
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b scene) int {
		if a.half != b.half {
			return a.half - b.half
		}
		return int(a.at - b.at)
	})
	return out
}

func (m *match) first(placed []scene, p plot) bool {
	return !slices.ContainsFunc(placed, func(s scene) bool { return s.plot == p })
}

// tooClose says whether two scenes cannot both be: within three minutes of a goal under review,
// else within 75 seconds.
func (s scene) tooClose(o scene) bool {
	gap := 75 * time.Second
	if s.plot == takenBack || o.plot == takenBack {
		gap = 3 * time.Minute
	}
	return s.half == o.half && (s.at-o.at).Abs() < gap
}

// pitch is who plays now.
type pitch struct {
	on     []*player // the goalkeeper first
	bench  []*player
	booked map[int64]bool
}

// play walks through the match: touches up to the next scene, the scene, and so on.
func (m *match) play(rng *rand.Rand, touchesPerMinute int, all []plot) {
	p := &performance{match: m, rng: rng, pitches: map[*squad]*pitch{}}
	for _, s := range []*squad{m.home, m.away} {
		t := &pitch{booked: map[int64]bool{}}
		for i := range s.players {
			if s.players[i].place > 0 {
				t.on = append(t.on, &s.players[i])
			} else {
				t.bench = append(t.bench, &s.players[i])
			}
		}
		p.pitches[s] = t
	}
	scenes := m.place(rng, all)
	for h, half := range m.halves {
		p.half, p.now = h, half.start
		for _, s := range scenes {
			if s.half == h {
				p.touches(half.start+s.at, touchesPerMinute)
				p.act(s.plot, half.start+s.at)
			}
		}
		p.touches(half.end, touchesPerMinute)
	}
}

// performance is a match while it is being settled.
type performance struct {
	*match
	rng     *rand.Rand
	pitches map[*squad]*pitch
	half    int
	now     time.Duration
	owner   *squad // who has the ball
	last    *event // the last pass that arrived
}

// someone picks a player of the team who is on the pitch: strikers and midfielders
// rather than the goalkeeper.
func (p *performance) someone(s *squad, scorer bool) *player {
	on := p.pitches[s].on
	for {
		one := on[p.rng.IntN(len(on))]
		weight := map[string]int{"Goalkeeper": 12, "Defender": 60, "Midfielder": 80, "Striker": 60}[one.position]
		if scorer {
			weight = map[string]int{"Goalkeeper": 0, "Defender": 15, "Midfielder": 45, "Striker": 95}[one.position]
		}
		if p.rng.IntN(100) < weight {
			return one
		}
	}
}

// someoneElse is a team-mate of the player.
func (p *performance) someoneElse(s *squad, not int64) *player {
	for {
		if one := p.someone(s, false); one.id != not {
			return one
		}
	}
}

// touches fills the time until a moment with passes, fouls and the like.
func (p *performance) touches(until time.Duration, perMinute int) {
	if perMinute == 0 {
		p.now = until
		return
	}
	for {
		pause := float64(time.Minute) / float64(perMinute) * (0.3 + 1.4*p.rng.Float64())
		p.now += time.Duration(pause).Truncate(time.Millisecond)
		if p.now >= until {
			p.now = until
			return
		}
		if p.owner == nil || p.rng.IntN(4) == 0 {
			p.owner = []*squad{p.home, p.away}[p.rng.IntN(2)]
		}
		p.touch()
	}
}

func (p *performance) touch() {
	kind, failed := typePass, p.rng.IntN(5) == 0
	switch r := p.rng.IntN(100); {
	case r < 4:
		kind = typeFoul
	case r < 12:
		kind, failed = typeRecovery, false
	case r < 14:
		kind, failed = typeShotWide, false
	case r < 16:
		kind, failed = typeShotSaved, false
	case r < 18:
		kind, failed = typeCorner, false
	}
	x, y := tenths(p.rng, 100), tenths(p.rng, 100)
	var details []detail
	if kind == typePass {
		details = []detail{{id: 56, value: []string{"Back", "Center", "Left", "Right"}[p.rng.IntN(4)]},
			{id: 212, value: number(tenths(p.rng, 40))},
			{id: 213, value: number(tenths(p.rng, 6))}, {id: 140, value: number(tenths(p.rng, 100))},
			{id: 141, value: number(tenths(p.rng, 100))}}
	} else {
		details = []detail{{id: 56, value: "Center"}, {id: 233, value: strconv.Itoa(1 + p.rng.IntN(400))}}
	}
	entry := time.Duration(1000+p.rng.IntN(4000)) * time.Millisecond
	e := p.newEvent(p.owner, p.half, p.now, entry, kind, p.someone(p.owner, false).id, details...)
	e.x, e.y, e.versions[0].failed = x, y, failed
	switch {
	case p.rng.IntN(60) == 0:
		e.deleted(p.now + entry + time.Duration(5+p.rng.IntN(200))*time.Second)
	case kind == typePass && !failed:
		p.last = e
	}
}

func tenths(rng *rand.Rand, below int) float64 { return float64(rng.IntN(below*10)) / 10 }

func number(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
