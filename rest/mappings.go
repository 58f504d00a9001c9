package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// OddsStore is what operators say about prices: which match an event of a provider is, and which
// matches show none.
type OddsStore interface {
	Mappings(context.Context, goalcast.OddsMappingFilter) ([]goalcast.OddsMapping, error) // newest first
	// DecideOdds says that an event is the match, or none of ours (0). ErrNotFound: no provider has
	// described the event; ErrNoMatch, ErrTaken.
	DecideOdds(ctx context.Context, source, event string, match goalcast.MatchID, by string) (goalcast.OddsDecision,
		error)
	// ShutOdds shuts a match or opens it again. ErrNotFound, ErrTooMany.
	ShutOdds(ctx context.Context, match goalcast.MatchID, shut bool, by string) (goalcast.OddsGate, error)
	OddsGates(context.Context) ([]goalcast.OddsGate, error)
	// OddsAt finds what was shown of a selection at a moment.
	OddsAt(ctx context.Context, match goalcast.MatchID, market, selection string, at time.Time) (goalcast.OddsAt, error)
}

// Gates shuts gates at once, whoever holds the sources of prices. The bus is one.
type Gates interface {
	PublishOdds(context.Context, time.Time, []goalcast.OddsStep) ([]goalcast.OddsDone, error)
}

// maxOddsBody is how long the body of a request about prices may be, in bytes.
const maxOddsBody = 2 << 10

// publishTime is what publishing gets after a decision was saved, whether or not somebody still
// waits for the answer.
const publishTime = 3 * time.Second

// getMappings lists which matches the events of providers are, newest first.
func (s *Server) getMappings(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "source", "decision", "match", "limit", "after")
	f := goalcast.OddsMappingFilter{Source: q.label("source"),
		Decision: goalcast.MappingDecision(q.word("decision", string(goalcast.MappingOpen),
			string(goalcast.MappingFound), string(goalcast.MappingDecided), string(goalcast.MappingRefused))),
		Match: goalcast.MatchID(q.id("match")), After: q.mappingPlace(), Limit: 1 + q.number("limit", 100, 1000)}
	if q.err != nil {
		return q.err
	}
	list, err := s.store.Mappings(r.Context(), f)
	if err != nil {
		return fmt.Errorf("mappings: %w", err)
	}
	answer := struct {
		Mappings []goalcast.OddsMapping `json:"mappings"`
		pageEnd
	}{}
	answer.Mappings, answer.pageEnd = endPage(list, f.Limit-1, func(m goalcast.OddsMapping) string {
		return fmt.Sprintf("%d/%s/%s", m.Described.UnixMilli(), m.Source, m.Event)
	})
	return writePage(w, r, answer.pageEnd, answer)
}

// mappingPlace is where a page of mappings begins; zero if it is not there.
func (q *query) mappingPlace() goalcast.OddsMappingPlace {
	text := q.values.Get("after")
	if text == "" {
		return goalcast.OddsMappingPlace{}
	}
	at, rest, _ := strings.Cut(text, "/")
	source, event, _ := strings.Cut(rest, "/")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || ms < 0 || !labelText.MatchString(source) || !eventText.MatchString(event) {
		q.badAfter()
		return goalcast.OddsMappingPlace{}
	}
	return goalcast.OddsMappingPlace{Described: time.UnixMilli(ms).UTC(), Source: source, Event: event}
}

// mappingBody is an operator's decision.
type mappingBody struct {
	Source string          `json:"source"`
	Event  string          `json:"event"`
	Match  json.RawMessage `json:"match"` // null: none of ours
}

var eventText = regexp.MustCompile(`^[!-~]{1,100}$`)

// match is the match that the body names; 0 for none of ours.
func (b mappingBody) match() (id goalcast.MatchID, err error) {
	switch {
	case !labelText.MatchString(b.Source):
		return 0, badParameter("source", "want at most 40 letters, digits, - or _")
	case !eventText.MatchString(b.Event):
		return 0, badParameter("event", "want 1 to 100 visible letters of ASCII")
	case len(b.Match) == 0:
		return 0, badParameter("match", "missing; null says that the event is none of our matches")
	case string(b.Match) == "null":
		return 0, nil
	}
	if json.Unmarshal(b.Match, &id) != nil || id <= 0 {
		return 0, badParameter("match", "want a number above 0, or null")
	}
	return id, nil
}

// putMapping takes an operator's word for what an event is, and says what it replaces. The prices
// of the matches that it was and is are shut at once.
func (s *Server) putMapping(w http.ResponseWriter, r *http.Request) error {
	if s.gates == nil {
		return errNotHere
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	var body mappingBody
	if err := readJSON(w, r, maxOddsBody, &body); err != nil {
		return err
	}
	match, err := body.match()
	if err != nil {
		return err
	}
	d, err := s.store.DecideOdds(r.Context(), body.Source, body.Event, match, roleOf(r.Context()).String())
	switch {
	case errors.Is(err, goalcast.ErrNotFound):
		return problem.New(http.StatusNotFound, "not_found", "no provider has described this event of this source")
	case errors.Is(err, goalcast.ErrNoMatch):
		p := problem.New(http.StatusUnprocessableEntity, "no_match", "match: there is no such match")
		p.Parameter = "match"
		return p
	case errors.Is(err, goalcast.ErrTaken):
		return problem.New(http.StatusConflict, "taken",
			"an operator has decided that another event of the source is this match; decide on that one first")
	case err != nil:
		return fmt.Errorf("mapping: %w", err)
	}
	attrs := []slog.Attr{slog.String("source", body.Source), slog.String("event", body.Event),
		slog.Int64("match", int64(match)), slog.Int64("before", int64(d.Before.Match)),
		slog.String("decision", string(d.Before.Decision))}
	if d.Displaced != nil {
		attrs = append(attrs, slog.String("displaced", d.Displaced.Event))
	}
	auditTarget(r, body.Source+"/"+body.Event)
	s.audit(r, "mapping", d.Before, d, attrs...)
	pending := s.shutGates(r.Context(), goalcast.GateUnmapped, d.Matches()...)
	return writeJSON(w, http.StatusOK, struct {
		goalcast.OddsDecision
		Pending []goalcast.MatchID `json:"pending,omitempty"`
	}{d, pending})
}

// getGates lists the matches whose prices an operator has shut, and how the gates of the matches of
// these hours are.
func (s *Server) getGates(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	list, err := s.store.OddsGates(r.Context())
	if err != nil {
		return fmt.Errorf("gates: %w", err)
	}
	if list == nil {
		list = []goalcast.OddsGate{}
	}
	answer := map[string]any{"gates": list}
	if s.odds != nil {
		matches, err := s.gatesNow.Get(r.Context(), s.gateChanges.Load(), s.readGates)
		if err == nil {
			answer["matches"] = matches
		} else { // what operators have shut is told all the same
			s.log.Warn("gates cannot be read", "request", requestID(r.Context()), "error", err)
		}
	}
	return writeJSON(w, http.StatusOK, answer)
}

// matchGate is how the gate of a match's prices is.
type matchGate struct {
	Match matchItem      `json:"match"`
	Odds  *goalcast.Gate `json:"odds,omitempty"` // nil: it never had prices
}

// readGates asks the bus for the gates of the matches that operators look at now.
func (s *Server) readGates(ctx context.Context) ([]matchGate, error) {
	matches, err := s.watchedNow(ctx)
	if err != nil {
		return nil, err
	}
	list := []matchGate{}
	for _, item := range matchItems(matches[:min(len(matches), maxWatched)], s.cfg.Now(), naming{}) {
		gate, _, err := s.odds.Odds(ctx, item.ID, s.cfg.Now())
		if err != nil {
			return nil, fmt.Errorf("gate of match %d: %w", item.ID, err)
		}
		one := matchGate{Match: item}
		if gate.State != "" {
			one.Odds = &gate
		}
		list = append(list, one)
	}
	return list, nil
}

// putGate shuts the prices of a match by hand, or lets whoever holds the sources open them again.
func (s *Server) putGate(w http.ResponseWriter, r *http.Request) error {
	if s.gates == nil {
		return errNotHere
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	var body struct {
		Shut *bool `json:"shut"`
	}
	if err := readJSON(w, r, maxOddsBody, &body); err != nil {
		return err
	}
	if body.Shut == nil {
		return badParameter("shut", "missing")
	}
	match := goalcast.MatchID(id)
	before, err := s.gateByHand(r.Context(), match)
	if err != nil {
		return err
	}
	gate, err := s.store.ShutOdds(r.Context(), match, *body.Shut, roleOf(r.Context()).String())
	if errors.Is(err, goalcast.ErrTooMany) {
		return problem.New(http.StatusConflict, "too_many", "as many matches are shut as may be; open some first")
	}
	if err != nil {
		return fmt.Errorf("gate of match %d: %w", id, err)
	}
	s.audit(r, "gate", before, gate, slog.Int64("match", id), slog.Bool("shut", *body.Shut))
	answer := struct {
		goalcast.OddsGate
		Pending bool `json:"pending,omitempty"`
	}{OddsGate: gate}
	s.gateChanges.Add(1)
	if gate.Shut {
		answer.Pending = len(s.shutGates(r.Context(), goalcast.GateOperator, match)) > 0
	}
	return writeJSON(w, http.StatusOK, answer)
}

// gateByHand is what operators have said of a match so far.
func (s *Server) gateByHand(ctx context.Context, match goalcast.MatchID) (goalcast.OddsGate, error) {
	list, err := s.store.OddsGates(ctx)
	if err != nil {
		return goalcast.OddsGate{}, fmt.Errorf("gates: %w", err)
	}
	if i := slices.IndexFunc(list, func(g goalcast.OddsGate) bool { return g.Match == match }); i >= 0 {
		return list[i], nil
	}
	return goalcast.OddsGate{Match: match}, nil
}

// shutGates shuts matches on the bus, whether or not somebody still waits for the answer. It
// returns those for which the bus gave no answer: the process that holds the sources shuts them
// when it reads the database.
func (s *Server) shutGates(ctx context.Context, reason goalcast.GateReason, matches ...goalcast.MatchID) (
	pending []goalcast.MatchID) {
	defer s.gateChanges.Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTime)
	defer cancel()
	now := s.cfg.Now()
	for _, id := range matches {
		_, err := s.gates.PublishOdds(ctx, now, []goalcast.OddsStep{{Topic: goalcast.ForOdds(id),
			Set: &goalcast.Gate{State: goalcast.GateSuspended, Reason: reason, Since: now.UnixMilli()}}})
		if err != nil {
			s.log.Warn("prices not shut on the bus; the process that holds the sources will", "match", id,
				"reason", reason, "error", err)
			pending = append(pending, id)
		}
	}
	return pending
}
