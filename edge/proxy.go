package edge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"goalcast/internal/problem"
)

const (
	// maxProxied is how many requests may be with the upstream at one time; more are answered 503.
	maxProxied = 128
	// proxyTime is for one of them.
	proxyTime = 15 * time.Second
)

// Proxy passes on what everybody may read under /v1: an edge has no database. What is of one user,
// and what writes, is refused: tokens and tickets are for the installation itself.
func (c *Client) Proxy() http.Handler {
	to, err := url.Parse(c.cfg.URL)
	if err != nil {
		panic("edge: " + err.Error()) // checked with the settings
	}
	slots := make(chan struct{}, maxProxied)
	next := &httputil.ReverseProxy{
		Transport: c.http.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("Cookie")
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(r.Context().Err(), context.Canceled) {
				c.log.Warn("request not passed on", "path", r.URL.Path, "error", err)
			}
			c.metrics.proxied.WithLabelValues("error").Inc()
			no := problem.New(http.StatusBadGateway, "upstream", "the upstream does not answer, try again")
			no.Retry = time.Second
			problem.Write(w, r, no)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(r) {
			c.metrics.proxied.WithLabelValues("refused").Inc()
			problem.Write(w, r, problem.New(http.StatusNotFound, "not_at_edge",
				"this is an edge: ask the installation itself for what is of a user, or writes"))
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			c.metrics.proxied.WithLabelValues("too_many").Inc()
			no := problem.New(http.StatusServiceUnavailable, "overloaded", "too many requests here, try again")
			no.Retry = time.Second
			problem.Write(w, r, no)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), proxyTime)
		defer cancel()
		one := *next
		one.ModifyResponse = func(res *http.Response) error {
			c.metrics.proxied.WithLabelValues("ok").Inc()
			for name := range w.Header() { // this server's own fields are not sent twice
				res.Header.Del(name)
			}
			return nil
		}
		one.ServeHTTP(w, r.WithContext(ctx))
	})
}

// reads says whether a request is for what everybody may read.
func reads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.URL.Path != "/v1/me" && !strings.HasPrefix(r.URL.Path, "/v1/me/")
	}
	return false
}
