package goalcast

// ShutsGate says which reason an event is to shut the gate of its match's prices; "" for none, and
// for events that end nothing: a cancelled goal changes prices as much as a goal.
func (e Event) ShutsGate() GateReason {
	switch e.Kind {
	case KindGoal:
		return GateGoal
	case KindPenalty:
		return GatePenalty
	case KindCard:
		if e.Card != nil && e.Card.Type != Yellow {
			return GateRedCard
		}
	case KindVAR:
		if e.VAR != nil && e.VAR.Outcome == "under_review" && e.Status != Cancelled {
			return GateReview
		}
	}
	return ""
}
