package simulator

import (
	"strconv"
	"time"
)

// stamp is how F7 and F9 write a time: UK local with its offset.
func (d *Day) stamp(t time.Time) string { return t.In(d.london).Format("20060102T150405-0700") }

// f9 is the match document as it is known at a moment: F9 with statistics, F7 without.
func (d *Day) f9(m *match, of time.Duration, statistics bool) []byte {
	made, module, kind := d.wall(of), "F7", "Latest"
	if statistics {
		module = "F9"
	}
	final := of >= m.closed
	if final {
		kind = "Result"
	}
	w := newDocument(module, made)
	w.begin("SoccerFeed", "TimeStamp", d.stamp(made))
	w.begin("SoccerDocument", "Type", kind, "detail_id", "1", "uID", "f"+itoa(m.id))
	w.begin("Competition", "uID", "c"+itoa(CompetitionID))
	w.leaf("Country", country)
	w.leaf("Name", competitionName)
	w.stat("season_id", season)
	w.stat("season_name", seasonName)
	w.stat("symid", "KRL")
	w.stat("matchday", "1")
	w.end()
	w.begin("MatchData")
	d.matchInfo(w, m, of, final)
	for _, s := range []*squad{m.home, m.away} {
		d.teamData(w, m, s, of, statistics)
	}
	w.end()
	for _, s := range []*squad{m.home, m.away} {
		teamNames(w, s)
	}
	w.begin("Venue", "uID", "v"+itoa(m.home.venue))
	w.leaf("Country", country)
	w.leaf("Name", m.home.club.venue)
	w.end()
	w.end()
	w.end()
	return w.Bytes()
}

func (d *Day) matchInfo(w *document, m *match, of time.Duration, final bool) {
	period := m.period(of)
	w.begin("MatchInfo", "MatchType", "Regular", "Period", period, "TimeStamp", d.stamp(d.wall(of)), "Weather", "Clear")
	w.leaf("Date", d.stamp(d.wall(m.kickoff)))
	if period == "FullTime" {
		attrs := []string{"Type", "NormalResult"}
		if home, away := m.score(of); home > away {
			attrs = append(attrs, "Winner", "t"+itoa(m.home.team))
		} else if away > home {
			attrs = append(attrs, "Winner", "t"+itoa(m.away.team))
		}
		w.empty("Result", attrs...)
	}
	w.end()
	// While a match is live Opta writes these with day and month exchanged and no zone; the final
	// document has them right.
	clock := func(at time.Duration) string { return d.wall(at).In(d.london).Format("20060201T150405") }
	if final {
		clock = func(at time.Duration) string { return d.stamp(d.wall(at)) }
	}
	total := 0
	for h, half := range m.halves {
		if of < half.start {
			break
		}
		name := []string{"first_half", "second_half"}[h]
		minutes := int((min(of, half.end) - half.start) / time.Minute)
		total += minutes
		w.stat(name+"_start", clock(half.start))
		w.stat(name+"_time", strconv.Itoa(minutes))
		if of >= half.end {
			w.stat(name+"_stop", clock(half.end))
		}
	}
	w.stat("match_time", strconv.Itoa(total))
}

func (d *Day) teamData(w *document, m *match, s *squad, of time.Duration, statistics bool) {
	side := "Home"
	home, away := m.score(of)
	score := home
	if s == m.away {
		side, score = "Away", away
	}
	w.begin("TeamData", "Formation", s.formation, "Score", strconv.Itoa(score), "Side", side, "TeamRef",
		"t"+itoa(s.team))
	counts := map[incidentKind]int{}
	for _, in := range m.incidents {
		v, entered := in.event.as(of)
		if in.side != s || !entered || v.kind == typeDeleted {
			continue
		}
		counts[in.kind]++
		d.incident(w, in, v, counts[in.kind])
	}
	var work map[int64]*tally
	if statistics {
		work = m.tallies(s, of)
	}
	w.begin("PlayerLineUp")
	for _, p := range s.players {
		attrs := []string{"Formation_Place", strconv.Itoa(p.place), "PlayerRef", "p" + itoa(p.id), "Position",
			p.position,
			"ShirtNumber", strconv.Itoa(p.shirt), "Status", "Start"}
		if p.place == 0 {
			attrs[5], attrs[9] = "Substitute", "Sub"
			attrs = append(attrs, "SubPosition", p.position)
		}
		if p.id == s.captain() {
			attrs = append([]string{"Captain", "1"}, attrs...)
		}
		if one := work[p.id]; one != nil {
			w.begin("MatchPlayer", attrs...)
			one.write(w)
			w.end()
		} else {
			w.empty("MatchPlayer", attrs...)
		}
	}
	w.end()
	if statistics {
		sum := sumOf(work)
		if all := sum.passes + sumOf(m.tallies(m.other(s), of)).passes; all > 0 {
			w.stat("possession_percentage", strconv.FormatFloat(100*float64(sum.passes)/float64(all), 'f', 1, 64))
		}
		sum.write(w)
	}
	w.end()
}

// incident writes a goal, a booking or a substitution: number is its place among those of its team.
func (d *Day) incident(w *document, in *incident, v version, number int) {
	e := in.event
	period := []string{"FirstHalf", "SecondHalf"}[e.period-1]
	shown := e.min + 1
	if e.sec == 0 {
		shown = e.min // as Opta does
	}
	common := []string{"EventID", itoa(e.id), "EventNumber", strconv.Itoa(e.period) + strconv.Itoa(e.min) +
		strconv.Itoa(number),
		"Min", strconv.Itoa(e.min), "Sec", strconv.Itoa(e.sec), "Time", strconv.Itoa(shown), "TimeStamp",
		d.stamp(d.wall(e.at))}
	uid := func(letter string) string { return letter + itoa(in.side.team) + "-" + strconv.Itoa(number) }
	ref := "p" + itoa(v.player)
	switch in.kind {
	case goal:
		attrs := append(common, "Period", period, "PlayerRef", ref, "Type", goalType(v), "uID", uid("g"))
		if in.assist == 0 {
			w.empty("Goal", attrs...)
			return
		}
		w.begin("Goal", attrs...)
		w.leaf("Assist", "p"+itoa(in.assist), "PlayerRef", "p"+itoa(in.assist))
		w.end()
	case card:
		colour, kind := "Yellow", "Yellow"
		switch {
		case v.has(qRed):
			colour, kind = "Red", "StraightRed"
		case v.has(qSecond):
			colour, kind = "Red", "SecondYellow"
		}
		w.empty("Booking", append(common, "Card", colour, "CardType", kind, "Period", period, "PlayerRef", ref,
			"Reason", in.reason, "uID", uid("b"))...)
	case swap: // Period is a number here and nowhere else
		w.empty("Substitution", append(common, "Period", strconv.Itoa(e.period), "Reason", in.reason, "SubOff",
			"p"+itoa(in.off), "SubOn", ref,
			"uID", uid("s"))...)
	}
}

func teamNames(w *document, s *squad) {
	w.begin("Team", "uID", "t"+itoa(s.team))
	w.leaf("Country", country)
	w.leaf("Name", s.name)
	for _, p := range s.players {
		position := p.position
		if p.place == 0 {
			position = "Substitute"
		}
		w.begin("Player", "Position", position, "uID", "p"+itoa(p.id))
		w.begin("PersonName")
		w.leaf("First", p.first)
		if p.known != "" {
			w.leaf("Known", p.known)
		}
		w.leaf("Last", p.last)
		w.end()
		w.end()
	}
	w.end()
}
