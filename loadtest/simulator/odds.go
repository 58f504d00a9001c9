package simulator

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"
)

// Times of a Bookmaker, on the wall's clock.
const (
	pricesFrom = 2 * time.Second // after the day's start, so that its F1 is there and events are mapped at once
	moveEvery  = time.Second     // a match's prices move so often
	aliveEvery = 500 * time.Millisecond
)

// Bookmaker tells the odds of a day in the lines of docs/odds.md, on one connection. It is owned by
// whoever calls Lines.
type Bookmaker struct {
	day   *Day
	books []*book
	alive time.Duration // told last
	begun bool
}

// book is one match of a Bookmaker.
type book struct {
	day      *Day
	match    *match
	stops    []stop
	homeBest float64
	shift    time.Duration // of its moves, so that not all matches move at once

	told  phase         // what the connection knows
	moved time.Duration // the move that was told last
}

// phase is what can be done with bets on a match.
type phase int

const (
	unknown   phase = iota // nothing was told yet
	described              // it was told which match it is
	open
	suspended
	settled
)

// Bookmaker begins to tell the day's odds from nothing, as on a new connection.
func (d *Day) Bookmaker() *Bookmaker {
	b := &Bookmaker{day: d}
	for _, m := range d.matches {
		rng := rand.New(rand.NewPCG(d.cfg.Seed, uint64(m.id)^0x0dd5))
		b.books = append(b.books, &book{day: d, match: m, stops: d.stops(m), homeBest: 0.8 + 0.5*rng.Float64(),
			shift: time.Duration(rng.Int64N(int64(moveEvery)))})
	}
	return b
}

// Lines gives, in NDJSON, what is to be told at a time after the day's start on the wall's clock:
// what is new since the call before, and that the bookmaker is alive. Times of calls only grow; the
// same times give the same bytes.
func (b *Bookmaker) Lines(at time.Duration) []byte {
	var out bytes.Buffer
	w := json.NewEncoder(&out)
	for _, book := range b.books {
		for _, l := range book.lines(at) {
			if l.Type != "fixture" {
				l.At = b.day.cfg.Start.Add(at).UnixMilli()
			}
			_ = w.Encode(l) // texts and numbers, into memory
		}
	}
	if !b.begun || at-b.alive >= aliveEvery {
		b.alive, b.begun = at, true
		_ = w.Encode(oddsLine{Type: "alive", At: b.day.cfg.Start.Add(at).UnixMilli()})
	}
	return out.Bytes()
}

// oddsLine is a line of the format.
type oddsLine struct {
	Type        string       `json:"type"`
	Event       string       `json:"event,omitempty"`
	At          int64        `json:"at,omitempty"`
	Competition string       `json:"competition,omitempty"`
	Kickoff     string       `json:"kickoff,omitempty"`
	Home        string       `json:"home,omitempty"`
	Away        string       `json:"away,omitempty"`
	Markets     []market     `json:"markets,omitempty"`
	Settlements []settlement `json:"settlements,omitempty"`
}

type settlement struct {
	Market  string            `json:"market"`
	Results map[string]string `json:"results"`
}

// lines is what is new of one match.
func (b *book) lines(at time.Duration) (list []oddsLine) {
	if at < pricesFrom {
		return nil
	}
	event := "sim:" + strconv.FormatInt(b.match.id, 10)
	if b.told == unknown {
		list = append(list, oddsLine{Type: "fixture", Event: event, Competition: competitionName,
			Kickoff: b.day.wall(b.match.kickoff).Format(time.RFC3339Nano), Home: b.match.home.name,
			Away: b.match.away.name})
		b.told = described
	}
	now, move := b.phase(at), b.move(at)
	switch {
	case now == open && b.told != open:
		list = append(list, oddsLine{Type: "image", Event: event, Markets: b.standing(at).markets()})
	case now == open && move != b.moved:
		list = append(list, oddsLine{Type: "change", Event: event, Markets: b.standing(at).markets()})
	case now == suspended && b.told != suspended:
		list = append(list, oddsLine{Type: "suspend", Event: event})
	case now == settled && b.told != settled:
		list = append(list, oddsLine{Type: "suspend", Event: event},
			oddsLine{Type: "settle", Event: event, Settlements: b.settlements(at)})
	}
	b.told, b.moved = now, move
	return list
}

// move numbers the times between two moves of the match's prices.
func (b *book) move(at time.Duration) time.Duration { return (at + b.shift) / moveEvery }

// phase is what can be done with bets on the match.
func (b *book) phase(at time.Duration) phase {
	whistle := b.day.due(b.match.halves[1].end)
	switch {
	case at >= whistle+settleOne:
		return settled
	case at >= whistle:
		return suspended
	}
	for _, s := range b.stops {
		if s.from <= at && at < s.until {
			return suspended
		}
	}
	return open
}

// settlements says how bets ended.
func (b *book) settlements(at time.Duration) []settlement {
	s := b.standing(at)
	result := func(won bool) string {
		if won {
			return "won"
		}
		return "lost"
	}
	over, both := s.home+s.away > 2, s.home > 0 && s.away > 0
	return []settlement{
		{"1x2", map[string]string{"home": result(s.home > s.away), "draw": result(s.home == s.away),
			"away": result(s.home < s.away)}},
		{"ou:2.5", map[string]string{"over": result(over), "under": result(!over)}},
		{"btts", map[string]string{"yes": result(both), "no": result(!both)}},
	}
}
