// Package webpushtest is the push services of browsers for tests: it refuses what they refuse,
// fails when it is told to, and decrypts as a browser does what it takes.
package webpushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"goalcast"
)

// maxBody is how many bytes a push service takes.
const maxBody = 4096

var encoding = base64.RawURLEncoding

// Message is a message that was taken.
type Message struct {
	TTL     int // seconds
	Urgency string
	Topic   string
	Payload []byte // decrypted
}

// Failure is what the next message to a browser is answered.
type Failure struct {
	Status     int
	RetryAfter string
	Body       string
}

// Browser is a browser with a subscription.
type Browser struct {
	private  *ecdh.PrivateKey
	auth     []byte
	endpoint string

	// Guarded by the server's lock.
	taken    []Message
	failures []Failure
	gone     bool
}

// Subscription is what the browser gives its page.
func (b *Browser) Subscription() goalcast.Subscription {
	return goalcast.Subscription{Endpoint: b.endpoint, Key: encoding.EncodeToString(b.private.PublicKey().Bytes()),
		Auth: encoding.EncodeToString(b.auth)}
}

// Server is an http.Handler that is all push services; which one a request is for says its Host.
type Server struct {
	Public string // the key that subscriptions are made with, as pages get it

	mu         sync.Mutex
	browsers   map[string]*Browser      // by endpoint
	hanging    map[string]chan struct{} // by host: closed when it answers again
	requests   int
	violations []string
}

// Subscribe makes a browser whose push service is at a host.
func (s *Server) Subscribe(host string) *Browser {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	b := &Browser{private: private, auth: make([]byte, 16), endpoint: "https://" + host + "/push/" + rand.Text()}
	_, _ = rand.Read(b.auth) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browsers == nil {
		s.browsers = map[string]*Browser{}
	}
	s.browsers[b.endpoint] = b
	return b
}

// Fail makes the next messages to a browser fail.
func (s *Server) Fail(b *Browser, failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.failures = append(b.failures, failures...)
}

// Hang makes a push service take requests and answer none, until it is let go.
func (s *Server) Hang(host string) (letGo func()) {
	until := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hanging == nil {
		s.hanging = map[string]chan struct{}{}
	}
	s.hanging[host] = until
	return sync.OnceFunc(func() { close(until) })
}

// End ends a browser's subscription.
func (s *Server) End(b *Browser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.gone = true
}

// Taken are the messages to a browser that were taken.
func (s *Server) Taken(b *Browser) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), b.taken...)
}

// Requests counts what was asked.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Violations are what was wrong with requests, but for those of another key.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.violations...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	s.mu.Lock()
	s.requests++
	until := s.hanging[r.Host]
	s.mu.Unlock()
	if until != nil {
		select {
		case <-until:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.browsers["https://"+r.Host+r.URL.Path]
	refuse := func(status int, why string) {
		s.violations = append(s.violations, why)
		http.Error(w, why, status)
	}
	switch {
	case err != nil:
		return
	case r.Method != http.MethodPost:
		refuse(http.StatusMethodNotAllowed, "method "+r.Method)
		return
	case b == nil, b.gone:
		w.WriteHeader(http.StatusGone)
		return
	case len(body) > maxBody:
		refuse(http.StatusRequestEntityTooLarge, "more than 4096 bytes")
		return
	}
	if err := s.vapid(r); err != nil {
		if !errors.Is(err, errKey) {
			s.violations = append(s.violations, err.Error())
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintln(w, `{"reason":"BadJwtToken"}`)
		return
	}
	m, err := read(r)
	if err != nil {
		refuse(http.StatusBadRequest, err.Error())
		return
	}
	if len(b.failures) > 0 {
		f := b.failures[0]
		b.failures = b.failures[1:]
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Status/100 == 3 {
			w.Header().Set("Location", "https://"+r.Host+"/elsewhere")
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
		return
	}
	if m.Payload, err = b.decrypt(body); err != nil { // a real one cannot know, and a browser drops it
		refuse(http.StatusBadRequest, "decrypt: "+err.Error())
		return
	}
	b.taken = append(b.taken, m)
	w.Header().Set("Location", b.endpoint+"/m/"+strconv.Itoa(s.requests))
	w.WriteHeader(http.StatusCreated)
}

var topicText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func read(r *http.Request) (m Message, err error) {
	if m.TTL, err = strconv.Atoi(r.Header.Get("TTL")); err != nil || m.TTL < 0 {
		return m, fmt.Errorf("TTL %q", r.Header.Get("TTL"))
	}
	m.Urgency, m.Topic = r.Header.Get("Urgency"), r.Header.Get("Topic")
	switch {
	case m.Topic != "" && !topicText.MatchString(m.Topic):
		return m, fmt.Errorf("topic %q", m.Topic)
	case !slices.Contains([]string{"", "very-low", "low", "normal", "high"}, m.Urgency):
		return m, fmt.Errorf("urgency %q", m.Urgency)
	case r.Header.Get("Content-Encoding") != "aes128gcm":
		return m, fmt.Errorf("content encoding %q", r.Header.Get("Content-Encoding"))
	}
	return m, nil
}

// errKey means that a request shows another key than the subscription's.
var errKey = errors.New("another key")

// vapid checks the token of a request.
func (s *Server) vapid(r *http.Request) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "vapid t=")
	token, key, both := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	switch {
	case !ok || !both || len(parts) != 3:
		return errors.New("no VAPID token")
	case key != s.Public:
		return errKey
	}
	raw, err := encoding.DecodeString(key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	signature, err := encoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return errors.New("signature of no 64 bytes")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("wrong signature")
	}
	var claims struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}
	text, err := encoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return errors.New("claims cannot be read")
	}
	left := time.Until(time.Unix(claims.Expires, 0))
	switch {
	case claims.Audience != "https://"+r.Host:
		return fmt.Errorf("audience %q at %s", claims.Audience, r.Host)
	case left <= 0 || left > 24*time.Hour:
		return fmt.Errorf("expires in %v", left)
	case !strings.HasPrefix(claims.Subject, "https://") && strings.Count(claims.Subject, "mailto:") != 1:
		return fmt.Errorf("subject %q", claims.Subject)
	}
	return nil
}

// The header of RFC 8188: salt, size of records, length of the key's id, which is the sender's key.
const (
	saltBytes = 16
	keyBytes  = 65
	header    = saltBytes + 4 + 1 + keyBytes
)

// decrypt is RFC 8291, from the browser's side.
func (b *Browser) decrypt(body []byte) ([]byte, error) {
	if len(body) < header || body[saltBytes+4] != keyBytes {
		return nil, errors.New("no header")
	}
	salt, sender := body[:saltBytes], body[header-keyBytes:header]
	if size := binary.BigEndian.Uint32(body[saltBytes:]); int(size) < len(body)-header {
		return nil, fmt.Errorf("records of %d bytes", size)
	}
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := b.private.ECDH(public)
	if err != nil {
		return nil, err
	}
	info := "WebPush: info\x00" + string(b.private.PublicKey().Bytes()) + string(sender)
	secret, err := hkdf.Key(sha256.New, shared, b.auth, info, 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, body[header:], nil)
	if err != nil {
		return nil, err
	}
	padded := strings.TrimRight(string(text), "\x00")
	if !strings.HasSuffix(padded, "\x02") {
		return nil, errors.New("not the last record")
	}
	return []byte(strings.TrimSuffix(padded, "\x02")), nil
}
