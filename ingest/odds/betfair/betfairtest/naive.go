package betfairtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"sort"
	"strings"

	"goalcast/ingest/odds"
)

// Naive reads changes as Betfair's documentation says, into nothing but maps, all of them. It knows
// markets by Betfair's words only, and shares no code with what it is compared with.
type Naive struct {
	ladder  string // "batb" or "bdatb"
	markets map[string]map[string]any
}

// NewNaive makes a reader that has read nothing.
func NewNaive(ladder string) *Naive { return &Naive{ladder, map[string]map[string]any{}} }

// Apply reads the changes of a message.
func (n *Naive) Apply(changes ...json.RawMessage) {
	for _, text := range changes {
		var change map[string]any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&change); err != nil {
			panic(err)
		}
		id := change["id"].(string)
		market := n.markets[id]
		if market == nil {
			market = map[string]any{"prices": map[string]map[string][2]string{}}
			n.markets[id] = market
		}
		if change["img"] == true {
			market["prices"] = map[string]map[string][2]string{}
		}
		if d, ok := change["marketDefinition"]; ok {
			market["definition"] = d
		}
		runners, _ := change["rc"].([]any)
		for _, r := range runners {
			n.runner(market["prices"].(map[string]map[string][2]string), r.(map[string]any))
		}
	}
}

// runner keeps all levels.
func (n *Naive) runner(prices map[string]map[string][2]string, change map[string]any) {
	id := change["id"].(json.Number).String()
	if prices[id] == nil {
		prices[id] = map[string][2]string{}
	}
	levels, _ := change[n.ladder].([]any)
	for _, l := range levels {
		level, price, size := number(l, 0), number(l, 1), number(l, 2)
		if s, _ := new(big.Rat).SetString(size); s.Sign() == 0 {
			delete(prices[id], level)
		} else {
			prices[id][level] = [2]string{price, size}
		}
	}
}

func number(list any, i int) string { return list.([]any)[i].(json.Number).String() }

// Book is what a viewer should see: by event and market.
func (n *Naive) Book() map[string]map[string]odds.Market {
	out := map[string]map[string]odds.Market{}
	for _, market := range n.inOrder() {
		d := market["definition"].(map[string]any)
		m := odds.Market{Key: "betfair:" + d["marketType"].(string)}
		m.Status = odds.Status(strings.ToLower(d["status"].(string)))
		runners := d["runners"].([]any)
		sort.SliceStable(runners, func(i, j int) bool { return order(runners[i]) < order(runners[j]) })
		for _, one := range runners {
			r := one.(map[string]any)
			s := odds.Selection{Key: r["id"].(json.Number).String()}
			best, ok := market["prices"].(map[string]map[string][2]string)[s.Key]["0"]
			if ok && m.Status == odds.Open && r["status"] == "ACTIVE" {
				s.Text = best[0]
				exact, _ := new(big.Rat).SetString(best[0])
				exact.Mul(exact, big.NewRat(1000, 1))
				s.Price = odds.Price(new(big.Int).Quo(exact.Num(), exact.Denom()).Int64())
			}
			m.Selections = append(m.Selections, s)
		}
		event := d["eventId"].(string)
		if out[event] == nil {
			out[event] = map[string]odds.Market{}
		}
		if _, taken := out[event][m.Key]; !taken {
			out[event][m.Key] = m
		}
	}
	return out
}

// inOrder lists the markets that are defined: of those with one key the first is seen, and closed
// ones come last.
func (n *Naive) inOrder() (out []map[string]any) {
	for _, closed := range []bool{false, true} {
		for _, id := range slices.Sorted(maps.Keys(n.markets)) {
			d, ok := n.markets[id]["definition"].(map[string]any)
			if ok && closed == (d["status"] == "CLOSED") {
				out = append(out, n.markets[id])
			}
		}
	}
	return out
}

func order(r any) int64 {
	n, err := r.(map[string]any)["sortPriority"].(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return n
}
