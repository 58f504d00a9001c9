package odds

import "testing"

func TestMarketsAsViewersGetThem(t *testing.T) {
	two := []Selection{{Key: "home", Price: 2350}, {Key: "away", Price: 2900}, {Key: "draw"}}
	for want, market := range map[string]Market{
		`{"st":"open","sel":{"away":{"p":2900},"draw":{},"home":{"p":2350}}}`: {Status: Open, Selections: two},
		`{"st":"suspended","sel":{"away":{},"draw":{},"home":{}}}`:            {Status: Suspended, Selections: two},
		`{"st":"closed","sel":{}}`:                                            {Status: Closed},
		`{"st":"open","sel":{"2-1":{"p":9000}}}`: {Status: Open, Selections: []Selection{{Key: "2-1", Price: 9000},
			{Key: "2-1", Price: 9500}, {Key: `a"b`, Price: 2000}, {Key: "", Price: 2000}}},
	} {
		if got := string(market.encode()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
