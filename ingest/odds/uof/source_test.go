package uof_test

import (
	"math/rand/v2"
	"testing"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/uof/uoftest"
)

const (
	derby = "sr:match:18001015"
	cup   = "sr:match:18001016"
)

const fixture = `<?xml version="1.0" encoding="UTF-8"?>
<fixtures_fixture xmlns="http://schemas.sportradar.com/sportsapi/v1/unified">
<fixture id="` + derby + `" scheduled="2026-03-14T20:00:00+00:00" start_time="2026-03-14T21:00:00+01:00">
<tournament id="sr:tournament:7" name="Made-up Cup"/>
<competitors><competitor id="sr:competitor:1" name="Ajaks &amp; Zonen" qualifier="home"/>
<competitor id="sr:competitor:2" name="Hotspurs" qualifier="away"/></competitors></fixture></fixtures_fixture>`

// TestFeedWhoseServerIsKilled plays a match before and during it: suspended, killed, recovered,
// settled and taken back.
func TestFeedWhoseServerIsKilled(t *testing.T) {
	p := uoftest.Start(t)
	p.Fixture(derby, fixture)
	v := newViewer()
	market := uoftest.Market
	p.Odds(3, derby, market(1, "", 1, "1=2.1", "2=3.333333", "3=3.9"), market(18, "total=2.5", 1, "12=1.9", "13=1.95"))
	p.Say("odds_change", 3, "sr:season:1", "", "<odds>"+market(1, "", 1, "1=9")+"</odds>") // no match
	p.Refuse(2)
	begin(t, quick(p), v)
	shown := map[string]odds.Price{derby + " 1x2 home": 2100, derby + " 1x2 draw": 3333, derby + " 1x2 away": 3900,
		derby + " ou:2.5 over": 1900, derby + " ou:2.5 under": 1950}
	v.untilShown(t, "all odds, after two refusals", shown)
	v.until(t, "names", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		f := v.fixtures[derby]
		return f.Home == "Ajaks & Zonen" && f.Away == "Hotspurs" && f.Competition == "Made-up Cup" &&
			f.Kickoff.Format("15:04 MST") == "20:00 UTC"
	})

	// The live producer takes a market over; what the other says of it counts no more.
	p.Odds(1, derby, market(1, "", 1, "1=2.5", "2=3", "3=3.5"))
	p.Odds(3, derby, market(1, "", -2), market(18, "total=2.5", 1, "12=1.8", "13=2"))
	shown[derby+" 1x2 home"], shown[derby+" 1x2 draw"], shown[derby+" 1x2 away"] = 2500, 3000, 3500
	shown[derby+" ou:2.5 over"], shown[derby+" ou:2.5 under"] = 1800, 2000
	v.untilShown(t, "handed over", shown)
	p.Odds(1, derby, market(139, "total=3.5", 1, "12=1.5", "13=2.5"))
	shown[derby+" uof:139:total:3.5 12"], shown[derby+" uof:139:total:3.5 13"] = 1500, 2500
	v.untilShown(t, "bookings", shown)

	// A bet stop of some groups leaves the others.
	v.until(t, "groups", func() bool { return p.Requests("/descriptions/en/markets.xml") > 0 })
	p.Say("bet_stop", 1, derby, `groups="score|corners"`, "")
	v.untilShown(t, "bookings go on", map[string]odds.Price{derby + " uof:139:total:3.5 12": 1500,
		derby + " uof:139:total:3.5 13": 2500})
	p.Say("bet_stop", 1, derby, `groups="all"`, "")
	v.untilShown(t, "nothing", map[string]odds.Price{})
	p.Odds(1, derby, market(1, "", 1, "1=1.5", "2=4", "3=8"))
	v.untilShown(t, "the market that was quoted again", naive(t, p.Said()))

	// The server dies. Nothing is shown; what is said meanwhile comes with the recovery.
	p.KillQueue()
	v.untilShown(t, "no connection", map[string]odds.Price{})
	p.Odds(1, derby, market(1, "", 1, "1=1.4", "2=4.5", "3=9"), market(29, "", 1, "74=1.7", "76=2.1"))
	p.Say("bet_settlement", 1, derby, `certainty="1"`, `<outcomes><market id="139" specifiers="total=3.5">`+
		`<outcome id="12" result="1" void_factor="0.5"/><outcome id="13" result="0"/></market></outcomes>`)
	p.Hold(true)
	asked := len(p.Recoveries())
	p.StartQueue()
	v.until(t, "recoveries are asked for", func() bool { return len(p.Recoveries()) >= asked+2 })
	for _, r := range p.Recoveries()[asked:] {
		if r.After == 0 {
			t.Errorf("recovery %+v asks for all odds", r)
		}
	}
	p.Odds(1, derby, market(1, "", 1, "1=1.3", "2=5", "3=10")) // newer than what is recovered
	if shown := v.prices(); len(shown) > 0 {
		t.Errorf("before snapshot_complete: %v", shown)
	}
	p.Hold(false)
	v.untilShown(t, "recovered", naive(t, p.Said()))
	v.untilSettled(t, derby+" uof:139:total:3.5 12=half_won 13=lost")

	p.Say("rollback_bet_settlement", 1, derby, "", `<market id="139" specifiers="total=3.5"/>`)
	p.Say("bet_cancel", 1, derby, `start_time="1000" end_time="2000"`, `<market id="29" void_reason="12"/>`)
	p.Say("rollback_bet_cancel", 1, derby, `start_time="1000"`, `<market id="29"/>`)
	v.untilSettled(t, derby+" uof:139:total:3.5 taken back")
	v.untilSettled(t, derby+" btts void 1000 2000")
	v.untilSettled(t, derby+" btts taken back void 1000")
	v.untilShown(t, "a cancelled hour does not end a market", naive(t, p.Said()))
	p.Say("bet_cancel", 1, derby, "", `<market id="29"/>`)
	v.untilSettled(t, derby+" btts void")
	v.until(t, "a cancelled market does", func() bool { return v.prices()[derby+" btts yes"] == 0 })
}

// TestProducersFailAlone has one producer go silent, then say that we are not subscribed, while the
// other goes on.
func TestProducersFailAlone(t *testing.T) {
	t.Parallel()
	p := uoftest.Start(t)
	v := newViewer()
	begin(t, quick(p), v)
	market := uoftest.Market
	p.Odds(1, derby, market(1, "", 1, "1=2.1", "2=3", "3=3.9"))
	p.Odds(3, derby, market(29, "", 1, "74=1.7", "76=2.1"))
	p.Odds(3, cup, market(1, "", 1, "1=1.2", "2=6", "3=12"))
	v.untilShown(t, "both", naive(t, p.Said()))
	early := map[string]odds.Price{derby + " btts yes": 1700, derby + " btts no": 2100, cup + " 1x2 home": 1200,
		cup + " 1x2 draw": 6000, cup + " 1x2 away": 12000}
	p.Mute(1, true)
	v.untilShown(t, "the live producer is silent", early)
	p.Odds(1, derby, market(1, "", 1, "1=2", "2=3", "3=4"))
	p.Odds(3, cup, market(1, "", 1, "1=1.1", "2=7", "3=14"))
	early[cup+" 1x2 home"], early[cup+" 1x2 draw"], early[cup+" 1x2 away"] = 1100, 7000, 14000
	v.untilShown(t, "the other goes on", early)
	p.Hold(true)
	asked := len(p.Recoveries())
	p.Mute(1, false)
	v.until(t, "a recovery is asked for", func() bool { return len(p.Recoveries()) > asked })
	p.Send("-.-.-.snapshot_complete.-.-.-", `<snapshot_complete request_id="1" timestamp="1" product="1"/>`)
	p.Odds(3, cup, market(1, "", 1, "1=1.05", "2=8", "3=16"))
	early[cup+" 1x2 home"], early[cup+" 1x2 draw"], early[cup+" 1x2 away"] = 1050, 8000, 16000
	v.untilShown(t, "another's snapshot_complete opens nothing", early)
	p.Hold(false)
	v.untilShown(t, "back", naive(t, p.Said()))

	p.Hold(true)
	p.Unsubscribe(3)
	v.untilShown(t, "not subscribed", map[string]odds.Price{derby + " 1x2 home": 2000, derby + " 1x2 draw": 3000,
		derby + " 1x2 away": 4000})
	p.Mute(1, true)
	v.untilShown(t, "no producer", map[string]odds.Price{})
	v.until(t, "all is shut at once", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.downs) > 0 && v.downs[len(v.downs)-1] == odds.ReasonProvider
	})
	p.Mute(1, false)
	p.Hold(false)
	v.untilShown(t, "all is back", naive(t, p.Said()))
}

// TestAnotherProcessTakesOver begins with what the first kept: all odds, and the settlements since.
func TestAnotherProcessTakesOver(t *testing.T) {
	t.Parallel()
	p := uoftest.Start(t, uoftest.Producer{ID: 1, Product: "liveodds", Scope: "live|prematch",
		Window: uoftest.Producers[0].Window})
	cfg := quick(p)
	cfg.Producers, cfg.Node = []int{1}, 7
	v := newViewer()
	_, stop := begin(t, cfg, v)
	p.Odds(1, derby, uoftest.Market(1, "", 1, "1=2.1", "2=3", "3=3.9"))
	v.untilShown(t, "first", naive(t, p.Said()))
	v.until(t, "it is kept how far we are", func() bool { return keptOf(v)["1"] != 0 })
	stop()
	v.untilShown(t, "stopped", map[string]odds.Price{})
	p.Say("bet_settlement", 1, derby, "", `<outcomes><market id="1"><outcome id="1" result="1"/></market></outcomes>`)
	p.Odds(1, derby, uoftest.Market(29, "", 1, "74=1.7", "76=2.1"))
	second := newViewer()
	second.kept = v.Kept()
	asked := len(p.Recoveries())
	begin(t, cfg, second)
	second.untilSettled(t, derby+" 1x2 home=won")
	want := map[string]odds.Price{derby + " btts yes": 1700, derby + " btts no": 2100}
	second.untilShown(t, "second", want)
	recoveries := p.Recoveries()[asked:]
	if recoveries[0].After != 0 || recoveries[1].After == 0 {
		t.Errorf("recoveries %+v", recoveries)
	}
}

// TestBookEqualsThatOfANaiveReader plays thousands of messages, and a killed server in between.
func TestBookEqualsThatOfANaiveReader(t *testing.T) {
	p := uoftest.Start(t)
	v := newViewer()
	begin(t, quick(p), v)
	random := rand.New(rand.NewPCG(1, 2))
	play := func(n int) { p.Play(random, n) }
	play(500)
	v.untilShown(t, "first half", naive(t, p.Said()))
	p.KillQueue()
	play(300)
	v.untilShown(t, "killed", map[string]odds.Price{})
	p.StartQueue()
	play(300)
	v.untilShown(t, "second half", naive(t, p.Said()))
	if len(v.prices()) < 20 {
		t.Error("too little is shown to be sure")
	}
}
