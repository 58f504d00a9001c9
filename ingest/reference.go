package ingest

import (
	"context"
	"encoding/json"
	"fmt"

	"goalcast"
	"goalcast/ingest/merge"
)

// Reference keeps reference data: what is told around matches, tables, squads, commentary. The
// store is one. Each Save reports whether anything changed; what is older than, or the same as,
// what is kept changes nothing. Errors are passing trouble unless they are ErrPermanent.
type Reference interface {
	SaveStandings(context.Context, goalcast.Standings) (changed bool, err error)
	SaveSquads(context.Context, goalcast.SquadList) (changed bool, err error)
	SaveCommentary(context.Context, goalcast.Commentary) (changed bool, err error)
	// PlayerNames gives the names of those players that are known from squads.
	PlayerNames(context.Context, []goalcast.PlayerID) (map[goalcast.PlayerID]string, error)
	// Matches lists matches as they stand.
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// StatePublisher takes the newest values of what is counted in a match to the bus. The bus is one.
type StatePublisher interface {
	SetState(context.Context, []goalcast.State) error
}

// keepReference stores reference data; where nobody keeps it, its feed is not read.
func (in *Ingest) keepReference(ctx context.Context, doc goalcast.Document, r merge.Reading) (outcome string,
	err error) {
	reference := in.cfg.Reference
	if reference == nil {
		return "", fmt.Errorf("%w: nobody keeps %s", merge.ErrUnread, r.Source)
	}
	changed := false
	keep := func(one bool, err error) error {
		changed = changed || one
		return err
	}
	edition := r.Version.Edition()
	for _, s := range r.Standings {
		s.Edition = edition
		if err := keep(reference.SaveStandings(ctx, s)); err != nil {
			return "", fmt.Errorf("tables of competition %d: %w", s.Competition.ID, err)
		}
	}
	for _, s := range r.Squads {
		s.Edition = edition
		if err := keep(reference.SaveSquads(ctx, s)); err != nil {
			return "", fmt.Errorf("squads of competition %d: %w", s.Competition.ID, err)
		}
		in.names.forget()
		if err := in.nameStored(ctx, doc, s); err != nil {
			return "", err
		}
	}
	for _, c := range r.Commentary {
		c.Edition = edition
		if err := keep(reference.SaveCommentary(ctx, c)); err != nil {
			return "", fmt.Errorf("commentary of match %d: %w", c.Match, err)
		}
		in.setState(ctx, commentaryState(c)...)
	}
	if changed {
		return "changed", nil
	}
	return "unchanged", nil
}

// commentaryState is the newest line of a commentary, so that whoever shows it knows that
// there is more to read.
func commentaryState(c goalcast.Commentary) []goalcast.State {
	if len(c.Lines) == 0 {
		return nil
	}
	return stateOf(c.Match, goalcast.CommentaryKey+c.Language, c.Made.UnixMilli(), c.Lines[0])
}

// statsState is what is counted of a match.
func statsState(r merge.Reading, m merge.MatchReading) []goalcast.State {
	if m.Stats == nil {
		return nil
	}
	return stateOf(m.Match, goalcast.StatsKey, r.Version.Milliseconds(), m.Stats)
}

func stateOf(match goalcast.MatchID, key string, version int64, value any) []goalcast.State {
	text, err := json.Marshal(value)
	if err != nil {
		panic("state " + key + ": " + err.Error()) // of numbers and strings
	}
	return []goalcast.State{{Topic: goalcast.ForMatch(match), Key: key, Version: version, Value: text, At: version}}
}

// setState publishes states, where somebody takes them. What is lost comes with the next document.
func (in *Ingest) setState(ctx context.Context, states ...goalcast.State) {
	if in.cfg.States == nil || len(states) == 0 {
		return
	}
	if err := in.cfg.States.SetState(ctx, states); err != nil {
		in.metrics.trouble.WithLabelValues("bus").Inc()
		in.log.Warn("state not published, the next document brings a newer one", "topic", states[0].Topic, "key",
			states[0].Key, "error", err)
	}
}
