package odds

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

func TestWhatIsShownIsRemembered(t *testing.T) {
	o := newOffice(t, newBus(t, testservers.Redis(t)))
	o.turns.fences <- 1
	at := time.UnixMilli(1_790_000_000_123)
	market := func(text string) []Market {
		price, err := ParsePrice(text)
		if err != nil {
			t.Fatal(err)
		}
		return []Market{{Key: "1x2", Status: Open, Selections: []Selection{{Key: "home", Price: price, Text: text}}}}
	}
	o.says(func(s Sink) { s.Image("e", at, market("2.3599")) })
	rows := func() (list []string) {
		for _, row := range o.ledger.shown {
			if row.Gate != nil {
				list = append(list, strings.TrimSpace(fmt.Sprintf("!%s %s", row.Gate.State, row.Gate.Reason)))
				continue
			}
			list = append(list, fmt.Sprintf("%s %s %s %v provider %d received %t", row.Source, row.Market, row.Status,
				row.Selections, row.Provider, row.Received > 0 && row.Received <= row.At))
		}
		return list
	}
	wait := func(what string, want ...string) {
		t.Helper()
		o.ledger.until(t, what, func() bool {
			return strings.HasSuffix(strings.Join(rows(), "\n"), strings.Join(want, "\n"))
		})
	}
	wait("the image", "!open", "test 1x2 open [{home 2359 2.3599}] provider 1790000000123 received true")
	o.says(func(s Sink) { s.Change("e", time.Time{}, market("2.40")) })
	wait("a change", "test 1x2 open [{home 2400 2.40}] provider 0 received true")
	o.says(func(s Sink) { s.Down(ReasonProvider) })
	wait("the provider's word", "!suspended provider")
}

func TestSettlementsAreSavedInTheirOrder(t *testing.T) {
	o := newOffice(t, newBus(t, testservers.Redis(t)))
	o.ledger.failures = 1 // the database is away: nothing is lost
	o.turns.fences <- 1
	o.says(func(s Sink) {
		s.Settle("e", time.UnixMilli(5), []Settlement{{Market: "ou:2.5",
			Results: []Result{{Selection: "over", Outcome: Won,
				DeadHeat: 500}}}})
		s.Settle("e", time.Time{}, []Settlement{{Market: "ou:2.5", Cancelled: true}})
	})
	o.ledger.until(t, "both", func() bool { return len(o.ledger.settled) == 2 })
	first, second := o.ledger.settled[0], o.ledger.settled[1]
	if first.ID != "settlement:ou:2.5" || first.Match != testMatch || first.Topics[0] != goalcast.ForOdds(testMatch) ||
		first.Settlement.Line != "2.5" || first.Settlement.Results[0] != (goalcast.SettlementResult{Selection: "over",
		Result: goalcast.Won, DeadHeat: 500}) || first.Times.Provider != 5 || first.Times.Received == 0 {
		t.Errorf("%+v %+v", first, first.Settlement)
	}
	if second.ID != first.ID || second.Status != goalcast.Cancelled {
		t.Errorf("%+v", second)
	}
}

func TestTheSourceThatIsShownSettles(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	b := NewBooks([]SourceConfig{{Name: "first", Priority: 1, TTL: time.Minute}, {Name: "second", Priority: 2,
		TTL: time.Minute}}, time.Second)
	counts := func(first, second bool) {
		t.Helper()
		if b.Settles("first", 1) != first || b.Settles("second", 1) != second {
			t.Errorf("first %t, second %t", b.Settles("first", 1), b.Settles("second", 1))
		}
	}
	counts(true, true) // nobody has the match any more
	image := []Market{{Key: "1x2", Status: Open, Selections: []Selection{{Key: "home", Price: 2000}}}}
	b.Image("second", 1, image, now)
	b.Image("first", 1, image, now)
	counts(true, false)
	b.Down("first", ReasonProvider)
	for _, step := range b.Steps(1, now) {
		b.Done(step, goalcast.OddsDone{Outcome: goalcast.OddsShut}, now)
	}
	b.Steps(1, now)
	counts(false, true)
}

func TestAlarmsOfSources(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	var h health
	h.begin()
	up := map[string]SourceState{"a": {}}
	want := func(kinds ...goalcast.AlarmKind) {
		t.Helper()
		var got []goalcast.AlarmKind
		for _, a := range h.firing(now, 10) {
			got = append(got, a.Kind)
		}
		if fmt.Sprint(got) != fmt.Sprint(kinds) {
			t.Errorf("%v, want %v", got, kinds)
		}
	}
	h.show(Stats{Sources: up, Most: 10})
	want()
	h.show(Stats{Sources: map[string]SourceState{"a": {Down: goalcast.GateSilent}}, Most: 11, Largest: 5})
	now = now.Add(downAfter - time.Second)
	want(goalcast.AlarmOddsStates)
	now = now.Add(time.Second)
	want(goalcast.AlarmOddsSource, goalcast.AlarmOddsStates)
	h.show(Stats{Sources: up})
	want()

	h.told("a", stamp{provider: now.Add(-lateBy), received: now})
	want()
	h.told("a", stamp{received: now})
	want()
	h.told("a", stamp{provider: now.Add(-lateBy - time.Millisecond), received: now})
	want(goalcast.AlarmOddsLate)
	now = now.Add(lateFor)
	want()

	if limit := h.quota("a", 500, 0); limit != 500 {
		t.Error(limit)
	}
	want()
	h.quota("a", 50, 0)
	want()
	h.quota("a", 49, 0)
	want(goalcast.AlarmOddsQuota)
	h.quota("a", 49, 100)
	want()
}
