package wsc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/wsc/brightcove"
)

// Kept is what Recall needs of the store.
type Kept interface {
	Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error)
	Document(context.Context, goalcast.DocumentID) (goalcast.Document, error)
	ClipsOf(context.Context, goalcast.MatchID) ([][]byte, error)
}

// Recall implements ingest.Recaller by what is kept of clips. It only reads: no match is looked
// for, nothing is uploaded, nobody is asked.
type Recall struct {
	Store         Kept
	ShowRendition bool   // as in Config; also true where there is no account at Brightcove
	Account       string // at Brightcove
}

// Recall says again what the newest document of each clip of the match tells, and where it plays by
// its record: that Brightcove plays a video stands in no document. A clip whose document is gone
// from the archive gets readings without a match.
func (c Recall) Recall(ctx context.Context, match goalcast.MatchID) ([]merge.Reading, error) {
	texts, err := c.Store.ClipsOf(ctx, match)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	m, err := c.Store.Match(ctx, match)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return nil, err
	}
	var out []merge.Reading
	for _, text := range texts {
		var r record
		if err := decode(fmt.Sprintf("of match %d", match), text, &r); err != nil {
			return nil, err
		}
		readings, err := c.clip(ctx, m, r)
		if err != nil {
			return nil, err
		}
		out = append(out, readings...)
	}
	return out, nil
}

func (c Recall) clip(ctx context.Context, m goalcast.Snapshot, r record) ([]merge.Reading, error) {
	id := r.content()
	stays := []merge.Reading{{Source: sourceCutter + id}, {Source: brightcove.Source + id}}
	doc, err := c.Store.Document(ctx, r.Document)
	if errors.Is(err, goalcast.ErrNotFound) {
		return stays, nil
	} else if err != nil {
		return nil, err
	}
	k, err := read(doc)
	if err != nil {
		return stays, nil // it could be read once: what it said then stays
	}
	told := merge.MatchReading{Match: r.Match}
	if !k.Shown {
		return []merge.Reading{{Source: sourceCutter + id, Version: k.version(digestOf(doc)),
			Matches: []merge.MatchReading{told}}}, nil
	}
	k.Team = teamOf(m, k)
	told.Facts = []goalcast.Event{k.fact(r.Match, c.ShowRendition)}
	out := []merge.Reading{{Source: sourceCutter + id, Version: k.version(digestOf(doc)),
		Matches: []merge.MatchReading{told}}, stays[1]}
	if r.Playing != "" && r.Told == r.Changed {
		out[1] = r.reading(id, c.Account)
	}
	return out, nil
}

// content is the id of the clip's content.
func (r record) content() string {
	id := strings.TrimPrefix(r.Event, sourceCutter)
	return id[:max(0, strings.LastIndexByte(id, ':'))]
}
