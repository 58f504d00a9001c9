package rest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"goalcast"
	"goalcast/docs"
)

// matchList is the answer of /v1/matches.
type matchList struct {
	Date    string      `json:"date"`
	Zone    string      `json:"tz"`
	Matches []matchItem `json:"matches"`
	pageEnd

	Previous string `json:"previous,omitempty"` // of days without matches: the last day before that has some
	Next     string `json:"next,omitempty"`     // and the first after it
}

// matches lists matches by kick-off: those around now from memory, fresh to the last event, those
// before and after from the database, a few seconds old. The window's edges are full hours, so that
// the questions to the database repeat. The filter has both ends and a limit.
func (s *Server) matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	from, to := s.held()
	f.From, f.To, f.Unplanned = f.From.UTC(), f.To.UTC(), true
	var all []goalcast.Snapshot
	for _, part := range []struct {
		from, to time.Time
		read     func(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
	}{
		{f.From, earlier(f.To, from), s.farMatches},
		{later(f.From, from), earlier(f.To, to), s.board.Matches},
		{later(f.From, to), f.To, s.farMatches},
	} {
		if !part.from.Before(part.to) || len(all) >= f.Limit || f.After.Time.After(part.to) {
			continue
		}
		g := f
		g.From, g.To = part.from, part.to
		some, err := part.read(ctx, g)
		if err != nil {
			return nil, err
		}
		all = append(all, some[:min(len(some), f.Limit-len(all))]...)
	}
	return all, nil
}

// held is the span of kick-offs that the board holds, in full hours.
func (s *Server) held() (from, to time.Time) {
	now := s.cfg.Now().UTC()
	return now.Add(-s.cfg.MemoryBack).Truncate(time.Hour).Add(time.Hour), now.Add(s.cfg.MemoryAhead).Truncate(time.Hour)
}

// farMatches asks the board for a time that it does not hold: it asks the database.
func (s *Server) farMatches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	return s.far.Get(ctx, f, func(ctx context.Context) ([]goalcast.Snapshot, error) {
		matches, err := s.board.Matches(ctx, f)
		if err != nil {
			return nil, err
		}
		short := make([]goalcast.Snapshot, len(matches))
		for i, m := range matches {
			m.Timeline, m.Lineups = nil, nil // they are most of a match's size, and lists do not show them
			short[i] = m
		}
		return short, nil
	})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// listOf names a list as it stands: its URL, what of the clock its meaning depends on, and how much
// had changed on the board before it was read. So nothing that is served is older than the board.
type listOf struct {
	path, query string
	at          string
	changes     uint64
	rights      goalcast.Rights // of those who are served it
	names       naming
}

// listAge is how long a list is served of which nothing changed on the board: the minutes in it,
// and what came from the database, are older by that.
const listAge = time.Second

// list answers with matches, made once for all who ask while nothing changes.
func (s *Server) list(w http.ResponseWriter, r *http.Request, at string, names naming,
	read func(context.Context) (*answer, error)) error {
	key := listOf{path: r.URL.Path, query: r.URL.RawQuery, at: at, changes: s.board.Changes(), rights: rightsOf(r),
		names: names}
	if key.rights != 0 {
		w.Header()["Cache-Control"] = unshared
	}
	a, err := s.lists.Get(r.Context(), key, read)
	if err != nil {
		return err
	}
	return s.serveFromBoard(w, r, a, s.cfg.Now())
}

// serveFromBoard serves what the board told.
func (s *Server) serveFromBoard(w http.ResponseWriter, r *http.Request, a *answer, now time.Time) error {
	if s.doubtful() { // caches that can ask elsewhere shall
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Warning", `110 - "Response is Stale"`)
	}
	return a.serve(w, r, now)
}

// getMatches lists one day's matches by kick-off; of those in play all, whenever they were planned,
// if no day is asked for.
func (s *Server) getMatches(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "date", "tz", "state", "competition", "team", "limit", "after", "lang")
	d := q.day(s)
	limit := q.number("limit", s.cfg.DefaultMatches, s.cfg.MaxMatches)
	// one more tells whether there are more
	f := goalcast.MatchFilter{From: d.from, To: d.to, State: q.state(), After: q.place(), Limit: limit + 1,
		Competition: goalcast.CompetitionID(q.id("competition")), Team: goalcast.TeamID(q.id("team"))}
	if f.State == goalcast.Live && !q.has("date") {
		f.From, f.To = s.held()
		f.Live = true
	}
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	return s.list(w, r, d.date, names, func(ctx context.Context) (*answer, error) {
		return s.dayOf(ctx, r, d, f, limit, names)
	})
}

// state is where the matches asked for stand, or empty.
func (q *query) state() goalcast.MatchState {
	return goalcast.MatchState(q.word("state", string(goalcast.Scheduled), string(goalcast.Live),
		string(goalcast.Finished), string(goalcast.Postponed), string(goalcast.Abandoned)))
}

// dayOf makes the list of a day, for a filter that asks for one match more than the limit.
func (s *Server) dayOf(ctx context.Context, r *http.Request, d day, f goalcast.MatchFilter, limit int,
	names naming) (*answer, error) {
	matches, err := s.matchesFor(ctx, f, rightsOf(r))
	if err != nil {
		return nil, fmt.Errorf("matches of %s: %w", d.date, err)
	}
	list := matchList{Date: d.date, Zone: d.zone}
	matches, list.pageEnd = endPage(matches, limit, placeText)
	if len(matches) == 0 && f.Competition == 0 && f.Team == 0 && f.State == "" &&
		f.After == (goalcast.MatchPlace{}) {
		list.Previous, list.Next = s.daysAround(ctx, d, 0, rightsOf(r))
	}
	now := s.cfg.Now().In(d.from.Location())
	list.Matches = matchItems(matches, now, names)
	a, err := s.answerOf(list, now, matches)
	if err != nil {
		return nil, err
	}
	switch { // others may come to stand so, whatever those in the list do
	case f.State == goalcast.Live:
		a.policy = cacheLive
	case f.State != "" && a.policy == cacheFinished:
		a.policy = cachePlanned
	}
	if !f.Live { // also when it was today; what is in play is so whatever the day
		a.link = list.link(r, "date", d.date)
	} else {
		a.link = list.link(r)
	}
	return a, nil
}

// answerOf encodes what was made of matches.
func (s *Server) answerOf(v any, now time.Time, matches []goalcast.Snapshot) (*answer, error) {
	policy, until := cachePolicy(now, matches...)
	a, err := s.encoder.json(v, policy)
	if err == nil {
		a.until = until
	}
	return a, err
}

// daysOf names an empty day by its edges, in Unix seconds, whose it is, 0 for all, and what one who
// asks may see.
type daysOf struct {
	from, to    int64
	competition goalcast.CompetitionID
	rights      goalcast.Rights
}

// daysAround names the last day before d and the first after it that have matches, of one
// competition or, with 0, of any. It is a help to find them: without the database there is none.
func (s *Server) daysAround(ctx context.Context, d day, competition goalcast.CompetitionID,
	have goalcast.Rights) (previous, next string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	key := daysOf{d.from.Unix(), d.to.Unix(), competition, have}
	at, err := s.around.Get(ctx, key, func(ctx context.Context) ([2]time.Time, error) {
		before, after, err := s.store.KickoffsAround(ctx, d.from, d.to, competition, s.cfg.Private.Hidden(have))
		return [2]time.Time{before, after}, err
	})
	if err != nil {
		s.log.DebugContext(ctx, "days around an empty one", "date", d.date, "error", err)
		return "", ""
	}
	text := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(d.from.Location()).Format(time.DateOnly)
	}
	return text(at[0]), text(at[1])
}

// matchAge is how long an answer is served that did not change, so that the cursor in it does not
// fall behind what hubs can replay.
const matchAge = 10 * time.Second

// matchAt is a match as it stands, in a minute of play.
type matchAt struct {
	match  *goalcast.Snapshot // the board has another one when it changes
	minute int
	names  naming
	live   liveActivity
}

// getMatch serves a match with everything that is known of it.
func (s *Server) getMatch(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "seq", "at", "delay", "lang")
	delay := q.delay()
	switch {
	case q.err != nil:
		return q.err
	case q.has("seq") || q.has("at"):
		return s.getMatchThen(w, r, goalcast.MatchID(id), q)
	case delay > 0:
		return s.getMatchLate(w, r, goalcast.MatchID(id), delay, q)
	}
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	m, cursor, err := s.match(w, r, goalcast.MatchID(id))
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	minute := m.Minute(now)
	var live liveActivity
	if s.channels != nil {
		live.Channel, live.Topic = s.channels.LiveChannel(m.ID)
	}
	a, err := s.wholes.Get(r.Context(), matchAt{m, minute, names, live}, func(context.Context) (*answer, error) {
		return s.encoder.match(names.match(*m), cursor, minute, live)
	})
	if err != nil {
		return err
	}
	h := w.Header()
	if !cursor.IsZero() {
		h["Goalcast-Cursor"] = []string{cursor.String()}
	}
	mayKeep(w, policyOf(m, now).within(midnight(now).Sub(now)).field())
	return s.serveFromBoard(w, r, a, now)
}

// doubtful says whether the board can only tell what it knew when it last heard anything.
func (s *Server) doubtful() bool {
	b, ok := s.board.(interface{ Doubtful() bool })
	return ok && b.Doubtful()
}

// teamPage is the answer of /v1/teams/{id}.
type teamPage struct {
	goalcast.Team
	Matches []matchItem `json:"matches"` // a week back, two weeks ahead
	pageEnd
}

// getTeam serves a team and its matches around now.
func (s *Server) getTeam(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "limit", "after", "lang")
	f := goalcast.MatchFilter{Team: goalcast.TeamID(id), After: q.place(),
		Limit: q.number("limit", s.cfg.DefaultMatches, s.cfg.MaxMatches) + 1}
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	return s.list(w, r, "", names, func(ctx context.Context) (*answer, error) { return s.teamOf(ctx, r, f, names) })
}

// teamOf makes the page of a team, for a filter that asks for one match more than the limit.
func (s *Server) teamOf(ctx context.Context, r *http.Request, f goalcast.MatchFilter, names naming) (*answer, error) {
	id := f.Team
	team, err := s.teams.Get(ctx, id, func(ctx context.Context) (goalcast.Team, error) { return s.store.Team(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("team %d: %w", id, err)
	}
	now := s.cfg.Now().UTC()
	f.From, f.To = now.Add(-s.cfg.TeamBack).Truncate(time.Hour), now.Add(s.cfg.TeamAhead).Truncate(time.Hour)
	matches, err := s.matchesFor(ctx, f, rightsOf(r))
	if err != nil {
		return nil, fmt.Errorf("matches of team %d: %w", id, err)
	}
	p := teamPage{Team: names.team(team)}
	matches, p.pageEnd = endPage(matches, f.Limit-1, placeText)
	p.Matches = matchItems(matches, now, names)
	a, err := s.answerOf(p, now, matches)
	if err == nil {
		a.link = p.link(r)
	}
	return a, err
}

// competitionPage is the answer of /v1/competitions/{id}.
type competitionPage struct {
	goalcast.Competition
	matchList
}

// getCompetition serves a competition and its matches of a day, or of so many days from it on.
func (s *Server) getCompetition(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "date", "days", "tz", "limit", "after", "lang")
	d := q.day(s).through(q.number("days", 1, maxDays))
	f := goalcast.MatchFilter{Competition: goalcast.CompetitionID(id), From: d.from, To: d.to, After: q.place(),
		Limit: q.number("limit", s.cfg.MaxMatches, s.cfg.MaxMatches) + 1}
	names := s.naming(w, r, q)
	if q.err != nil {
		return q.err
	}
	if err := s.maySeeCompetition(w, r, f.Competition); err != nil {
		return err
	}
	return s.list(w, r, d.date, names, func(ctx context.Context) (*answer, error) {
		return s.competitionOf(ctx, r, d, f, names)
	})
}

// competitionOf makes the page of a competition, for a filter that asks for one match more than the
// limit.
func (s *Server) competitionOf(ctx context.Context, r *http.Request, d day, f goalcast.MatchFilter,
	names naming) (*answer, error) {
	id := f.Competition
	comp, err := s.competitions.Get(ctx, id, func(ctx context.Context) (goalcast.Competition, error) {
		return s.store.Competition(ctx, id)
	})
	if err != nil {
		return nil, fmt.Errorf("competition %d: %w", id, err)
	}
	matches, err := s.matches(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("matches of competition %d: %w", id, err)
	}
	now := s.cfg.Now().In(d.from.Location())
	p := competitionPage{Competition: names.competition(comp), matchList: matchList{Date: d.date, Zone: d.zone}}
	matches, p.pageEnd = endPage(matches, f.Limit-1, placeText)
	if len(matches) == 0 && f.After == (goalcast.MatchPlace{}) {
		p.Previous, p.Next = s.daysAround(ctx, d, id, rightsOf(r))
	}
	p.Matches = matchItems(matches, now, names)
	a, err := s.answerOf(p, now, matches)
	if err == nil {
		a.link = p.link(r, "date", d.date)
	}
	return a, err
}

// getDescription serves one of the documents that describe goalcast's interfaces.
func (s *Server) getDescription(name string) handler {
	made := sync.OnceValues(func() (*answer, error) {
		text, err := fs.ReadFile(docs.Files, name)
		if err != nil {
			return nil, err
		}
		return s.encoder.text("application/yaml", text, cacheFixed), nil
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := made()
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("description %s: %w", name, goalcast.ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("description %s: %w", name, err)
		}
		return a.serve(w, r, s.cfg.Now())
	}
}
