package notify

import (
	"testing"
	"time"

	"goalcast"
)

func TestJudgement(t *testing.T) {
	foreign, denied := Result{Outcome: Foreign, Reason: "sender_id_mismatch"}, Result{Outcome: Denied,
		Reason: "credentials", All: true}
	unregistered, invalid := Result{Outcome: Gone, Reason: ReasonUnregistered}, Result{Outcome: Gone,
		Reason: "invalid_token"}
	ok, apns := Result{Outcome: Delivered}, Result{Outcome: Denied, Reason: "third_party_auth_error"}
	type some struct {
		n      int
		proven bool
		result Result
		gone   bool // these are deleted
	}
	for name, tt := range map[string]struct {
		batch []some
		wrong bool
	}{
		"another project's token among ours": {[]some{{400, true, ok, false}, {1, false, foreign, true},
			{1, true, foreign, false}}, false},
		"wrong project":                      {[]some{{400, true, foreign, false}, {50, false, foreign, false}}, true},
		"wrong project, new installation":    {[]some{{30, false, foreign, false}}, false},
		"wrong project, one follower":        {[]some{{1, true, foreign, false}}, false},
		"invented tokens of another project": {[]some{{12, true, ok, false}, {400, false, foreign, true}}, false},
		"wrong account":                      {[]some{{1, false, denied, false}}, true},
		"apps that are gone":                 {[]some{{400, true, unregistered, true}}, false},
		"invented tokens":                    {[]some{{500, false, invalid, true}}, false},
		"a token that is none":               {[]some{{1, true, invalid, true}, {1, true, ok, false}}, false},
		"all tokens are none all at once":    {[]some{{400, true, invalid, false}}, true},
		"the key for APNs":                   {[]some{{400, true, apns, false}}, false},
	} {
		var devices []goalcast.Device
		var results []Result
		var gone []bool
		for _, s := range tt.batch {
			for range s.n {
				devices, results, gone = append(devices, goalcast.Device{Proven: s.proven}), append(results,
					s.result), append(gone, s.gone)
			}
		}
		j := judge(devices, results)
		if j.wrong != tt.wrong {
			t.Errorf("%s: %+v", name, j)
		}
		for i := range devices {
			if got := j.gone(devices[i], results[i]); got != gone[i] {
				t.Errorf("%s: device %d, proven %t, %s: gone %t", name, i, devices[i].Proven, results[i].Reason, got)
				break
			}
		}
	}
}

func TestBrake(t *testing.T) {
	var b brake
	enter := func(now time.Time, want bool) (leave func()) {
		t.Helper()
		leave, ok := b.enter(now)
		if ok != want {
			t.Fatalf("enters: %t", ok)
		}
		return leave
	}
	enter(noon, true)()
	now := noon
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		want *= time.Second
		if pause, first := b.refused(now); pause != want || first != (want == time.Second) {
			t.Errorf("stopped for %v, want %v; first: %t", pause, want, first)
		}
		if pause, _ := b.refused(now.Add(want / 2)); pause != want/2 { // a batch that was under way
			t.Errorf("stopped for %v more", pause)
		}
		enter(now.Add(want-1), false)
		now = now.Add(want)
		leave := enter(now, true)
		enter(now, false) // one at a time
		leave()
	}
	if !b.taken() || b.taken() {
		t.Error("let go twice, or never")
	}
	enter(now, true)()
}
