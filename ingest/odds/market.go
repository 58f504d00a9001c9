package odds

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// Price is decimal odds in thousandths: 2350 is 2.350. Zero is no price: the selection cannot be
// bet on now.
type Price int32

// The limits of a price. At 1.000 nothing is won; above a million a provider has made a mistake.
const (
	MinPrice Price = 1_001
	MaxPrice Price = 1_000_000_000
)

// ErrPrice is the error of ParsePrice.
var ErrPrice = errors.New("no price")

// ParsePrice reads a decimal price, "2.35" or "2", rounded down to thousandths. Text that is no
// number, with an exponent or a sign, and prices out of range yield ErrPrice.
func ParsePrice(text string) (Price, error) {
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" || len(whole) > 7 || point && fraction == "" || len(fraction) > 30 {
		return 0, fmt.Errorf("%w: %.40q", ErrPrice, text)
	}
	var p int64
	for i := range len(whole) + len(fraction) {
		digit := byte(0)
		if i < len(whole) {
			digit = whole[i]
		} else {
			digit = fraction[i-len(whole)]
		}
		if digit < '0' || digit > '9' {
			return 0, fmt.Errorf("%w: %.40q", ErrPrice, text)
		}
		if i < len(whole)+3 {
			p = p*10 + int64(digit-'0')
		}
	}
	for range 3 - min(3, len(fraction)) {
		p *= 10
	}
	if p < int64(MinPrice) || p > int64(MaxPrice) {
		return 0, fmt.Errorf("%w: %.40q is out of range", ErrPrice, text)
	}
	return Price(p), nil
}

// Status says whether a market can be bet on.
type Status string

// What a market can be.
const (
	Open      Status = "open"
	Suspended Status = "suspended"
	Closed    Status = "closed"
)

// Market is one question about a match and its prices. It is atomic: its selections are of one
// moment.
type Market struct {
	// Key names the market within the match, in goalcast's words where there are some: "1x2",
	// "ou:2.5", "ah:-1.5", "btts", "dnb", "dc", "cs"; else the provider's:
	// "betfair:CORRECT_SCORE2". At most 100 bytes of a-z, A-Z, 0-9 and "._:+-/".
	Key        string
	Status     Status
	Selections []Selection

	stamp // set by the sink
}

// Selection is one answer.
type Selection struct {
	// Key names the selection within the market: "home", "draw", "away", "over", "under", "yes",
	// "no", "2-1"; else the provider's id. Same letters as a market's.
	Key   string
	Price Price  // 0: cannot be bet on now
	Text  string // the price as the provider wrote it; for the history
}

// Settlement is how bets on a market ended.
type Settlement struct {
	Market    string // key
	Results   []Result
	Cancelled bool // it is taken back: the market was settled by mistake
	// Void says that bets on the market are void, whatever the selection; there are no Results.
	// With From or Until that is so for bets placed in between only, and the market goes on; zero
	// is no bound.
	Void        bool
	From, Until time.Time
}

// Result is how bets on one selection ended.
type Result struct {
	Selection string
	Outcome   Outcome
	DeadHeat  Price // share of the stake that counts, in thousandths, where several won; 0 is all
}

// Outcome is the end of a bet.
type Outcome = goalcast.SettlementWord

// The ends there are. With a half the other half of the stake is given back.
const (
	Won      = goalcast.Won
	Lost     = goalcast.Lost
	Void     = goalcast.Void
	HalfWon  = goalcast.HalfWon
	HalfLost = goalcast.HalfLost
)

// encode is the market as the value of a state, {"st":"open","sel":{"away":{"p":2900},"home":{}}}:
// prices in thousandths by selection, none where it cannot be bet on, none at all in a market that
// cannot. Written by hand, since it is done for every change. Keys have letters that JSON takes as
// they are; a selection with another one, or that is there twice, is left out.
func (m Market) encode() json.RawMessage {
	order := make([]int, len(m.Selections))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(m.Selections[i].Key, m.Selections[j].Key) })
	text := make([]byte, 0, 24+24*len(order))
	text = append(append(append(text, `{"st":"`...), m.Status...), `","sel":{`...)
	last := ""
	for _, i := range order {
		s := m.Selections[i]
		if s.Key == last || !plain(s.Key) {
			continue
		}
		if last != "" {
			text = append(text, ',')
		}
		last = s.Key
		text = append(append(append(text, '"'), s.Key...), `":{`...)
		if s.Price > 0 && m.Status == Open {
			text = strconv.AppendInt(append(text, `"p":`...), int64(s.Price), 10)
		}
		text = append(text, '}')
	}
	return append(text, '}', '}')
}

// plain says whether a key can stand in JSON as it is.
func plain(key string) bool {
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
