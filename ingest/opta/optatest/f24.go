package optatest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// F24 is a whole F24, taken apart once so that cutting it at many moments is cheap.
type F24 struct {
	head, tail string // before the first Event and after the last
	events     []event
	count      *document
}

// event is one Event element of an F24, as text.
type event struct {
	before       string // what stands between the event before and this one
	tag, inside  string // inside is empty where the element is void
	kind         string // type_id
	former       string // Q144 of a deleted event
	happened     time.Time
	lastModified time.Time
}

// ParseF24 takes a document apart. An Event is either void or ends with its end tag, and its
// attributes hold no ">": so it is in all real files.
func ParseF24(full []byte) *F24 {
	london := London()
	f := &F24{count: parse(full)}
	rest := string(full)
	for {
		start := strings.Index(rest, "<Event ")
		if start < 0 {
			f.tail = rest
			return f
		}
		end := start + strings.Index(rest[start:], ">") + 1
		if rest[end-2] != '/' {
			end += strings.Index(rest[end:], "</Event>") + len("</Event>")
		}
		for _, c := range []string{"\r", "\n"} {
			if strings.HasPrefix(rest[end:], c) {
				end++
			}
		}
		start = len(strings.TrimRight(rest[:start], " \t"))
		e := parseEvent(rest[start:end], london)
		if e.before = rest[:start]; len(f.events) == 0 {
			f.head, e.before = e.before, ""
		}
		f.events = append(f.events, e)
		rest = rest[end:]
	}
}

func parseEvent(text string, london *time.Location) event {
	end := strings.Index(text, ">") + 1
	e := event{tag: text[:end], inside: text[end:]}
	e.kind, _ = attribute(e.tag, "type_id")
	happened, _ := attribute(e.tag, "timestamp")
	e.happened = local(happened, london)
	e.lastModified = e.happened
	if modified, ok := attribute(e.tag, "last_modified"); ok {
		e.lastModified = local(modified, london)
	}
	if e.kind == "43" {
		if m := formerType().FindString(e.inside); m != "" {
			e.former, _ = attribute(m, "value")
		}
	}
	return e
}

// deletedAt is when a deleted event was deleted: never before it happened, though
// last_modified has no milliseconds.
func (e event) deletedAt() time.Time {
	if e.lastModified.Before(e.happened) {
		return e.happened
	}
	return e.lastModified
}

// Thin leaves out most of the events of which no facts are made, as nearly all are: for tests
// that do not need the size of a real document. Those that others refer to stay, which are
// the passes before goals.
func (f *F24) Thin() {
	related := map[string]bool{}
	for _, e := range f.events {
		for _, q := range strings.Split(e.inside, "<Q ")[1:] {
			if id, _ := attribute(q, "qualifier_id"); id == "55" {
				value, _ := attribute(q, "value")
				related[value] = true
			}
		}
	}
	n := 0
	f.events = slices.DeleteFunc(f.events, func(e event) bool {
		n++
		number, _ := attribute(e.tag, "event_id")
		return n%20 > 0 && !e.facts() && !related[number]
	})
}

// facts says whether facts can be made of an event.
func (e event) facts() bool {
	return e.matters() || slices.Contains([]string{"4", "13", "14", "15", "27", "28", "43", "75", "76", "79"}, e.kind)
}

// CutF24 is Cut for one moment only.
func CutF24(full []byte, at time.Time) []byte { return ParseF24(full).Cut(at) }

// Cut gives the F24 as it was at a moment: events that happened later are not in it; a deleted
// event stands under its old type until it was deleted; edits that were made later do not show in
// last_modified and version (what they changed is not known, so the values are the final ones).
// Games@timestamp and the production header are the moment; home_score and away_score are left out,
// as in older documents.
func (f *F24) Cut(at time.Time) []byte {
	var out strings.Builder
	out.WriteString(cutHead(f.head, at))
	for _, e := range f.events {
		out.WriteString(e.before)
		switch {
		case e.happened.After(at):
		case e.kind == "43" && e.former != "" && e.deletedAt().After(at):
			out.WriteString(undeleted(e))
		case e.kind != "43" && e.lastModified.After(at):
			out.WriteString(unedited(e.tag, e.happened) + e.inside)
		default:
			out.WriteString(e.tag + e.inside)
		}
	}
	out.WriteString(f.tail)
	return []byte(out.String())
}

// cutHead sets what stands before the events to the moment.
func cutHead(head string, at time.Time) string {
	london := London()
	head = first(head, compiled(`<Games [^>]*>`), func(tag string) string {
		return withAttribute(tag, "timestamp", at.In(london).Format("2006-01-02T15:04:05"))
	})
	head = first(head, compiled(`<Game [^>]*>`), func(tag string) string {
		for _, name := range []string{"home_score", "away_score"} {
			tag = withoutAttribute(tag, name)
		}
		for _, name := range []string{"period_1_start", "period_2_start", "period_3_start", "period_4_start",
			"period_5_start"} {
			if start, ok := attribute(tag, name); ok && local(start, london).After(at) {
				tag = withoutAttribute(tag, name)
			}
		}
		return tag
	})
	return produced(head, at)
}

// undeleted gives a deleted event its old type back.
func undeleted(e event) string {
	tag := withAttribute(unedited(e.tag, e.happened), "type_id", e.former)
	return tag + formerType().ReplaceAllString(e.inside, "")
}

// formerType finds the qualifier that tells what a deleted event was.
func formerType() *regexp.Regexp {
	return compiled(`[ \t]*<Q [^>]*qualifier_id="144"[^>]*>\r?\n?`)
}

// unedited sets the last edit of an event to when it happened.
func unedited(tag string, happened time.Time) string {
	tag = withAttribute(tag, "last_modified", happened.Format("2006-01-02T15:04:05"))
	return withAttribute(tag, "version", fmt.Sprint(happened.UnixMilli()))
}

// Moments is F24.Moments for a document that is not taken apart yet.
func Moments(full []byte) []time.Time { return ParseF24(full).Moments() }

// Moments gives the moments worth cutting at, in order: whenever a goal, an attempt from the
// penalty spot, a card, a substitution, the start or end of a period, a line-up, a review or added
// time was entered, and whenever one of them was deleted.
func (f *F24) Moments() []time.Time {
	var out []time.Time
	for _, e := range f.events {
		if !e.matters() {
			continue
		}
		out = append(out, e.happened.UTC())
		if e.kind == "43" {
			out = append(out, e.deletedAt().UTC())
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

func (e event) matters() bool {
	kind := e.kind
	if kind == "43" {
		kind = e.former
	}
	switch kind {
	case "16", "17", "18", "19", "20", "30", "32", "34", "65", "70":
		return true
	case "13", "14", "15":
		period, _ := attribute(e.tag, "period_id")
		return period == "5" || strings.Contains(e.inside, `qualifier_id="9"`)
	}
	return false
}
