package wsc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/internal/upstream"
)

// PullConfig says how missed documents are caught up with. Zero fields take the defaults.
type PullConfig struct {
	URL string
	Key string // the feed's API key; without it there is no catch-up

	Every    time.Duration // how often the caller calls Pull
	Lookback time.Duration // the first time, what changed since so long ago is asked for
	Overlap  time.Duration // later, what changed since so long before the last time
	PageSize int
	MaxPages int           // of one kind at a time; the rest is left to the next time
	Tries    int           // of one page, with growing pauses
	Pause    time.Duration // first of these pauses
	Timeout  time.Duration // of one request
	MaxBody  int64         // bytes of a page
}

func (c PullConfig) WithDefaults() PullConfig {
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	c.URL = cmp.Or(strings.TrimRight(c.URL, "/"), "https://blazefeed.clipro.tv")
	orTime(&c.Every, 5*time.Minute)
	orTime(&c.Lookback, 24*time.Hour)
	orTime(&c.Overlap, 15*time.Minute)
	orInt(&c.PageSize, 100)
	orInt(&c.MaxPages, 100)
	orInt(&c.Tries, 5)
	orTime(&c.Pause, 2*time.Second)
	orTime(&c.Timeout, 30*time.Second)
	if c.MaxBody <= 0 {
		c.MaxBody = 32 << 20
	}
	return c
}

// PullJob is the name of the job that catches up, in one process of all.
const PullJob = "wsc-pull"

// Puller asks WSC for what changed lately: webhooks tell only what changes after they were set up,
// and nobody promises that each arrives.
type Puller struct {
	cfg   PullConfig
	clips *Clips
	http  *http.Client
	log   *slog.Logger
	since time.Time // up to when it is caught up; zero at first. Used by Pull only, which is not called twice at a time
}

// NewPuller prepares a catch-up for clips; it starts nothing.
func NewPuller(cfg PullConfig, clips *Clips, log *slog.Logger) *Puller {
	cfg = cfg.WithDefaults()
	return &Puller{cfg: cfg, clips: clips, log: log, http: &http.Client{
		Timeout: cfg.Timeout,
		// the key is in the address
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Pull catches up once. It is not called twice at a time.
func (p *Puller) Pull(ctx context.Context) error {
	defer p.http.CloseIdleConnections() // the next time is minutes away
	begin := p.clips.now()
	from := begin.Add(-p.cfg.Lookback)
	if !p.since.IsZero() {
		from = p.since.Add(-p.cfg.Overlap)
	}
	for _, kind := range []string{"stories", "moments", "videos"} {
		if err := p.pullKind(ctx, kind, from); err != nil {
			return fmt.Errorf("wsc %s: %w", kind, err)
		}
	}
	p.since = begin
	return nil
}

// pullKind reads pages until there is no more. What changes while it reads may stand on two pages,
// or move to one that was read: the overlap of the next time finds that.
func (p *Puller) pullKind(ctx context.Context, kind string, from time.Time) error {
	seen := 0
	for n := range p.cfg.MaxPages {
		page, err := p.page(ctx, kind, n, from)
		if err != nil {
			return err
		}
		for _, raw := range page.Result {
			if err := p.take(ctx, raw); err != nil {
				return err
			}
		}
		seen += len(page.Result)
		if len(page.Result) == 0 || seen >= page.Total {
			return nil
		}
	}
	return fmt.Errorf("more than %d pages", p.cfg.MaxPages)
}

type pageJSON struct {
	Total  int               `json:"totalItems"`
	Result []json.RawMessage `json:"result"`
}

// page fetches one page, with pauses where WSC is busy.
func (p *Puller) page(ctx context.Context, kind string, n int, from time.Time) (pageJSON, error) {
	for try := 1; ; try++ {
		page, wait, err := p.fetch(ctx, kind, n, from)
		if err == nil || try == p.cfg.Tries || errors.Is(err, goalcast.ErrPermanent) {
			return page, err
		}
		if wait == 0 {
			wait = growing(p.cfg.Pause, time.Minute, try)
		}
		select {
		case <-ctx.Done():
			return pageJSON{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// fetch makes one request. wait is how long WSC wants to be left alone, if it said so; it has no
// Retry-After. The address holds the key and is in no error.
func (p *Puller) fetch(ctx context.Context, kind string, n int, from time.Time) (page pageJSON, wait time.Duration,
	err error) {
	query := url.Values{"PageNum": {strconv.Itoa(n)}, "PageSize": {strconv.Itoa(p.cfg.PageSize)},
		"UpdateTime.From": {from.UTC().Format(time.RFC3339)}, "ApiKey": {p.cfg.Key}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.URL+"/v1/"+kind+"?"+query.Encode(), nil)
	if err != nil {
		return page, 0, fmt.Errorf("%w: the address of WSC's feed is none", goalcast.ErrPermanent)
	}
	res, err := p.http.Do(r)
	if err != nil {
		return page, 0, fmt.Errorf("%w: %w", goalcast.ErrUnavailable, upstream.WithoutURL(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("X-RateLimit-Reset"))
		return page, time.Duration(max(0, min(seconds, 300))) * time.Second, fmt.Errorf("%w: too many requests",
			goalcast.ErrUnavailable)
	case res.StatusCode >= 500:
		return page, 0, fmt.Errorf("%w: status %d", goalcast.ErrUnavailable, res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return page, 0, fmt.Errorf("%w: status %d", goalcast.ErrPermanent, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, p.cfg.MaxBody+1))
	if err == nil && int64(len(body)) > p.cfg.MaxBody {
		return page, 0, fmt.Errorf("%w: a page of more than %d bytes", goalcast.ErrPermanent, p.cfg.MaxBody)
	}
	if err == nil {
		// each content is looked at again, and counted
		body, err = letters.JSON(body, max(1, p.cfg.PageSize)*maxElements, new(letters.Mended))
	}
	if err == nil {
		err = json.Unmarshal(body, &page)
	}
	if err != nil {
		return page, 0, fmt.Errorf("%w: %w", goalcast.ErrUnavailable, err)
	}
	return page, 0, nil
}

// take sends a content the way of a webhook's document, unless that or a newer one of
// the clip was applied.
func (p *Puller) take(ctx context.Context, raw []byte) error {
	c := p.clips
	k, err := parse(raw)
	if err != nil {
		c.metrics.pulled.WithLabelValues("refused").Inc()
		p.log.Warn("content not understood", "error", err)
		return nil
	}
	r, err := c.load(ctx, k.ID)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return err
	}
	newest := clip{At: fromMillis(r.At), Version: r.Version}
	if r.Document != 0 && k.version("").Compare(newest.version("")) <= 0 {
		c.metrics.pulled.WithLabelValues("known").Inc()
		return nil
	}
	_, err = c.pipeline.Accept(ctx, "wsc", map[string]string{"content-type": "application/json",
		"x-goalcast-pulled": "1"}, raw)
	if errors.Is(err, goalcast.ErrPermanent) {
		c.metrics.pulled.WithLabelValues("refused").Inc()
		p.log.Warn("content not applied", "clip", k.ID, "error", err)
		return nil
	}
	if err == nil {
		c.metrics.pulled.WithLabelValues("new").Inc()
	}
	return err
}
