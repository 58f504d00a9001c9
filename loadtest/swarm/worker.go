package swarm

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// workerVariable makes a program that calls RunWorker a worker: "3" is the fourth one.
const workerVariable = "GOALCAST_SWARM_WORKER"

// order is one line from the swarm to a worker. Each is answered with one line.
type order struct {
	Do     string
	Config *Config   `json:",omitempty"` // "start"
	Want   *Expected `json:",omitempty"` // "check"
}

// answer is the line back.
type answer struct {
	Error   string   `json:",omitempty"`
	Stats   *Stats   `json:",omitempty"`
	Verdict *Verdict `json:",omitempty"`
}

// RunWorker returns at once in an ordinary process. In one that a swarm started as its worker it
// does the work and ends the process. Every program that starts a swarm calls it first thing in
// main, a test in TestMain.
func RunWorker() {
	text, ok := os.LookupEnv(workerVariable)
	if !ok {
		return
	}
	worker, err := strconv.Atoi(text)
	if err == nil {
		err = work(worker, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "swarm worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work obeys orders until there are no more.
func work(worker int, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	decoder, encoder := json.NewDecoder(lines), json.NewEncoder(out)
	var o order
	if err := decoder.Decode(&o); err != nil || o.Config == nil {
		return fmt.Errorf("first order: %w", err)
	}
	l, err := newLoop(*o.Config, worker)
	if err != nil {
		_ = encoder.Encode(answer{Error: err.Error()})
		return err
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- l.run(stop) }()
	defer func() { close(stop); <-ended }()
	if err := encoder.Encode(answer{}); err != nil {
		return err
	}
	for {
		var o order
		if err := decoder.Decode(&o); err != nil {
			return nil // the swarm is closed, or dead
		}
		var text []byte
		l.ask(func() { text, err = json.Marshal(l.obey(o)) }) // in the loop: the figures are its own
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		if err != nil {
			return err
		}
	}
}

// obey does what an order says, in the loop.
func (l *loop) obey(o order) (a answer) {
	switch o.Do {
	case "connect":
		l.connect()
	case "cut":
		l.cut()
	case "revive":
		l.revive()
	case "reset":
		l.resetStats()
	case "counts", "stats":
		s := l.stats
		s.LoopBusy = min(1, l.busy.Seconds()/time.Since(l.measured).Seconds())
		if o.Do == "counts" { // asked for often: without what is long
			s.EventLatency, s.StateLatency, s.GateLatency, s.JoinLatency = nil, nil, nil, nil
		}
		if u, err := Usage(os.Getpid()); err == nil {
			s.MaxRSS = u.RSS
		}
		a.Stats = &s
	case "check":
		a.Verdict = &Verdict{}
		for i := range l.viewers {
			l.check(&l.viewers[i], *o.Want, a.Verdict)
		}
	default:
		a.Error = fmt.Sprintf("unknown order %q", o.Do)
	}
	return a
}

// resetStats begins to count from zero; how many viewers there are stays.
func (l *loop) resetStats() {
	old := l.stats
	l.stats = NewStats()
	l.stats.Conns, l.stats.Joined, l.stats.Dialing = old.Conns, old.Joined, old.Dialing
	l.busy, l.measured = 0, time.Now()
}
