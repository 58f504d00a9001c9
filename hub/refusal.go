package hub

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// Codes of refusals and of error frames: the reason for programs. docs/wire.md lists them, testdata/refusals.json holds the form of each.
const (
	codeBadTopic      = "bad_topic"
	codeTooManyTopics = "too_many_topics"
	codeBadParameter  = "bad_parameter"
	codeBadCursor     = "bad_cursor"
	codeBadFrame      = "bad_frame" // error frames only
	codeForbidden     = "forbidden"
	codeBadOrigin     = "bad_origin"
	codeMethod        = "method_not_allowed"

	codeFull        = "full"
	codeRate        = "rate"
	codeDraining    = "draining"
	codeStarting    = "starting"
	codeUnavailable = "unavailable"
)

// temporary are the codes for which the same request may be right a little later. All others are final: only another request can be right.
var temporary = []string{codeFull, codeRate, codeDraining, codeStarting, codeUnavailable}

// refusal is an answer that ends a request.
type refusal struct {
	code   string
	reason string // label of a counter
	detail string // for a developer's eyes
}

func (r *refusal) Error() string { return r.detail }

func (r *refusal) temporary() bool { return slices.Contains(temporary, r.code) }

func (r *refusal) status() int {
	switch {
	case r.temporary():
		return http.StatusServiceUnavailable
	case r.code == codeForbidden, r.code == codeBadOrigin:
		return http.StatusForbidden
	case r.code == codeMethod:
		return http.StatusMethodNotAllowed
	default:
		return http.StatusBadRequest
	}
}

func unavailable() *refusal { return &refusal{codeUnavailable, "unavailable", errUnavailable.Error()} }
func draining() *refusal    { return &refusal{codeDraining, "draining", "this server stops"} }

// tooMany is the refusal for what a limit says; nil if it says nothing.
func tooMany(reason string) *refusal {
	switch reason {
	case "":
		return nil
	case "handshake_rate":
		return &refusal{codeRate, reason, "too many viewers at once, try again"}
	case "made_up_topics":
		return &refusal{codeRate, reason, "too many topics that do not exist, try again"}
	default:
		return &refusal{codeFull, reason, "too many viewers, try again"}
	}
}

// retryIn is when somebody who was refused for now, or cut, should come back: not the same for all.
func (c Config) retryIn() time.Duration {
	const least = 500 * time.Millisecond
	return least + rand.N(c.RetrySpread)
}

// refuse answers with problem+json and, where the request may be right later, when to come back.
//
// A browser's EventSource never comes back after a status other than 200. So one that is refused for now gets an event stream, of a goodbye and nothing
// else, and comes back after the time in it. Neither answer keeps the connection: of those who are too many none should hold a descriptor.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	h.metrics.refused.WithLabelValues(no.reason).Inc()
	h.log.Debug("refused", "code", no.code, "reason", no.reason, "request", problem.RequestID(w, r), "detail", no.detail)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	retry := h.cfg.retryIn()
	if no.code == codeDraining || no.code == codeStarting {
		retry = min(retry, 500*time.Millisecond+rand.N(3*time.Second)) // another node is there at once, or this one soon
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
	problem.Write(w, r, problem.New(no.status(), no.code, no.detail))
}

// wantsEvents says whether a request is for an event stream.
func wantsEvents(r *http.Request) bool {
	return !headerHas(r.Header, "Upgrade", "websocket") && headerHas(r.Header, "Accept", "text/event-stream")
}

// answerBye answers with an event stream that consists of a goodbye.
func answerBye(w http.ResponseWriter, reason string, retry time.Duration) {
	text := newBye(reason, retry, goalcast.Cursor{}).bytes(encSSE)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // nothing can be said to a client that has gone
}

// refusalOf is the code and text of an error frame for a subscription that failed. Texts of our own errors stay inside.
func refusalOf(err error) (code, text string) {
	if errors.Is(err, goalcast.ErrUnavailable) {
		return codeUnavailable, errUnavailable.Error()
	}
	return codeForbidden, err.Error()
}
