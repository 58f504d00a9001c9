//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/loadtest/swarm"
	"goalcast/store/bus"
)

// publisherVariable holds the plan, as JSON, of a process that publishes.
const publisherVariable = "GOALCAST_BENCH_PUBLISHER"

// plan is what a publisher puts where.
type plan struct {
	Redis string // goalcast's bus
	Peer  string // or a peer's base URL
	Admin string // or goalcast's /admin/messages

	Done swarm.Expected // what was published before

	Streams []int64       // events go to these in turn
	Topic   string        // kind of topic of a stream: "match"
	Count   int           // events; 0: until Duration is over
	Rate    float64       // events per second; 0: as fast as they go
	Size    int           // bytes of an event's frame, about
	NoTime  bool          // leave the latency of these events out
	Shut    bool          // each event shuts the gate of a match's prices first
	Matches int           // with odds
	Keys    int           // of each match
	Prices  float64       // changes per second
	For     time.Duration // how long
	Clients int           // so many post by Admin, each the next when the last is answered
	Array   int           // with Clients: messages of each request
}

// published is what became of it.
type published struct {
	Done         swarm.Expected
	First, Last  int64 // micros
	Events       int64
	States       int64
	CPU          time.Duration // of the publisher, from the first to the last one
	LateMax      time.Duration // the longest an event came after its time
	OddsTimeLate time.Duration
}

// startPublisher runs a plan in a process of its own; wait gives its result.
func startPublisher(ctx context.Context, p plan) (wait func() (published, error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), publisherVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (result published, err error) {
		if err := cmd.Wait(); err != nil {
			return result, fmt.Errorf("publisher: %w", err)
		}
		return result, json.Unmarshal(out.Bytes(), &result)
	}, nil
}

func publish(ctx context.Context, p plan) (published, error) {
	wait, err := startPublisher(ctx, p)
	if err != nil {
		return published{}, err
	}
	return wait()
}

// sender puts messages somewhere, in order.
type sender interface {
	send(ctx context.Context, list []message) error
	prices(ctx context.Context, states []goalcast.State) error
	matches(ctx context.Context, n int) error // there are n matches, whose prices will come
	beat(ctx context.Context) error           // the prices so far are still right
	shut(ctx context.Context, match goalcast.MatchID) error
}

// message is one event to be.
type message struct {
	stream, n int64
	micros    int64
	size      int
	kind      string
}

// text is the message's body: its mark and filling.
func (m message) text(overhead int) []byte {
	b := fmt.Appendf(nil, `{"swarm":[%d,%d,%d],"text":"`, m.stream, m.n, m.micros)
	for i := len(b) + 2 + overhead; i < m.size; i++ {
		b = append(b, "a goal is a goal "[i%17])
	}
	return append(b, '"', '}')
}

// runPublisher is the process.
func runPublisher(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx := context.Background()
	if p.Clients > 0 {
		var result published
		before := ownCPU()
		if err := post(ctx, p, &result); err != nil {
			return err
		}
		result.CPU = ownCPU() - before
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	to, err := newSender(ctx, p)
	if err != nil {
		return err
	}
	result := published{Done: p.Done}
	if result.Done.Streams == nil {
		result.Done.Streams = map[int64]int64{}
	}
	if result.Done.Odds == nil {
		result.Done.Odds = map[int64][]int64{}
	}
	before := ownCPU()
	var g errgroup.Group
	g.Go(func() error { return events(ctx, p, to, &result) })
	if p.Prices > 0 {
		g.Go(func() error { return odds(ctx, p, to, &result) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := to.beat(ctx); err != nil { // a gate may just have been shut
		return err
	}
	result.CPU = ownCPU() - before
	return json.NewEncoder(os.Stdout).Encode(result)
}

// ownCPU is the CPU time of this process so far.
func ownCPU() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // it fails for no argument that is right
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// events publishes them at their times, or all at once.
func events(ctx context.Context, p plan, to sender, result *published) error {
	if len(p.Streams) == 0 {
		return nil
	}
	begin := time.Now()
	result.First = begin.UnixMicro()
	next := func() message {
		stream := p.Streams[result.Events%int64(len(p.Streams))]
		result.Events++
		result.Done.Streams[stream]++
		m := message{stream: stream, n: result.Done.Streams[stream], micros: time.Now().UnixMicro(), size: p.Size,
			kind: p.Topic}
		if p.NoTime {
			m.micros = 0
		}
		return m
	}
	if p.Rate == 0 {
		var list []message
		for range p.Count {
			list = append(list, next())
		}
		err := to.send(ctx, list)
		result.Last = time.Now().UnixMicro()
		return err
	}
	for i := 0; p.Count == 0 || i < p.Count; i++ {
		due := begin.Add(time.Duration(float64(i+1) / p.Rate * float64(time.Second)))
		if p.For > 0 && due.Sub(begin) > p.For {
			break
		}
		time.Sleep(time.Until(due))
		result.LateMax = max(result.LateMax, time.Since(due))
		m := next()
		if p.Shut {
			if err := to.shut(ctx, goalcast.MatchID(1+i%p.Matches)); err != nil {
				return err
			}
		}
		if err := to.send(ctx, []message{m}); err != nil {
			return err
		}
		result.Last = time.Now().UnixMicro()
	}
	return nil
}

// odds changes prices, at random, in steps of 20 ms.
func odds(ctx context.Context, p plan, to sender, result *published) error {
	begin := time.Now()
	version := begin.UnixMicro() // above those of earlier runs
	rng := rand.New(rand.NewPCG(1, 2))
	if err := to.matches(ctx, p.Matches); err != nil {
		return err
	}
	for m := range p.Matches {
		if result.Done.Odds[int64(m+1)] == nil {
			result.Done.Odds[int64(m+1)] = make([]int64, p.Keys)
		}
	}
	const (
		step  = 20 * time.Millisecond
		beats = int(time.Second / step) // as often as who holds a source says so
	)
	for i := 1; time.Since(begin) < p.For; i++ {
		due := begin.Add(time.Duration(i) * step)
		time.Sleep(time.Until(due))
		result.OddsTimeLate = max(result.OddsTimeLate, time.Since(due))
		want := int64(p.Prices * due.Sub(begin).Seconds())
		var states []goalcast.State
		for ; result.States < want; result.States++ {
			match, key := int64(1+rng.IntN(p.Matches)), rng.IntN(p.Keys)
			n := &result.Done.Odds[match][key]
			*n++
			version++
			now := time.Now()
			states = append(states, goalcast.State{
				Topic: goalcast.ForOdds(goalcast.MatchID(match)), Key: "market/" + strconv.Itoa(key), Version: version,
				At: now.UnixMilli(),
				Value: fmt.Appendf(nil, `{"odds":[%d,%d,%d,%d],"price":%d}`, match, key, *n, now.UnixMicro(),
					1000+rng.IntN(9000)),
			})
		}
		if err := to.prices(ctx, states); err != nil {
			return err
		}
		if i%beats == 0 {
			if err := to.beat(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func newSender(ctx context.Context, p plan) (sender, error) {
	switch {
	case p.Redis != "":
		log := slog.New(slog.DiscardHandler)
		r, err := bus.OpenRedis(p.Redis)
		if err != nil {
			return nil, err
		}
		return busSender{bus.New(r, bus.Options{}, log, prometheus.NewRegistry()),
			strconv.FormatInt(time.Now().UnixNano(), 36), time.Now().UnixMicro(),
			make(map[goalcast.Topic]int64), make(map[goalcast.Topic]map[string]goalcast.State)}, nil
	case p.Peer != "":
		return dialPosts(p.Peer, peerPost)
	default:
		return dialPosts(p.Admin, adminPost)
	}
}

// busSender is goalcast's own way: what ingest does after its commit.
type busSender struct {
	bus   *bus.Bus
	run   string                   // makes ids unique
	fence int64                    // higher than those of earlier runs
	gates map[goalcast.Topic]int64 // versions of those that are open
	books map[goalcast.Topic]map[string]goalcast.State
}

func (s busSender) send(ctx context.Context, list []message) error {
	var events []goalcast.Event
	for _, m := range list {
		topic, err := goalcast.ParseTopic(m.kind + ":" + strconv.FormatInt(m.stream, 10))
		if err != nil {
			return err
		}
		now := time.Now()
		e := goalcast.Event{ID: fmt.Sprintf("%s-%d-%d", s.run, m.stream, m.n), Revision: 1, Status: goalcast.Confirmed,
			Kind:   goalcast.KindMessage,
			Topics: []goalcast.Topic{topic}, Times: goalcast.Times{Published: now.UnixMilli()}}
		bare, err := json.Marshal(e)
		if err != nil {
			return err
		}
		const frame = 85 // what the hub and the field's name add
		e.Message = m.text(len(bare) + frame)
		events = append(events, e)
	}
	_, _, err := s.bus.Publish(ctx, events)
	return err
}

func (s busSender) prices(ctx context.Context, states []goalcast.State) error {
	byTopic := map[goalcast.Topic][]goalcast.State{}
	for _, st := range states {
		byTopic[st.Topic] = append(byTopic[st.Topic], st)
	}
	for topic, prices := range byTopic {
		if s.books[topic] == nil {
			s.books[topic] = make(map[string]goalcast.State)
		}
		for _, st := range prices {
			s.books[topic][st.Key] = st
		}
		if err := s.step(ctx, goalcast.OddsStep{Topic: topic, Fence: s.fence, Prices: prices}); err != nil {
			return err
		}
	}
	return nil
}

// step publishes prices of a match. Where its gate is shut it opens it, with the whole book.
func (s busSender) step(ctx context.Context, step goalcast.OddsStep) error {
	for {
		gate, known := s.gates[step.Topic]
		if step.Gate = gate; !known {
			s.open(&step)
		}
		done, err := s.bus.PublishOdds(ctx, time.Now(), []goalcast.OddsStep{step})
		if err != nil {
			return err
		}
		s.gates[step.Topic] = done[0].Gate
		switch done[0].Outcome {
		case goalcast.OddsPublished:
			return nil
		case goalcast.OddsFenced:
			return errors.New("somebody else publishes prices")
		}
		s.open(&step)
	}
}

func (s busSender) open(step *goalcast.OddsStep) {
	step.Set = &goalcast.Gate{State: goalcast.GateOpen, Since: time.Now().UnixMilli()}
	step.Image, step.Prices = true, slices.Collect(maps.Values(s.books[step.Topic]))
}

// shut shuts a match's gate as a goal in it does; the next price opens it.
func (s busSender) shut(ctx context.Context, match goalcast.MatchID) error {
	now := time.Now()
	_, err := s.bus.PublishOdds(ctx, now, []goalcast.OddsStep{{Topic: goalcast.ForOdds(match),
		Set: &goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal, Since: now.UnixMilli()}}})
	return err
}

// beat says of all gates that they are open: a hub shuts those of which it hears nothing, and shows
// none that it has only read.
func (s busSender) beat(ctx context.Context) error {
	for topic := range s.books {
		if err := s.step(ctx, goalcast.OddsStep{Topic: topic, Fence: s.fence}); err != nil {
			return err
		}
	}
	return nil
}

// matches tells hubs that there are such matches: a hub asks for no prices of matches that do not
// exist. Nobody follows the competition they are in.
func (s busSender) matches(ctx context.Context, n int) error {
	var events []goalcast.Event
	for id := range n {
		match := goalcast.MatchID(1 + id)
		events = append(events, goalcast.Event{
			ID: fmt.Sprintf("match:%d:fixture", match), Revision: 1, Status: goalcast.Confirmed,
			Kind: goalcast.KindFixture,
			Seq:  1, Match: match, Topics: []goalcast.Topic{goalcast.ForCompetition(999)}, Fixture: &goalcast.Fixture{},
			Times: goalcast.Times{Published: time.Now().UnixMilli()},
		})
	}
	_, _, err := s.bus.Publish(ctx, events)
	return err
}

// postSender posts each message of a call by itself, all down one connection, before it
// reads the answers: they are as fast as they go, and in order. Peers and POST
// /admin/messages get them alike.
type postSender struct {
	conn  net.Conn
	in    *bufio.Reader
	write func(*bytes.Buffer, message) error // the request of one message
}

func dialPosts(base string, write func(*bytes.Buffer, message) error) (*postSender, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	return &postSender{conn, bufio.NewReader(conn), write}, err
}

func peerPost(b *bytes.Buffer, m message) error {
	writePost(b, "/pub/"+strconv.FormatInt(m.stream, 10), "", m.text(0))
	return nil
}

// admin is the message as POST /admin/messages takes it.
func (m message) admin() []byte {
	const frame = 200 // what the hub puts around the text
	return fmt.Appendf(nil, `{"topic":"%s:%d","body":%s}`, m.kind, m.stream, m.text(frame))
}

func adminPost(b *bytes.Buffer, m message) error {
	writePost(b, "/admin/messages", "Authorization: Bearer "+editorToken+"\r\n", m.admin())
	return nil
}

func writePost(b *bytes.Buffer, path, header string, body []byte) {
	fmt.Fprintf(b, "POST %s HTTP/1.1\r\nHost: bench\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		path, header, len(body))
	b.Write(body)
}

func (s *postSender) send(_ context.Context, list []message) error {
	var b bytes.Buffer
	for _, m := range list {
		if err := s.write(&b, m); err != nil {
			return err
		}
	}
	written := make(chan error, 1)
	go func() { _, err := s.conn.Write(b.Bytes()); written <- err }()
	for range list {
		resp, err := http.ReadResponse(s.in, &http.Request{Method: http.MethodPost})
		if err != nil {
			return fmt.Errorf("post: %w", err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode/100 != 2 {
			return fmt.Errorf("post: %s: %s, %w", resp.Status, text, err)
		}
	}
	return <-written
}

func (s *postSender) prices(context.Context, []goalcast.State) error { return nil }

func (s *postSender) matches(context.Context, int) error { return nil }

func (s *postSender) beat(context.Context) error { return nil }

func (s *postSender) shut(context.Context, goalcast.MatchID) error { return nil }
