package opta

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a bare container has no time zones
)

// Opta writes times in many forms. Those without a zone are UK local time: F24 and F1
// throughout, and the *_start and *_stop of a live F7. Whoever takes them for UTC is an hour
// wrong from March to October.

// clock reads UK local times.
type clock struct{ london *time.Location }

func newClock() clock {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic("opta: time/tzdata is linked in, and yet: " + err.Error())
	}
	return clock{london}
}

// local makes UTC of a UK wall clock. Once a year, for one hour, a wall clock means two moments;
// then it is the one nearer to near.
func (c clock) local(wall time.Time, near time.Time) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(),
		c.london)
	for _, shift := range [...]time.Duration{-time.Hour, time.Hour} {
		other := at.Add(shift)
		same := other.Day() == at.Day() && other.Hour() == at.Hour() && other.Minute() == at.Minute()
		if same && other.Sub(near).Abs() < at.Sub(near).Abs() {
			return other.UTC()
		}
	}
	return at.UTC()
}

// f24 reads "2018-08-20T21:27:20.635", UK local. Milliseconds are not padded: ".2" is 2 ms, ".47"
// is 47 ms. Zero if it is no such time.
func (c clock) f24(text string, near time.Time) time.Time {
	if strings.HasSuffix(text, "Z") {
		t, _ := time.Parse(time.RFC3339Nano, text)
		return t
	}
	seconds, fraction, _ := strings.Cut(text, ".")
	wall, err := time.Parse("2006-01-02T15:04:05", seconds)
	if err != nil {
		return time.Time{}
	}
	ms, err := strconv.ParseUint(fraction, 10, 16)
	if err != nil || len(fraction) > 3 {
		ms = 0
	}
	return c.local(wall.Add(time.Duration(ms)*time.Millisecond), near)
}

// f1 reads "2011-12-10 18:00:00" and the document's own "2011-10-26 09-00-38", UK local. zone is
// the text of TZ, which newer files write: GMT or BST.
func (c clock) f1(text, zone string, near time.Time) time.Time {
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02 15-04-05", "2006-01-02 15:04"} {
		wall, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		switch zone {
		case "GMT", "UTC":
			return wall
		case "BST":
			return wall.Add(-time.Hour)
		}
		return c.local(wall, near)
	}
	return time.Time{}
}

// srml reads "20180820T225140+0100", the form of F7 and F9. Without an offset it is UK local time.
func (c clock) srml(text string, near time.Time) time.Time {
	for _, layout := range [...]string{"20060102T150405-0700", "20060102T150405Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	if wall, err := time.Parse("20060102T150405", text); err == nil {
		return c.local(wall, near)
	}
	return time.Time{}
}

// moment reads a *_start or *_stop statistic of F7 and F9. Final documents write it with its
// offset. Live ones write "20151504T230039": no offset, day and month swapped, and the day can
// be one too high. So of those only the time of day is believed; the day is the one nearest to
// when it must have been.
func (c clock) moment(text string, near time.Time) time.Time {
	date, hours, ok := strings.Cut(text, "T")
	if !ok || len(date) != 8 {
		return time.Time{}
	}
	if len(hours) > 6 {
		return c.srml(text, near)
	}
	wall, err := time.Parse("150405", hours)
	if err != nil || near.IsZero() {
		return time.Time{}
	}
	day := near.In(c.london)
	var best time.Time
	for d := -1; d <= 1; d++ {
		at := c.local(time.Date(day.Year(), day.Month(), day.Day()+d, wall.Hour(), wall.Minute(), wall.Second(), 0,
			time.UTC), near)
		if best.IsZero() || at.Sub(near).Abs() < best.Sub(near).Abs() {
			best = at
		}
	}
	return best
}

// productionTime reads "20120911T092033,103Z": UTC, with milliseconds. Zero if it is no such time.
func productionTime(text string) time.Time {
	t, err := time.Parse("20060102T150405,000Z", text)
	if err != nil {
		t, err = time.Parse("20060102T150405Z", text)
	}
	if err != nil {
		return time.Time{}
	}
	return t
}

// deliveryTime reads the times in headers of the delivery, "2012-09-11 10:20:32". Nobody says which
// zone they are in: they are good for telling which of two documents is newer, and for nothing
// else. Zero if it is no such time.
func deliveryTime(text string) time.Time {
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// epoch reads F24's version, milliseconds since 1970 UTC.
func epoch(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 || ms > 1<<43 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// latestTime is the later of several times.
func latestTime(all ...time.Time) (out time.Time) {
	for _, t := range all {
		out = latest(out, t)
	}
	return out
}

// srmlOrF1 reads the document time in whichever of its two forms it is written.
func (c clock) srmlOrF1(text string, near time.Time) time.Time {
	if at := c.srml(text, near); !at.IsZero() {
		return at
	}
	return c.f1(text, "", near)
}
