package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// maxAnswer is how much of an answer of the API is kept, in bytes. Lists are bounded by their
// limits; a document may be larger, and its beginning is shown.
const maxAnswer = 4 << 20

// apiError is an answer of the API that is an error, for a person.
type apiError struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Retry     string `json:"-"` // seconds, if the API says
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Detail) }

var notFound = &apiError{Status: http.StatusNotFound, Code: "no_route", Detail: "there is no such page"}

// answer is what the API said, in memory.
type answer struct {
	status  int
	header  http.Header
	body    bytes.Buffer
	cut     bool // the body was longer
	written bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.written {
		a.status, a.written = status, true
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if room := maxAnswer - a.body.Len(); len(b) > room {
		a.cut = true
		a.body.Write(b[:room])
		return len(b), nil
	}
	return a.body.Write(b)
}

// request is one to the API as if whoever looks had sent it.
func (v *view) request(method, path string, body any) (*http.Request, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(v.ctx, method, path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r := v.r
	req.RequestURI, req.RemoteAddr, req.Host, req.TLS = path, r.RemoteAddr, r.Host, r.TLS
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "User-Agent"} {
		if values := r.Header[name]; len(values) > 0 {
			req.Header[name] = values
		}
	}
	req.Header.Set("X-Request-Id", v.id)
	req.Header.Set("Authorization", "Bearer "+v.session.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// ask asks the API. Its error is an *apiError. It may be called by several goroutines at once.
func (v *view) ask(method, path string, body any) (*answer, error) {
	a := &answer{header: http.Header{}}
	req, err := v.request(method, path, body)
	if err != nil {
		return nil, &apiError{Status: http.StatusBadRequest, Code: "bad_request", Detail: "this cannot be asked for",
			RequestID: v.id}
	}
	v.c.cfg.API.ServeHTTP(a, req)
	a.WriteHeader(http.StatusOK)
	if a.status < 400 {
		return a, nil
	}
	p := &apiError{}
	if json.Unmarshal(a.body.Bytes(), p) != nil || p.Code == "" {
		p.Code, p.Detail = strconv.Itoa(a.status), http.StatusText(a.status)
	}
	p.Status, p.Retry = a.status, a.header.Get("Retry-After")
	if p.RequestID == "" {
		p.RequestID = v.id
	}
	return nil, p
}
