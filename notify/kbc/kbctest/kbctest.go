// Package kbctest is the bank's push layer for tests: it enforces docs/kbc-push.md, fails when it
// is told to, and knows what phones show.
package kbctest

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Batch is the body of a request.
type Batch struct {
	CollapseKey string            `json:"collapse_key"`
	Expires     time.Time         `json:"expires"`
	Priority    string            `json:"priority"`
	Silent      *bool             `json:"silent"`
	Channel     string            `json:"channel"`
	Texts       map[string]Text   `json:"texts"`
	Image       *string           `json:"image"`
	Data        map[string]string `json:"data"`
	Recipients  []struct {
		ID       string `json:"id"`
		Language string `json:"language"`
	} `json:"recipients"`
}

// Text is what a phone shows, in one language.
type Text struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// Request is one that was made, whatever became of it.
type Request struct {
	Header http.Header
	Body   []byte
}

// Push is a push as a customer's phone got it.
type Push struct {
	Text
	Key         string
	CollapseKey string
	Silent      bool
	Image       string
	Data        map[string]string
}

// Failure is what the next batch is answered.
type Failure struct {
	Status     int
	RetryAfter string
	Body       string
	Taken      bool // the batch is taken all the same
	Cut        bool // no answer comes
}

// Server is an http.Handler: POST /token, and POST /v1/batches.
type Server struct {
	// ClientID and ClientSecret are whom tokens are given; empty: none is asked for.
	ClientID, ClientSecret string

	mu         sync.Mutex
	token      string // the only valid one
	tokens     int
	requests   []Request
	failures   []Failure
	unknown    map[string]bool
	throttled  map[string]int  // by recipient: how often still
	taken      map[string]bool // by key and recipient
	pushes     map[string][]Push
	violations []string
	refused    bool // no client may send
	pause      chan struct{}
}

// Fail makes the next batches fail.
func (s *Server) Fail(failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, failures...)
}

// Forget makes a recipient unknown.
func (s *Server) Forget(recipient string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unknown == nil {
		s.unknown = map[string]bool{}
	}
	s.unknown[recipient] = true
}

// Throttle puts a recipient's next push off.
func (s *Server) Throttle(recipient string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.throttled == nil {
		s.throttled = map[string]int{}
	}
	s.throttled[recipient]++
}

// Refuse makes all batches be answered 403, or ends that.
func (s *Server) Refuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = refuse
}

// Revoke ends the token that is valid.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
}

// Hang lets batches wait until resume is called.
func (s *Server) Hang() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := make(chan struct{})
	s.pause = pause
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pause = nil
		close(pause)
	})
}

// Pushes are those that a recipient's phone got, each of which made it sound or not.
func (s *Server) Pushes(recipient string) []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pushes[recipient])
}

// Phone is what a recipient's phone shows: of pushes with one collapse key the newest.
func (s *Server) Phone(recipient string) map[string]Push {
	shown := map[string]Push{}
	for _, p := range s.Pushes(recipient) {
		shown[p.CollapseKey] = p
	}
	return shown
}

// Requests are all batches that came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Tokens counts those that were given.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Violations are breaches of the contract. A wrong token is none: one expires.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.RequestURI() == "/token":
		s.giveToken(w, r)
	case r.URL.RequestURI() == "/v1/batches":
		s.batch(w, r)
	default:
		refuse(w, http.StatusNotFound, "no_such_address")
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":%q}`, why)
}

// lifetime of a token, in seconds.
const lifetime = 300

// giveToken is section 4.4 of RFC 6749.
func (s *Server) giveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method != http.MethodPost || r.PostFormValue("grant_type") != "client_credentials":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	case id != s.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.ClientSecret)) == 0:
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	s.token = rand.Text()
	s.tokens++
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, s.token, lifetime)
}

// maxBody is how long a request may be, in bytes.
const maxBody = 256 << 10

var keyText = regexp.MustCompile(`^[A-Za-z0-9_-]{32}$`)

func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Header.Clone(), body})
	pause := s.pause
	s.mu.Unlock()
	if pause != nil {
		select {
		case <-pause:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	violation := func(status int, why string) {
		s.violations = append(s.violations, why)
		refuse(w, status, "bad_request")
	}
	switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, "method")
		return
	case s.ClientID != "" && (s.token == "" || r.Header.Get("Authorization") != "Bearer "+s.token):
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	case s.refused:
		refuse(w, http.StatusForbidden, "no_permission")
		return
	case media != "application/json":
		violation(http.StatusUnsupportedMediaType, "content type "+media)
		return
	case err != nil || len(body) > maxBody:
		violation(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxBody))
		return
	case !keyText.MatchString(r.Header.Get("Idempotency-Key")):
		violation(http.StatusBadRequest, fmt.Sprintf("idempotency key %q", r.Header.Get("Idempotency-Key")))
		return
	}
	b, err := read(body)
	if err != nil {
		violation(http.StatusBadRequest, err.Error())
		return
	}
	var f Failure
	if len(s.failures) > 0 {
		f, s.failures = s.failures[0], s.failures[1:]
	}
	var text []byte
	if f == (Failure{}) || f.Taken {
		text = s.take(b, r.Header.Get("Idempotency-Key"))
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
}

var (
	idText       = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)
	languageText = regexp.MustCompile(`^[a-z]{2,3}$`)
)

// maxText is how many bytes title and body have together, maxTag how many a collapse key has,
// maxImage an image, and maxRecipients how many recipients a batch has.
const (
	maxText       = 1000
	maxTag        = 64
	maxImage      = 512
	maxRecipients = 500
	maxAhead      = 24 * time.Hour // until a push expires
)

func read(body []byte) (b Batch, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return b, errors.New("something behind the batch")
	}
	switch left := time.Until(b.Expires); {
	case b.CollapseKey == "" || len(b.CollapseKey) > maxTag:
		return b, fmt.Errorf("collapse key %q", b.CollapseKey)
	case left > maxAhead || b.Expires.Location() != time.UTC:
		return b, fmt.Errorf("expires %v", b.Expires)
	case b.Priority != "high" && b.Priority != "normal":
		return b, fmt.Errorf("priority %q", b.Priority)
	case b.Silent == nil:
		return b, errors.New("silent is missing")
	case !slices.Contains([]string{"goals", "cards", "penalties", "matches", "messages", "clips"}, b.Channel):
		return b, fmt.Errorf("channel %q", b.Channel)
	case b.Image != nil && !picture(*b.Image), b.Image != nil && b.Channel != "clips":
		return b, fmt.Errorf("image %.80q", *b.Image)
	case len(b.Recipients) == 0 || len(b.Recipients) > maxRecipients:
		return b, fmt.Errorf("%d recipients", len(b.Recipients))
	case b.Data["kind"] == "" || b.Data["match"] == "" && b.Data["topic"] == "":
		return b, fmt.Errorf("data %v", b.Data)
	}
	for language, t := range b.Texts {
		if !languageText.MatchString(language) || t.Title == "" || len(t.Title)+len(t.Body) > maxText {
			return b, fmt.Errorf("text of %q: %.80q, %.80q", language, t.Title, t.Body)
		}
	}
	seen, used := map[string]bool{}, map[string]bool{}
	for i, to := range b.Recipients {
		if !idText.MatchString(to.ID) || seen[to.ID] {
			return b, fmt.Errorf("recipient %d: no id, or a second time", i)
		}
		if _, ok := b.Texts[to.Language]; !ok {
			return b, fmt.Errorf("recipient %d: no text in %q", i, to.Language)
		}
		seen[to.ID], used[to.Language] = true, true
	}
	if len(used) < len(b.Texts) {
		return b, errors.New("a text that is for nobody")
	}
	return b, nil
}

// picture says whether an image is an https address that is not too long.
func picture(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && len(address) <= maxImage
}

// retryAfter is what a throttled recipient is told, in seconds.
const retryAfter = 1

// take takes a batch and writes the answer.
func (s *Server) take(b Batch, key string) []byte {
	if s.taken == nil {
		s.taken, s.pushes = map[string]bool{}, map[string][]Push{}
	}
	out := []map[string]any{}
	for _, to := range b.Recipients {
		result := map[string]any{"recipient": to.ID, "status": "accepted"}
		out = append(out, result)
		switch once := key + " " + to.ID; {
		case s.unknown[to.ID]:
			result["status"] = "unknown"
		case s.taken[once]:
		case s.throttled[to.ID] > 0:
			s.throttled[to.ID]--
			result["status"], result["retry_after"] = "throttled", retryAfter
		default:
			s.taken[once] = true
			if time.Now().Before(b.Expires) {
				p := Push{Text: b.Texts[to.Language], Key: key, CollapseKey: b.CollapseKey, Silent: *b.Silent,
					Data: b.Data}
				if b.Image != nil {
					p.Image = *b.Image
				}
				s.pushes[to.ID] = append(s.pushes[to.ID], p)
			}
		}
	}
	text, err := json.Marshal(map[string]any{"results": out})
	if err != nil {
		panic(err)
	}
	return text
}

// Reference is a customer's, made up: the same for the same number.
func Reference(n int) string { return "customer_" + strconv.Itoa(1000000+n) }
