package uoftest

import (
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"goalcast/ingest/odds"
)

// Play says n messages about eight matches, from sr:match:100 on: odds of some markets, or that
// bets stop.
func (p *Provider) Play(random *rand.Rand, n int) {
	for range n {
		event, producer := fmt.Sprint("sr:match:", 100+random.IntN(8)), []int{1, 1, 1, 3}[random.IntN(4)]
		if random.IntN(20) == 0 {
			p.Say("bet_stop", producer, event,
				[]string{`groups="all"`, `groups="bookings"`, `groups="score"`}[random.IntN(3)], "")
			continue
		}
		var markets []string
		for range 1 + random.IntN(3) {
			status := []int{1, 1, 1, 1, 1, 0, -1, -2}[random.IntN(8)]
			price := fmt.Sprintf("%.3f", 1.01+9*random.Float64())
			markets = append(markets, []string{
				Market(1, "", status, "1="+price, "2=3.4", "3=4.12345"),
				Market(18, fmt.Sprintf("total=%d.5", random.IntN(4)), status, "12="+price, "13=1.9"),
				Market(29, "", status, "74="+price, "76=1.95"),
				Market(139, "total=3.5", status, "12="+price, "13=1.85"),
				Market(60, "a=1|b=2", status, "1="+price),
			}[random.IntN(5)])
		}
		p.Odds(producer, event, markets...)
	}
}

// Naive reads all messages of the feed in order, with everything in memory and without any care. It
// returns the prices that are shown: "event market selection".
func Naive(tb testing.TB, messages []string) map[string]odds.Price {
	tb.Helper()
	type outcome struct {
		ID     string  `xml:"id,attr"`
		Odds   float64 `xml:"odds,attr"`
		Active string  `xml:"active,attr"`
	}
	type market struct {
		ID         int       `xml:"id,attr"`
		Specifiers string    `xml:"specifiers,attr"`
		Status     string    `xml:"status,attr"`
		Outcomes   []outcome `xml:"outcome"`
	}
	groups := map[int]string{1: "score", 18: "score", 29: "score", 139: "bookings"}
	type key struct{ event, market string }
	book, owner, ids := map[key]map[string]odds.Price{}, map[key]int{}, map[key]int{}
	for _, text := range messages {
		var m struct {
			XMLName xml.Name
			Product int      `xml:"product,attr"`
			Event   string   `xml:"event_id,attr"`
			Groups  string   `xml:"groups,attr"`
			Markets []market `xml:"odds>market"`
			Settled []market `xml:"outcomes>market"`
		}
		if err := xml.Unmarshal([]byte(text), &m); err != nil {
			tb.Fatal(err)
		}
		if !strings.HasPrefix(m.Event, "sr:match:") {
			continue
		}
		for _, mk := range m.Markets {
			k := key{m.Event, naiveKey(mk.ID, mk.Specifiers)}
			if owner[k] == 1 && m.Product != 1 || mk.Status == "-2" && owner[k] != m.Product {
				continue
			}
			owner[k], ids[k] = m.Product, mk.ID
			book[k] = map[string]odds.Price{}
			for _, o := range mk.Outcomes {
				if (mk.Status == "1" || mk.Status == "") && o.Active != "0" && o.Odds != 0 {
					book[k][naiveSelection(mk.ID, o.ID)] = odds.Price(o.Odds*1000 + 1e-6)
				}
			}
		}
		for _, mk := range m.Settled {
			delete(book, key{m.Event, naiveKey(mk.ID, mk.Specifiers)})
		}
		if m.XMLName.Local == "bet_stop" {
			for k := range book {
				if k.event == m.Event && (m.Groups == "all" || strings.Contains(m.Groups, groups[ids[k]])) &&
					(m.Product == 1 || owner[k] != 1) {
					book[k] = nil
				}
			}
		}
	}
	shown := map[string]odds.Price{}
	for k, selections := range book {
		for s, price := range selections {
			shown[k.event+" "+k.market+" "+s] = price
		}
	}
	return shown
}

func naiveKey(id int, specifiers string) string {
	switch id {
	case 1:
		return "1x2"
	case 18:
		return "ou:" + strings.TrimPrefix(specifiers, "total=")
	case 29:
		return "btts"
	}
	key := fmt.Sprintf("uof:%d:%s", id, strings.NewReplacer("=", ":", "|", "/").Replace(specifiers))
	return strings.TrimSuffix(key, ":")
}

func naiveSelection(id int, outcome string) string {
	name := map[string]string{"1 1": "home", "1 2": "draw", "1 3": "away", "18 12": "over", "18 13": "under",
		"29 74": "yes", "29 76": "no"}[fmt.Sprint(id, " ", outcome)]
	if name == "" {
		return outcome
	}
	return name
}
