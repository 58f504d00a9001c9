// Package fcmtest is a Firebase Cloud Messaging for tests and for the demo: an http.Handler that
// speaks the HTTP v1 API for sending, checks everything that it is sent as far as Google documents
// it, fails when it is told to, and keeps for each device what a phone would show.
package fcmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a Server keeps at most, of the newest: it may run for as long as a demo does.
const (
	maxDeliveries = 10_000
	maxShown      = 50 // per device
	maxDevices    = 100_000
	maxBody       = 64 << 10 // bytes of a request
)

// Server is the fake. Its zero value is ready and takes messages for any project without
// credentials; set its fields before the first request.
type Server struct {
	Project string           // the only project there is; empty: all
	Bearer  string           // the access token that requests must have; empty: none is asked for
	Delay   time.Duration    // how long each request takes
	Now     func() time.Time // the clock; nil: time.Now
	// Deliver, if set, is told of every message that was taken, by the goroutine of its request and
	// before it is answered.
	Deliver func(Delivery)

	mu         sync.Mutex
	devices    map[string]*device
	failures   map[string][]Failure
	deliveries []Delivery
	violations []string
	requests   int
	dryRuns    int
	changes    int // requests to have devices listen
	gone       map[string]bool
	count      int
}

// Delivery is a message that the server took.
type Delivery struct {
	Token     string `json:"token,omitempty"`     // of the device; empty in Deliveries for what went to a topic
	Topic     string `json:"topic,omitempty"`     // that it went to
	Condition string `json:"condition,omitempty"` // of topics that it went to
	// "android", "ios", "web"; by the first of these blocks in the message, else "android"
	Platform string            `json:"platform"`
	Title    string            `json:"title"`
	Body     string            `json:"body"`
	Key      string            `json:"key"`      // of the shown notification: tag, apns-collapse-id
	Collapse string            `json:"collapse"` // of the waiting one: collapse_key, apns-collapse-id, Topic
	Thread   string            `json:"thread,omitempty"`
	Image    string            `json:"image,omitempty"`
	DataOnly bool              `json:"data_only,omitempty"` // has no notification: the app decides what is shown
	High     bool              `json:"high"`
	Silent   bool              `json:"silent"`
	TTL      time.Duration     `json:"-"`
	Data     map[string]string `json:"data"`
	At       time.Time         `json:"at"`
	Age      time.Duration     `json:"-"` // At less data["time"] (ms since 1970); 0 without it
}

// Shown is a notification on a phone.
type Shown struct {
	Delivery
	Replaced int // how many earlier ones with the same key it took the place of
	Sounds   int // how often it, or those it replaced, made a sound
}

// device is a phone: what it shows, newest first, and what waits while it is off; what its app got
// without a notification; and which topics it listens to.
type device struct {
	shown   []Shown
	data    []Delivery // that have no notification, oldest first
	topics  map[string]bool
	off     bool
	waiting []Delivery
}

// maxCollapseKeys is how many different collapse keys Firebase keeps for a device that is off.
const maxCollapseKeys = 4

// ServeHTTP answers POST /v1/projects/{project}/messages:send, and POST /iid/v1:batchAdd and
// :batchRemove, which have devices listen to a topic, or listen no more.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/iid/") {
		s.manage(w, r)
		return
	}
	if s.Delay > 0 {
		select {
		case <-time.After(s.Delay):
		case <-r.Context().Done():
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	m, validateOnly, wrong := parse(body, r.Header.Get("Content-Type"))
	s.counted(validateOnly)
	project, found := strings.CutPrefix(r.URL.Path, "/v1/projects/")
	project, send := strings.CutSuffix(project, "/messages:send")
	switch {
	case !found || !send || project == "" || strings.Contains(project, "/"), s.Project != "" && project != s.Project:
		fail(w, Failure{Status: http.StatusNotFound, Message: "no such method or project"})
		return
	case r.Method != http.MethodPost:
		fail(w, Failure{Status: http.StatusNotFound, Message: "want POST"})
		return
	case s.Bearer != "" && r.Header.Get("Authorization") != "Bearer "+s.Bearer:
		fail(w, Failure{Status: http.StatusUnauthorized, Message: "no valid access token"})
		return
	case err != nil:
		fail(w, Failure{Status: http.StatusBadRequest, Code: "INVALID_ARGUMENT", Message: err.Error()})
		return
	}
	if len(wrong) > 0 {
		s.violation(wrong...)
		fail(w, Failure{Status: http.StatusBadRequest, Code: "INVALID_ARGUMENT", Message: strings.Join(wrong, "; "),
			Field: wrong[0]})
		return
	}
	keys := []string{m.Token + m.Topic + m.Condition, ""}
	if validateOnly {
		keys = []string{DryRun}
	}
	f, scripted := s.nextFailure(keys...)
	if f.Wait > 0 {
		select {
		case <-time.After(f.Wait):
		case <-r.Context().Done():
			return
		}
	}
	fails := scripted && (f.Drop || f.Status/100 > 2)
	if f.Cut {
		defer cutOff(w)
	}
	if !validateOnly && (!fails || f.Deliver) {
		s.take(m.delivery(s.now()))
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	case fails || f.Body != "":
		fail(w, f)
		return
	}
	s.mu.Lock()
	s.count++
	name := fmt.Sprintf("projects/%s/messages/0:%d", project, s.count)
	s.mu.Unlock()
	if validateOnly {
		name = fmt.Sprintf("projects/%s/messages/fake_message_id", project)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(map[string]string{"name": name})
}

// cutOff sends what was written so far, as part of a longer answer, and closes the connection.
func cutOff(w http.ResponseWriter) {
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// take keeps a message, and shows it if the phone is on.
func (s *Server) take(d Delivery) {
	s.mu.Lock()
	s.deliveries = append(s.deliveries, d)
	if len(s.deliveries) > maxDeliveries {
		s.deliveries = slices.Clone(s.deliveries[maxDeliveries/10:])
	}
	switch {
	case d.Token != "":
		s.arrive(d)
	default:
		for token, p := range s.devices {
			if d.Topic != "" && p.topics[d.Topic] || d.Condition != "" && holds(d.Condition, p.topics) {
				copied := d
				copied.Token = token
				s.arrive(copied)
			}
		}
	}
	s.mu.Unlock()
	if s.Deliver != nil {
		s.Deliver(d)
	}
}

// arrive hands a message to its device; s.mu is held.
func (s *Server) arrive(d Delivery) {
	if p := s.device(d.Token); p == nil {
		s.violations = append(s.violations, "more devices than the fake keeps")
	} else if p.off {
		s.wait(p, d)
	} else {
		p.show(d)
	}
}

// device returns the phone with the token; s.mu is held. nil beyond maxDevices.
func (s *Server) device(token string) *device {
	if s.devices == nil {
		s.devices = map[string]*device{}
	}
	p := s.devices[token]
	if p == nil && len(s.devices) < maxDevices {
		p = &device{}
		s.devices[token] = p
	}
	return p
}

// wait keeps a message for a phone that is off: the newest of each collapse key.
func (s *Server) wait(p *device, d Delivery) {
	if d.TTL <= 0 {
		return
	}
	if d.Collapse != "" {
		p.waiting = slices.DeleteFunc(p.waiting, func(o Delivery) bool { return o.Collapse == d.Collapse })
	}
	p.waiting = append(p.waiting, d)
	if d.Platform != "android" {
		return // Apple and browsers have no such limit
	}
	keys := map[string]bool{}
	for _, o := range slices.Backward(p.waiting) {
		if o.Collapse != "" {
			keys[o.Collapse] = true
		}
		if len(keys) > maxCollapseKeys {
			s.violations = append(s.violations, "more than 4 collapse keys wait for a device: "+o.Collapse+" is lost")
			p.waiting = slices.DeleteFunc(p.waiting, func(w Delivery) bool { return w.Collapse == o.Collapse })
			return
		}
	}
}

func (p *device) show(d Delivery) {
	if d.DataOnly {
		p.data = append(p.data, d)
		p.data = p.data[max(0, len(p.data)-maxShown):]
		return
	}
	shown := Shown{Delivery: d}
	if !d.Silent {
		shown.Sounds = 1
	}
	if i := slices.IndexFunc(p.shown, func(o Shown) bool { return d.Key != "" && o.Key == d.Key }); i >= 0 {
		shown.Replaced, shown.Sounds = p.shown[i].Replaced+1, p.shown[i].Sounds+shown.Sounds
		p.shown = slices.Delete(p.shown, i, i+1)
	}
	p.shown = slices.Insert(p.shown, 0, shown)
	p.shown = p.shown[:min(len(p.shown), maxShown)]
}

// TurnOff turns a phone off: messages wait for it, each as long as it lives.
func (s *Server) TurnOff(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.device(token); p != nil {
		p.off = true
	}
}

// TurnOn turns it on again, and shows what waited and still lives.
func (s *Server) TurnOn(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.device(token)
	if p == nil {
		return
	}
	for _, d := range p.waiting {
		if s.now().Sub(d.At) < d.TTL {
			p.show(d)
		}
	}
	p.off, p.waiting = false, nil
}

// Phone returns what a device shows, newest first.
func (s *Server) Phone(token string) []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.devices[token]; p != nil {
		return slices.Clone(p.shown)
	}
	return nil
}

// Subscribe has a device listen to a topic, as the SDK of its app does.
func (s *Server) Subscribe(token, topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !topicName.MatchString(topic) {
		s.violations = append(s.violations, "a device listens to "+topic+", which is no topic")
		return
	}
	if p := s.device(token); p != nil {
		if p.topics == nil {
			p.topics = map[string]bool{}
		}
		p.topics[topic] = true
	}
}

// Data returns what a device's app got without a notification, oldest first.
func (s *Server) Data(token string) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.devices[token]; p != nil {
		return slices.Clone(p.data)
	}
	return nil
}

// Deliveries returns all messages taken, in their order.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// Violations returns what was wrong with requests, in words. A good sender leaves none.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// counted counts a request.
func (s *Server) counted(dryRun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dryRun {
		s.dryRuns++
		return
	}
	s.requests++
}

// Requests counts all requests but dry runs, whatever became of them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// DryRuns counts requests that only ask whether a message is right (validate_only).
func (s *Server) DryRuns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dryRuns
}

func (s *Server) violation(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, texts...)
	s.violations = s.violations[max(0, len(s.violations)-1000):]
}

// age is how long after data["time"] it is now.
func age(data map[string]string, now time.Time) time.Duration {
	ms, err := strconv.ParseInt(data["time"], 10, 64)
	if err != nil {
		return 0
	}
	return now.Sub(time.UnixMilli(ms))
}
