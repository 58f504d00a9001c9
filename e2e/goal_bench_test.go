package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for the floor
	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
	"goalcast/internal/testservers"
)

// BenchmarkGoal measures a goal's way from the first byte of the POST to the frame on a
// viewer's WebSocket, with PostgreSQL that syncs to disk and Redis, both on loopback,
// everything else idle. It reports the median, the 99th percentile, and as the floor what the
// same machine needs in the same run for the bare minimum: two commits (one with the document's
// bytes) and a message over Redis.
func BenchmarkGoal(b *testing.B) {
	for _, feed := range []struct {
		name          string
		before, after func(match int) []byte
	}{goalInF9(b, samples.LiveF9(b)), goalInF24(b)} {
		b.Run(feed.name, func(b *testing.B) {
			postgres, redisURL := testservers.DurablePostgres(b), testservers.Redis(b)
			p := start(b, common.with("GOALCAST_DATABASE_URL="+postgres, "GOALCAST_REDIS_URL="+redisURL), "serve")
			floor := newFloor(b, postgres, redisURL)
			var goals, floors []time.Duration
			match := 0
			for b.Loop() {
				b.StopTimer()
				match++
				goal := prepareGoal(b, p, feed.name, 7_000_000+match, feed.before(7_000_000+match))
				body := feed.after(7_000_000 + match)
				floors = append(floors, floor.measure(b, body))
				b.StartTimer()
				started := time.Now()
				if _, err := p.post(optaNow(feed.name, body)); err != nil {
					b.Fatal(err)
				}
				arrived := <-goal
				goals = append(goals, arrived.Sub(started))
			}
			report(b, "goal", goals)
			report(b, "floor", floors)
		})
	}
}

// prepareGoal makes the match known as it was before the goal, joins a viewer, and returns where
// the arrival of the next goal will be told.
func prepareGoal(b *testing.B, p *process, feed string, match int, before []byte) <-chan time.Time {
	p.take(optaNow(feed, before))
	known, err := p.snapshot(goalcast.MatchID(match))
	if err != nil {
		b.Fatal(err)
	}
	arrival := make(chan time.Time, 1)
	var once sync.Once
	v := newViewer(b, p.public, overWebSocket, goalcast.ForMatch(goalcast.MatchID(match)))
	v.Also = func(f goalcast.Frame, _ []byte) {
		if f.Type == goalcast.FrameEvent && f.Event.Kind == goalcast.KindGoal {
			now := time.Now()
			once.Do(func() { arrival <- now })
		}
	}
	v.join()
	v.waitSeq(goalcast.MatchID(match), known.Seq)
	return arrival
}

var (
	uidOfMatch  = regexp.MustCompile(` uID="f\d+"`)
	stampOfFeed = regexp.MustCompile(`<SoccerFeed TimeStamp="([^"]*)"`)
)

// goalInF9 is an F9 without and with its last goal; the real one has about 90 kB.
func goalInF9(b testing.TB, full []byte) (feed struct {
	name          string
	before, after func(match int) []byte
}) {
	goals := goalInXML.FindAll(full, -1)
	last := goals[len(goals)-1]
	made := stampOfFeed.FindSubmatch(full)
	at, err := time.Parse("20060102T150405-0700", string(made[1]))
	if err != nil {
		b.Fatal(err)
	}
	feed.name = "F9"
	with := func(match int, body []byte, at time.Time) []byte {
		body = uidOfMatch.ReplaceAll(body, fmt.Appendf(nil, ` uID="f%d"`, match))
		// unique everywhere
		body = bytes.ReplaceAll(body, []byte(` EventID="`), fmt.Appendf(nil, ` EventID="%d`, match))
		return bytes.Replace(body, made[0], fmt.Appendf(nil, `<SoccerFeed TimeStamp="%s"`,
			at.Format("20060102T150405-0700")), 1)
	}
	feed.before = func(match int) []byte { return with(match, bytes.Replace(full, last, nil, 1), at.Add(-time.Second)) }
	feed.after = func(match int) []byte { return with(match, full, at) }
	return feed
}

// goalInF24 is an F24 at full time (the real one has about 0.9 MB), before and after its last goal.
func goalInF24(b *testing.B) (feed struct {
	name          string
	before, after func(match int) []byte
}) {
	m := samples.Matches(b)[1]
	full := m.F24
	parsed := optatest.ParseF24(full)
	moments := parsed.Moments()
	end := optatest.CountF24(full)
	last := slices.IndexFunc(moments, func(at time.Time) bool {
		c := parsed.CountAt(at)
		return c.Home == end.Home && c.Away == end.Away
	})
	before, after := parsed.Cut(moments[last-1]), parsed.Cut(moments[last])
	of := func(body []byte) func(match int) []byte {
		return func(match int) []byte {
			body := bytes.Replace(body, fmt.Appendf(nil, `<Game id="%d"`, m.ID), fmt.Appendf(nil, `<Game id="%d"`,
				match), 1)
			// unique everywhere
			return bytes.ReplaceAll(body, []byte(`<Event id="`), fmt.Appendf(nil, `<Event id="%d`, match))
		}
	}
	feed.name, feed.before, feed.after = "F24", of(before), of(after)
	return feed
}

// floor is the least that "kept, applied, published" can cost on the machine.
type floor struct {
	db       *sql.DB
	redis    *redis.Client
	messages <-chan *redis.Message
}

func newFloor(b *testing.B, postgres, redisURL string) *floor {
	db, err := sql.Open("pgx", postgres)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE bench_floor (body bytea)`); err != nil {
		b.Fatal(err)
	}
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(options)
	listening := client.Subscribe(context.Background(), "bench_floor")
	if _, err := listening.Receive(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listening.Close(); _ = client.Close(); _ = db.Close() })
	return &floor{db, client, listening.Channel()}
}

func (f *floor) measure(b *testing.B, body []byte) time.Duration {
	started := time.Now()
	for _, bytes := range [][]byte{body, body[:500]} {
		if _, err := f.db.Exec(`INSERT INTO bench_floor VALUES ($1)`, bytes); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.redis.Publish(context.Background(), "bench_floor", body[:500]).Err(); err != nil {
		b.Fatal(err)
	}
	<-f.messages
	return time.Since(started)
}

func report(b *testing.B, name string, times []time.Duration) {
	slices.Sort(times)
	ms := func(q float64) float64 { return times[int(q*float64(len(times)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), name+"-p50-ms")
	b.ReportMetric(ms(0.99), name+"-p99-ms")
}
