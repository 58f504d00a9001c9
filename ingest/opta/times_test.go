package opta

import (
	"testing"
	"time"
)

// F24's times are UK local with nothing to show for it: an hour off UTC in summer, none in winter,
// whatever country the match is in.
func TestTrapF24TimesAreUKLocal(t *testing.T) {
	c := newClock()
	for text, want := range map[string]string{
		"2018-08-20T21:27:20.635": "2018-08-20T20:27:20.635",
		"2014-11-09T18:31:36.500": "2014-11-09T18:31:36.5",
		"2012-09-11T10:20:32":     "2012-09-11T09:20:32",
		"2020-07-05T00:10:00":     "2020-07-04T23:10:00", // midnight between London and UTC
	} {
		if got := c.f24(text, time.Time{}); !got.Equal(utc(want)) || got.Location() != time.UTC {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
}

// Milliseconds are a number, not a fraction.
func TestTrapF24MillisecondsAreNotPadded(t *testing.T) {
	c := newClock()
	for text, want := range map[string]time.Duration{"2": 2, "47": 47, "96": 96, "635": 635, "050": 50, "": 0,
		"1234": 0, "x": 0} {
		got := c.f24("2018-01-20T21:00:00."+text, time.Time{})
		if d := got.Sub(utc("2018-01-20T21:00:00")); d != want*time.Millisecond {
			t.Errorf(".%s: %v, want %d ms", text, d, want)
		}
	}
}

// In the night of the last Sunday of October the clocks of the UK show 01:00 to 02:00 twice. Which
// is meant follows from what is known around it.
func TestTrapHourThatComesTwice(t *testing.T) {
	c := newClock()
	first, second := utc("2020-10-25T00:30:00"), utc("2020-10-25T01:30:00")
	if got := c.f24("2020-10-25T01:30:00", first.Add(-10*time.Minute)); !got.Equal(first) {
		t.Errorf("%v, want %v", got, first)
	}
	if got := c.f24("2020-10-25T01:30:00", second.Add(10*time.Minute)); !got.Equal(second) {
		t.Errorf("%v, want %v", got, second)
	}
	if got := c.f24("2020-10-25T00:59:59", second); !got.Equal(utc("2020-10-24T23:59:59")) {
		t.Errorf("before the hour: %v", got)
	}
	if got := c.f24("2020-10-25T02:00:00", first); !got.Equal(utc("2020-10-25T02:00:00")) {
		t.Errorf("after the hour: %v", got)
	}
}

// A match in South America over that hour: 00:30 to 02:20 on the clock of the UK, and 110 minutes
// later than that in truth by the hour.
func TestTrapMatchAcrossDaylightSaving(t *testing.T) {
	body := `<Games timestamp="2020-10-25T01:40:00"><!-- no header --><Game id="7" home_team_id="1" away_team_id="2" game_date="2020-10-25T00:30:00">
  <Event id="1" event_id="1" type_id="32" period_id="1" min="0" sec="0" team_id="1" timestamp="2020-10-25T00:30:10.0"/>
  <Event id="2" event_id="2" type_id="16" period_id="1" min="39" sec="50" player_id="11" team_id="1" timestamp="2020-10-25T01:10:00.0"/>
  <Event id="3" event_id="3" type_id="16" period_id="2" min="60" sec="0" player_id="11" team_id="1" timestamp="2020-10-25T01:47:00.0"/>
  <Event id="4" event_id="4" type_id="16" period_id="2" min="72" sec="0" player_id="11" team_id="1" timestamp="2020-10-25T01:00:10.0"/>
</Game></Games>`
	_, m := mustRead(t, "F24", body)
	for id, want := range map[string]string{"match:7:period:first_half": "2020-10-24T23:30:10",
		"opta:2": "2020-10-25T00:10:00",
		"opta:3": "2020-10-25T00:47:00", "opta:4": "2020-10-25T01:00:10"} {
		if got := fact(t, m, id).At; !got.Equal(utc(want)) {
			t.Errorf("%s at %v, want %s", id, got, want)
		}
	}
}

func TestTrapF7OffsetsAreWritten(t *testing.T) {
	c := newClock()
	for text, want := range map[string]string{"20180820T225140+0100": "2018-08-20T21:51:40",
		"20181128T103548+0000": "2018-11-28T10:35:48",
		"20200705T180000":      "2020-07-05T17:00:00"} {
		if got := c.srml(text, time.Time{}); !got.Equal(utc(want)) {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "2018", "20181350T000000+0000", "20151504T230039"} {
		if got := c.srml(text, time.Time{}); !got.IsZero() {
			t.Errorf("%q: %v, want none", text, got)
		}
	}
}

// A live F7 writes "20151504T230039" for 23:00:39 of 14 April: day and month swapped, the day
// one too high, no zone.
func TestTrapDayAndMonthSwappedWhileLive(t *testing.T) {
	c := newClock()
	kickoff := utc("2015-04-14T22:00:00")
	for _, tt := range []struct {
		text, want string
		near       time.Time
	}{
		{"20151504T230039", "2015-04-14T22:00:39", kickoff},
		{"20151504T234841", "2015-04-14T22:48:41", kickoff.Add(47 * time.Minute)},
		{"20151604T000515", "2015-04-14T23:05:15", kickoff.Add(63 * time.Minute)}, // past midnight in London
		{"20151004T230039", "2015-04-14T22:00:39", kickoff},                       // also where it would be a date
		{"20150414T230039+0100", "2015-04-14T22:00:39", kickoff},                  // as in final documents
	} {
		if got := c.moment(tt.text, tt.near); !got.Equal(utc(tt.want)) {
			t.Errorf("%s: %v, want %s", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"", "T", "20151504T", "20151504T996139", "20151504"} {
		if got := c.moment(text, kickoff); !got.IsZero() {
			t.Errorf("%q: %v, want none", text, got)
		}
	}
}

func TestTrapF1Times(t *testing.T) {
	c := newClock()
	for _, tt := range []struct{ text, zone, want string }{
		{"2011-12-10 18:00:00", "GMT", "2011-12-10T18:00:00"},
		{"2011-10-01 18:00:00", "BST", "2011-10-01T17:00:00"},
		{"2011-10-01 18:00:00", "", "2011-10-01T17:00:00"}, // older files
		{"2011-12-10 18:00:00", "", "2011-12-10T18:00:00"},
		{"2011-10-26 09-00-38", "", "2011-10-26T08:00:38"}, // the document's own
		{"2011-10-30 01:30:00", "BST", "2011-10-30T00:30:00"},
		{"2011-10-30 01:30:00", "GMT", "2011-10-30T01:30:00"},
	} {
		if got := c.f1(tt.text, tt.zone, time.Time{}); !got.Equal(utc(tt.want)) {
			t.Errorf("%s %s: %v, want %s", tt.text, tt.zone, got, tt.want)
		}
	}
	if got := c.f1("to be announced", "", time.Time{}); !got.IsZero() {
		t.Errorf("%v, want none", got)
	}
}

func TestTrapVersionsAreUTC(t *testing.T) {
	if got := epoch("1534854445378"); !got.Equal(utc("2018-08-21T12:27:25.378")) {
		t.Errorf("version: %v", got)
	}
	if got := productionTime("20120911T092033,103Z"); !got.Equal(utc("2012-09-11T09:20:33.103")) {
		t.Errorf("production time: %v", got)
	}
	for _, text := range []string{"", "x", "-1", "99999999999999999999"} {
		if got := epoch(text); !got.IsZero() {
			t.Errorf("version %q: %v", text, got)
		}
	}
}
