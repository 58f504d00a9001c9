package rest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
	"goalcast/rest"
)

// nowhere is a client of whom nothing is heard.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMatch is what an answer from memory costs before net/http writes it: a live match as
// phones ask for it when a goal falls, whole or as a 304.
func BenchmarkMatch(b *testing.B) {
	f := newFake()
	m := fullMatch()
	f.matches[m.ID] = m
	held := board.New(books{f}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	held.Reset(goalcast.Cursor{Epoch: "k3x9", Offset: 41})
	serve := func(cfg rest.Config) http.Handler {
		return rest.New(cfg, rest.Deps{Board: held, Store: f}, slog.New(slog.DiscardHandler),
			prometheus.NewRegistry()).Public()
	}
	server := serve(rest.Config{ReadRate: 120_000})
	host := 0
	ask := func(b *testing.B, want int, headers ...string) http.Header {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/matches/1009316", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := &nowhere{header: http.Header{}}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if n%1000 == 0 { // each phone asks for less than its share
				host++
				r.RemoteAddr = fmt.Sprintf("203.0.%d.%d:443", host>>8&0xff, host&0xff)
			}
			clear(w.header)
			server.ServeHTTP(w, r)
		}
		if w.status != want && (w.status != 0 || want != http.StatusOK) {
			b.Fatal("status ", w.status)
		}
		return w.header
	}
	var tag string
	b.Run("whole", func(b *testing.B) {
		tag = ask(b, http.StatusOK, "Accept-Encoding", "gzip, deflate, br, zstd").Get("ETag")
	})
	b.Run("304", func(b *testing.B) { ask(b, http.StatusNotModified, "If-None-Match", tag) })
	server = serve(rest.Config{})
	b.Run("without limits", func(b *testing.B) { ask(b, http.StatusOK, "Accept-Encoding", "gzip, deflate, br, zstd") })
}
