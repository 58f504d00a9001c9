package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Times of an OddsPoster.
const (
	oddsEvery   = 200 * time.Millisecond // lines are looked for
	oddsStuck   = 10 * time.Second       // a request whose lines nobody takes for so long is given up
	oddsGoodbye = 5 * time.Second        // for the answer once all is said
	oddsPause   = 5 * time.Second        // between two tries, at most
)

// OddsPoster posts the odds of the day that is played to a feed endpoint (".../feeds/odds"): one
// request for a day, whose lines come as they become true. Show is safe for concurrent use.
type OddsPoster struct {
	url, secret string
	client      *http.Client
	log         *slog.Logger
	days        chan *Day
}

// NewOddsPoster makes an OddsPoster; it starts nothing. Secret, where it is not empty, goes as a
// bearer token. A client of nil is one that fits; one with a time limit would end the requests.
func NewOddsPoster(url, secret string, client *http.Client, log *slog.Logger) *OddsPoster {
	if client == nil {
		client = &http.Client{}
	}
	return &OddsPoster{url: url, secret: secret, client: client, log: log, days: make(chan *Day, 1)}
}

// Show has the odds of a day posted from now on; those of the day before end. It fits
// Config.Begins.
func (p *OddsPoster) Show(d *Day) {
	select {
	case <-p.days: // one that was never begun
	default:
	}
	p.days <- d
}

// Run posts until ctx ends: then it returns nil. While the endpoint cannot be reached or does not
// take the lines now, it is tried again with growing pauses, and told everything again. An answer
// that will not change is ErrRefused.
func (p *OddsPoster) Run(ctx context.Context) error {
	var day *Day
	for try := 0; ; try++ {
		began := time.Now()
		var next *Day
		var err error
		if day == nil {
			select {
			case next = <-p.days:
			case <-ctx.Done():
			}
		} else {
			next, err = p.post(ctx, day)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrRefused):
			return err
		case next != nil:
			day, try = next, -1
			continue
		case time.Since(began) > oddsStuck: // it went well for a while
			try = 0
		}
		if try == 0 { // the first of many is enough to know
			p.log.WarnContext(ctx, "odds are not taken; trying on", "error", err)
		}
		if !sleep(ctx, min(oddsPause, oddsEvery<<min(try, 6))) {
			return nil
		}
	}
}

// post tells the odds of a day in one request, until ctx ends or there is another day.
func (p *OddsPoster) post(ctx context.Context, day *Day) (next *Day, err error) {
	posting, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the last line is to end as it should
	defer cancel()
	body := &oddsBody{ctx: ctx, day: day, book: day.Bookmaker(), days: p.days, closed: make(chan struct{}),
		watchdog: time.AfterFunc(oddsStuck, cancel)}
	defer body.watchdog.Stop()
	req, err := http.NewRequestWithContext(posting, http.MethodPost, p.url, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Expect", "100-continue") // a refusal comes before the first line
	if p.secret != "" {
		req.Header.Set("Authorization", "Bearer "+p.secret)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return body.end(), err
	}
	answer := excuse(res, p.secret)
	next = body.end()
	final := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed}
	switch {
	case slices.Contains(final, res.StatusCode):
		return next, fmt.Errorf("%w: %s: %s", ErrRefused, res.Status, answer)
	case res.StatusCode/100 != 2:
		return next, fmt.Errorf("%s: %s", res.Status, answer)
	case next == nil:
		return nil, errors.New("the endpoint has ended the request")
	}
	return next, nil
}

// oddsBody is the body of a request: Read waits for what is to be told next. The transport reads
// it; end comes after that.
type oddsBody struct {
	ctx      context.Context
	day      *Day
	days     <-chan *Day
	watchdog *time.Timer // ends the request; each Read puts it off

	closing sync.Once
	closed  chan struct{}

	mu   sync.Mutex // guards the rest: a Read may still run when the request has ended
	book *Bookmaker
	rest []byte // lines that are not read yet
	next *Day   // where another day has ended this one's request
	over bool
}

// Read implements io.Reader. The body ends with ctx, and where there is another day.
func (b *oddsBody) Read(to []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.rest) == 0 {
		if b.over {
			return 0, io.EOF
		}
		b.watchdog.Reset(oddsStuck)
		pause := time.NewTimer(oddsEvery)
		select {
		case <-pause.C:
			b.rest = b.book.Lines(time.Since(b.day.cfg.Start))
		case b.next = <-b.days:
			b.over = true
		case <-b.ctx.Done():
			b.over = true
		case <-b.closed:
			b.over = true
		}
		pause.Stop()
		if b.over {
			b.watchdog.Reset(oddsGoodbye)
		}
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements io.Closer: nobody reads any more.
func (b *oddsBody) Close() error {
	b.closing.Do(func() { close(b.closed) })
	return nil
}

// end tells which day is to follow, nil for the same one.
func (b *oddsBody) end() *Day {
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	return b.next
}
