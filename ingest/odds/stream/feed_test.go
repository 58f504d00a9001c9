package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast/internal/httpserver"
)

// desk is a running feed behind a server as the command has it.
type desk struct {
	t       *testing.T
	feed    *Feed
	sink    *recorder
	counts  counts
	address string
	client  *http.Client
	stop    func() // ends Run, and waits for it
}

// bodyTime is what the server gives bodies of other routes.
const bodyTime = 100 * time.Millisecond

func newDesk(t *testing.T, cfg FeedConfig) *desk {
	t.Helper()
	d := &desk{t: t, sink: newRecorder(t), counts: newCounts(t), client: &http.Client{Transport: &http.Transport{}}}
	if cfg.Name = "test"; cfg.TTL == 0 {
		cfg.TTL = patience
	}
	d.feed = NewFeed(cfg, quietLog, d.counts.Metrics)
	s := httpserver.New(httpserver.Config{Name: "test", BodyGrace: bodyTime, AnswerTimeout: bodyTime},
		httpserver.Live(d.feed.Handler()),
		prometheus.NewRegistry())
	l, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	d.start()
	t.Cleanup(func() {
		d.stop()
		d.client.CloseIdleConnections()
		_ = s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return d
}

// start runs the feed.
func (d *desk) start() {
	ctx, cancel := context.WithCancel(d.t.Context())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = d.feed.Run(ctx, d.sink)
	}()
	d.stop = func() {
		cancel()
		<-ran
	}
	for limit := time.Now().Add(patience); !d.feed.Running(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			d.t.Fatal("the feed does not run")
		}
	}
}

// reply is any answer of a feed.
type reply struct {
	status  int
	media   string
	header  http.Header
	Code    string   `json:"code"`
	Lines   int      `json:"lines"`
	Good    int      `json:"accepted"`
	Refused int      `json:"refused"`
	More    int      `json:"more"`
	Answers []answer `json:"answers"`
}

func (d *desk) do(r *http.Request) reply {
	d.t.Helper()
	res, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	out := reply{status: res.StatusCode, media: res.Header.Get("Content-Type"), header: res.Header}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		d.t.Fatalf("answer %d: %v", res.StatusCode, err)
	}
	return out
}

func (d *desk) request(body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, "http://"+d.address+"/feeds/odds", body)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) post(text string) reply { d.t.Helper(); return d.do(d.request(strings.NewReader(text))) }

// sender is an open request whose answers are read while it is open.
type sender struct {
	d      *desk
	body   *io.PipeWriter
	answer chan *http.Response
	lines  *bufio.Scanner
	closer io.Closer
}

func (d *desk) open(duplex bool) *sender {
	from, to := io.Pipe()
	s := &sender{d: d, body: to, answer: make(chan *http.Response, 1)}
	r := d.request(from)
	if duplex {
		r.Header.Set("Accept", "application/x-ndjson")
	}
	go func() {
		res, err := d.client.Do(r)
		if err != nil {
			res = nil
		}
		s.answer <- res
	}()
	d.t.Cleanup(func() {
		_ = to.Close()
		if s.closer != nil {
			_ = s.closer.Close()
		}
	})
	return s
}

func (s *sender) send(lines ...string) {
	s.d.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(s.body, l+"\n"); err != nil {
			s.d.t.Fatal(err)
		}
	}
}

func (s *sender) response() *http.Response {
	s.d.t.Helper()
	select {
	case res := <-s.answer:
		if res == nil {
			s.d.t.Fatal("no answer")
		}
		s.closer = res.Body
		return res
	case <-time.After(patience):
		s.d.t.Fatal("no answer in time")
		return nil
	}
}

// next is the next line of the answer.
func (s *sender) next() string {
	s.d.t.Helper()
	if s.lines == nil {
		res := s.response()
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
			s.d.t.Fatalf("answered %d %v", res.StatusCode, res.Header)
		}
		s.lines = bufio.NewScanner(res.Body)
	}
	if !s.lines.Scan() {
		s.d.t.Fatalf("the answer ended: %v", s.lines.Err())
	}
	return s.lines.Text()
}

func TestLinesArePosted(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	got := d.post(img("a") + "\r\n\n" + `{"type":"suspend","event":"a"}`)
	if got.status != 200 || got.media != "application/json" || got.Lines != 2 || got.Good != 2 || got.Refused != 0 {
		t.Errorf("answered %+v", got)
	}
	// The request has ended; what it told stands.
	d.sink.want(toldImg("a"), "suspend a -")
	d.counts.want("connections", d.counts.connections, "ended", 1)
}

// A bad line is answered by its number, and the others count.
func TestBadLineIsAnsweredByItsNumber(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	doubtful := `{"type":"change","event":"a","markets":[{"market":"ou:2.5","status":"open","prices":{"over":"0.5"}}]}`
	got := d.post(img("a") + "\n\n" + `{"type":"suspend","event":"b","x":1}` + "\n" + doubtful + "\n" + img("c") + "\n{\n" + img("d"))
	want := []answer{{Line: 3, Code: badField, Field: "x", Error: "there is no such field"},
		{Line: 4, Code: badPrice, Market: "ou:2.5", Field: "markets[0].prices.over", Error: `"0.5" is no price from 1.001 to 1000000`},
		{Line: 6, Code: notJSON, Error: errNotJSON.Error()}}
	if got.status != 422 || got.Code != "bad_lines" || got.media != "application/problem+json" ||
		got.Lines != 6 || got.Good != 4 ||
		got.Refused != 2 || fmt.Sprint(got.Answers) != fmt.Sprint(want) {
		t.Errorf("answered %+v", got)
	}
	calls := d.sink.all()
	told := strings.Join(calls[:4], "|")
	if told != toldImg("a")+"|suspend b -|change a - ou:2.5=suspended,over:0(0.5)|"+toldImg("c") {
		t.Errorf("told %q", told)
	}
	// Line 6 may have been about anything that the request had told of.
	d.sink.wait("suspend a -", toldImg("d"))
	d.sink.wait("suspend c -", toldImg("d"))
	d.counts.want("refused", d.counts.refused, "json", 1)
	d.counts.want("refused", d.counts.refused, "field", 1)
	d.counts.want("suspended", d.counts.doubtful, "price", 1)
	d.counts.want("shut", d.counts.shut, "line", 3)
	if n := testutil.CollectAndCount(d.counts.refused); n != 4 {
		t.Errorf("%d reasons", n)
	}
}

func TestLongLinesAreRefusedAndOthersCount(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	line := `{"type":"alive"}`
	fits := line + strings.Repeat(" ", 64<<10-len(line))
	got := d.post(fits + "\n" + fits + " \r\n" + strings.Repeat("x", 1<<20) + "\n" + img("a") + "\n")
	if got.status != 422 || got.Good != 2 || got.Refused != 2 || got.Answers[0].Line != 2 ||
		got.Answers[1].Line != 3 || got.Answers[1].Code != tooLong {
		t.Errorf("answered %+v", got)
	}
	d.sink.want(toldImg("a"))
}

func TestAnswersAreNotWithoutEnd(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	got := d.post(strings.Repeat("x\n", maxTold+5))
	if got.Refused != maxTold+5 || len(got.Answers) != maxTold || got.More != 5 {
		t.Errorf("%d refused, %d answers, %d more", got.Refused, len(got.Answers), got.More)
	}
}

// Whoever accepts lines reads answers while it sends, for longer than any other body may take.
func TestAnswersWhileLinesCome(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run("HTTP/"+strconv.Itoa(version), func(t *testing.T) {
			d := newDesk(t, FeedConfig{})
			if version == 2 {
				var protocols http.Protocols
				protocols.SetUnencryptedHTTP2(true)
				d.client.Transport.(*http.Transport).Protocols = &protocols
			}
			s, plain := d.open(true), d.open(false)
			s.send(img("a"))
			plain.send(img("p"))
			if res := s.response(); res.StatusCode != 200 || res.ProtoMajor != version {
				t.Fatalf("answered %d by %s", res.StatusCode, res.Proto)
			} else {
				s.lines = bufio.NewScanner(res.Body)
			}
			for i := range 5 {
				time.Sleep(bodyTime)
				s.send(strings.Repeat(" ", 20<<10), "bad", img("b"))
				if want := `{"line":` + strconv.Itoa(3+3*i) + `,"code":"json","error":"` + errNotJSON.Error() + `"}`; s.next() != want {
					t.Fatalf("answered %s, want %s", s.lines.Text(), want)
				}
			}
			_ = s.body.Close()
			if got := s.next(); got != `{"lines":11,"accepted":6,"refused":5}` {
				t.Errorf("ended with %s", got)
			}
			plain.send(img("p"))
			_ = plain.body.Close()
			if res := plain.response(); res.StatusCode != 200 {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
}

// Between two answers there may be hours.
func TestAnswerThatComesLate(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	d.feed.answerWait = time.Second
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	d.client.Transport.(*http.Transport).Protocols = &protocols
	s := d.open(true)
	s.send("bad")
	s.next()
	time.Sleep(d.feed.answerWait + bodyTime)
	s.send("bad")
	if got := s.next(); !strings.Contains(got, `"line":2`) {
		t.Errorf("answered %s", got)
	}
}

// A request that breaks may have had more to say; one that ends had not.
func TestBrokenRequestShutsWhatItToldOf(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	d.post(img("z"))
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line := img("a") + "\n" + img("b") + "\n" + `{"type":"suspend","event":"c"`
	if _, err := fmt.Fprintf(c, "POST /feeds/odds HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"%x\r\n%s\r\n", len(line), line); err != nil {
		t.Fatal(err)
	}
	d.sink.wait(toldImg("a"), toldImg("b"))
	_ = c.Close()
	d.sink.wait(toldImg("a"), "suspend a -")
	d.sink.wait(toldImg("b"), "suspend b -")
	d.stop()
	d.counts.want("connections", d.counts.connections, "broken", 1)
	d.counts.want("shut", d.counts.shut, "connection", 2)
	if told := d.sink.all(); len(told) != 6 || told[5] != "down connection" {
		t.Errorf("told %q", told)
	}
}

// So may one that falls silent. It is told why.
func TestSilentRequestShutsWhatItToldOf(t *testing.T) {
	for _, duplex := range []bool{false, true} {
		d := newDesk(t, FeedConfig{TTL: time.Second})
		s := d.open(duplex)
		s.send(img("a"), "")
		if !duplex {
			if res := s.response(); res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("answered %d", res.StatusCode)
			}
		} else if got := s.next(); !strings.Contains(got, `"code":"silent"`) {
			t.Errorf("ended with %s", got)
		}
		d.sink.want(toldImg("a"), "suspend a -")
		d.counts.want("connections", d.counts.connections, "silent", 1)
	}
}

// Whoever comes back after its connection was lost, told of its events again: the old connection's
// end takes nothing from the new one.
func TestEndOfAnOldRequestShutsNothingOfANewOne(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	old := d.open(true)
	old.send(img("a"), img("b"))
	d.sink.wait(toldImg("b"))
	again := d.open(true)
	again.send(img("a"))
	d.sink.wait(toldImg("b"), toldImg("a"))
	_ = old.body.CloseWithError(io.ErrClosedPipe) // its connection breaks
	d.sink.wait("suspend b -")
	d.sink.want(toldImg("a"), toldImg("b"), toldImg("a"), "suspend b -")
}

// Lines count where the source is held; when it is lost, open requests end.
func TestLinesCountOnlyWhileTheSourceIsHeld(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	plain, duplex := d.open(false), d.open(true)
	plain.send(img("a"))
	duplex.send(img("b"))
	d.sink.wait(toldImg("a"))
	d.sink.wait(toldImg("b"))
	d.stop()
	if res := plain.response(); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d", res.StatusCode)
	}
	if got := duplex.next(); !strings.Contains(got, `"code":"not_running"`) {
		t.Errorf("ended with %s", got)
	}
	if got := d.post(img("c")); got.status != 503 || got.Code != "not_running" || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %+v", got)
	}
	calls := d.sink.all()
	if last := calls[len(calls)-1]; last != "down connection" || len(calls) != 3 {
		t.Errorf("told %q", calls)
	}
	d.start()
	if got := d.post(img("d")); got.status != 200 {
		t.Errorf("answered %+v", got)
	}
}

func TestLimitsOfAFeed(t *testing.T) {
	d := newDesk(t, FeedConfig{Limits: Limits{Streams: 1, Events: 2, Rate: 50}})
	s := d.open(true)
	s.send(img("a"), img("b"), img("a"), img("c"))
	if got := s.next(); !strings.Contains(got, `"line":4,"code":"events"`) {
		t.Errorf("answered %s", got)
	}
	d.sink.want(toldImg("a"), toldImg("b"), toldImg("a"), "suspend c -")
	if got := d.post(img("d")); got.status != 503 || got.Code != "busy" {
		t.Errorf("answered %+v", got)
	}
	d.counts.want("connections", d.counts.connections, "turned_away", 1)
	go func() { _, _ = io.WriteString(s.body, strings.Repeat(img("a")+"\n", 100_000)) }()
	if got := s.next(); !strings.Contains(got, `"code":"too_fast"`) {
		t.Errorf("ended with %s", got)
	}
	d.counts.want("connections", d.counts.connections, "too_fast", 1)
	d.sink.wait("suspend a -")
}

func TestRequestsThatAreNone(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	get := d.request(nil)
	get.Method = http.MethodGet
	packed := d.request(strings.NewReader(img("a")))
	packed.Header.Set("Content-Encoding", "gzip")
	for _, tt := range []struct {
		r      *http.Request
		status int
		code   string
	}{{get, 405, "method"}, {packed, 415, "encoding"}, {d.request(strings.NewReader("")), 400, "empty"},
		{d.request(strings.NewReader("\n\n")), 400, "empty"}} {
		if got := d.do(tt.r); got.status != tt.status || got.Code != tt.code {
			t.Errorf("answered %+v, want %d %s", got, tt.status, tt.code)
		}
	}
	d.sink.want()
}

// A sender that never reads its answers does not hold up the others.
func TestSenderThatDoesNotReadHoldsUpNobody(t *testing.T) {
	d := newDesk(t, FeedConfig{})
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /feeds/odds HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n"+
		"Content-Length: 100000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	bad := []byte(strings.Repeat(`{"type":"`+strings.Repeat("x", 100)+`"}`+"\n", 100))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, err := c.Write(bad); err != nil {
				return
			}
		}
	}()
	if got := d.post(img("a")); got.status != 200 {
		t.Errorf("answered %+v", got)
	}
	_ = c.Close()
	<-gone
	d.sink.wait(toldImg("a"))
}
