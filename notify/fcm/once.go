package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/oauth2"
)

// Headers that once adds to an answer, for outcome.
const (
	faultHeader = "X-Goalcast-Fault"       // no answer came, and why
	afterHeader = "X-Goalcast-Retry-After" // what Retry-After said
)

// Why no answer came.
const (
	faultDial    = "connect"     // no connection, or not in time: nothing was sent
	faultToken   = "credentials" // no access token to be had: nothing was sent
	faultNetwork = "no_answer"   // the message may have been sent
)

// once keeps the SDK from trying a message again by itself. It would, after a network fault or
// a 503, up to four times and for as long as Retry-After says, up to two minutes each:
// meanwhile a goal can be taken back or get old, and only the notifier knows. The SDK does not
// wait for longer than two minutes; so each fault becomes a 503 that asks for more, with the
// truth in headers of our own.
type once struct {
	next    http.RoundTripper
	timeout time.Duration // of one request, its answer's body included
	seconds *prometheus.HistogramVec
}

func newOnce(next http.RoundTripper, timeout time.Duration, reg prometheus.Registerer) once {
	return once{next, timeout, promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
		Name: "goalcast_fcm_request_seconds", Help: "Requests to Firebase, by project and HTTP status (0: no answer).",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"status"})}
}

// requestTime is when a message's request was made. Its place is in the request's context, under
// requestKey: whoever sends reads it there when the SDK has returned.
type requestTime time.Time

type requestKey struct{}

// never is a Retry-After that the SDK does not wait for, in seconds.
const never = "86400"

// RoundTrip returns an error only where the caller's own time is over.
func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	started := time.Now()
	if t, ok := req.Context().Value(requestKey{}).(*requestTime); ok {
		*t = requestTime(started)
	}
	resp, err := o.try(req)
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	o.seconds.WithLabelValues(strconv.Itoa(status)).Observe(time.Since(started).Seconds())
	switch {
	case err != nil && req.Context().Err() != nil:
		return nil, err // the SDK sees that too
	case err != nil:
		return fault(req, err), nil
	case status == http.StatusServiceUnavailable:
		resp.Header.Set(afterHeader, resp.Header.Get("Retry-After"))
		resp.Header.Set("Retry-After", never)
	}
	return resp, nil
}

// maxAnswer is how much of an answer is read, in bytes; Firebase's have a few hundred.
const maxAnswer = 64 << 10

// errNotWritten marks a fault that came before the request was on its way.
var errNotWritten = errors.New("nothing was sent")

// try sends the request and reads the whole answer. An answer that breaks off is none,
// unless its status said that the message was taken: then neither what it says nor how it
// ends matters any more.
func (o once) try(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), o.timeout)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	resp, err := o.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		if !wrote.Load() {
			err = errors.Join(errNotWritten, err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch taken := resp.StatusCode/100 == 2; {
	case taken && (err != nil || !json.Valid(text)):
		text, err = []byte("{}"), nil
	case !json.Valid(text): // of somebody in between, who may repeat what was asked: with tokens
		text = []byte("{}")
	}
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

// fault is the answer that stands for none.
func fault(req *http.Request, err error) *http.Response {
	kind, text := faultNetwork, err.Error()
	var token *oauth2.RetrieveError
	switch {
	case errors.As(err, &token):
		// What was answered may repeat what was asked, and that has our assertion, which is good
		// for an hour.
		kind, text = faultToken, fmt.Sprintf("no token: answered %d", token.Response.StatusCode)
	case errors.Is(err, errNotWritten):
		kind = faultDial
	}
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Status: "503 " + kind, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Request: req,
		Header: http.Header{"Retry-After": {never}, faultHeader: {kind}},
		Body:   io.NopCloser(strings.NewReader(text)),
	}
}
