package simulator

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"strconv"
	"time"
)

// document is an XML document being written, two blanks per level as Opta indents.
type document struct {
	bytes.Buffer
	open []string
}

// newDocument begins a document with the comment in which Opta's machines say what made it, and
// when, in UTC to the millisecond.
func newDocument(module string, produced time.Time) *document {
	w := &document{}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` +
		"\n<!-- A simulated match day: every name and number is made up. -->\n\n" +
		"<!-- PRODUCTION HEADER\n     produced on:        " + host + "\n     production time:    " +
		produced.UTC().Format("20060102T150405") + "," +
		pad3(produced.Nanosecond()/1e6) + "Z\n     production module:  Opta::Feed::XML::Soccer::" + module + "\n-->\n")
	return w
}

const host = "simulator.goalcast.invalid"

func pad3(n int) string { return strconv.Itoa(1000 + n)[1:] }

func (w *document) start(name string, attrs []string) {
	for range w.open {
		w.WriteString("  ")
	}
	w.WriteByte('<')
	w.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		w.WriteByte(' ')
		w.WriteString(attrs[i])
		w.WriteString(`="`)
		w.text(attrs[i+1])
		w.WriteByte('"')
	}
}

// begin opens an element; attrs are names and values in turn. end closes the last one opened.
func (w *document) begin(name string, attrs ...string) {
	w.start(name, attrs)
	w.WriteString(">\n")
	w.open = append(w.open, name)
}

func (w *document) end() {
	last := len(w.open) - 1
	name := w.open[last]
	w.open = w.open[:last]
	for range w.open {
		w.WriteString("  ")
	}
	w.WriteString("</" + name + ">\n")
}

// empty writes an element with attributes only, leaf one with a text.
func (w *document) empty(name string, attrs ...string) {
	w.start(name, attrs)
	w.WriteString(" />\n")
}

func (w *document) leaf(name, text string, attrs ...string) {
	w.start(name, attrs)
	w.WriteByte('>')
	w.text(text)
	w.WriteString("</" + name + ">\n")
}

func (w *document) stat(kind, text string) { w.leaf("Stat", text, "Type", kind) }

func (w *document) text(s string) {
	_ = xml.EscapeText(w, []byte(s)) // a bytes.Buffer takes everything
}

// headers are the ones of domain knowledge that a receiver may route by.
func (d *Day) headers(p posting, body []byte) map[string]string {
	sum := md5.Sum(body)
	made := d.wall(p.asOf)
	h := map[string]string{
		"Content-Type":                       "text/xml",
		"X-Meta-Feed-Type":                   p.feed,
		"X-Meta-Competition-Id":              itoa(CompetitionID),
		"X-Meta-Season-Id":                   season,
		"X-Meta-Matchday":                    "1",
		"X-Meta-Gamesystem-Id":               "1",
		"X-Meta-Sport-Id":                    "1",
		"X-Meta-Language":                    "en",
		"X-Meta-Mime-Type":                   "text/xml",
		"X-Meta-Encoding":                    "UTF-8",
		"X-Meta-Production-Server":           host,
		"X-Meta-Production-Server-TimeStamp": made.UTC().Format(time.DateTime),
		"X-Meta-Production-Server-Module":    "Opta::Feed::XML::Soccer::" + p.feed,
		"X-Meta-Last-Updated":                made.UTC().Format(time.DateTime),
		"X-Meta-Message-Digest":              hex.EncodeToString(sum[:]),
		"X-Meta-Default-Filename":            "srml-" + itoa(CompetitionID) + "-" + season + "-results.xml",
	}
	if p.match == nil {
		h["X-Meta-Production-Server-Module"] = "Opta::Feed::XML::Soccer::TournamentSRML"
		if p.feed == "F3" {
			h["X-Meta-Default-Filename"] = "srml-" + itoa(CompetitionID) + "-" + season + "-standings.xml"
		}
		return h
	}
	id := itoa(p.match.id)
	h["X-Meta-Game-Id"] = id
	h["X-Meta-Home-Team-Id"], h["X-Meta-Away-Team-Id"] = itoa(p.match.home.team), itoa(p.match.away.team)
	h["X-Meta-Game-Status"] = p.match.period(p.asOf)
	h["X-Meta-Default-Filename"] = "srml-" + itoa(CompetitionID) + "-" + season + "-f" + id + "-matchresults.xml"
	if p.feed == "F24" {
		h["X-Meta-Default-Filename"] = "f24-" + itoa(CompetitionID) + "-" + season + "-" + id + "-eventdetails.xml"
	}
	return h
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
