package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
	"goalcast/rest"
)

// books is what the real board reads.
type books struct{ *fake }

func (b books) Match(_ context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.matches[id]
	if !ok {
		return m, goalcast.ErrNotFound
	}
	return m, nil
}

// openWithBoard starts a house whose matches come from the real board, at the time it is, as a
// minute begins.
func openWithBoard(t *testing.T, change ...func(*rest.Config, *rest.Deps)) (*house, *board.Board) {
	t.Helper()
	var b *board.Board
	h := open(t, append(change, func(cfg *rest.Config, deps *rest.Deps) {
		b = board.New(books{deps.Board.(*fake)}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		deps.Board = b
	})...)
	b.Reset(goalcast.Cursor{Epoch: "k3x9", Offset: 41})
	h.clock.set(time.Now().UTC().Truncate(time.Minute))
	h.with(func() {
		m := h.matches[1009316]
		m.Kickoff = h.clock.now()
		h.matches[1009316] = m
	})
	return h, b
}

// counted is the value of a counter with a label of this value.
func (h *house) counted(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatalf("no %s of %s", name, label)
	return 0
}

// made says how often answers were encoded and compressed.
func (h *house) made(t *testing.T) string {
	t.Helper()
	var text []string
	for _, coding := range []string{"identity", "br", "zstd", "gzip"} {
		text = append(text, fmt.Sprint(coding, " ", h.counted(t, "goalcast_rest_answers_made_total", coding)))
	}
	return strings.Join(text, ", ")
}

func unpacked(t *testing.T, a answer) string {
	t.Helper()
	r := io.Reader(bytes.NewReader(a.body))
	var err error
	switch coding := a.header.Get("Content-Encoding"); coding {
	case "":
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		t.Fatalf("Content-Encoding %q", coding)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Bytes that differ have tags that differ: each coding has its own, and it is known when it comes
// back, whatever the client would take now.
func TestEveryCodingIsTheSameAnswer(t *testing.T) {
	h := open(t)
	const path = "/v1/matches/1009316"
	whole := h.get(t, path)
	tags := map[string]string{whole.header.Get("ETag"): "identity"}
	for _, coding := range []string{"br", "zstd", "gzip"} {
		a := h.get(t, path, "Accept-Encoding: "+coding)
		tag := a.header.Get("ETag")
		if a.header.Get("Content-Encoding") != coding || unpacked(t, a) != string(whole.body) || tags[tag] != "" {
			t.Errorf("%s: %v, %d bytes of %d", coding, a.header, len(a.body), len(whole.body))
		}
		tags[tag] = coding
	}
	for tag := range tags {
		a := h.get(t, path, "Accept-Encoding: br", "If-None-Match: "+tag)
		if a.status != http.StatusNotModified || a.header.Get("ETag") != tag || a.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", tag, a.status, a.header)
		}
		if vary := strings.Join(a.header.Values("Vary"), ", "); vary != "Accept-Encoding" {
			t.Errorf("Vary %q", vary)
		}
	}
	if vary := strings.Join(whole.header.Values("Vary"), ", "); vary != "Accept-Encoding" {
		t.Errorf("Vary %q", vary)
	}
	if a := h.ask(t, http.MethodHead, path, "", "Accept-Encoding: gzip"); a.header.Get("Content-Encoding") != "gzip" ||
		tags[a.header.Get("ETag")] != "gzip" {
		t.Errorf("HEAD: %v", a.header)
	}
}

// Of what a client takes it gets what it likes best, and of equals what packs best.
func TestAcceptEncodingIsKeptTo(t *testing.T) {
	h := open(t)
	for accept, want := range map[string]string{
		"":                                   "",
		"gzip":                               "gzip",
		"x-gzip":                             "gzip",
		"GZIP":                               "gzip",
		"gzip, deflate, br, zstd":            "br",
		"gzip, zstd":                         "zstd",
		"gzip;q=1.0, br;q=0.5":               "gzip",
		"gzip;q=0.4, br;q=0.5, identity;q=1": "",
		"gzip;q=0, br;q=0":                   "",
		"deflate, compress":                  "",
		"*":                                  "br",
		"br;q=0, *":                          "zstd",
		"identity":                           "",
		"identity;q=0, gzip":                 "gzip",
		"*;q=0, zstd;q=0.001":                "zstd",
		"br ; q=0.2 , gzip ; Q=0.7":          "gzip",
		"gzip;q=nonsense":                    "",
		";;,,=":                              "",
	} {
		a := h.get(t, "/v1/matches/1009316", "Accept-Encoding: "+accept)
		if a.status != http.StatusOK || a.header.Get("Content-Encoding") != want {
			t.Errorf("%q: %d %q, want %q", accept, a.status, a.header.Get("Content-Encoding"), want)
		}
	}
	for _, accept := range []string{"identity;q=0", "*;q=0", "identity;q=0, deflate"} {
		h.get(t, "/v1/matches/1009316", "Accept-Encoding: "+accept).problem(t, http.StatusNotAcceptable,
			"not_acceptable")
	}
	h.with(func() { h.matches[2] = planned(2, kickoff, 1, 2, 3) }) // smaller than a packet
	if a := h.get(t, "/v1/matches/2", "Accept-Encoding: br"); a.header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes were packed", len(a.body))
	}
	if a := h.get(t, "/v1/matches/2", "Accept-Encoding: br, identity;q=0"); a.header.Get("Content-Encoding") != "br" {
		t.Errorf("%v, though the client takes nothing else", a.header)
	}
}

// A match is encoded, hashed and packed once for all who ask, until it changes; a 304 costs nothing
// of that. What changed is in the very next answer.
func TestAnswersAreMadeOncePerVersion(t *testing.T) {
	h, b := openWithBoard(t)
	ask := func(path string) (tag string) {
		var wg sync.WaitGroup
		for range 8 {
			for _, coding := range []string{"identity", "br", "zstd", "gzip"} {
				wg.Go(func() { h.send(t, http.MethodGet, path, "", "Accept-Encoding: "+coding) })
			}
		}
		wg.Wait()
		_, a := h.send(t, http.MethodGet, path, "")
		for range 3 {
			if _, a := h.send(t, http.MethodGet, path, "", "If-None-Match: "+a.header.Get("ETag")); a.status !=
				http.StatusNotModified {
				t.Errorf("%s: %d", path, a.status)
			}
		}
		return a.header.Get("ETag")
	}
	goal := func(seq int64) {
		e, _ := h.matches[1009316].Event("opta:1")
		e.ID, e.Seq, e.Minute = fmt.Sprintf("opta:%d", 100+seq), seq, 30
		b.Event(goalcast.Published{Event: e, Cursor: goalcast.Cursor{Epoch: "k3x9", Offset: uint64(seq)}})
	}
	const match = "/v1/matches/1009316"
	list := "/v1/matches?date=" + h.clock.now().Format(time.DateOnly)
	first := ask(match)
	if got := h.made(t); got != "identity 1, br 1, zstd 1, gzip 1" {
		t.Errorf("made %s", got)
	}
	seq := h.matches[1009316].Seq
	for n := range 3 {
		goal(seq + 1 + int64(n))
		_, a := h.send(t, http.MethodGet, match, "", "If-None-Match: "+first)
		if m := decode[matchAnswer](t, a.body); m.Score.Home != 2+n || m.Seq != seq+1+int64(n) {
			t.Errorf("after goal %d: %d, seq %d, score %v", n+1, a.status, m.Seq, m.Score)
		}
	}
	ask(match)
	if got := h.made(t); got != "identity 4, br 2, zstd 2, gzip 2" {
		t.Errorf("made %s", got)
	}
	h.send(t, http.MethodGet, list, "") // and is read by the board, which changes that
	h.send(t, http.MethodGet, list, "")
	before := h.made(t)
	ask(list)
	if got := h.made(t); got != before {
		t.Errorf("made %s, then %s", before, got)
	}
	goal(seq + 4)
	_, a := h.send(t, http.MethodGet, list, "")
	if !bytes.Contains(a.body, []byte(`"score":{"home":5,`)) {
		t.Errorf("the list after a goal: %s", a.body)
	}
}

// The cursor in an answer that does not change is not for ever the same: hubs would no longer know
// it.
func TestCursorOfAQuietMatchComesAlong(t *testing.T) {
	h, b := openWithBoard(t)
	const path = "/v1/matches/1009316"
	_, first := h.send(t, http.MethodGet, path, "")
	b.Event(goalcast.Published{Event: goalcast.Event{ID: "m", Kind: goalcast.KindMessage},
		Cursor: goalcast.Cursor{Epoch: "k3x9", Offset: 977}})
	if a := h.get(t, path); a.header.Get("Goalcast-Cursor") != "k3x9-977" {
		t.Errorf("header %v", a.header)
	}
	h.clock.add(11 * time.Second)
	a := h.get(t, path)
	if decode[matchAnswer](t, a.body).Cursor.Offset != 977 || a.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("%v, cursor %v", a.header, decode[matchAnswer](t, a.body).Cursor)
	}
}

// Encoded answers take so much memory and no more; what has no room is made again.
func TestEncodedAnswersAreBounded(t *testing.T) {
	const limit = 100_000
	h, _ := openWithBoard(t, func(cfg *rest.Config, _ *rest.Deps) { cfg.MatchBytes, cfg.ListBytes = limit, limit })
	h.with(func() {
		for id := goalcast.MatchID(1); id <= 20; id++ {
			m := h.matches[1009316]
			m.ID = id
			h.matches[id] = m
		}
	})
	for id := 1; id <= 20; id++ {
		if _, a := h.send(t, http.MethodGet, fmt.Sprint("/v1/matches/", id), ""); a.status != http.StatusOK {
			t.Errorf("%d", a.status)
		}
		h.send(t, http.MethodGet, fmt.Sprintf("/v1/matches?limit=%d", id), "")
	}
	for _, answer := range []string{"match", "list"} {
		if n := h.counted(t, "goalcast_rest_answers_bytes", answer); n > limit || n < limit/4 {
			t.Errorf("%s: %v bytes", answer, n)
		}
		if n := h.counted(t, "goalcast_rest_answers_evicted_total", answer); n == 0 {
			t.Errorf("no %s was dropped", answer)
		}
	}
}
