package goalcast

import "encoding/json"

// GateKey is the key of the one state of a topic of prices that is no price: its Gate.
const GateKey = "!"

// Gate says whether prices of a match may be shown. It is the value of the state GateKey. Shutting
// it takes back every price that was told before; what is shown after it opens was told after it
// opened. It overtakes all other states, and is neither conflated nor throttled.
type Gate struct {
	State  GateState  `json:"gate"`
	Reason GateReason `json:"reason,omitempty"` // empty while open
	Since  int64      `json:"since"`            // when it came to be so, ms since 1970 UTC
}

// Encode is the gate as the value of a state.
func (g Gate) Encode() json.RawMessage {
	text, err := json.Marshal(g)
	if err != nil {
		panic("gate: " + err.Error()) // texts and a number
	}
	return text
}

// GateState is what a gate can be.
type GateState string

// The states of a gate.
const (
	GateOpen      GateState = "open"
	GateSuspended GateState = "suspended" // no price may be shown now
	GateClosed    GateState = "closed"    // nor will there be any more
)

// GateReason says why no price is shown.
type GateReason string

// The reasons there are.
const (
	GateStart      GateReason = "start"      // no prices have come yet
	GateSilent     GateReason = "silent"     // the provider was not heard for its time to live
	GateProvider   GateReason = "provider"   // the provider says that its prices are not to be trusted
	GateConnection GateReason = "connection" // there is no connection to the provider
	GateBus        GateReason = "bus"        // the hub node hears nothing of the bus
	GateGoal       GateReason = "goal"
	GatePenalty    GateReason = "penalty"
	GateRedCard    GateReason = "red_card"
	GateReview     GateReason = "review"   // the video assistant looks at something
	GateOperator   GateReason = "operator" // shut by hand
	GateUnmapped   GateReason = "unmapped" // the prices were taken for those of another match
	GateFinished   GateReason = "finished" // the match is over
)

// GateReasons lists them.
var GateReasons = []GateReason{GateStart, GateSilent, GateProvider, GateConnection, GateBus, GateGoal, GatePenalty,
	GateRedCard, GateReview, GateOperator, GateUnmapped, GateFinished}

// ReadGate reads the value of a state GateKey. What cannot be understood is a shut gate: nothing is
// shown on the strength of it.
func ReadGate(value json.RawMessage) Gate {
	var g Gate
	if json.Unmarshal(value, &g) != nil || g.State != GateOpen && g.State != GateClosed {
		g.State = GateSuspended
	}
	return g
}

// OddsStep is what changes in the prices of one match at once.
type OddsStep struct {
	Topic Topic
	// Fence is the turn of the process that holds the source; each holder has a higher one than
	// those before. A step with a lower one than the bus has seen is refused. 0 is nobody's turn:
	// it can shut and no more.
	Fence int64
	// Gate is the version of the gate that the caller knows: the bus refuses to open it, or to take
	// prices, if somebody has shut it since.
	Gate int64
	// Set is the new gate; nil leaves it as it is. Shutting needs no Gate and always succeeds.
	Set *Gate
	// Image says that Prices are all there are: others are removed.
	Image  bool
	Prices []State
}

// OddsDone is what became of an OddsStep.
type OddsDone struct {
	Outcome OddsOutcome
	Gate    int64 // the version of the gate now; 0: there is none
	Now     Gate  // where it was refused: the gate as somebody else has set it; zero: there is none
}

// OddsOutcome is the end of a step.
type OddsOutcome int

// The ends of a step.
const (
	OddsPublished OddsOutcome = iota
	OddsShut                  // refused: the gate is shut, or was shut and opened since
	OddsFenced                // refused: another process holds the source now
)

// ShutsGate says for which reason an event shuts the gate of its match's prices; "" if it does not.
// A goal that is taken back changes prices as much as a goal; that its scorer or an assist is told
// later does not.
func (e Event) ShutsGate() GateReason {
	if e.Revision > 1 && e.Status != Cancelled && e.Kind != KindVAR {
		return ""
	}
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
