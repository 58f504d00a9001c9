package betfair

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"goalcast/ingest/odds"
)

// maxAsked is how many events are asked for at once.
const maxAsked = 100

// names gets the names of events, which the stream does not have. Its goroutine asks; who owns the
// book gives it work and takes its answers, without ever waiting.
type names struct {
	api     *api
	session func() string
	every   time.Duration
	log     *slog.Logger
	metrics *metrics

	work    chan []string       // holds one request
	answers chan []odds.Fixture // and one answer
	busy    bool
	asked   map[string]time.Time
}

func (n *names) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case events := <-n.work:
			fixtures, err := n.api.names(ctx, n.session(), events)
			if n.metrics.called("names", err) != nil && ctx.Err() == nil {
				n.log.Warn("no names of events from betfair, asking again", "events", len(events), "error", err)
			}
			n.answers <- fixtures
		}
	}
}

// step takes an answer, if there is one, and asks for events that have no names yet.
func (n *names) step(b *book, now time.Time) (known []odds.Fixture) {
	select {
	case known = <-n.answers:
		n.busy = false
		return known
	default:
	}
	if n.busy {
		return nil
	}
	var events []string
	for id, ev := range b.events {
		if len(events) == maxAsked {
			break
		}
		if ev.fixture.Home == "" && len(ev.markets) > 0 && now.Sub(n.asked[id]) >= n.every {
			events = append(events, id)
		}
	}
	for id := range n.asked {
		if b.events[id] == nil {
			delete(n.asked, id)
		}
	}
	if len(events) == 0 {
		return nil
	}
	for _, id := range events {
		n.asked[id] = now
	}
	n.busy = true
	n.work <- events
	return nil
}

// names asks for the names of matches, by the runners of their match odds.
func (a *api) names(ctx context.Context, session string, events []string) ([]odds.Fixture, error) {
	in := map[string]any{
		"filter":           map[string]any{"eventIds": events, "marketTypeCodes": []string{"MATCH_ODDS"}},
		"marketProjection": []string{"EVENT", "COMPETITION", "RUNNER_DESCRIPTION"},
		"maxResults":       "1000",
	}
	var markets []struct {
		Event struct {
			ID       string    `json:"id"`
			Name     string    `json:"name"`
			OpenDate time.Time `json:"openDate"`
		} `json:"event"`
		Competition struct {
			Name string `json:"name"`
		} `json:"competition"`
		Runners []struct {
			ID    int64  `json:"selectionId"`
			Name  string `json:"runnerName"`
			Order int    `json:"sortPriority"`
		} `json:"runners"`
	}
	if err := a.call(ctx, "/exchange/betting/rest/v1.0/listMarketCatalogue/", session, in, &markets); err != nil {
		return nil, err
	}
	var out []odds.Fixture
	for _, m := range markets {
		f := odds.Fixture{Event: m.Event.ID, Competition: m.Competition.Name, Kickoff: m.Event.OpenDate.UTC()}
		teams := m.Runners[:0:0]
		for _, r := range m.Runners {
			if r.ID != draw {
				teams = append(teams, r)
			}
		}
		if len(teams) == 2 {
			i, j := 0, 1
			if cmp.Less(teams[1].Order, teams[0].Order) {
				i, j = 1, 0
			}
			f.Home, f.Away = teams[i].Name, teams[j].Name
		} else {
			f.Home, f.Away, _ = strings.Cut(m.Event.Name, " v ")
		}
		if f.Home != "" && f.Away != "" && slices.Contains(events, f.Event) {
			out = append(out, f)
		}
	}
	return out, nil
}
