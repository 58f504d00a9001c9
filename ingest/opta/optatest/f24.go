package optatest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// event is one Event element of an F24, as text.
type event struct {
	tag, inside  string // inside is empty where the element is void
	kind         string // type_id
	former       string // Q144 of a deleted event
	happened     time.Time
	lastModified time.Time
}

// eachEvent walks through a document: it calls between with what stands before, between and after the Event elements, and visit with each element, its
// indentation and line end with it. An element is either void or ends with its end tag; attributes hold no ">".
func eachEvent(document string, between func(string), visit func(string)) {
	for {
		start := strings.Index(document, "<Event ")
		if start < 0 {
			between(document)
			return
		}
		end := start + strings.Index(document[start:], ">") + 1
		if document[end-2] != '/' {
			end += strings.Index(document[end:], "</Event>") + len("</Event>")
		}
		if strings.HasPrefix(document[end:], "\r") {
			end++
		}
		if strings.HasPrefix(document[end:], "\n") {
			end++
		}
		start = len(strings.TrimRight(document[:start], " \t"))
		between(document[:start])
		visit(document[start:end])
		document = document[end:]
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

// deletedAt is when a deleted event was deleted: never before it happened, though last_modified has no milliseconds.
func (e event) deletedAt() time.Time {
	if e.lastModified.Before(e.happened) {
		return e.happened
	}
	return e.lastModified
}

// CutF24 gives the F24 as it was at a moment: events that happened later are not in it; a deleted event stands under its old type until it was deleted; edits that were made later
// do not show in last_modified and version (what they changed is not known, so the values are the final ones). Games@timestamp and the production header are the
// moment; home_score and away_score are left out, as in older documents.
func CutF24(full []byte, at time.Time) []byte {
	london := London()
	var out strings.Builder
	keep := func(text string) { out.WriteString(text) }
	eachEvent(string(full), keep, func(text string) {
		e := parseEvent(text, london)
		switch {
		case e.happened.After(at):
		case e.kind == "43" && e.former != "" && e.deletedAt().After(at):
			keep(undeleted(e))
		case e.kind != "43" && e.lastModified.After(at):
			keep(unedited(e.tag, e.happened) + e.inside)
		default:
			keep(text)
		}
	})
	document := out.String()
	document = first(document, regexp.MustCompile(`<Games [^>]*>`), func(tag string) string {
		return withAttribute(tag, "timestamp", at.In(london).Format("2006-01-02T15:04:05"))
	})
	document = first(document, regexp.MustCompile(`<Game [^>]*>`), func(tag string) string {
		for _, name := range []string{"home_score", "away_score"} {
			tag = withoutAttribute(tag, name)
		}
		for _, name := range []string{"period_1_start", "period_2_start", "period_3_start", "period_4_start", "period_5_start"} {
			if start, ok := attribute(tag, name); ok && local(start, london).After(at) {
				tag = withoutAttribute(tag, name)
			}
		}
		return tag
	})
	return []byte(produced(document, at))
}

// undeleted gives a deleted event its old type back.
func undeleted(e event) string {
	tag := withAttribute(unedited(e.tag, e.happened), "type_id", e.former)
	return tag + formerType().ReplaceAllString(e.inside, "")
}

// formerType finds the qualifier that tells what a deleted event was.
func formerType() *regexp.Regexp {
	return regexp.MustCompile(`[ \t]*<Q [^>]*qualifier_id="144"[^>]*>\r?\n?`)
}

// unedited sets the last edit of an event to when it happened.
func unedited(tag string, happened time.Time) string {
	tag = withAttribute(tag, "last_modified", happened.Format("2006-01-02T15:04:05"))
	return withAttribute(tag, "version", fmt.Sprint(happened.UnixMilli()))
}

// Moments gives the moments worth cutting an F24 at, in order: whenever a goal, an attempt from the penalty spot, a card, a substitution, the start or end of a period, a line-up,
// a review or added time was entered, and whenever one of them was deleted.
func Moments(full []byte) []time.Time {
	london := London()
	var out []time.Time
	eachEvent(string(full), func(string) {}, func(text string) {
		e := parseEvent(text, london)
		kind := e.kind
		if kind == "43" {
			kind = e.former
		}
		switch kind {
		case "16", "17", "18", "19", "20", "30", "32", "34", "65", "70":
		case "13", "14", "15":
			period, _ := attribute(e.tag, "period_id")
			if period != "5" && !strings.Contains(e.inside, `qualifier_id="9"`) {
				return
			}
		default:
			return
		}
		out = append(out, e.happened.UTC())
		if e.kind == "43" {
			out = append(out, e.deletedAt().UTC())
		}
	})
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}
