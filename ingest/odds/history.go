package odds

import (
	"slices"
	"strings"
	"time"

	"goalcast"
)

// History remembers what was published. It does not block.
type History interface {
	Record([]goalcast.OddsShown)
}

// row is a market as it is about to be published.
func (m *match) row(key string) goalcast.OddsShown {
	row := goalcast.OddsShown{Match: m.id, Market: key, Source: m.from}
	if market, ok := m.books[m.from].markets[key]; ok {
		row.Status, row.Selections = string(market.Status), market.shown()
		row.Provider, row.Received = millis(market.provider), millis(market.received)
	}
	return row
}

// shown lists what a step that was published has shown, the gate first. An image without a new gate
// counts as one: what is not in it is gone.
func (m *match) shown(step goalcast.OddsStep, now time.Time) (list []goalcast.OddsShown) {
	if step.Set == nil && !step.Image && len(m.rows) == 0 {
		return nil
	}
	at := m.after(now.UnixMilli())
	if step.Set != nil || step.Image {
		gate := m.gate
		list = append(list, goalcast.OddsShown{Match: m.id, Market: goalcast.GateKey, At: at, Gate: &gate})
	}
	for _, row := range m.rows {
		row.At = at
		list = append(list, row)
	}
	m.rows = nil
	return list
}

// shut is the gate as somebody else has set it, which whoever publishes learns of afterwards.
func (m *match) shut() []goalcast.OddsShown {
	if m.gate.State == "" {
		return nil
	}
	gate := m.gate
	return []goalcast.OddsShown{{Match: m.id, Market: goalcast.GateKey, At: m.after(gate.Since), Gate: &gate}}
}

// after is a moment of the history: later than all before, whatever clocks say.
func (m *match) after(at int64) int64 {
	m.shownAt = max(at, m.shownAt+1)
	return m.shownAt
}

// shown are the selections as viewers got them, by key.
func (m Market) shown() []goalcast.ShownSelection {
	list := make([]goalcast.ShownSelection, 0, len(m.Selections))
	for _, s := range m.Selections {
		if m.Status != Open {
			s.Price = 0
		}
		list = append(list, goalcast.ShownSelection{Key: s.Key, Price: int32(s.Price), Text: s.Text})
	}
	slices.SortFunc(list, func(a, b goalcast.ShownSelection) int { return strings.Compare(a.Key, b.Key) })
	return list
}
