// Package optatest makes the documents that Opta pushed while a match was on out of the one that is
// left of it at the end: CutF24 and CutF7 give a document as it was at a moment, Moments the
// moments worth cutting at, Headers the X-Meta headers it came with. Tests that play a real match
// through ingest, store and hub call it.
//
// It counts, too (CountF24), by the rule in the description of the format and with
// nothing in common with the parser that is under test: regular expressions and
// encoding/xml here, a lexer there.
//
// Only for tests: it panics on what is no Opta document.
package optatest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // F24 is in UK local time
)

// London is the zone of F24's times.
func London() *time.Location {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic("optatest: " + err.Error())
	}
	return london
}

// attribute finds a value in a tag; found is false where the tag has no such attribute.
func attribute(tag, name string) (value string, found bool) {
	_, after, found := strings.Cut(tag, " "+name+`="`)
	if !found {
		return "", false
	}
	value, _, found = strings.Cut(after, `"`)
	return value, found
}

// withAttribute sets an attribute that a tag has already.
func withAttribute(tag, name, value string) string {
	if old, found := attribute(tag, name); found {
		return strings.Replace(tag, " "+name+`="`+old+`"`, " "+name+`="`+value+`"`, 1)
	}
	return tag
}

// withoutAttribute takes an attribute away.
func withoutAttribute(tag, name string) string {
	if old, found := attribute(tag, name); found {
		return strings.Replace(tag, " "+name+`="`+old+`"`, "", 1)
	}
	return tag
}

// local reads F24's times: "2018-08-20T21:27:20.2" is 20 seconds and 2 milliseconds, UK local.
func local(text string, london *time.Location) time.Time {
	seconds, ms, _ := strings.Cut(text, ".")
	t, err := time.ParseInLocation("2006-01-02T15:04:05", seconds, london)
	if err != nil {
		panic(fmt.Sprintf("optatest: no F24 time: %q", text))
	}
	n, _ := strconv.Atoi(ms)
	return t.Add(time.Duration(n) * time.Millisecond)
}

// produced sets the time in the production header, where there is one.
func produced(document string, at time.Time) string {
	stamp := at.UTC().Format("20060102T150405.000")
	stamp = strings.Replace(stamp, ".", ",", 1) + "Z"
	return compiled(`(production time:\s*)\S+`).ReplaceAllString(document, "${1}"+stamp)
}

// first replaces only the first match of a pattern.
func first(document string, pattern *regexp.Regexp, change func(string) string) string {
	loc := pattern.FindStringIndex(document)
	if loc == nil {
		return document
	}
	return document[:loc[0]] + change(document[loc[0]:loc[1]]) + document[loc[1]:]
}
