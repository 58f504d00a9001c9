package opta_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/optatest"
)

// A made-up match, 7: team 1 at home against team 2, kick-off on 5 July 2020 at 18:00 in London.
// Its documents tell what can befall one.

// story is a match as documents tell of it one after the other.
type story struct {
	t   *testing.T
	rec goalcast.MatchRecord
}

// tell applies a document and returns the revisions it makes as "id#2 kind status 1-0", ids of our
// own without the match.
func (s *story) tell(feed, body string) (out []string) {
	s.t.Helper()
	for _, e := range s.events(feed, body) {
		id := strings.TrimPrefix(strings.TrimPrefix(e.ID, "opta:"), "match:7:")
		out = append(out, fmt.Sprintf("%s#%d %s %s %d-%d", id, e.Revision, e.Kind, e.Status, e.Score.Home,
			e.Score.Away))
	}
	return out
}

func (s *story) events(feed, body string) (all []goalcast.Event) {
	s.t.Helper()
	r := read(s.t, feed, body)
	for _, m := range r.Matches {
		rec, events, err := revise(s.rec, r, m, r.Version.Time.UnixMilli())
		if err != nil {
			s.t.Fatal(err)
		}
		again, none, err := revise(rec, r, m, r.Version.Time.UnixMilli())
		if err != nil || len(none) > 0 || string(again.Feeds) != string(rec.Feeds) {
			s.t.Fatalf("told twice: %v, %v", none, err)
		}
		s.rec, all = rec, append(all, events...)
	}
	return all
}

func (s *story) event(id string) goalcast.Event {
	s.t.Helper()
	e, ok := s.rec.Snapshot.Event(id)
	if !ok {
		s.t.Fatalf("no event %s in %+v", id, s.rec.Snapshot.Timeline)
	}
	return e
}

func (s *story) want(got []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("made\n%q\nwant\n%q", got, want)
	}
}

// optaReader is the provider, made once: it reads a time zone.
var optaReader = sync.OnceValue(opta.New)

func read(t testing.TB, feed, body string) merge.Reading {
	t.Helper()
	r, err := optaReader().Read(goalcast.Document{Provider: "opta", Feed: feed, Body: []byte(body),
		Digest: sha256.Sum256([]byte(body)), Received: time.Date(2020, 7, 5, 20, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return r
}

// The documents are optatest's made-up ones.
var (
	document = optatest.MadeF24
	event    = optatest.MadeEvent
	eventIn  = optatest.MadeEventIn
	match    = optatest.MadeF7
	list     = optatest.MadeF1
	local    = optatest.MadeAt
)

func begun(t *testing.T) *story {
	s := &story{t: t}
	s.want(s.tell("F24", document(1, start)), "fixture#1 fixture confirmed 0-0",
		"period:first_half#1 period confirmed 0-0")
	return s
}

const start = optatest.MadeStart

func TestReviews(t *testing.T) {
	s := begun(t)
	goal := event(16, 16, 1, 11, 26)
	s.want(s.tell("F24", document(27, start, goal)), "16#1 goal confirmed 1-0")
	s.want(s.tell("F24", document(28, start, goal, event(65, 65, 1, 0, 27, "343", "55=16"))),
		"16#2 goal provisional 1-0", "65#1 var confirmed 1-0")
	if v := s.event("opta:65").VAR; v.Outcome != "under_review" {
		t.Errorf("%+v", v)
	}
	s.want(s.tell("F24", document(29, start, goal, event(65, 65, 1, 0, 27, "343", "55=16", "329", "335"))),
		"16#3 goal confirmed 1-0", "65#2 var confirmed 1-0")
	if v := s.event("opta:65").VAR; *v != (goalcast.VAR{Subject: "goal", Outcome: "confirmed", Decision: "awarded"}) {
		t.Errorf("%+v", v)
	}
	// The next goal says itself that it is under review, and is taken back.
	second := event(17, 16, 2, 21, 40, "343")
	s.want(s.tell("F24", document(41, start, goal, second)), "65#3 var cancelled 1-0", "17#1 goal provisional 1-1")
	s.want(s.tell("F24", document(43, start, goal, event(17, 43, 2, 21, 40, "144=16"), event(66, 65, 2, 0, 41, "341",
		"336"))), "17#2 goal cancelled 1-0", "66#1 var confirmed 1-0")
	if v := s.event("opta:66").VAR; *v != (goalcast.VAR{Subject: "goal", Outcome: "cancelled",
		Decision: "not_awarded"}) {
		t.Errorf("%+v", v)
	}
	// A goal that was not given, and is now, comes as it is.
	s.want(s.tell("F24", document(50, start, goal, event(67, 65, 2, 0, 44, "341"))), "66#2 var cancelled 1-0",
		"67#1 var confirmed 1-0")
	s.want(s.tell("F24", document(51, start, goal, event(67, 65, 2, 0, 44, "329"), event(18, 16, 2, 21, 44))),
		"18#1 goal confirmed 1-1", "67#2 var confirmed 1-1")
}

func TestCardsChange(t *testing.T) {
	s := begun(t)
	s.want(s.tell("F24", document(27, start, event(17, 17, 1, 11, 26, "31", "13"))), "17#1 card confirmed 0-0")
	// Upgraded: the same event, another colour.
	s.want(s.tell("F24", document(29, start, event(17, 17, 1, 11, 26, "33", "13"), event(65, 65, 1, 0, 27, "332"))),
		"17#2 card confirmed 0-0", "65#1 var confirmed 0-0")
	if c := s.event("opta:17").Card; *c != (goalcast.Card{Type: goalcast.StraightRed, Reason: "Foul"}) {
		t.Errorf("%+v", c)
	}
	// Mistaken identity: the same event, another player.
	s.want(s.tell("F24", document(30, start, event(17, 17, 1, 12, 26, "33", "13"), event(65, 65, 1, 0, 27, "332"),
		event(66, 65, 1, 0, 27, "333"))),
		"17#3 card confirmed 0-0", "66#1 var confirmed 0-0")
	if e := s.event("opta:17"); e.Player.ID != 12 || s.event("opta:66").VAR.Subject != "mistaken_identity" {
		t.Errorf("%+v", e)
	}
	// Rescinded days later.
	s.want(s.tell("F24", document(3000, start, event(17, 17, 1, 12, 26, "33", "13", "171"),
		event(65, 65, 1, 0, 27, "332"), event(66, 65, 1, 0, 27, "333"))), "17#4 card cancelled 0-0")

	// A coach's card has no player, in either feed.
	s = begun(t)
	s.want(s.tell("F24", document(40, start, event(20, 17, 2, 0, 39, "33", "184"))), "20#1 card confirmed 0-0")
	s.tell("F7", match(41, "FirstHalf", "", 0, 0, "",
		`<Booking Card="Red" CardType="StraightRed" EventID="20" Period="FirstHalf" Time="40" Reason="Dissent"/>`))
	if e := s.event("opta:20"); e.Player != nil || e.Team != 2 || e.Card.Reason != "Dissent" || e.Revision != 1 {
		t.Errorf("%+v", e)
	}
}

func TestPenalties(t *testing.T) {
	foul := func(id, team, player, outcome int, kind int, more ...string) string {
		return strings.Replace(event(id, kind, team, player, 30, more...), `outcome="1"`,
			fmt.Sprintf(`outcome="%d"`, outcome), 1)
	}
	s := begun(t)
	// The foul stands once for each team; whichever is entered first, it is one penalty.
	s.want(s.tell("F24", document(31, start, foul(40, 2, 21, 0, 4, "9"))),
		"penalty:1:first_half:30:30#1 penalty confirmed 0-0")
	s.want(s.tell("F24", document(32, start, foul(40, 2, 21, 0, 4, "9"), foul(41, 1, 11, 1, 4, "9"),
		foul(42, 1, 11, 1, 4))), "penalty:1:first_half:30:30#2 penalty confirmed 0-0")
	if e := s.event("match:7:penalty:1:first_half:30:30"); e.Team != 1 || e.Player.ID != 11 {
		t.Errorf("%+v", e)
	}
	// Taken back by the video referee: deleted, or gone.
	s.want(s.tell("F24", document(33, start, foul(40, 2, 21, 0, 43, "144=4", "9"), foul(41, 1, 11, 1, 43, "144=4", "9"),
		event(65, 65, 1, 0, 31, "330", "336"))),
		"penalty:1:first_half:30:30#3 penalty cancelled 0-0", "65#1 var confirmed 0-0")
	if v := s.event("opta:65").VAR; *v != (goalcast.VAR{Subject: "penalty", Outcome: "cancelled",
		Decision: "awarded"}) {
		t.Errorf("%+v", v)
	}
	s = begun(t)
	s.tell("F24", document(31, start, foul(40, 2, 21, 0, 4, "9")))
	s.want(s.tell("F24", document(33, start)), "penalty:1:first_half:30:30#2 penalty cancelled 0-0")
	// Missed, against the post, saved.
	s.want(s.tell("F24", document(50, start, event(13, 13, 1, 11, 34, "9"), event(14, 14, 1, 11, 36, "9"),
		event(15, 15, 2, 21, 38, "9"), event(16, 13, 1, 11, 40))),
		"13#1 missed_penalty confirmed 0-0", "14#1 missed_penalty confirmed 0-0", "15#1 missed_penalty confirmed 0-0")
}

func TestExtraTimeAndShootoutKickByKick(t *testing.T) {
	s := begun(t)
	period := func(n, at int, kind int, more ...string) string {
		return eventIn(n, 1000+10*n+kind, kind, 1, 0, at, 0, more...)
	}
	told := []string{start, period(1, 47, 30), period(2, 45, 32), period(2, 94, 30, "308"), period(3, 90, 32),
		period(3, 105, 30), period(4, 105, 32), period(4, 121, 30, "309"), period(5, 120, 32)}
	s.tell("F24", document(160, append(told, eventIn(1, 70, 70, 1, 0, 44, 50, "277=2"))...))
	if sn := s.rec.Snapshot; sn.Period != goalcast.Shootout || sn.State != goalcast.Live ||
		s.event("opta:70").AddedTime != 2 {
		t.Fatalf("%s %s", sn.Period, sn.State)
	}
	var kicks, shots []string
	for i, scored := range []bool{true, false, true, true} {
		kind, outcome, team := 15, "Missed", 1+i%2
		if scored {
			kind, outcome = 16, "Scored"
		}
		kicks = append(kicks, eventIn(5, 500+i, kind, team, 10*team+i, 120, i, "9"))
		s.want(s.tell("F24", document(161+i, slices.Concat(told, []string{eventIn(1, 70, 70, 1, 0, 44, 50, "277=2")},
			kicks)...)), fmt.Sprintf("%d#1 shootout_kick confirmed 0-0", 500+i))
		shots = append(shots, fmt.Sprintf(`<PenaltyShot EventID="%d" PlayerRef="p%d" Outcome="%s"/>`, 500+i, 10*team+i,
			outcome))
	}
	s.want(s.tell("F9", match(170, "ShootOut", "", 0, 0, "<ShootOut>"+shots[0]+shots[2]+"</ShootOut>",
		"<ShootOut>"+shots[1]+shots[3]+"</ShootOut>")), "fixture#2 fixture confirmed 0-0")
	if sn := s.rec.Snapshot; sn.Score != (goalcast.Score{}) || *sn.Shootout != (goalcast.Score{Home: 2, Away: 1}) {
		t.Errorf("%v, shoot-out %v", sn.Score, sn.Shootout)
	}
}

func TestDelaysSuspensionAbandonment(t *testing.T) {
	s := &story{t: t}
	late := eventIn(16, 75, 75, 1, 0, 0, 0, "202")
	s.want(s.tell("F24", document(5, late)), "fixture#1 fixture confirmed 0-0",
		"delay:late_start#1 delay confirmed 0-0")
	if d := s.rec.Snapshot.Delay; d == nil || *d != (goalcast.Delay{Type: goalcast.LateStart, Reason: "weather"}) ||
		s.rec.Snapshot.State != goalcast.Scheduled {
		t.Errorf("%+v", d)
	}
	s.want(s.tell("F24", document(20, late, start)), "period:first_half#1 period confirmed 0-0")
	if s.rec.Snapshot.Delay != nil || s.rec.Snapshot.State != goalcast.Live {
		t.Errorf("%+v", s.rec.Snapshot.Delay)
	}
	// A stop for an injury is none; a suspension stands once for each team, and ends.
	injury, floods := event(270, 27, 1, 11, 10, "41", "53=11"), event(271, 27, 1, 0, 30, "226", "203")+event(272, 27, 2,
		0, 30, "226", "203")
	s.want(s.tell("F24", document(52, late, start, injury, floods)),
		"delay:suspended:first_half:30#1 delay confirmed 0-0")
	if d := s.rec.Snapshot.Delay; d == nil || *d != (goalcast.Delay{Type: goalcast.Suspended, Reason: "crowd"}) ||
		s.rec.Snapshot.State != goalcast.Live {
		t.Errorf("%+v", d)
	}
	s.want(s.tell("F24", document(70, late, start, injury, floods, event(281, 28, 1, 0, 33, "227"),
		event(282, 28, 2, 0, 33))), "delay:resumed:first_half:33#1 delay confirmed 0-0")
	if s.rec.Snapshot.Delay != nil {
		t.Errorf("%+v", s.rec.Snapshot.Delay)
	}
	// It is going to be abandoned, says F24; F7 says later that it is.
	s.want(s.tell("F24", document(80, late, start, injury, floods, event(281, 28, 1, 0, 33, "227"),
		event(282, 28, 2, 0, 33), event(76, 76, 1, 0, 40, "325", "202"))),
		"delay:abandonment#1 delay confirmed 0-0")
	if s.rec.Snapshot.State != goalcast.Abandoned || s.rec.Snapshot.Halted != "" {
		t.Errorf("%s %s", s.rec.Snapshot.State, s.rec.Snapshot.Halted)
	}
	s.want(s.tell("F7", match(90, "Abandoned", "Abandoned", 0, 0, "", "")), "fixture#2 fixture confirmed 0-0")
	if sn := s.rec.Snapshot; sn.State != goalcast.Abandoned || sn.Halted != goalcast.Abandoned ||
		sn.Venue != "The Green" || len(sn.Officials) != 2 ||
		sn.Officials[0] != (goalcast.Official{ID: 44, Name: "Anke Roel", Role: "referee"}) ||
		sn.Officials[1].Role != "var" {
		t.Errorf("%+v", sn.Fixture)
	}
}

func TestPostponedAndANewDate(t *testing.T) {
	s := &story{t: t}
	s.want(s.tell("F1", list(-500, "PreMatch", "2020-07-05 18:00:00", "", "")), "fixture#1 fixture confirmed 0-0")
	s.want(s.tell("F1", list(-100, "Postponed", "2020-07-05 18:00:00", "0", "0")), "fixture#2 fixture confirmed 0-0")
	if s.rec.Snapshot.State != goalcast.Postponed {
		t.Error(s.rec.Snapshot.State)
	}
	s.want(s.tell("F1", list(3000, "PreMatch", "2020-07-22 19:00:00", "", "")), "fixture#3 fixture confirmed 0-0")
	if sn := s.rec.Snapshot; sn.State != goalcast.Scheduled ||
		!sn.Kickoff.Equal(time.Date(2020, 7, 22, 18, 0, 0, 0, time.UTC)) || sn.Reported != nil {
		t.Errorf("%+v", sn.Fixture)
	}
}

func TestAwardedResult(t *testing.T) {
	s := begun(t)
	goal := `<Goal EventID="16" Period="FirstHalf" PlayerRef="p11" Time="27" Type="Goal"/>`
	s.tell("F24", document(27, start, event(16, 16, 1, 11, 26)))
	s.tell("F7", match(40, "Abandoned", "Abandoned", 1, 0, goal, ""))
	s.want(s.tell("F7", match(3000, "FullTime", "Awarded", 0, 3, goal, "")), "fixture#3 fixture confirmed 0-3",
		"period:half_time#1 period confirmed 0-3",
		"period:second_half#1 period confirmed 0-3", "period:full_time#1 period confirmed 0-3")
	sn := s.rec.Snapshot
	if sn.Score != (goalcast.Score{Away: 3}) || *sn.Awarded != (goalcast.Score{Away: 3}) ||
		sn.State != goalcast.Finished || len(sn.Timeline) != 5 {
		t.Errorf("%v, awarded %v, %s, %d events", sn.Score, sn.Awarded, sn.State, len(sn.Timeline))
	}
	for _, d := range disagreements(s.rec) {
		if d.What == "score" {
			t.Errorf("an awarded score is no claim about goals: %+v", d)
		}
	}
	// The fixture list may be the only one to tell; its last word replaces the one before.
	s = &story{t: t}
	s.tell("F1", list(3000, "Awarded", "2020-07-05 18:00:00", "3", "0"))
	if sn := s.rec.Snapshot; sn.Score != (goalcast.Score{Home: 3}) || sn.Awarded == nil ||
		sn.State != goalcast.Finished {
		t.Errorf("%v, awarded %v, %s", sn.Score, sn.Awarded, sn.State)
	}
	s.tell("F1", list(4000, "FullTime", "2020-07-05 18:00:00", "1", "1"))
	if sn := s.rec.Snapshot; sn.Score != (goalcast.Score{Home: 1, Away: 1}) || sn.Awarded != nil {
		t.Errorf("%v, awarded %v", sn.Score, sn.Awarded)
	}
}

func TestSubstitutions(t *testing.T) {
	s := begun(t)
	// At half time: period 2, 45:00, in both feeds; shown as 45 of the second half.
	half := eventIn(2, 1019, 19, 1, 12, 45, 0, "55=18") + eventIn(2, 1018, 18, 1, 11, 45, 0, "55=19", "42")
	s.want(s.tell("F24", document(62, start, half)), "1019#1 substitution confirmed 0-0")
	if e := s.event("opta:1019"); e.Period != goalcast.SecondHalf || e.Clock != "45" || e.Substitution.Off.ID != 11 ||
		e.Substitution.On.ID != 12 || e.Substitution.Reason != "tactical" {
		t.Errorf("%+v %+v", e, e.Substitution)
	}
	s.tell("F7", match(63, "SecondHalf", "", 0, 0,
		`<Substitution EventID="1019" Period="2" Time="45" SubOff="p11" SubOn="p12" Reason="Tactical"/>`+
			`<Substitution EventID="1021" Period="2" Time="60" SubOff="p12" SubOn="p13" Reason="Concussion"/><Substitution EventID="1022" Period="2" Time="70" SubOff="p14" Retired="1"/>`, ""))
	if e := s.event("opta:1019"); e.Revision != 1 {
		t.Errorf("told alike by both: %+v", e)
	}
	if e := s.event("opta:1021"); e.Substitution.Reason != "concussion" {
		t.Errorf("%+v", e.Substitution)
	}
	if e := s.event("opta:1022"); e.Substitution.On != nil || e.Substitution.Off.ID != 14 {
		t.Errorf("%+v", e.Substitution)
	}
}

// F24 gives an own goal to the scorer's team, F7 to the side that gains it: it is one goal, for the
// side that gains it, whichever comes first.
func TestOwnGoalFromBothFeeds(t *testing.T) {
	f24 := document(27, start, event(16, 16, 2, 21, 26, "28"))
	f7 := match(27, "FirstHalf", "", 1, 0, `<Goal EventID="16" Period="FirstHalf" PlayerRef="p21" Time="27" Type="Own"/>`, "")
	for _, f24First := range []bool{true, false} {
		s := &story{t: t}
		if f24First {
			s.tell("F24", f24)
			s.tell("F7", f7)
		} else {
			s.tell("F7", f7)
			s.tell("F24", f24)
		}
		e := s.event("opta:16")
		if s.rec.Snapshot.Score != (goalcast.Score{Home: 1}) || e.Team != 1 || e.Player.ID != 21 ||
			e.Goal.Type != goalcast.OwnGoal {
			t.Errorf("%v %+v %+v", s.rec.Snapshot.Score, e, e.Goal)
		}
		if d := disagreements(s.rec); len(d) != 0 {
			t.Errorf("%+v", d)
		}
	}
}
