package uof

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// start is when the tests of pure code begin.
var start = time.Date(2026, 3, 14, 20, 0, 0, 0, time.UTC)

// TestProducerOpensAfterItsOwnRecoveryOnly plays what a producer says. A step is "seconds what";
// its want is what is asked for then ("all", "missed 5": after second 5, "settled 5") and whether
// the producer is open.
func TestProducerOpensAfterItsOwnRecoveryOnly(t *testing.T) {
	type step struct{ do, want string }
	opened := []step{{"0 alive-", "all shut"}, {"1 ok", "shut"}, {"2 complete", "open"}, {"5 alive", "open"}}
	for _, tt := range []struct {
		name, scope string
		steps       []step
	}{
		{"nothing is asked before alive comes", "live", []step{{"1 tick", "shut"}, {"2 complete", "shut"},
			{"3 alive-", "all shut"}}},
		{"subscribed does not open", "live", []step{{"0 alive", "all shut"}, {"1 ok", "shut"}, {"2 alive", "shut"}}},
		{"another's snapshot_complete does not open", "live", []step{{"0 alive", "all shut"}, {"1 ok", "shut"},
			{"2 other", "shut"}, {"3 complete", "open"}}},
		{"snapshot_complete before the answer", "live", []step{{"0 alive", "all shut"}, {"1 complete", "open"},
			{"2 fail", "open"}, {"3 alive", "open"}}},
		{"down without alive, and asked again when it is back", "live", append(opened[:4:4], step{"25 tick", "open"},
			step{"26 tick", "shut"}, step{"27 complete", "shut"}, step{"28 tick", "shut"},
			step{"40 alive", "missed 5 shut"}, step{"41 old", "shut"}, step{"42 complete", "open"})},
		{"not subscribed shuts at once", "live", append(opened[:4:4], step{"25 alive", "open"},
			step{"41 alive-", "missed 25 shut"}, step{"42 ok", "shut"}, step{"43 complete", "open"})},
		{"not subscribed is said until the recovery has begun", "live", []step{{"0 alive-", "all shut"},
			{"1 ok", "shut"}, {"10 alive-", "shut"}, {"19 complete", "open"}}},
		{"a recovery that the producer forgot is asked for again", "live", []step{{"0 alive-", "all shut"},
			{"1 ok", "shut"}, {"20 alive-", "shut"}, {"25 alive-", "shut"}, {"30 alive-", "all shut"},
			{"31 ok", "shut"},
			{"32 old", "shut"}, {"33 complete", "open"}}},
		{"a failed call is repeated, later each time", "live", []step{{"0 alive", "all shut"}, {"1 fail", "shut"},
			{"5 tick", "shut"}, {"6 tick", "all shut"}, {"7 fail", "shut"}, {"16 alive", "shut"},
			{"17 tick", "all shut"},
			{"18 fail", "shut"}, {"30 alive", "shut"}, {"37 tick", "shut"}, {"38 tick", "all shut"}, {"39 ok", "shut"},
			{"40 complete", "open"}}},
		{"the provider's own pause is kept", "live", []step{{"0 alive", "all shut"}, {"1 busy", "shut"},
			{"20 alive", "shut"}, {"40 alive", "shut"}, {"60 alive", "shut"}, {"61 tick", "all shut"}}},
		{"an answer of before counts no more", "live", []step{{"0 alive", "all shut"}, {"1 gone", "shut"},
			{"2 ok", "shut"}, {"3 alive", "shut"}, {"5 tick", "all shut"}, {"6 oldanswer", "shut"},
			{"7 complete", "open"}}},
		{"recoveries keep their distance", "live", append(opened[:4:4], step{"6 gone", "shut"}, step{"7 alive", "shut"},
			step{"25 alive", "shut"}, step{"30 tick", "missed 5 shut"})},
		{"a recovery that does not end is asked for again", "live", []step{{"0 alive", "all shut"}, {"1 ok", "shut"},
			{"890 beating", "shut"}, {"901 tick", "shut"}, {"902 alive", "shut"}, {"907 tick", "all shut"}}},
		{"too long ago: all odds, and then settlements as far back as may be", "live", append(opened[:4:4],
			step{"40000 tick", "shut"}, step{"40001 alive", "all shut"}, step{"40002 ok", "shut"},
			step{"40003 complete", "open"}, step{"40020 alive", "open"}, step{"40032 alive", "settled 4092 open"},
			step{"40033 ok", "open"}, step{"40080 tick", "shut"})},
		{"just within the window", "live", append(opened[:4:4], step{"35945 alive", "missed 5 shut"})},
		{"just outside of the window", "live", append(opened[:4:4], step{"35946 alive", "all shut"})},
		{"one that the provider finds too far back", "live", append(opened[:4:4], step{"50 tick", "shut"},
			step{"51 alive", "missed 5 shut"}, step{"52 toofar", "shut"}, step{"57 tick", "all shut"})},
		{"late alive messages shut until they are in time", "live", append(opened[:4:4], step{"10 late", "shut"},
			step{"20 late", "shut"}, step{"21 alive", "open"})},
		{"two scopes complete twice", "live|prematch", []step{{"0 alive", "all shut"}, {"1 ok", "shut"},
			{"2 complete", "shut"}, {"15 alive", "shut"}, {"16 complete", "open"}, {"17 complete", "open"}}},
		{"two scopes of which one never completes", "live|prematch", []step{{"0 alive", "all shut"}, {"1 ok", "shut"},
			{"2 complete", "shut"}, {"15 alive", "shut"}, {"30 message", "shut"}, {"32 alive", "shut"},
			{"50 alive", "shut"},
			{"60 tick", "shut"}, {"61 tick", "open"}}},
		{"two scopes and another connection", "live|prematch", []step{{"0 alive", "all shut"}, {"1 complete", "shut"},
			{"2 gone", "shut"}, {"3 alive", "shut"}, {"5 tick", "all shut"}, {"6 complete", "shut"},
			{"7 complete", "open"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{AliveLimit: 20 * time.Second}.WithDefaults()
			p := &producer{id: 1, window: 10 * time.Hour, cfg: &cfg, completions: 1 + strings.Count(tt.scope, "|")}
			requests := []int64{0}
			for _, s := range tt.steps {
				seconds, do, _ := strings.Cut(s.do, " ")
				n, err := strconv.Atoi(seconds)
				if err != nil {
					t.Fatal(err)
				}
				now := start.Add(time.Duration(n) * time.Second)
				play(t, p, do, now, requests)
				got := ""
				if c, ok := p.ask(now, func() int64 { return int64(100 + len(requests)) }); ok {
					requests = append(requests, c.request)
					got = told(c) + " "
				}
				got += map[bool]string{true: "open", false: "shut"}[p.open()]
				if got != s.want {
					t.Fatalf("%s: %s, want %s; phase %v", s.do, got, s.want, p.phase)
				}
			}
		})
	}
}

func play(t *testing.T, p *producer, do string, now time.Time, requests []int64) {
	t.Helper()
	last := requests[len(requests)-1]
	switch do {
	case "alive", "alive-":
		p.alive(now, now, do == "alive")
	case "beating":
		for heard := p.heard; heard.Before(now); {
			heard = heard.Add(10 * time.Second)
			p.alive(heard, heard, true)
		}
	case "late":
		p.alive(now, now.Add(-21*time.Second), true)
	case "tick":
		p.tick(now)
	case "gone":
		p.disconnected()
	case "ok":
		p.answered(now, last, nil)
	case "oldanswer":
		p.answered(now, requests[len(requests)-2], nil)
	case "fail":
		p.answered(now, last, fmt.Errorf("no answer"))
	case "busy":
		p.answered(now, last, &apiError{"recovery", 429, time.Minute})
	case "toofar":
		p.answered(now, last, &apiError{"recovery", 400, 0})
	case "complete":
		p.snapshotComplete(now, last)
	case "old":
		p.snapshotComplete(now, requests[len(requests)-2])
	case "other":
		p.snapshotComplete(now, 7)
	case "message":
		p.recovered(now, last)
	default:
		t.Fatalf("what is %s?", do)
	}
}

func told(c call) string {
	after := strconv.Itoa(int(c.after.Sub(start).Seconds()))
	switch {
	case c.settled:
		return "settled " + after
	case c.after.IsZero():
		return "all"
	}
	return "missed " + after
}

// TestProducerThatWasFollowedByAnotherProcess asks for all odds, and for the settlements since.
func TestProducerThatWasFollowedByAnotherProcess(t *testing.T) {
	cfg := Config{}.WithDefaults()
	p := &producer{id: 1, window: 10 * time.Hour, cfg: &cfg, completions: 1, missed: start.Add(-time.Hour)}
	p.alive(start, start, false)
	next := int64(0)
	number := func() int64 { next++; return next }
	if c, ok := p.ask(start, number); !ok || told(c) != "all" {
		t.Fatalf("asked %v, %v", c, ok)
	}
	p.answered(start, 1, nil)
	p.snapshotComplete(start, 1)
	now := start.Add(30 * time.Second)
	p.alive(now.Add(-15*time.Second), now.Add(-15*time.Second), true)
	p.alive(now, now, true)
	c, ok := p.ask(now, number)
	if !ok || told(c) != "settled -3600" || !p.open() {
		t.Fatalf("asked %v, %v", c, ok)
	}
	p.snapshotComplete(now, 2) // which opens nothing
	p.answered(now, 2, &apiError{"recovery", 400, 0})
	if !p.missed.IsZero() || !p.open() {
		t.Errorf("after a refusal: missed %v", p.missed)
	}
}
