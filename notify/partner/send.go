package partner

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/upstream"
)

// sender sends to one partner. One goroutine owns it.
type sender struct {
	*Runner
	partner Partner
}

// run sends whenever there is something to send, until ctx ends.
func (s *sender) run(ctx context.Context, due <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
		}
		state, err := s.state(ctx) // what was looked at may be older than what was done here
		if err == nil && isDue(state, s.store.Now()) {
			err = s.catchUp(ctx, state)
		}
		if err != nil && ctx.Err() == nil {
			s.metrics.errors.WithLabelValues(s.partner.Name).Inc()
			s.log.Error("partner: looked at again soon", "partner", s.partner.Name, "error", err)
		}
	}
}

func (s *sender) state(ctx context.Context) (goalcast.PartnerState, error) {
	states, err := s.store.Partners(ctx)
	for _, state := range states {
		if state.Name == s.partner.Name {
			return state, nil
		}
	}
	return goalcast.PartnerState{}, err
}

// catchUp sends all there is, in order. It ends when there is no more, when the partner does not
// take one, when its state is another's to change, and with ctx. An error is of the database.
func (s *sender) catchUp(ctx context.Context, state goalcast.PartnerState) error {
	for {
		events, err := s.store.PartnerEvents(ctx, state.Cursor, page)
		if err != nil || len(events) == 0 {
			return err
		}
		if first := events[0].Number; first != state.Cursor+1 {
			_, err := s.pause(ctx, state, reasonGap, fmt.Sprintf("the events from %d to %d are not kept any more",
				state.Cursor+1, first-1))
			return err
		}
		matches := map[goalcast.MatchID]*goalcast.Snapshot{} // of this page; nil: there is none
		stored, passed := state, state                       // passed: what is not for the partner, and not stored yet
		for _, e := range events {
			m, err := s.messageOf(ctx, e, matches)
			if err != nil {
				return err
			}
			passed.Cursor = e.Number
			if m == nil {
				continue
			}
			if ctx.Err() != nil {
				return nil
			}
			kept, err := s.send(ctx, stored, m)
			if err != nil || !kept {
				return err
			}
			passed = took(passed, s.store.Now())
			stored = passed
		}
		if passed.Cursor != stored.Cursor {
			if kept, err := s.save(ctx, stored, passed); err != nil || !kept {
				return err
			}
		}
		state = passed
	}
}

// took is the state of a partner that took an event.
func took(s goalcast.PartnerState, now time.Time) goalcast.PartnerState {
	s.Taken, s.Failing, s.Attempts, s.Retry, s.Reason, s.Error = now, time.Time{}, 0, time.Time{}, "", ""
	return s
}

// message is an event as it is sent.
type message struct {
	number int64
	id     string
	body   []byte
}

// body is what a partner gets.
type body struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when the event was committed
	Data      data      `json:"data"`
}

type data struct {
	Cursor int64           `json:"cursor"`
	Quiet  bool            `json:"quiet,omitempty"`
	Event  json.RawMessage `json:"event"`
	Match  *match          `json:"match,omitempty"`
}

// match is what says which match an event is of.
type match struct {
	ID          goalcast.MatchID     `json:"id"`
	Competition goalcast.Competition `json:"competition"`
	Home        goalcast.Team        `json:"home"`
	Away        goalcast.Team        `json:"away"`
	Kickoff     time.Time            `json:"kickoff,omitzero"`
}

// messageOf is what is sent of an event; nil for one that is not for the partner.
func (s *sender) messageOf(ctx context.Context, e goalcast.PartnerEvent,
	matches map[goalcast.MatchID]*goalcast.Snapshot) (*message, error) {
	if e.Broken != nil {
		s.metrics.left.WithLabelValues(s.partner.Name, leftUnreadable).Inc()
		s.log.Error("partner: unreadable event left out", "partner", s.partner.Name, "number", e.Number,
			"event", e.Event.KeyOfAll(), "error", e.Broken)
		return nil, nil
	}
	if !s.partner.wants(&e.Event) {
		return nil, nil
	}
	of, err := s.matchOf(ctx, &e.Event, matches)
	if err != nil {
		return nil, err
	}
	if !s.partner.sees(s.cfg.Private, &e.Event, of) {
		s.metrics.left.WithLabelValues(s.partner.Name, leftPrivate).Inc()
		return nil, nil
	}
	out := body{Type: "event." + string(e.Event.Kind), Timestamp: e.At,
		Data: data{Cursor: e.Number, Quiet: e.Silent, Event: e.Raw}}
	if of != nil {
		out.Data.Match = &match{ID: of.ID, Competition: of.Competition, Home: of.Home, Away: of.Away,
			Kickoff: of.Kickoff}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return &message{number: e.Number, id: messageID(e), body: bytes.TrimSuffix(text.Bytes(), []byte("\n"))}, nil
}

// messageID is the same whenever the same revision is sent. What a database that came back from a
// backup makes of a revision anew is another one.
func messageID(e goalcast.PartnerEvent) string {
	sum := sha256.New()
	_, _ = io.WriteString(sum, e.Event.KeyOfAll()+"\n") // a hash takes everything
	_, _ = sum.Write(e.Raw)
	return "msg_" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// matchOf is the match that an event is about; a message is, if its topic is one's. nil for none.
func (s *sender) matchOf(ctx context.Context, e *goalcast.Event,
	matches map[goalcast.MatchID]*goalcast.Snapshot) (*goalcast.Snapshot, error) {
	id := e.Match
	if id == 0 && e.Topics[0].Kind == goalcast.MatchTopic {
		id = goalcast.MatchID(e.Topics[0].ID)
	}
	if id == 0 {
		return nil, nil
	}
	if m, ok := matches[id]; ok {
		return m, nil
	}
	m, err := s.store.Match(ctx, id)
	switch {
	case errors.Is(err, goalcast.ErrNotFound): // an editor may be ahead of the feed
		matches[id] = nil
	case err != nil:
		return nil, err
	default:
		matches[id] = &m
	}
	return matches[id], nil
}

// send tries an event once, and keeps what came of it. kept: the partner took it, and the cursor is
// behind it.
func (s *sender) send(ctx context.Context, state goalcast.PartnerState, m *message) (kept bool, err error) {
	name := s.partner.Name
	if len(m.body) > MaxBody {
		return s.pause(ctx, state, reasonTooLarge, fmt.Sprintf("event %d has %d bytes, more than may be sent", m.number,
			len(m.body)))
	}
	begin := time.Now()
	a := s.post(ctx, m)
	s.metrics.seconds.WithLabelValues(name).Observe(time.Since(begin).Seconds())
	if a.reason == "" {
		s.metrics.sent.WithLabelValues(name).Inc()
		s.cfg.Fault("sent")
		next := took(state, s.store.Now())
		next.Cursor = m.number
		return s.save(ctx, state, next)
	}
	if ctx.Err() != nil { // the turn is over, and so was the request
		return false, nil
	}
	now := s.store.Now()
	next := state
	next.Reason, next.Error, next.Attempts = a.reason, a.words, state.Attempts+1
	if state.Failing.IsZero() {
		next.Failing = now
		s.log.Warn("partner does not take an event, it is tried again", "partner", name, "number", m.number, "reason",
			a.reason, "error", a.words)
	}
	if a.reason == reasonGone || now.Sub(next.Failing) >= s.cfg.GiveUp {
		return s.pause(ctx, next, a.reason, a.words)
	}
	s.metrics.failed.WithLabelValues(name, a.reason).Inc()
	next.Retry = now.Add(max(a.after, s.backoff(next.Attempts)))
	_, err = s.save(ctx, state, next)
	return false, err
}

// backoff is how long to wait after so many attempts: half of it is chance, so that partners that
// failed together are not tried together.
func (s *sender) backoff(attempts int) time.Duration {
	pause := s.cfg.LastPause
	if n := attempts - 1; n < 20 {
		pause = min(pause, s.cfg.FirstPause<<n)
	}
	return pause/2 + rand.N(pause/2+1)
}

// pause ends the sending until an operator sets the cursor. The state may have what failed before.
func (s *sender) pause(ctx context.Context, state goalcast.PartnerState, reason, words string) (kept bool, err error) {
	before := state
	state.Paused, state.Reason, state.Error, state.Retry = s.store.Now(), reason, words, time.Time{}
	if kept, err := s.save(ctx, before, state); err != nil || !kept {
		return false, err
	}
	s.metrics.failed.WithLabelValues(s.partner.Name, reason).Inc()
	s.log.Error("partner paused: nothing is sent until its cursor is set", "partner", s.partner.Name, "cursor",
		state.Cursor, "reason", reason, "error", words)
	s.Wake() // operators are told
	return false, nil
}

// save keeps a state. It may not be given up because the turn ends: what was taken would be sent
// again.
func (s *sender) save(ctx context.Context, before, after goalcast.PartnerState) (kept bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	kept, err = s.store.SavePartner(ctx, before, after)
	if err == nil && !kept {
		s.log.Info("partner: its cursor was set, or another process goes on with it", "partner", s.partner.Name)
	}
	return kept, err
}

// post makes one request.
func (s *sender) post(ctx context.Context, m *message) answer {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.partner.URL, bytes.NewReader(m.body))
	if err != nil {
		return answer{reason: reasonConnect, words: "not a URL"}
	}
	seconds := strconv.FormatInt(s.store.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "goalcast")
	// as the standard writes them; names of headers have no case
	req.Header.Set("webhook-id", m.id)
	req.Header.Set("webhook-timestamp", seconds)
	req.Header.Set("webhook-signature", s.signing(s.partner).sign(m.id, seconds, m.body))
	resp, err := s.http.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // the status says all
	return meaning(resp.StatusCode, upstream.RetryAfter(resp.Header.Get("Retry-After"), s.store.Now(), maxAfter))
}

// sign is a signature by each secret.
func (p Partner) sign(id, seconds string, body []byte) string {
	var list []string
	for _, secret := range p.Secrets {
		mac := hmac.New(sha256.New, secret)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, seconds, body)
		list = append(list, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(list, " ")
}
