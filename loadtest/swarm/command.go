package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what the command prints, as JSON with -json.
type Report struct {
	Config  Config
	Took    time.Duration `json:"TookNanoseconds"`
	Stats   Stats
	Latency map[string]Quantiles // "event", "state", "gate", "join"; in ms
	Server  *ServerUse           `json:",omitempty"`
	Returns *ReturnsReport       `json:",omitempty"`
}

// Quantiles of a latency, in ms.
type Quantiles struct {
	Count                    int64
	P50, P90, P99, P999, Max float64
}

// ServerUse is what the processes given by -pid took during the hold.
type ServerUse struct {
	CPUSeconds     float64
	CPUPerDelivery float64 // microseconds; 0 without deliveries
	RSSBefore      int64   // bytes, before the first viewer
	RSSAfter       int64
	BytesPerViewer float64
}

// ReturnsReport is how a storm of returns went.
type ReturnsReport struct {
	Viewers   int64
	Seconds   float64 // from the first dial to the last viewer who has joined
	PerSecond float64
	Resumed   int64 // with their cursor; the others were reset
}

func quantiles(l *Latency) Quantiles {
	ms := func(share float64) float64 { return float64(l.Quantile(share).Microseconds()) / 1000 }
	return Quantiles{l.Count(), ms(.5), ms(.9), ms(.99), ms(.999), ms(1)}
}

type commandLine struct {
	cfg     Config
	urls    string
	hold    time.Duration
	returns bool
	pids    string
	asJSON  bool
	limit   time.Duration
}

func parseCommand(args []string, errOut io.Writer) (commandLine, error) {
	var c commandLine
	f := flag.NewFlagSet("swarm", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&c.urls, "url", "http://127.0.0.1:8080", "`URLs` of the servers, with commas between")
	f.StringVar(&c.cfg.Protocol, "protocol", Goalcast, "goalcast, or plain for other servers: each message as it is")
	f.StringVar(&c.cfg.Transport, "transport", WebSocket, "websocket or sse")
	f.IntVar(&c.cfg.Conns, "viewers", 1000, "how `many`")
	f.IntVar(&c.cfg.PerWorker, "per-process", 19_000,
		"viewers of one process of the swarm; below its limit of open files")
	f.StringVar(&c.cfg.Topics, "topics", "match:{n}", "what a viewer follows; {n} is each of its numbers")
	f.StringVar(&c.cfg.Also, "also", "", "topics that all viewers follow besides")
	f.IntVar(&c.cfg.First, "first", 1, "lowest number")
	f.IntVar(&c.cfg.Numbers, "numbers", 1, "how many numbers there are")
	f.IntVar(&c.cfg.PerConn, "each", 1, "numbers of each viewer")
	f.Float64Var(&c.cfg.Zipf, "zipf", 0, "draw numbers by Zipf's law with this exponent, over 1; 0: deal them out in "+
		"turn")
	f.BoolVar(&c.cfg.Random, "random", false, "draw numbers evenly")
	f.Uint64Var(&c.cfg.Seed, "seed", 1, "of what is drawn")
	f.Float64Var(&c.cfg.Rate, "rate", 0, "viewers that connect per `second`; 0: as fast as they can")
	f.BoolVar(&c.cfg.Deflate, "deflate", false, "offer permessage-deflate")
	f.BoolVar(&c.cfg.NoContext, "no-context", false, "with -deflate: ask that no message refers to those before")
	f.BoolVar(&c.cfg.FromPost, "from-post", false, "count an event's latency from its document's last byte, and not "+
		"from when it was given to the bus; a fixture's is not counted then")
	f.BoolVar(&c.cfg.Reconnect, "reconnect", true, "viewers whom the server ends come back with their cursor")
	f.Float64Var(&c.cfg.Slow, "slow", 0, "`share` of viewers who never read")
	f.DurationVar(&c.hold, "hold", 10*time.Second, "how long to listen once all have joined")
	f.DurationVar(&c.limit, "limit", 2*time.Minute, "how long joining may take")
	f.BoolVar(&c.returns, "returns", false, "then cut all at once and let them come back")
	f.StringVar(&c.pids, "pid", "", "`processes` of the server, with commas between: their CPU and memory are reported")
	f.BoolVar(&c.asJSON, "json", false, "print JSON")
	token := f.String("token", "", "bearer token of the viewers")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected %q", f.Arg(0))
	}
	c.cfg.URLs = strings.Split(c.urls, ",")
	if *token != "" {
		c.cfg.Header = map[string]string{"Authorization": "Bearer " + *token}
	}
	return c, nil
}

// Command is the swarm on a command line: viewers join, listen for a while, maybe are cut and
// come back, and are counted. It returns an error if viewers could not join, or if any missed
// or repeated something.
func Command(ctx context.Context, args []string, out, errOut io.Writer) error {
	c, err := parseCommand(args, errOut)
	if err != nil {
		return err
	}
	var pids []int
	for _, text := range strings.FieldsFunc(c.pids, func(r rune) bool { return r == ',' }) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-pid: %w", err)
		}
		pids = append(pids, pid)
	}
	report, err := c.run(ctx, pids)
	if err != nil {
		return err
	}
	if c.asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		err = report.table(out)
	}
	s := report.Stats
	if bad := s.Missed + s.Repeated + s.CursorsBack + s.Backwards; err == nil && bad > 0 {
		err = fmt.Errorf("%d events missed, %d repeated, %d cursors and %d prices went back", s.Missed, s.Repeated,
			s.CursorsBack, s.Backwards)
	}
	return err
}

func (c commandLine) run(ctx context.Context, pids []int) (report Report, err error) {
	empty, err := Usage(pids...)
	if err != nil {
		return report, err
	}
	s, err := Start(ctx, c.cfg)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Connect(); err != nil {
		return report, err
	}
	if _, err := s.Await(ctx, c.limit, AllJoined); err != nil {
		return report, err
	}
	before, err := Usage(pids...)
	if err != nil {
		return report, err
	}
	begin := time.Now()
	select {
	case <-ctx.Done():
		return report, ctx.Err()
	case <-time.After(c.hold):
	}
	report.Config, report.Took = s.cfg, time.Since(begin)
	report.Config.Header = nil // the viewers' token is in it
	if report.Server, err = serverUse(pids, empty, before, c.cfg.Conns); err != nil {
		return report, err
	}
	if report.Stats, err = s.Stats(); err != nil {
		return report, err
	}
	if report.Server != nil && report.Stats.Events+report.Stats.States > 0 {
		report.Server.CPUPerDelivery = report.Server.CPUSeconds * 1e6 / float64(report.Stats.Events+report.Stats.States)
	}
	if c.returns {
		if report.Returns, err = s.Storm(ctx, c.limit, nil); err != nil {
			return report, err
		}
		if report.Stats, err = s.Stats(); err != nil {
			return report, err
		}
	}
	report.Latency = map[string]Quantiles{"event": quantiles(report.Stats.EventLatency),
		"state": quantiles(report.Stats.StateLatency),
		"gate":  quantiles(report.Stats.GateLatency),
		"join":  quantiles(report.Stats.JoinLatency)}
	return report, nil
}

func serverUse(pids []int, empty, before Use, viewers int) (*ServerUse, error) {
	if len(pids) == 0 {
		return nil, nil
	}
	now, err := Usage(pids...)
	if err != nil {
		return nil, err
	}
	return &ServerUse{CPUSeconds: now.Since(before).CPU.Seconds(), RSSBefore: empty.RSS, RSSAfter: now.RSS,
		BytesPerViewer: float64(now.RSS-empty.RSS) / float64(viewers)}, nil
}

// Storm cuts all viewers at once, calls meanwhile (nil is nothing) while nobody is there,
// and lets all come back.
func (s *Swarm) Storm(ctx context.Context, limit time.Duration, meanwhile func() error) (*ReturnsReport, error) {
	before, err := s.Counts()
	if err != nil {
		return nil, err
	}
	if err := s.Cut(); err != nil {
		return nil, err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return nil, err
		}
	}
	if err := s.Connect(); err != nil {
		return nil, err
	}
	after, err := s.Await(ctx, limit, AllJoined)
	if err != nil {
		return nil, err
	}
	took := time.Duration(after.LastJoin-after.FirstDial) * time.Microsecond
	n := after.Joins - before.Joins
	return &ReturnsReport{Viewers: n, Seconds: took.Seconds(), PerSecond: float64(n) / took.Seconds(),
		Resumed: n - (after.Resets - before.Resets)}, nil
}

// table prints a report for reading.
func (r Report) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s := r.Stats
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{name}, values...)...)
	}
	row("viewers", "%d joined of %d, %d handshakes failed, %d cut by the server", s.Joined, s.Conns, s.Failed, s.Lost)
	if joined := float64(s.LastJoin-s.FirstDial) / 1e6; joined > 0 && r.Returns == nil {
		row("joining", "%.2f s, %.0f/s", joined, float64(s.Conns)/joined)
	}
	row("listened", "%s", r.Took.Round(time.Millisecond))
	row("events", "%d delivered, %d missed, %d repeated, %d cursors back, %d without mark", s.Events, s.Missed,
		s.Repeated, s.CursorsBack, s.Unmarked)
	if s.States > 0 {
		row("states", "%d delivered, %d went back", s.States, s.Backwards)
	}
	row("bytes", "%d in %d frames, %d of them deflated", s.Bytes, s.Frames, s.Compressed)
	for _, name := range slices.Sorted(maps.Keys(r.Latency)) {
		if q := r.Latency[name]; q.Count > 0 {
			row(name+" latency", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", q.P50, q.P90, q.P99, q.P999,
				q.Max)
		}
	}
	if u := r.Server; u != nil {
		row("server", "%.2f s CPU, %.2f us per delivery, %.1f MB (%.2f kB per viewer)", u.CPUSeconds, u.CPUPerDelivery,
			float64(u.RSSAfter)/1e6, u.BytesPerViewer/1024)
	}
	if b := r.Returns; b != nil {
		row("returns", "%d in %.2f s, %.0f/s, %d resumed", b.Viewers, b.Seconds, b.PerSecond, b.Resumed)
	}
	row("swarm", "%.0f %% busy, %.1f MB", 100*s.LoopBusy, float64(s.MaxRSS)/1e6)
	for _, text := range slices.Sorted(maps.Keys(s.Errors)) {
		row("", "%d x %s", s.Errors[text], text)
	}
	return w.Flush()
}
