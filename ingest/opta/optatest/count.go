package optatest

import (
	"encoding/xml"
	"fmt"
	"time"
)

// Count is what happened in a match, by F24.
type Count struct {
	Match                      int64
	HomeTeam, AwayTeam         int64
	Home, Away                 int // goals; an own goal counts for the other side
	HomeKicks, AwayKicks       int // scored in a shoot-out; not in Home and Away
	Yellow, SecondYellow, Reds int // cards; Reds are straight ones
	Substitutions              int // players who came on
	Left                       int // players who left without replacement
}

// Cards counts cards of every colour.
func (c Count) Cards() int { return c.Yellow + c.SecondYellow + c.Reds }

// document is as much of an F24 as counting needs.
type document struct {
	Game struct {
		ID     int64 `xml:"id,attr"`
		Home   int64 `xml:"home_team_id,attr"`
		Away   int64 `xml:"away_team_id,attr"`
		Events []struct {
			Type      int    `xml:"type_id,attr"`
			Period    int    `xml:"period_id,attr"`
			Team      int64  `xml:"team_id,attr"`
			Timestamp string `xml:"timestamp,attr"`
			Modified  string `xml:"last_modified,attr"`
			Q         []struct {
				ID    int    `xml:"qualifier_id,attr"`
				Value string `xml:"value,attr"`
			} `xml:"Q"`
			happened, edited time.Time
		} `xml:"Event"`
	} `xml:"Game"`
}

// CountF24 counts a whole F24 by the reference rule: goals are type 16 in periods 1 to 4, turned
// round with Q28; cards are type 17 by Q31, Q32, Q33; substitutions are type 19. Nothing of the
// parser under test is used.
func CountF24(full []byte) Count { return parse(full).count(nil) }

// CountAt counts what the F24 said at a moment, from the whole document and without
// cutting it: events that happened later do not count, and those that were deleted later
// do, under their old type.
func (f *F24) CountAt(at time.Time) Count { return f.count.count(&at) }

func parse(full []byte) *document {
	var d document
	if err := xml.Unmarshal(full, &d); err != nil {
		panic(fmt.Sprintf("optatest: no F24: %v", err))
	}
	london := London()
	for i := range d.Game.Events {
		e := &d.Game.Events[i]
		if e.happened = local(e.Timestamp, london); e.Modified != "" {
			e.edited = local(e.Modified, london)
		}
	}
	return &d
}

func (d *document) count(at *time.Time) Count {
	c := Count{Match: d.Game.ID, HomeTeam: d.Game.Home, AwayTeam: d.Game.Away}
	for _, e := range d.Game.Events {
		has := map[int]bool{}
		former := 0
		for _, q := range e.Q {
			has[q.ID] = true
			if q.ID == 144 {
				fmt.Sscan(q.Value, &former)
			}
		}
		kind := e.Type
		if at != nil {
			if e.happened.After(*at) {
				continue
			}
			if kind == 43 && e.edited.After(*at) {
				kind = former
			}
		}
		scoredAt := e.Team == d.Game.Home
		switch {
		case kind == 16 && e.Period == 5 && scoredAt:
			c.HomeKicks++
		case kind == 16 && e.Period == 5:
			c.AwayKicks++
		case kind == 16 && e.Period >= 1 && e.Period <= 4 && scoredAt != has[28]:
			c.Home++
		case kind == 16 && e.Period >= 1 && e.Period <= 4:
			c.Away++
		case kind == 17 && has[32]:
			c.SecondYellow++
		case kind == 17 && has[33]:
			c.Reds++
		case kind == 17 && has[31]:
			c.Yellow++
		case kind == 19:
			c.Substitutions++
		case kind == 20:
			c.Left++
		}
	}
	return c
}
