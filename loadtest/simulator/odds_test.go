package simulator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast/loadtest/simulator"
)

// oddsLine is a line as a provider's reader sees it.
type oddsLine struct {
	Type, Event, Competition, Home, Away string
	Kickoff                              time.Time
	At                                   int64
	Markets                              []struct {
		Market, Status string
		Prices         map[string]string
	}
	Settlements []struct {
		Market  string
		Results map[string]string
	}
	after time.Duration // the day's start
}

const oddsTick = 200 * time.Millisecond

// tellAll lists all lines of a day.
func tellAll(t *testing.T, d *simulator.Day) (list []oddsLine) {
	t.Helper()
	b := d.Bookmaker()
	for at := time.Duration(0); at <= d.Length()+5*time.Second; at += oddsTick {
		list = append(list, parse(t, b.Lines(at), at)...)
	}
	return list
}

func parse(t *testing.T, text []byte, after time.Duration) (list []oddsLine) {
	t.Helper()
	for line := range bytes.Lines(text) {
		l := oddsLine{after: after}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, l)
	}
	return list
}

func TestSameSeedSameOdds(t *testing.T) {
	tell := func(seed uint64) []byte {
		b := simulator.New(simulator.Config{Seed: seed, Matches: 2, TouchesPerMinute: -1, Start: start}).Bookmaker()
		var out []byte
		for at := time.Duration(0); at < time.Minute; at += oddsTick {
			out = append(out, b.Lines(at)...)
		}
		return out
	}
	a := tell(7)
	if !bytes.Equal(a, tell(7)) {
		t.Error("two tellings of one seed differ")
	}
	if bytes.Equal(a, tell(8)) {
		t.Error("another seed has the same odds")
	}
}

// TestBetsAreOffFromAGoalUntilAnImage follows each match as a reader of the lines does.
func TestBetsAreOffFromAGoalUntilAnImage(t *testing.T) {
	d := simulator.New(simulator.Config{Seed: 7, Matches: 4, TouchesPerMinute: -1, Start: start})
	byEvent := map[string][]oddsLine{}
	for _, l := range tellAll(t, d) {
		byEvent[l.Event] = append(byEvent[l.Event], l)
	}
	if len(byEvent) != 5 { // alive has none
		t.Fatalf("odds of %v", slices.Collect(maps.Keys(byEvent)))
	}
	early, late := 0, 0
	for _, m := range d.Matches() {
		lines := byEvent["sim:"+strconv.FormatInt(m.ID, 10)]
		if f := lines[0]; f.Type != "fixture" || f.Home != m.Home.Name || f.Away != m.Away.Name ||
			!f.Kickoff.Equal(m.Kickoff) {
			t.Fatalf("%v begins with %+v", m, f)
		}
		var offAt []time.Duration
		isOpen := false
		for _, l := range lines[1:] {
			switch {
			case l.Type == "image" && isOpen, l.Type == "change" && !isOpen:
				t.Errorf("%v: %s at %v, open: %v", m, l.Type, l.after, isOpen)
			case l.Type == "image":
				isOpen = true
			case l.Type == "suspend":
				isOpen, offAt = false, append(offAt, l.after)
			}
		}
		for _, g := range m.Goals {
			at := g.At.Sub(start)
			i := slices.IndexFunc(lines, func(l oddsLine) bool {
				return (l.Type == "image" || l.Type == "settle") && l.after > at+2*time.Second+oddsTick
			})
			// It may be off already, for what was before.
			j := slices.IndexFunc(offAt, func(off time.Duration) bool { return off+oddsTick >= at })
			switch {
			case i < 0:
				t.Errorf("%v: bets are not on again after the goal of %v", m, at)
			case j >= 0 && offAt[j] > at+time.Second:
				late++
			default:
				early++
			}
		}
		settles(t, m, lines[len(lines)-1])
	}
	if early == 0 || late == 0 {
		t.Errorf("bets are off in time at %d goals and late at %d, want some of both", early, late)
	}
}

func settles(t *testing.T, m simulator.Match, l oddsLine) {
	t.Helper()
	won := map[string]string{}
	for _, s := range l.Settlements {
		for key, result := range s.Results {
			if result == "won" {
				won[s.Market] += key
			}
		}
	}
	want := map[string]string{"1x2": "draw", "ou:2.5": "under", "btts": "no"}
	switch {
	case m.Score[0] > m.Score[1]:
		want["1x2"] = "home"
	case m.Score[0] < m.Score[1]:
		want["1x2"] = "away"
	}
	if m.Score[0]+m.Score[1] > 2 {
		want["ou:2.5"] = "over"
	}
	if m.Score[0] > 0 && m.Score[1] > 0 {
		want["btts"] = "yes"
	}
	if l.Type != "settle" || !maps.Equal(won, want) {
		t.Errorf("%v: in the end %s %v, want %v", m, l.Type, won, want)
	}
}

func TestPricesAddUpAndMove(t *testing.T) {
	d := simulator.New(simulator.Config{Seed: 7, Matches: 4, TouchesPerMinute: -1, Start: start})
	told, moved := 0, 0
	last := map[string]string{}
	for _, l := range tellAll(t, d) {
		for _, market := range l.Markets {
			if market.Status != "open" {
				continue
			}
			sum := 0.0
			for _, text := range market.Prices {
				price, err := strconv.ParseFloat(text, 64)
				if _, cents, _ := strings.Cut(text, "."); err != nil || price < 1.01 || price > 501 || len(cents) != 2 {
					t.Fatalf("%s: price %q", market.Market, text)
				}
				sum += 1 / price
			}
			if sum < 0.98 || sum > 1.15 { // below 1 where a price would be shorter than the shortest
				t.Errorf("%s %v adds up to %.3f", market.Market, market.Prices, sum)
			}
			if key := l.Event + market.Market; last[key] != fmt.Sprint(market.Prices) {
				last[key] = fmt.Sprint(market.Prices)
				moved++
			}
			told++
		}
	}
	if told == 0 || moved < told/2 {
		t.Errorf("of %d prices %d are others than before", told, moved)
	}
}

func TestAGoalMakesItsSideTheFavourite(t *testing.T) {
	d := simulator.New(simulator.Config{Seed: 7, Matches: 4, TouchesPerMinute: -1, Start: start})
	lines := tellAll(t, d)
	compared := 0
	for _, m := range d.Matches() {
		for _, g := range m.Goals {
			if g.Cancelled {
				continue
			}
			side := "home"
			if g.Team == m.Away.ID {
				side = "away"
			}
			var before, after float64
			for _, l := range lines {
				if l.Event != "sim:"+strconv.FormatInt(m.ID, 10) || len(l.Markets) == 0 {
					continue
				}
				price, _ := strconv.ParseFloat(l.Markets[0].Prices[side], 64)
				if l.after < g.At.Sub(start) {
					before = price
				} else if l.Type == "image" && l.after > g.At.Sub(start)+2*time.Second {
					after = price
					break
				}
			}
			compared++
			if after >= before && before > 1.1 && !another(m, g) {
				t.Errorf("%v: %s costs %.2f before its goal and %.2f after it", m, side, before, after)
			}
		}
	}
	if compared == 0 {
		t.Error("no goal to look at")
	}
}

// another says whether anything else changed prices within some seconds of a goal.
func another(m simulator.Match, g simulator.Goal) bool {
	return slices.ContainsFunc(m.Goals, func(o simulator.Goal) bool {
		return o.EventID != g.EventID && o.At.Sub(g.At).Abs() < 12*time.Second
	})
}

func TestANewConnectionIsToldAllAnew(t *testing.T) {
	d := simulator.New(simulator.Config{Seed: 7, Matches: 2, TouchesPerMinute: -1, Start: start})
	kinds := map[string]int{}
	for _, l := range parse(t, d.Bookmaker().Lines(40*time.Second), 0) {
		kinds[l.Type]++
	}
	if kinds["fixture"] != 2 || kinds["image"]+kinds["suspend"] != 2 || kinds["alive"] != 1 {
		t.Errorf("a connection in the middle begins with %v", kinds)
	}
}

func TestABookmakerIsAliveAtLeastOnceASecond(t *testing.T) {
	b := simulator.New(simulator.Config{Seed: 7, Matches: 1, TouchesPerMinute: -1, Start: start}).Bookmaker()
	last := time.Duration(0)
	for at := time.Duration(0); at < time.Minute; at += oddsTick {
		if len(b.Lines(at)) > 0 {
			last = at
		}
		if at-last >= time.Second {
			t.Fatalf("nothing from %v to %v", last, at)
		}
	}
}

// patient is a client that sends no line before the server wants to have it, however long it takes.
func patient(srv *httptest.Server) *http.Client {
	client := srv.Client()
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	return client
}

func TestOddsPosterTriesUntilTheEndpointTakesItAndFollowsTheDays(t *testing.T) {
	requests := make(chan []string, 10) // the lines of each that was taken, when it has ended
	first := make(chan bool, 10)
	var tries atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch tries.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 2: // the connection breaks
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = conn.Close()
			}
			return
		}
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			t.Errorf("secret %q", r.Header.Get("Authorization"))
		}
		var lines []string
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			if lines = append(lines, s.Text()); strings.Contains(s.Text(), `"image"`) {
				first <- true
			}
		}
		if _, err := r.Body.Read(nil); err != nil && err != io.EOF {
			t.Errorf("the request ends with %v", err)
		}
		requests <- lines
	}))
	defer srv.Close()
	client := patient(srv)
	defer client.CloseIdleConnections()
	p := simulator.NewOddsPoster(srv.URL, "s3cret", client, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for seed := range uint64(2) {
		p.Show(simulator.New(simulator.Config{Seed: seed, Matches: 1, TouchesPerMinute: -1,
			Start: time.Now().Add(-20 * time.Second)}))
		<-first
		if seed == 0 {
			continue
		}
		stop()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	events := map[string]bool{}
	for range 2 {
		for _, line := range <-requests {
			var l oddsLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if l.Type == "fixture" {
				events[l.Event] = true
			}
		}
	}
	if len(events) != 2 || tries.Load() != 4 {
		t.Errorf("in %d requests odds of %v, want four and two days", tries.Load(), events)
	}
}

func TestOddsPosterGivesUpWhatIsRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "wrong secret", http.StatusUnauthorized)
	}))
	defer srv.Close()
	client := patient(srv)
	defer client.CloseIdleConnections()
	p := simulator.NewOddsPoster(srv.URL, "", client, slog.New(slog.DiscardHandler))
	p.Show(simulator.New(simulator.Config{Seed: 7, Matches: 1, TouchesPerMinute: -1}))
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "wrong secret") {
		t.Errorf("%v, want what the endpoint said", err)
	}
}
