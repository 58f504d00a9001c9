package betfair_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/betfair"
)

// oneMarket is a market with a price, as nearly all of these tests need it.
func oneMarket(price string) []string {
	return []string{definition("1.1", "MATCH_ODDS", "OPEN", active(55, 1), active(900, 2), active(58805, 3)),
		back("1.1", 55, price, "10")}
}

const seen = "1x2: open home=%s draw=- away=-"

func (r *rig) seesHome(price string) {
	r.t.Helper()
	r.want("7", fmt.Sprintf(seen, price))
}

// shut waits until the source is down for the reason; then nothing is seen.
func (r *rig) shut(reason odds.Reason) {
	r.t.Helper()
	r.viewer.wait("shut", func() bool { return r.viewer.down == reason })
}

func TestUnreliableStreamShowsNothing(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	r.seesHome("2.1")
	r.server.Unreliable(true)
	r.shut(odds.ReasonProvider)
	r.server.Publish(raw(back("1.1", 55, "2.3", "1"))...)
	r.viewer.wait("counted", func() bool { return r.count("messages_total", "unreliable") > 0 })
	r.want("7")
	r.server.Unreliable(false)
	r.catchUp()
	r.seesHome("2.3")
	r.viewer.do(func() { r.viewer.downs = nil })
	r.server.Raw(`{"op":"mcm","id":101,"status":503}`) // as the vendor's example has it
	r.viewer.wait("shut", func() bool { return slices.Contains(r.viewer.downs, odds.ReasonProvider) })
	r.catchUp()
	r.seesHome("2.3")
}

func TestLatePricesAreShut(t *testing.T) {
	r := newRig(t)
	r.cfg.LagAlarm, r.cfg.LagLimit = 30*time.Minute, 90*time.Minute // no machine is so slow
	r.cfg.DelayedFrom = 24 * time.Hour
	r.run()
	r.publish(oneMarket("2.1")...)
	if r.count("late_messages_total") > 0 || strings.Contains(r.log.String(), "late") {
		t.Error("an alarm for nothing")
	}
	r.server.Delay(time.Hour)
	r.catchUpLate(-time.Hour)
	r.seesHome("2.1")
	if r.count("late_messages_total") == 0 || strings.Count(r.log.String(), "prices are late") != 1 {
		t.Errorf("no alarm, or several:\n%s", r.log)
	}
	r.server.Delay(2 * time.Hour)
	r.shut(odds.ReasonProvider)
	r.server.Publish(raw(back("1.1", 55, "2.5", "1"))...)
	r.server.Delay(0)
	r.catchUp()
	r.seesHome("2.5")
	if !strings.Contains(r.log.String(), "in time again") {
		t.Error("the alarm does not end")
	}
}

// catchUpLate is catchUp where Betfair's time is another.
func (r *rig) catchUpLate(by time.Duration) {
	r.t.Helper()
	r.server.Beat()
	r.viewer.do(func() { r.viewer.since, r.viewer.alive = time.Now().Add(by-time.Minute), 0 })
	r.viewer.wait("caught up", func() bool { return r.viewer.alive >= 3 })
}

func TestDelayedKeyIsRefused(t *testing.T) {
	for name, delay := range map[string]func(*rig){
		"by the list of keys":   func(r *rig) { r.server.DelayKey(true) },
		"by conflation":         func(r *rig) { r.server.Conflate(3 * time.Minute) },
		"by a mark in messages": func(r *rig) { r.server.MarkDelayed(true) },
		"by a mark in a definition": func(r *rig) {
			r.publishFirst(strings.Replace(oneMarket("2")[0], `"eventId"`, `"isMarketDataDelayed":true,"eventId"`, 1))
		},
		"by age": func(r *rig) {
			r.cfg.ImageTime, r.cfg.DelayedFrom = 50*time.Millisecond, time.Hour
			r.cfg.LagLimit = 24 * time.Hour // not what shuts it here
			r.server.Delay(2 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if name != "by the list of keys" {
				r.cfg.API = betfair.NoAPI
			}
			r.server.Publish(raw(oneMarket("2.1")...)...)
			delay(r)
			r.run()
			r.viewer.wait("refused", func() bool { return r.ended(betfair.ErrDelayed) })
			r.end()
			r.viewer.do(func() {
				if name != "by age" && (len(r.viewer.book) > 0 || r.viewer.images > 0) {
					t.Errorf("told: %v", r.viewer.book)
				}
				if r.viewer.down != odds.ReasonConnection {
					t.Errorf("down is %q", r.viewer.down)
				}
			})
			if r.count("connections_total", "delayed") == 0 {
				t.Error("not counted")
			}
		})
	}
}

func (r *rig) publishFirst(markets ...string) { r.server.Publish(raw(markets...)...) }

// TestDelayIsSeenWithoutAnyWord: with the defaults a stream that is minutes old is never told.
func TestDelayIsSeenWithoutAnyWord(t *testing.T) {
	r := newRig(t)
	r.cfg.LagLimit, r.cfg.LagAlarm, r.cfg.DelayedFrom = 0, 0, 0 // the defaults
	r.cfg.ImageTime = 100 * time.Millisecond
	r.server.Delay(3 * time.Minute)
	r.publishFirst(oneMarket("2.1")...)
	r.run()
	r.fails("a clock is wrong")
	r.end()
	r.viewer.do(func() {
		if r.viewer.images > 0 {
			t.Error("told")
		}
	})
}

func TestPlaceOutlivesTheProcess(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	r.end()
	r.server.Publish(raw(back("1.1", 55, "2.2", "1"))...)
	r.run()
	r.catchUp()
	r.seesHome("2.2")
	subscriptions := r.server.Subscriptions()
	if last := subscriptions[len(subscriptions)-1]; last.InitialClk == "" || last.Clk != "c0/1" {
		t.Errorf("resumed from %q, %q", last.InitialClk, last.Clk)
	}
	if r.count("images_total", "resumed") != 1 || r.count("images_total", "image") != 0 {
		t.Error("not resumed")
	}
	t.Run("and what closed meanwhile is settled", func(t *testing.T) {
		r.end()
		r.server.Publish(raw(definition("1.1", "MATCH_ODDS", "CLOSED", was(55, 1, "WINNER"), was(900, 2, "LOSER"),
			was(58805, 3, "LOSER")))...)
		r.run()
		r.catchUp()
		if got := r.settled(); len(got) != 1 {
			t.Errorf("settled %q", got)
		}
	})
	t.Run("but not in another subscription", func(t *testing.T) {
		r.end()
		r.cfg.Filter.Countries = []string{"BE"}
		r.run()
		r.catchUp()
		if r.count("images_total", "image") != 1 {
			t.Error("resumed")
		}
	})
	t.Run("nor where it is nonsense", func(t *testing.T) {
		for _, text := range []string{"x", "", "H4sIAAAAAAAA/w=="} {
			r.end()
			r.viewer.do(func() { r.viewer.kept = []byte(text) })
			r.run()
			r.catchUp()
			if r.count("images_total", "image") != 1 {
				t.Errorf("%q: resumed", text)
			}
		}
	})
	t.Run("nor where it is too long", func(t *testing.T) {
		r.end()
		r.cfg.MaxKept = 10
		r.run()
		r.catchUp()
		r.end()
		if r.viewer.Kept() != nil || r.count("place_too_long_total") == 0 {
			t.Errorf("kept %q", r.viewer.Kept())
		}
	})
}

func TestUnknownClockStartsAnew(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	r.server.Restart(raw(oneMarket("2.4")...)...)
	r.catchUp()
	r.seesHome("2.4")
	if r.count("resubscriptions_total", "clock") != 1 || r.count("images_total", "image") != 2 {
		t.Error("not subscribed anew on the connection")
	}
}

func TestOldSubscriptionIsIgnored(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	r.server.Old(raw(back("1.1", 55, "99", "1"))...)
	r.catchUp()
	r.seesHome("2.1")
	if r.count("messages_total", "old") != 1 {
		t.Error("not counted")
	}
}

func TestUnfinishedSegmentsAreSubscribedAnew(t *testing.T) {
	for name, goOn := range map[string]func(*rig){
		"another message comes": func(r *rig) { r.server.Publish(raw(back("1.1", 900, "3", "1"))...) },
		"another one begins": func(r *rig) {
			r.server.UnfinishedNext()
			r.server.Publish(raw(back("1.1", 900, "3", "1"))...)
		},
		"a segment of nothing known": func(r *rig) {
			r.server.Publish()
			r.server.Raw(`{"op":"mcm","id":101,"segmentType":"SEG_NEW"}`)
		},
		"nothing comes": func(*rig) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if name == "nothing comes" {
				r.cfg.ImageTime = 300 * time.Millisecond
			}
			r.run()
			r.publish(oneMarket("2.1")...)
			r.server.UnfinishedNext()
			r.server.Publish(raw(back("1.1", 55, "2.7", "1"), back("1.1", 58805, "4", "1"))...)
			goOn(r)
			r.viewer.wait("shut, then open again", func() bool {
				return r.count("images_total", "resumed")+r.count("images_total", "image") > 1 && r.viewer.down == ""
			})
			r.catchUp()
			if got := r.viewer.sees("7")["1x2"]; got.Selections[0].Text != "2.7" || got.Selections[1].Text != "4" {
				t.Error(text(got))
			}
			if r.count("resubscriptions_total", "segments") == 0 {
				t.Error("not counted")
			}
		})
	}
}

// TestSegmentsWithoutEnd are given up, not subscribed to for ever.
func TestSegmentsWithoutEnd(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	r.server.Raw(`{"op":"mcm","id":101,"segmentType":"SEG_END"}`)
	r.viewer.wait("anew", func() bool { return r.count("images_total") == 2 })
	r.catchUp()
	r.seesHome("2.1")
	r.server.Refuse("", "SUBSCRIPTION_LIMIT_EXCEEDED")
	r.server.Raw(`{"op":"mcm","id":102,"segmentType":"SEG_END"}`)
	r.fails("SUBSCRIPTION_LIMIT_EXCEEDED")
}

func TestSilentConnectionIsGivenUp(t *testing.T) {
	r := newRig(t)
	r.cfg.Silence = 2 * time.Second // the server says in images that it beats every 500 ms: three are 1.5 s
	r.run()
	r.publish(oneMarket("2.1")...)
	r.server.Silent(true)
	r.fails("nothing heard")
	r.server.Silent(false)
	r.catchUp()
	r.seesHome("2.1")
}

func TestUnreadableLineEndsTheConnection(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	for line, word := range map[string]string{
		`{"op":"mcm","id":101,`:                 "unreadable",
		`{"op":"mcm","id":101,"mc":[{"id":5}]}`: "unreadable",
		`<html>`:                                "unreadable",
		strings.Repeat(" ", 9<<20):              "too long",
		`{"op":"status","statusCode":"FAILURE","id":1,"connectionClosed":true,"errorCode":"TIMEOUT"}`:               "TIMEOUT",
		`{"op":"status","statusCode":"SUCCESS","id":1,"connectionClosed":true}`:                                     "closes it",
		`{"op":"mcm","id":101,"ct":"RESUB_DELTA","segmentType":"SEG_START","mc":[]}` + "\r\n" + `{"op":"mcm","id":`: "",
	} {
		r.server.Raw(line)
		if word == "" {
			r.server.Cut()
		} else {
			r.fails(word)
		}
		r.catchUp()
		r.seesHome("2.1")
	}
	r.server.Raw(`{"op":"news"}`)
	r.server.Raw(``)
	r.catchUp()
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	r.cfg.API = betfair.NoAPI
	r.server.Refuse("NOT_AUTHORIZED", "")
	r.run()
	r.fails("authentication: NOT_AUTHORIZED")
	r.server.Refuse("UNEXPECTED_ERROR", "")
	r.fails("broken: authentication: UNEXPECTED_ERROR")
	r.server.Refuse("", "SUBSCRIPTION_LIMIT_EXCEEDED")
	r.fails("subscription: SUBSCRIPTION_LIMIT_EXCEEDED")
	r.end()
	r.cfg.AppKey = "nobody's"
	r.run()
	r.fails("INVALID_APP_KEY")
	r.end()
	r.cfg.Session = func(context.Context) (string, error) { return "secret-token", nil }
	r.cfg.AppKey = "live-key"
	r.run()
	r.fails("INVALID_SESSION_INFORMATION")
	r.end()
	r.cfg.API = r.server.URL
	r.run()
	r.fails("getDeveloperAppKeys/ answers 400")
	r.end()
	if !r.ended(betfair.ErrRefused) {
		t.Error("not ErrRefused")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range r.errs {
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("a secret in %v", err)
		}
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Error("a secret in the log")
	}
}

func TestOverLimits(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxMarkets, r.cfg.MaxRunners = 2, 3
	r.run()
	r.publish(append(oneMarket("2.1"), definition("1.2", "FOUR", "OPEN", active(1, 1), active(2, 2), active(3, 3),
		active(4, 4)),
		definition("1.3", "THREE_MORE", "OPEN", active(1, 1)))...)
	r.seesHome("2.1")
	if r.count("market_faults_total", "limit") != 2 || !strings.Contains(r.log.String(), "more than is taken") {
		t.Errorf("%v counted", r.count("market_faults_total", "limit"))
	}
	r.end()
	r.cfg.MaxSegmented = 400
	r.server.Segments(true)
	r.viewer.do(func() { r.viewer.kept = nil })
	r.run()
	r.fails("over a limit")
}

// TestEveryEndShuts: whatever ends a connection, nothing is seen from then on, and it is all there
// again afterwards.
func TestEveryEndShuts(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(oneMarket("2.1")...)
	for range 5 {
		r.viewer.do(func() { r.viewer.downs = nil })
		r.server.Cut()
		r.viewer.wait("shut", func() bool { return slices.Contains(r.viewer.downs, odds.ReasonConnection) })
		r.catchUp()
		r.seesHome("2.1")
	}
	r.end()
	r.want("7")
}
