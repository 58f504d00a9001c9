package opta

import (
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// maxLines bounds the lines of one document; a long match with extra time has some 250.
const maxLines = 3000

// readF13 reads a commentary (F13, and F13m in other languages): one match in one
// language, newest line first.
func readF13(r *reader, doc goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceF13}
	near := r.produced()
	if near.IsZero() {
		near = doc.Received
	}
	com := goalcast.Commentary{Match: goalcast.MatchID(id(r.attr("game_id"))),
		Language: language(string(r.attr("lang_id"))), Lines: []goalcast.CommentaryLine{}}
	made := c.wall(string(r.attr("timestamp")), c.london, near)
	seen := map[string]bool{}
	r.each(func() {
		if r.name() != "message" {
			return
		}
		if len(com.Lines) == maxLines {
			r.fail("more than %d messages", maxLines)
			return
		}
		if line, ok := c.line(r, near); ok && !seen[line.ID] {
			seen[line.ID] = true
			com.Lines = append(com.Lines, line)
			com.Made = latestTime(com.Made, line.Modified)
		}
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if com.Match == 0 {
		return reading, fmt.Errorf("element Commentary, attribute game_id: no match id")
	}
	// The document itself has no time: it is as new as its newest edit, or as its
	// production header says.
	reading.Version.Edited = com.Made
	if com.Made = latestTime(com.Made, r.produced(), made); com.Made.IsZero() {
		return reading, fmt.Errorf("element message, attribute last_modified: none is a time")
	}
	reading.Version.Time, reading.Commentary = com.Made, []goalcast.Commentary{com}
	return reading, nil
}

// language gives the code of a language; "en" where a document does not say. Opta's own
// codes stay as they are.
func language(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" || len(text) > 8 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz-_") != "" {
		return "en"
	}
	return text
}

func (c clock) line(r *reader, near time.Time) (goalcast.CommentaryLine, bool) {
	text := func(name string) string { return strings.TrimSpace(string(r.attr(name))) }
	l := goalcast.CommentaryLine{ID: text("id"), Type: text("type"), Text: text("comment"),
		Period: periodNamed(text("period")), Second: count(text("second")) % 60}
	minute := text("minute")
	if digits(minute) && l.Period.InPlay() && l.Period != goalcast.Shootout {
		l.Minute = minuteShown(count(minute)%1000, l.Second)
	}
	l.Clock = goalcast.ClockText(l.Period, l.Minute)
	for _, name := range [...]string{"player_ref1", "player_ref2"} {
		if who := id(r.attr(name)); who != 0 {
			l.Players = append(l.Players, goalcast.PlayerID(who))
		}
	}
	if l.Modified = c.wall(text("last_modified_utc"), time.UTC, near); l.Modified.IsZero() {
		l.Modified = c.wall(text("last_modified"), c.london, near)
	}
	if l.Text == "" {
		l.Text = r.text()
	}
	return l, l.ID != "" && len(l.ID) <= 40 && l.Text != ""
}

// wall reads "2015-04-14 23:00:39" and "2015-04-14T23:00:39", which have no zone of their own.
func (c clock) wall(text string, zone *time.Location, near time.Time) time.Time {
	text = strings.Replace(text, " ", "T", 1)
	if zone == time.UTC && text != "" && !strings.HasSuffix(text, "Z") {
		text += "Z"
	}
	return c.f24(text, near)
}
