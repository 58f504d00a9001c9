// Package apnstest is an Apple push service for tests: broadcast channels, broadcasts and pushes to
// devices, over HTTP/2. It refuses what Apple documents that it refuses, in Apple's order, fails
// when it is told to, and keeps for each channel what a phone that listens to it would show.
package apnstest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What Apple allows.
const (
	MaxChannels  = 10_000
	maxBroadcast = 5120 // bytes
	maxPush      = 4096
	maxBody      = 64 << 10 // that the fake reads
	maxAge       = 8 * time.Hour
)

// Server is the fake: an http.Handler for HTTP/2 in any form. Make it with New, or set the fields
// before the first request.
type Server struct {
	BundleID string
	TeamID   string
	KeyID    string
	Key      *ecdsa.PublicKey
	// MaxChannels is how many channels there may be; 0: as many as at Apple.
	MaxChannels int
	// Interval is how often a channel takes a push; sooner ones are answered 429. 0: always.
	Interval time.Duration
	Now      func() time.Time // nil: time.Now
	// Taken, if set, is told of every broadcast that was taken, before it is answered.
	Taken func(channel string, p Push)

	mu         sync.Mutex
	tokens     tokens
	channels   map[string]*channel
	devices    map[string][]Push // starts by token
	gone       map[string]bool   // tokens of apps that were removed
	failures   map[string][]Failure
	violations []string
	requests   int
	created    int
	deleted    int
}

// channel is a broadcast channel and what its listeners show.
type channel struct {
	policy int
	pushes []Push
	screen Screen
	last   time.Time // when the last push was taken
}

// Push is a push that was taken.
type Push struct {
	Event    string
	At       int64 // aps.timestamp
	Stale    int64
	Dismiss  int64
	State    json.RawMessage
	Priority int
	Expires  int64
	Taken    time.Time
	// Of starts.
	Channel    string
	Type       string
	Attributes json.RawMessage
	Title      string
}

// Screen is what a phone shows that listens to a channel from its creation on.
type Screen struct {
	State json.RawMessage // nil: nothing yet
	At    int64           // of the push with it
	Ended bool
	Late  int // pushes that a phone leaves out, since it shows a newer one or none any more
}

// Key is a made-up .p8 file and its other half.
func Key() (p8 []byte, public *ecdsa.PublicKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), &key.PublicKey
}

// What New's server is of.
const (
	BundleID = "org.example.goals"
	TeamID   = "TEAM012345"
	KeyID    = "KEY0123456"
)

// New makes a server of a made-up app, and the key that it takes.
func New() (s *Server, p8 []byte) {
	p8, public := Key()
	return &Server{BundleID: BundleID, TeamID: TeamID, KeyID: KeyID, Key: public}, p8
}

// Serve serves over TLS until the server that it returns is closed.
func (s *Server) Serve() *httptest.Server {
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	return server
}

// ServeClear serves HTTP/2 without TLS.
func (s *Server) ServeClear() *httptest.Server {
	server := httptest.NewUnstartedServer(s)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Start()
	return server
}

// refusal is an answer other than success.
type refusal struct {
	status int
	reason string
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// ServeHTTP answers as Apple's two servers do, both at one address.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, refusal{http.StatusRequestEntityTooLarge, "PayloadTooLarge"}, 0)
		return
	}
	s.mu.Lock()
	s.requests++
	f, fails := s.nextFailureLocked(r)
	s.mu.Unlock()
	if fails && f.Wait != nil {
		select {
		case <-f.Wait:
		case <-r.Context().Done():
			return
		}
	}
	if fails && f.Status != 0 && !f.Taken {
		f.write(w)
		return
	}
	s.mu.Lock()
	head, text, wrong := s.serveLocked(r, body)
	s.mu.Unlock()
	if fails && f.Taken {
		f.write(w)
		return
	}
	maps.Copy(w.Header(), head)
	if wrong.status/100 != 2 {
		answer(w, wrong, 0)
		return
	}
	w.WriteHeader(wrong.status)
	w.Write(text)
}

func answer(w http.ResponseWriter, r refusal, after time.Duration) {
	w.Header().Set("content-type", "application/json")
	if after > 0 {
		w.Header().Set("retry-after", strconv.Itoa(int(after/time.Second)))
	}
	w.WriteHeader(r.status)
	if r.reason != "" {
		json.NewEncoder(w).Encode(map[string]string{"reason": r.reason})
	}
}

// serveLocked does what is asked; a refusal with a status of 2xx is none.
func (s *Server) serveLocked(r *http.Request, body []byte) (http.Header, []byte, refusal) {
	if r.ProtoMajor != 2 {
		s.violationLocked("HTTP/" + strconv.Itoa(r.ProtoMajor))
		return nil, nil, refusal{http.StatusHTTPVersionNotSupported, ""}
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var serve func(*http.Request, []byte) (http.Header, []byte, refusal)
	app := ""
	switch {
	case len(path) == 4 && path[0] == "1" && path[1] == "apps" && path[3] == "channels":
		app, serve = path[2], s.channelLocked
	case len(path) == 4 && path[0] == "1" && path[1] == "apps" && path[3] == "all-channels":
		app, serve = path[2], s.listLocked
	case len(path) == 4 && path[0] == "4" && path[1] == "broadcasts" && path[2] == "apps":
		app, serve = path[3], s.broadcastLocked
	case len(path) >= 2 && path[0] == "3" && path[1] == "device":
		app, serve = s.BundleID, s.deviceLocked
	default:
		return nil, nil, s.refuseLocked(http.StatusNotFound, "BadPath")
	}
	if wrong := s.tokens.check(r, s); wrong.reason != "" {
		if wrong.reason != "ExpiredProviderToken" {
			s.violationLocked(wrong.reason)
		}
		return nil, nil, wrong
	}
	if app != s.BundleID {
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "TopicDisallowed")
	}
	return serve(r, body)
}

// refuseLocked is a refusal of what a good sender does not send.
func (s *Server) refuseLocked(status int, reason string) refusal {
	s.violationLocked(reason)
	return refusal{status, reason}
}

func (s *Server) violationLocked(text string) {
	s.violations = append(s.violations, text)
	s.violations = s.violations[max(0, len(s.violations)-1000):]
}

// channelLocked is channel management: create, read, delete.
func (s *Server) channelLocked(r *http.Request, body []byte) (http.Header, []byte, refusal) {
	id := r.Header.Get("apns-channel-id")
	if r.Method == http.MethodPost {
		return s.createLocked(body)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		return nil, nil, s.refuseLocked(http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
	if wrong := s.knownLocked(id); wrong.reason != "" {
		return nil, nil, wrong
	}
	if r.Method == http.MethodDelete {
		delete(s.channels, id)
		s.deleted++
		return nil, nil, refusal{status: http.StatusNoContent}
	}
	text, _ := json.Marshal(map[string]any{"message-storage-policy": s.channels[id].policy,
		"push-type": "LiveActivity"})
	return nil, text, refusal{status: http.StatusOK}
}

// knownLocked refuses a channel that there is none of.
func (s *Server) knownLocked(id string) refusal {
	switch raw, err := base64.StdEncoding.DecodeString(id); {
	case id == "":
		return s.refuseLocked(http.StatusBadRequest, "MissingChannelId")
	case err != nil || len(raw) != 16:
		return s.refuseLocked(http.StatusBadRequest, "BadChannelId")
	case s.channels[id] == nil:
		// No violation: another process may just have deleted it.
		return refusal{http.StatusBadRequest, "ChannelNotRegistered"}
	}
	return refusal{}
}

func (s *Server) createLocked(body []byte) (http.Header, []byte, refusal) {
	var asks struct {
		Policy *int   `json:"message-storage-policy"`
		Type   string `json:"push-type"`
	}
	most := s.MaxChannels
	if most == 0 {
		most = MaxChannels
	}
	switch err := json.Unmarshal(body, &asks); {
	case len(body) == 0:
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "PayloadEmpty")
	case err != nil || asks.Policy != nil && *asks.Policy != 0 && *asks.Policy != 1:
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "BadMessageStoragePolicy")
	case asks.Type == "":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "MissingPushType")
	case asks.Type != "LiveActivity":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "InvalidPushType")
	case len(s.channels) >= most:
		return nil, nil, refusal{http.StatusBadRequest, "CannotCreateChannelConfig"}
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	id := base64.StdEncoding.EncodeToString(raw)
	if s.channels == nil {
		s.channels = map[string]*channel{}
	}
	s.channels[id] = &channel{}
	if asks.Policy != nil {
		s.channels[id].policy = *asks.Policy
	}
	s.created++
	return http.Header{"Apns-Channel-Id": {id}}, nil, refusal{status: http.StatusCreated}
}

func (s *Server) listLocked(r *http.Request, _ []byte) (http.Header, []byte, refusal) {
	if r.Method != http.MethodGet {
		return nil, nil, s.refuseLocked(http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
	text, _ := json.Marshal(map[string]any{"channels": slices.AppendSeq([]string{}, maps.Keys(s.channels))})
	return nil, text, refusal{status: http.StatusOK}
}

// broadcastLocked sends to a channel. Apple's order of refusals.
func (s *Server) broadcastLocked(r *http.Request, body []byte) (http.Header, []byte, refusal) {
	id := r.Header.Get("apns-channel-id")
	kind := r.Header.Get("apns-push-type")
	expires, badExpiration := strconv.ParseInt(r.Header.Get("apns-expiration"), 10, 64)
	priority := r.Header.Get("apns-priority")
	switch {
	case r.Method != http.MethodPost:
		return nil, nil, s.refuseLocked(http.StatusMethodNotAllowed, "MethodNotAllowed")
	case id == "":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "MissingChannelId")
	case kind == "":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "MissingPushType")
	case kind != "liveactivity":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "InvalidPushType")
	case badExpiration != nil || expires < 0,
		expires != 0 && s.channels[id] != nil && s.channels[id].policy == 0:
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "BadExpirationDate")
	case priority != "" && priority != "1" && priority != "5" && priority != "10":
		return nil, nil, s.refuseLocked(http.StatusBadRequest, "BadPriority")
	}
	if wrong := s.knownLocked(id); wrong.reason != "" {
		return nil, nil, wrong
	}
	if r.Header.Get("apns-topic") != "" {
		s.violationLocked("apns-topic in a broadcast")
	}
	p, wrong := s.readLocked(body, maxBroadcast)
	if wrong.reason != "" {
		return nil, nil, wrong
	}
	c, now := s.channels[id], s.now()
	if s.Interval > 0 && now.Sub(c.last) < s.Interval {
		return nil, nil, s.refuseLocked(http.StatusTooManyRequests, "TooManyRequests")
	}
	if p.Event == "start" {
		s.violationLocked("start in a broadcast")
	}
	p.Priority, p.Expires, p.Taken = atoi(priority, 10), expires, now
	c.take(p)
	if s.Taken != nil {
		s.Taken(id, p)
	}
	return nil, nil, refusal{status: http.StatusOK}
}

func atoi(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// take is what the phones of a channel do with a push.
func (c *channel) take(p Push) {
	c.last = p.Taken
	c.pushes = append(c.pushes, p)
	first := c.pushes[0].Taken
	if c.screen.Ended || p.At <= c.screen.At || p.Taken.Sub(first) >= maxAge {
		c.screen.Late++
		return
	}
	c.screen = Screen{State: p.State, At: p.At, Ended: p.Event == "end", Late: c.screen.Late}
}

var deviceText = regexp.MustCompile(`^([0-9a-fA-F]{2}){16,100}$`)

// deviceLocked sends to one device. Only what starts a Live Activity is taken.
func (s *Server) deviceLocked(r *http.Request, body []byte) (http.Header, []byte, refusal) {
	token := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/3/device"), "/")
	topic := r.Header.Get("apns-topic")
	kind := r.Header.Get("apns-push-type")
	expires, badExpiration := strconv.ParseInt(r.Header.Get("apns-expiration"), 10, 64)
	priority := r.Header.Get("apns-priority")
	bad := func(reason string) (http.Header, []byte, refusal) {
		return nil, nil, s.refuseLocked(http.StatusBadRequest, reason)
	}
	switch {
	case r.Method != http.MethodPost:
		return nil, nil, s.refuseLocked(http.StatusMethodNotAllowed, "MethodNotAllowed")
	case token == "":
		return bad("MissingDeviceToken")
	case topic == "":
		return bad("MissingTopic")
	case !strings.HasPrefix(topic, s.BundleID):
		return bad("TopicDisallowed")
	case kind != "liveactivity" || topic != s.BundleID+".push-type.liveactivity":
		return bad("InvalidPushType")
	case r.Header.Get("apns-expiration") != "" && (badExpiration != nil || expires < 0):
		return bad("BadExpirationDate")
	case priority != "" && priority != "1" && priority != "5" && priority != "10":
		return bad("BadPriority")
	case !deviceText.MatchString(token):
		return nil, nil, refusal{http.StatusBadRequest, "BadDeviceToken"}
	}
	p, wrong := s.readLocked(body, maxPush)
	if wrong.reason != "" {
		return nil, nil, wrong
	}
	switch {
	case p.Event == "start" && (p.Type == "" || len(p.Attributes) == 0 || p.Title == ""):
		s.violationLocked("start without attributes or an alert: phones show nothing")
	case p.Event == "start" && p.Channel != "" && s.channels[p.Channel] == nil:
		s.violationLocked("start with a channel that there is none of")
	}
	if s.gone[token] {
		return nil, nil, refusal{http.StatusGone, "Unregistered"}
	}
	p.Priority, p.Expires, p.Taken = atoi(priority, 10), expires, s.now()
	if s.devices == nil {
		s.devices = map[string][]Push{}
	}
	s.devices[token] = append(s.devices[token], p)
	return nil, nil, refusal{status: http.StatusOK}
}

// readLocked reads a push; what Apple takes and phones cannot use is a violation.
func (s *Server) readLocked(body []byte, most int) (Push, refusal) {
	switch {
	case len(body) == 0:
		return Push{}, s.refuseLocked(http.StatusBadRequest, "PayloadEmpty")
	case len(body) > most:
		return Push{}, s.refuseLocked(http.StatusRequestEntityTooLarge, "PayloadTooLarge")
	}
	var said struct {
		APS struct {
			Timestamp  int64           `json:"timestamp"`
			Event      string          `json:"event"`
			State      json.RawMessage `json:"content-state"`
			Stale      int64           `json:"stale-date"`
			Dismissal  int64           `json:"dismissal-date"`
			Type       string          `json:"attributes-type"`
			Attributes json.RawMessage `json:"attributes"`
			Channel    string          `json:"input-push-channel"`
			Alert      struct {
				Title string `json:"title"`
			} `json:"alert"`
		} `json:"aps"`
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&said); err != nil {
		s.violationLocked("payload: " + err.Error())
	}
	a := said.APS
	switch {
	case a.Event != "start" && a.Event != "update" && a.Event != "end":
		s.violationLocked("event " + strconv.Quote(a.Event))
	case a.Timestamp <= 0 || len(a.State) == 0:
		s.violationLocked("no timestamp or no content-state")
	case a.Stale != 0 && a.Stale <= a.Timestamp:
		s.violationLocked("stale from the beginning")
	}
	return Push{Event: a.Event, At: a.Timestamp, Stale: a.Stale, Dismiss: a.Dismissal, State: a.State,
		Channel: a.Channel, Type: a.Type, Attributes: a.Attributes, Title: a.Alert.Title}, refusal{}
}

// Channels lists the ids of all channels.
func (s *Server) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.channels))
}

// Pushes lists what a channel was sent, in its order.
func (s *Server) Pushes(channel string) []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[channel]; c != nil {
		return slices.Clone(c.pushes)
	}
	return nil
}

// Screen is what phones show that listen to a channel.
func (s *Server) Screen(channel string) Screen {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[channel]; c != nil {
		return c.screen
	}
	return Screen{}
}

// Device lists what a device was sent.
func (s *Server) Device(token string) []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.devices[token])
}

// Remove removes the app from a device.
func (s *Server) Remove(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = map[string]bool{}
	}
	s.gone[token] = true
}

// Drop deletes a channel that nobody asked to delete.
func (s *Server) Drop(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, channel)
}

// Counts says how many requests there were, and how many channels were created and deleted.
func (s *Server) Counts() (requests, created, deleted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.created, s.deleted
}

// Violations returns what was wrong with requests, in words. A good sender leaves none.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}
