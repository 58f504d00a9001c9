package optatest

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

const srmlTime = "20060102T150405-0700"

// CutF7 gives the F7 or F9 as it was at a moment: goals, cards and substitutions that happened
// later are not in it, Score counts the goals that are left, MatchInfo@Period is the part of the
// match that had begun, Type is Latest until the end, and result, attendance and match_time are not
// there until then. Line-ups are there from an hour before kick-off. SoccerFeed@TimeStamp and the
// production header are the moment.
//
// When a part of the match began is told by the statistics first_half_start and so on. Documents
// without them (2011) tell only the kick-off that was planned and the end: half time cannot be seen
// in their cuts, and the second half begins with the first thing that happened in it.
func CutF7(full []byte, at time.Time) []byte {
	document := string(full)
	period, began := periodAt(document, at)
	over := period == "FullTime"

	document = cutTeams(document, at)
	document = without(document, compiled(`<Stat Type="[a-z_]*_(start|stop)">[^<]*</Stat>`), func(stat string) bool {
		_, text, _ := strings.Cut(strings.TrimSuffix(stat, "</Stat>"), ">")
		t, err := time.Parse(srmlTime, text)
		return err == nil && t.After(at)
	})
	document = first(document, compiled(`<MatchInfo [^>]*>`), func(tag string) string {
		return withAttribute(withAttribute(tag, "Period", period), "TimeStamp", began.In(London()).Format(srmlTime))
	})
	if !over {
		document = without(document, compiled(`<(Result [^>]*/|Attendance>[^<]*</Attendance)>`), always)
		document = without(document, compiled(`<Stat Type="(match_time|[a-z]+_half_time)">[^<]*</Stat>`), always)
		document = first(document, compiled(`<SoccerDocument [^>]*>`), func(tag string) string {
			return withAttribute(tag, "Type", "Latest")
		})
	}
	document = first(document, compiled(`<SoccerFeed [^>]*>`), func(tag string) string {
		return withAttribute(tag, "TimeStamp", at.In(London()).Format(srmlTime))
	})
	return []byte(produced(document, at))
}

// happenedPattern finds what happens in a match: void elements, and goals and shots
// with assists in them.
func happenedPattern(names string) *regexp.Regexp {
	return compiled(`(?s)<(?:` + names + `) (?:[^>]*/>|[^>]*[^/]>.*?</(?:` + names + `)>)`)
}

// without leaves out those elements that a pattern finds and that are gone, each with the spaces
// before it and the end of its line. A pattern begins with the element and not with those spaces:
// what is no such element is then skipped by a search for a few letters. A match is cut hundreds of
// times.
func without(document string, pattern *regexp.Regexp, gone func(element string) bool) string {
	var out strings.Builder
	kept := 0 // all before is written, or left out
	for _, loc := range pattern.FindAllStringIndex(document, -1) {
		if !gone(document[loc[0]:loc[1]]) {
			continue
		}
		out.WriteString(strings.TrimRight(document[kept:loc[0]], " \t"))
		rest := strings.TrimPrefix(strings.TrimPrefix(document[loc[1]:], "\r"), "\n")
		kept = len(document) - len(rest)
	}
	out.WriteString(document[kept:])
	return out.String()
}

func always(string) bool { return true }

// cutTeams cuts each TeamData.
func cutTeams(document string, at time.Time) string {
	var out strings.Builder
	rest := document
	for {
		start := strings.Index(rest, "<TeamData ")
		if start < 0 {
			break
		}
		length := strings.Index(rest[start:], "</TeamData>")
		if length < 0 {
			break
		}
		end := start + length + len("</TeamData>")
		out.WriteString(rest[:start] + cutTeam(rest[start:end], document, at))
		rest = rest[end:]
	}
	return out.String() + rest
}

func cutTeam(team, document string, at time.Time) string {
	happened := happenedPattern("Goal|Booking|Substitution|MissedPenalty|PenaltyShot")
	team = without(team, happened, func(text string) bool {
		return stampOf(text).After(at)
	})
	goals := 0
	for _, goal := range happenedPattern("Goal").FindAllString(team, -1) {
		if period, _ := attribute(goal, "Period"); period != "ShootOut" {
			goals++
		}
	}
	if at.Before(kickoff(document).Add(-time.Hour)) {
		team = without(team, compiled(`(?s)<PlayerLineUp>.*?</PlayerLineUp>`), always)
	}
	return first(team, compiled(`<TeamData [^>]*>`), func(tag string) string {
		tag = withAttribute(tag, "Score", fmt.Sprint(goals))
		if scored := strings.Count(team, `Outcome="Scored"`); scored == 0 {
			return withoutAttribute(tag, "ShootOutScore")
		} else {
			return withAttribute(tag, "ShootOutScore", fmt.Sprint(scored))
		}
	})
}

// stampOf reads the TimeStamp of an element.
func stampOf(text string) time.Time {
	stamp, _ := attribute(text[:strings.Index(text, ">")+1], "TimeStamp")
	t, err := time.Parse(srmlTime, stamp)
	if err != nil {
		panic(fmt.Sprintf("optatest: no time in %.80q", text))
	}
	return t
}

func kickoff(document string) time.Time {
	m := compiled(`<Date>([^<]*)</Date>`).FindStringSubmatch(document)
	t, err := time.Parse(srmlTime, m[1])
	if err != nil {
		panic("optatest: kick-off: " + err.Error())
	}
	return t
}

// periodAt says which part of a match was on at a moment, and since when.
func periodAt(document string, at time.Time) (period string, since time.Time) {
	stat := func(name string) time.Time {
		m := compiled(`<Stat Type="` + name + `">([^<]*)</Stat>`).FindStringSubmatch(document)
		if m == nil {
			return time.Time{}
		}
		t, _ := time.Parse(srmlTime, m[1])
		return t
	}
	info := compiled(`<MatchInfo [^>]*>`).FindString(document)
	last, _ := attribute(info, "Period")
	starts := []struct {
		period string
		at     time.Time
	}{
		{"FirstHalf", stat("first_half_start")}, {"HalfTime", stat("first_half_stop")},
		{"SecondHalf", stat("second_half_start")},
		{last, stampOf(info)},
	}
	if starts[0].at.IsZero() {
		starts[0].at = kickoff(document)
	}
	if starts[2].at.IsZero() {
		starts[2].at = firstOfSecondHalf(document)
	}
	period, since = "PreMatch", kickoff(document).Add(-time.Hour)
	for _, s := range starts {
		if !s.at.IsZero() && !s.at.After(at) {
			period, since = s.period, s.at
		}
	}
	return period, since
}

// firstOfSecondHalf is when the first thing happened after half time; zero if nothing did.
func firstOfSecondHalf(document string) time.Time {
	var first time.Time
	for _, text := range happenedPattern("Goal|Booking|Substitution").FindAllString(document, -1) {
		period, _ := attribute(text, "Period")
		if t := stampOf(text); (period == "SecondHalf" || period == "2") && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
