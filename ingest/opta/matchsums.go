package opta

import (
	"math"
	"strconv"
	"strings"

	"goalcast"
	"goalcast/ingest/merge"
)

// official reads a MatchOfficial, the referee, or AssistantOfficials, which has the others in it.
func (m *matchDocument) official(r *reader) {
	if r.name() == "AssistantOfficials" {
		r.each(func() {
			name := strings.TrimSpace(string(r.attr("FirstName")) + " " + string(r.attr("LastName")))
			m.officiates(id(r.attr("uID")), name, string(r.attr("Type")))
		})
		return
	}
	who, role := id(r.attr("uID")), "Main"
	var first, last string
	r.each(func() {
		switch r.name() {
		case "OfficialData":
			r.each(func() {
				if kind := r.attr("Type"); len(kind) > 0 {
					role = string(kind)
				}
			})
		case "OfficialName":
			r.each(func() {
				switch r.name() {
				case "First":
					first = r.text()
				case "Last":
					last = r.text()
				}
			})
		}
	})
	m.officiates(who, strings.TrimSpace(first+" "+last), role)
}

// maxOfficials bounds what one document makes a fixture hold; real ones have up to eight.
const maxOfficials = 24

func (m *matchDocument) officiates(who int64, name, role string) {
	if name != "" && len(m.officials) < maxOfficials {
		m.officials = append(m.officials, goalcast.Official{ID: who, Name: name, Role: officialRole(role)})
	}
}

// stat keeps one of a team's own statistics, if it is one that is passed on. Those of players stand
// deeper and do not come here.
func (m *matchDocument) stat(r *reader, team goalcast.TeamID, kind string) {
	word := statWord(kind)
	if word == "" {
		return
	}
	n, err := strconv.ParseFloat(r.text(), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1e6 {
		return
	}
	if m.stats[team] == nil {
		m.stats[team] = map[string]float64{}
	}
	m.stats[team][word] = n
}

// counted are the statistics of both sides. A count that a document leaves out is 0, if it counts
// anything at all: F9 writes no zeros.
func (m *matchDocument) counted() *merge.Stats {
	if len(m.stats) == 0 {
		return nil
	}
	of := func(team goalcast.TeamID) map[string]float64 {
		out := make(map[string]float64, len(statWords)+1)
		for _, word := range statWords {
			out[word] = 0
		}
		for word, n := range m.stats[team] {
			out[word] = n
		}
		return out
	}
	return &merge.Stats{Home: of(m.fixture.Home.ID), Away: of(m.fixture.Away.ID)}
}

// claims are the Score attributes and the period. An awarded score is no claim about goals.
func (m *matchDocument) claims() *merge.Claims {
	c := &merge.Claims{Period: periodNamed(m.period)}
	if m.home.hasScore && m.away.hasScore && m.result != resultAwarded {
		c.Score = &goalcast.Score{Home: m.home.score, Away: m.away.score}
	}
	return c
}
