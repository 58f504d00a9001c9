package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// steadyAfter is how long a hub has to hear the bus without a break before it is ready again. A
// Redis that is there but of no use (out of memory) is heard now and then, and a balancer would
// send viewers here and away all the time.
const steadyAfter = 6 * time.Second

// readiness is the answer of /readyz: whether each role of the process should get
// work, and if not, why.
type readiness struct {
	Ready bool                     `json:"ready"`
	Roles map[string]roleReadiness `json:"roles"`
}

type roleReadiness struct {
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"`   // why not
	Degraded string `json:"degraded,omitempty"` // what does not work although it is ready
}

var errLeaving = errors.New("leaving")

// readyz answers 200 if all roles of the process are ready, or those that ?role=hub,rest names;
// else 503. The body tells each.
func (n *node) readyz(w http.ResponseWriter, r *http.Request, leaving bool) {
	roles := n.cfg.roles
	if asked := r.URL.Query().Get("role"); asked != "" {
		roles = strings.Split(asked, ",")
		for _, role := range roles {
			if !slices.Contains(allRoles, role) {
				problem.Write(w, r, problem.New(http.StatusBadRequest, "bad_parameter",
					fmt.Sprintf("role: no role %q: want some of %s", role, strings.Join(allRoles, ","))))
				return
			}
		}
	}
	answer := n.ready(r.Context(), roles, leaving)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ready says what each of the roles can do.
//
//	hub     wants the bus: a viewer who comes here would hear nothing. It serves from memory without the database.
//	rest    serves from memory what it has without the database and the bus, and says so.
//	ingest  wants the database, which has to keep what it is given. Without the bus viewers get it later.
//	notify  wants the database: what is pushed is there.
//	odds    wants the database, which says whose turn it is, and the bus.
func (n *node) ready(ctx context.Context, roles []string, leaving bool) readiness {
	var database error
	if slices.ContainsFunc(roles, func(role string) bool { return role != roleHub }) {
		database = n.db.Health(ctx)
	}
	bus := n.steady.err()
	answer := readiness{Ready: true, Roles: map[string]roleReadiness{}}
	for _, role := range roles {
		var why, degraded error
		switch {
		case leaving:
			why = errLeaving
		case !n.has(role):
			why = errors.New("this process does not have the role")
		case role == roleHub:
			if why = n.hub.Ready(); why == nil {
				why = bus
			}
		case role == roleREST:
			degraded = errors.Join(prefixed("only what is in memory: ", database), prefixed("scores may be old: ", bus))
		case role == roleOdds:
			why, degraded = errors.Join(database, bus), n.oddsReady()
		default:
			why, degraded = database, prefixed("viewers get events later: ", bus)
		}
		state := roleReadiness{Ready: why == nil, Reason: text(why), Degraded: text(degraded)}
		answer.Ready = answer.Ready && state.Ready
		answer.Roles[role] = state
	}
	return answer
}

func prefixed(words string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", words, err)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// steadiness is a listener that knows for how long the bus has been heard.
type steadiness struct {
	now func() time.Time

	mu     sync.Mutex
	heard  bool      // since the start
	stale  bool      // silent now
	broken time.Time // when it was silent last, after it had been heard
}

var errBusSilent = errors.New("the bus is silent")

func (s *steadiness) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.heard:
		return errors.New("the bus has not been heard yet")
	case s.stale:
		return errBusSilent
	case !s.broken.IsZero() && s.now().Sub(s.broken) < steadyAfter:
		return fmt.Errorf("%w now and then: it has been heard for less than %s", errBusSilent, steadyAfter)
	}
	return nil
}

// Stale is part of goalcast.Listener.
func (s *steadiness) Stale(stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale = stale; !stale {
		s.heard = true
	}
	if s.heard && (stale || !s.broken.IsZero()) {
		s.broken = s.now()
	}
}

func (*steadiness) Event(goalcast.Published)                {}
func (*steadiness) State(goalcast.State)                    {}
func (*steadiness) Reread(goalcast.Topic, []goalcast.State) {}
func (*steadiness) Reset(goalcast.Cursor)                   {}
