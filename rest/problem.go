package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// badParameter refuses a request for a parameter or field of it.
func badParameter(name, format string, args ...any) error {
	p := problem.New(http.StatusBadRequest, "bad_parameter", name+": "+fmt.Sprintf(format, args...))
	p.Parameter = name
	return p
}

// unauthorized refuses a request that does not say who it speaks for.
func unauthorized(want string) *problem.Problem {
	p := problem.New(http.StatusUnauthorized, "unauthorized", want)
	p.Challenge = `Bearer realm="goalcast"`
	return p
}

// badBearer refuses a token; RFC 6750, section 3.
func badBearer(want string) error {
	p := unauthorized(want)
	p.Challenge += `, error="invalid_token"`
	return p
}

// retryUnavailable is how long a client waits when something we depend on is away.
const retryUnavailable = 2 * time.Second

// statusClientGone is in metrics and logs only.
const statusClientGone = 499

// problemOf is the one place where errors become statuses. Only a problem's own words and the fixed
// ones here reach the client: texts of other errors may hold addresses, SQL or secrets.
func problemOf(err error) *problem.Problem {
	var own *problem.Problem
	var tooLarge *http.MaxBytesError
	var pause *goalcast.PauseError
	switch {
	case errors.As(err, &own):
		p := *own // some are shared, and this one is about to be filled in
		return &p
	case errors.Is(err, goalcast.ErrNotFound):
		return problem.New(http.StatusNotFound, "not_found", "there is no such thing, or not yet")
	case errors.Is(err, goalcast.ErrBadTopic):
		p := problem.New(http.StatusBadRequest, "bad_topic", "topic: want match:, team: or competition: and a number")
		p.Parameter = "topic"
		return p
	case errors.Is(err, goalcast.ErrBadCursor):
		return problem.New(http.StatusBadRequest, "bad_cursor", "not a cursor of ours")
	case errors.As(err, &tooLarge):
		return problem.New(http.StatusRequestEntityTooLarge, "too_large",
			fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.Is(err, goalcast.ErrUnauthorized):
		return unauthorized("want Authorization: Bearer and a token of an issuer that is known here, or, where it is " +
			"taken, a random one of 32 to 512 characters (A-Z a-z 0-9 - _)")
	case errors.Is(err, goalcast.ErrTooMany):
		return problem.New(http.StatusConflict, "too_many",
			"this user has as many of these as a user may have; remove one first")
	case errors.As(err, &pause):
		p := problem.New(http.StatusTooManyRequests, "rate_push", pause.Error()+
			"; wait as Retry-After says, or send it without push")
		p.Retry = pause.Wait
		return p
	case errors.Is(err, goalcast.ErrUnavailable), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		p := problem.New(http.StatusServiceUnavailable, "unavailable", "try again in a moment")
		p.Retry = retryUnavailable
		return p
	}
	return problem.New(http.StatusInternalServerError, "internal", "something went wrong on our side")
}

// fail ends a request with an error. It is called at most once per request, before anything was
// written.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	switch {
	// nobody hears the answer; the status keeps it apart from our own faults
	case exchangeOf(r.Context()).Context.Err() != nil:
		p = problem.New(statusClientGone, "client_gone", "")
	case p.Status >= 500 && p.Status != http.StatusNotImplemented:
		s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("method", r.Method),
			slog.String("route", route(r.Context())),
			slog.String("request", requestID(r.Context())), slog.String("error", err.Error()))
	}
	s.metrics.refused.WithLabelValues(p.Code).Inc()
	problem.Write(w, r, p)
}

// handler is an HTTP handler that may end in an error; wrap joins it with fail.
type handler func(http.ResponseWriter, *http.Request) error
