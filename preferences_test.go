package goalcast

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestDayTimes(t *testing.T) {
	for text, want := range map[string]DayTime{"00:00": 0, "07:05": 425, "23:59": 1439} {
		got, err := ParseDayTime(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d, %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "7:05", "24:00", "22:60", "22:30:00", "22.30", "-1:00", "22:3"} {
		if got, err := ParseDayTime(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestQuietHours(t *testing.T) {
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	night, noon := QuietHours{From: 22*60 + 30, To: 7 * 60}, QuietHours{From: 12 * 60, To: 13 * 60}
	early := QuietHours{From: 60, To: 2*60 + 30}
	for _, tt := range []struct {
		quiet     QuietHours
		at, until string // UTC
	}{
		{night, "2026-11-29T21:29:59Z", ""},
		{night, "2026-11-29T21:30:00Z", "2026-11-30T06:00:00Z"},
		{night, "2026-11-30T02:00:00Z", "2026-11-30T06:00:00Z"},
		{night, "2026-11-30T05:59:59Z", "2026-11-30T06:00:00Z"},
		{night, "2026-11-30T06:00:00Z", ""},
		{night, "2026-07-01T20:30:00Z", "2026-07-02T05:00:00Z"}, // summer
		{night, "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"}, // the clock is put forward in between
		{night, "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"}, // and back
		{noon, "2026-11-29T11:30:00Z", "2026-11-29T12:00:00Z"},
		{noon, "2026-11-29T12:00:00Z", ""},
		{noon, "2026-11-29T10:59:59Z", ""},
		{early, "2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"},
		{early, "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"}, // 02:10 for the second time
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if end := tt.quiet.Until(at, brussels); !end.IsZero() {
			got = end.UTC().Format(time.RFC3339)
		}
		if got != tt.until {
			t.Errorf("%v at %s: until %s, want %s", tt.quiet, tt.at, got, tt.until)
		}
	}
}

// The closest of what a user follows decides; of two teams, what either is to bring.
func TestClosestFollowDecides(t *testing.T) {
	match, home, away, league := ForMatch(9), ForTeam(1), ForTeam(2), ForCompetition(5)
	off, on := map[PushKind]bool{PushGoals: false}, map[PushKind]bool{PushGoals: true}
	late := &Spoilers{Delay: 60}
	blind := Spoilers{NoScores: true}
	user := UserPreferences{Preferences: Preferences{Spoilers: blind}}
	for name, tt := range map[string]struct {
		own      map[PushKind]bool
		follows  map[Topic]FollowPreferences
		followed []Topic
		goals    bool
		spoilers Spoilers
	}{
		"default": {nil, nil, []Topic{match}, true, blind},
		"own":     {off, nil, []Topic{match, home}, false, blind},
		"own, follow": {off, map[Topic]FollowPreferences{home: {Kinds: on}}, []Topic{home, league}, true,
			blind},
		"match before team": {nil, map[Topic]FollowPreferences{match: {Kinds: off}, home: {Kinds: on}},
			[]Topic{match, home}, false, blind},
		"team before league": {nil, map[Topic]FollowPreferences{league: {Kinds: off}}, []Topic{home, league},
			true, blind},
		"not followed": {nil, map[Topic]FollowPreferences{match: {Kinds: off}}, []Topic{home}, true, blind},
		"either team":  {nil, map[Topic]FollowPreferences{home: {Kinds: off}}, []Topic{home, away}, true, blind},
		"either team, the other": {nil, map[Topic]FollowPreferences{away: {Kinds: off}}, []Topic{home, away},
			true, blind},
		"both teams": {on, map[Topic]FollowPreferences{home: {Kinds: off}, away: {Kinds: off}},
			[]Topic{home, away}, false, blind},
		"spoilers": {nil, map[Topic]FollowPreferences{match: {Spoilers: late}}, []Topic{match, league}, true,
			Spoilers{Delay: 60}},
		"spoilers of two": {nil, map[Topic]FollowPreferences{away: {Spoilers: late}}, []Topic{home, away}, true,
			Spoilers{NoScores: true, Delay: 60}},
	} {
		u := user
		u.Kinds, u.Follows = tt.own, tt.follows
		before, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		got := u.For(tt.followed)
		if got.Wants(PushGoals) != tt.goals || got.Spoilers != tt.spoilers || !got.Wants(PushResults) {
			t.Errorf("%s: %+v", name, got)
		}
		if after, _ := json.Marshal(u); string(after) != string(before) {
			t.Errorf("%s: changed %s to %s", name, before, after)
		}
	}
}

func TestPreferencesMerge(t *testing.T) {
	home, away := ForTeam(1), ForTeam(2)
	off, on := FollowPreferences{Kinds: map[PushKind]bool{PushGoals: false}},
		FollowPreferences{Kinds: map[PushKind]bool{PushGoals: true}}
	quiet := Preferences{Quiet: &QuietHours{From: 60, To: 120, Zone: "UTC"}}
	late := Preferences{Spoilers: Spoilers{Delay: 30}}
	for name, tt := range map[string]struct{ own, other, want UserPreferences }{
		"nothing": {},
		"other's": {UserPreferences{}, UserPreferences{quiet, map[Topic]FollowPreferences{home: off}},
			UserPreferences{quiet, map[Topic]FollowPreferences{home: off}}},
		"own": {UserPreferences{late, nil}, UserPreferences{quiet, nil}, UserPreferences{late, nil}},
		"both": {UserPreferences{late, map[Topic]FollowPreferences{home: on}},
			UserPreferences{quiet, map[Topic]FollowPreferences{home: off, away: off}},
			UserPreferences{late, map[Topic]FollowPreferences{home: on, away: off}}},
	} {
		if got := tt.own.Merge(tt.other); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
