//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bareVariable is the address of a process that is the bare handler, and the answer's file.
const bareVariable = "GOALCAST_BENCH_BARE"

// restMatch is the match that is asked for.
const restMatch = 9_000_000_001

// readRate is more than any client asks for a minute, so that requests are counted as they are by
// default, and none is refused.
const readRate = "1000000000"

// rest asks for a live match as fast as it goes, in turn from goalcast and from a handler that does
// nothing but write the same bytes, header and body, each a process of its own. What a handler
// makes that writes the body alone stands beside it: the rest of its lead is what fields cost.
func (b *bench) rest(ctx context.Context, r *row) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		r.verdict = "not measured"
		r.note("wrk is not installed; loadtest/bench/peers.sh does that on Debian")
		return nil
	}
	s, err := b.restServer(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	url := fmt.Sprintf("%s/v1/matches/%d", s.server.url, restMatch)
	ratios, rates, each := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	// ask adds what a server made of its requests to the figures, and returns its rate.
	ask := func(name string, of *server, url string, headers ...string) (float64, error) {
		before, err := of.use()
		if err != nil {
			return 0, err
		}
		rate, err := wrk(ctx, b.hold, url, headers...)
		if err != nil {
			return 0, err
		}
		after, err := of.use()
		rates[name] = append(rates[name], rate)
		each[name] = append(each[name], after.Since(before).CPU.Seconds()*1e6/(rate*b.hold.Seconds()))
		return rate, err
	}
	for _, coding := range []string{"identity", "br"} {
		bare, tag, err := b.bare(ctx, url, coding)
		if err != nil {
			return err
		}
		for n := range b.repeat {
			theirs, err := ask("bare "+coding, bare, bare.url)
			if err == nil {
				_, err = ask("body "+coding, bare, bare.url+bodyAlone)
			}
			var ours float64
			if err == nil {
				done := b.profile(s.server, fmt.Sprintf("rest-%s-%d", coding, n), b.hold)
				ours, err = ask(coding, s.server, url, "Accept-Encoding: "+coding)
				<-done
			}
			if err == nil && coding == "identity" {
				var unchanged float64
				unchanged, err = ask("304", s.server, url, "If-None-Match: "+tag)
				ratios["304"] = append(ratios["304"], unchanged/ours)
			}
			if err != nil {
				bare.stop()
				return err
			}
			fmt.Fprintf(os.Stderr, "%s: %.0f/s, bare %.0f/s\n", coding, ours, theirs)
			ratios[coding] = append(ratios[coding], ours/theirs)
		}
		bare.stop()
		r.add("%s: %s requests/s, bare %s, ratio %s; %s us of processor time each, bare %s; the body alone %s "+
			"requests/s", coding, spread("%.0f", rates[coding]), spread("%.0f", rates["bare "+coding]),
			spread("%.2f", ratios[coding]), spread("%.1f", each[coding]), spread("%.1f", each["bare "+coding]),
			spread("%.0f", rates["body "+coding]))
	}
	r.add("304: %s requests/s, %s times the whole, %s us each", spread("%.0f", rates["304"]),
		spread("%.2f", ratios["304"]), spread("%.1f", each["304"]))
	made, err := s.server.metric("goalcast_rest_answers_made_total", `coding="identity"`)
	if err != nil {
		return err
	}
	r.note("wrk with 64 connections and one thread, on the same two cores; the answer was encoded %.0f times in all, "+
		"when its minute or its cursor was another", made)
	r.reached = middle(ratios["identity"]) >= 0.8 && middle(ratios["304"]) > 1
	return nil
}

// restServer is a goalcast of all roles that has a live match of some 11 kB.
func (b *bench) restServer(ctx context.Context) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.redis, err = b.redis(ctx); err != nil {
		return s, err
	}
	if s.server, err = b.hub(ctx, s.redis.url, "hub,ingest,notify,rest", "--read-rate-per-ip", readRate); err != nil {
		return s, err
	}
	return s, postMatch(s.server.url, liveMatch(time.Now().UTC(), 28))
}

func postMatch(base string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Post(base+"/feeds/json?wait=10s", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"state":"applied"`)) {
		return fmt.Errorf("match posted: %s %s", resp.Status, text)
	}
	return nil
}

// liveMatch is a made-up match in its second half, with so many events, as /feeds/json takes it.
func liveMatch(now time.Time, events int) map[string]any {
	const home, away = 9_000_000_011, 9_000_000_012
	player := func(n int) map[string]any {
		return map[string]any{"id": 9_000_000_100 + n, "name": fmt.Sprintf("Player of Number %d", n)}
	}
	list := []map[string]any{
		{"id": "kick-off", "kind": "period", "period": "first_half", "at": now.Add(-70 * time.Minute)},
		{"id": "second", "kind": "period", "period": "second_half", "at": now.Add(-10 * time.Minute)},
	}
	for n := range events {
		e := map[string]any{"id": fmt.Sprintf("event-%d", n), "kind": "card", "team": home, "player": player(n),
			"period": "first_half", "minute": 1 + n, "card": map[string]any{"type": "yellow", "reason": "Foul"}}
		if n%10 == 0 {
			e["kind"], e["goal"] = "goal", map[string]any{"type": "goal", "assist": player(n + 1)}
			delete(e, "card")
		}
		list = append(list, e)
	}
	var lineups []map[string]any
	for side, team := range []int{home, away} {
		var players []map[string]any
		for n := range 18 {
			p := player(50*side + n)
			p["shirt"], p["position"], p["start"] = n+1, "midfielder", n < 11
			players = append(players, p)
		}
		lineups = append(lineups, map[string]any{"team": team, "formation": "433", "players": players})
	}
	return map[string]any{"time": now, "match": restMatch, "events": list, "lineups": lineups,
		"fixture": map[string]any{
			"competition": map[string]any{"id": 9_000_000_001, "name": "Sunday League"},
			"home":        map[string]any{"id": home, "name": "Millpond Athletic"},
			"away":        map[string]any{"id": away, "name": "Quarry Town"},
			"kickoff":     now.Add(-70 * time.Minute), "venue": "The Meadow",
		}}
}

// bare starts a process that answers every request with what goalcast answers now.
func (b *bench) bare(ctx context.Context, url, coding string) (s *server, tag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept-Encoding", coding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Encoding"); resp.StatusCode != http.StatusOK || got != coding &&
		coding != "identity" {
		return nil, "", fmt.Errorf("%s: %s, Content-Encoding %q", url, resp.Status, got)
	}
	answer, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(b.folder, "bare-"+coding)
	if err := os.WriteFile(file, answer, 0o600); err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	s, err = b.launch("bare", "env", fmt.Sprintf("%s=127.0.0.1:%d=%s", bareVariable, port, file), self)
	if err != nil {
		return nil, "", err
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	return s, resp.Header.Get("ETag"), s.ready(ctx, func() error { _, err := get(s.url); return err })
}

// bodyAlone is the path under which the bare handler writes no fields of the answer but its type.
const bodyAlone = "/body"

// runBare is the process that bare starts; text is its address and the file that it serves.
func runBare(text string) error {
	address, name, _ := strings.Cut(text, "=")
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	answer, err := http.ReadResponse(bufio.NewReader(file), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Header.Del("Date") // net/http writes its own
	whole := answer.Header
	alone := http.Header{"Content-Type": whole["Content-Type"], "Content-Length": {strconv.Itoa(len(body))}}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := whole
		if r.URL.Path == bodyAlone {
			header = alone
		}
		maps.Copy(w.Header(), header)
		_, _ = w.Write(body)
	}))
}

// wrk gives the requests/s of a URL.
func wrk(ctx context.Context, span time.Duration, url string, headers ...string) (float64, error) {
	args := []string{"-t1", "-c64", "-d" + strconv.Itoa(max(1, int(span.Seconds()))) + "s"}
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	text, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, text)
	}
	for _, wrong := range []string{"Non-2xx", "Socket errors"} {
		if strings.Contains(string(text), wrong) {
			return 0, fmt.Errorf("wrk: %s", text)
		}
	}
	_, rest, _ := strings.Cut(string(text), "Requests/sec:")
	line, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(strings.TrimSpace(line), 64)
}
