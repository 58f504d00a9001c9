package console

import (
	"sync"
	"time"
)

const (
	submissionLife = 10 * time.Minute // how long a form that was sent is remembered
	maxSubmissions = 1000
)

// submissions are the forms that were sent to this process a moment ago, so that one that is sent
// twice (a double click, a reload) does what it does once. The mutex guards all of it.
type submissions struct {
	now func() time.Time

	mu   sync.Mutex
	sent map[string]*submission // by session and number of the form
}

// submission is a form that was sent. done is closed when the rest is set.
type submission struct {
	at   time.Time
	done chan struct{}
	to   string // where the browser is sent
	err  error
}

func newSubmissions(now func() time.Time) *submissions {
	return &submissions{now: now, sent: map[string]*submission{}}
}

// do calls f once for a key; whoever comes with it later gets the same result.
func (s *submissions) do(key string, f func() (string, error)) (string, error) {
	one, first := s.take(key)
	if !first {
		<-one.done // f has a deadline
		return one.to, one.err
	}
	defer close(one.done)
	one.to, one.err = f()
	return one.to, one.err
}

func (s *submissions) take(key string) (one *submission, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.sent[key]; one != nil {
		return one, false
	}
	now := s.now()
	oldest := key
	one = &submission{at: now, done: make(chan struct{})}
	s.sent[key] = one
	for k, other := range s.sent {
		if now.Sub(other.at) > submissionLife {
			delete(s.sent, k)
		} else if other.at.Before(s.sent[oldest].at) {
			oldest = k
		}
	}
	if len(s.sent) > maxSubmissions {
		delete(s.sent, oldest)
	}
	return one, true
}
