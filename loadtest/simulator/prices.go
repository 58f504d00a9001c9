package simulator

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// The market: how a made-up bookmaker prices. None of it is good advice.
const (
	homeGoals = 1.55 // expected in a whole match, of two equal sides
	awayGoals = 1.20
	margin    = 1.06 // what the prices of a market add up to, as chances
	manDown   = 0.75 // goals of a side for each player who was sent off; the other side has as many more
	jitter    = 0.03 // how far expected goals move from one price to the next

	shortest, longest = 1.01, 501 // prices
	mostGoals         = 12        // of one side that is thought of
)

// standing is a match as a bookmaker knows it.
type standing struct {
	home, away         int
	homeReds, awayReds int
	left               float64 // of the match's goals that are to come, 1 at the kick-off
	homeBest           float64 // expected goals of the home side as a multiple of the usual; inverse for the other
	mood               float64 // what the bookmaker thinks more of the home side right now
}

// chances are those of the answers of the markets, 0 to 1.
type chances struct{ home, draw, away, over, both float64 }

// chances counts all results that the match may come to, with goals as Poisson has them.
func (s standing) chances() (c chances) {
	tilt := s.homeBest * s.mood * math.Pow(manDown, float64(s.homeReds-s.awayReds))
	homeMore, awayMore := distribution(homeGoals*s.left*tilt), distribution(awayGoals*s.left/tilt)
	for h, ph := range homeMore {
		for a, pa := range awayMore {
			home, away, p := s.home+h, s.away+a, ph*pa
			switch {
			case home > away:
				c.home += p
			case home < away:
				c.away += p
			default:
				c.draw += p
			}
			if home+away > 2 {
				c.over += p
			}
			if home > 0 && away > 0 {
				c.both += p
			}
		}
	}
	return c
}

// distribution is how likely 0, 1, 2... goals are where mean are expected.
func distribution(mean float64) (p [mostGoals + 1]float64) {
	p[0] = math.Exp(-mean)
	for n := 1; n < len(p); n++ {
		p[n] = p[n-1] * mean / float64(n)
	}
	return p
}

// market is a market of the lines in docs/odds.md.
type market struct {
	Market string            `json:"market"`
	Status string            `json:"status"`
	Prices map[string]string `json:"prices,omitempty"`
}

// markets prices all markets. What is decided already is closed.
func (s standing) markets() []market {
	c := s.chances()
	list := []market{
		{"1x2", "open", map[string]string{"home": price(c.home), "draw": price(c.draw), "away": price(c.away)}},
		{"ou:2.5", "open", map[string]string{"over": price(c.over), "under": price(1 - c.over)}},
		{"btts", "open", map[string]string{"yes": price(c.both), "no": price(1 - c.both)}},
	}
	if s.home+s.away > 2 {
		list[1] = market{Market: "ou:2.5", Status: "closed"}
	}
	if s.home > 0 && s.away > 0 {
		list[2] = market{Market: "btts", Status: "closed"}
	}
	return list
}

// price is a chance in decimal odds, with the bookmaker's share.
func price(chance float64) string {
	return strconv.FormatFloat(min(max(1/max(chance*margin, 1e-9), shortest), longest), 'f', 2, 64)
}

// stop is a time in which a match's bets are off, and what becomes known in it. Times are after the
// day's start, on the wall's clock.
type stop struct {
	from, until time.Duration
	goal, red   *squad        // who gains a goal, who loses a player; may be nil
	taken       time.Duration // when a goal is taken back; 0: it stands
}

// What a bookmaker takes its time for, on the wall's clock.
const (
	restart   = 3 * time.Second         // bets are off for so long after a goal and the like, at least ...
	restarts  = 3 * time.Second         // ... and for up to so much more
	lateBy    = 1500 * time.Millisecond // how long after the feed's document a late bookmaker notices
	settleOne = 2 * time.Second         // from the final whistle to the settlement
)

// stops lists when bets on a match are off: at goals, penalties, red cards and reviews. One time in
// three the bookmaker is late: the feed has told by then.
func (d *Day) stops(m *match) (list []stop) {
	rng := rand.New(rand.NewPCG(d.cfg.Seed, uint64(m.id)))
	for _, e := range m.events {
		s := stop{from: d.due(e.at), until: d.due(e.at)}
		if !s.knows(d, m, e) {
			continue
		}
		if rng.IntN(3) == 0 {
			s.from = d.due(e.at+20*time.Second) + lateBy
		}
		s.until = max(s.until, s.from) + restart + time.Duration(rng.Int64N(int64(restarts)))
		list = append(list, s)
	}
	return list
}

// knows fills in what an event means to bets; false if it means nothing.
func (s *stop) knows(d *Day, m *match, e *event) bool {
	first, last := e.versions[0], e.versions[len(e.versions)-1]
	switch {
	case first.kind == typeGoal:
		if s.goal = e.squad; first.has(qOwnGoal) {
			s.goal = m.other(e.squad)
		}
		if last.kind == typeDeleted {
			s.taken = d.due(last.from)
			s.until = s.taken
		}
	case first.kind == typeCard && !first.has(qYellow):
		s.red = e.squad
	case first.kind == typeReview:
		s.until = d.due(last.from)
	default:
		return first.has(qPenalty)
	}
	return true
}

func (m *match) other(s *squad) *squad {
	if s == m.home {
		return m.away
	}
	return m.home
}

// standing is the match at a moment after the day's start, on the wall's clock.
func (b *book) standing(at time.Duration) standing {
	s := standing{left: b.left(at), homeBest: b.homeBest}
	for _, stop := range b.stops {
		if stop.from > at {
			continue
		}
		if stop.goal != nil && (stop.taken == 0 || at < stop.taken) {
			s.home, s.away = s.home+one(stop.goal == b.match.home), s.away+one(stop.goal == b.match.away)
		}
		s.homeReds, s.awayReds = s.homeReds+one(stop.red == b.match.home), s.awayReds+one(stop.red == b.match.away)
	}
	moves := rand.New(rand.NewPCG(uint64(b.match.id), uint64(b.move(at))))
	s.mood = 1 + jitter*(2*moves.Float64()-1)
	return s
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// left is the share of the match's goals that are to come.
func (b *book) left(at time.Duration) float64 {
	minutes := 90.0
	for _, half := range b.match.halves {
		start, end := b.day.due(half.start), b.day.due(half.end)
		minutes -= 45 * min(max(float64(at-start)/float64(end-start), 0), 1)
	}
	return max(minutes, 0) / 90
}
