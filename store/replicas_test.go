package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/testservers"
)

// anyLag is a lag that no replica of a test reaches.
const anyLag = time.Hour

// attach gives a store replicas and watches them, as fast as that goes, until the test ends or
// unwatch is called.
func attach(t testing.TB, s *Store, maxLag time.Duration, log *slog.Logger, urls ...string) (rs *Replicas,
	unwatch func()) {
	t.Helper()
	rs, err := OpenReplicas(s, ReplicaOptions{URLs: urls, MaxLag: maxLag}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	rs.every = fastestWatch
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { rs.Run(ctx) })
	unwatch = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(unwatch)
	return rs, unwatch
}

// attachOne is attach for one replica.
func attachOne(t testing.TB, s *Store, maxLag time.Duration, log *slog.Logger, url string) *replica {
	t.Helper()
	rs, _ := attach(t, s, maxLag, log, url)
	return rs.list[0]
}

// await waits until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *replica) reason() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why
}

// points reads the one table of these tests.
func points(t testing.TB, s *Store) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	table, err := s.Standings(ctx, 23, "2025")
	if err != nil {
		t.Fatal(err)
	}
	return table.Groups[0].Rows[0].Total.Points
}

// win stores a new edition of the table.
func win(t testing.TB, s *Store, points int) {
	t.Helper()
	table := standingsOf("2025", goalcast.Edition(fmt.Sprintf("%08d", points)), points, kickoff)
	if changed, err := s.SaveStandings(t.Context(), table); err != nil || !changed {
		t.Fatalf("table with %d points: %t, %v", points, changed, err)
	}
}

// A replica is read while it is certain that it is at most so far behind, and left out when it is
// not: paused, cut off, stopped, promoted. What was just written is read from the primary always.
func TestReadsOfAReplica(t *testing.T) {
	t.Parallel()
	primary := testservers.NewPostgres(t)
	strict := openTest(t, primary.URL)
	win(t, strict, 1)
	earlier := func(points int) goalcast.Standings {
		return standingsOf("2024", goalcast.Edition(fmt.Sprintf("%08d", points)), points, kickoff.AddDate(-1, 0, 0))
	}
	if _, err := strict.SaveStandings(t.Context(), earlier(1)); err != nil {
		t.Fatal(err)
	}
	standby := testservers.NewPostgresReplica(t, primary)
	lenient := openTest(t, primary.URL)
	near := attachOne(t, strict, 2*time.Second, testLog(t), standby.URL)
	far := attachOne(t, lenient, anyLag, testLog(t), standby.URL)
	fit := func(r *replica) func() bool { return r.fit }
	unfit := func(r *replica) func() bool { return func() bool { return !r.fit() } }
	byReplica := func(r *replica) int { return int(testutil.ToFloat64(r.reads)) }

	await(t, "the replica is read", func() bool {
		before := byReplica(near)
		return points(t, strict) == 1 && byReplica(near) == before+1
	})
	await(t, "the replica is read, whatever its lag", fit(far))

	// It stops to replay, and says what was true then.
	standby.Do(t, "SELECT pg_wal_replay_pause()::text")
	await(t, "paused", func() bool { return standby.Do(t, "SELECT pg_get_wal_replay_pause_state()") == "paused" })
	win(t, strict, 2)
	if got := points(t, lenient); got != 1 {
		t.Errorf("%d points from a replica that has not heard of them: it was not read", got)
	}
	await(t, "a replica that lags is left out", unfit(near))
	before := byReplica(near)
	for range 20 {
		if got := points(t, strict); got != 2 {
			t.Fatalf("%d points, want the primary's 2", got)
		}
	}
	if byReplica(near) != before {
		t.Error("the replica that lags was read")
	}
	await(t, "why", func() bool { return errors.Is(near.reason(), errLags) })

	// Where processes share what they read, whatever was just saved is read from the primary.
	redis := testservers.Redis(t)
	here, there := newShared(t, strict, redis), newShared(t, lenient, redis)
	if _, err := here.SaveStandings(t.Context(), earlier(5)); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]interface {
		Standings(context.Context, goalcast.CompetitionID, string) (goalcast.Standings, error)
	}{"the replica": lenient, "shared": there} {
		table, err := s.Standings(t.Context(), 23, "2024")
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Groups[0].Rows[0].Total.Points; got == 5 != (name == "shared") {
			t.Errorf("%s has %d points", name, got)
		}
	}

	// What is written is read again at once, whoever reads it.
	device := goalcast.Device{Token: "phone", User: "ann", Platform: "ios"}
	if err := strict.SaveDevice(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	if err := strict.Follow(t.Context(), "ann", goalcast.ForTeam(1)); err != nil {
		t.Fatal(err)
	}
	made := score(t, strict, 5, 3)
	for name, count := range map[string]func() (int, error){
		"devices": func() (int, error) { l, err := lenient.Devices(t.Context(), "ann"); return len(l), err },
		"follows": func() (int, error) { l, err := lenient.Follows(t.Context(), "ann"); return len(l), err },
		"matches": func() (int, error) {
			l, err := lenient.Matches(t.Context(), goalcast.MatchFilter{})
			return len(l), err
		},
		"match": func() (int, error) {
			m, err := lenient.Match(t.Context(), 5)
			return int(m.Seq) - len(made) + 1, err
		},
		"events": func() (int, error) {
			l, err := lenient.Events(t.Context(), 5, 0, 100)
			return len(l) - len(made) + 1, err
		},
		"a name that the replica does not have": func() (int, error) {
			team, err := lenient.Team(t.Context(), 1)
			return min(len(team.Name), 1), err
		},
	} {
		if n, err := count(); n != 1 || err != nil {
			t.Errorf("%s right after they were written: %d, %v", name, n, err)
		}
	}
	if n := testutil.ToFloat64(far.missing); n != 1 {
		t.Errorf("%v rows were missing on the replica, want the name", n)
	}
	if l, err := lenient.Matches(t.Context(), goalcast.MatchFilter{MayLag: true}); len(l) != 0 || err != nil {
		t.Errorf("%d matches that may lag, %v; want none yet: the replica was not read", len(l), err)
	}

	// A beat that the primary does not know is of another history.
	primary.Do(t, "DELETE FROM replica_beats")
	await(t, "a replica with another history is left out", unfit(far))
	await(t, "why", func() bool { return errors.Is(far.reason(), errOtherBeat) })

	standby.Do(t, "SELECT pg_wal_replay_resume()::text")
	await(t, "it is read again", fit(near))
	await(t, "it is read again", fit(far))
	await(t, "it has caught up", func() bool { return points(t, lenient) == 2 })

	// It is away: nobody gets an error.
	standby.Stop()
	for _, s := range []*Store{strict, lenient} {
		if got := points(t, s); got != 2 {
			t.Errorf("%d points while the replica is away", got)
		}
	}
	await(t, "a replica that is away is left out", unfit(far))
	standby.Start(t)
	await(t, "it is read again", fit(near))
	await(t, "it is read again", fit(far))

	// Both take writes now: a split brain, of which ours counts.
	standby.Do(t, "SELECT pg_promote(true, 60)::text")
	standby.Do(t, "DELETE FROM standings")
	await(t, "what was promoted is left out", unfit(near))
	await(t, "what was promoted is left out", unfit(far))
	await(t, "why", func() bool { return errors.Is(far.reason(), errNotStandby) })
	win(t, strict, 3)
	for range 20 {
		if a, b := points(t, strict), points(t, lenient); a != 3 || b != 3 {
			t.Fatalf("%d and %d points, want the primary's 3", a, b)
		}
	}
}

// Poolers may be before the primary and before the replica, and a wrong password is no reason not
// to start, nor is it shown.
func TestReplicasBehindPoolersAndPasswords(t *testing.T) {
	t.Parallel()
	primary := testservers.NewPostgres(t)
	const schema = "&search_path=public"
	s := openTest(t, testservers.PgBouncer(t, primary.URL+schema))
	win(t, s, 1)
	const password = "Kantine-Dug-Out-77"
	primary.Do(t, "CREATE ROLE guarded LOGIN PASSWORD '"+password+"'")
	primary.Do(t, "GRANT SELECT ON replica_beats, standings TO guarded")
	standby := testservers.NewPostgresReplica(t, primary)
	standby.Do(t, fmt.Sprintf(`COPY (SELECT unnest(ARRAY['host all guarded 127.0.0.1/32 scram-sha-256',
		'host all all 127.0.0.1/32 trust'])) TO '%s'`, standby.Do(t, "SELECT current_setting('hba_file')")))
	standby.Do(t, "SELECT pg_reload_conf()::text")

	pooled := attachOne(t, s, anyLag, testLog(t), testservers.PgBouncer(t, standby.URL+schema))
	await(t, "a replica behind a pooler is read", pooled.fit)
	if got := points(t, s); got != 1 || testutil.ToFloat64(pooled.reads) != 1 {
		t.Errorf("%d points, %v reads by the replica", got, testutil.ToFloat64(pooled.reads))
	}

	guarded := func(password string) string {
		return strings.Replace(standby.URL, "goalcast@", "guarded:"+password+"@", 1)
	}
	var text lockedText
	s = openTest(t, primary.URL)
	const wrong = "Zijlijn-Kalk-12"
	refused := attachOne(t, s, anyLag, slog.New(slog.NewTextHandler(&text, nil)), guarded(wrong))
	await(t, "a wrong password is logged", func() bool { return strings.Contains(text.String(), "28P01") })
	if got := points(t, s); got != 1 || refused.fit() {
		t.Errorf("%d points, replica with a wrong password read: %t", got, refused.fit())
	}
	if log := text.String(); strings.Contains(log, wrong) || strings.Count(log, "replica is not read") != 1 {
		t.Errorf("the log shows the password, or says it again and again:\n%s", log)
	}
	s = openTest(t, primary.URL)
	allowed := attachOne(t, s, anyLag, testLog(t), guarded(password))
	await(t, "a replica with the right password is read", allowed.fit)
}

// lockedText is a log that is read while it is written.
type lockedText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A replica that does not answer leaves the primary half of the time that there is, and is left
// out.
func TestAReplicaThatHangsLeavesTimeForThePrimary(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{3 * time.Second, 100 * time.Millisecond} {
		s := openTest(t, testservers.Postgres(t))
		rs, err := OpenReplicas(s, ReplicaOptions{URLs: []string{"postgres://x@127.0.0.1:1/x"}}, quiet(),
			prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		r := rs.list[0]
		for range fitAfter {
			r.found(time.Now())
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		var asked []querier
		err = s.lagging(ctx, func(ctx context.Context, q querier) error {
			if asked = append(asked, q); q == querier(r) {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		if err != nil || len(asked) != 2 || asked[1] != querier(s) {
			t.Errorf("within %v: %d servers asked, %v", limit, len(asked), err)
		}
		if r.good == 0 != (limit > 2*replicaTime) {
			t.Errorf("within %v: found fit %d times after it", limit, r.good)
		}
	}
}

func TestReplicasWithWrongURLs(t *testing.T) {
	t.Parallel()
	const secret = "Doelnet-4-4-2"
	for name, urls := range map[string][]string{
		"not a URL":    {"postgres://user:" + secret + "@%zz/"},
		"several":      {"postgres://user:" + secret + "@one,two/x"},
		"the same":     {"postgres://user:" + secret + "@one/x", "postgres://user:" + secret + "@one/y"},
		"not Postgres": {"mysql://user:" + secret + "@one/y"},
	} {
		s := openTest(t, testservers.Postgres(t))
		_, err := OpenReplicas(s, ReplicaOptions{URLs: urls}, quiet(), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := openTest(t, "sqlite::memory:")
	if _, err := OpenReplicas(s, ReplicaOptions{URLs: []string{"postgres://one/x"}}, quiet(),
		prometheus.NewRegistry()); err == nil {
		t.Error("a replica of an SQLite file")
	}
}
