package e2e

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// rushHour is a goalcast on PostgreSQL and Redis with a live match, of which every phone that was
// closed wants to know everything as soon as it hears of a goal.
type rushHour struct {
	p        *process
	postgres *testservers.PostgresServer
	redis    *testservers.RedisServer
}

const (
	rushMatch, rushCompetition = 9000000001, 9000000005
	rushAge                    = 2 * time.Second // commentary is the first to be asked for again
)

// rushPaths are what an app asks for when it is opened. The first two are on the board, the others
// only in the database.
var rushPaths = []string{
	fmt.Sprintf("/v1/matches/%d", rushMatch),
	fmt.Sprintf("/v1/competitions/%d?date=2026-05-17", rushCompetition),
	fmt.Sprintf("/v1/competitions/%d/standings", rushCompetition),
	fmt.Sprintf("/v1/matches/%d/commentary", rushMatch),
}

func newRushHour(t testing.TB, more ...string) *rushHour {
	h := &rushHour{postgres: testservers.NewPostgres(t), redis: testservers.NewRedis(t)}
	env := common.with("GOALCAST_REDIS_URL="+h.redis.URL,
		"GOALCAST_DATABASE_URL="+h.postgres.URL+"&options=-c%20log_statement%3Dall").with(more...)
	h.p = start(t, env, "serve")
	h.score(t, 1)
	db := openStore(t, common.with("GOALCAST_DATABASE_URL="+h.postgres.URL))
	table := goalcast.Standings{Competition: goalcast.Competition{ID: rushCompetition, Name: "Sunday League"},
		Season: "2026", Edition: "1", Updated: time.Now().UTC(), Groups: []goalcast.Table{{Rows: []goalcast.TableRow{
			{Team: goalcast.Team{ID: 9000000011, Name: "Millpond Athletic"}, Position: 1}}}}}
	if _, err := db.SaveStandings(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	words := goalcast.Commentary{Match: rushMatch, Language: "en", Lines: []goalcast.CommentaryLine{
		{ID: "1", Text: "And they are off."}}}
	if _, err := db.SaveCommentary(t.Context(), words); err != nil {
		t.Fatal(err)
	}
	return h
}

// score posts a document with so many goals.
func (h *rushHour) score(t testing.TB, goals int) {
	t.Helper()
	document := strings.Replace(jsonMatch(goals, goals), `"fixture":{`, fmt.Sprintf(
		`"fixture":{"competition":{"id":%d,"name":"Sunday League"},"kickoff":"2026-05-17T14:00:00Z",`, rushCompetition), 1)
	status, text := ask(t, http.MethodPost, h.p.public+"/feeds/json?wait=30s", nil, document)
	if status != http.StatusOK {
		t.Fatal(status, text)
	}
}

// rush is what became of one.
type rush struct {
	took     time.Duration   // from the first client to the last answer
	answers  []time.Duration // from when a client came, or had its answer before, to its answer; in order
	queries  map[string]int  // of the database, by text and parameters
	commands int             // of Redis
}

// run has so many clients come within a span, each on a connection of its own, to a goalcast or
// what stands in front of it. Who gets anything but 200 fails the test.
func (h *rushHour) run(t testing.TB, base string, clients int, span time.Duration) rush {
	t.Helper()
	address := strings.TrimPrefix(base, "http://")
	said, commands := len(h.postgres.Log()), h.redis.Commands()
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		out   rush
		wrong error
	)
	began := time.Now()
	for range clients {
		wait := rand.N(span)
		all.Go(func() {
			time.Sleep(wait) // until it comes: this is what is played, nothing is waited for
			answers, err := openApp(address)
			mu.Lock()
			defer mu.Unlock()
			out.answers = append(out.answers, answers...)
			wrong = cmp.Or(wrong, err)
		})
	}
	all.Wait()
	out.took = time.Since(began)
	if wrong != nil {
		t.Fatal(wrong)
	}
	out.commands, out.queries = h.redis.Commands()-commands, queriesIn(h.postgres.Log()[said:])
	slices.Sort(out.answers)
	return out
}

// openApp asks for all that an app shows when it is opened.
func openApp(address string) (answers []time.Duration, err error) {
	began := time.Now()
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	from := bufio.NewReader(conn)
	for _, path := range rushPaths {
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: goalcast\r\nAccept-Encoding: br\r\n\r\n", path)
		if err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(from, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s %v", path, res.Status, err)
		}
		answers = append(answers, time.Since(began))
		began = time.Now()
	}
	return answers, nil
}

var (
	statement  = regexp.MustCompile(`LOG:  (?:statement|execute [^:]*): (.*)`)
	parameters = regexp.MustCompile(`DETAIL:  parameters: (.*)`)
	objects    = regexp.MustCompile(`FROM (matches|standings|commentary|commentary_spans|teams|competitions|squads)\b`)
)

// queriesIn counts the readings of what clients ask for in PostgreSQL's log.
func queriesIn(log string) map[string]int {
	counts := map[string]int{}
	var entry string
	done := func() {
		if objects.MatchString(entry) && !strings.Contains(entry, "FOR UPDATE") {
			counts[entry]++
		}
		entry = ""
	}
	for line := range strings.Lines(log) {
		switch {
		case statement.MatchString(line):
			done()
			entry = statement.FindStringSubmatch(line)[1]
		case parameters.MatchString(line):
			entry += " " + parameters.FindStringSubmatch(line)[1]
		case strings.HasPrefix(line, "\t"): // the statement goes on
			entry += " " + strings.TrimSpace(line)
		}
	}
	done()
	return counts
}

// When a goal falls everybody asks for the same: the database is asked once for each thing, and
// Redis not at all.
func TestRushAfterAGoal(t *testing.T) {
	t.Parallel()
	h := newRushHour(t)
	h.score(t, 2)
	const clients = 400
	r := h.run(t, h.p.public, clients, 200*time.Millisecond)
	asked := 0
	for query, times := range r.queries {
		asked += times
		t.Logf("%d times: %s", times, query)
		if most := 1 + int(r.took/rushAge); times > most {
			t.Errorf("in %s asked %d times, %d may be: %s", r.took, times, most, query)
		}
	}
	if asked == 0 {
		t.Errorf("the database was not asked for the table: the log was not understood")
	}
	// the bus's own beat and pings, and the jobs', some tens a second: no share of so many requests
	if most := 2 * clients; r.commands > most {
		t.Errorf("%d requests in %s: %d commands of Redis, want at most %d", 4*clients, r.took, r.commands, most)
	}
}

// Who hears of an event from a node and asks the same node gets an answer that knows of it.
func TestWhoHearsOfAnEventAndAsksIsNotToldLess(t *testing.T) {
	t.Parallel()
	s := startClustered(t)
	const goals = 12
	post := func(goals int) {
		t.Helper()
		status, text := ask(t, http.MethodPost, s.ingest.public+"/feeds/json?wait=30s", nil, jsonMatch(goals, goals))
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	post(1)
	v := newViewer(t, s.hub.public, overWebSocket, goalcast.ForMatch(rushMatch))
	v.Also = func(f goalcast.Frame, _ []byte) {
		if f.Type != goalcast.FrameEvent {
			return
		}
		m, err := s.hub.snapshot(rushMatch)
		if err == nil && m.Seq < f.Event.Seq {
			err = fmt.Errorf("event %d is told, the answer knows %d", f.Event.Seq, m.Seq)
		}
		if err != nil {
			v.Wrong(err)
		}
	}
	v.join()
	for n := 2; n <= goals; n++ {
		post(n)
	}
	v.waitEvents(30*time.Second, "all goals", func(events []goalcast.Event) error {
		if len(events) < goals-1 {
			return fmt.Errorf("%d events", len(events))
		}
		return nil
	})
}

// BenchmarkRush has 10,000 phones open their app within the second after a goal, each with four
// requests on a connection of its own: straight to goalcast, with nginx in front, and with Varnish.
func BenchmarkRush(b *testing.B) {
	h := newRushHour(b, "GOALCAST_READ_RATE_PER_IP=0")
	goals := 1
	play := func(b *testing.B, base string) {
		var answers []time.Duration
		queries, commands, most := 0, 0, 0
		took := time.Duration(0)
		for b.Loop() {
			goals++
			h.score(b, goals)
			r := h.run(b, base, 10_000, time.Second)
			answers = append(answers, r.answers...)
			took += r.took
			commands += r.commands
			for _, times := range r.queries {
				queries += times
				most = max(most, times)
			}
		}
		slices.Sort(answers)
		at := func(share float64) float64 {
			return float64(answers[int(share*float64(len(answers)-1))].Microseconds()) / 1000
		}
		b.ReportMetric(at(0.5), "p50-ms")
		b.ReportMetric(at(0.99), "p99-ms")
		b.ReportMetric(took.Seconds()/float64(b.N), "s/rush")
		b.ReportMetric(float64(queries)/float64(b.N), "queries/rush")
		b.ReportMetric(float64(most), "most-of-one")
		b.ReportMetric(float64(commands)/float64(b.N), "redis/rush")
	}
	b.Run("none", func(b *testing.B) { play(b, h.p.public) })
	for name, f := range fronts {
		if f.keeps {
			b.Run(name, func(b *testing.B) {
				play(b, f.start(b, h.p.behind()))
			})
		}
	}
}
