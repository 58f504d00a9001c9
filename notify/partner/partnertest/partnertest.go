// Package partnertest is a partner for tests: it takes events by POST as docs/partners.md has it,
// checks signatures by code of its own, and refuses what is wrong.
package partnertest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"goalcast"
)

// tolerance is how old a request may be, so that it cannot be played back later.
const tolerance = 5 * time.Minute

// Taken is an event that the partner took.
type Taken struct {
	ID     string // of the message
	Body   []byte
	Type   string
	At     time.Time
	Cursor int64
	Quiet  bool
	Event  goalcast.Event
	Match  struct {
		ID          goalcast.MatchID
		Competition goalcast.Competition
		Home, Away  goalcast.Team
		Kickoff     time.Time
	}
	Host string
}

// Server is a partner. Serve it over TLS: its protocol wants it. Fields may be set before the first
// request.
type Server struct {
	Secret string // "whsec_..."
	// Answer may write another answer than 204, for the nth request that is as it should be,
	// counted from 1; it says whether it did. nil never does.
	Answer func(n int, w http.ResponseWriter, r *http.Request) bool

	mu     sync.Mutex
	asked  int
	taken  []Taken
	wrong  []string
	inside int
}

// Taken lists what was taken, in order.
func (s *Server) Taken() []Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Asked counts the requests that were as they should be, whatever was answered.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Wrong says what requests were not as they should be.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, err := s.read(r)
	s.mu.Lock()
	if s.inside++; s.inside > 1 && err == nil {
		err = fmt.Errorf("%d requests at one time", s.inside)
	}
	if err != nil {
		s.wrong = append(s.wrong, err.Error())
	} else {
		s.asked++
	}
	n := s.asked
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inside--
		s.mu.Unlock()
	}()
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case s.Answer != nil && s.Answer(n, w, r):
		return
	}
	s.mu.Lock()
	s.taken = append(s.taken, t)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// read checks a request.
func (s *Server) read(r *http.Request) (t Taken, err error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		return t, fmt.Errorf("%s of %q", r.Method, r.Header.Get("Content-Type"))
	}
	if t.Body, err = io.ReadAll(r.Body); err != nil {
		return t, err
	}
	t.ID, t.Host = r.Header.Get("webhook-id"), r.Host
	if err := Verify(s.Secret, r.Header, t.Body, time.Now()); err != nil {
		return t, err
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      struct {
			Cursor int64
			Quiet  bool
			Event  json.RawMessage
			Match  json.RawMessage
		}
	}
	dec := json.NewDecoder(bytes.NewReader(t.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		return t, err
	}
	t.Type, t.At, t.Cursor, t.Quiet = body.Type, body.Timestamp, body.Data.Cursor, body.Data.Quiet
	if len(body.Data.Match) > 0 {
		if err := json.Unmarshal(body.Data.Match, &t.Match); err != nil {
			return t, err
		}
	}
	if err := json.Unmarshal(body.Data.Event, &t.Event); err != nil {
		return t, err
	}
	if t.Type != "event."+string(t.Event.Kind) || t.At.IsZero() || t.Cursor == 0 {
		return t, fmt.Errorf("type %q, timestamp %v, cursor %d", t.Type, t.At, t.Cursor)
	}
	return t, nil
}

// Verify checks the headers of a request as the Standard Webhooks specification says.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		if len(h.Values(name)) != 1 || h.Get(name) == "" {
			return fmt.Errorf("%s: %q", name, h.Values(name))
		}
	}
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return fmt.Errorf("timestamp %q", h.Get("webhook-timestamp"))
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id")))
	mac.Write([]byte{'.'})
	mac.Write([]byte(h.Get("webhook-timestamp")))
	mac.Write([]byte{'.'})
	mac.Write(body)
	for _, one := range strings.Split(h.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(one, ",")
		sum, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(sum, mac.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("no signature of %q is of this secret", h.Get("webhook-signature"))
}
