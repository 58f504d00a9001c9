package opta

import (
	"cmp"
	"strings"
	"time"

	"goalcast"
)

// periods tells which parts of the match have begun, by F7 and F9. MatchInfo@Period names only the
// newest, and with it all before it that the match must have gone through. FullTime does not say
// whether there was extra time or a shoot-out: facts in them, the result's type or their times do.
func (m *matchDocument) periods() []goalcast.Event {
	shootout := m.result == "PenaltyShootout"
	extra := m.result == "AfterExtraTime" || m.result == "GoldenGoal"
	var newest goalcast.Period // that a fact or a time of day tells of
	seen := func(p goalcast.Period) {
		shootout = shootout || p == goalcast.Shootout
		extra = extra || p.Order() >= goalcast.ExtraFirstHalf.Order() && p.Order() <= goalcast.ExtraFullTime.Order()
		if p.Order() > newest.Order() {
			newest = p
		}
	}
	for _, e := range m.facts {
		seen(e.Period)
	}
	for stat := range m.moments {
		if start, ok := strings.CutSuffix(stat, "_start"); ok {
			seen(periodOfStat(start))
		}
	}
	now := periodNamed(m.period)
	if now == "" { // abandoned, or a word that is not known: as far as it demonstrably came
		now = newest
	}
	seen(now)

	var out []goalcast.Event
	for _, p := range [...]goalcast.Period{goalcast.FirstHalf, goalcast.HalfTime, goalcast.SecondHalf,
		goalcast.FullTime90, goalcast.ExtraFirstHalf,
		goalcast.ExtraHalfTime, goalcast.ExtraSecondHalf, goalcast.ExtraFullTime, goalcast.Shootout,
		goalcast.FullTime} {
		held := p == now
		switch p {
		case goalcast.FirstHalf, goalcast.HalfTime, goalcast.SecondHalf:
			held = true
		case goalcast.FullTime90:
			held = held || extra || shootout
		case goalcast.ExtraFirstHalf, goalcast.ExtraHalfTime, goalcast.ExtraSecondHalf:
			held = held || extra
		case goalcast.ExtraFullTime:
			held = held || extra && shootout
		case goalcast.Shootout:
			held = held || shootout
		}
		if held && p.Order() <= now.Order() {
			out = append(out, goalcast.Event{ID: periodID(m.id, p), Status: goalcast.Confirmed,
				Kind: goalcast.KindPeriod, Match: m.id, Period: p,
				At: m.began(p, now, extra, shootout)})
		}
	}
	return out
}

// began says when a period began: by the statistics, which tell it of each, else by
// MatchInfo@TimeStamp, which tells it of the newest. Zero if neither does.
func (m *matchDocument) began(p, now goalcast.Period, extra, shootout bool) time.Time {
	var stats []string // the names of F7 where it is sure, and both spellings that extra time may have
	after := 0         // minutes from planned kick-off, roughly: tells the day, which live documents get wrong
	switch p {
	case goalcast.FirstHalf:
		stats = []string{"first_half_start"}
	case goalcast.HalfTime:
		stats, after = []string{"first_half_stop"}, 47
	case goalcast.SecondHalf:
		stats, after = []string{"second_half_start"}, 63
	case goalcast.FullTime90:
		stats, after = []string{"second_half_stop"}, 112
	case goalcast.ExtraFirstHalf:
		stats, after = []string{"first_half_extra_start", "extra_first_half_start"}, 117
	case goalcast.ExtraHalfTime:
		stats, after = []string{"first_half_extra_stop", "extra_first_half_stop"}, 133
	case goalcast.ExtraSecondHalf:
		stats, after = []string{"second_half_extra_start", "extra_second_half_start"}, 135
	case goalcast.ExtraFullTime:
		stats, after = []string{"second_half_extra_stop", "extra_second_half_stop"}, 151
	case goalcast.FullTime:
		switch {
		case shootout:
		case extra:
			stats, after = []string{"second_half_extra_stop", "extra_second_half_stop"}, 151
		default:
			stats, after = []string{"second_half_stop"}, 112
		}
	}
	expected := cmp.Or(m.fixture.Kickoff, m.since)
	if !expected.IsZero() {
		expected = expected.Add(time.Duration(after) * time.Minute)
	}
	for _, name := range stats {
		if at := m.clock.moment(m.moments[name], expected); !at.IsZero() {
			return at
		}
	}
	if p == now {
		return m.since
	}
	return time.Time{}
}

// periodOfStat gives the period whose start a statistic tells.
func periodOfStat(name string) goalcast.Period {
	switch name {
	case "first_half":
		return goalcast.FirstHalf
	case "second_half":
		return goalcast.SecondHalf
	case "first_half_extra", "extra_first_half":
		return goalcast.ExtraFirstHalf
	case "second_half_extra", "extra_second_half":
		return goalcast.ExtraSecondHalf
	}
	return ""
}
