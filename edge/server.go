package edge

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/problem"
)

// Path is where a hub serves its edges.
const Path = "/edge/v1/"

// Board is where edges' matches come from.
type Board interface {
	Load(context.Context, []goalcast.Topic) error
	// Snaps gives the matches of a topic that needs no rights, or false: it has to be loaded again.
	Snaps(goalcast.Topic, goalcast.Rights) ([]goalcast.Snapshot, bool)
	Cursor() goalcast.Cursor // up to which all events are on the board
	Need(goalcast.MatchID) (goalcast.Rights, bool)
	Private() goalcast.Private
}

// Bus is where edges' states come from.
type Bus interface {
	Follow(context.Context, goalcast.Topic) (known []goalcast.State, unfollow func(), err error)
}

// Config holds the server's limits; zero fields are the defaults.
type Config struct {
	Secrets   map[string][]string // by the name of the edge that shows one of them
	MaxEdges  int                 // connections at one time; more are answered 503
	Ring      int                 // events kept for edges that come back
	RingBytes int                 // and bytes
	MaxStates int                 // bytes of states that may wait for an edge; over it: cut
	MaxTopics int                 // topics whose states an edge follows; of more it gets none
	NoOdds    bool                // edges get no prices

	Beat         time.Duration // something is sent to each edge at least this often
	WriteTimeout time.Duration // how long an edge may take nothing; over it: cut
	ReadTimeout  time.Duration // and how long it may say nothing
	AnswerTime   time.Duration // of one question for matches or states

	// Told reads what was told of a match, at most so many revisions, in that order. nil: nothing
	// is played again at edges.
	Told func(ctx context.Context, match goalcast.MatchID, limit int) ([]goalcast.Revision, error)
	// Known calls visit for every match, team and competition there is, so that edges do not ask
	// for others. nil: they ask.
	Known func(ctx context.Context, visit func(goalcast.Topic)) error
	// Guesses counts a wrong secret, and says how long whoever showed it has to wait. nil: nobody
	// has to.
	Guesses func(*http.Request) time.Duration
}

func (c Config) WithDefaults() Config {
	c.MaxEdges = cmp.Or(max(c.MaxEdges, 0), 64)
	c.Ring = cmp.Or(max(c.Ring, 0), 20_000)
	c.RingBytes = cmp.Or(max(c.RingBytes, 0), 64<<20)
	c.MaxStates = cmp.Or(max(c.MaxStates, 0), 16<<20)
	c.MaxTopics = cmp.Or(max(c.MaxTopics, 0), 20_000)
	c.Beat = cmp.Or(max(c.Beat, 0), time.Second)
	c.WriteTimeout = cmp.Or(max(c.WriteTimeout, 0), 10*time.Second)
	c.ReadTimeout = cmp.Or(max(c.ReadTimeout, 0), 15*time.Second)
	c.AnswerTime = cmp.Or(max(c.AnswerTime, 0), 5*time.Second)
	return c
}

// Server gives edges what this process hears of the bus: it is a goalcast.Listener, and comes after
// the board's.
type Server struct {
	cfg     Config
	board   Board
	bus     Bus
	log     *slog.Logger
	metrics *serverMetrics
	secrets atomic.Pointer[map[string][]string]
	mux     *http.ServeMux
	serving sync.WaitGroup

	mu       sync.Mutex
	ring     ring
	resets   uint64 // counts them
	heard    bool   // something has come over the bus
	caught   bool   // all that the bus had is in the ring
	stale    bool   // the bus is silent
	ended    bool   // Run has returned, or is about to
	sessions map[*session]struct{}
}

// NewServer makes a server. It takes no edges before something has come over the bus.
func NewServer(cfg Config, board Board, bus Bus, log *slog.Logger, reg prometheus.Registerer) *Server {
	cfg = cfg.WithDefaults()
	s := &Server{cfg: cfg, board: board, bus: bus, log: log, mux: http.NewServeMux(), sessions: map[*session]struct{}{},
		ring: ring{maxEvents: cfg.Ring, maxBytes: cfg.RingBytes}}
	s.metrics = newServerMetrics(reg, s.count)
	s.UseSecrets(cfg.Secrets)
	s.mux.HandleFunc("GET "+Path+"bus", s.serveBus)
	s.mux.HandleFunc("GET "+Path+"matches/{topic}", s.serveMatches)
	s.mux.HandleFunc("GET "+Path+"told/{match}", s.serveTold)
	s.mux.HandleFunc("GET "+Path+"known", s.serveKnown)
	return s
}

// UseSecrets exchanges the secrets of all edges; those that are connected stay. It may be called at
// any time.
func (s *Server) UseSecrets(secrets map[string][]string) { s.secrets.Store(&secrets) }

// Run cuts all edges off when the context ends, and returns when none is left.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.ended = true
	for e := range s.sessions {
		e.cutLocked(cutLeaving)
	}
	s.mu.Unlock()
	s.serving.Wait()
	return nil
}

func (s *Server) count() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(len(s.sessions))
}

// ServeHTTP answers edges.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, no := s.authorize(r)
	if no != nil {
		s.refuse(w, r, no)
		return
	}
	s.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), nameKey{}, name)))
}

// nameKey is that of the edge's name in a request's context.
type nameKey struct{}

// authorize finds out which edge asks.
func (s *Server) authorize(r *http.Request) (name string, no *problem.Problem) {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		for name, secrets := range *s.secrets.Load() {
			known := func(secret string) bool { return same(strings.TrimSpace(shown), secret) }
			if slices.ContainsFunc(secrets, known) {
				return name, nil
			}
		}
	}
	if s.cfg.Guesses != nil {
		if wait := s.cfg.Guesses(r); wait > 0 {
			no := problem.New(http.StatusTooManyRequests, "rate_guesses",
				"too many wrong secrets; wait as Retry-After says")
			no.Retry = wait
			return "", no
		}
	}
	no = problem.New(http.StatusUnauthorized, "unauthorized", "the edge's secret is missing or wrong")
	no.Challenge = "Bearer"
	return "", no
}

// same compares in a time that tells nothing of either.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, no *problem.Problem) {
	s.metrics.refused.WithLabelValues(no.Code).Inc()
	problem.Write(w, r, no)
}

func unavailable(detail string) *problem.Problem {
	no := problem.New(http.StatusServiceUnavailable, refusedNotReady, detail)
	no.Retry = time.Second
	return no
}

// serveBus is a WebSocket with an edge, until one of the two ends it.
func (s *Server) serveBus(w http.ResponseWriter, r *http.Request) {
	after, err := goalcast.ParseCursor(r.URL.Query().Get("after"))
	if err != nil {
		s.refuse(w, r, problem.New(http.StatusBadRequest, "bad_cursor", err.Error()))
		return
	}
	history, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("history"), strconv.Itoa(s.cfg.Ring)))
	if err != nil || history < 1 {
		s.refuse(w, r, problem.New(http.StatusBadRequest, "bad_parameter", "history wants a number of events"))
		return
	}
	s.awaitCursor(r.Context(), after)
	e := &session{server: s, wake: make(chan struct{}, 1), history: uint64(history),
		follows: map[goalcast.Topic]func(){}}
	e.name, _ = r.Context().Value(nameKey{}).(string)
	if no := s.enter(e, after); no != nil {
		s.refuse(w, r, no)
		return
	}
	defer s.serving.Done()
	defer s.leave(e)
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.metrics.refused.WithLabelValues(refusedHandshake).Inc()
		return // it has answered
	}
	s.log.Info("an edge has come", "edge", e.name, "after", after.String())
	e.run(context.WithoutCancel(r.Context()), conn)
}

// enter gives an edge its place in the stream.
func (s *Server) enter(e *session, after goalcast.Cursor) *problem.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || !s.heard || !s.caught || s.stale:
		return unavailable("this hub does not hear the bus now")
	case len(s.sessions) >= s.cfg.MaxEdges:
		no := problem.New(http.StatusServiceUnavailable, refusedTooMany, "too many edges here")
		no.Retry = 5 * time.Second
		return no
	}
	e.resets = s.resets - 1 // it begins anew, unless
	if after.Epoch == s.ring.epoch && after.Offset >= s.ring.first && after.Offset <= s.ring.last {
		e.resets, e.at, e.resumed = s.resets, after.Offset, true
	}
	s.sessions[e] = struct{}{}
	s.serving.Add(1)
	return nil
}

func (s *Server) leave(e *session) {
	s.mu.Lock()
	delete(s.sessions, e)
	s.mu.Unlock()
}

// A hub may have heard less than the one that an edge comes from: it waits for the rest, in steps.
const (
	cursorWait = 2 * time.Second
	cursorStep = 10 * time.Millisecond
	cursorFar  = 10_000 // events; further it does not come from such a hub
)

func (s *Server) awaitCursor(ctx context.Context, c goalcast.Cursor) {
	for begin := time.Now(); time.Since(begin) < cursorWait && ctx.Err() == nil; time.Sleep(cursorStep) {
		s.mu.Lock()
		epoch, last := s.ring.epoch, s.ring.last
		s.mu.Unlock()
		if c.Epoch != epoch || c.Offset <= last || c.Offset > last+cursorFar {
			return
		}
	}
}

// Matches is the answer to a question for the matches of a topic.
type Matches struct {
	Matches []goalcast.Snapshot `json:"matches"`
}

// serveMatches answers with the matches of a topic as they stand, on a board that knows all events
// up to the cursor "as": the edge has heard them, and applies only those that come after.
func (s *Server) serveMatches(w http.ResponseWriter, r *http.Request) {
	topic, err := goalcast.ParseTopic(r.PathValue("topic"))
	if err != nil || topic.Kind.Info().Matches == goalcast.NoMatches {
		s.refuse(w, r, problem.New(http.StatusBadRequest, "bad_topic", "want a topic that has matches"))
		return
	}
	as, err := goalcast.ParseCursor(r.URL.Query().Get("as"))
	if err != nil {
		s.refuse(w, r, problem.New(http.StatusBadRequest, "bad_cursor", err.Error()))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.AnswerTime)
	defer cancel()
	snaps, err := s.matches(ctx, topic, as)
	if err != nil {
		s.log.Warn("matches for an edge not read", "topic", topic.String(), "error", err)
		s.refuse(w, r, unavailable("not readable now, try again"))
		return
	}
	s.answer(w, Matches{snaps})
}

func (s *Server) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // an error means that the edge has gone
}

func (s *Server) matches(ctx context.Context, t goalcast.Topic, as goalcast.Cursor) ([]goalcast.Snapshot, error) {
	for {
		if has := s.board.Cursor(); as.IsZero() || has.Epoch == as.Epoch && has.Offset >= as.Offset {
			if err := s.board.Load(ctx, []goalcast.Topic{t}); err != nil {
				return nil, err
			}
			if snaps, ok := s.board.Snaps(t, 0); ok {
				return snaps, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the board is not at %s", goalcast.ErrUnavailable, as)
		case <-time.After(cursorStep):
		}
	}
}

// maxTold bounds what an edge may ask for of one match.
const maxTold = 100_000

// serveTold answers with what was told of a match.
func (s *Server) serveTold(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("match"), 10, 64)
	limit, wrong := strconv.Atoi(r.URL.Query().Get("limit"))
	if err = errors.Join(err, wrong); err != nil || limit < 1 || limit > maxTold {
		s.refuse(w, r, problem.New(http.StatusBadRequest, "bad_parameter", "want a match's number, and a limit"))
		return
	}
	if s.cfg.Told == nil {
		s.refuse(w, r, problem.New(http.StatusNotFound, "not_found", "nothing is played again here"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.AnswerTime)
	defer cancel()
	id := goalcast.MatchID(n)
	seen, err := s.matches(ctx, goalcast.ForMatch(id), goalcast.Cursor{})
	told := []goalcast.Revision{}
	if err == nil && len(seen) > 0 { // none of a match that edges are not told of
		told, err = s.cfg.Told(ctx, id, limit)
	}
	if err != nil {
		s.log.Warn("what was told of a match not read for an edge", "match", id, "error", err)
		s.refuse(w, r, unavailable("not readable now, try again"))
		return
	}
	s.answer(w, told)
}

// knownTime is for one list of all there is.
const knownTime = 30 * time.Second

// serveKnown answers with the topics of all matches, teams and competitions, one per line, and an
// empty line behind the last. Of what is private there may be the number of a match.
func (s *Server) serveKnown(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Known == nil {
		s.refuse(w, r, problem.New(http.StatusNotFound, "not_found", "nobody knows here what there is"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), knownTime)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	lines := bufio.NewWriter(w)
	err := s.cfg.Known(ctx, func(t goalcast.Topic) {
		if need, ok := s.board.Private().Topic(t); !ok || need == 0 {
			_, _ = lines.WriteString(t.String() + "\n")
		}
	})
	if err != nil {
		s.log.Warn("list of all matches not read for an edge", "error", err)
		panic(http.ErrAbortHandler) // half a list must not be taken for a whole one
	}
	_ = lines.WriteByte('\n')
	_ = lines.Flush() // an error means that the edge has gone
}

// Event is part of goalcast.Listener.
func (s *Server) Event(p goalcast.Published) {
	raw := []byte(p.Raw)
	if s.board.Private().Event(&p.Event) != 0 {
		raw = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Cursor.Epoch == s.ring.epoch && p.Cursor.Offset <= s.ring.last && s.heard {
		return // told twice
	}
	if !s.heard || p.Cursor.Epoch != s.ring.epoch || p.Cursor.Offset != s.ring.last+1 {
		s.resetLocked(goalcast.Cursor{Epoch: p.Cursor.Epoch, Offset: p.Cursor.Offset - 1})
	}
	s.ring.add(raw)
	s.wakeLocked()
}

// State is part of goalcast.Listener.
func (s *Server) State(st goalcast.State) {
	if s.hides(st.Topic) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(st.Topic, func() []byte { return jsonLine("v", st) })
	for e := range s.sessions {
		e.news = e.news || e.reading == st.Topic
	}
}

// Reread is part of goalcast.Listener.
func (s *Server) Reread(t goalcast.Topic, all []goalcast.State) {
	if s.hides(t) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(t, func() []byte { return jsonLine("a "+t.String(), all) })
	for e := range s.sessions {
		e.reread = e.reread || e.reading == t
	}
}

// tellLocked gives a line to those who follow a topic.
func (s *Server) tellLocked(t goalcast.Topic, text func() []byte) {
	var line []byte
	for e := range s.sessions {
		if _, ok := e.follows[t]; !ok {
			continue
		}
		if line == nil {
			line = text()
		}
		e.tellLocked(line)
	}
}

// hides says whether a topic that an edge may have followed is no longer for everybody.
func (s *Server) hides(t goalcast.Topic) bool {
	need, ok := s.need(t)
	return ok && need != 0
}

// need is what one has to have to get the states of a topic; false if that is not known.
func (s *Server) need(t goalcast.Topic) (goalcast.Rights, bool) {
	if need, ok := s.board.Private().Topic(t); ok {
		return need, true
	}
	return s.board.Need(goalcast.MatchID(t.ID))
}

// Reset is part of goalcast.Listener.
func (s *Server) Reset(c goalcast.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resetLocked(c)
	s.caught = false
}

func (s *Server) resetLocked(c goalcast.Cursor) {
	s.heard = true
	s.resets++
	s.ring.restart(c)
	s.wakeLocked()
}

// Stale is part of goalcast.Listener.
func (s *Server) Stale(stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale = stale; !stale {
		s.caught = true
	}
	s.wakeLocked()
}

func (s *Server) wakeLocked() {
	for e := range s.sessions {
		e.wakeUp()
	}
}

func line(parts ...string) []byte { return []byte(strings.Join(parts, " ")) }

// jsonLine is a line that ends with JSON.
func jsonLine(head string, body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic("edge: " + err.Error()) // values are JSON texts, checked by those who put them on the bus
	}
	return line(head, string(text))
}
