package hub

import (
	"encoding/json"
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
	conflate  time.Duration // between two bursts of states
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
	if text := q.Get("conflate_ms"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 || ms > maxConflateMs {
			return nil, &refusal{http.StatusBadRequest, "conflate", badConflate}
		}
		v.conflate = h.cfg.conflation(ms)
	}
	if v.transport == byPoll && slices.ContainsFunc(v.topics, func(t goalcast.Topic) bool { return t.Kind == goalcast.OddsTopic }) {
		v.wait = min(v.wait, max(time.Second, v.conflate)) // a cursor does not say which prices a poll has seen: it gets all, and often
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
