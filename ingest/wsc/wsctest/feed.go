package wsctest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Key opens the feed.
const Key = "key-of-the-tests"

// Feed is WSC's side of the catch-up: stories, moments and videos, page by page. Its methods may be
// called by many goroutines.
type Feed struct {
	URL string // any path may be added, to tell callers apart

	mu       sync.Mutex // guards the rest
	contents map[string][]Object
	refuse   map[string][]int       // by page: statuses of the next answers
	hold     map[string]chan string // by page: who is kept waiting
	longest  int                    // contents of a page at most; 0 is as many as are asked for
	ended    chan struct{}
	asked    []Request
}

// Request is one that was made.
type Request struct {
	Caller string // what stood in the path before /v1
	Page   string // "moments?1" is the second page of moments
	From   time.Time
	Key    string
}

// Start starts a feed that ends with the test.
func Start(t testing.TB) *Feed {
	f := &Feed{contents: map[string][]Object{}, refuse: map[string][]int{}, hold: map[string]chan string{},
		ended: make(chan struct{})}
	server := httptest.NewServer(f)
	f.URL = server.URL
	t.Cleanup(func() {
		close(f.ended)
		server.Close()
	})
	return f
}

// Set says what the feed has of a kind: "stories", "moments" or "videos". Who asks gets what was
// changed since the time it asks for, and what tells no time.
func (f *Feed) Set(kind string, contents ...Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.contents[kind] = contents
}

// Cut makes pages of at most n contents, however many are asked for.
func (f *Feed) Cut(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.longest = n
}

// Refuse answers the next requests of a page ("moments?1") with these statuses; those
// of 429 want no pause.
func (f *Feed) Refuse(page string, statuses ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse[page] = append(f.refuse[page], statuses...)
}

// Hold keeps the next caller of a page waiting; asked tells who it is. All others are answered. A
// caller who is held learns nothing before the test ends.
func (f *Feed) Hold(page string) (asked <-chan string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold[page] = make(chan string, 1)
	return f.hold[page]
}

// Asked lists the requests so far.
func (f *Feed) Asked() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Pages lists the pages that were asked for.
func (f *Feed) Pages() (pages []string) {
	for _, r := range f.Asked() {
		pages = append(pages, r.Page)
	}
	return pages
}

func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	caller, kind, _ := strings.Cut(r.URL.Path, "/v1/")
	page := kind + "?" + q.Get("PageNum")
	from, _ := time.Parse(time.RFC3339, q.Get("UpdateTime.From")) // zero is what tests look for
	status, answer := f.answer(Request{strings.Trim(caller, "/"), page, from, q.Get("ApiKey")}, kind, q.Get("PageNum"),
		q.Get("PageSize"))
	if status == 0 {
		select {
		case <-f.ended:
		case <-r.Context().Done(): // the caller is gone
		}
		return
	}
	w.Header().Set("X-RateLimit-Reset", "0")
	w.WriteHeader(status)
	if status == http.StatusOK {
		_ = json.NewEncoder(w).Encode(answer) // an error means that the caller is gone
	}
}

// answer notes a request and says what comes of it; status 0 is nothing.
func (f *Feed) answer(request Request, kind, page, size string) (status int, answer Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, request)
	if request.Key != Key {
		return http.StatusUnauthorized, nil
	}
	if asked := f.hold[request.Page]; asked != nil {
		delete(f.hold, request.Page)
		asked <- request.Caller
		return 0, nil
	}
	if left := f.refuse[request.Page]; len(left) > 0 {
		f.refuse[request.Page] = left[1:]
		return left[0], nil
	}
	n, err1 := strconv.Atoi(page)
	most, err2 := strconv.Atoi(size)
	if err1 != nil || err2 != nil || n < 0 || most < 1 {
		return http.StatusBadRequest, nil
	}
	if f.longest > 0 {
		most = min(most, f.longest)
	}
	all := slices.DeleteFunc(slices.Clone(f.contents[kind]), func(c Object) bool {
		text, _ := c["updateTime"].(string)
		changed, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && changed.Before(request.From)
	})
	part := all[min(n*most, len(all)):min((n+1)*most, len(all))]
	return http.StatusOK, Object{"totalItems": len(all), "result": append([]Object{}, part...)}
}
