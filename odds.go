package goalcast

import (
	"encoding/json"
	"errors"
	"time"
)

// GateKey is the key of the one state of a topic of prices that is no price: its Gate.
const GateKey = "!"

// GateSilence is how long after the last word on a topic of prices its gate counts as shut: who
// holds the source says something once a second.
const GateSilence = 3 * time.Second

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

// OddsShown is a market, or the gate, as it was published: a line of the history.
type OddsShown struct {
	Match  MatchID
	Market string // GateKey for the gate
	At     int64  // when it was published, ms since 1970 UTC by the database's clock
	// Gate is set where Market is GateKey. A gate takes all markets with it: what is shown behind
	// an open one was published with it or later.
	Gate       *Gate
	Source     string           // whose price it is; empty for a gate
	Status     string           // "open", "suspended", "closed"; empty where the market is gone, and for a gate
	Selections []ShownSelection // by key; none where the market is gone
	Provider   int64            // when the provider says it was so, ms; 0 where it does not say
	Received   int64            // when it reached us, ms
}

// ShownSelection is an answer of a market and its price.
type ShownSelection struct {
	Key   string `json:"k"`
	Price int32  `json:"p,omitempty"` // thousandths; 0: cannot be bet on
	Text  string `json:"t,omitempty"` // as the provider wrote it
}

// OddsMapping is an event of a provider of odds, as it describes it, and the match that it is.
type OddsMapping struct {
	Source      string          `json:"source"`
	Event       string          `json:"event"`                // the provider's id
	Match       MatchID         `json:"match,omitempty"`      // 0: nobody knows, or none of ours
	Decision    MappingDecision `json:"decision"`             // who says so
	Candidates  []MatchID       `json:"candidates,omitempty"` // where nobody knows: what it may be; at most 10
	Competition string          `json:"competition,omitempty"`
	Kickoff     time.Time       `json:"kickoff,omitzero"`
	Home        string          `json:"home,omitempty"`
	Away        string          `json:"away,omitempty"`
	Described   time.Time       `json:"described"`        // by the provider, last
	Decided     time.Time       `json:"decided,omitzero"` // when Decision became what it is
	By          string          `json:"by,omitempty"`     // the operator
}

// MappingDecision says who says what match an event is.
type MappingDecision string

// The decisions there are. What an operator decides is not looked for again.
const (
	MappingOpen    MappingDecision = "unmapped" // there is no match, or more than one, that fits
	MappingFound   MappingDecision = "found"    // the one match that fits
	MappingDecided MappingDecision = "decided"  // an operator said so
	MappingRefused MappingDecision = "refused"  // an operator said that it is none of ours
)

// OddsMappingFilter chooses mappings; zero fields choose all.
type OddsMappingFilter struct {
	Source   string
	Decision MappingDecision
	Match    MatchID // that it is, not that it may be
	After    OddsMappingPlace
	Limit    int // default and most: 1001
}

// OddsMappingPlace is the place of a mapping in a list, those described last first; zero before the
// first.
type OddsMappingPlace struct {
	Described     time.Time
	Source, Event string
}

// Why an operator's decision about an event is refused, besides ErrNotFound for an event that no
// provider has described.
var (
	ErrNoMatch = errors.New("there is no such match")
	ErrTaken   = errors.New("an operator has decided that another event of the source is this match")
)

// OddsDecision is what an operator's word has changed.
type OddsDecision struct {
	Mapping OddsMapping `json:"mapping"` // as it is now
	Before  OddsMapping `json:"before"`
	// Displaced is the other event of the source that had been found to be the
	// match; it is unmapped now.
	Displaced *OddsMapping `json:"displaced,omitempty"`
}

// Matches lists the matches whose prices may be of another one: that which the event was, and that
// which it is. Where it is the same, none.
func (d OddsDecision) Matches() (list []MatchID) {
	for _, id := range []MatchID{d.Before.Match, d.Mapping.Match} {
		if id != 0 && d.Before.Match != d.Mapping.Match {
			list = append(list, id)
		}
	}
	return list
}

// OddsGate says whether an operator has shut the prices of a match.
type OddsGate struct {
	Match MatchID   `json:"match"`
	Shut  bool      `json:"shut"`
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
}

// OddsFixture is a match as it is compared with what providers of odds describe.
type OddsFixture struct {
	Match       MatchID
	Competition string
	Kickoff     time.Time
	Home, Away  string
}

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

// OddsAt is what was published of a selection at a moment. A hub that heard nothing for GateSilence
// has shut its own gate besides.
type OddsAt struct {
	Match     MatchID `json:"match"`
	Market    string  `json:"market"`
	Selection string  `json:"selection"`
	At        int64   `json:"at"` // the moment, ms since 1970 UTC

	Shown  bool       `json:"shown"`
	Gate   GateState  `json:"gate,omitempty"` // empty: there were no prices of the match
	Reason GateReason `json:"reason,omitempty"`
	Since  int64      `json:"since,omitempty"` // of the gate

	Source string `json:"source,omitempty"`
	Status string `json:"status,omitempty"` // of the market; empty if there was none behind the gate
	Price  int32  `json:"price,omitempty"`  // thousandths
	Text   string `json:"text,omitempty"`   // as the provider wrote it

	// when the price passed: the provider's time, its receipt, its publication
	Provider  int64 `json:"provider,omitempty"`
	Received  int64 `json:"received,omitempty"`
	Published int64 `json:"published,omitempty"`
}
