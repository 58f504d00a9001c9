package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// States gives the newest values of a topic, by key. The bus is one.
type States interface {
	States(context.Context, goalcast.Topic) ([]goalcast.State, error)
}

// Entries in a page of a timeline or of clips: without limit, and the highest limit.
const (
	defaultEvents = 200
	maxEvents     = 500
)

// partOf names a page of a part of a match, as the match stands.
type partOf struct {
	match   *goalcast.Snapshot // the board has another one when it changes
	part    string
	page    page
	country string
}

// partHead is what parts of a match begin with. Seq says of which state of the match they are.
type partHead struct {
	Match goalcast.MatchID `json:"match"`
	Seq   int64            `json:"seq"`
}

// part answers with a part of a match, made once for all who ask while the match stays the same.
func (s *Server) part(w http.ResponseWriter, r *http.Request, id int64, key partOf,
	read func(*goalcast.Snapshot, partHead) (v any, link string, err error)) error {
	m, _, err := s.match(w, r, goalcast.MatchID(id))
	if err != nil {
		return err
	}
	key.match = m
	a, err := s.parts.Get(r.Context(), key, func(context.Context) (*answer, error) {
		v, link, err := read(m, partHead{m.ID, m.Seq})
		if err != nil {
			return nil, err
		}
		a, err := s.encoder.json(v, cacheLive)
		if err == nil {
			a.link = link
		}
		return a, err
	})
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	mayKeep(w, policyOf(m, now).field())
	return s.serveFromBoard(w, r, a, now)
}

// timelinePage is the answer of /v1/matches/{id}/timeline.
type timelinePage struct {
	partHead
	Events []goalcast.Event `json:"events"` // in match order
	pageEnd
}

// getTimeline serves the events of a match in match order.
func (s *Server) getTimeline(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "limit", "after")
	key := partOf{part: "timeline", page: q.page(defaultEvents, maxEvents)}
	if q.err != nil {
		return q.err
	}
	return s.part(w, r, id, key, func(m *goalcast.Snapshot, head partHead) (any, string, error) {
		events, end, err := pageAfter(m.Timeline, key.page, func(e goalcast.Event) string { return e.ID })
		return timelinePage{head, events, end}, end.link(r), err
	})
}

// pageAfter is the page of a list that is in memory as a whole.
func pageAfter[T any](list []T, p page, place func(T) string) ([]T, pageEnd, error) {
	if p.after != "" {
		i := slices.IndexFunc(list, func(v T) bool { return place(v) == p.after })
		if i < 0 {
			return nil, pageEnd{}, errBadAfter
		}
		list = list[i+1:]
	}
	list, end := endPage(list, p.limit, place)
	return list, end, nil
}

// lineupsPage is the answer of /v1/matches/{id}/lineups.
type lineupsPage struct {
	partHead
	Lineups   []goalcast.LineupInMatch `json:"lineups"` // home first; of a team that has told its own
	Officials []goalcast.Official      `json:"officials,omitempty"`
}

// getLineups serves who plays, and who leads the match.
func (s *Server) getLineups(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	return s.part(w, r, id, partOf{part: "lineups"}, func(m *goalcast.Snapshot, head partHead) (any, string, error) {
		lineups := append([]goalcast.LineupInMatch{}, m.Lineups...)
		return lineupsPage{head, lineups, m.Officials}, "", nil
	})
}

// clipsPage is the answer of /v1/matches/{id}/clips.
type clipsPage struct {
	partHead
	Clips []clipItem `json:"clips"` // in match order
	pageEnd
}

// clipItem is a clip with the event that brought it.
type clipItem struct {
	Event    string `json:"event"`
	Revision int    `json:"revision"`
	goalcast.Clip
}

var countryText = regexp.MustCompile(`^[A-Z]{2}$`)

// getClips serves the clips of a match that can be played. With a country it leaves out those that
// may not be seen there. That protects nothing: whoever shows clips keeps to their countries.
func (s *Server) getClips(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "country", "limit", "after")
	key := partOf{part: "clips", page: q.page(defaultEvents, maxEvents), country: q.values.Get("country")}
	if key.country != "" && !countryText.MatchString(key.country) {
		q.fail("country", "want two letters like BE")
	}
	if q.err != nil {
		return q.err
	}
	return s.part(w, r, id, key, func(m *goalcast.Snapshot, head partHead) (any, string, error) {
		clips, end, err := pageAfter(clipsIn(m, key.country), key.page, func(c clipItem) string { return c.Event })
		return clipsPage{head, clips, end}, end.link(r), err
	})
}

// clipsIn lists the clips that can be played in a country; an empty one is any.
func clipsIn(m *goalcast.Snapshot, country string) (clips []clipItem) {
	for _, e := range m.Timeline {
		c := e.Clip
		if e.Kind != goalcast.KindClip || c == nil || !e.Counts() || c.Video == "" && c.URL == "" {
			continue
		}
		if country != "" && !c.PlaysIn(country) {
			continue
		}
		clips = append(clips, clipItem{e.ID, e.Revision, *c})
	}
	return clips
}

// statsAge is how old a reading of statistics may be that is served.
const statsAge = time.Second

// statsPage is the answer of /v1/matches/{id}/stats.
type statsPage struct {
	Match   goalcast.MatchID `json:"match"`
	Version int64            `json:"version"`
	At      int64            `json:"at,omitempty"` // ms since 1970 UTC
	Stats   json.RawMessage  `json:"stats"`
}

// getStats serves what is counted in a match, as the bus has it: for two days. A match without
// statistics is not found.
func (s *Server) getStats(w http.ResponseWriter, r *http.Request) error {
	if s.states == nil {
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
	m, _, err := s.match(w, r, match)
	if err != nil {
		return err
	}
	a, err := s.stats.Get(r.Context(), match, func(ctx context.Context) (*answer, error) {
		return s.statsOf(ctx, match)
	})
	if err != nil {
		return fmt.Errorf("statistics of match %d: %w", id, err)
	}
	now := s.cfg.Now()
	mayKeep(w, policyOf(m, now).field())
	return s.serveFromBoard(w, r, a, now)
}

func (s *Server) statsOf(ctx context.Context, match goalcast.MatchID) (*answer, error) {
	states, err := s.states.States(ctx, goalcast.ForMatch(match))
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		if st.Key == goalcast.StatsKey && !st.Removed() {
			return s.encoder.json(statsPage{match, st.Version, st.At, st.Value}, cacheLive)
		}
	}
	return nil, goalcast.ErrNotFound
}

// deltaOf names a revision of a match's events. The bus begins another epoch when the database came
// back without some that were published.
type deltaOf struct {
	match goalcast.MatchID
	seq   int64
	epoch string
}

const (
	// deltaAge is how long a delta is held in memory that somebody asks for; it never changes.
	deltaAge = time.Hour
	// futureAge is how long caches may say that a delta is not there yet.
	futureAge = time.Second
)

// forEver is the policy of what never changes.
var forEver = []string{"public, max-age=31536000, immutable"}

// toldAt is when a delta's document was received, ms since 1970; 0 where that is not known.
func toldAt(delta []byte) int64 {
	var f goalcast.Frame
	if json.Unmarshal(delta, &f) != nil || f.Event == nil {
		return 0
	}
	return f.Event.Times.Received
}

// getDelta serves one revision of a match's events by its number: whoever has the match up to the
// one before goes on with it. A CDN asks for each once, so that catching up costs us nothing.
func (s *Server) getDelta(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	seq, err := pathNumber(r, "seq")
	if err != nil {
		return err
	}
	q := newQuery(r, "delay")
	delay := q.delay()
	if q.err != nil {
		return q.err
	}
	match := goalcast.MatchID(id)
	m, cursor, err := s.match(w, r, match)
	if err != nil {
		return err
	}
	future := problem.New(http.StatusNotFound, "not_found", "this match has not come that far")
	future.Keep = futureAge
	if seq > m.Seq {
		return future
	}
	key := deltaOf{match, seq, cursor.Epoch}
	a, err := s.deltas.Get(r.Context(), key, func(ctx context.Context) (*answer, error) {
		text, err := s.store.EventText(ctx, match, seq)
		if err != nil {
			return nil, err
		}
		return s.encoder.text("application/json", goalcast.DeltaFrame(text), cacheFinished), nil
	})
	if err != nil {
		return fmt.Errorf("delta %d of match %d: %w", seq, id, err)
	}
	now := s.cfg.Now()
	if delay > 0 && toldAt(a.text) > now.Add(-delay).UnixMilli() {
		return future
	}
	mayKeep(w, forEver)
	return a.serve(w, r, now)
}
