package store

import (
	"fmt"
	"strings"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
)

func settled(market string, result goalcast.SettlementWord) goalcast.Event {
	return goalcast.Event{ID: "settlement:" + market, Status: goalcast.Confirmed, Kind: goalcast.KindSettlement,
		Match:  7,
		Topics: []goalcast.Topic{goalcast.ForOdds(7)}, Settlement: &goalcast.Settlement{Market: market,
			Results: []goalcast.SettlementResult{{Selection: "home", Result: result}}}}
}

func takenBack(market string) goalcast.Event {
	e := settled(market, "")
	e.Status, e.Settlement = goalcast.Cancelled, &goalcast.Settlement{Market: market}
	return e
}

func TestSettlementsAreRevised(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save := func(want string, events ...goalcast.Event) {
			t.Helper()
			saved, err := s.SaveSettlements(t.Context(), events)
			var got []string
			for _, e := range saved {
				got = append(got, fmt.Sprintf("%s %s %s", e.Key(), e.Status, e.Settlement.Results[0].Result))
			}
			if strings.Join(got, ", ") != want || err != nil {
				t.Errorf("saved %q, %v, want %q", got, err, want)
			}
		}
		save("", takenBack("1x2"))
		save("settlement:1x2#1 confirmed won, settlement:btts#1 confirmed lost", settled("1x2", goalcast.Won),
			settled("btts", goalcast.Lost))
		save("", settled("1x2", goalcast.Won))
		save("settlement:1x2#2 cancelled won", takenBack("1x2"))
		save("", takenBack("1x2"))
		save("settlement:1x2#3 confirmed void", settled("1x2", goalcast.Void))

		list, err := s.Settlements(t.Context(), 7)
		if err != nil || len(list) != 2 || list[0].Key() != "settlement:1x2#3" || list[1].Key() != "settlement:btts#1" {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err := s.Settlements(t.Context(), 8); err != nil || len(list) != 0 {
			t.Errorf("of another match: %+v, %v", list, err)
		}
		if events, err := s.Events(t.Context(), 7, 0, 10); err != nil || len(events) != 0 {
			t.Errorf("among the match's events: %+v, %v", events, err)
		}
		wrong := settled("1x2", goalcast.Won)
		wrong.Seq = 1
		if _, err := s.SaveSettlements(t.Context(), []goalcast.Event{wrong}); err == nil {
			t.Error("one with a place in the match's sequence was taken")
		}
	})
}

func TestSettlementsReachTheirTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		r := newRig(t, testservers.Redis(t))
		heard := r.listen()
		saved, err := s.SaveSettlements(t.Context(), []goalcast.Event{settled("1x2", goalcast.Won)})
		must(t, err)
		must(t, r.relay(s).Publish(t.Context(), saved))
		heard.Until("the settlement", func() bool { return len(heard.Events) == 1 })
		if e := heard.Events[0]; e.Key() != "settlement:1x2#1" || e.Topics[0] != goalcast.ForOdds(7) {
			t.Errorf("%+v", e)
		}
		var waiting int
		must(t, s.queryRow(t.Context(), `SELECT COUNT(*) FROM outbox WHERE planned_at IS NULL`).Scan(&waiting))
		if waiting > 0 {
			t.Errorf("%d rows wait for phones", waiting)
		}
	})
}
