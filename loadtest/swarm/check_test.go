package swarm

import (
	"bufio"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bytes"

	"github.com/gobwas/ws"
)

// broken is a text in place of which a liar sends what cannot be unpacked.
const broken = "broken"

// liar is a server of the plain protocol that sends each viewer the same texts, whatever they are.
func liar(t *testing.T, transport string, deflate bool, texts []string) string {
	t.Helper()
	var serving sync.WaitGroup
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		if transport == SSE { // in chunks, as net/http does
			w.Header().Set("Content-Type", "text/event-stream")
			for _, text := range texts {
				fmt.Fprintf(w, "id: 7\ndata: %s\n\n", text)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		extension := ""
		if deflate {
			extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; " +
				"client_no_context_takeover\r\n"
		}
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n",
			extension)
		for _, text := range texts {
			f := ws.NewTextFrame([]byte(text))
			if deflate {
				f = ws.NewTextFrame(deflated(text))
				if text == broken {
					f.Payload = packed(sentence(7), sentence(8))[1] // refers to what this viewer was not told
					f.Header.Length = int64(len(f.Payload))
				}
				f.Header.Rsv = ws.Rsv(true, false, false)
			}
			writeCut(rw, conn, ws.MustCompileFrame(f))
		}
		_, _ = io.Copy(io.Discard, conn) // until the viewer is gone
	}))
	t.Cleanup(func() { web.CloseClientConnections(); web.Close(); serving.Wait() })
	return web.URL
}

// writeCut sends a frame in two pieces, so that the reader has to put it together.
func writeCut(rw *bufio.ReadWriter, conn net.Conn, frame []byte) {
	at := rand.IntN(len(frame))
	_, _ = rw.Write(frame[:at])
	_ = rw.Flush()
	_, _ = rw.Write(frame[at:])
	_ = rw.Flush()
}

func deflated(text string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	_, _ = w.Write([]byte(text))
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// TestFaultsAreFound is the proof that a zero in a report means something.
func TestFaultsAreFound(t *testing.T) {
	now := time.Now().UnixMicro()
	mark := func(n int) string {
		return fmt.Sprintf(`{"swarm":[1,%d,%d],"text":"%s"}`, n, now, strings.Repeat("goal ", 50))
	}
	for _, test := range []struct {
		name                     string
		numbers                  []int
		missed, repeated, behind int64
	}{
		{"all well", []int{1, 2, 3, 4, 5}, 0, 0, 0},
		{"one left out", []int{1, 2, 4, 5}, 1, 0, 0},
		{"the first left out", []int{3, 4, 5}, 2, 0, 0},
		{"the last left out", []int{1, 2, 3, 4}, 0, 0, 1},
		{"one twice", []int{1, 2, 2, 3, 4, 5}, 0, 1, 0},
		{"all again", []int{1, 2, 3, 4, 5, 1, 2, 3, 4, 5}, 0, 5, 0},
		{"out of order", []int{1, 3, 2, 4, 5}, 1, 1, 0},
	} {
		for _, way := range []string{WebSocket, "deflate", SSE} {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				var texts []string
				for _, n := range test.numbers {
					texts = append(texts, mark(n))
				}
				transport := strings.Replace(way, "deflate", WebSocket, 1)
				const viewers = 3
				s := start(t, Config{URLs: []string{liar(t, transport, way == "deflate", texts)}, Protocol: Plain,
					Transport: transport, Conns: viewers,
					FromOne: true, Deflate: way == "deflate"})
				c := await(t, s, "all events", func(c Stats) bool { return c.Events == int64(viewers*len(texts)) })
				if c.Missed != viewers*test.missed || c.Repeated != viewers*test.repeated {
					t.Errorf("%d missed, %d repeated by %d", c.Missed, c.Repeated, viewers)
				}
				if way == "deflate" && c.Compressed != c.Events {
					t.Errorf("%d of %d compressed", c.Compressed, c.Events)
				}
				v, err := s.Check(Expected{Streams: map[int64]int64{1: 5}})
				must(t, err)
				if v.Behind != viewers*test.behind {
					t.Errorf("verdict %+v", v)
				}
			})
		}
	}
}

// frames for a checker without a socket.
func checked(cfg Config, texts ...string) (*checker, *viewer) {
	cfg.Conns = 1
	k := newChecker(cfg.withDefaults())
	v := k.newViewer(0)
	for _, text := range texts {
		k.frame(&v, []byte(text), time.Now().UnixMicro())
	}
	return k, &v
}

func TestRealEventsAreCheckedBySeq(t *testing.T) {
	event := func(offset, match, seq int) string {
		return fmt.Sprintf(`{"type":"event","cursor":"ab-%d","event":{"id":"x","seq":%d,"match":%d,"topics":["team:9"],"times":{"published":%d}},"sent":1}`,
			offset, seq, match, time.Now().UnixMilli())
	}
	k, v := checked(Config{Topics: "team:9"}, event(10, 5, 3), event(11, 5, 4), event(13, 6, 1), event(14, 5, 6),
		event(14, 6, 1))
	if s := k.stats; s.Events != 5 || s.Missed != 1 || s.Repeated != 1 || s.CursorsBack != 1 || s.Unmarked != 0 ||
		s.EventLatency.Count() != 5 {
		t.Errorf("%+v", s)
	}
	if got := k.cursor(v); got != "ab-14" {
		t.Errorf("cursor %q", got)
	}
}

func TestLatencyFromTheDocument(t *testing.T) {
	event := func(seq int, kind string, received int) string {
		times := fmt.Sprintf(`{"received":%d,"published":9000}`, received)
		return fmt.Sprintf(`{"type":"event","event":{"kind":%q,"seq":%d,"match":1,"times":%s}}`, kind, seq, times)
	}
	k, v := checked(Config{Topics: "match:{n}", FromPost: true})
	for seq, text := range []string{event(1, "goal", 8_000), event(2, "fixture", 1_000)} {
		if k.frame(v, []byte(text), 10_000_000); k.stats.Events != int64(seq+1) {
			t.Errorf("%+v", k.stats)
		}
	}
	if l := k.stats.EventLatency; l.Count() != 1 || l.Quantile(.5).Round(100*time.Millisecond) != 2*time.Second {
		t.Errorf("%d events after %s", l.Count(), l.Quantile(.5))
	}
}

func TestPricesThatGoBackAreFound(t *testing.T) {
	state := func(key, n int) string {
		return fmt.Sprintf(`{"type":"state","state":{"topic":"odds:1","key":"x","value":{"odds":[1,%d,%d,%d]}}}`, key,
			n, time.Now().UnixMicro())
	}
	k, v := checked(Config{Topics: "match:{n},odds:{n}"},
		`{"type":"snapshot","states":[{"value":{"odds":[1,0,4,1]}},{"value":{"odds":[1,2,9,1]}}]}`,
		state(0, 6), state(0, 5), state(2, 9))
	if s := k.stats; s.States != 3 || s.Backwards != 1 || s.Snapshots != 1 || s.StateLatency.Count() != 3 {
		t.Errorf("%+v", s)
	}
	k.frame(v, []byte(`{"type":"state","state":{"key":"!",`+
		`"value":{"gate":"suspended","reason":"goal","since":5}}}`), 9_000)
	k.frame(v, []byte(`{"type":"state","state":{"key":"!","value":{"gate":"open","since":7}}}`), 9_000)
	if l := k.stats.GateLatency; l.Count() != 1 || l.Quantile(.5).Round(time.Millisecond) != 4*time.Millisecond {
		t.Errorf("%d gates after %s", l.Count(), l.Quantile(.5))
	}
	var verdict Verdict
	k.check(v, Expected{Odds: map[int64][]int64{1: {6, 1, 9}}}, &verdict)
	if verdict.Prices != 1 || verdict.Missing != 0 { // key 1 was never seen
		t.Errorf("%+v", verdict)
	}
	fresh := k.newViewer(1)
	k.check(&fresh, Expected{Odds: map[int64][]int64{1: {0, 0}}}, &verdict)
	if verdict.Missing != 0 { // nothing was published
		t.Errorf("%+v", verdict)
	}
	k.check(&fresh, Expected{Odds: map[int64][]int64{1: {0, 1}}}, &verdict)
	if verdict.Missing != 1 {
		t.Errorf("%+v", verdict)
	}
}

func TestResetForgetsStreams(t *testing.T) {
	event := `{"type":"event","cursor":"ab-%d","event":{"message":{"swarm":[1,%d,5]}}}`
	k, _ := checked(Config{Topics: "match:{n}", FromOne: true}, fmt.Sprintf(event, 1, 1),
		`{"type":"reset","reason":"too_old"}`, fmt.Sprintf(event, 9, 7), fmt.Sprintf(event, 10, 9))
	if s := k.stats; s.Resets != 1 || s.Missed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestHistogramsMerge(t *testing.T) {
	whole := newLatency()
	sum := NewStats()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5 { // workers
		part := NewStats()
		for range 1000 {
			n := rng.Int64N(3_000_000)
			whole.record(n)
			part.EventLatency.record(n)
		}
		part.Events = 1000
		part.FirstEvent, part.LastEvent = 100+rng.Int64N(100), 300
		text, err := json.Marshal(part) // as it comes from a worker
		must(t, err)
		var read Stats
		must(t, json.Unmarshal(text, &read))
		must(t, sum.Add(read))
	}
	if sum.Events != 5000 || sum.FirstEvent < 100 || sum.LastEvent != 300 {
		t.Errorf("%+v", sum)
	}
	if !sum.EventLatency.Equals(whole.Histogram) || whole.Count() != 5000 {
		t.Error("the merged histogram is another one")
	}
	for _, q := range []float64{.1, .5, .99, 1} {
		if a, b := sum.EventLatency.Quantile(q), whole.Quantile(q); a != b || a == 0 {
			t.Errorf("quantile %g: %s, want %s", q, a, b)
		}
	}
	long := newLatency()
	long.record(int64(time.Hour / time.Microsecond)) // more than it holds: the longest it has
	if got := long.Quantile(1); got < 119*time.Second || got > 121*time.Second {
		t.Errorf("an hour is %s", got)
	}
}

func TestDistributions(t *testing.T) {
	count := func(c Config) map[int64]int {
		c = c.withDefaults()
		seen := map[int64]int{}
		for n := range c.Conns {
			list := c.numbers(n)
			slices.Sort(list)
			if len(list) != c.PerConn || len(slices.Compact(list)) != c.PerConn {
				t.Fatalf("numbers %v", list)
			}
			for _, number := range list {
				seen[number]++
			}
		}
		return seen
	}
	if got := count(Config{Conns: 100, Numbers: 10, First: 5}); len(got) != 10 || got[5] != 10 || got[14] != 10 {
		t.Errorf("in turn: %v", got)
	}
	if got := count(Config{Conns: 1000, Numbers: 10, Random: true, PerConn: 3}); len(got) != 10 || got[1] < 230 ||
		got[1] > 370 {
		t.Errorf("random: %v", got)
	}
	if got := count(Config{Conns: 1000, Numbers: 50, Zipf: 1.5}); got[1] < 4*got[4] || got[4] == 0 {
		t.Errorf("zipf: %v", got)
	}
	c := Config{Topics: "match:{n},odds:{n}", Also: "team:1,competition:5"}
	if got := strings.Join(c.topics([]int64{7, 8}), " "); got != "match:7 odds:7 match:8 odds:8 team:1 competition:5" {
		t.Errorf("topics %q", got)
	}
}

func TestDechunk(t *testing.T) {
	for size := range 12 {
		left := 0
		var got []byte
		text := []byte("5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\n\r\n")
		var rest []byte
		for len(text) > 0 {
			n := min(size+1, len(text))
			body, r, err := dechunk(append(slices.Clone(rest), text[:n]...), &left)
			must(t, err)
			got, rest, text = append(got, body...), r, text[n:]
		}
		if string(got) != "hello world" {
			t.Errorf("in pieces of %d: %q", size+1, got)
		}
	}
	left := 0
	if _, _, err := dechunk([]byte("no\r\n"), &left); err == nil {
		t.Error("no error")
	}
}

func TestFramesThatAreNone(t *testing.T) {
	for _, b := range [][]byte{{0x01, 0}, {0x81, 0x80}, {0xb1, 0}, {0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0}} {
		if _, _, err := nextFrame(b); err == nil {
			t.Errorf("% x: no error", b)
		}
	}
}

func TestUsage(t *testing.T) {
	before, err := Usage(os.Getpid())
	must(t, err)
	worked := func() time.Duration { // by the kernel's other account of it
		var u syscall.Rusage
		must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for begin := worked(); worked()-begin < 30*time.Millisecond; {
	}
	after, err := Usage(os.Getpid())
	must(t, err)
	if took := after.Since(before).CPU; took < 10*time.Millisecond || took > 5*time.Second || after.RSS < 1<<20 {
		t.Errorf("30 ms of work took %s; %d bytes", took, after.RSS)
	}
	if _, err := Usage(1 << 30); err == nil {
		t.Error("a process that is none")
	}
}
