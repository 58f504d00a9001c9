package goalcast

import "strings"

// Settlement is the detail of KindSettlement: how bets on one market ended. There is one event for
// each market of a match, whose newest revision counts: a provider may correct it, and take it back
// (Cancelled), after which the market is not settled. Its JSON is in event frames.
type Settlement struct {
	Market string `json:"market"`         // key of the market's state: "1x2", "ou:2.5"
	Line   string `json:"line,omitempty"` // of a market that has one: "2.5", "-1.5"
	// Results are by selection. Those of a selection that is not listed are not known.
	Results []SettlementResult `json:"results,omitempty"`
	// Void says that all bets are void, whatever the selection; there are no Results. With From or
	// Until (ms since 1970 UTC; 0 is no bound) that is so for bets placed in between, and the
	// market goes on.
	Void  bool  `json:"void,omitempty"`
	From  int64 `json:"from,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// SettlementResult is how bets on one selection ended.
type SettlementResult struct {
	Selection string         `json:"selection"`
	Result    SettlementWord `json:"result"`
	// DeadHeat is the share of the stake that counts, in thousandths, where several selections won
	// that only one should have; 0 is all of it.
	DeadHeat int32 `json:"dead_heat,omitempty"`
}

// SettlementWord is the end of a bet.
type SettlementWord string

// The ends there are. With a half the other half of the stake is given back.
const (
	Won      SettlementWord = "won"
	Lost     SettlementWord = "lost"
	Void     SettlementWord = "void"
	HalfWon  SettlementWord = "half_won"
	HalfLost SettlementWord = "half_lost"
)

// MarketLine is the line in the key of a market that is named in goalcast's words: "2.5" of
// "ou:2.5". Empty for one without, or of a provider's own name.
func MarketLine(key string) string {
	name, line, _ := strings.Cut(key, ":")
	if name == "ou" || name == "ah" {
		return line
	}
	return ""
}
