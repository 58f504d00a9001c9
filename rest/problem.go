package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"goalcast"
)

// problem is the body of every answer that is an error (RFC 9457). Its type is "about:blank", so the title is the status's own text; Code tells
// programs more, Detail tells developers.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`
	Parameter string `json:"parameter,omitempty"`  // the query or path parameter or body field that is wrong
	RequestID string `json:"request_id,omitempty"` // to find the request in our logs
}

// refusal is an error whose words are meant for whoever asked.
type refusal struct {
	status    int
	code      string
	detail    string
	parameter string
	retry     time.Duration // Retry-After, if above 0
	challenge bool          // WWW-Authenticate: Bearer
}

func (r *refusal) Error() string { return r.code + ": " + r.detail }

// badParameter refuses a request for a parameter or field of it.
func badParameter(name, format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, code: "bad_parameter", parameter: name, detail: name + ": " + fmt.Sprintf(format, args...)}
}

// retryUnavailable is how long a client waits when something we depend on is away.
const retryUnavailable = 2 * time.Second

// statusClientGone is in metrics and logs only.
const statusClientGone = 499

// refusalOf is the one place where errors become statuses. Only a refusal's own words and the fixed ones here reach the client: texts of
// other errors may hold addresses, SQL or secrets.
func refusalOf(err error) refusal {
	var own *refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return *own
	case errors.Is(err, goalcast.ErrNotFound):
		return refusal{status: http.StatusNotFound, code: "not_found", detail: "there is no such thing, or not yet"}
	case errors.Is(err, goalcast.ErrBadTopic):
		return refusal{status: http.StatusBadRequest, code: "bad_topic", parameter: "topic", detail: "topic: want match:, team: or competition: and a number"}
	case errors.Is(err, goalcast.ErrBadCursor):
		return refusal{status: http.StatusBadRequest, code: "bad_cursor", detail: "not a cursor of ours"}
	case errors.As(err, &tooLarge):
		return refusal{status: http.StatusRequestEntityTooLarge, code: "too_large", detail: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, ErrUnauthorized):
		return refusal{status: http.StatusUnauthorized, code: "unauthorized", challenge: true,
			detail: "want Authorization: Bearer and a random token of 32 to 512 characters (A-Z a-z 0-9 - _)"}
	case errors.Is(err, goalcast.ErrTooMany):
		return refusal{status: http.StatusConflict, code: "too_many", detail: "this user has as many of these as a user may have; remove one first"}
	case errors.Is(err, goalcast.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return refusal{status: http.StatusServiceUnavailable, code: "unavailable", retry: retryUnavailable, detail: "try again in a moment"}
	}
	return refusal{status: http.StatusInternalServerError, code: "internal", detail: "something went wrong on our side"}
}

// fail ends a request with an error. It is called at most once per request, before anything was written.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	ref := refusalOf(err)
	id := requestID(r.Context())
	switch {
	case r.Context().Err() != nil: // nobody hears the answer; the status keeps it apart from our own faults
		ref = refusal{status: statusClientGone, code: "client_gone"}
	case ref.status >= 500 && ref.status != http.StatusNotImplemented:
		s.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("method", r.Method), slog.String("route", route(r)), slog.String("request", id), slog.String("error", err.Error()))
	}
	s.metrics.refused.WithLabelValues(ref.code).Inc()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if ref.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(ref.retry.Seconds())))))
	}
	if ref.challenge {
		h.Set("WWW-Authenticate", `Bearer realm="goalcast"`)
	}
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(ref.status), Status: ref.status,
		Code: ref.code, Detail: ref.detail, Parameter: ref.parameter, RequestID: id,
	})
	if err != nil {
		panic("problem: " + err.Error()) // strings and a number always encode
	}
	w.WriteHeader(ref.status)
	_, _ = w.Write(body) // nothing can be said to a client that has gone
}

// handler is an HTTP handler that may end in an error; wrap joins it with fail.
type handler func(http.ResponseWriter, *http.Request) error
