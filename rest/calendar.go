package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"goalcast"
)

// A team's calendar holds the matches from so long ago to so far ahead, MaxMatches at most.
const (
	calendarBack  = 30 * 24 * time.Hour
	calendarAhead = 365 * 24 * time.Hour
	// matchLength is how long a match blocks a calendar, added time and the pause included.
	matchLength = 2 * time.Hour
)

// getCalendar serves the matches of a team as a calendar (RFC 5545) that calendar programs
// subscribe to. An entry keeps its UID whatever becomes of the match.
func (s *Server) getCalendar(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "lang")
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	return s.list(w, r, "", names, func(ctx context.Context) (*answer, error) {
		return s.calendarOf(ctx, r, goalcast.TeamID(id), names)
	})
}

func (s *Server) calendarOf(ctx context.Context, r *http.Request, id goalcast.TeamID, names naming) (*answer, error) {
	team, err := s.teams.Get(ctx, id, func(ctx context.Context) (goalcast.Team, error) { return s.store.Team(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("team %d: %w", id, err)
	}
	now := s.cfg.Now().UTC()
	matches, err := s.matchesFor(ctx, goalcast.MatchFilter{Team: id, Limit: s.cfg.MaxMatches,
		From: now.Add(-calendarBack).Truncate(time.Hour), To: now.Add(calendarAhead).Truncate(time.Hour)}, rightsOf(r))
	if err != nil {
		return nil, fmt.Errorf("matches of team %d: %w", id, err)
	}
	var c calendar
	name := names.team(team).Name
	c.line("BEGIN", "VCALENDAR")
	c.line("VERSION", "2.0")
	c.line("PRODID", "-//goalcast//matches//EN")
	c.line("CALSCALE", "GREGORIAN")
	c.text("NAME", name) // RFC 7986; the next one is what older programs read
	c.text("X-WR-CALNAME", name)
	c.line("REFRESH-INTERVAL;VALUE=DURATION", "PT1H")
	c.line("X-PUBLISHED-TTL", "PT1H")
	for _, m := range matches {
		if !m.Kickoff.IsZero() {
			c.match(names.match(m))
		}
	}
	c.line("END", "VCALENDAR")
	policy, until := cachePolicy(now, matches...)
	a := s.encoder.text("text/calendar; charset=utf-8", []byte(c.String()), policy)
	a.until = until
	return a, nil
}

// calendar is the text of one while it is written.
type calendar struct{ strings.Builder }

// match writes the entry of a match with a planned kick-off. Its number goes up with the fixture,
// whose revisions are those of time, place and teams; a result changes what is only read.
func (c *calendar) match(m goalcast.Snapshot) {
	stamp := func(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
	changed := m.Kickoff.Add(-matchLength) // of what is kept without a time
	if m.Updated > 0 {
		changed = time.UnixMilli(m.Updated)
	}
	summary := m.Home.Name + " – " + m.Away.Name
	if m.State == goalcast.Finished {
		summary = fmt.Sprintf("%s %d–%d %s", m.Home.Name, m.Score.Home, m.Score.Away, m.Away.Name)
	}
	place := placeOf(m)
	status := "CONFIRMED"
	if m.State == goalcast.Postponed { // with a new date it is confirmed again
		status = "CANCELLED"
	}
	c.line("BEGIN", "VEVENT")
	c.line("UID", fmt.Sprintf("match-%d@goalcast", m.ID))
	c.line("DTSTAMP", stamp(changed))
	c.line("LAST-MODIFIED", stamp(changed))
	c.line("SEQUENCE", fmt.Sprint(m.FixtureRevision))
	c.line("DTSTART", stamp(m.Kickoff))
	c.line("DTEND", stamp(m.Kickoff.Add(matchLength)))
	c.text("SUMMARY", summary)
	if place != "" {
		c.text("LOCATION", place)
	}
	if m.Competition.Name != "" {
		c.text("CATEGORIES", m.Competition.Name)
	}
	if m.Reason != "" {
		c.text("DESCRIPTION", m.Reason)
	}
	c.line("STATUS", status)
	c.line("TRANSP", "TRANSPARENT")
	c.line("END", "VEVENT")
}

// placeOf is where a match is played, as far as it is known.
func placeOf(m goalcast.Snapshot) string {
	if m.City == "" || strings.Contains(m.Venue, m.City) {
		return m.Venue
	}
	return strings.TrimPrefix(m.Venue+", "+m.City, ", ")
}

var calendarEscapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`)

// text writes a property whose value is somebody's words.
func (c *calendar) text(name, value string) {
	value = calendarEscapes.Replace(strings.ToValidUTF8(value, "\uFFFD"))
	c.line(name, strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return -1
		}
		return r
	}, value))
}

// line writes a property, folded so that no line is longer than 75 bytes, between characters.
func (c *calendar) line(name, value string) {
	const most = 75
	rest := name + ":" + value
	for room := most; len(rest) > room; room = most - 1 { // the space counts
		cut := room
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		c.WriteString(rest[:cut] + "\r\n ")
		rest = rest[cut:]
	}
	c.WriteString(rest + "\r\n")
}
