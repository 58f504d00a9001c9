package brightcove_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/ingest/wsc/brightcove"
)

// FuzzCallback: whatever is posted to a video's own address, it is answered, and wakes
// nobody but that video.
func FuzzCallback(f *testing.F) {
	for _, body := range []string{`{"entityType":"TITLE","status":"SUCCESS","videoId":"1"}`,
		`{"entityType":"ASSET","status":"FAILED"}`, `{"videoId":"2","status":"FAILED"}`, `{`, `[]`, `null`} {
		f.Add(body)
	}
	var path string
	services := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, rest, ok := strings.Cut(string(body), "https://feeds.example.org"); ok {
			path, _, _ = strings.Cut(rest, `"`)
		}
		_, _ = io.WriteString(w, `{"id":"1","access_token":"t","token_type":"Bearer","expires_in":300}`)
	}))
	f.Cleanup(services.Close)
	cfg := config(services.URL)
	cfg.CallbackURL, cfg.CallbackSecret = "https://feeds.example.org", "guess"
	c := brightcove.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f.Cleanup(c.Close)
	if _, err := c.StartIngest(f.Context(), "1", "https://cdn.example.org/a.mp4"); err != nil || path == "" {
		f.Fatal(path, err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var woken []string
		h := c.Callbacks(func(_ context.Context, video string) error {
			woken = append(woken, video)
			return nil
		})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		switch {
		case w.Code != http.StatusNoContent && w.Code != http.StatusBadRequest:
			t.Fatal(w.Code)
		case len(woken) > 1 || len(woken) == 1 && (woken[0] != "1" || w.Code != http.StatusNoContent):
			t.Fatal(w.Code, woken)
		}
	})
}

// FuzzAnswers: no answer of Brightcove's ends the process, and what is taken from
// one is fit to be shown.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{`{"id":"1","state":"finished"}`, `{"id":"2","state":"failed","error_code":"x"}`,
		`{"poster":{"src":"https://a.example/p.jpg"},"thumbnail":{"sources":[{"src":"http://a.example/t.jpg"}]}}`,
		`[{"error_code":"RESOURCE_NOT_FOUND","message":"m"}]`, `{"error":"x"}`, `<html>`, ``} {
		f.Add(200, body)
		f.Add(422, body)
	}
	answer := struct {
		status int
		body   string
	}{}
	services := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "access_token") {
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":300}`)
			return
		}
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body)
	}))
	f.Cleanup(services.Close)
	c := brightcove.New(config(services.URL), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f.Cleanup(c.Close)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status == http.StatusTooManyRequests { // the client pauses after 429
			return
		}
		answer.status, answer.body = status, body
		job, err := c.Job(t.Context(), "1", "1")
		if err == nil && (job.State == "" || len(job.Error) > 400) {
			t.Fatalf("%+v", job)
		}
		images, err := c.Images(t.Context(), "1")
		for _, address := range []string{images.Poster, images.Thumbnail} {
			if address != "" && (err != nil || !strings.HasPrefix(address, "https://")) {
				t.Fatalf("%q, %v", address, err)
			}
		}
		if id, _, err := c.CreateVideo(t.Context(), brightcove.Video{Name: "n", Reference: "r"}); err == nil &&
			id == "" {
			t.Fatal("a video without an id")
		}
	})
}
