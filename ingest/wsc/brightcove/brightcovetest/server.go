// Package brightcovetest is a Brightcove for tests and demonstrations: OAuth, CMS and Dynamic
// Ingest in one local server that answers as their documentation says, in the shapes of its
// examples, and fails when it is told to. Tests of packages brightcove and wsc start it.
package brightcovetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the server knows of its one account.
const (
	Account      = "9000001"
	ClientID     = "client"
	ClientSecret = "hush"
)

// Server is the fake. Its methods may be called by many goroutines.
type Server struct {
	URL string // of all three services

	t    testing.TB
	http *httptest.Server

	mu        sync.Mutex // guards the rest
	life      time.Duration
	tokens    map[string]time.Time // and when each ends
	videos    map[string]*Video
	jobs      map[string]*Job
	faults    []fault
	requests  map[string]int // by call
	during    map[string]func()
	next      int64
	notifying sync.WaitGroup
}

// Video is a video of the account.
type Video struct {
	ID, Name, Reference, State string
	Poster                     string // address of the picture; empty while there is none
	Masters                    []string
}

// Job is a dynamic ingest.
type Job struct {
	ID, Video, Master, State string
	ErrorCode, ErrorMessage  string
	Callbacks                []string
}

// fault is an answer instead of the right one.
type fault struct {
	call   string
	times  int
	status int
	header http.Header
	body   string
	late   bool // the work is done, and only the answer is lost
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	s := &Server{t: t, life: 5 * time.Minute, tokens: map[string]time.Time{}, videos: map[string]*Video{},
		jobs: map[string]*Job{}, requests: map[string]int{}, during: map[string]func(){}, next: 5660000000001}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v4/access_token", s.handle("token", s.token))
	const base = "/v1/accounts/" + Account + "/videos"
	mux.HandleFunc("POST "+base, s.handle("create_video", s.create))
	mux.HandleFunc("GET "+base+"/{video}", s.handle("video", s.video))
	mux.HandleFunc("PATCH "+base+"/{video}", s.handle("set_state", s.patch))
	mux.HandleFunc("GET "+base+"/{video}/images", s.handle("images", s.images))
	mux.HandleFunc("GET "+base+"/{video}/ingest_jobs", s.handle("jobs", s.listJobs))
	mux.HandleFunc("GET "+base+"/{video}/ingest_jobs/{job}", s.handle("job", s.job))
	mux.HandleFunc("POST "+base+"/{video}/ingest-requests", s.handle("ingest", s.ingest))
	mux.HandleFunc("/", s.handle("other", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "RESOURCE_NOT_FOUND", "no such resource "+r.URL.Path)
	}))
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	t.Cleanup(func() { s.notifying.Wait(); s.http.Close() })
	return s
}

// Answer makes the next calls of that name ("token", "create_video", "video", "set_state",
// "images", "job", "ingest") answer something else. Headers in pairs.
func (s *Server) Answer(call string, times, status int, body string, headers ...string) {
	s.fault(fault{call: call, times: times, status: status, body: body}, headers)
}

// LoseAnswer does what the next call of that name asks for and answers 502 all the same.
func (s *Server) LoseAnswer(call string) {
	s.fault(fault{call: call, times: 1, status: http.StatusBadGateway, body: "<html>bad gateway</html>", late: true},
		nil)
}

// During calls f once, after the next call of that name is done and before its answer goes out.
func (s *Server) During(call string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.during[call] = f
}

func (s *Server) fault(f fault, headers []string) {
	f.header = http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		f.header.Add(headers[i], headers[i+1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// handle counts a request, lets a fault answer it, and asks for a token wherever one is needed.
func (s *Server) handle(call string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		done := httptest.NewRecorder()
		meanwhile := s.serve(done, r, call, h)
		meanwhile()
		for name, values := range done.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(done.Code)
		_, _ = w.Write(done.Body.Bytes()) // an error means that the caller is gone
	}
}

// serve makes the answer and returns what has to happen before it is sent.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, call string, h http.HandlerFunc) (meanwhile func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[call]++
	meanwhile = func() {}
	if f := s.during[call]; f != nil {
		delete(s.during, call)
		meanwhile = f
	}
	if call != "token" && !s.authorizedLocked(r) {
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "Permission denied.")
		return meanwhile
	}
	i := slices.IndexFunc(s.faults, func(f fault) bool { return f.call == call && f.times > 0 })
	if i < 0 {
		h(w, r)
		return meanwhile
	}
	f := &s.faults[i]
	f.times--
	if f.late {
		h(httptest.NewRecorder(), r)
	}
	for name, values := range f.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	fmt.Fprint(w, f.body)
	return meanwhile
}

func (s *Server) authorizedLocked(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && time.Now().Before(s.tokens[token])
}

// TokenLife says how long tokens live that are asked for from now on; 5 minutes at first.
func (s *Server) TokenLife(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// RevokeTokens ends all tokens now, whatever was said when they were given.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Requests says how often a call was made.
func (s *Server) Requests(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[call]
}

// Videos lists the account's videos by id.
func (s *Server) Videos() (list []Video) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.videos {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b Video) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Reference is the reference of a video; empty if there is none.
func (s *Server) Reference(video string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.videos[video]; v != nil {
		return v.Reference
	}
	return ""
}

// Jobs lists the jobs in the order in which they were started.
func (s *Server) Jobs() (list []Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		list = append(list, *j)
	}
	slices.SortFunc(list, func(a, b Job) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Forget deletes a video, as somebody with the vendor's own tools can.
func (s *Server) Forget(video string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.videos, video)
}

func (s *Server) idLocked() string {
	s.next++
	return fmt.Sprint(s.next)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the caller is gone
}

// fail answers with a list of one error, as CMS and Dynamic Ingest do.
func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, []map[string]string{{"error_code": code, "message": message}})
}
