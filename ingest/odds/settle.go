package odds

import (
	"context"
	"errors"
	"time"

	"goalcast"
)

// How what sources tell is brought to the database: settlements, and places to resume from. They
// keep their order, so that no place is kept that lies behind a settlement that is not saved.
const (
	saveQueue  = 1000 // what waits, of each source; one that tells more waits for the database
	saveTime   = 10 * time.Second
	saveFirst  = time.Second // pause after a failure; it doubles up to saveLast
	saveLast   = 30 * time.Second
	saveAtExit = 2 * time.Second // for all that waits when the turn ends
)

// Settlements saves how bets ended, and returns what of it is new.
type Settlements interface {
	SaveSettlements(context.Context, []goalcast.Event) ([]goalcast.Event, error)
}

// Publisher takes saved events to the bus. What it cannot publish is found by the sweep of the
// outbox.
type Publisher interface {
	Publish(context.Context, []goalcast.Event) error
}

// saver brings what a source tells to the database, one after the other.
type saver struct {
	*Runner
	source string
	work   chan func(context.Context) error
}

func (r *Runner) newSaver(source string) *saver {
	return &saver{r, source, make(chan func(context.Context) error, saveQueue)}
}

// add waits for room, until ctx ends.
func (s *saver) add(ctx context.Context, work func(context.Context) error) {
	select {
	case s.work <- work:
	default:
		select {
		case s.work <- work:
		case <-ctx.Done():
		}
	}
}

// run saves until ctx ends, and then what waits, for a moment.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case work := <-s.work:
			s.save(ctx, work)
		case <-ctx.Done():
			return
		}
	}
}

// finish saves what waits, once.
func (s *saver) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveAtExit)
	defer cancel()
	for {
		select {
		case work := <-s.work:
			if err := work(ctx); err != nil {
				s.log.Warn("odds: not saved at the end of the turn", "source", s.source, "error", err)
			}
		default:
			return
		}
	}
}

// save tries until it succeeds, unless trying again cannot help.
func (s *saver) save(ctx context.Context, work func(context.Context) error) {
	for pause := saveFirst; ; pause = min(2*pause, saveLast) {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		err := work(limited)
		cancel()
		if err == nil {
			return
		}
		if errors.Is(err, goalcast.ErrPermanent) {
			s.log.Error("odds: refused by the database, left out", "source", s.source, "error", err)
			return
		}
		s.log.Warn("odds: not saved yet", "source", s.source, "again", pause, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Settle has settlements saved and published, if the source's word on the match counts.
func (s *sink) Settle(event string, at time.Time, settlements []Settlement) {
	told := stamp{provider: at, received: s.now()}
	match, result := s.settles(event)
	if result != "" {
		s.metrics.settlements.WithLabelValues(result).Add(float64(len(settlements)))
		return
	}
	events := make([]goalcast.Event, 0, len(settlements))
	for _, settlement := range settlements {
		events = append(events, settlement.event(match, told))
	}
	s.saver.add(s.ctx, func(ctx context.Context) error {
		saved, err := s.settlements.SaveSettlements(ctx, events)
		if err != nil {
			return err
		}
		s.metrics.settlements.WithLabelValues("saved").Add(float64(len(saved)))
		s.metrics.settlements.WithLabelValues("known").Add(float64(len(events) - len(saved)))
		if len(saved) == 0 {
			return nil
		}
		if err := s.publisher.Publish(ctx, saved); err != nil {
			s.log.Warn("settlements saved, not published yet", "source", s.name, "match", match, "error", err)
		}
		return nil
	})
}

// settles gives the match that an event is, or why the source's word on it does not count.
func (s *sink) settles(event string) (match goalcast.MatchID, result string) {
	type answer struct {
		match  goalcast.MatchID
		counts bool
	}
	answers := make(chan answer, 1)
	s.post(func(b *Books, _ time.Time) {
		id := s.mapper.Match(s.name, event)
		answers <- answer{id, id > 0 && b.Settles(s.name, id)}
	})
	select {
	case a := <-answers:
		switch {
		case a.match <= 0:
			return 0, "unmapped"
		case !a.counts:
			return 0, "not_shown"
		}
		return a.match, ""
	case <-s.ctx.Done():
		return 0, "not_shown"
	}
}

// event makes a settlement an event of the match. Its id is that of the market: whatever is told of
// it later is a revision.
func (s Settlement) event(match goalcast.MatchID, told stamp) goalcast.Event {
	e := goalcast.Event{ID: "settlement:" + s.Market, Status: goalcast.Confirmed, Kind: goalcast.KindSettlement,
		Match: match, Topics: []goalcast.Topic{goalcast.ForOdds(match)},
		Settlement: &goalcast.Settlement{Market: s.Market, Line: goalcast.MarketLine(s.Market), Void: s.Void,
			From: millis(s.From), Until: millis(s.Until)},
		Times: goalcast.Times{Provider: millis(told.provider), Received: millis(told.received)}}
	if s.Cancelled {
		e.Status = goalcast.Cancelled
	}
	for _, r := range s.Results {
		e.Settlement.Results = append(e.Settlement.Results, goalcast.SettlementResult{Selection: r.Selection,
			Result: r.Outcome, DeadHeat: int32(r.DeadHeat)})
	}
	return e
}

// millis is a time as the wire has it; 0 where there is none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
