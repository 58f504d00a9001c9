package ingest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// withNames fills in the names that the reference data has, for players of whom the document
// has only the id. Without them viewers see a match without some names: trouble with it is no
// reason to hold a goal back.
func (in *Ingest) withNames(ctx context.Context, m merge.MatchReading) merge.MatchReading {
	if in.cfg.Reference == nil {
		return m
	}
	wanted := map[goalcast.PlayerID]bool{}
	for _, e := range m.Facts {
		e.EachPlayer(func(p *goalcast.Player) {
			if p.Name == "" && p.ID != 0 && m.Players[p.ID] == "" {
				wanted[p.ID] = true
			}
		})
	}
	if len(wanted) == 0 {
		return m
	}
	known, err := in.names.of(ctx, wanted, in.cfg.Reference.PlayerNames)
	if err != nil {
		in.metrics.trouble.WithLabelValues("store").Inc()
		in.log.Warn("names of players not read", "match", m.Match, "error", err)
	}
	m.Known = known
	return m
}

// nameCache remembers players' names from the reference data, and that there is none: a document a
// second asks for the same forty.
type nameCache struct {
	age time.Duration
	max int

	mu    sync.Mutex
	names map[goalcast.PlayerID]cachedName
}

type cachedName struct {
	name  string // empty: there is none
	until time.Time
}

func newNameCache(age time.Duration, limit int) *nameCache {
	return &nameCache{age: age, max: limit, names: map[goalcast.PlayerID]cachedName{}}
}

// of returns the names that are known of the wanted players; with an error those from memory.
func (c *nameCache) of(ctx context.Context, wanted map[goalcast.PlayerID]bool,
	read func(context.Context, []goalcast.PlayerID) (map[goalcast.PlayerID]string,
		error)) (map[goalcast.PlayerID]string, error) {
	now := time.Now()
	out := map[goalcast.PlayerID]string{}
	var missing []goalcast.PlayerID
	c.mu.Lock()
	for id := range wanted {
		if n, ok := c.names[id]; !ok || now.After(n.until) {
			missing = append(missing, id)
		} else if n.name != "" {
			out[id] = n.name
		}
	}
	c.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	found, err := read(ctx, missing)
	if err != nil {
		return out, err
	}
	maps.Copy(out, found)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names)+len(missing) > c.max {
		clear(c.names)
	}
	for _, id := range missing {
		c.names[id] = cachedName{found[id], now.Add(c.age)}
	}
	return out, nil
}

// forget empties the cache: squads have changed.
func (c *nameCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.names)
}

// namedAround is how far from a squad list's own day a match may lie for the list to name its
// players: a season and some.
const namedAround = 400 * 24 * time.Hour

// nameStored gives the names of a squad list to players of the competition's matches that are
// stored without: no document of theirs may come any more. It is done for each list, whether it is
// new or not, so that one which was interrupted is done when it is tried again.
func (in *Ingest) nameStored(ctx context.Context, doc goalcast.Document, list goalcast.SquadList) error {
	listed := map[goalcast.PlayerID]bool{}
	day := doc.Received
	for _, squad := range list.Squads {
		day = squad.Updated // the same for all
		for _, players := range [][]goalcast.SquadPlayer{squad.Players, squad.Left} {
			for _, p := range players {
				listed[p.ID] = p.Name != ""
			}
		}
	}
	matches, err := in.cfg.Reference.Matches(ctx, goalcast.MatchFilter{Competition: list.Competition.ID,
		From: day.Add(-namedAround), To: day.Add(namedAround)})
	if err != nil {
		return fmt.Errorf("matches of competition %d: %w", list.Competition.ID, err)
	}
	for _, m := range matches {
		var nameless []goalcast.PlayerID
		for id := range unnamed(m) {
			if listed[id] {
				nameless = append(nameless, id)
			}
		}
		if len(nameless) == 0 {
			continue
		}
		known, err := in.cfg.Reference.PlayerNames(ctx, nameless)
		if err != nil {
			return fmt.Errorf("names for match %d: %w", m.ID, err)
		}
		if err := in.nameIn(ctx, doc, m.ID, known); err != nil {
			return err
		}
	}
	return nil
}

// unnamed are the players of a match of whom only the id is known.
func unnamed(m goalcast.Snapshot) map[goalcast.PlayerID]bool {
	out := map[goalcast.PlayerID]bool{}
	note := func(p *goalcast.Player) {
		if p.ID != 0 && p.Name == "" {
			out[p.ID] = true
		}
	}
	for _, e := range m.Timeline {
		e.EachPlayer(note)
	}
	for _, l := range m.Lineups {
		(&goalcast.Event{Lineup: &l.Lineup}).EachPlayer(note)
	}
	return out
}

// nameIn makes revisions of a match with names that have become known.
func (in *Ingest) nameIn(ctx context.Context, doc goalcast.Document, match goalcast.MatchID,
	known map[goalcast.PlayerID]string) error {
	var events []goalcast.Event
	err := in.store.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event,
		err error) {
		defer in.recovered(doc, &err)
		rec, events, err = in.merger.Name(rec, match, known, doc.Received.UnixMilli())
		return rec, events, err
	})
	if err != nil {
		return fmt.Errorf("names for match %d: %w", match, err)
	}
	in.publish(ctx, match, events)
	return nil
}
