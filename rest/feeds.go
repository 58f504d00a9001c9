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

// WatchStore is what the database knows of feeds and pushes.
type WatchStore interface {
	// FeedStates says what came of each feed since a time, and in the hour since another. Those
	// that sent documents of the matches are marked.
	FeedStates(ctx context.Context, since, hour time.Time, playing []goalcast.MatchID) ([]goalcast.FeedState, error)
	// LastDocuments says when the last document of each match came.
	LastDocuments(context.Context, []goalcast.MatchID) (map[goalcast.MatchID]time.Time, error)
	// RecentPushes lists pushes behind a place, newest first.
	RecentPushes(ctx context.Context, after goalcast.PushPlace, limit int) ([]goalcast.PushState, error)
	// PushFigures is what became of an event's pushes. ErrNotFound.
	PushFigures(ctx context.Context, event string) (goalcast.PushFigures, error)
	PushBacklog(context.Context) (goalcast.PushBacklog, error)
}

const (
	feedsBack = 24 * time.Hour // what came earlier is not looked at
	// watchAge is how old a reading for operators may be: however many look, the database is asked
	// once in this time.
	watchAge = 3 * time.Second

	// A feed of a match in play is silent when nothing came for so long, and for so many times as
	// long as it was between its documents in the last hour.
	silentAfter = 3 * time.Minute
	silentGaps  = 10
)

// feedReading is what the database said of feeds a moment ago.
type feedReading struct {
	feeds []goalcast.FeedState
	last  map[goalcast.MatchID]time.Time // of matches in play
}

func (s *Server) feedReading(ctx context.Context) (*feedReading, error) {
	return s.feeds.Get(ctx, struct{}{}, func(ctx context.Context) (*feedReading, error) {
		matches, err := s.watchedNow(ctx)
		if err != nil {
			return nil, err
		}
		now, on := s.cfg.Now(), playing(matches)
		r := &feedReading{}
		if r.last, err = s.store.LastDocuments(ctx, on); err != nil {
			return nil, fmt.Errorf("last documents: %w", err)
		}
		if r.feeds, err = s.store.FeedStates(ctx, now.Add(-feedsBack), now.Add(-time.Hour), on); err != nil {
			return nil, fmt.Errorf("feeds: %w", err)
		}
		return r, nil
	})
}

// feedItem is a feed as operators see it.
type feedItem struct {
	Provider string                   `json:"provider"`
	Feed     string                   `json:"feed,omitempty"`
	Last     time.Time                `json:"last,omitzero"`
	Document goalcast.DocumentID      `json:"document,omitempty"`
	Silent   time.Time                `json:"silent_since,omitzero"`
	Hour     int                      `json:"hour"`
	Failed   int                      `json:"hour_failed"`
	Ignored  int                      `json:"hour_ignored"`
	Waiting  int                      `json:"hour_waiting"`
	Error    *goalcast.FailedDocument `json:"last_failed,omitempty"`
}

// getFeeds says what came of each feed, and which are silent.
func (s *Server) getFeeds(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	reading, err := s.feedReading(r.Context())
	if err != nil {
		return err
	}
	items := []feedItem{}
	known := map[string]bool{}
	for _, f := range reading.feeds {
		known[f.Provider] = true
		item := feedItem{Provider: f.Provider, Feed: f.Feed, Last: f.Last, Document: f.Document, Hour: f.Hour,
			Failed: f.Failed, Ignored: f.Ignored, Waiting: f.Waiting, Error: f.LastFailed}
		if silent(f, s.cfg.Now()) {
			item.Silent = f.Last
		}
		items = append(items, item)
	}
	for _, provider := range s.cfg.Feeds {
		if !known[provider] {
			items = append(items, feedItem{Provider: provider})
		}
	}
	slices.SortFunc(items, func(a, b feedItem) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Feed, b.Feed))
	})
	return writeJSON(w, http.StatusOK, map[string]any{"feeds": items})
}

// silent says whether a feed should have sent something since its last document: a match that it
// tells of is on, and it has been still for much longer than usual.
func silent(f goalcast.FeedState, now time.Time) bool {
	if !f.Playing {
		return false
	}
	usual := silentAfter
	if f.Hour > 0 {
		usual = max(usual, silentGaps*time.Hour/time.Duration(f.Hour))
	}
	return now.Sub(f.Last) >= usual
}
