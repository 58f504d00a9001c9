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
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// JobOptions are the limits of Jobs; zero fields take the default.
type JobOptions struct {
	// Lease is how long a runner is taken for alive without a word; it says one every third of it. When it dies, another takes over after that. 30 s.
	Lease time.Duration
	// Look is how often a process looks for jobs that are due, at most; 1 s. A job with a short period is looked for more often.
	Look time.Duration
	// StopTimeout is how long Run waits for jobs under way when its context ends, before it cancels theirs; 5 s.
	StopTimeout time.Duration
}

// job is work that exactly one of all processes does once in a period.
type job struct {
	name  string
	every time.Duration
	run   func(context.Context) error
}

// Jobs runs periodic jobs, each by one process at a time and once in a period, however many processes have it. Who it is decides a row in the database, not
// Redis, which may forget; the time is the database's, so that clocks that differ do not matter.
//
// Periods are counted from 1970: a job every hour is due at every full hour, and once at the first start. A period is known by its beginning, so that one that is
// made longer or shorter by a setting goes on. A runner that dies in the middle is replaced
// when its lease is over, within the same period if that is not over; a run that fails is not tried again before the next period.
type Jobs struct {
	store   *Store
	options JobOptions
	owner   string
	log     *slog.Logger
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
	label := []string{"job"}
	return &Jobs{store: s, options: options, owner: host + "-" + rand.Text()[:8], log: log,
		runs:     f.NewCounterVec(prometheus.CounterOpts(opts("job_runs_total", "Runs of periodic jobs by this process.")), label),
		failures: f.NewCounterVec(prometheus.CounterOpts(opts("job_failures_total", "Runs of periodic jobs by this process that failed.")), label),
		last:     f.NewGaugeVec(prometheus.GaugeOpts(opts("job_last_success_timestamp_seconds", "When a job ended well in this process.")), label),
		duration: f.NewGaugeVec(prometheus.GaugeOpts(opts("job_duration_seconds", "How long the last run in this process took.")), label),
	}
}

// Add says what is to be done every so often; before Run. All processes give a job the same period. The context of a run ends when its lease is lost.
func (j *Jobs) Add(name string, every time.Duration, run func(context.Context) error) {
	j.jobs = append(j.jobs, job{name, every, run})
	j.runs.WithLabelValues(name) // there with zero, so that the first failure is an increase
	j.failures.WithLabelValues(name)
}

// Run looks after the jobs until ctx ends, and returns when those under way have ended.
func (j *Jobs) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, job := range j.jobs {
		wg.Go(func() { j.look(ctx, job) })
	}
	wg.Wait()
	return ctx.Err()
}

// look tries to be the one who runs the job, again and again.
func (j *Jobs) look(ctx context.Context, job job) {
	pause := max(min(j.options.Look, job.every/4), time.Millisecond)
	for {
		slot, mine, err := j.claim(ctx, job)
		switch {
		case err != nil && ctx.Err() == nil:
			j.log.Warn("periodic job: nobody knows whose turn it is", "job", job.name, "error", err)
		case mine:
			j.runOne(ctx, job, slot)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
	}
}

// abandoned is after how long without a runner, at least, a job counts as taken up anew: that it has not succeeded for days says nothing if nobody tried.
const abandoned = 10 * time.Minute

// claim makes this process the runner of the period that is on, if nobody was or the one who was has died. slot is when the period began, ms.
func (j *Jobs) claim(ctx context.Context, job job) (slot int64, mine bool, err error) {
	s := j.store
	now := s.dialect.now
	period := max(job.every.Milliseconds(), 1)
	// First a look without a change: nearly always there is nothing to do. It reads the clock by the way.
	const due = `(slot < %[1]s / %[2]d * %[2]d OR owner <> '') AND lease <= %[1]s`
	var done int
	var ms int64
	asked := time.Now()
	err = s.queryRow(ctx, fmt.Sprintf(`SELECT COUNT(*), %[1]s FROM jobs WHERE name = $1 AND NOT (`+due+`)`, now, period), job.name).Scan(&done, &ms)
	if err != nil {
		return 0, false, s.wrap("look at job "+job.name, err)
	}
	s.clock.set(time.UnixMilli(ms), asked)
	if done > 0 {
		return 0, false, nil
	}
	err = s.tx(ctx, "claim job "+job.name, func(tx *tx) error {
		mine = false
		if _, err := tx.exec(ctx, `INSERT INTO jobs (name) VALUES ($1) ON CONFLICT DO NOTHING`, job.name); err != nil {
			return err
		}
		row := tx.queryRow(ctx, fmt.Sprintf(`UPDATE jobs SET slot = %[1]s / %[2]d * %[2]d, period = %[2]d, owner = $2, lease = %[1]s + %[3]d,
			succeeded = CASE WHEN began < %[1]s - %[4]d AND ended < %[1]s - %[4]d THEN %[1]s ELSE succeeded END, began = %[1]s
			WHERE name = $1 AND `+due+` RETURNING slot`,
			now, period, j.options.Lease.Milliseconds(), max(2*period, abandoned.Milliseconds())), job.name, j.owner)
		err := row.Scan(&slot)
		if noRows(err) {
			return errRollback
		}
		mine = err == nil
		return err
	})
	return slot, mine && err == nil, err
}

// runOne runs the job under its lease, and writes down how it ended.
func (j *Jobs) runOne(ctx context.Context, job job, slot int64) {
	// A job outlives ctx for a moment: half a clean-up is no use.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(j.options.StopTimeout, cancel) })
	defer stop()
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() { j.renew(work, cancel, job, slot, ended) })
	begin := time.Now()
	err := runSafely(work, job.run)
	took := time.Since(begin)
	close(ended)
	wg.Wait()

	j.runs.WithLabelValues(job.name).Inc()
	j.duration.WithLabelValues(job.name).Set(took.Seconds())
	text, failed := "", 0
	if err != nil {
		text, failed = clean(err.Error()), 1
		j.failures.WithLabelValues(job.name).Inc()
		j.log.Error("periodic job", "job", job.name, "took", took, "error", err)
	} else {
		j.last.WithLabelValues(job.name).SetToCurrentTime()
		j.log.Debug("periodic job done", "job", job.name, "took", took)
	}
	finish, done := context.WithTimeout(context.WithoutCancel(ctx), j.options.StopTimeout)
	defer done()
	_, err = j.store.exec(finish, fmt.Sprintf(`UPDATE jobs SET owner = '', lease = 0, ended = %[1]s, runs = runs + 1,
		failures = failures + $4, error = $5, succeeded = CASE WHEN $4 = 0 THEN %[1]s ELSE succeeded END
		WHERE name = $1 AND owner = $2 AND slot = $3`, j.store.dialect.now), job.name, j.owner, slot, failed, text)
	if err != nil {
		j.log.Warn("periodic job: its end is not written down, it runs again when its lease is over", "job", job.name, "error", err)
	}
}

// renew says that this process is alive; when the lease is lost, since the database did not hear that for too long, the run is cancelled: another began it.
func (j *Jobs) renew(ctx context.Context, cancel func(), job job, slot int64, ended <-chan struct{}) {
	s := j.store
	tick := time.NewTicker(j.options.Lease / 3)
	defer tick.Stop()
	until := time.Now().Add(j.options.Lease)
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		begin := time.Now()
		ask, done := context.WithTimeout(ctx, j.options.Lease/3)
		result, err := s.exec(ask, fmt.Sprintf(`UPDATE jobs SET lease = %s + %d WHERE name = $1 AND owner = $2 AND slot = $3`,
			s.dialect.now, j.options.Lease.Milliseconds()), job.name, j.owner, slot)
		done()
		if err == nil {
			if n, err := result.RowsAffected(); err == nil && n == 0 {
				j.log.Warn("periodic job: another process took over", "job", job.name)
				cancel()
				return
			}
			until = begin.Add(j.options.Lease)
		} else if time.Now().After(until) {
			j.log.Warn("periodic job: lease lost", "job", job.name, "error", err)
			cancel()
			return
		}
	}
}

// runSafely makes an error of a panic: one job shall not end the process.
func runSafely(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.Join(fmt.Errorf("panic: %v", v), err)
		}
	}()
	return run(ctx)
}

// Jobs tells where the periodic jobs stand, by name.
func (s *Store) Jobs(ctx context.Context) ([]goalcast.JobState, error) {
	rows, err := s.query(ctx, `SELECT name, period, owner, began, ended, succeeded, runs, failures, error FROM jobs ORDER BY name`)
	list, err := collect(rows, err, func(row scanner) (job goalcast.JobState, err error) {
		var period, began, ended, succeeded int64
		err = row.Scan(&job.Name, &period, &job.Owner, &began, &ended, &succeeded, &job.Runs, &job.Failures, &job.Error)
		job.Period = time.Duration(period) * time.Millisecond
		job.Began, job.Ended, job.Succeeded = fromMillis(began), fromMillis(ended), fromMillis(succeeded)
		return job, err
	})
	return list, s.wrap("list jobs", err)
}
