package betfair_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast/ingest/odds"
)

func TestMarketsHaveGoalcastsWords(t *testing.T) {
	r := newRig(t)
	r.run()
	asian := func(id int, handicap string, order int) string {
		return fmt.Sprintf(`{"id":%d,"hc":%s,"sortPriority":%d,"status":"ACTIVE"}`, id, handicap, order)
	}
	quote := func(id string, runner int, handicap, price string) string {
		return fmt.Sprintf(`{"id":%q,"rc":[{"id":%d,"hc":%s,"batb":[[1,1.01,9],[0,%s,2.5]]}]}`, id, runner, handicap,
			price)
	}
	r.publish(
		definition("1.1", "MATCH_ODDS", "OPEN", active(58805, 3), active(900, 2), active(55, 1)),
		back("1.1", 55, "2.14", "10"), back("1.1", 900, "3.75", "0.01"), back("1.1", 58805, "3.4", "7"),
		definition("1.2", "OVER_UNDER_25", "OPEN", active(47972, 1), active(47973, 2)),
		back("1.2", 47973, "1.9", "10"), back("1.2", 47972, "2.04", "10"),
		definition("1.3", "OVER_UNDER_45", "OPEN", active(1222347, 1), active(1222346, 2)), back("1.3", 1222346, "6",
			"1"),
		definition("1.4", "OVER_UNDER_105", "OPEN", active(8, 2), active(9, 1)), back("1.4", 8, "60.0", "1"),
		definition("1.5", "BOTH_TEAMS_TO_SCORE", "OPEN", active(30246, 1), active(110503, 2)), back("1.5", 110503,
			"1.8", "1"),
		definition("1.6", "DRAW_NO_BET", "OPEN", active(55, 1), active(900, 2)), back("1.6", 900, "2.9", "3"),
		definition("1.7", "DOUBLE_CHANCE", "OPEN", active(1, 1), active(2, 2), active(3, 3)), back("1.7", 2, "1.66",
			"3"),
		definition("1.8", "CORRECT_SCORE", "OPEN", active(1, 1), active(4, 2), active(9063254, 17)), back("1.8", 4,
			"13", "3"),
		definition("1.9", "ASIAN_HANDICAP", "OPEN", asian(55, "-1.5", 1), asian(900, "1.5", 2), asian(55, "-0.25", 3),
			asian(900, "0.25", 4), asian(55, "0", 5), asian(900, "0.0", 6), asian(55, "1.5", 7), asian(900, "-1.5", 8),
			asian(55, "4", 9)),
		quote("1.9", 55, "-1.5", "3.1"), quote("1.9", 900, "1.5", "1.41"), quote("1.9", 55, "-0.25", "2.02"),
		quote("1.9", 900, "-1.5", "5.1"),
		definition("1.10", "HALF_TIME", "OPEN", active(55, 1), active(900, 2), active(58805, 3)), back("1.10", 58805,
			"2.2", "3"),
		definition("1.11", "MATCH_ODDS_UNMANAGED", "INACTIVE", active(55, 1), active(900, 2)), back("1.11", 55,
			"2.2", "3"),
	)
	seen := []string{
		"1x2: open home=2.14 draw=3.4 away=3.75",
		"ou:2.5: open under=2.04 over=1.9",
		"ou:4.5: open under=- over=6",
		"ou:10.5: open under=- over=60.0",
		"btts: open yes=- no=1.8",
		"dnb: open home=- away=2.9",
		"dc: open home_draw=- draw_away=1.66 home_away=-",
		"cs: open 0-0=- 0-1=13 9063254=-",
		"ah:-1.5: open home=3.1 away=1.41",
		"ah:-0.25: open home=2.02 away=-",
		"ah:0: open home=- away=-",
		"ah:1.5: open home=- away=5.1",
		"betfair:HALF_TIME: open 55=- 900=- 58805=2.2",
		"betfair:MATCH_ODDS_UNMANAGED: suspended 55=- 900=-",
	}
	r.want("7", seen...)

	t.Run("changes", func(t *testing.T) {
		r.publish(back("1.1", 58805, "0", "0"), back("1.2", 47973, "1.91", "4"))
		seen[0] = "1x2: open home=2.14 draw=- away=3.75"
		seen[1] = "ou:2.5: open under=2.04 over=1.91"
		r.want("7", seen...)
	})
	t.Run("a price that is none shuts its market", func(t *testing.T) {
		r.publish(back("1.1", 55, "1", "10"))
		seen[0] = "1x2: suspended home=- draw=- away=-"
		r.want("7", seen...)
		if n := r.count("market_faults_total", "price"); n != 1 {
			t.Errorf("%v faults counted", n)
		}
		r.publish(back("1.1", 55, "2.2", "10"))
		seen[0] = "1x2: open home=2.2 draw=- away=3.75"
		r.want("7", seen...)
	})
	t.Run("a status that nobody knows too", func(t *testing.T) {
		r.publish(definition("1.5", "BOTH_TEAMS_TO_SCORE", "PAUSED", active(30246, 1), active(110503, 2)))
		seen[4] = "btts: suspended yes=- no=-"
		r.want("7", seen...)
	})
	t.Run("what is not as it should be keeps Betfair's words", func(t *testing.T) {
		r.publish(definition("1.2", "OVER_UNDER_25", "OPEN", active(47972, 1), active(5, 2)),
			definition("1.6", "DRAW_NO_BET", "OPEN", active(55, 1), active(900, 1)),
			definition("1.9", "ASIAN_HANDICAP", "OPEN", active(1, 1), active(2, 2), active(3, 3)),
			definition("1.12", "MATCH_ODDS", "OPEN", active(55, 1), active(900, 2)))
		r.want("7", slices.Concat(seen[:1], seen[2:5], seen[6:8], seen[12:], []string{
			"betfair:OVER_UNDER_25: open 47972=2.04 5=-", "betfair:DRAW_NO_BET: open 55=- 900=2.9",
			"betfair:ASIAN_HANDICAP: open 1=- 2=- 3=-", "betfair:MATCH_ODDS: open 55=- 900=-"})...)
	})
	t.Run("lines are no prices, and not every word is a key", func(t *testing.T) {
		r.publish(`{"id":"1.20","marketDefinition":{"eventId":"8","bettingType":"LINE","marketType":"TOTAL","status":"OPEN",`+
			`"runners":[{"id":1,"status":"ACTIVE"}]},"rc":[{"id":1,"batb":[[0,2.5,1]]}]}`,
			`{"id":"1.21","marketDefinition":{"eventId":"8","marketType":"MÄRKTE","status":"OPEN","runners":[]}}`,
			`{"id":"1.22","rc":[{"id":1,"batb":[[0,2.5,1]]}]}`)
		r.want("8")
		if r.count("market_faults_total", "key") != 2 || r.count("market_faults_total", "undefined") != 1 {
			t.Errorf("faults: %v, %v", r.count("market_faults_total", "key"), r.count("market_faults_total",
				"undefined"))
		}
	})
	t.Run("the first of two markets with one key is told", func(t *testing.T) {
		r.publish(definition("1.30", "MATCH_ODDS", "OPEN", active(58805, 3), active(900, 2), active(55, 1)),
			back("1.30", 55, "9", "9"))
		if got := text(r.viewer.sees("7")["1x2"]); got != "open home=2.2 draw=- away=3.75" {
			t.Error(got)
		}
		r.publish(definition("1.1", "MATCH_ODDS", "CLOSED", active(58805, 3), active(900, 2), active(55, 1)))
		if got := text(r.viewer.sees("7")["1x2"]); got != "open home=9 draw=- away=-" {
			t.Errorf("after the first closed: %s", got)
		}
	})
}

// TestImageReplaces: what is not in an image is gone, within a subscription too.
func TestImageReplaces(t *testing.T) {
	r := newRig(t)
	r.run()
	teams := []string{active(55, 1), active(900, 2), active(58805, 3)}
	r.publish(definition("1.1", "MATCH_ODDS", "OPEN", teams...), back("1.1", 55, "2.14", "10"), back("1.1", 900, "4",
		"1"),
		definition("1.2", "BOTH_TEAMS_TO_SCORE", "OPEN", active(30246, 1), active(110503, 2)),
		`{"id":"1.3","marketDefinition":{"eventId":"9","marketType":"X","status":"OPEN","runners":[{"id":1,"status":"ACTIVE"}]}}`)
	r.want("7", "1x2: open home=2.14 draw=- away=4", "btts: open yes=- no=-")
	r.publish(`{"id":"1.1","img":true,"rc":[{"id":55,"batb":[[0,2.2,1]]}]}`)
	r.want("7", "1x2: open home=2.2 draw=- away=-", "btts: open yes=- no=-")
	r.server.Restart(raw(definition("1.1", "MATCH_ODDS", "OPEN", teams...), back("1.1", 55, "3", "1"))...)
	r.catchUp()
	r.want("7", "1x2: open home=3 draw=- away=-")
	r.viewer.do(func() {
		if _, there := r.viewer.book["9"]; there {
			t.Error("an event that is gone is seen")
		}
	})
}

func TestSettlementFromClosedMarkets(t *testing.T) {
	r := newRig(t)
	r.run()
	asian := func(id int, handicap string, order int, status string) string {
		return fmt.Sprintf(`{"id":%d,"hc":%s,"sortPriority":%d,"status":%q}`, id, handicap, order, status)
	}
	r.publish(definition("1.1", "MATCH_ODDS", "OPEN", active(55, 1), active(900, 2), active(58805, 3)),
		back("1.1", 55, "2.14", "10"))
	closed := definition("1.1", "MATCH_ODDS", "CLOSED", was(55, 1, "LOSER"), was(900, 2, "WINNER"), was(58805, 3,
		"LOSER"))
	told := func(want ...string) {
		t.Helper()
		if got := r.settled(); !slices.Equal(got, want) {
			t.Errorf("settled %q, want %q", got, want)
		}
	}
	told()
	r.publish(closed)
	r.want("7", "1x2: closed home=- draw=- away=-")
	told("7 1x2: home lost draw lost away won")
	r.publish(closed)
	r.server.Cut()
	r.catchUp()
	r.run() // another process
	r.catchUp()
	told() // once
	r.publish(definition("1.1", "MATCH_ODDS", "CLOSED", was(55, 1, "WINNER"), was(900, 2, "LOSER"), was(58805, 3,
		"LOSER")))
	told("7 1x2: home won draw lost away lost")
	r.publish(definition("1.1", "MATCH_ODDS", "SUSPENDED", active(55, 1), active(900, 2), active(58805, 3)))
	told("7 1x2: home won draw lost away lost cancelled")
	r.publish(definition("1.1", "MATCH_ODDS", "CLOSED", was(55, 1, "REMOVED"), was(900, 2, "REMOVED"), was(58805, 3,
		"REMOVED")))
	told("7 1x2: home void draw void away void")
	t.Run("dead heat", func(t *testing.T) {
		r.publish(definition("1.2", "TOP_SCORER", "CLOSED", was(1, 1, "WINNER"), was(2, 2, "WINNER"), was(3, 3,
			"WINNER"),
			was(4, 4, "LOSER")))
		told("7 betfair:TOP_SCORER: 1 won x333 2 won x333 3 won x333 4 lost")
	})
	t.Run("halves cannot be told", func(t *testing.T) {
		r.publish(definition("1.3", "ASIAN_HANDICAP", "CLOSED", asian(55, "-0.25", 1, "LOSER"), asian(900, "0.25", 2,
			"WINNER"),
			asian(55, "-1", 3, "REMOVED"), asian(900, "1", 4, "REMOVED"), asian(55, "-1.5", 5, "LOSER"),
			asian(900, "1.5", 6, "WINNER"), asian(55, "2", 7, "WINNER"), asian(900, "-2", 8, "WINNER")))
		told("7 ah:-1: home void away void", "7 ah:-1.5: home lost away won")
	})
	t.Run("while prices are not to be trusted", func(t *testing.T) {
		r.server.Unreliable(true)
		r.server.Publish(raw(definition("1.4", "CORRECT_SCORE", "CLOSED", was(1, 1, "WINNER"), was(2, 2, "LOSER")))...)
		r.viewer.wait("settled", func() bool { return len(r.viewer.settled) > 0 })
		told("7 cs: 0-0 won 1-0 lost")
		if r.viewer.sees("7") != nil {
			t.Error("prices are seen")
		}
	})
}

// TestClosedMarketsAreForgotten after their time, by Betfair's clock.
func TestClosedMarketsAreForgotten(t *testing.T) {
	r := newRig(t)
	r.cfg.ClosedFor, r.cfg.KeepEvery = time.Nanosecond, time.Nanosecond
	r.run()
	r.publish(definition("1.1", "CORRECT_SCORE", "OPEN", active(1, 1)), definition("1.2", "BTTS", "OPEN", active(1,
		1)))
	r.want("7", "cs: open 0-0=-", "betfair:BTTS: open 1=-")
	r.publish(definition("1.1", "CORRECT_SCORE", "CLOSED", was(1, 1, "WINNER")))
	r.viewer.wait("forgotten", func() bool { return len(r.viewer.book["7"]) == 1 })
	r.publish(definition("1.2", "BTTS", "CLOSED", was(1, 1, "WINNER")))
	r.viewer.wait("the event too", func() bool { return r.viewer.book["7"] == nil })
	if got := r.settled(); len(got) != 2 {
		t.Errorf("settled %q", got)
	}
}

func TestNamesOfMatches(t *testing.T) {
	r := newRig(t)
	kickoff := time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	r.cfg.NamesEvery = time.Nanosecond // asked for again until they are known
	r.run()
	r.publish(definition("1.1", "MATCH_ODDS", "OPEN", active(55, 1), active(900, 2), active(58805, 3)),
		`{"id":"1.2","marketDefinition":{"eventId":"9","eventName":"Ham v Egg v Spam","marketType":"X","status":"OPEN",`+
			`"marketTime":"2026-11-28T19:00:00.000Z","runners":[{"id":1,"status":"ACTIVE"}]}}`)
	fixture := func(event string) (f odds.Fixture) {
		r.viewer.do(func() { f = r.viewer.fixtures[event] })
		return f
	}
	if f := fixture("9"); f.Home != "Ham" || f.Away != "Egg v Spam" || !f.Kickoff.Equal(kickoff.Add(-time.Hour)) {
		t.Errorf("names of the stream: %+v", f)
	}
	if f := fixture("7"); f.Home != "" || !f.Kickoff.Equal(kickoff) {
		t.Errorf("no names yet: %+v", f)
	}
	r.server.Name("7", "Made-up League", "Upper Town", "Lower Town", kickoff)
	want := odds.Fixture{Event: "7", Competition: "Made-up League", Kickoff: kickoff, Home: "Upper Town",
		Away: "Lower Town"}
	r.viewer.wait("names", func() bool { return r.viewer.fixtures["7"] == want })
	asked := r.server.NamesAsked()
	r.publish(definition("1.1", "MATCH_ODDS", "SUSPENDED", active(55, 1), active(900, 2), active(58805, 3)))
	if f := fixture("7"); f != want || r.server.NamesAsked() > asked {
		t.Errorf("afterwards: %+v, asked %d times, then %d", f, asked, r.server.NamesAsked())
	}
}

// TestFirstMarketToOpenTellsAll: at a goal Betfair shuts all markets of a match; the one that opens
// first comes with an image, and no later one does.
func TestFirstMarketToOpenTellsAll(t *testing.T) {
	r := newRig(t)
	r.run()
	markets := func(first, second string) []string {
		return []string{definition("1.1", "CORRECT_SCORE", first, active(1, 1)),
			definition("1.2", "TOP_SCORER", second, active(1, 1))}
	}
	images := func() (n int) {
		r.viewer.do(func() { n = r.viewer.images })
		return n
	}
	for _, step := range []struct {
		first, second string
		images        int
	}{
		{"OPEN", "OPEN", 1}, {"SUSPENDED", "OPEN", 1}, {"OPEN", "OPEN", 1}, {"SUSPENDED", "SUSPENDED", 1},
		{"SUSPENDED", "OPEN", 2}, {"OPEN", "OPEN", 2}, {"CLOSED", "SUSPENDED", 2}, {"CLOSED", "OPEN", 3},
	} {
		r.publish(markets(step.first, step.second)...)
		if n := images(); n != step.images {
			t.Errorf("%s, %s: %d images, want %d", step.first, step.second, n, step.images)
		}
	}
}
