package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrRefused says that the endpoint will not take a document, however often it is sent.
var ErrRefused = errors.New("document refused")

// Poster gives a post function for Run that sends documents to a feed endpoint (".../feeds/opta")
// as Opta does: one POST per document. Secret, where it is not empty, goes as a bearer token. While
// the endpoint cannot be reached or says 429 or 5xx, the document is sent again, after Retry-After
// or growing pauses up to 5 s, until ctx ends; any other answer but 2xx is ErrRefused. A client of
// nil is one with a time limit of 15 s.
func Poster(url, secret string, client *http.Client, log *slog.Logger) func(context.Context, Document) error {
	if client == nil {
		client = &http.Client{Timeout: 15 * time.Second}
	}
	return func(ctx context.Context, doc Document) error {
		for try := 0; ; try++ {
			wait, err := postOnce(ctx, client, url, secret, doc)
			if err == nil || errors.Is(err, ErrRefused) {
				return err
			}
			if wait == 0 {
				wait = min(5*time.Second, 100*time.Millisecond<<min(try, 6))
				wait = wait/2 + rand.N(wait/2)
			}
			if try == 0 { // the first of many is enough to know
				log.WarnContext(ctx, "feed endpoint does not take documents; trying on", "feed", doc.Feed, "match",
					doc.Match, "error", err)
			}
			if !sleep(ctx, wait) {
				return err
			}
		}
	}
}

// postOnce sends the document. With an error that is not ErrRefused it may say how long the server
// wants to be left alone.
func postOnce(ctx context.Context, client *http.Client, url, secret string, doc Document) (wait time.Duration,
	err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(doc.Body))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for name, value := range doc.Headers {
		req.Header.Set(name, value)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	answer := excuse(res, secret)
	switch {
	case res.StatusCode/100 == 2:
		return 0, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 5:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return time.Duration(min(max(seconds, 0), 30)) * time.Second, fmt.Errorf("%s: %s", res.Status, answer)
	}
	return 0, fmt.Errorf("%w: %s: %s", ErrRefused, res.Status, answer)
}

// excuse is the beginning of an answer's body, for an error's text. The other side may repeat what
// it was sent, the secret too, which is left out.
func excuse(res *http.Response, secret string) string {
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	shown := string(text)
	if secret != "" {
		shown = strings.ReplaceAll(shown, secret, "[secret]")
	}
	return shown[:min(len(shown), 300)]
}
