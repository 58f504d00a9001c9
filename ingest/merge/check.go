package merge

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
)

// Limits of what stands in one document, so that applying it takes a time that has a bound. A
// document with more fails, and says which limit it is.
const (
	MaxMatches = 3000 // of a list; the largest competitions have some 1,500 matches in a season
	// of a match; real ones have up to 200, and what is new of them is compared with one another
	maxFacts        = 1100
	maxFactsInAll   = 3000   // of all matches of a document
	maxPeople       = 500    // whose names a document tells for a match; real ones tell up to 80
	maxLineup       = 100    // players of a line-up; a squad with its youth has 60
	MaxSquadMembers = 20_000 // of all squads of a document; real ones have up to 6,000
)

// Check refuses a reading that would do harm, and brings it into one form: its texts can be shown,
// its times are of the past, and a match stands in it once. A reading that is dated more than
// maxAhead after the arrival of its document is refused; ahead says that it is dated later than
// ClockAhead after it, and counts as made when it arrived.
func Check(r Reading, received time.Time, maxAhead time.Duration) (_ Reading, ahead bool, _ error) {
	if d := r.Version.Time.Sub(received); d > maxAhead {
		return Reading{}, false, fmt.Errorf("dated %s, %s after its arrival", r.Version.Time.Format(time.RFC3339),
			d.Round(time.Second))
	}
	if v := r.Version.Believed(received); !v.Time.Equal(r.Version.Time) {
		r.Version, ahead = v, true
	}
	if r.Source == "" {
		return Reading{}, ahead, errors.New("reading without a source")
	}
	if err := r.bounded(); err != nil {
		return Reading{}, ahead, err
	}
	r.tidy()
	place := make(map[goalcast.MatchID]int, len(r.Matches))
	matches := make([]MatchReading, 0, len(r.Matches))
	for _, m := range r.Matches {
		if err := m.check(received); err != nil {
			return Reading{}, ahead, err
		}
		if (m.Match == goalcast.CanaryMatch) != (r.Source == goalcast.CanaryFeed) {
			return Reading{}, ahead, fmt.Errorf("match id %d of source %s: %d is the canary's, and the only one it has",
				m.Match, r.Source, goalcast.CanaryMatch)
		}
		if i, twice := place[m.Match]; twice {
			matches[i] = joined(matches[i], m)
			continue
		}
		place[m.Match] = len(matches)
		matches = append(matches, m)
	}
	r.Matches = matches
	for i := range r.Commentary {
		if c := &r.Commentary[i]; c.Made.After(received.Add(ClockAhead)) {
			c.Made = r.Version.Time // it orders what viewers are shown
		}
	}
	return r, ahead, nil
}

func (m MatchReading) check(received time.Time) error {
	if m.Match <= 0 {
		return fmt.Errorf("match id %d", m.Match)
	}
	for i, e := range m.Facts {
		if e.At.After(received.Add(ClockAhead)) {
			m.Facts[i].At = time.Time{} // nothing has happened that is still to come; when it did is not known
		}
		if e.ID == "" || len(e.ID) > 120 || e.Kind == "" || e.Status == "" {
			return fmt.Errorf("match %d: event %q of kind %q and status %q", m.Match, e.ID, e.Kind, e.Status)
		}
	}
	return nil
}

func joined(a, b MatchReading) MatchReading {
	a.Facts = append(append([]goalcast.Event{}, a.Facts...), b.Facts...)
	if a.Fixture == nil {
		a.Fixture = b.Fixture
	}
	players := make(map[goalcast.PlayerID]string, len(a.Players)+len(b.Players))
	maps.Copy(players, b.Players)
	maps.Copy(players, a.Players)
	a.Players = players
	return a
}

// bounded says which limit a reading goes beyond; nil if none.
func (r Reading) bounded() error {
	if len(r.Matches) > MaxMatches {
		return fmt.Errorf("%w: %d matches, a document may have %d", letters.ErrTooMuch, len(r.Matches), MaxMatches)
	}
	facts := 0
	for _, m := range r.Matches {
		facts += len(m.Facts)
		switch {
		case len(m.Facts) > maxFacts || facts > maxFactsInAll:
			return fmt.Errorf("%w: %d events, %d of them of match %d; a document may have %d of a match and %d in all",
				letters.ErrTooMuch, facts, len(m.Facts), m.Match,
				maxFacts, maxFactsInAll)
		case len(m.Players) > maxPeople:
			return fmt.Errorf("%w: names of %d players of match %d, a document may have %d", letters.ErrTooMuch,
				len(m.Players), m.Match, maxPeople)
		case m.Claims != nil && len(m.Claims.Events) > maxFacts:
			return fmt.Errorf("%w: claims of %d events of match %d, a document may have %d", letters.ErrTooMuch,
				len(m.Claims.Events), m.Match, maxFacts)
		}
		for _, e := range m.Facts {
			if e.Lineup != nil && len(e.Lineup.Players) > maxLineup {
				return fmt.Errorf("%w: %d players in a line-up of match %d, there may be %d", letters.ErrTooMuch,
					len(e.Lineup.Players), m.Match, maxLineup)
			}
		}
	}
	members := 0
	for _, l := range r.Squads {
		for _, s := range l.Squads {
			members += len(s.Players) + len(s.Left)
		}
	}
	if members > MaxSquadMembers {
		return fmt.Errorf("%w: %d players in squads, a document may have %d", letters.ErrTooMuch, members,
			MaxSquadMembers)
	}
	return nil
}
