package swarm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// Swarm is running worker processes with their viewers. Its methods are for
// one goroutine at a time.
type Swarm struct {
	cfg     Config
	workers []*process
}

// process is a worker as the swarm sees it.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	encoder *json.Encoder
	decoder *json.Decoder
}

// Start starts the workers: this program, which must have called RunWorker. Nobody connects yet.
// The caller closes the swarm; ctx ends it too.
func Start(ctx context.Context, cfg Config) (*Swarm, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Swarm{cfg: cfg}
	for n := range cfg.workers() {
		p := &process{cmd: exec.CommandContext(ctx, self)}
		p.cmd.Env = append(os.Environ(), workerVariable+"="+strconv.Itoa(n), "GOMAXPROCS=2")
		p.cmd.Stderr = os.Stderr
		out, err := p.cmd.StdoutPipe()
		if err == nil {
			p.in, err = p.cmd.StdinPipe()
		}
		if err == nil {
			err = p.cmd.Start()
		}
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("start worker %d: %w", n, err)
		}
		p.encoder, p.decoder = json.NewEncoder(p.in), json.NewDecoder(bufio.NewReader(out))
		s.workers = append(s.workers, p)
	}
	if _, err := s.order(order{Do: "start", Config: &cfg}); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// order has all workers do the same and collects their answers.
func (s *Swarm) order(o order) ([]answer, error) {
	answers := make([]answer, len(s.workers))
	var g errgroup.Group
	for i, p := range s.workers {
		g.Go(func() error {
			if err := p.encoder.Encode(o); err != nil {
				return fmt.Errorf("worker %d: %w", i, err)
			}
			if err := p.decoder.Decode(&answers[i]); err != nil {
				return fmt.Errorf("worker %d: %s: %w", i, o.Do, err)
			}
			if e := answers[i].Error; e != "" {
				return fmt.Errorf("worker %d: %s: %s", i, o.Do, e)
			}
			return nil
		})
	}
	return answers, g.Wait()
}

func (s *Swarm) do(what string) error {
	_, err := s.order(order{Do: what})
	return err
}

// Connect has all viewers who are away connect, with their cursors if they have one;
// Await waits for them.
func (s *Swarm) Connect() error { return s.do("connect") }

// Cut ends all connections at once.
func (s *Swarm) Cut() error { return s.do("cut") }

// Revive has the slow viewers read; those who were cut come back.
func (s *Swarm) Revive() error { return s.do("revive") }

// Reset sets all counters and histograms to zero.
func (s *Swarm) Reset() error { return s.do("reset") }

// Counts are the figures without histograms, cheap enough to be asked for many times a second.
func (s *Swarm) Counts() (Stats, error) { return s.stats("counts") }

// Stats are the figures since the last Reset.
func (s *Swarm) Stats() (Stats, error) { return s.stats("stats") }

func (s *Swarm) stats(what string) (Stats, error) {
	all := NewStats()
	answers, err := s.order(order{Do: what})
	if err != nil {
		return all, err
	}
	for _, a := range answers {
		if err := all.Add(*a.Stats); err != nil {
			return all, err
		}
	}
	return all, nil
}

// Check compares what each viewer has seen with what was published.
func (s *Swarm) Check(want Expected) (Verdict, error) {
	var all Verdict
	answers, err := s.order(order{Do: "check", Want: &want})
	if err != nil {
		return all, err
	}
	for _, a := range answers {
		all.add(*a.Verdict)
	}
	return all, nil
}

// Await asks for the counts until they are as they should be.
func (s *Swarm) Await(ctx context.Context, limit time.Duration, done func(Stats) bool) (Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		counts, err := s.Counts()
		if err != nil || done(counts) {
			return counts, err
		}
		select {
		case <-ctx.Done():
			return counts, fmt.Errorf("%d of %d viewers joined, %d events: %w", counts.Joined, counts.Conns,
				counts.Events, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// AllJoined is for Await.
func AllJoined(s Stats) bool { return s.Joined == s.Conns }

// Close ends the workers and waits for them.
func (s *Swarm) Close() error {
	var errs []error
	for _, p := range s.workers {
		_ = p.in.Close()
	}
	for i, p := range s.workers {
		if err := p.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("worker %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}
