package apnstest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Failure is an answer other than success, or one that takes its time.
type Failure struct {
	Status     int // 0: none, see Wait
	Reason     string
	RetryAfter time.Duration // in the header; 0 for no header
	Taken      bool          // what was asked is done all the same, if it is right
	Drop       bool          // there is no answer: with HTTP/2, the stream is reset
	Wait       <-chan struct{}
}

// The failures that have nothing to do with what was sent.
func TooManyRequests(after time.Duration) Failure {
	return Failure{Status: http.StatusTooManyRequests, Reason: "TooManyRequests", RetryAfter: after}
}
func Internal() Failure {
	return Failure{Status: http.StatusInternalServerError, Reason: "InternalServerError"}
}
func Unavailable() Failure {
	return Failure{Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"}
}
func Shutdown() Failure {
	return Failure{Status: http.StatusServiceUnavailable, Reason: "Shutdown"}
}

// NotEnabled is what an app without the broadcast capability is told.
func NotEnabled() Failure { return Failure{Status: http.StatusBadRequest, Reason: "FeatureNotEnabled"} }

// LostAnswer does what was asked and resets the stream.
func LostAnswer() Failure { return Failure{Status: http.StatusOK, Taken: true, Drop: true} }

// Fail makes the next requests fail, one after the other: those whose path ends with path, or all
// if it is empty; a method in front of the path and a blank choose further ("DELETE channels").
func (s *Server) Fail(path string, failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string][]Failure{}
	}
	s.failures[path] = append(s.failures[path], failures...)
}

func (s *Server) nextFailureLocked(r *http.Request) (Failure, bool) {
	longestFirst := func(a, b string) int { return cmp.Compare(len(b), len(a)) }
	for _, key := range slices.SortedFunc(maps.Keys(s.failures), longestFirst) {
		list := s.failures[key]
		method, path, chosen := strings.Cut(key, " ")
		if !chosen {
			method, path = r.Method, key
		}
		if len(list) > 0 && method == r.Method && strings.HasSuffix(r.URL.Path, path) {
			s.failures[key] = list[1:]
			return list[0], true
		}
	}
	return Failure{}, false
}

func (f Failure) write(w http.ResponseWriter) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	answer(w, refusal{f.Status, f.Reason}, f.RetryAfter)
}
