package rest

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"

	"goalcast"
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
		s.limiterAway(err)
		return nil
	}
	ratelimit.Headers(w.Header(), code, rate, turn)
	if turn.Wait > 0 {
		return tooMany(code, turn)
	}
	return nil
}

// limiterAway counts a request that passes since nobody knows whether it may.
func (s *Server) limiterAway(err error) {
	s.metrics.limiter.Inc()
	s.log.Debug("rate limiter", "error", err)
}

func tooMany(code string, turn ratelimit.Turn) error {
	p := problem.New(http.StatusTooManyRequests, code, "too many requests; wait as Retry-After says")
	p.Retry = turn.Wait
	return p
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

// readClass is what a public route costs, and so how often one address may ask for it.
type readClass uint8

const (
	readMatch  readClass = iota // a match or a part of it: from memory
	readList                    // lists and reference data: from memory, or the database for all who ask
	readSearch                  // each word is a reading of the database
	readThen                    // a match as it stood: its history is read
	readClasses
)

const (
	// readOwn is the part of a class's rate that each process gives to an address besides, by
	// itself and at once: so whoever asks for little costs no call and nothing that is shared.
	readOwn = 10
	// readBurst is the part of a minute's requests that an address may make at once.
	readBurst = 3
)

// readLimit is what an address may ask for of one class.
type readLimit struct {
	code   string
	own    Rate // of each process
	shared Rate // of all processes together
}

// readLimits are those of a rate for matches. Carriers put thousands of phones behind one address,
// which all open the app when a goal falls: so they are wide.
func readLimits(rate int) (limits [readClasses]readLimit) {
	for class, of := range [readClasses]struct {
		code string
		part int
	}{readMatch: {"rate_match", 1}, readList: {"rate_list", 2}, readSearch: {"rate_search", 20},
		readThen: {"rate_then", 200}} {
		each := max(1, rate/of.part)
		own := max(1, each/readOwn)
		limits[class] = readLimit{code: of.code, own: Rate{PerMinute: own, Burst: own},
			shared: Rate{PerMinute: each, Burst: max(1, each/readBurst)}}
	}
	return limits
}

// readKey is an address that reads.
type readKey struct {
	address netip.Addr // as clientip.Counted has it
	class   readClass
}

// userReadKey is a user who reads from an address that has used up its rate.
type userReadKey struct {
	user  goalcast.UserID
	class readClass
}

// mayRead refuses an address that asks for too much of a class, but for users with a login: each of
// these has as much of their own then. Answers that pass say nothing of limits: caches keep them,
// for others too.
func (s *Server) mayRead(w http.ResponseWriter, r *http.Request, class readClass) error {
	if s.cfg.ReadRate == 0 {
		return nil
	}
	limit, key := &s.readLimits[class], readKey{clientip.Counted(s.clientIP(r)), class}
	start := exchangeOf(r.Context()).start
	if turn := s.reads.TakeAt(start, key, limit.own); turn.Wait == 0 {
		return nil
	}
	turn := s.sharedRead(r, limit, key.address.String())
	if turn.Wait == 0 {
		return nil
	}
	if user := s.reader(r); user != "" {
		if turn = s.userReads.TakeAt(start, userReadKey{user, class}, limit.own); turn.Wait > 0 {
			turn = s.sharedRead(r, limit, "user:"+string(user))
		}
		if turn.Wait == 0 {
			s.metrics.userReads.Inc()
			return nil
		}
	}
	ratelimit.Headers(w.Header(), limit.code, limit.shared, turn)
	return tooMany(limit.code, turn)
}

// sharedRead takes a turn of those that all processes give away together.
func (s *Server) sharedRead(r *http.Request, limit *readLimit, who string) ratelimit.Turn {
	turn, err := s.limiter.Take(r.Context(), limit.code+":"+who, limit.shared)
	if err != nil {
		s.limiterAway(err)
		return ratelimit.Turn{}
	}
	return turn
}

// reader is whose login a request shows, which is looked at only now; empty for everybody else. A
// wrong token counts as a guess, and after too many none is looked at.
func (s *Server) reader(r *http.Request) goalcast.UserID {
	if !s.logins || r.Header.Get("Authorization") == "" || s.mayGuess(r, "viewer") != nil {
		return ""
	}
	p, err := s.authenticateOnce(r)
	switch {
	case err == nil && p.Login: // a random token is made up in an instant
		return p.User
	case err != nil && problemOf(err).Status == http.StatusUnauthorized:
		if _, err = s.limiter.Take(r.Context(), s.guessKey(r, "viewer"), s.cfg.GuessRate); err != nil {
			s.limiterAway(err)
		}
	}
	return ""
}

// addressKey is the limiter's key for the client's address. Requests whose address cannot be told
// share one.
func addressKey(ctx context.Context) string {
	return "ip:" + clientip.Counted(middleware.GetClientIPAddr(ctx)).String()
}
