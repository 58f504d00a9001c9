package e2e

import (
	"context"
	"crypto/md5"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"goalcast"
	"goalcast/internal/samples"
	"goalcast/internal/testservers"
	"goalcast/notify/fcm/fcmtest"
)

// followers makes so many users with a phone each who follow the home team of an F9.
func followers(t testing.TB, databaseURL string, count int, f9 []byte) *sql.DB {
	t.Helper()
	home, _ := strconv.Atoi(string(regexp.MustCompile(`Side="Home"[^>]*TeamRef="t(\d+)"`).FindSubmatch(f9)[1]))
	db := openPostgres(t, databaseURL)
	followersOf(t, db, count, goalcast.TeamID(home))
	return db
}

// openPostgres is for what no part of goalcast asks or tells a database.
func openPostgres(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// tokenOf is the token of follower n, from 1.
func tokenOf(n int) string {
	return fmt.Sprintf("token-%d-%s", n, strings.Repeat(fmt.Sprintf("%x", md5.Sum([]byte(strconv.Itoa(n)))), 4))
}

// followersOf makes so many users with a phone each who follow one of the teams: follower n the one
// of index n % len(teams). Users come in another order than their phones, as in life.
func followersOf(t testing.TB, db *sql.DB, count int, teams ...goalcast.TeamID) {
	t.Helper()
	list := strings.ReplaceAll(strings.Trim(fmt.Sprint(teams), "[]"), " ", ",")
	for _, query := range []string{
		`INSERT INTO devices (token, user_id, platform, language, created, seen, proven)
			SELECT 'token-' || n || '-' || repeat(md5(n::text), 4), md5('user' || n), 'android', 'nl', 0, (extract(epoch FROM now()) * 1000)::bigint, true FROM generate_series(1, $1::int) AS n`,
		fmt.Sprintf(`INSERT INTO follows (user_id, kind, topic, created) SELECT md5('user' || n), %d, ('{%s}'::bigint[])[1 + n %% %d], 0 FROM generate_series(1, $1::int) AS n`,
			goalcast.ForTeam(0).Kind, list, len(teams)),
		`VACUUM ANALYZE devices, follows`,
	} {
		var args []any
		if strings.Contains(query, "$1") {
			args = append(args, count)
		}
		if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledWhileAnAudienceIsCut: a process dies by kill -9 when some of a goal's followers are in
// batches and others are not; another process sends to all of them, to each once. The first process
// reaches no Firebase, so that whatever phones get is the second one's.
func TestKilledWhileAnAudienceIsCut(t *testing.T) {
	t.Parallel()
	const fans = 2600 // steps of 500, 1000 and 1100
	fake := &fcmtest.Server{Project: "test"}
	firebase := httptest.NewServer(fake)
	t.Cleanup(firebase.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	env := onServers(t, "GOALCAST_FCM_PROJECT=test")
	first := start(t, env.with("GOALCAST_FCM_ENDPOINT=http://"+nobody+"/v1", "GOALCAST_TEST_FAULT=cut:2"), "serve")
	f9 := samples.MadeUpLiveF9(t)
	followers(t, env.database(), fans, f9)

	after := first.aboutToScore(8_000_001, f9)
	told := len(goalInXML.FindAll(after.body, -1))
	_, _ = first.post(after) // it may die before it has answered
	select {
	case <-first.done:
	case <-time.After(time.Minute):
		t.Fatal("the process did not kill itself")
	}
	if n := fake.Requests(); n != 0 {
		t.Fatalf("%d requests of the first process", n)
	}
	second := start(t, env.with("GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1"), "serve", "--roles=notify,ingest")
	type push struct{ token, event string }
	var got map[push]int
	var all int
	waitFor(t, 3*time.Minute, "all pushes", func() error {
		deliveries := fake.Deliveries()
		got, all = map[push]int{}, len(deliveries)
		for _, d := range deliveries {
			got[push{d.Token, d.Data["event"]}]++
		}
		if len(got) < fans*told {
			return fmt.Errorf("%d of %d", len(got), fans*told)
		}
		return nil
	})
	if len(got) > fans*told {
		t.Errorf("%d pushes to %d fans for %d goals", len(got), fans, told)
	}
	// On a busy machine Firebase may have taken what it did not answer in time: that is sent again.
	again := int(second.metric("goalcast_notify_retried_total"))
	if repeated := all - len(got); repeated > again {
		t.Errorf("%d pushes were repeated, %d had no answer", repeated, again)
		for p, n := range got {
			if n > 1 {
				t.Logf("%+v was sent %d times", p, n)
				break
			}
		}
	}
}

// BenchmarkAudience measures a goal's way from the first byte of the POST of a 90 kB F9 to the
// first request at Firebase, by how many follow the team that scores; and how long it takes until
// all of them are in batches, while the first are being sent. PostgreSQL syncs to disk. What is not
// sent by then is dropped.
func BenchmarkAudience(b *testing.B) {
	for _, count := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) { benchmarkAudience(b, count) })
	}
}

func benchmarkAudience(b *testing.B, count int) {
	arrivals := make(chan time.Time, 1)
	// so that what is measured has the processor, and not the sending
	fake := &fcmtest.Server{Project: "bench", Delay: 200 * time.Millisecond}
	firebase := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case arrivals <- time.Now():
		default:
		}
		fake.ServeHTTP(w, r)
	}))
	b.Cleanup(firebase.Close)
	databaseURL := testservers.DurablePostgres(b)
	p := start(b, common.with("GOALCAST_DATABASE_URL="+databaseURL, "GOALCAST_REDIS_URL="+testservers.Redis(b),
		"GOALCAST_FCM_PROJECT=bench", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1"), "serve")
	f9 := samples.LiveF9(b)
	db := followers(b, databaseURL, count, f9)
	ask := func(query string) (n int) {
		if err := db.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	var first, cut []time.Duration
	match := 8_000_000
	for b.Loop() {
		b.StopTimer()
		match++
		after := p.aboutToScore(match, f9)
		select {
		case <-arrivals: // of the goal before
		default:
		}
		b.StartTimer()
		started := time.Now()
		if _, err := p.post(after); err != nil {
			b.Fatal(err)
		}
		first = append(first, (<-arrivals).Sub(started))
		b.StopTimer()
		waitFor(b, 5*time.Minute, "the audience to be cut", func() error {
			if n := ask(`SELECT count(*) FROM pushes WHERE open OR batches = 0 AND state = 'shown'`) +
				ask(`SELECT count(*) FROM outbox WHERE planned_at IS NULL`); n > 0 {
				return fmt.Errorf("%d pushes are open", n)
			}
			return nil
		})
		cut = append(cut, time.Since(started))
		waitFor(b, time.Minute, "batches to end", func() error {
			if n := ask(`WITH gone AS (UPDATE push_batches SET state = 'dropped' WHERE state = 'planned' RETURNING 1) SELECT count(*) FROM gone`) +
				ask(`SELECT count(*) FROM push_batches WHERE state = 'claimed'`); n > 0 {
				return fmt.Errorf("%d batches", n)
			}
			return nil
		})
		b.StartTimer()
	}
	report(b, "first-push", first)
	report(b, "audience", cut)
	if v := fake.Violations(); len(v) > 0 {
		b.Error(v)
	}
}
