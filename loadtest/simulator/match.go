package simulator

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// The types and qualifiers of F24 that the simulator writes.
const (
	typePass, typeFoul, typeCorner, typeShotWide, typeShotSaved  = 1, 4, 6, 13, 15
	typeGoal, typeCard, typeOff, typeOn, typeEnd, typeStart      = 16, 17, 18, 19, 30, 32
	typeSetUp, typeDeleted, typeRecovery, typeReview, typeAdded  = 34, 43, 49, 65, 70
	qPenalty, qOwnGoal, qAssisted, qYellow, qSecond, qRed        = 9, 28, 29, 31, 32, 33
	qRelated, qFormerType, qAddedMinutes, qEndOfGame, qEndOfPost = 55, 144, 277, 209, 57
	qReviewed, qNoGoal, qDelay, qUnderReview, qGoalGiven         = 336, 341, 364, 343, 329
)

// match is one match with all that will happen in it. Times are of the day, on the fast clock.
type match struct {
	id         int64
	home, away *squad
	kickoff    time.Duration // planned
	lineups    time.Duration // when the line-ups are in
	halves     [2]half
	closed     time.Duration   // when the collection of the match ends
	moments    []time.Duration // when something becomes known that is worth a document at once
	events     []*event        // all of F24, in the order in which they happen
	incidents  []*incident     // what F7 and F9 tell, in the order in which it happens

	ids     int64    // events made so far
	numbers [2]int64 // and per team
}

type half struct {
	start, end time.Duration
	added      int // minutes on the board
}

// event is an event of F24 with its whole life: what it is at first and what it
// is changed into later.
type event struct {
	id       int64
	number   int64 // event_id: counts per team
	squad    *squad
	period   int
	min, sec int
	at       time.Duration // when it happened
	x, y     float64
	versions []version // by from; before the first one nobody has entered it
}

// version is an event from a moment on.
type version struct {
	from    time.Duration
	kind    int   // type_id
	player  int64 // 0 is none
	failed  bool  // outcome 0
	details []detail
}

// detail is a qualifier. Related, where set, gives the value: its event_id.
type detail struct {
	id      int
	value   string
	related *event
}

// as gives the event's version at a moment; false if nobody has entered it yet.
func (e *event) as(of time.Duration) (version, bool) {
	for _, v := range slices.Backward(e.versions) {
		if v.from <= of {
			return v, true
		}
	}
	return version{}, false
}

func (v version) has(qualifier int) bool {
	return slices.ContainsFunc(v.details, func(d detail) bool { return d.id == qualifier })
}

type incidentKind int

const (
	goal incidentKind = iota
	card
	swap
)

// incident is a goal, a card or a substitution as F7 and F9 tell of it. Which player, and whether
// it still stands, its event knows.
type incident struct {
	kind   incidentKind
	event  *event // of a substitution the one of the player who comes on
	side   *squad // whose list it stands in: for a goal, who gains it
	assist int64
	off    int64  // substitution: who leaves
	reason string // of a card or a substitution
}

// newEvent adds an event to the match, entered entry later than it happened. Half is the index of
// the half it happens in.
func (m *match) newEvent(s *squad, h int, at, entry time.Duration, kind int, by int64, details ...detail) *event {
	m.ids++
	side := 0
	if s == m.away {
		side = 1
	}
	m.numbers[side]++
	clock := time.Duration(h)*45*time.Minute + max(0, at-m.halves[h].start)
	e := &event{
		id:     m.id<<16 | m.ids*40503&0xffff, // unique everywhere and in no order
		number: m.numbers[side], squad: s, period: h + 1, at: at,
		min: int(clock / time.Minute), sec: int(clock % time.Minute / time.Second),
		versions: []version{{from: at + entry, kind: kind, player: by, details: details}},
	}
	m.events = append(m.events, e)
	return e
}

// becomes changes the event from a moment on.
func (e *event) becomes(from time.Duration, change func(*version)) {
	v := e.versions[len(e.versions)-1]
	v.from, v.details = from, slices.Clone(v.details)
	change(&v)
	e.versions = append(e.versions, v)
}

// deleted takes the event back: type 43, its former type in qualifier 144.
func (e *event) deleted(from time.Duration) {
	e.becomes(from, func(v *version) {
		v.details = append(v.details, detail{id: qFormerType, value: strconv.Itoa(v.kind)})
		v.kind = typeDeleted
	})
}

// matchID numbers a day's matches, those of one seed unlike those of any other.
func matchID(seed uint64, i int) int64 {
	const few = 10
	day := int64(seed % 1_000_000)
	if i < few {
		return 7_000_000 + day*few + int64(i)
	}
	return 20_000_000 + day*MaxMatches + int64(i)
}

// settle decides a match: its times first, then what happens, in order.
func (d *Day) settle(rng *rand.Rand, i int, home, away *squad) *match {
	m := &match{id: matchID(d.cfg.Seed, i), home: home, away: away}
	seconds := func(from, to int) time.Duration { return time.Duration(from+rng.IntN(to-from)) * time.Second }
	m.kickoff = d.cfg.Lead + time.Duration(i)*d.cfg.Stagger
	m.lineups = m.kickoff - d.cfg.Lead/2
	at := m.kickoff + seconds(5, 40)
	for h := range m.halves {
		added := 1 + h + rng.IntN(4)
		m.halves[h] = half{start: at, end: at + time.Duration(45+added)*time.Minute + seconds(5, 40), added: added}
		at = m.halves[h].end + 15*time.Minute + seconds(0, 60)
	}
	m.closed = m.halves[1].end + 4*time.Minute
	m.opening()
	for h := range m.halves {
		m.whistle(h, typeStart)
		if h == 0 {
			m.play(rng, d.cfg.TouchesPerMinute, plots(rng, i, d.cfg.Matches))
		}
		m.whistle(h, typeEnd)
	}
	for _, s := range []*squad{m.home, m.away} {
		m.newEvent(s, 1, m.halves[1].end+3*time.Minute, 2*time.Second, typeEnd, 0,
			detail{id: qEndOfPost, value: "1"}).period = 14
	}
	slices.SortStableFunc(m.events, func(a, b *event) int { return cmp.Compare(a.at, b.at) })
	m.renumber()
	slices.SortStableFunc(m.incidents, func(a, b *incident) int { return cmp.Compare(a.event.at, b.event.at) })
	slices.Sort(m.moments)
	return m
}

// renumber gives event ids of a team in the order in which things happened, as its collector
// would have typed them.
func (m *match) renumber() {
	m.numbers = [2]int64{}
	for _, e := range m.events {
		side := 0
		if e.squad == m.away {
			side = 1
		}
		m.numbers[side]++
		e.number = m.numbers[side]
	}
}

// opening adds the two set-up events that bring the line-ups.
func (m *match) opening() {
	for i, s := range []*squad{m.home, m.away} {
		e := m.newEvent(s, 0, m.lineups-time.Duration(i)*2*time.Second, time.Second, typeSetUp, 0, setUp(s)...)
		e.period, e.min, e.sec = 16, 0, 0
	}
}

func setUp(s *squad) []detail {
	var ids, shirts, positions, places []byte
	codes := map[string]int64{"Goalkeeper": 1, "Defender": 2, "Midfielder": 3, "Striker": 4}
	for i, p := range s.players {
		code := codes[p.position]
		if p.place == 0 {
			code = 5
		}
		for _, list := range []struct {
			to *[]byte
			v  int64
		}{{&ids, p.id}, {&shirts, int64(p.shirt)}, {&positions, code}, {&places, int64(p.place)}} {
			if i > 0 {
				*list.to = append(*list.to, ", "...)
			}
			*list.to = strconv.AppendInt(*list.to, list.v, 10)
		}
	}
	return []detail{{id: 59, value: string(shirts)}, {id: 130, value: s.formationID},
		{id: 194, value: strconv.FormatInt(s.captain(), 10)},
		{id: 131, value: string(places)}, {id: 30, value: string(ids)}, {id: 44, value: string(positions)}}
}

func (s *squad) captain() int64 { return s.players[1].id }

// whistle adds the start or the end of a half: an event per team.
func (m *match) whistle(h, kind int) {
	at := m.halves[h].start
	var details []detail
	if kind == typeEnd {
		at = m.halves[h].end
		if h == 1 {
			details = []detail{{id: qEndOfGame}}
		}
	} else {
		details = []detail{{id: 127, value: "Left to Right"}}
	}
	m.newEvent(m.home, h, at, time.Second, kind, 0, details...)
	m.newEvent(m.away, h, at, 2*time.Second, kind, 0, details...)
	m.moments = append(m.moments, at)
}
