package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/internal/sparselog"
)

// JobOptions are the limits of Jobs; zero fields take the default.
type JobOptions struct {
	// Lease is how long a runner counts as alive without a renewal; it renews every third of that.
	// When it dies, another process takes over after that. 30 s.
	Lease time.Duration
	// Look is how often a process looks for jobs that are due, at most; 1 s. With a job of a short
	// period it looks more often.
	Look time.Duration
	// StopTimeout is how long Run waits for jobs under way when its context ends, before it cancels
	// theirs; 5 s.
	StopTimeout time.Duration
}

// job is work that exactly one of all processes does once in a period.
type job struct {
	name  string
	every time.Duration
	run   func(context.Context) error
}

// period is every in ms.
func (j job) period() int64 { return max(j.every.Milliseconds(), 1) }

// Jobs runs periodic jobs, each in one process at a time and once in a period, however many
// processes have it. A row in the database decides which process that is, not Redis, which may
// forget; the time is the database's, so that clocks that differ do not matter.
//
// Periods are counted from 1970: an hourly job is due at every full hour, and once at the first
// start. A period is known by its beginning, so that a job whose period is changed by a setting
// goes on. A runner that dies in the middle is replaced when its lease is over, within the same
// period if that lasts; a run that fails is not tried again before the next period.
type Jobs struct {
	store   *Store
	options JobOptions
	owner   string
	log     *slog.Logger
	unsure  *sparselog.Log // while the database is away each look fails, about once a second
	jobs    []job

	runs, failures *prometheus.CounterVec
	last, duration *prometheus.GaugeVec
}

// NewJobs makes a runner; it starts nothing.
func NewJobs(s *Store, options JobOptions, log *slog.Logger, reg prometheus.Registerer) *Jobs {
	options.Lease = cmp.Or(options.Lease, 30*time.Second)
	options.Look = cmp.Or(options.Look, time.Second)
	options.StopTimeout = cmp.Or(options.StopTimeout, 5*time.Second)
	host, _ := os.Hostname() // an empty one is as good
	f := promauto.With(reg)
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "goalcast", Subsystem: "store", Name: name, Help: help}
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{"job"})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), []string{"job"})
	}
	return &Jobs{store: s, options: options, owner: host + "-" + rand.Text()[:8], log: log,
		unsure:   sparselog.New(log),
		runs:     counter("job_runs_total", "Runs of periodic jobs by this process."),
		failures: counter("job_failures_total", "Runs of periodic jobs by this process that failed."),
		last:     gauge("job_last_success_timestamp_seconds", "When a job ended well in this process."),
		duration: gauge("job_duration_seconds", "How long the last run in this process took."),
	}
}

// Add sets what is done every so often; call it before Run. All processes give a job the same
// period. The context of a run ends when its lease is lost.
func (j *Jobs) Add(name string, every time.Duration, run func(context.Context) error) {
	j.jobs = append(j.jobs, job{name, every, run})
	j.runs.WithLabelValues(name) // there with zero, so that the first failure is an increase
	j.failures.WithLabelValues(name)
}

// Run runs the jobs until ctx ends, and returns when the running ones have ended.
func (j *Jobs) Run(ctx context.Context) error {
	pause := j.options.Look
	for _, job := range j.jobs {
		pause = max(min(pause, job.every/4), time.Millisecond)
	}
	var running sync.Map // the jobs that this process has or tries to have, by their names
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		due, err := j.due(ctx)
		if err != nil && ctx.Err() == nil {
			j.unsure.Warn("periodic jobs: nobody knows whose turn it is", "error", err)
		}
		for _, job := range due {
			if _, is := running.LoadOrStore(job.name, true); is {
				continue
			}
			wg.Go(func() {
				defer running.Delete(job.name)
				j.take(ctx, job)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
	}
}

// dueFormat is the condition on a row of jobs under which its job is due: nobody has run it in this
// period, or the process that did has died. It is given the current time and the period, in ms.
const dueFormat = `(slot < %[1]s / %[2]s * %[2]s OR owner <> '') AND lease <= %[1]s`

// due are the jobs that nobody runs and somebody should, nearly always none: one look for all,
// without a change. It reads the database's clock by the way.
func (j *Jobs) due(ctx context.Context) (due []job, err error) {
	s := j.store
	names := given{columns: []string{"job text", "every bigint"}}
	byName := map[string]job{}
	for _, job := range j.jobs {
		names.add(job.name, job.period())
		byName[job.name] = job
	}
	table, args, err := s.dialect.table(names, 1)
	if err != nil {
		return nil, err
	}
	now := s.dialect.now
	asked := time.Now()
	rows, err := s.query(ctx, fmt.Sprintf(`SELECT job, CASE WHEN name IS NULL OR `+dueFormat+` THEN 1 ELSE 0 END,
		%[1]s FROM %[3]s LEFT JOIN jobs ON name = job`, now, "every", table), args...)
	var ms int64
	_, err = collect(rows, err, func(row scanner) (_ struct{}, err error) {
		var name string
		var isDue bool
		if err = row.Scan(&name, &isDue, &ms); isDue {
			due = append(due, byName[name])
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, s.wrap("look at jobs", err)
	}
	if ms > 0 {
		s.clock.set(time.UnixMilli(ms), asked)
	}
	return due, nil
}

// take tries to become the one that runs the job, and then does.
func (j *Jobs) take(ctx context.Context, job job) {
	lease, err := j.claim(ctx, job)
	switch {
	case err != nil && ctx.Err() == nil:
		j.unsure.Warn("periodic job: nobody knows whose turn it is", "job", job.name, "error", err)
	case lease != nil:
		lease.run(ctx)
	}
}

// abandoned is after how long without a runner, at least, a job counts as started again: that it
// has not succeeded for days says nothing if no process tried.
const abandoned = 10 * time.Minute

// lease is this process's turn to run a job: no other runs it until the lease is given back, or was
// not renewed.
type lease struct {
	*Jobs
	job  job
	slot int64 // when the period began, ms
}

// claim makes this process the runner of the current period; nil if another is or was, and has not
// died.
func (j *Jobs) claim(ctx context.Context, job job) (*lease, error) {
	s := j.store
	period := job.period()
	var slot int64
	mine := false
	err := s.tx(ctx, "claim job "+job.name, func(tx *tx) error {
		mine = false
		if _, err := tx.exec(ctx, `INSERT INTO jobs (name) VALUES ($1) ON CONFLICT DO NOTHING`, job.name); err != nil {
			return err
		}
		row := tx.queryRow(ctx, fmt.Sprintf(`UPDATE jobs
			SET slot = %[1]s / %[2]s * %[2]s, period = %[2]s, owner = $2, lease = %[1]s + %[3]d,
			succeeded = CASE WHEN began < %[1]s - %[4]d AND ended < %[1]s - %[4]d THEN %[1]s
			ELSE succeeded END, began = %[1]s
			WHERE name = $1 AND `+dueFormat+` RETURNING slot`, s.dialect.now, strconv.FormatInt(period, 10),
			j.options.Lease.Milliseconds(), max(2*period, abandoned.Milliseconds())), job.name, j.owner)
		err := row.Scan(&slot)
		if noRows(err) {
			return errRollback
		}
		mine = err == nil
		return err
	})
	if err != nil || !mine {
		return nil, err
	}
	return &lease{j, job, slot}, nil
}

// run runs the job, renews the lease meanwhile, and gives it back.
func (l *lease) run(ctx context.Context) {
	var err error
	begin := time.Now()
	defer func() { l.release(ctx, time.Since(begin), err) }()
	// A job outlives ctx for a moment: half a clean-up is no use.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(l.options.StopTimeout, cancel) })
	defer stop()
	defer l.keep(work, cancel)()
	err = runSafely(work, l.job.run)
}

// release counts the run and gives the lease back with how it ended.
func (l *lease) release(ctx context.Context, took time.Duration, ended error) {
	name := l.job.name
	l.runs.WithLabelValues(name).Inc()
	l.duration.WithLabelValues(name).Set(took.Seconds())
	text, failed := "", 0
	if ended != nil {
		text, failed = clean(ended.Error()), 1
		l.failures.WithLabelValues(name).Inc()
		l.log.Error("periodic job", "job", name, "took", took, "error", ended)
	} else {
		l.last.WithLabelValues(name).SetToCurrentTime()
		l.log.Debug("periodic job done", "job", name, "took", took)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.options.StopTimeout)
	defer cancel()
	_, err := l.store.exec(ctx, fmt.Sprintf(`UPDATE jobs SET owner = '', lease = 0, ended = %[1]s, runs = runs + 1,
		failures = failures + $4, error = $5, succeeded = CASE WHEN $4 = 0 THEN %[1]s ELSE succeeded END
		WHERE name = $1 AND owner = $2 AND slot = $3`, l.store.dialect.now), name, l.owner, l.slot, failed, text)
	if err != nil {
		l.log.Warn("periodic job: its end is not written down, it runs again when its lease is over", "job", name,
			"error", err)
	}
}

// keep renews the lease until stop is called, and calls lost when that is not possible for too
// long, or another process has taken over since.
func (l *lease) keep(ctx context.Context, lost func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(l.options.Lease / 3)
		defer tick.Stop()
		for until := time.Now().Add(l.options.Lease); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			begin := time.Now()
			held, err := l.renew(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil && held:
				until = begin.Add(l.options.Lease)
				continue
			case err == nil:
				l.log.Warn("periodic job: another process took over", "job", l.job.name)
			case time.Now().After(until):
				l.log.Warn("periodic job: lease lost", "job", l.job.name, "error", err)
			default:
				continue
			}
			lost()
			return
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// renew makes the lease last from now on; false if it is another's.
func (l *lease) renew(ctx context.Context) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.Lease/3)
	defer cancel()
	result, err := l.store.exec(ctx, fmt.Sprintf(`UPDATE jobs SET lease = %s + %d WHERE name = $1 AND owner = $2
		AND slot = $3`,
		l.store.dialect.now, l.options.Lease.Milliseconds()), l.job.name, l.owner, l.slot)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// runSafely turns a panic into an error: one job must not end the process.
func runSafely(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.Join(fmt.Errorf("panic: %v", v), err)
		}
	}()
	return run(ctx)
}

// Jobs lists the state of the periodic jobs by name.
func (s *Store) Jobs(ctx context.Context) ([]goalcast.JobState, error) {
	rows, err := s.query(ctx, `SELECT name, period, CASE WHEN lease > `+s.dialect.now+` THEN owner ELSE '' END, began,
		ended, succeeded, runs, failures, error FROM jobs ORDER BY name`)
	list, err := collect(rows, err, func(row scanner) (job goalcast.JobState, err error) {
		var period, began, ended, succeeded int64
		err = row.Scan(&job.Name, &period, &job.Owner, &began, &ended, &succeeded, &job.Runs, &job.Failures, &job.Error)
		job.Period = time.Duration(period) * time.Millisecond
		job.Began, job.Ended, job.Succeeded = fromMillis(began), fromMillis(ended), fromMillis(succeeded)
		return job, err
	})
	return list, s.wrap("list jobs", err)
}
