package betfair

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/ingest/odds"
)

// FuzzMessages: whatever Betfair sends, a source goes on or ends its connection, and what it tells
// has keys and prices as they should be.
func FuzzMessages(f *testing.F) {
	f.Add(`{"op":"mcm","id":101,"pt":1,"ct":"SUB_IMAGE","clk":"a","mc":[{"id":"1.1","marketDefinition":{"eventId":"7",` +
		`"marketType":"MATCH_ODDS","status":"OPEN","runners":[{"id":58805,"sortPriority":3,"status":"ACTIVE"},{"id":1,` +
		`"status":"ACTIVE"},{"id":2,"sortPriority":2,"status":"ACTIVE"}]},"rc":[{"id":1,"batb":[[0,2.5,1]]}]}]}` + "\n" +
		`{"op":"mcm","id":101,"pt":2,"mc":[{"id":"1.1","img":true,"rc":[{"id":1,"batb":[[0,1,1],[1],[0,0,0]]}]}]}` + "\n" +
		`{"op":"mcm","id":101,"pt":3,"mc":[{"id":"1.1","marketDefinition":{"eventId":"8","status":"CLOSED","runners":[]}}]}`)
	f.Add(`{"op":"mcm","id":101,"segmentType":"SEG_START","ct":"SUB_IMAGE"}` + "\n" + `{"op":"mcm","id":101,"pt":1,` +
		`"segmentType":"SEG_END","mc":[{"id":"","marketDefinition":{"marketType":"ASIAN_HANDICAP","status":"OPEN",` +
		`"runners":[{"id":1,"hc":-0.25},{"id":2,"hc":0.25}]}}]}` + "\n" + `{"op":"mcm","id":101,"segmentType":"SEG"}` + "\n" +
		`{"op":"mcm","id":102,"ct":"HEARTBEAT","pt":1}` + "\n" + `{"op":"status","errorCode":"INVALID_CLOCK"}`)
	source := New(Config{LagLimit: 1 << 62, LagAlarm: 1 << 62, DelayedFrom: 1 << 62, MaxMarkets: 50, MaxRunners: 50},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f.Fuzz(func(t *testing.T, lines string) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, server)
		}()
		source.book = nil
		r := &run{Source: source, sink: checker{t}, conn: &conn{net: client, writes: time.Minute}}
		if err := r.subscribe(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(lines) {
			m := &message{}
			if json.Unmarshal([]byte(line), m) != nil || r.handle(m, len(line), time.Now()) != nil {
				break
			}
		}
		r.keep(time.Now())
		_ = client.Close()
		<-done
	})
}

// checker looks at what it is told.
type checker struct{ t *testing.T }

func (c checker) Alive(time.Time)                               {}
func (c checker) Down(odds.Reason)                              {}
func (c checker) Fixture(odds.Fixture)                          {}
func (c checker) Suspend(string, time.Time, ...string)          {}
func (c checker) Quota(int, int)                                {}
func (c checker) Kept() []byte                                  { return nil }
func (c checker) Image(_ string, _ time.Time, m []odds.Market)  { c.markets(m) }
func (c checker) Change(_ string, _ time.Time, m []odds.Market) { c.markets(m) }

func (c checker) Settle(_ string, _ time.Time, settlements []odds.Settlement) {
	for _, s := range settlements {
		if !validKey(s.Market) || len(s.Results) == 0 {
			c.t.Errorf("settlement %+v", s)
		}
	}
}

func (c checker) Keep(text []byte) {
	if _, err := unpack(text, "", limits{markets: 50, runners: 50}); text != nil && err != nil {
		c.t.Errorf("kept: %v", err)
	}
}

func (c checker) markets(markets []odds.Market) {
	seen := map[string]bool{}
	for _, m := range markets {
		if !validKey(m.Key) || seen[m.Key] || len(m.Selections) == 0 {
			c.t.Errorf("market %+v", m)
		}
		seen[m.Key] = true
		for _, s := range m.Selections {
			if !validKey(s.Key) || s.Price != 0 &&
				(s.Price < odds.MinPrice || s.Price > odds.MaxPrice || m.Status != odds.Open) {
				c.t.Errorf("market %+v", m)
			}
		}
	}
}
