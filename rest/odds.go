package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"goalcast"
	"goalcast/internal/cache"
)

// Odds gives the gate of a match's prices, and the prices if it is open. Without a gate (State is
// empty) there are none. The bus is one.
type Odds interface {
	Odds(ctx context.Context, match goalcast.MatchID, now time.Time) (goalcast.Gate, []goalcast.State, error)
}

// Settlements lists how bets on a match ended: the newest revision of each market. The database is
// one.
type Settlements interface {
	Settlements(context.Context, goalcast.MatchID) ([]goalcast.Event, error)
}

// oddsReadTime is how long reading prices may take: what takes longer is not worth showing.
const oddsReadTime = time.Second

// oddsReading is what the bus said of a match's prices. It is shared by all who ask for them until
// the next one, and so is its answer.
type oddsReading struct {
	gate   goalcast.Gate
	prices []goalcast.State

	mu   sync.Mutex        // guards the rest
	made *answer           // nil until somebody asks
	with *[]oddsSettlement // that made was made with; the cache has another one when they change
}

// oddsPage is the answer of /v1/matches/{id}/odds. The gate's fields are those on the wire.
type oddsPage struct {
	Match goalcast.MatchID `json:"match"`
	goalcast.Gate
	Markets     []oddsMarket     `json:"markets"`     // by key; none while the gate is not open
	Settlements []oddsSettlement `json:"settlements"` // by market
}

// oddsMarket is a market as on the wire, without its topic.
type oddsMarket struct {
	Key     string          `json:"key"`
	Version int64           `json:"version"`
	At      int64           `json:"at"` // ms since 1970 UTC
	Value   json.RawMessage `json:"value"`
}

// oddsSettlement is the newest revision of how bets on a market ended.
type oddsSettlement struct {
	goalcast.Settlement
	Revision int             `json:"revision"`
	Status   goalcast.Status `json:"status"` // cancelled: it was taken back, and the market is not settled
}

// useOdds makes what getOdds reads through.
func (s *Server) useOdds(deps Deps, settlements cache.Options) {
	s.odds, s.settlements = deps.Odds, deps.Settlements
	s.settled = cache.New[goalcast.MatchID, *[]oddsSettlement](settlements)
	s.prices = cache.New[goalcast.MatchID, *oddsReading](cache.Options{Size: s.cfg.Lists, Age: s.cfg.OddsAge,
		Missing: s.cfg.OddsAge, Timeout: oddsReadTime, Slots: make(chan struct{}, s.cfg.Readings), Now: s.cfg.Now})
}

// getOdds serves the prices of a match as they are now, with how bets ended. A match that never had
// a price is one whose gate has not opened yet.
func (s *Server) getOdds(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := s.maySeeOdds(w, r); err != nil {
		return err
	}
	switch {
	case s.odds == nil || s.settlements == nil:
		return errNotHere
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	match := goalcast.MatchID(id)
	if _, _, err := s.match(w, r, match); err != nil {
		return err
	}
	settlements, err := s.settled.Get(r.Context(), match, func(ctx context.Context) (*[]oddsSettlement, error) {
		return s.settlementsOf(ctx, match)
	})
	if err != nil {
		return fmt.Errorf("settlements of match %d: %w", id, err)
	}
	// The prices come last, so that they are the newest of all.
	now, err := s.prices.Get(r.Context(), match, func(ctx context.Context) (reading *oddsReading, err error) {
		reading = &oddsReading{}
		reading.gate, reading.prices, err = s.odds.Odds(ctx, match, s.cfg.Now())
		return reading, err
	})
	if err != nil {
		return fmt.Errorf("odds of match %d: %w", id, err)
	}
	a, err := now.answer(s.encoder, match, settlements)
	if err != nil {
		return err
	}
	return a.serve(w, r, s.cfg.Now())
}

// answer is what all are answered until the next reading or settlement.
func (o *oddsReading) answer(e *encoder, match goalcast.MatchID, settlements *[]oddsSettlement) (*answer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.made != nil && o.with == settlements {
		return o.made, nil
	}
	page := oddsPage{Match: match, Settlements: *settlements}
	page.Gate, page.Markets = o.shown()
	a, err := e.json(page, never)
	if err == nil {
		o.made, o.with = a, settlements
	}
	return a, err
}

// shown is the gate and, behind an open one, the markets by key.
func (o *oddsReading) shown() (gate goalcast.Gate, markets []oddsMarket) {
	gate, markets = o.gate, []oddsMarket{}
	if gate.State == "" {
		gate = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateStart}
	}
	if gate.State != goalcast.GateOpen {
		return gate, markets
	}
	for _, p := range o.prices {
		markets = append(markets, oddsMarket{Key: p.Key, Version: p.Version, At: p.At, Value: p.Value})
	}
	slices.SortFunc(markets, func(a, b oddsMarket) int { return cmp.Compare(a.Key, b.Key) })
	return gate, markets
}

func (s *Server) settlementsOf(ctx context.Context, match goalcast.MatchID) (*[]oddsSettlement, error) {
	events, err := s.settlements.Settlements(ctx, match)
	if err != nil {
		return nil, err
	}
	list := []oddsSettlement{}
	for _, e := range events {
		if e.Settlement != nil {
			list = append(list, oddsSettlement{Settlement: *e.Settlement, Revision: e.Revision, Status: e.Status})
		}
	}
	slices.SortFunc(list, func(a, b oddsSettlement) int { return cmp.Compare(a.Market, b.Market) })
	return &list, nil
}
