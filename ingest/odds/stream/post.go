package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"goalcast/internal/problem"
)

// Limits of what is answered.
const (
	maxTold     = 100  // refused lines and suspended markets in an answer at the end
	maxAnswers  = 1000 // of them in an answer line by line
	ndjsonMedia = "application/x-ndjson"
)

// defaultAnswerWait is how long a sender may take to accept an answer.
const defaultAnswerWait = 5 * time.Second

// answer is what is wrong with a line, or with a market of it.
type answer struct {
	Line   int    `json:"line"` // from 1
	Code   reason `json:"code"`
	Market string `json:"market,omitempty"` // that is suspended; the rest of the line counts
	Field  string `json:"field,omitempty"`
	Error  string `json:"error"`
}

// summary is what became of a request's lines.
type summary struct {
	Lines    int `json:"lines"` // empty ones not counted
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	More     int `json:"more,omitempty"` // answers that were too many to be told
}

// post is a request to a Feed. It belongs to its handler.
type post struct {
	feed    *Feed
	stream  *stream
	w       http.ResponseWriter
	r       *http.Request
	lines   *lineReader
	heard   time.Time // when the last line came that could be read
	duplex  bool      // answers go out while lines come in
	begun   bool      // of a duplex answer
	unsent  bool      // answers wait to be flushed
	answers []answer  // for the end; not if duplex
	told    int
	summary
}

// Handler serves POST /feeds/odds. It checks no secret.
func (f *Feed) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &post{feed: f, w: w, r: r, duplex: strings.Contains(r.Header.Get("Accept"), ndjsonMedia)}
		p.serve()
	})
}

func (p *post) serve() {
	var err error
	switch encoding := p.r.Header.Get("Content-Encoding"); {
	case p.r.Method != http.MethodPost:
		p.w.Header().Set("Allow", http.MethodPost)
		p.turnAway(problem.New(http.StatusMethodNotAllowed, "method", "lines are posted"))
		return
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		p.w.Header().Set("Accept-Encoding", "identity")
		p.turnAway(problem.New(http.StatusUnsupportedMediaType, "encoding", "lines come as they are, not packed"))
		return
	}
	if p.stream, err = p.feed.enter(p.w); err != nil {
		_, no := p.end(err)
		p.turnAway(no)
		return
	}
	defer p.feed.leave(p.stream, broken)
	_ = p.stream.control.SetWriteDeadline(time.Time{}) // the answer is hours away
	// HTTP/2 is so by itself
	if p.duplex && p.stream.control.EnableFullDuplex() != nil && p.r.ProtoMajor == 1 {
		p.duplex = false
	}
	p.lines, p.heard = newLineReader(p, p.feed.cfg.Limits.Line), time.Now()
	how, no := p.end(p.read())
	p.feed.leave(p.stream, how)
	if how != ended {
		_ = p.stream.control.SetReadDeadline(longAgo) // what else is sent, nobody waits for
	}
	if no != nil {
		p.feed.log.Warn("odds request ended", "lines", p.Lines, "refused", p.Refused, "status", no.Status,
			"reason", no.Code)
	}
	p.finish(no)
}

// turnAway answers a request of which no line is read. What it sends nobody waits for.
func (p *post) turnAway(no *problem.Problem) {
	_ = http.NewResponseController(p.w).SetReadDeadline(longAgo)
	p.feed.metrics.connections.WithLabelValues(p.feed.cfg.Name, string(turnedAway)).Inc()
	p.feed.log.Info("odds request turned away", "status", no.Status, "reason", no.Code)
	problem.Write(p.w, p.r, no)
}

// Read reads the body. It waits no longer than until the line has to be there, and sends what is to
// be answered before it waits.
func (p *post) Read(b []byte) (int, error) {
	if err := p.flush(); err != nil {
		return 0, err
	}
	if err := p.feed.ready(p.stream, p.heard.Add(p.feed.cfg.TTL)); err != nil {
		return 0, err
	}
	n, err := p.r.Body.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = p.feed.late(p.stream)
	}
	return n, err
}

// read takes lines until there are no more: then nil.
func (p *post) read() error {
	for {
		text, err := p.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTooLong):
			err = p.refuse(nil, err)
		case err != nil:
			return err
		default:
			err = p.line(text)
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line. The error ends the request.
func (p *post) line(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if !p.feed.limiter.Allow() {
		return errTooFast
	}
	l, err := readLine(text)
	if err != nil {
		return p.refuse(text, err)
	}
	switch err := p.feed.tell(p.stream, &l); {
	case errors.Is(err, errEvents):
		return p.refuse(text, err)
	case err != nil:
		return err
	}
	p.heard = time.Now()
	p.Lines++
	p.Accepted++
	p.begin()
	p.feed.warn.doubts(p.feed.log, &l)
	for _, d := range l.doubts {
		a := answer{Line: p.lines.n, Code: d.reason, Market: d.market, Error: d.err.Error()}
		if err := p.tell(a, d.err); err != nil {
			return err
		}
	}
	return nil
}

// refuse answers for a line that does not count. The others do.
func (p *post) refuse(text []byte, why error) error {
	p.Lines++
	p.Refused++
	code := reasonOf(why)
	if errors.Is(why, errEvents) {
		code = tooManyEvents
	}
	p.feed.metrics.refused.WithLabelValues(p.feed.cfg.Name, string(code)).Inc()
	p.feed.warn.refused(p.feed.log, why)
	p.feed.shut(p.stream, text)
	return p.tell(answer{Line: p.lines.n, Code: code, Error: why.Error()}, why)
}

// tell answers now, or notes it for the end.
func (p *post) tell(a answer, why error) error {
	var e *fieldError
	if errors.As(why, &e) {
		a.Field, a.Error = e.field, e.text
	}
	most := maxTold
	if p.duplex {
		most = maxAnswers
	}
	if p.told++; p.told > most {
		p.More++
		return nil
	}
	if !p.duplex {
		p.answers = append(p.answers, a)
		return nil
	}
	return p.write(a)
}

// begin begins an answer in lines, so that its reader knows that lines are taken.
func (p *post) begin() {
	if !p.duplex || p.begun {
		return
	}
	p.w.Header().Set("Content-Type", ndjsonMedia)
	p.w.Header().Set("Cache-Control", "no-store")
	p.begun, p.unsent = true, true
}

// write writes a line of the answer.
func (p *post) write(line any) error {
	p.begin()
	p.unsent = true
	return p.timed(func() error { return json.NewEncoder(p.w).Encode(line) })
}

// timed gives up a client that does not read its answers. The deadline ends with the write: over
// HTTP/2 one that passes between two writes ends the stream.
func (p *post) timed(write func() error) error {
	_ = p.stream.control.SetWriteDeadline(time.Now().Add(p.feed.answerWait))
	defer func() { _ = p.stream.control.SetWriteDeadline(time.Time{}) }()
	return write()
}

func (p *post) flush() error {
	if !p.unsent {
		return nil
	}
	p.unsent = false
	return p.timed(p.stream.control.Flush)
}

// end says how a request ended, and what is wrong with that.
func (p *post) end(err error) (outcome, *problem.Problem) {
	no := func(status int, code string, retry time.Duration) *problem.Problem {
		out := problem.New(status, code, err.Error())
		out.Retry = retry
		return out
	}
	switch {
	case errors.Is(err, errNotRunning):
		return stopped, no(http.StatusServiceUnavailable, "not_running", time.Second)
	case errors.Is(err, errCrowded):
		return refused, no(http.StatusServiceUnavailable, "busy", 2*time.Second)
	case errors.Is(err, errTooFast):
		return tooFast, no(http.StatusTooManyRequests, "too_fast", time.Second)
	case errors.Is(err, errSilent):
		return silent, no(http.StatusRequestTimeout, "silent", 0)
	case err != nil: // what it was stands in no answer
		return broken, problem.New(http.StatusBadRequest, "broken", "the lines did not arrive whole")
	case p.Lines == 0:
		return ended, problem.New(http.StatusBadRequest, "empty", "there is no line")
	case p.Refused > 0 && !p.duplex:
		return ended, problem.New(http.StatusUnprocessableEntity, "bad_lines",
			"some lines were refused; the others count, and need not be sent again")
	}
	return ended, nil
}

// The last line of an answer in lines, and the bodies of the other answers.
type (
	lastLine struct {
		summary
		Code  string `json:"code,omitempty"` // why we ended the request
		Error string `json:"error,omitempty"`
	}
	receipt struct {
		summary
		Answers []answer `json:"answers,omitempty"` // markets that were suspended
	}
	feedProblem struct {
		*problem.Problem
		summary
		Answers []answer `json:"answers,omitempty"`
	}
)

// finish answers the request.
func (p *post) finish(no *problem.Problem) {
	// net/http sends the rest of the answer after us
	_ = p.stream.control.SetWriteDeadline(time.Now().Add(p.feed.answerWait))
	switch {
	case p.duplex && (p.begun || no == nil):
		last := lastLine{summary: p.summary}
		if no != nil {
			last.Code, last.Error = no.Code, no.Detail
		}
		p.begin()
		_ = json.NewEncoder(p.w).Encode(last) // an error means that the sender has gone
	case no != nil:
		problem.Write(p.w, p.r, feedProblem{Problem: no, summary: p.summary, Answers: p.answers})
	default:
		p.w.Header().Set("Content-Type", "application/json")
		p.w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(p.w).Encode(receipt{p.summary, p.answers})
	}
}
