package hub

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/limits"
	"goalcast/hub/shard"
	"goalcast/internal/problem"
)

// refusal is an answer that ends a request.
type refusal struct {
	code   goalcast.Code
	reason string // label of a counter
	detail string // for a developer's eyes
}

func (r *refusal) Error() string { return r.detail }

func (r *refusal) temporary() bool { return !r.code.Info().Final }

func unavailable() *refusal {
	return &refusal{goalcast.CodeUnavailable, "unavailable", errUnavailable.Error()}
}
func draining() *refusal { return &refusal{goalcast.CodeDraining, "draining", "this server stops"} }

// tooMany is the refusal for what a limit says; nil if it says nothing.
func tooMany(reason string) *refusal {
	switch reason {
	case "":
		return nil
	case limits.TooFast, limits.TooFastForAddress:
		return &refusal{goalcast.CodeRate, reason, "too many viewers at once, try again"}
	case limits.TooManyGuesses:
		return &refusal{goalcast.CodeRate, reason, "too many wrong tokens or tickets, try again later"}
	case "made_up_topics":
		return &refusal{goalcast.CodeRate, reason, "too many topics that do not exist, try again"}
	case "replays":
		return &refusal{goalcast.CodeReplaysFull, reason, "too many replays of matches, try again"}
	default:
		return &refusal{goalcast.CodeFull, reason, "too many viewers, try again"}
	}
}

// refuse answers with problem+json and, where the request may be right later, when to come back.
//
// A browser's EventSource never comes back after a status other than 200. So one that is refused
// for now gets an event stream, of a goodbye and nothing else, and comes back after the time in it.
// Neither answer keeps the connection: of those who are too many none should hold a descriptor.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	h.metrics.refused.WithLabelValues(no.reason).Inc()
	h.log.Debug("refused", "code", no.code, "reason", no.reason, "request", problem.RequestID(w, r), "detail",
		no.detail)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	retry := shard.RetryIn(h.cfg.RetrySpread)
	if no.code == goalcast.CodeDraining || no.code == goalcast.CodeStarting {
		// another node is there at once, or this one soon
		retry = min(retry, 500*time.Millisecond+rand.N(3*time.Second))
	}
	if no.temporary() {
		header.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
		header.Set("Access-Control-Expose-Headers", "Retry-After")
		if r.ProtoMajor == 1 {
			header.Set("Connection", "close")
		}
		if r.Method == http.MethodGet && wantsEvents(r) && !r.URL.Query().Has("check") {
			answerBye(w, no.code, retry)
			return
		}
	}
	p := problem.New(no.code.Info().Status, string(no.code), no.detail)
	if no.code == goalcast.CodeUnauthorized {
		p.Challenge = `Bearer realm="goalcast", error="invalid_token"`
	}
	problem.Write(w, r, p)
}

// wantsEvents says whether a request is for an event stream.
func wantsEvents(r *http.Request) bool {
	return !headerHas(r.Header, "Upgrade", "websocket") && headerHas(r.Header, "Accept", "text/event-stream")
}

// answerBye answers with an event stream that consists of a goodbye.
func answerBye(w http.ResponseWriter, code goalcast.Code, retry time.Duration) {
	text := frame.Bye(code.Bye(), retry, goalcast.Cursor{}).Bytes(frame.SSE)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // nothing can be said to a client that has gone
}
