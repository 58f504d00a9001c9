package rest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"goalcast"
)

// Viewers are what the hubs tell of theirs. The bus knows them.
type Viewers interface {
	Audiences(context.Context) ([]goalcast.Audience, error)
}

const (
	// watchBack and watchAhead are the kick-offs, from now, of the matches that operators look at.
	watchBack, watchAhead = 4 * time.Hour, time.Hour
	// maxWatched is how many matches, and how many other topics, are listed.
	maxWatched = 100
)

// getAdminMe says who asks.
func (s *Server) getAdminMe(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	p := adminOf(r.Context())
	return writeJSON(w, http.StatusOK, struct {
		Role    string          `json:"role"`
		User    goalcast.UserID `json:"user,omitempty"`
		Expires time.Time       `json:"expires,omitzero"`
	}{p.Role.String(), p.User, p.Expires})
}

// nodeItem is a hub node as operators see it.
type nodeItem struct {
	goalcast.Audience
	Seconds float64 `json:"age_seconds"` // since it told that
	Topics  *int    `json:"topics,omitempty"`
}

// watchedMatch is a match as operators look at it.
type watchedMatch struct {
	Match       matchItem `json:"match"`
	Viewers     int       `json:"viewers"`                // of the match itself
	OddsViewers int       `json:"odds_viewers"`           // of its prices
	Document    time.Time `json:"last_document,omitzero"` // of a match in play
}

// watchedTopic is a team or competition that is followed.
type watchedTopic struct {
	goalcast.TopicViewers
	Name string `json:"name,omitempty"`
}

// getViewers says how many watch, where, and what.
func (s *Server) getViewers(w http.ResponseWriter, r *http.Request) error {
	if s.viewers == nil {
		return errNotHere
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	nodes, err := s.viewers.Audiences(r.Context())
	if err != nil {
		return fmt.Errorf("viewers: %w", err)
	}
	answer := struct {
		Viewers int            `json:"viewers"`
		Nodes   []nodeItem     `json:"nodes"`
		Matches []watchedMatch `json:"matches"`
		Topics  []watchedTopic `json:"topics"`
	}{Nodes: []nodeItem{}, Topics: []watchedTopic{}}
	for _, n := range nodes {
		answer.Viewers += n.Viewers
		answer.Nodes = append(answer.Nodes, nodeItem{Audience: n, Seconds: n.Age.Seconds()})
	}
	all := topicViewers(nodes)
	if answer.Matches, err = s.watched(r.Context(), all); err != nil {
		return err
	}
	for _, t := range all {
		if t.Topic.Kind != goalcast.MatchTopic && t.Topic.Kind != goalcast.OddsTopic &&
			len(answer.Topics) < maxWatched {
			answer.Topics = append(answer.Topics, watchedTopic{t, s.topicName(r.Context(), t.Topic)})
		}
	}
	return writeJSON(w, http.StatusOK, answer)
}

// topicViewers adds up what nodes told, the topics with most viewers first.
func topicViewers(nodes []goalcast.Audience) (list []goalcast.TopicViewers) {
	sum := map[goalcast.Topic]int{}
	for _, n := range nodes {
		for _, t := range n.Topics {
			sum[t.Topic] += t.Viewers
		}
	}
	for topic, viewers := range sum {
		list = append(list, goalcast.TopicViewers{Topic: topic, Viewers: viewers})
	}
	slices.SortFunc(list, func(a, b goalcast.TopicViewers) int {
		return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), cmp.Compare(a.Topic.Kind, b.Topic.Kind),
			cmp.Compare(a.Topic.ID, b.Topic.ID))
	})
	return list
}

// watched lists the matches of these hours, and those that most viewers follow: in play first, then
// by viewers.
func (s *Server) watched(ctx context.Context, topics []goalcast.TopicViewers) ([]watchedMatch, error) {
	matches, err := s.watchedNow(ctx)
	if err != nil {
		return nil, err
	}
	viewers := map[goalcast.Topic]int{}
	for _, t := range topics {
		viewers[t.Topic] = t.Viewers
		if t.Topic.Kind == goalcast.MatchTopic && len(matches) < maxWatched &&
			!slices.ContainsFunc(matches, func(m goalcast.Snapshot) bool { return int64(m.ID) == t.Topic.ID }) {
			if m, _, err := s.board.Match(ctx, goalcast.MatchID(t.Topic.ID)); err == nil {
				matches = append(matches, *m)
			}
		}
	}
	now, err := s.feedReading(ctx)
	if err != nil {
		return nil, err
	}
	list := []watchedMatch{}
	for _, item := range matchItems(matches, s.cfg.Now(), naming{}) {
		list = append(list, watchedMatch{item, viewers[goalcast.ForMatch(item.ID)], viewers[goalcast.ForOdds(item.ID)],
			now.last[item.ID].UTC()})
	}
	slices.SortStableFunc(list, func(a, b watchedMatch) int {
		return cmp.Or(order(a.Match)-order(b.Match), cmp.Compare(b.Viewers, a.Viewers),
			a.Match.Kickoff.Compare(b.Match.Kickoff))
	})
	return list[:min(len(list), maxWatched)], nil
}

// order puts matches in play first.
func order(m matchItem) int {
	if m.State == goalcast.Live {
		return 0
	}
	return 1
}

// watchedNow lists the matches that operators look at now.
func (s *Server) watchedNow(ctx context.Context) ([]goalcast.Snapshot, error) {
	now := s.cfg.Now().UTC()
	matches, err := s.board.Matches(ctx, goalcast.MatchFilter{From: now.Add(-watchBack), To: now.Add(watchAhead),
		Live: true, Limit: 4 * maxWatched})
	if err != nil {
		return nil, fmt.Errorf("matches of these hours: %w", err)
	}
	return matches, nil
}

// playing are those of matches that are on.
func playing(matches []goalcast.Snapshot) (ids []goalcast.MatchID) {
	for _, m := range matches {
		if m.State == goalcast.Live {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// topicName is a help for people; empty if it is not known, or takes too long.
func (s *Server) topicName(ctx context.Context, t goalcast.Topic) string {
	switch t.Kind {
	case goalcast.TeamTopic:
		id := goalcast.TeamID(t.ID)
		team, _ := s.teams.Get(ctx, id, func(ctx context.Context) (goalcast.Team, error) {
			return s.store.Team(ctx, id)
		})
		return team.Name
	case goalcast.CompetitionTopic:
		id := goalcast.CompetitionID(t.ID)
		c, _ := s.competitions.Get(ctx, id, func(ctx context.Context) (goalcast.Competition, error) {
			return s.store.Competition(ctx, id)
		})
		return c.Name
	}
	return ""
}
