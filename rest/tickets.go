package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"goalcast"
)

// Tickets stand for a token where a browser can send none: in the address of a WebSocket or an
// event stream. An identity.Tickets gives them out.
type Tickets interface {
	// Issue gives a ticket that is taken once, or one for streams, and says until when it is good.
	Issue(ctx context.Context, p goalcast.Person, once bool) (ticket string, until time.Time, err error)
	Revoke(context.Context, goalcast.UserID) error
}

// ticketBody says what a ticket is for.
type ticketBody struct {
	For string `json:"for"` // "websocket" or "stream"
}

// ticketAnswer is a ticket.
type ticketAnswer struct {
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
}

func (s *Server) postTicket(w http.ResponseWriter, r *http.Request, p goalcast.Person) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	if s.tickets == nil {
		return errNotHere
	}
	var body ticketBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	if body.For != "websocket" && body.For != "stream" {
		return badParameter("for", "want websocket or stream")
	}
	ticket, until, err := s.tickets.Issue(r.Context(), p, body.For == "websocket")
	if err != nil {
		return fmt.Errorf("issue a ticket: %w", err)
	}
	answer := ticketAnswer{Ticket: ticket, Expires: until.UTC().Truncate(time.Millisecond)}
	return writeJSON(w, http.StatusCreated, answer)
}

// deleteTickets makes all tickets of a user worthless: it logs out.
func (s *Server) deleteTickets(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	if s.tickets == nil {
		return errNotHere
	}
	if err := s.tickets.Revoke(r.Context(), user); err != nil {
		return fmt.Errorf("revoke tickets: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
