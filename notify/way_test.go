package notify

import (
	"reflect"
	"testing"
	"time"

	"goalcast"
)

func TestWays(t *testing.T) {
	n := &Notifier{cfg: Config{}.withDefaults()}
	spoilers := func(delay int, noScores bool) *goalcast.Preferences {
		return &goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: delay, NoScores: noScores}}
	}
	switched := func(off goalcast.PushKind) *goalcast.Preferences {
		return &goalcast.Preferences{Kinds: map[goalcast.PushKind]bool{off: false}}
	}
	night := func(hold bool, delay int) *goalcast.Preferences { // in winter 12:00 to 14:02 UTC
		p := spoilers(delay, false)
		p.Quiet = &goalcast.QuietHours{From: 12 * 60, To: 14*60 + 2, Zone: "Europe/Lisbon", Hold: hold}
		return p
	}
	for name, tt := range map[string]struct {
		prefers *goalcast.Preferences
		at      time.Time
		lives   time.Duration
		way     way
		reason  string
	}{
		"default":   {nil, noon, time.Minute, way{}, ""},
		"off":       {switched(goalcast.PushGoals), noon, time.Minute, way{}, heldOff},
		"other off": {switched(goalcast.PushStatus), noon, time.Minute, way{}, ""},
		"no scores": {spoilers(0, true), noon, time.Minute, way{noScores: true}, ""},
		"delay": {spoilers(31, false), noon, time.Second, way{wait: 45 * time.Second, delay: 45 * time.Second},
			heldDelayed},
		"silent":  {night(false, 0), noon, time.Minute, way{silent: true}, ""},
		"too old": {night(true, 0), noon, 125 * time.Minute, way{}, heldDropped},
		"held":    {night(true, 0), noon, 126 * time.Minute, way{wait: 125 * time.Minute}, heldQuiet},
		"awake":   {night(true, 0), noon.Add(-time.Second), time.Minute, way{}, ""},
		"falls into": {night(false, 15), noon.Add(-time.Second), time.Minute,
			way{wait: 15 * time.Second, delay: 15 * time.Second, silent: true}, heldDelayed},
		"comes out of": {night(true, 300), noon.Add(2 * time.Hour), time.Minute,
			way{wait: 5 * time.Minute, delay: 5 * time.Minute}, heldDelayed},
	} {
		w, reason, ok := n.wayOf(tt.prefers, goalcast.PushGoals, tt.at, tt.at.Add(tt.lives))
		if ok != (tt.reason != heldOff && tt.reason != heldDropped) || reason != tt.reason || ok && w != tt.way {
			t.Errorf("%s: %+v, %q, %v", name, w, reason, ok)
		}
	}
}

// What comes at once is cut first, and each device is in one batch.
func TestDevicesOfAStepAreSortedByWay(t *testing.T) {
	n := &Notifier{cfg: Config{BatchSize: 2}.withDefaults()}
	late := &goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: 20}}
	blind := &goalcast.Preferences{Spoilers: goalcast.Spoilers{NoScores: true}}
	part := audiencePart{
		recipients: []goalcast.Recipient{{Device: 1, Preferences: late}, {Device: 2}, {Device: 3, Preferences: blind},
			{Device: 4}, {Device: 5}},
		late: []goalcast.Recipient{{Device: 6, Preferences: late}, {Device: 7}}}
	rec := goalcast.PushRecord{Event: "e", Base: 1, State: goalcast.RecordShown, Shown: noon,
		Expires: noon.Add(time.Minute), Content: []byte(`{"user":"goals"}`)}
	batches, kept := n.cut(&rec, part, noon.Add(time.Second))
	var got [][]int64
	for i, b := range batches {
		got = append(got, b.Devices)
		if b.Number != i || b.Late != (b.Devices[0] >= 6) || b.NoScores != (b.Devices[0] == 3) ||
			b.Waits() != (b.Devices[0] == 1 || b.Devices[0] == 6) ||
			b.Waits() && (b.NotBefore != noon.Add(30*time.Second) || b.Expires != noon.Add(90*time.Second)) {
			t.Errorf("%+v", b)
		}
	}
	if want := [][]int64{{2, 4}, {5}, {3}, {7}, {1}, {6}}; !reflect.DeepEqual(got, want) || rec.Batches != 6 ||
		kept[heldDelayed] != 2 || len(kept) != 1 {
		t.Errorf("%v, want %v; %v", got, want, kept)
	}
}

// A push could have been shown from when the provider told of it, or from when its user wants it.
func TestShownAfter(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	content := Content{Received: 5000, Data: map[string]string{"time": "4200"}}
	for name, tt := range map[string]struct {
		due     time.Time
		content Content
		want    time.Time
	}{
		"at once":                  {at(5000), content, at(4200)},
		"not known when it is due": {time.Time{}, content, at(4200)},
		"corrected meanwhile":      {at(1000), content, at(4200)},
		"when its user wants it":   {at(35_000), content, at(35_000)},
		"of an older version":      {at(5000), Content{Received: 5000}, time.Time{}},
	} {
		if got := shownAfter(goalcast.PushBatch{Due: tt.due}, tt.content); !got.Equal(tt.want) {
			t.Errorf("%s: %s instead of %s", name, got, tt.want)
		}
	}
	c := goalcast.PushClaim{Batch: goalcast.PushBatch{Due: at(5000)}}
	if got := compose(c, content, []goalcast.Device{{Language: "en"}})[0].Told; !got.Equal(at(4200)) {
		t.Errorf("a message has %s", got)
	}
}
