package merge

import (
	"time"

	"goalcast"
	"goalcast/ingest/letters"
)

// Limits of the texts that a document may bring to viewers, in bytes. Longer ones are cut with an
// ellipsis: whatever a provider sends, a frame stays as small as frames are. The longest that were
// seen in real feeds take a third of it.
const (
	maxWord = 64   // a position, a season, a formation, a language
	maxName = 160  // of a team, a player, a coach, a competition, a venue
	maxText = 300  // a reason, a clip's title
	maxLine = 2000 // of commentary
	maxURL  = 2000 // a longer address is left out: half of one leads nowhere
)

// FirstYear and LastYear bound when something may have happened. What lies outside is no time: it
// could not be written into JSON, or would be later than everything.
const FirstYear, LastYear = 1850, 2200

// tidy brings the texts of a reading into a form that every screen can show, and its times into
// those that JSON can hold. What it changes it notes in Mended. The reading is the provider's own
// and nobody else has it yet.
func (r *Reading) tidy() {
	t := tidier{&r.Mended}
	for i := range r.Matches {
		t.match(&r.Matches[i])
	}
	for i := range r.Standings {
		t.standings(&r.Standings[i])
	}
	for i := range r.Squads {
		t.squads(&r.Squads[i])
	}
	for i := range r.Commentary {
		for j := range r.Commentary[i].Lines {
			l := &r.Commentary[i].Lines[j]
			t.line(&l.ID, maxWord)
			t.line(&l.Type, maxWord)
			t.line(&l.Text, maxLine)
			t.time(&l.Modified)
		}
	}
}

type tidier struct{ mended *letters.Mended }

func (t tidier) line(text *string, limit int) { *text = letters.Line(*text, limit, t.mended) }

func (t tidier) name(text *string) { t.line(text, maxName) }

func (t tidier) address(text *string) {
	if len(*text) > maxURL {
		t.mended.Note(letters.Length, "an address of %d bytes, %.40q..., was left out", len(*text), *text)
		*text = ""
	}
	t.line(text, maxURL)
}

func (t tidier) time(at *time.Time) {
	if year := at.UTC().Year(); !at.IsZero() && (year < FirstYear || year > LastYear) {
		t.mended.Note(letters.Time, "the year %d", year)
		*at = time.Time{}
	}
}

func (t tidier) match(m *MatchReading) {
	if m.Fixture != nil {
		f := *m.Fixture
		t.fixture(&f)
		m.Fixture = &f
	}
	for id, name := range m.Players {
		if shown := letters.Line(name, maxName, t.mended); shown != name {
			m.Players[id] = shown
		}
	}
	for i := range m.Facts {
		t.event(&m.Facts[i])
	}
	if m.Claims != nil {
		for i := range m.Claims.Events {
			t.event(&m.Claims.Events[i])
		}
	}
}

func (t tidier) fixture(f *goalcast.Fixture) {
	t.name(&f.Competition.Name)
	t.name(&f.Home.Name)
	t.name(&f.Away.Name)
	t.line(&f.Season, maxWord)
	t.name(&f.Venue)
	t.name(&f.City)
	t.line(&f.Reason, maxText)
	t.time(&f.Kickoff)
	for i := range f.Officials {
		t.name(&f.Officials[i].Name)
		t.line(&f.Officials[i].Role, maxWord)
	}
}

// event also takes the minute from what happened where no clock runs, whatever the provider wrote
// there: a card at half time has none.
func (t tidier) event(e *goalcast.Event) {
	e.EachPlayer(func(p *goalcast.Player) { t.name(&p.Name) })
	t.time(&e.At)
	if e.Period != "" && !e.Period.Clocked() {
		e.Minute, e.Second = 0, 0
	}
	e.Settlement = nil // sources of odds tell those, which come another way
	if e.Fixture != nil {
		t.fixture(e.Fixture)
	}
	if e.Goal != nil {
		t.line((*string)(&e.Goal.Type), maxWord)
	}
	if e.Card != nil {
		t.line((*string)(&e.Card.Type), maxWord)
		t.line(&e.Card.Reason, maxText)
	}
	if e.Substitution != nil {
		t.line(&e.Substitution.Reason, maxText)
	}
	if e.Delay != nil {
		t.line(&e.Delay.Reason, maxText)
	}
	if e.VAR != nil {
		for _, word := range []*string{&e.VAR.Subject, &e.VAR.Outcome, &e.VAR.Decision} {
			t.line(word, maxWord)
		}
	}
	if l := e.Lineup; l != nil {
		t.line(&l.Formation, maxWord)
		if l.Coach != nil {
			t.name(&l.Coach.Name)
		}
		for i := range l.Players {
			t.line(&l.Players[i].Position, maxWord)
		}
	}
	if c := e.Clip; c != nil {
		t.line(&c.Title, maxText)
		for _, address := range []*string{&c.URL, &c.Thumbnail, &c.Poster} {
			t.address(address)
		}
		for _, word := range []*string{&c.Account, &c.Video, &c.Of} {
			t.line(word, maxName)
		}
		for _, list := range [][]string{c.Include, c.Exclude} {
			for i := range list {
				t.line(&list[i], maxWord)
			}
		}
	}
}

func (t tidier) standings(s *goalcast.Standings) {
	t.name(&s.Competition.Name)
	t.line(&s.Season, maxWord)
	for i := range s.Groups {
		g := &s.Groups[i]
		t.line(&g.ID, maxWord)
		t.name(&g.Name)
		for j := range g.Rows {
			t.name(&g.Rows[j].Team.Name)
			t.line(&g.Rows[j].Note, maxText)
		}
	}
	for i := range s.Zones {
		t.name(&s.Zones[i].Name)
	}
}

func (t tidier) squads(l *goalcast.SquadList) {
	t.name(&l.Competition.Name)
	t.line(&l.Season, maxWord)
	for i := range l.Squads {
		s := &l.Squads[i]
		t.name(&s.Competition.Name)
		t.line(&s.Season, maxWord)
		t.name(&s.Team.Name)
		t.line(&s.Short, maxWord)
		if s.Stadium != nil {
			t.name(&s.Stadium.Name)
			t.name(&s.Stadium.City)
		}
		for _, list := range [][]goalcast.SquadPlayer{s.Players, s.Left} {
			for j := range list {
				p := &list[j]
				t.name(&p.Name)
				t.name(&p.NewTeam)
				for _, word := range []*string{&p.Position, &p.Role, &p.Born, &p.Country, &p.Joined, &p.LeftOn} {
					t.line(word, maxWord)
				}
			}
		}
		for j := range s.Officials {
			o := &s.Officials[j]
			t.name(&o.Name)
			for _, word := range []*string{&o.Role, &o.Country, &o.Joined} {
				t.line(word, maxWord)
			}
		}
	}
}
