package hub

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/limits"
	"goalcast/hub/shard"
)

// Identity says who viewers are. Errors: goalcast.ErrUnauthorized if a token or ticket is none, or
// no longer; goalcast.ErrUnavailable if that cannot be known now.
type Identity interface {
	// Verify is asked about a token.
	Verify(ctx context.Context, token string) (goalcast.Person, error)
	// Ticket is asked about a ticket: one that is taken once, or one for streams and polls, which
	// come back with it.
	Ticket(ctx context.Context, ticket string, once bool) (goalcast.Person, error)
}

// What a WebSocket may say in its subprotocols, since scripts in browsers have no other header: the
// protocol's name, which is the one that is agreed to, and a token behind a prefix.
const (
	subprotocol  = "goalcast"
	bearerPrefix = "bearer."
)

// identify finds out who a viewer is: by the first there is of a header, a subprotocol and a
// ticket. Without any it is nobody in particular. Who only asks whether it would be let in does not
// use its ticket up.
func (h *Hub) identify(r *http.Request, v *viewer) *refusal {
	if h.cfg.Identity == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.JoinTimeout)
	defer cancel()
	var p goalcast.Person
	var err error
	v.came = time.Now()
	switch token, ok := tokenOf(r, v.transport); {
	case !ok && (v.ticket == "" || v.check):
		return nil
	case h.limits.Full(v.ip) != "": // before anything is worked out
		return tooMany(h.limits.Full(v.ip))
	case h.mayGuess(v) != nil:
		return tooMany(limits.TooManyGuesses)
	case ok:
		v.ticket = ""
		p, err = h.cfg.Identity.Verify(ctx, token)
	default:
		p, err = h.cfg.Identity.Ticket(ctx, v.ticket, v.transport == shard.WebSocket)
	}
	switch {
	case err == nil:
	case errors.Is(err, goalcast.ErrUnauthorized):
		return h.guessed(r, v, &refusal{goalcast.CodeUnauthorized, "unauthorized", errUnauthorized.Error()})
	default:
		h.log.Warn("identify a viewer", "error", err)
		return unavailable()
	}
	v.rights, v.until, v.user = p.Rights, p.Expires, p.User
	if v.transport == shard.Poll && !v.until.IsZero() {
		v.wait = max(0, min(v.wait, time.Until(v.until)))
	}
	return nil
}

var errUnauthorized = errors.New("the token or ticket is not valid, or no longer: come back with a new one")

// tokenOf finds the token of a request.
func tokenOf(r *http.Request, t shard.Transport) (string, bool) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	if t != shard.WebSocket {
		return "", false
	}
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(list, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(name), bearerPrefix); ok {
				return token, true
			}
		}
	}
	return "", false
}

// errNoOdds is why topics of prices are refused.
var errNoOdds = errors.New("prices are not open to everybody here: they need a login that may see them")

// may says why somebody with these rights and a delay may not follow topics, or nil.
func (h *Hub) may(topics []goalcast.Topic, rights goalcast.Rights, delay time.Duration) error {
	isOdds := func(t goalcast.Topic) bool { return t.Kind == goalcast.OddsTopic }
	if delay > 0 && slices.ContainsFunc(topics, func(t goalcast.Topic) bool { return t.Kind.StatesOnly() }) {
		return errDelayedOdds
	}
	if h.cfg.NoOdds && !rights.Have(goalcast.RightOdds) && slices.ContainsFunc(topics, isOdds) {
		return errNoOdds
	}
	return nil
}

// newConn makes a viewer's connection.
func (h *Hub) newConn(v *viewer, e frame.Encoding) *shard.Conn {
	c := shard.NewConn(v.transport, e, v.conflate, v.terms)
	c.Know(v.rights, v.until)
	return c
}

// Renew looks at a viewer's new token: it is part of shard.Door.
func (h *Hub) Renew(to *shard.Shard, c *shard.Conn, topics []goalcast.Topic, token, id string) {
	before := c.Rights()
	h.working.Go(func() { h.renew(to, c, before, topics, token, id) })
}

// renew says who a viewer is from now on. It has to be somebody who may see what is followed. If
// that is more or less of private competitions than before, all snapshots come again.
func (h *Hub) renew(to *shard.Shard, c *shard.Conn, before goalcast.Rights, topics []goalcast.Topic, token, id string) {
	refuse := func(code goalcast.Code, text string) {
		f := goalcast.Frame{Type: goalcast.FrameError, ID: id, Code: code, Error: text}
		to.Post(&shard.Renewed{Conn: c, Answer: frame.Of(frame.ClassControl, f)})
	}
	if h.cfg.Identity == nil {
		refuse(goalcast.CodeBadFrame, "nobody is known here: tokens are not looked at")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.JoinTimeout)
	defer cancel()
	p, err := h.cfg.Identity.Verify(ctx, token)
	switch {
	case errors.Is(err, goalcast.ErrUnauthorized):
		refuse(goalcast.CodeUnauthorized, errUnauthorized.Error())
		return
	case err != nil:
		h.log.Warn("renew a viewer", "error", err)
		refuse(goalcast.CodeUnavailable, errUnavailable.Error())
		return
	}
	if err := h.may(topics, p.Rights, c.Delay()); err != nil {
		refuse(goalcast.CodeForbidden, err.Error())
		return
	}
	f := goalcast.Frame{Type: goalcast.FrameRenewed, ID: id, Expires: millis(p.Expires)}
	renewed := &shard.Renewed{Conn: c, Known: true, User: p.User, Rights: p.Rights, Until: p.Expires,
		Answer: frame.Of(frame.ClassControl, f)}
	if len(topics) == 0 || !h.seesPrivate(before^p.Rights) {
		to.Post(renewed)
		return
	}
	if err := h.withSnapshots(ctx, h.trailOf(c), topics, p.Rights, c.Encoding(), func(start shard.Start) bool {
		renewed.Start = start
		return to.Post(renewed)
	}); err != nil {
		h.log.Warn("renew a viewer", "error", err)
		refuse(goalcast.CodeUnavailable, errUnavailable.Error())
	}
}

// millis is a time on the wire; 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
