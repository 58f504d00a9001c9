package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

const (
	maxFrame     = 32 << 20 // bytes
	pollLimit    = 50 * time.Second
	pollPrices   = time.Second // between two looks at prices, at least
	pollInAHurry = 50 * time.Millisecond
)

// link is one connection. A goroutine of its own reads from it, until cancel is called or it ends
// by itself.
type link struct {
	frames chan []byte // closed at the end
	err    error       // why it ended; to be read behind that
	cancel context.CancelFunc
	// send writes a text; only once a frame has come. nil where topics are for good
	send func([]byte)
}

// visit is what a link needs of the client.
type visit struct {
	*listener
	topics []goalcast.Topic
	since  string
	header http.Header
	give   func(text []byte) error // an error: nobody listens any more
}

// open begins a connection.
func (l *listener) open(ctx context.Context, way Transport, topics []goalcast.Topic, token string) *link {
	ctx, cancel := context.WithCancel(ctx)
	k := &link{frames: make(chan []byte), cancel: cancel}
	v := visit{listener: l, topics: topics, since: l.Cursor(), header: http.Header{}, give: func(text []byte) error {
		select {
		case k.frames <- text:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	if token != "" {
		v.header.Set("Authorization", "Bearer "+token)
	}
	read := v.stream
	switch way {
	case WebSocket:
		var conn *websocket.Conn
		read = func(ctx context.Context) error {
			return v.socket(ctx, func(c *websocket.Conn) { conn = c })
		}
		k.send = func(text []byte) {
			// Reading ends with what cannot be written.
			writing, done := context.WithTimeout(ctx, l.o.PongTimeout)
			defer done()
			_ = conn.Write(writing, websocket.MessageText, text)
		}
	case EventStream:
	case Poll:
		read = v.polls
	}
	l.work.Go(func() {
		defer cancel()
		defer close(k.frames)
		k.err = read(ctx)
	})
	return k
}

// socket reads a WebSocket. opened is called before the first frame is given.
func (v visit) socket(ctx context.Context, opened func(*websocket.Conn)) error {
	conn, res, err := websocket.Dial(ctx, v.address(v.topics, v.since, ""), &websocket.DialOptions{
		HTTPClient: v.o.HTTP, HTTPHeader: v.header, CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		if res == nil || res.Body == nil {
			return err
		}
		return readAnswer(res, err)
	}
	defer func() { _ = conn.CloseNow() }() // what was said is said; the hub sees it end
	conn.SetReadLimit(maxFrame)
	opened(conn)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if err := v.give(text); err != nil {
			return err
		}
	}
}

// get sends a request that was let in; the body is to be closed. The error is an *answer if the hub
// gave one.
func (v visit) get(ctx context.Context, address, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header = v.header.Clone()
	r.Header.Set("Accept", accept)
	res, err := v.o.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusOK && kind == accept && err == nil {
		return res, nil
	}
	defer res.Body.Close()
	return nil, readAnswer(res, fmt.Errorf("answered %s, %s", res.Status, kind))
}

// stream reads an event stream.
func (v visit) stream(ctx context.Context) error {
	res, err := v.get(ctx, v.address(v.topics, v.since, ""), "text/event-stream")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxFrame)
	var data []byte
	for lines.Scan() {
		line := lines.Text()
		if line == "" && data != nil {
			if err := v.give(data); err != nil {
				return err
			}
			data = nil
		}
		if text, ok := strings.CutPrefix(line, "data:"); ok {
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, strings.TrimPrefix(text, " ")...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// polled is the answer to a long poll.
type polled struct {
	Cursor string            `json:"cursor"`
	Frames []json.RawMessage `json:"frames"`
}

// polls asks again and again: each answer brings what is new since the cursor of the one before.
// Prices are asked for apart, without a cursor: another node may answer each time, and each counts
// its gates for itself, so that only whole snapshots of them can be trusted.
func (v visit) polls(ctx context.Context) error {
	var priced, others []goalcast.Topic
	for _, t := range v.topics {
		if t.Kind.StatesOnly() {
			priced = append(priced, t)
		} else {
			others = append(others, t)
		}
	}
	teller := &teller{give: v.give, hello: v.o.Conflate, turn: make(chan struct{}, 1)}
	g, ctx := errgroup.WithContext(ctx)
	if len(others) > 0 {
		g.Go(func() error { return v.pollEvents(ctx, others, teller) })
	}
	if len(priced) > 0 {
		g.Go(func() error { return v.pollPrices(ctx, priced, teller, len(others) == 0) })
	}
	return g.Wait()
}

func (v visit) pollEvents(ctx context.Context, topics []goalcast.Topic, to *teller) error {
	since, wait := v.since, "wait=0s" // the first answer comes at once
	for {
		p, err := v.poll(ctx, pollLimit, topics, since, wait)
		if err != nil {
			return err
		}
		pong, err := json.Marshal(map[string]any{"type": goalcast.FramePong, "cursor": p.Cursor})
		if err != nil {
			return err
		}
		if err := to.tell(ctx, append(p.Frames, pong)); err != nil {
			return err
		}
		if len(p.Frames) == 0 { // a hub in a hurry is not asked in a loop
			sleep(ctx, pollInAHurry)
		}
		since, wait = p.Cursor, ""
	}
}

func (v visit) pollPrices(ctx context.Context, topics []goalcast.Topic, to *teller, alone bool) error {
	for {
		p, err := v.poll(ctx, v.o.HelloTimeout, topics, "", "")
		if err != nil {
			return err
		}
		var frames []json.RawMessage
		for _, text := range p.Frames {
			var f map[string]json.RawMessage
			if err := json.Unmarshal(text, &f); err != nil {
				return err
			}
			if !alone && string(f["type"]) != `"snapshot"` {
				continue
			}
			delete(f, "cursor")
			if text, err = json.Marshal(f); err != nil {
				return err
			}
			frames = append(frames, text)
		}
		if err := to.tell(ctx, frames); err != nil {
			return err
		}
		sleep(ctx, max(pollPrices, v.o.Conflate))
	}
}

func (v visit) poll(ctx context.Context, limit time.Duration, topics []goalcast.Topic, since, wait string) (
	p polled, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	res, err := v.get(ctx, v.address(topics, since, wait), "application/json")
	if err != nil {
		return p, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxFrame))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// teller gives the frames of polls as if they were of one connection: of each answer's hello only
// the first counts, and who comes with a cursor, and is sent none, is said one to here.
type teller struct {
	give    func([]byte) error
	hello   time.Duration // its conflate_ms
	turn    chan struct{} // holds a token while somebody tells
	greeted bool
}

func (t *teller) tell(ctx context.Context, frames []json.RawMessage) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	isHello := func(text []byte) bool {
		var f struct{ Type goalcast.FrameType }
		return json.Unmarshal(text, &f) == nil && f.Type == goalcast.FrameHello
	}
	if !t.greeted && (len(frames) == 0 || !isHello(frames[0])) {
		hello, err := json.Marshal(map[string]any{"type": goalcast.FrameHello, "conflate_ms": t.hello.Milliseconds()})
		if err != nil {
			return err
		}
		if err := t.give(hello); err != nil {
			return err
		}
	}
	for _, text := range frames {
		if isHello(text) && t.greeted {
			continue
		}
		t.greeted = true
		if err := t.give(text); err != nil {
			return err
		}
	}
	t.greeted = true
	return nil
}

// answer is what the hub says instead of a connection. As an error it is that of a link.
type answer struct {
	admitted bool // it would let one in
	status   int
	retry    time.Duration // the hub asks to wait at least this
	Code     goalcast.Code `json:"code"` // empty: it is not the hub's word
	Detail   string        `json:"detail"`
}

func (a *answer) Error() string { return a.Detail }

// final says whether only another request can be right.
func (a *answer) final() bool {
	switch a.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return a.Code != "" && a.status >= 400 && a.status < 500
}

// readAnswer is the hub's answer to a request; otherwise, if it is of somebody in between.
func readAnswer(res *http.Response, otherwise error) error {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" {
		return otherwise
	}
	a := &answer{status: res.StatusCode}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil || json.Unmarshal(text, a) != nil || a.Code == "" {
		return otherwise
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.retry = time.Duration(seconds) * time.Second
	}
	return a
}

// why asks the hub whether it would let a connection in. What it does not say is empty: there is no
// network, or no hub, and the next try will tell.
func (l *listener) why() *answer {
	ctx, cancel := context.WithTimeout(l.ctx, l.o.HelloTimeout)
	defer cancel()
	token, err := l.token(ctx)
	if err != nil {
		return &answer{}
	}
	v := visit{listener: l, header: http.Header{}}
	if token != "" {
		v.header.Set("Authorization", "Bearer "+token)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.address(l.asked, l.Cursor(), "check=1"), nil)
	if err != nil {
		return &answer{}
	}
	r.Header = v.header
	r.Header.Set("Accept", "application/json")
	res, err := l.o.HTTP.Do(r)
	if err != nil {
		return &answer{}
	}
	defer res.Body.Close()
	if res.StatusCode < 300 {
		return &answer{admitted: true}
	}
	var no *answer
	if errors.As(readAnswer(res, nil), &no) {
		return no
	}
	return &answer{}
}

// ended: the link is gone. If it never came to a hello the hub may have refused it, as it may
// refuse each poll. WebSockets that break again and again, without the hub having closed them, do
// not get through as they should.
func (l *listener) ended(err error) {
	var no *answer
	if errors.As(err, &no) {
		l.over = &ending{no: no}
		return
	}
	e := &ending{reason: "connection lost", ask: l.alarms.has(helloAlarm) || l.ways[l.way] == Poll}
	if l.ways[l.way] == WebSocket {
		code := websocket.CloseStatus(err)
		if code >= 0 {
			e.reason = fmt.Sprintf("closed (%d)", code)
		}
		if !e.ask && (code < 0 || code == websocket.StatusProtocolError ||
			code == websocket.StatusInvalidFramePayloadData) {
			l.broken++
		}
	}
	l.over = e
}

// address of a request to the hub. extra is another parameter, written as in a query.
func (c *Client) address(topics []goalcast.Topic, since, extra string) string {
	query := "topics=" + strings.Join(texts(topics), ",")
	if c.o.Conflate > 0 {
		query += fmt.Sprintf("&conflate_ms=%d", c.o.Conflate.Milliseconds())
	}
	if len(c.o.Kinds) > 0 {
		kinds := make([]string, len(c.o.Kinds))
		for i, kind := range c.o.Kinds {
			kinds[i] = url.QueryEscape(string(kind))
		}
		query += "&kinds=" + strings.Join(kinds, ",")
	}
	if c.o.Replay {
		query += fmt.Sprintf("&replay=kickoff&speed=%d", c.o.Speed)
	}
	if since != "" {
		query += "&since=" + url.QueryEscape(since)
	}
	if extra != "" {
		query += "&" + extra
	}
	return c.origin + "/v1/live?" + query
}
