package goalcast_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"goalcast"
)

// A quantile is never too short, and at most a tenth too long.
func TestPushTimes(t *testing.T) {
	for _, d := range []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond,
		17 * time.Millisecond, 250 * time.Millisecond, time.Second, 119 * time.Second, 6 * time.Hour} {
		times := goalcast.PushTimes{}
		times.Note(d)
		if got := times.Quantile(.5); got < d-time.Microsecond || got > d+d/10 {
			t.Errorf("%v is told as %v", d, got)
		}
	}
	times := goalcast.PushTimes{}
	if times.Quantile(.99) != 0 {
		t.Error("a quantile of nothing")
	}
	times.Note(-time.Second)
	times.Note(1000 * time.Hour)
	if low, high := times.Quantile(.5), times.Quantile(1); low != time.Millisecond || high < 24*time.Hour ||
		high > 27*time.Hour {
		t.Errorf("%v, %v", low, high)
	}
	times = goalcast.PushTimes{}
	for range 98 {
		times.Note(10 * time.Millisecond)
	}
	times.Note(time.Second)
	times.Note(time.Minute)
	if p50, p99 := times.Quantile(.5), times.Quantile(.99); p50 > 11*time.Millisecond || p99 < time.Second ||
		p99 > 1100*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

// Tallies add up, also through the text that the store keeps, and none changes another.
func TestPushTally(t *testing.T) {
	first := goalcast.PushTally{"fcm": {Sent: 2, Failed: map[string]int{"unregistered": 1}, Removed: 1,
		Times: goalcast.PushTimes{8: 2}}}
	second := goalcast.PushTally{"fcm": {Sent: 1, Retried: map[string]int{"unavailable": 3},
		Times: goalcast.PushTimes{8: 1, 9: 1}}, "other": {Failed: map[string]int{"gone": 4}}}
	sum := goalcast.PushTally{}
	for _, part := range []goalcast.PushTally{first, second, first} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		var read goalcast.PushTally
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		sum.Add(read)
	}
	want := goalcast.PushTally{
		"fcm": {Sent: 5, Failed: map[string]int{"unregistered": 2}, Retried: map[string]int{"unavailable": 3},
			Removed: 2, Times: goalcast.PushTimes{8: 5, 9: 1}},
		"other": {Failed: map[string]int{"gone": 4}}}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("%+v", sum)
	}
	if sum.Done() != 11 || first.Done() != 3 {
		t.Errorf("done %d, %d", sum.Done(), first.Done())
	}
}
