package store

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/store/bus"
)

// How long an answer is kept for all processes. What is written by way of a Shared is read anew at
// once; this is for what is written by others, and for writes during which Redis was away.
const (
	commentaryLife = 5 * time.Second
	daysLife       = 5 * time.Second // nothing says that a far day has changed
	standingsLife  = 30 * time.Second
	squadLife      = 2 * time.Minute
)

// allLines is how many lines of a commentary are read for all who ask for some: those of the
// longest match twice over.
const allLines = 501

// answersFormat is part of each question: another form of what is kept needs another one, since
// processes of two versions may run at one time.
const answersFormat = "1"

// Shared is a Store whose answers to what the board does not hold are found once for all processes:
// tables, squads, commentary, and matches of far days. Whoever saves any of these has to do it here
// too.
type Shared struct {
	*Store
	answers *bus.Answers
	log     *slog.Logger
}

// NewShared makes a Shared on a Redis; nil: on none, and the Store alone answers.
func NewShared(s *Store, r *bus.Redis, o bus.AnswerOptions, log *slog.Logger, reg prometheus.Registerer) *Shared {
	if r == nil {
		return &Shared{Store: s}
	}
	if s.replicas != nil {
		o.Recent = s.replicas.maxLag + time.Second // and what a look and a read take
	}
	return &Shared{s, bus.NewAnswers(r, o, log, reg), log}
}

// share asks the database by way of Redis.
func share[T any](ctx context.Context, s *Shared, group, key string, life time.Duration,
	read func(context.Context) (T, error)) (value T, err error) {
	if s.answers == nil {
		return read(ctx)
	}
	asked := false
	q := bus.Question{Group: group, Key: answersFormat + ":" + key, Life: life}
	q.Load = func(ctx context.Context, recent bool) ([]byte, error) {
		asked = true
		if recent {
			ctx = fromPrimary(ctx)
		}
		if value, err = read(ctx); err != nil {
			return nil, err
		}
		return s.pack(value)
	}
	packed, err := s.answers.Get(ctx, q)
	if asked || err != nil {
		return value, err
	}
	if err := s.unpack(packed, &value); err != nil { // written by nobody we know
		return read(ctx)
	}
	return value, nil
}

// pack encodes a value; its first byte says how it is packed.
func (s *Store) pack(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	packing, packed := s.compressor.compress(text)
	return append([]byte{byte(packing)}, packed...), nil
}

func (s *Store) unpack(packed []byte, value any) error {
	text, err := s.compressor.decompress(int(packed[0]), packed[1:], 8*len(packed))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}

// changed has a group of answers read anew if it changed, or may have: a commit whose answer was
// lost is an error too.
func (s *Shared) changed(ctx context.Context, group string, changed bool, err error) {
	if s.answers == nil || !changed && err == nil {
		return
	}
	if err := s.answers.Changed(context.WithoutCancel(ctx), group); err != nil {
		s.log.Warn("answers that are kept for all processes may be old", "group", group, "error", err)
	}
}

func tablesOf(id goalcast.CompetitionID) string { return fmt.Sprintf("tables:%d", id) }
func linesOf(id goalcast.MatchID) string        { return fmt.Sprintf("commentary:%d", id) }

// squadsOf is one group: a team that is missing from a newer list changes too.
const squadsOf = "squads"

// SaveStandings is Store.SaveStandings.
func (s *Shared) SaveStandings(ctx context.Context, table goalcast.Standings) (changed bool, err error) {
	changed, err = s.Store.SaveStandings(ctx, table)
	s.changed(ctx, tablesOf(table.Competition.ID), changed, err)
	return changed, err
}

// Standings is Store.Standings.
func (s *Shared) Standings(ctx context.Context, id goalcast.CompetitionID, season string) (goalcast.Standings, error) {
	return share(ctx, s, tablesOf(id), clean(season), standingsLife, func(ctx context.Context) (goalcast.Standings,
		error) {
		return s.Store.Standings(ctx, id, season)
	})
}

// SaveSquads is Store.SaveSquads.
func (s *Shared) SaveSquads(ctx context.Context, list goalcast.SquadList) (changed bool, err error) {
	changed, err = s.Store.SaveSquads(ctx, list)
	s.changed(ctx, squadsOf, changed, err)
	return changed, err
}

// Squad is Store.Squad.
func (s *Shared) Squad(ctx context.Context, team goalcast.TeamID, competition goalcast.CompetitionID, season string) (
	goalcast.Squad, error) {
	key := fmt.Sprintf("%d:%d:%s", team, competition, clean(season))
	return share(ctx, s, squadsOf, key, squadLife, func(ctx context.Context) (goalcast.Squad, error) {
		return s.Store.Squad(ctx, team, competition, season)
	})
}

// SaveCommentary is Store.SaveCommentary.
func (s *Shared) SaveCommentary(ctx context.Context, c goalcast.Commentary) (changed bool, err error) {
	changed, err = s.Store.SaveCommentary(ctx, c)
	s.changed(ctx, linesOf(c.Match), changed, err)
	return changed, err
}

// Commentary is Store.Commentary. However many of the newest lines are asked for, they are read
// together.
func (s *Shared) Commentary(ctx context.Context, match goalcast.MatchID, language, after string, limit int) (
	[]goalcast.CommentaryLine, error) {
	if after != "" || limit <= 0 || limit > allLines {
		return s.Store.Commentary(ctx, match, language, after, limit)
	}
	lines, err := share(ctx, s, linesOf(match), "lines:"+clean(language), commentaryLife,
		func(ctx context.Context) ([]goalcast.CommentaryLine, error) {
			return s.Store.Commentary(ctx, match, language, "", allLines)
		})
	return lines[:min(limit, len(lines))], err
}

// CommentaryLanguages is Store.CommentaryLanguages.
func (s *Shared) CommentaryLanguages(ctx context.Context, match goalcast.MatchID) ([]string, error) {
	return share(ctx, s, linesOf(match), "languages", commentaryLife, func(ctx context.Context) ([]string, error) {
		return s.Store.CommentaryLanguages(ctx, match)
	})
}

// Matches is Store.Matches; those that may lag are found once for all processes.
func (s *Shared) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	if !f.MayLag {
		return s.Store.Matches(ctx, f)
	}
	same := f // the same moments are one question, in whatever zone they are written
	same.From, same.To, same.After.Time = f.From.UTC(), f.To.UTC(), f.After.Time.UTC()
	key, err := json.Marshal(same)
	if err != nil {
		return s.Store.Matches(ctx, f)
	}
	return share(ctx, s, "days", string(key), daysLife, func(ctx context.Context) ([]goalcast.Snapshot, error) {
		return s.Store.Matches(ctx, f)
	})
}
