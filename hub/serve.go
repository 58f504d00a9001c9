package hub

import (
	"fmt"
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
	"goalcast/hub/shard"
)

// viewer is what a request asks for.
type viewer struct {
	transport shard.Transport
	topics    []goalcast.Topic
	since     goalcast.Cursor
	resume    bool            // it wants to go on from since
	bad       goalcast.Reason // the reason of a reset that is sent whatever since says
	wait      time.Duration
	conflate  time.Duration    // between two state batches
	delay     time.Duration    // after which everything comes
	trail     *trail           // of that delay, in which its seat is counted; nil without one
	terms     *shard.Terms     // of its connection
	kinds     goalcast.KindSet // of events that it is sent
	replay    *replay          // nil: it watches live
	check     bool             // it only asks whether it would be let in
	ticket    string
	user      goalcast.UserID // by its token or ticket
	device    string          // that it says to be (goalcast.DeviceName), to ack what it shows; empty: it does not
	came      time.Time
	rights    goalcast.Rights
	until     time.Time // when what is known of the viewer ends; zero: never
	ip        netip.Addr
}

// ServeHTTP answers GET /v1/live: it becomes a WebSocket, an event stream or a long poll.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if no := h.allowOrigin(w, r); no != nil {
		h.refuse(w, r, no)
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
		h.refuse(w, r, &refusal{goalcast.CodeMethod, "method", "only GET"})
		return
	}
	v, no := h.parse(r)
	if no == nil && v.check {
		if no = h.mayEnter(r, v); no == nil {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if no != nil {
		h.refuse(w, r, no)
		return
	}
	seat, no := h.admit(r, v)
	if no != nil {
		h.refuse(w, r, no)
		return
	}
	defer seat.leave() // does nothing once a shard has taken it over
	h.metrics.handshakes[v.transport].Inc()
	switch v.transport {
	case shard.WebSocket:
		h.serveWebSocket(w, r, v, seat)
	case shard.SSE:
		h.serveEvents(w, r, v, seat)
	default:
		h.servePoll(w, r, v, seat)
	}
}

// parse reads the request.
func (h *Hub) parse(r *http.Request) (*viewer, *refusal) {
	v := &viewer{transport: shard.Poll}
	switch {
	case headerHas(r.Header, "Upgrade", "websocket"):
		v.transport = shard.WebSocket
	case headerHas(r.Header, "Accept", "text/event-stream"):
		v.transport = shard.SSE
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &refusal{goalcast.CodeBadParameter, "query", "query string: " + err.Error()}
	}
	v.check, v.ticket = q.Has("check"), q.Get("ticket")
	if v.device = q.Get("ack"); v.device != "" && !goalcast.IsDeviceName(v.device) {
		return nil, &refusal{goalcast.CodeBadParameter, "ack",
			"ack wants the SHA-256 of the device's token, in base64url"}
	}
	var texts []string
	for _, list := range q["topics"] {
		texts = append(texts, strings.FieldsFunc(list, func(r rune) bool { return r == ',' })...)
	}
	switch {
	case len(texts) > h.cfg.MaxTopics:
		return nil, &refusal{goalcast.CodeTooManyTopics, "topics", fmt.Sprintf("at most %d topics", h.cfg.MaxTopics)}
	case len(texts) == 0 && v.transport != shard.WebSocket && !v.check:
		return nil, &refusal{goalcast.CodeBadTopic, "topics", "topics are missing: ?topics=match:1,team:7"}
	}
	if v.topics, err = shard.ParseTopics(texts); err != nil {
		return nil, &refusal{goalcast.CodeBadTopic, "topics", err.Error()}
	}
	if no := v.parseReplay(q); no != nil {
		return nil, no
	}
	if v.since, err = goalcast.ParseCursor(q.Get("since")); err != nil {
		return nil, &refusal{goalcast.CodeBadCursor, "cursor", err.Error()}
	}
	v.resume = !v.since.IsZero()
	if id := r.Header.Get("Last-Event-ID"); id != "" { // newer than what an EventSource was once made with
		v.resume = true
		if v.since, err = goalcast.ParseCursor(id); err != nil {
			v.bad = goalcast.ResetBadCursor // an EventSource would never come back after a 400
		}
	}
	v.wait = min(25*time.Second, h.cfg.MaxWait)
	if text := q.Get("wait"); text != "" {
		if v.wait, err = time.ParseDuration(text); err != nil || v.wait < 0 {
			return nil, &refusal{goalcast.CodeBadParameter, "wait", "wait wants a span of time: wait=25s"}
		}
		v.wait = min(v.wait, h.cfg.MaxWait)
	}
	if text := q.Get("conflate_ms"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 || ms > shard.MaxConflate {
			return nil, &refusal{goalcast.CodeBadParameter, "conflate", shard.BadConflate}
		}
		v.conflate = shard.Conflation(ms, h.cfg.StateInterval)
	}
	if text := q.Get("kinds"); text != "" {
		if v.kinds, err = goalcast.ParseKinds(text); err != nil {
			return nil, &refusal{goalcast.CodeBadParameter, "kinds", "kinds: " + err.Error()}
		}
		v.kinds |= alwaysSent
	}
	v.terms = h.terms.of(v.kinds)
	if text := q.Get("delay"); text != "" {
		s, err := strconv.Atoi(text)
		switch {
		case err != nil || s < 0 || s > goalcast.MaxDelay:
			return nil, &refusal{goalcast.CodeBadParameter, "delay",
				fmt.Sprintf("delay wants whole seconds, 0 to %d", goalcast.MaxDelay)}
		case s > 0 && v.replay != nil:
			return nil, &refusal{goalcast.CodeBadParameter, "delay", "a replay has no delay"}
		}
		v.delay = time.Duration(s) * time.Second
	}
	statesOnly := func(t goalcast.Topic) bool { return t.Kind.StatesOnly() }
	if v.transport == shard.Poll && slices.ContainsFunc(v.topics, statesOnly) {
		// a cursor does not say which states a poll has seen: it gets all, and often
		v.wait = min(v.wait, max(time.Second, v.conflate))
	}
	return v, nil
}

// admit finds out who asks, asks the limits, and gives the viewer a seat.
func (h *Hub) admit(r *http.Request, v *viewer) (*seat, *refusal) {
	if no := h.authorize(r, v); no != nil {
		return nil, no
	}
	limit, reason := h.limits.Enter(v.ip)
	if reason != "" {
		return nil, tooMany(reason)
	}
	return &seat{limit: limit}, nil
}

// mayEnter says what admit would, and lets nobody in.
func (h *Hub) mayEnter(r *http.Request, v *viewer) *refusal {
	if no := h.authorize(r, v); no != nil {
		return no
	}
	if no := tooMany(h.limits.Full(v.ip)); no != nil || v.replay == nil {
		return no
	}
	return h.mayReplay(r.Context(), v)
}

// authorize finds out who asks, and whether they may have what they ask for.
func (h *Hub) authorize(r *http.Request, v *viewer) *refusal {
	switch {
	case h.draining.Load() || h.ended.Load():
		return &refusal{goalcast.CodeDraining, "draining", "this server is about to stop, try another"}
	case !h.running.Load():
		return &refusal{goalcast.CodeStarting, "starting", "this server has just begun, try again"}
	}
	text, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		text = r.RemoteAddr
	}
	if h.cfg.ClientIP != nil {
		text = h.cfg.ClientIP(r)
	}
	v.ip, _ = netip.ParseAddr(text) // the zero address where there is none: a limit then counts them together
	if no := h.mayAsk(r, v); no != nil {
		return no
	}
	if no := h.identify(r, v); no != nil {
		return no
	}
	if err := h.may(v.topics, v.rights, v.delay); err != nil {
		return &refusal{goalcast.CodeForbidden, "forbidden", err.Error()}
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
		w.Header().Set("Access-Control-Allow-Origin", origin) // so that its developer can read why
		return &refusal{goalcast.CodeBadOrigin, "origin", "pages of this origin may not connect"}
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
		// that of a page from a file, or in a sandbox; it has no host
		if strings.Contains(p, "://") || origin == "null" {
			text = strings.ToLower(origin)
		}
		ok, err := path.Match(strings.ToLower(p), text)
		return ok && err == nil
	})
}

// headerHas says whether a header's comma-separated list names a token, whatever its case and
// parameters.
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
