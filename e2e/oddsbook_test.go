package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/ingest/odds"
)

// book is the markets of a match by key, each in short: "open away=2900 draw=- home=2350".
type book map[string]string

// reader is a viewer of prices.
type reader struct {
	*viewer
	name string

	mu  sync.Mutex
	bad error // what nobody must ever see
}

// newReader joins a reader of topics of prices. may says whether a market was ever so.
func newReader(t *testing.T, name, base string, over transport, topics []goalcast.Topic,
	may func(match goalcast.MatchID, key, market string) bool) *reader {
	r := &reader{viewer: newViewer(t, base, over, topics...), name: name}
	r.Priced = func(st goalcast.State) {
		match, text := goalcast.MatchID(st.Topic.ID), wireText(st.Value)
		if !may(match, st.Key, text) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bad = errors.Join(r.bad, fmt.Errorf("%s, match %d, %s: %s was never so", name, match, st.Key, text))
		}
	}
	r.Join()
	return r
}

// sees is what is visible of a match; nil while nothing may be.
func (r *reader) sees(match goalcast.MatchID) (b book, bad error) {
	if shown := r.Shown(match); shown != nil {
		b = book{}
		for key, st := range shown {
			b[key] = wireText(st.Value)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return b, r.bad
}

// wireText is a market in short as the wire has it.
func wireText(value json.RawMessage) string {
	var m struct {
		Status     string `json:"st"`
		Selections map[string]struct {
			Price int64 `json:"p"`
		} `json:"sel"`
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return fmt.Sprintf("%v: %s", err, value)
	}
	prices := map[string]int64{}
	for key, s := range m.Selections {
		prices[key] = s.Price
	}
	return inShort(m.Status, prices)
}

// marketText is a market in short as a naive reader has it.
func marketText(m odds.Market) string {
	prices := map[string]int64{}
	for _, s := range m.Selections {
		prices[s.Key] = int64(s.Price)
	}
	return inShort(string(m.Status), prices)
}

func inShort(status string, prices map[string]int64) string {
	words := []string{status}
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		price := "-"
		if p := prices[key]; p != 0 {
			price = fmt.Sprint(p)
		}
		words = append(words, key+"="+price)
	}
	return strings.Join(words, " ")
}
