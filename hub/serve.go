package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// viewer is what a request asks for.
type viewer struct {
	transport transport
	topics    []goalcast.Topic
	since     goalcast.Cursor
	resume    bool   // it wants to go on from since
	bad       string // the reason of a reset that is sent whatever since says
	wait      time.Duration
	ip        netip.Addr
}

// refusal is an HTTP answer that ends a request.
type refusal struct {
	status int
	reason string // label of a counter
	detail string // for a developer's eyes
}

func (r *refusal) Error() string { return r.detail }

// ServeHTTP answers GET /v1/live: it becomes a WebSocket, an event stream or a long poll.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if no := h.allowOrigin(w, r); no != nil {
		h.refuse(w, no)
		return
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
		w.Header().Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", "GET, OPTIONS")
		h.refuse(w, &refusal{http.StatusMethodNotAllowed, "method", "only GET"})
		return
	}
	v, no := h.parse(r)
	if no == nil {
		no = h.admit(r, v)
	}
	if no != nil {
		h.refuse(w, no)
		return
	}
	h.metrics.handshakes[v.transport].Inc()
	switch v.transport {
	case byWebSocket:
		h.serveWebSocket(w, r, v)
	case bySSE:
		h.serveEvents(w, r, v)
	default:
		h.servePoll(w, r, v)
	}
}

// parse reads the request.
func (h *Hub) parse(r *http.Request) (*viewer, *refusal) {
	v := &viewer{transport: byPoll}
	switch {
	case headerHas(r.Header, "Upgrade", "websocket"):
		v.transport = byWebSocket
	case headerHas(r.Header, "Accept", "text/event-stream"):
		v.transport = bySSE
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "query", "query string: " + err.Error()}
	}
	var texts []string
	for _, list := range q["topics"] {
		texts = append(texts, strings.FieldsFunc(list, func(r rune) bool { return r == ',' })...)
	}
	switch {
	case len(texts) > h.cfg.MaxTopics:
		return nil, &refusal{http.StatusBadRequest, "topics", fmt.Sprintf("at most %d topics", h.cfg.MaxTopics)}
	case len(texts) == 0 && v.transport != byWebSocket:
		return nil, &refusal{http.StatusBadRequest, "topics", "topics are missing: ?topics=match:1,team:7"}
	}
	if v.topics, err = parseTopics(texts); err != nil {
		return nil, &refusal{http.StatusBadRequest, "topics", err.Error()}
	}
	if v.since, err = goalcast.ParseCursor(q.Get("since")); err != nil {
		return nil, &refusal{http.StatusBadRequest, "cursor", err.Error()}
	}
	v.resume = !v.since.IsZero()
	if id := r.Header.Get("Last-Event-ID"); id != "" { // newer than what an EventSource was once made with
		v.resume = true
		if v.since, err = goalcast.ParseCursor(id); err != nil {
			v.bad = badIDHeader // an EventSource would never come back after a 400
		}
	}
	v.wait = min(25*time.Second, h.cfg.MaxWait)
	if text := q.Get("wait"); text != "" {
		if v.wait, err = time.ParseDuration(text); err != nil || v.wait < 0 {
			return nil, &refusal{http.StatusBadRequest, "wait", "wait wants a span of time: wait=25s"}
		}
		v.wait = min(v.wait, h.cfg.MaxWait)
	}
	if v.transport == byPoll && slices.ContainsFunc(v.topics, func(t goalcast.Topic) bool { return t.Kind == goalcast.OddsTopic }) {
		v.wait = min(v.wait, time.Second) // a cursor does not say which prices a poll has seen: it gets all, and often
	}
	return v, nil
}

// admit asks the limits and the hook. If it refuses, nothing is left to undo; else limits.leave is owed.
func (h *Hub) admit(r *http.Request, v *viewer) *refusal {
	if h.draining.Load() || !h.running.Load() {
		return &refusal{http.StatusServiceUnavailable, "draining", "this server is about to stop, try another"}
	}
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if h.cfg.ClientIP != nil {
		text = h.cfg.ClientIP(r)
	}
	v.ip, _ = netip.ParseAddr(text) // the zero address where there is none: a limit then counts them together
	v.ip = v.ip.Unmap()
	if h.cfg.Authorize != nil {
		if err := h.cfg.Authorize(r, v.topics); err != nil {
			return &refusal{http.StatusForbidden, "forbidden", err.Error()}
		}
	}
	if reason := h.limits.enter(v.ip); reason != "" {
		return &refusal{http.StatusServiceUnavailable, reason, "too many viewers, try again"}
	}
	return nil
}

// allowOrigin checks where a web page comes from and lets it read the answer.
func (h *Hub) allowOrigin(w http.ResponseWriter, r *http.Request) *refusal {
	origin := r.Header.Get("Origin")
	if len(h.cfg.Origins) == 0 {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		return nil
	}
	w.Header().Add("Vary", "Origin")
	if origin == "" {
		return nil // no browser
	}
	if !originAllowed(h.cfg.Origins, origin) {
		return &refusal{http.StatusForbidden, "origin", "pages of this origin may not connect"}
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	return nil
}

func originAllowed(patterns []string, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		text := strings.ToLower(u.Host)
		if strings.Contains(p, "://") {
			text = strings.ToLower(origin)
		}
		ok, err := path.Match(strings.ToLower(p), text)
		return ok && err == nil
	})
}

// refuse answers with problem+json and, where it makes sense, when to come back.
func (h *Hub) refuse(w http.ResponseWriter, no *refusal) {
	h.metrics.refused.WithLabelValues(no.reason).Inc()
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(1+rand.IntN(5))) // seconds, not the same for all
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(no.status), "status": no.status, "detail": no.detail})
}

// headerHas says whether a header's comma-separated list names a token, whatever its case and parameters.
func headerHas(header http.Header, name, token string) bool {
	for _, line := range header[name] {
		for part := range strings.SplitSeq(line, ",") {
			part, _, _ = strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// newConn makes the connection of a viewer, not yet joined.
func (h *Hub) newConn(r *http.Request, v *viewer) (*conn, *shard) {
	c := &conn{fd: -1, transport: v.transport, encoding: encoding(v.transport)} // they count alike
	if h.limits.byIP != nil || h.cfg.Authorize != nil {
		c.origin = &origin{ip: v.ip}
		if h.cfg.Authorize != nil && v.transport == byWebSocket {
			c.origin.request = &http.Request{Method: r.Method, URL: r.URL, Header: r.Header, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS}
		}
	}
	return c, h.shards[h.next.Add(1)%uint32(len(h.shards))]
}

// prepare does what may take time before a viewer joins: odds are followed, matches read. It owes h.release.
func (h *Hub) prepare(ctx context.Context, v *viewer) *refusal {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.JoinTimeout)
	defer cancel()
	err := h.hold(ctx, v.topics)
	if err == nil {
		if err = h.awaitReading(ctx, v); err != nil {
			h.release(v.topics)
		}
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		h.log.Warn("join", "err", err)
	}
	return &refusal{http.StatusServiceUnavailable, "unavailable", errUnavailable.Error()}
}

// awaitReading has the snapshots read that the viewer will need; none if its cursor can be resumed from.
func (h *Hub) awaitReading(ctx context.Context, v *viewer) error {
	if v.resume && v.bad == "" {
		h.awaitCursor(ctx, v.since)
		h.mu.RLock()
		_, outcome := h.ring.since(v.since, v.topics, h.cfg.MaxPending)
		h.mu.RUnlock()
		if outcome == resumed {
			return nil
		}
	}
	if err := h.board.ensure(ctx, v.topics); err != nil {
		return err
	}
	h.board.warm(v.topics)
	return nil
}

// awaitCursor waits a moment for a cursor of another node that has heard more than this one.
func (h *Hub) awaitCursor(ctx context.Context, c goalcast.Cursor) {
	const moment, step, far = 300 * time.Millisecond, 10 * time.Millisecond, 10_000
	for begin := time.Now(); time.Since(begin) < moment && ctx.Err() == nil; time.Sleep(step) {
		h.mu.RLock()
		epoch, last := h.ring.epoch, h.ring.last
		h.mu.RUnlock()
		if c.Epoch != epoch || c.Offset <= last || c.Offset > last+far {
			return
		}
	}
}

// attach posts the connection to its shard, with what it begins with. It takes over what hold counted, also when it fails.
func (h *Hub) attach(ctx context.Context, s *shard, c *conn, v *viewer, input []byte) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.JoinTimeout)
	defer cancel()
	if v.resume {
		if done, err := h.attachResumed(s, c, v, input); done || err != nil {
			return err
		}
	}
	err := h.withSnapshots(ctx, v.topics, func(j *join) bool {
		var first []*message
		first = append(first, h.hello(v.topics, h.ring.cursor()))
		if v.resume {
			_, outcome := h.ring.since(v.since, v.topics, h.cfg.MaxPending)
			if v.bad != "" {
				outcome = v.bad
			}
			if outcome == resumed {
				outcome = tooOld // it became possible just now; the snapshots are there
			}
			h.metrics.resumes.WithLabelValues(outcome).Inc()
			first = append(first, newFrame(classControl, goalcast.Frame{Type: goalcast.FrameReset, Reason: outcome}))
		}
		if h.stale || !h.heard {
			first = append(first, staleMessage(true))
		}
		j.frames = append(first, j.frames...)
		j.input = input
		return s.inbox.post(op{kind: opJoin, conn: c, arg: j})
	})
	if err != nil {
		h.release(v.topics)
	}
	return err
}

// attachResumed posts the connection with a replay from the ring; false if its cursor cannot be resumed from.
func (h *Hub) attachResumed(s *shard, c *conn, v *viewer, input []byte) (bool, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	missed, outcome := h.ring.since(v.since, v.topics, h.cfg.MaxPending)
	if outcome != resumed || v.bad != "" {
		return false, nil
	}
	j := &join{topics: v.topics, cursor: h.ring.cursor(), input: input}
	if v.transport != byPoll {
		j.frames = append(j.frames, h.hello(v.topics, v.since))
		if h.stale {
			j.frames = append(j.frames, staleMessage(true))
		}
	}
	j.frames = append(j.frames, missed...)
	for _, t := range v.topics { // states are not replayed: all their newest values are sent
		if v.transport != byPoll && h.states.table(t) != nil {
			if j.marks == nil {
				j.marks = make(map[goalcast.Topic]uint64)
			}
			j.marks[t] = 0
		}
	}
	if !s.inbox.post(op{kind: opJoin, conn: c, arg: j}) {
		h.release(v.topics)
		return false, errNotRunning
	}
	h.metrics.resumes.WithLabelValues(resumed).Inc()
	return true, nil
}

// withSnapshots calls post, under the lock that orders all, with the snapshots of topics; it reads what is missing before.
func (h *Hub) withSnapshots(ctx context.Context, topics []goalcast.Topic, post func(*join) bool) error {
	for range 5 {
		if err := h.board.ensure(ctx, topics); err != nil {
			return err
		}
		h.board.warm(topics)
		h.mu.RLock()
		j, ok := h.snapshotsLocked(topics)
		posted := ok && post(j)
		h.mu.RUnlock()
		switch {
		case posted:
			return nil
		case ok:
			return errNotRunning
		}
	}
	return errBusy
}

// snapshotsLocked collects the snapshots of topics as of now; false if one is not on the board.
func (h *Hub) snapshotsLocked(topics []goalcast.Topic) (*join, bool) {
	j := &join{topics: topics, cursor: h.ring.cursor(), frames: make([]*message, 0, len(topics)+4)}
	for _, t := range topics {
		if table := h.states.table(t); table != nil {
			if j.marks == nil {
				j.marks = make(map[goalcast.Topic]uint64)
			}
			_, j.marks[t] = table.snapshot()
		}
		m, ok := h.frameOf(t)
		if !ok {
			return nil, false
		}
		j.frames = append(j.frames, m)
	}
	if !j.cursor.IsZero() {
		// Only now has the viewer all that the cursor stands for: an id without data, which an EventSource remembers and does not show.
		j.frames = append(j.frames, newFixed("mark", nil, []byte("id: "+j.cursor.String()+"\n\n")))
	}
	return j, true
}

// hello is a connection's first frame. Its cursor is where the frames behind it go on from.
func (h *Hub) hello(topics []goalcast.Topic, c goalcast.Cursor) *message {
	f := goalcast.Frame{Type: goalcast.FrameHello, Version: goalcast.WireVersion, Topics: topics,
		Ping: h.cfg.PingInterval.Milliseconds(), Time: time.Now().UnixMilli()}
	if !c.IsZero() {
		f.Cursor = &c
	}
	return newFrame(classControl, f)
}
