package rest

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5/middleware"

	"goalcast/internal/clientip"
	"goalcast/internal/problem"
	"goalcast/internal/ratelimit"
)

// Rate is a bucket of Burst turns that refills by PerMinute.
type Rate = ratelimit.Rate

// Limiter counts turns per key. The one used by default counts in this process; one that shares its
// counts can be passed in instead.
type Limiter = ratelimit.Limiter

// take asks the limiter, tells the client what it says, and makes its no an error.
func (s *Server) take(ctx context.Context, w http.ResponseWriter, code, key string, rate Rate) error {
	turn, err := s.limiter.Take(ctx, key, rate)
	if err != nil {
		s.metrics.limiter.Inc()
		s.log.Debug("rate limiter", "error", err)
		return nil
	}
	ratelimit.Headers(w.Header(), code, rate, turn)
	if turn.Wait > 0 {
		p := problem.New(http.StatusTooManyRequests, code, "too many requests; wait as Retry-After says")
		p.Retry = turn.Wait
		return p
	}
	return nil
}

// mayGuess refuses whoever has shown too many wrong tokens, before another one is looked at. class
// says where.
func (s *Server) mayGuess(r *http.Request, class string) error {
	wait := s.limiter.Peek(s.guessKey(r, class), s.cfg.GuessRate)
	if wait <= 0 {
		return nil
	}
	p := problem.New(http.StatusTooManyRequests, "rate_guesses", "too many wrong tokens; wait as Retry-After says")
	p.Retry = wait
	return p
}

// guessed counts a wrong token, and returns err or that these are too many.
func (s *Server) guessed(w http.ResponseWriter, r *http.Request, class string, err error) error {
	if no := s.take(r.Context(), w, "rate_guesses", s.guessKey(r, class), s.cfg.GuessRate); no != nil {
		return no
	}
	return err
}

func (s *Server) guessKey(r *http.Request, class string) string {
	return "guess:" + class + ":" + clientip.Counted(s.clientIP(r)).String()
}

// addressKey is the limiter's key for the client's address. Requests whose address cannot be told
// share one.
func addressKey(ctx context.Context) string {
	return "ip:" + clientip.Counted(middleware.GetClientIPAddr(ctx)).String()
}
