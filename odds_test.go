package goalcast_test

import (
	"encoding/json"
	"testing"

	"goalcast"
)

func TestWhatShutsAGate(t *testing.T) {
	for name, tt := range map[string]struct {
		e    goalcast.Event
		want goalcast.GateReason
	}{
		"goal":               {of(goalcast.KindGoal, 1), goalcast.GateGoal},
		"its assist":         {of(goalcast.KindGoal, 2), ""},
		"taken back":         {takenBack(of(goalcast.KindGoal, 3)), goalcast.GateGoal},
		"penalty":            {of(goalcast.KindPenalty, 1), goalcast.GatePenalty},
		"red card":           {cardOf(goalcast.StraightRed), goalcast.GateRedCard},
		"second yellow card": {cardOf(goalcast.SecondYellow), goalcast.GateRedCard},
		"yellow card":        {cardOf(goalcast.Yellow), ""},
		"review":             {reviewOf("under_review"), goalcast.GateReview},
		"end of a review":    {reviewOf("confirmed"), ""},
		"substitution":       {of(goalcast.KindSubstitution, 1), ""},
	} {
		if got := tt.e.ShutsGate(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func of(kind goalcast.Kind, revision int) goalcast.Event {
	return goalcast.Event{Kind: kind, Revision: revision, Status: goalcast.Confirmed}
}

func takenBack(e goalcast.Event) goalcast.Event {
	e.Status = goalcast.Cancelled
	return e
}

func cardOf(card goalcast.CardType) goalcast.Event {
	e := of(goalcast.KindCard, 1)
	e.Card = &goalcast.Card{Type: card}
	return e
}

func reviewOf(outcome string) goalcast.Event {
	e := of(goalcast.KindVAR, 2)
	e.VAR = &goalcast.VAR{Outcome: outcome}
	return e
}

// What cannot be understood shows nothing.
func TestGatesThatCannotBeReadAreShut(t *testing.T) {
	for _, text := range []string{``, `null`, `7`, `{}`, `{"gate":"ajar"}`, `{"gate":`} {
		if g := goalcast.ReadGate(json.RawMessage(text)); g.State != goalcast.GateSuspended {
			t.Errorf("%q is %s", text, g.State)
		}
	}
	open := goalcast.Gate{State: goalcast.GateOpen, Since: 7}
	if got := goalcast.ReadGate(open.Encode()); got != open {
		t.Errorf("%+v", got)
	}
}
