package opta

import (
	"cmp"
	"slices"
	"strings"

	"goalcast"
)

func (m *matchDocument) lineup(r *reader, l *goalcast.Lineup) {
	r.each(func() {
		who := goalcast.PlayerID(id(r.attr("PlayerRef")))
		if r.name() != "MatchPlayer" || who == 0 {
			return
		}
		if len(l.Players) == maxInLineup {
			r.fail("a line-up with more than %d players", maxInLineup)
			return
		}
		p := goalcast.LineupPlayer{Player: goalcast.Player{ID: who}, Shirt: int(number(r.attr("ShirtNumber"))),
			Position: position(string(r.attr("Position"))),
			Place:    int(number(r.attr("Formation_Place"))), Start: string(r.attr("Status")) == "Start",
			Captain: string(r.attr("Captain")) == "1"}
		if p.Position == "" {
			p.Position = position(string(r.attr("SubPosition")))
		}
		if p.Place == 0 {
			p.Place = placeInStats(r)
		}
		l.Players = append(l.Players, p)
	})
	if len(l.Players) > 0 {
		m.facts = append(m.facts, lineupFact(m.id, l))
	}
}

// placeInStats reads the place in the formation from the statistics of an F9 that does not
// write it as an attribute.
func placeInStats(r *reader) (place int) {
	r.each(func() {
		if string(r.attr("Type")) == "formation_place" {
			place = count(r.text())
		}
	})
	return place
}

// lineupFact makes the event of a line-up and puts its players in order: those who start by place,
// then the bench by shirt. Places outside of 1 to 11 and places on the bench are none.
func lineupFact(match goalcast.MatchID, l *goalcast.Lineup) goalcast.Event {
	for i, p := range l.Players {
		if !p.Start || p.Place > 11 {
			l.Players[i].Place = 0
		}
	}
	slices.SortStableFunc(l.Players, func(a, b goalcast.LineupPlayer) int {
		switch {
		case a.Start != b.Start && a.Start:
			return -1
		case a.Start != b.Start:
			return 1
		case a.Start:
			return cmp.Compare(a.Place, b.Place)
		}
		return cmp.Compare(a.Shirt, b.Shirt)
	})
	return goalcast.Event{ID: lineupID(match, l.Team), Status: goalcast.Confirmed, Kind: goalcast.KindLineup,
		Match: match, Team: l.Team,
		Period: goalcast.PreMatch, Lineup: l}
}

// lineups makes one line-up per team. Of several live ones the newest holds; a deleted one counts
// only where there is no live one.
func (g *game) lineups() []goalcast.Event {
	newest := map[int64]*f24Event{}
	for i := range g.events {
		t := &g.events[i]
		if t.kind != typeLineup || t.team == 0 {
			continue
		}
		old := newest[t.team]
		if old == nil || old.deleted && !t.deleted || old.deleted == t.deleted && g.at(t).After(g.at(old)) {
			newest[t.team] = t
		}
	}
	var out []goalcast.Event
	for _, t := range newest {
		e := lineupFact(g.id, lineupOf(t))
		e.At = g.at(t)
		if t.deleted {
			e.Status = goalcast.Cancelled
		}
		if t.deleted || len(e.Lineup.Players) > 0 {
			out = append(out, e)
		}
	}
	return byID(out)
}

// lineupOf reads the lists of a team set-up, which have one entry per player, in the same order.
func lineupOf(t *f24Event) *goalcast.Lineup {
	list := func(id int64) []int64 {
		var out []int64
		for text := range strings.SplitSeq(t.value(id), ",") {
			out = append(out, number([]byte(strings.TrimSpace(text))))
		}
		return out
	}
	entry := func(list []int64, i int) int64 {
		if i < len(list) {
			return list[i]
		}
		return 0
	}
	positions, shirts, places := list(qualifierPositions), list(qualifierShirts), list(qualifierPlaces)
	captain := number([]byte(t.value(qualifierCaptain)))
	l := &goalcast.Lineup{Team: goalcast.TeamID(t.team),
		Formation: formation(number([]byte(t.value(qualifierFormation))))}
	for i, who := range list(qualifierPlayers) {
		if who == 0 {
			continue
		}
		place := entry(places, i)
		starts := place >= 1 && place <= 11 || len(places) < 11 && entry(positions, i) != benchPosition
		l.Players = append(l.Players, goalcast.LineupPlayer{Player: goalcast.Player{ID: goalcast.PlayerID(who)},
			Shirt:    int(entry(shirts, i)),
			Position: positionNumber(entry(positions, i)), Place: int(min(place, 99)), Start: starts,
			Captain: who == captain})
	}
	return l
}
