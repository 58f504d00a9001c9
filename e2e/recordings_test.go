package e2e

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/odds/betfair/betfairtest"
	"goalcast/internal/testservers"
)

// exchange is a made-up Betfair that plays recordings, the source that reads it, and what a naive
// reader makes of the same lines.
type exchange struct {
	t      *testing.T
	source string
	ladder string // of best prices
	server *betfairtest.Server
	naive  *betfairtest.Naive
	random *rand.Rand

	matches map[string]goalcast.MatchID // by event; not changed while viewers look

	mu   sync.Mutex
	been map[string]bool // "match key market": so it was after some line
}

func newExchange(t *testing.T, source, ladder string, seed uint64, first goalcast.MatchID,
	lines [][]json.RawMessage) *exchange {
	x := &exchange{t: t, source: source, ladder: ladder, server: betfairtest.Start(t),
		naive: betfairtest.NewNaive(ladder), random: rand.New(rand.NewPCG(seed, 4)),
		matches: map[string]goalcast.MatchID{}, been: map[string]bool{}}
	x.server.Split(seed)
	all := betfairtest.NewNaive(ladder)
	for _, line := range lines {
		all.Apply(line...)
		for _, event := range slices.Sorted(maps.Keys(all.Book())) {
			if x.matches[event] == 0 && len(x.matches) < mappedEvents {
				x.matches[event] = first + goalcast.MatchID(len(x.matches))
			}
		}
	}
	return x
}

// mappedEvents is how many events of the recordings are matches of ours, the first ones. One line
// tells of a hundred, and more matches would show nothing new.
const mappedEvents = 12

// read has the naive reader read a line, before anybody else can.
func (x *exchange) read(line []json.RawMessage) {
	x.naive.Apply(line...)
	x.mu.Lock()
	defer x.mu.Unlock()
	for match, b := range x.books() {
		for key, market := range b {
			x.been[fmt.Sprint(match, " ", key, " ", market)] = true
		}
	}
}

func (x *exchange) may(match goalcast.MatchID, key, market string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.been[fmt.Sprint(match, " ", key, " ", market)]
}

// books are the naive reader's, by match.
func (x *exchange) books() map[goalcast.MatchID]book {
	out := map[goalcast.MatchID]book{}
	for event, markets := range x.naive.Book() {
		match := x.matches[event]
		if match == 0 {
			continue
		}
		out[match] = book{}
		for key, m := range markets {
			out[match][key] = marketText(m)
		}
	}
	return out
}

// play publishes lines one by one, with small troubles at random and the given one in the middle.
func (x *exchange) play(lines [][]json.RawMessage, trouble func(s *betfairtest.Server, publish func())) {
	s := x.server
	for i, line := range lines {
		s.Segments(x.random.IntN(3) == 0)
		s.Unknown(x.random.IntN(2) == 0)
		x.read(line)
		publish := func() { s.Publish(line...) }
		if i == len(lines)/2 {
			trouble(s, publish)
		} else {
			publish()
		}
		if x.random.IntN(10) == 0 {
			s.Repeat()
		}
		time.Sleep(5 * time.Millisecond) // so that what is in between is seen as well
	}
}

// mark tells a market of each event that nobody has told before, so that whoever is behind has
// another book.
func (x *exchange) mark(n int) {
	var line []json.RawMessage
	for event := range x.matches {
		line = append(line, json.RawMessage(fmt.Sprintf(`{"id":"9.%s","marketDefinition":{"eventId":%q,"bettingType":"ODDS",`+
			`"marketType":"MARK","status":"OPEN","runners":[%s]},"rc":[{"id":1,%q:[[0,%d.5,2]]}]}`, event, event,
			betfairtest.Active(1, 1), x.ladder, 2+n)))
	}
	x.read(line)
	x.server.Publish(line...)
}

// yaml is the source's entry in the file of sources.
func (x *exchange) yaml(folder string, priority int) string {
	return fmt.Sprintf("- name: %s\n  kind: betfair\n  priority: %d\n  url: %s\n  api: %s\n  virtual: %t\n"+
		"  app_key_file: %s/key\n  session_file: %s/session\n", x.source, priority, x.server.Address, x.server.URL,
		x.ladder == "bdatb", folder, folder)
}

// sourcesFile writes what processes need to read the exchanges, and returns the settings.
func sourcesFile(t *testing.T, exchanges []*exchange) settings {
	t.Helper()
	folder := t.TempDir()
	var yaml strings.Builder
	for i, x := range exchanges {
		yaml.WriteString(x.yaml(folder, 1+i))
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: exchanges[0].server.ClientCertificate().Certificate[0]})
	for name, text := range map[string]string{"key": betfairtest.AppKey, "session": betfairtest.Token,
		"sources.yaml": yaml.String(), "authority.pem": string(authority)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return settings{"GOALCAST_ODDS_SOURCES_FILE=" + filepath.Join(folder, "sources.yaml"),
		"SSL_CERT_FILE=" + filepath.Join(folder, "authority.pem")}
}

// plan has the process know matches, none of which is like an event of the recordings.
func (p *process) plan(matches []goalcast.MatchID) {
	p.t.Helper()
	now := time.Now().UTC()
	for _, id := range matches {
		body := fmt.Appendf(nil, `{"time":%q,"match":%d,"fixture":{"competition":{"id":9000000300,"name":"Coastal League"},`+
			`"home":{"id":%d,"name":"Harbour %d"},"away":{"id":%d,"name":"Quarry %d"},"kickoff":%q}}`,
			now.Format(time.RFC3339Nano), id, 2*id, id, 2*id+1, id, now.Add(time.Hour).Format(time.RFC3339))
		document, err := p.postTo("json", http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			p.t.Fatal(err)
		}
		p.applied(document)
	}
}

// decide says as an operator which match an event is, once the source has told of it.
func (p *process) decide(source, event string, match goalcast.MatchID) {
	p.t.Helper()
	header := bearer(operatorToken)
	header.Set("Content-Type", "application/json")
	body := fmt.Sprintf(`{"source":%q,"event":%q,"match":%d}`, source, event, match)
	waitFor(p.t, time.Minute, source+" to have told of "+event, func() error {
		status, text := ask(p.t, http.MethodPut, p.admin+"/admin/odds/mappings", header, body)
		if status != http.StatusOK {
			return fmt.Errorf("%d: %s", status, text)
		}
		return nil
	})
}

// inTurns takes a line of each recording after the other.
func inTurns(recordings map[string][][]json.RawMessage) (lines [][]json.RawMessage) {
	for i, more := 0, true; more; i++ {
		more = false
		for _, name := range slices.Sorted(maps.Keys(recordings)) {
			if i < len(recordings[name]) {
				lines, more = append(lines, recordings[name][i]), true
			}
		}
	}
	return lines
}

// TestEveryViewerHasTheBookOfANaiveReader plays the recordings line by line through servers that
// cut, delay, repeat and split, to processes of which one is killed. After each stretch the book at
// every viewer is that of a reader who just reads the lines, and no viewer ever sees a market that
// was not so after some line.
func TestEveryViewerHasTheBookOfANaiveReader(t *testing.T) {
	t.Parallel()
	lines := inTurns(betfairtest.Recordings(t))
	exchanges := []*exchange{newExchange(t, "exchange", "batb", 1, 9_000_000_310, lines),
		newExchange(t, "website", "bdatb", 2, 9_000_000_330, lines)}
	redis := testservers.NewRedis(t)
	env := common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t), "GOALCAST_REDIS_URL="+redis.URL).
		with(sourcesFile(t, exchanges)...)
	a, b := launch(t, env, "serve"), launch(t, env, "serve")
	a.waitReady()
	b.waitReady()

	var topics []goalcast.Topic
	for _, x := range exchanges {
		matches := slices.Sorted(maps.Values(x.matches))
		a.plan(matches)
		for _, id := range matches {
			topics = append(topics, goalcast.ForOdds(id))
		}
	}
	may := func(match goalcast.MatchID, key, market string) bool {
		return exchanges[0].may(match, key, market) || exchanges[1].may(match, key, market)
	}
	readers := []*reader{
		newReader(t, "WebSocket at a", a.public, overWebSocket, topics, may),
		newReader(t, "event stream at a", a.public, overSSE, topics, may),
		newReader(t, "WebSocket at b", b.public, overWebSocket, topics, may),
		newReader(t, "event stream at b", b.public, overSSE, topics, may),
	}
	everybody := func(what string, want func(*exchange) map[goalcast.MatchID]book) {
		t.Helper()
		for _, x := range exchanges {
			books := want(x)
			waitFor(t, 3*time.Minute, what, func() error { return compare(readers, x, books) })
		}
	}
	holds := func(p *process) bool { return p.metric("goalcast_odds_holds_sources") == 1 }
	stopped := func() {
		holder, other := a, b
		if holds(b) {
			holder, other = b, a
		}
		holder.paused(func() {
			waitFor(t, time.Minute, "the other process to hold the sources", func() error {
				if !holds(other) {
					return errors.New("it does not")
				}
				return nil
			})
		})
		waitFor(t, time.Minute, "a process to know that its turn is over", func() error {
			if holds(holder) {
				return errors.New("it holds the sources")
			}
			return nil
		})
	}
	kill := func() {
		holder, other := a, b
		if holds(b) {
			holder, other = b, a
		}
		for _, r := range readers {
			r.Move(other.public)
		}
		holder.kill()
	}

	stretches := []struct {
		what    string
		trouble func(s *betfairtest.Server, publish func())
	}{
		{"nothing wrong", func(_ *betfairtest.Server, publish func()) { publish() }},
		{"a cut amid a line", func(s *betfairtest.Server, publish func()) { s.CutInNext(); publish() }},
		{"an unfinished line", func(s *betfairtest.Server, publish func()) {
			s.UnfinishedNext()
			publish()
			s.Repeat()
		}},
		{"an old subscription, and images again", func(s *betfairtest.Server, publish func()) {
			publish()
			s.Old(slices.Concat(s.History()...)[0])
			s.ImageAgain()
		}},
		{"messages that are late", nil},
		{"a server that forgets its clocks", func(s *betfairtest.Server, publish func()) {
			publish()
			s.Restart(slices.Concat(s.History()...)...)
		}},
		{"a process that is stopped for a while", nil},
		{"another process", nil},
		{"a cut between lines", func(s *betfairtest.Server, publish func()) { s.Cut(); publish() }},
	}
	for n, stretch := range stretches {
		part := lines[len(lines)*n/len(stretches) : len(lines)*(n+1)/len(stretches)]
		if stretch.what == "messages that are late" {
			for _, x := range exchanges {
				x.server.Delay(10 * time.Second)
			}
			everybody("no price while messages are late", nothing)
		}
		switch stretch.what {
		case "a process that is stopped for a while":
			stopped()
		case "another process":
			kill()
		}
		var playing sync.WaitGroup
		for _, x := range exchanges {
			playing.Go(func() {
				trouble := stretch.trouble
				if trouble == nil {
					trouble = stretches[0].trouble
				}
				x.play(part, trouble)
				x.mark(n)
			})
		}
		playing.Wait()
		if n == 0 {
			for _, x := range exchanges {
				for event, match := range x.matches {
					a.decide(x.source, event, match)
				}
			}
		}
		if stretch.what == "messages that are late" {
			for _, x := range exchanges {
				if err := compare(readers, x, nothing(x)); err != nil {
					t.Error("while messages are late: ", err)
				}
				x.server.Delay(0)
			}
		}
		everybody(stretch.what, (*exchange).books)
	}
	for _, x := range exchanges {
		all := x.server.Subscriptions()
		resumed := slices.ContainsFunc(all, func(s betfairtest.Subscription) bool { return s.Clk != "" })
		if len(all) < 5 || !resumed {
			t.Errorf("%s: %d subscriptions, resumed %t: nothing was wrong", x.source, len(all), resumed)
		}
	}
}

// nothing is that no book is seen.
func nothing(x *exchange) map[goalcast.MatchID]book {
	out := map[goalcast.MatchID]book{}
	for _, match := range x.matches {
		out[match] = nil
	}
	return out
}

// compare says who sees what differs, the first of them: their processes' logs say why.
func compare(readers []*reader, x *exchange, want map[goalcast.MatchID]book) error {
	var first error
	others := 0
	for _, r := range readers {
		for match, b := range want {
			got, bad := r.sees(match)
			if bad != nil {
				x.t.Fatal(bad)
			}
			switch same := (got == nil) == (b == nil) && maps.Equal(got, b); {
			case same:
			case first == nil:
				first = fmt.Errorf("%s, %s, match %d: gate %+v:\n%v\nwant\n%v", r.name, x.source, match, r.Gate(match),
					got, b)
			default:
				others++
			}
		}
	}
	if first != nil {
		return fmt.Errorf("%w\nand %d others", first, others)
	}
	return nil
}
