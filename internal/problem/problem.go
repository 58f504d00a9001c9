// Package problem is the one form in which goalcast's HTTP interfaces say no: problem+json (RFC
// 9457) with a code for programs and the id of the request. It is pure: nobody owns anything here.
package problem

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Problem is the body of an answer that is an error, and the error itself: its words are meant for
// whoever asked. Write fills what New does not.
type Problem struct {
	Type      string `json:"type"` // "about:blank": the title is the status's own text, and Code tells programs more
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`    // for developers
	Parameter string `json:"parameter,omitempty"` // the query or path parameter or body field that is wrong
	RequestID string `json:"request_id"`          // to find the request in our logs

	Keep      time.Duration `json:"-"` // how long caches may keep the answer, if above 0
	Retry     time.Duration `json:"-"` // Retry-After, if above 0
	Challenge string        `json:"-"` // WWW-Authenticate, if not empty
}

// New makes a problem.
func New(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

func (p *Problem) problem() *Problem { return p }

// Body is a *Problem, or a pointer to a struct that embeds one and has more to say.
type Body interface{ problem() *Problem }

// Write answers a request with a problem. Nothing may have been written before.
func Write(w http.ResponseWriter, r *http.Request, body Body) {
	p := body.problem()
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), RequestID(w, r)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Keep > 0 {
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", p.Keep/time.Second))
	}
	h.Del("ETag")
	h.Del("Content-Language") // of what would have been the answer
	if p.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.Retry.Seconds()))))
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}

// idText is what a proxy in front may send as X-Request-Id; anything else is replaced, since it
// goes into logs.
var idText = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// RequestID is the id of a request, in the answer's X-Request-Id from the first call on: the one
// that came with the request, or a new one.
func RequestID(w http.ResponseWriter, r *http.Request) string {
	const header = "X-Request-Id"
	id := w.Header().Get(header)
	if id != "" {
		return id
	}
	if id = r.Header.Get(header); id == "" || !idText.MatchString(id) {
		id = rand.Text()
	}
	w.Header().Set(header, id)
	return id
}
