package simulator

import (
	"strconv"
	"time"
)

// ukLocal is how F24 writes a time: UK local, without a zone, the milliseconds not padded.
func (d *Day) ukLocal(t time.Time) string {
	t = t.In(d.london)
	return t.Format("2006-01-02T15:04:05.") + strconv.Itoa(t.Nanosecond()/1e6)
}

func (d *Day) ukSeconds(t time.Time) string { return t.In(d.london).Format("2006-01-02T15:04:05") }

// f24 is the whole event file of a match as it is known at a moment.
func (d *Day) f24(m *match, of time.Duration) []byte {
	made := d.wall(of)
	w := newDocument("F24", made)
	w.begin("Games", "timestamp", d.ukSeconds(made))
	home, away := m.score(of)
	attrs := []string{"id", itoa(m.id), "away_score", strconv.Itoa(away), "away_team_id", itoa(m.away.team),
		"away_team_name", m.away.name,
		"competition_id", itoa(CompetitionID), "competition_name", competitionName, "game_date",
		d.ukSeconds(d.wall(m.kickoff)),
		"home_score", strconv.Itoa(home), "home_team_id", itoa(m.home.team), "home_team_name", m.home.name, "matchday",
		"1"}
	for h, half := range m.halves {
		if of >= half.start {
			attrs = append(attrs, "period_"+strconv.Itoa(h+1)+"_start", d.ukSeconds(d.wall(half.start)))
		}
	}
	w.begin("Game", append(attrs, "season_id", season, "season_name", seasonName)...)
	for _, e := range m.events {
		if v, entered := e.as(of); entered {
			d.f24Event(w, e, v)
		}
	}
	w.end()
	w.end()
	return w.Bytes()
}

func (d *Day) f24Event(w *document, e *event, v version) {
	attrs := []string{"id", itoa(e.id), "event_id", itoa(e.number), "type_id", strconv.Itoa(v.kind), "period_id",
		strconv.Itoa(e.period),
		"min", strconv.Itoa(e.min), "sec", strconv.Itoa(e.sec)}
	if v.player != 0 {
		attrs = append(attrs, "player_id", itoa(v.player))
	}
	outcome, x, y := "1", e.x, e.y
	if v.failed {
		outcome = "0"
	}
	if v.kind == typeDeleted {
		x, y = 0, 0
	}
	edited := d.wall(v.from)
	attrs = append(attrs, "team_id", itoa(e.squad.team), "outcome", outcome, "x", number(x), "y", number(y),
		"timestamp", d.ukLocal(d.wall(e.at)), "last_modified", d.ukSeconds(edited))
	if v.kind != typeDeleted { // Opta leaves it out there
		attrs = append(attrs, "version", itoa(edited.UnixMilli()))
	}
	if len(v.details) == 0 {
		w.empty("Event", attrs...)
		return
	}
	w.begin("Event", attrs...)
	for i, q := range v.details {
		attrs := []string{"id", itoa(e.id*16 + int64(i)), "qualifier_id", strconv.Itoa(q.id)}
		switch {
		case q.related != nil:
			attrs = append(attrs, "value", itoa(q.related.number))
		case q.value != "":
			attrs = append(attrs, "value", q.value)
		}
		w.empty("Q", attrs...)
	}
	w.end()
}

// score counts the goals that stand at a moment.
func (m *match) score(of time.Duration) (home, away int) {
	for _, in := range m.incidents {
		if v, entered := in.event.as(of); in.kind != goal || !entered || v.kind == typeDeleted {
			continue
		}
		if in.side == m.home {
			home++
		} else {
			away++
		}
	}
	return home, away
}

// period is the match's part at a moment, in the words of F7 and F9.
func (m *match) period(of time.Duration) string {
	switch {
	case of < m.halves[0].start:
		return "PreMatch"
	case of < m.halves[0].end:
		return "FirstHalf"
	case of < m.halves[1].start:
		return "HalfTime"
	case of < m.halves[1].end:
		return "SecondHalf"
	}
	return "FullTime"
}
