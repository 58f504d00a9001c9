package simulator

import (
	"strconv"
	"time"
)

// Match is the truth of one match: what a hub must say of it once the day is over.
type Match struct {
	ID         int64
	Home, Away Team
	Kickoff    time.Time // planned, on the wall's clock
	Score      [2]int    // home, away
	Goals      []Goal    // in the order in which they fell, also those taken back
	Cards      []Card
	Swaps      []Swap
}

// Team is a club.
type Team struct {
	ID   int64
	Name string
}

// Goal is a goal as it stands in the end.
type Goal struct {
	EventID   int64  // Event@id in F24, EventID in F7 and F9
	Team      int64  // who gains it
	Scorer    int64  // the last one told
	First     int64  // the first one told; another than Scorer if it was corrected
	Assist    int64  // 0 is none
	Type      string // "Goal", "Own", "Penalty"
	Minute    int    // as fans say it, running on in added time
	Half      int    // 1, 2
	Cancelled bool
	At        time.Time // on the wall's clock
}

// Card is a booking.
type Card struct {
	EventID, Team, Player int64
	Type                  string // "Yellow", "SecondYellow", "StraightRed"
}

// Swap is a substitution; EventID is that of the event "on".
type Swap struct{ EventID, Team, Off, On int64 }

// Matches tells the truth of the day, in the order of kick-off.
func (d *Day) Matches() []Match {
	var out []Match
	for _, m := range d.matches {
		t := Match{ID: m.id, Home: Team{m.home.team, m.home.name}, Away: Team{m.away.team, m.away.name},
			Kickoff: d.wall(m.kickoff)}
		t.Score[0], t.Score[1] = m.score(m.closed)
		for _, in := range m.incidents {
			last, _ := in.event.as(m.closed)
			switch in.kind {
			case goal:
				t.Goals = append(t.Goals, d.goalTruth(in, last))
			case card:
				kind := map[bool]string{true: "Yellow", false: "StraightRed"}[last.has(qYellow)]
				if last.has(qSecond) {
					kind = "SecondYellow"
				}
				t.Cards = append(t.Cards, Card{EventID: in.event.id, Team: in.side.team, Player: last.player,
					Type: kind})
			case swap:
				t.Swaps = append(t.Swaps, Swap{EventID: in.event.id, Team: in.side.team, Off: in.off, On: last.player})
			}
		}
		out = append(out, t)
	}
	return out
}

func (d *Day) goalTruth(in *incident, last version) Goal {
	e := in.event
	g := Goal{EventID: e.id, Team: in.side.team, Scorer: last.player, First: e.versions[0].player, Assist: in.assist,
		Type:   goalType(last),
		Minute: e.min + 1, Half: e.period, Cancelled: last.kind == typeDeleted, At: d.wall(e.at)}
	if e.sec == 0 {
		g.Minute = e.min
	}
	return g
}

// String names the match and its result for a person's eyes.
func (m Match) String() string {
	return m.Home.Name + " " + strconv.Itoa(m.Score[0]) + "-" + strconv.Itoa(m.Score[1]) + " " + m.Away.Name
}
