package bus

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"

	"goalcast"
)

// The limits of Answers.
const (
	// maxAnswers is how many are kept, of all kinds; more are not. maxAnswer is how large one may
	// be, in bytes.
	maxAnswers = 1000
	maxAnswer  = 256 << 10
	// maxAnswerLife is how long one is kept at most, and missingLife how long "there is none".
	maxAnswerLife = 5 * time.Minute
	missingLife   = time.Second
	// changeMemory is for how long it is known that a group changed: longer than any answer lasts
	// that was read before.
	changeMemory  = 2 * maxAnswerLife
	answerLease   = 1500 * time.Millisecond
	answerWait    = time.Second
	answerTimeout = 100 * time.Millisecond
)

// Answers are what the database said, kept for all processes: of those that want the same, one asks
// it. Redis is never waited for long: while it does not answer, each process asks the database.
//
// Answers belong to groups, and whoever changes what a group is about says so (Changed). From then
// on no answer is given that was read before: each is kept with the mark of the last change that
// was known when its reading began.
type Answers struct {
	redis   *Redis
	names   names
	options AnswerOptions

	given, dropped *prometheus.CounterVec

	away absence
}

// AnswerOptions are the limits of Answers; zero fields take the default.
type AnswerOptions struct {
	Prefix string
	Recent time.Duration // how long a change counts as recent, see Question.Load; 0
	// Lease is how long the others wait for one that asks the database at most, and then another
	// may ask; 1.5 s. Wait is how long each of them waits before it asks itself; 1 s.
	Lease, Wait time.Duration
	Timeout     time.Duration // of one call to Redis, which then is not asked for a second; 100 ms
}

// Question is what Answers are asked.
type Question struct {
	Group, Key string
	Life       time.Duration // of the answer, at most 5 min
	// Load asks the database; ErrNotFound if there is none. recent says that the group changed a
	// moment ago, so that what may lag must not be asked.
	Load func(ctx context.Context, recent bool) ([]byte, error)
}

// NewAnswers makes them; it does not contact Redis.
func NewAnswers(r *Redis, o AnswerOptions, log *slog.Logger, reg prometheus.Registerer) *Answers {
	o.Lease, o.Wait = cmp.Or(o.Lease, answerLease), cmp.Or(o.Wait, answerWait)
	o.Timeout = cmp.Or(o.Timeout, answerTimeout)
	f := promauto.With(reg)
	a := &Answers{redis: r, names: r.names(o.Prefix), options: o,
		away: absence{log: log, begun: "answers are not shared while Redis is away: each process asks the database",
			over: "answers are shared again"},
		given: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_store_answers_total",
			Help: "What was asked of the database by way of Redis: shared (another process had asked), loaded, late " +
				"(the one that asked took too long) or away (Redis did not answer)."}, []string{"outcome"}),
		dropped: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_store_answers_dropped_total",
			Help: "Answers of the database that were not kept for others: too large, too many there, changed since, " +
				"or Redis away."}, []string{"reason"})}
	for _, outcome := range []string{"shared", "loaded", "late", "away"} {
		a.given.WithLabelValues(outcome)
	}
	for _, reason := range []string{"large", "full", "changed", "away"} {
		a.dropped.WithLabelValues(reason)
	}
	return a
}

// askAnswer gives an answer that is there, or else the lease to find it, if nobody has that. KEYS:
// 1 answer, 2 lease, 3 the group's last change. ARGV: 1 a random token, 2 how long the lease lasts,
// ms, 3 how long a change is still remembered that is not recent any more, ms.
var askAnswer = redis.NewScript(`
local mark = redis.call('GET', KEYS[3]) or ''
local kept = redis.call('HMGET', KEYS[1], 'mark', 'body')
if kept[2] and kept[1] == mark then
	return {'have', kept[2]}
end
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, 1, #mark + 1) == mark .. ' ' then
	return {'wait'}
end
redis.call('SET', KEYS[2], mark .. ' ' .. ARGV[1], 'PX', ARGV[2])
if mark ~= '' and redis.call('PTTL', KEYS[3]) > tonumber(ARGV[3]) then
	return {'load', mark, 'recent'}
end
return {'load', mark, ''}
`)

// keepAnswer gives the lease back, and keeps an answer if nothing has changed since it was given.
// KEYS: 1 to 3 as above, 4 the answers that are kept, by their end. ARGV: 1 the token, 2 the mark
// that came with the lease, 3 the answer, 4 how long it lasts, ms; 0: there is none to keep, 5 now,
// ms, 6 how many may be kept.
var keepAnswer = redis.NewScript(`
if redis.call('GET', KEYS[2]) == ARGV[2] .. ' ' .. ARGV[1] then
	redis.call('DEL', KEYS[2])
end
if ARGV[4] == '0' then
	return 'kept'
end
if (redis.call('GET', KEYS[3]) or '') ~= ARGV[2] then
	return 'changed'
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[5])
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[6]) and not redis.call('ZSCORE', KEYS[4], KEYS[1]) then
	return 'full'
end
redis.call('HSET', KEYS[1], 'mark', ARGV[2], 'body', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[4], string.format('%.0f', ARGV[5] + ARGV[4]), KEYS[1])
if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[4]) then
	redis.call('PEXPIRE', KEYS[4], ARGV[4])
end
return 'kept'
`)

// Get gives the answer to a question. Errors are those of Load, and the context's.
func (a *Answers) Get(ctx context.Context, q Question) ([]byte, error) {
	token := rand.Text()
	begin := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		reply, err := a.ask(ctx, q, token)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			a.given.WithLabelValues("away").Inc()
			return q.Load(ctx, false)
		case reply[0] == "have":
			a.given.WithLabelValues("shared").Inc()
			if reply[1] == "" {
				return nil, fmt.Errorf("%s: %w", q.Group, goalcast.ErrNotFound)
			}
			return []byte(reply[1]), nil
		case reply[0] == "load":
			a.given.WithLabelValues("loaded").Inc()
			return a.load(ctx, q, token, reply[1], reply[2] != "")
		case time.Since(begin)+pause > a.options.Wait:
			a.given.WithLabelValues("late").Inc()
			return q.Load(ctx, true)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// load asks the database and keeps what it says.
func (a *Answers) load(ctx context.Context, q Question, token, mark string, recent bool) ([]byte, error) {
	body, err := q.Load(ctx, recent)
	life := min(q.Life, maxAnswerLife)
	switch {
	case errors.Is(err, goalcast.ErrNotFound):
		body, life = nil, missingLife
	case err != nil:
		life = 0
	case len(body) > maxAnswer:
		a.dropped.WithLabelValues("large").Inc()
		life = 0
	}
	kept := body
	if life == 0 {
		kept = nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.options.Timeout)
	defer cancel()
	keys := append(a.keys(q), a.names.answers())
	outcome, failed := keepAnswer.Run(limited, a.redis.client, keys, token, mark, kept, life.Milliseconds(),
		time.Now().UnixMilli(), maxAnswers).Text()
	if a.away.note(failed); failed != nil {
		outcome = "away"
	}
	if outcome != "kept" {
		a.dropped.WithLabelValues(outcome).Inc()
	}
	return body, err
}

// Changed says that what a group of answers is about has changed: none that was read before is
// given any more. ErrUnavailable: those that are kept are given as long as they last.
func (a *Answers) Changed(ctx context.Context, group string) error {
	limited, cancel := context.WithTimeout(ctx, 2*a.options.Timeout)
	defer cancel()
	return wrapRedis("drop answers", a.redis.client.Set(limited, a.names.changed(group), rand.Text(),
		changeMemory).Err())
}

func (a *Answers) keys(q Question) []string {
	return []string{a.names.answer(q.Group, q.Key), a.names.answering(q.Group, q.Key), a.names.changed(q.Group)}
}

// ask asks Redis, unless it did not answer a moment ago.
func (a *Answers) ask(ctx context.Context, q Question, token string) ([]string, error) {
	if a.away.now() {
		return nil, errRedisAway
	}
	limited, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	reply, err := askAnswer.Run(limited, a.redis.client, a.keys(q), token, a.options.Lease.Milliseconds(),
		(changeMemory - a.options.Recent).Milliseconds()).StringSlice()
	if ctx.Err() == nil {
		a.away.note(err)
	}
	return reply, err
}
