package table

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/store"
	"goalcast/store/bus"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// pitch is a board with whatever matches a test puts on it.
type pitch struct {
	mu      sync.Mutex
	matches []goalcast.Snapshot
}

func (p *pitch) Matches(_ context.Context, f goalcast.MatchFilter) (list []goalcast.Snapshot, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.matches {
		if f.Chooses(m) {
			list = append(list, m)
		}
	}
	return list, nil
}

func (p *pitch) put(matches ...goalcast.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.matches = matches
}

// rig is a runner on a real database and a real bus.
type rig struct {
	t      *testing.T
	db     *store.Store
	redis  *bus.Redis
	bus    *bus.Bus
	pitch  *pitch
	runner *Runner
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := store.Open(t.Context(), "sqlite::memory:", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	redis, err := bus.OpenRedis("embedded")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Close(); err != nil {
			t.Error(err)
		}
	})
	b := bus.New(redis, bus.Options{}, log, prometheus.NewRegistry())
	p := &pitch{}
	return &rig{t, db, redis, b, p, New(p, db, b, store.NewLeases(db, log), log, prometheus.NewRegistry())}
}

// table stores the provider's table of teams 1 and 2, who have each played so often and have
// points.
func (r *rig) table(edition string, made time.Time, played, first, second int) {
	r.t.Helper()
	record := func(points int) goalcast.TableRecord { return goalcast.TableRecord{Played: played, Points: points} }
	s := goalcast.Standings{Competition: goalcast.Competition{ID: 23}, Season: "2026", Updated: made.UTC(),
		Edition: goalcast.Edition(edition), Groups: []goalcast.Table{{Rows: []goalcast.TableRow{
			{Team: goalcast.Team{ID: 1, Name: "Tom & Sons"}, Position: 1, Total: record(first)},
			{Team: goalcast.Team{ID: 2}, Position: 2, Total: record(second)}}}}}
	if changed, err := r.db.SaveStandings(r.t.Context(), s); err != nil || !changed {
		r.t.Fatal(changed, err)
	}
}

// match is one of teams 1 and 2 that kicked off an hour ago.
func (r *rig) match(state goalcast.MatchState, home, away int) goalcast.Snapshot {
	m := goalcast.Snapshot{ID: 7, State: state, Period: goalcast.SecondHalf,
		Score: goalcast.Score{Home: home, Away: away},
		Fixture: goalcast.Fixture{Competition: goalcast.Competition{ID: 23}, Season: "2026", Home: goalcast.Team{ID: 1},
			Away: goalcast.Team{ID: 2}, Kickoff: r.db.Now().Add(-time.Hour)}}
	if state == goalcast.Finished {
		m.Period = goalcast.FullTime
	}
	return m
}

// state is what the bus has; the zero State if it has nothing.
func (r *rig) state() (st goalcast.State, s goalcast.Standings) {
	r.t.Helper()
	states, err := r.bus.States(r.t.Context(), goalcast.ForCompetition(23))
	if err != nil || len(states) > 1 {
		r.t.Fatal(states, err)
	}
	if len(states) == 0 {
		return st, s
	}
	if err := json.Unmarshal(states[0].Value, &s); err != nil {
		r.t.Fatal(err)
	}
	return states[0], s
}

// keep has the runner look at the competition.
func (r *rig) keep(wantLive bool) {
	r.t.Helper()
	live, err := r.runner.publish(r.t.Context(), 23)
	if err != nil || live != wantLive {
		r.t.Fatalf("live %v, %v; want %v", live, err, wantLive)
	}
}

// leader checks who leads, with how many points, and returns the version.
func (r *rig) leader(team goalcast.TeamID, points int, live bool) int64 {
	r.t.Helper()
	st, s := r.state()
	if len(s.Groups) == 0 {
		r.t.Fatalf("no table: %+v", st)
	}
	if first := s.Groups[0].Rows[0]; first.Team.ID != team || first.Total.Points != points || s.Live != live {
		r.t.Fatalf("%+v leads, live %v; want team %d with %d points, live %v", first, s.Live, team, points, live)
	}
	return st.Version
}

func TestATableFollowsItsMatches(t *testing.T) {
	r := newRig(t)
	r.pitch.put(r.match(goalcast.Live, 0, 0))
	r.keep(false) // no table of the provider
	if st, _ := r.state(); st.Key != "" {
		t.Fatalf("%+v", st)
	}
	r.table("1", r.db.Now().Add(-48*time.Hour), 2, 4, 3)
	r.keep(true)
	begun := r.leader(1, 5, true)
	r.keep(true) // nothing has changed
	if version := r.leader(1, 5, true); version != begun {
		t.Errorf("the same table has version %d after %d", version, begun)
	}
	r.pitch.put(r.match(goalcast.Live, 0, 1))
	r.keep(true)
	goal := r.leader(2, 6, true)
	r.pitch.put(r.match(goalcast.Live, 0, 0)) // taken back
	r.keep(true)
	back := r.leader(1, 5, true)
	if begun >= goal || goal >= back {
		t.Errorf("versions %d, %d, %d", begun, goal, back)
	}
	r.pitch.put(r.match(goalcast.Finished, 0, 2))
	r.keep(true)
	r.leader(2, 6, true)
	r.table("2", r.db.Now(), 2, 4, 3) // for another reason, without the match
	r.keep(true)
	r.leader(2, 6, true)
	r.table("3", r.db.Now(), 3, 4, 5) // with it; a point was deducted, and the order is the provider's
	r.keep(false)
	r.leader(1, 4, false)
	r.pitch.put() // a day later
	r.keep(false)
	if st, _ := r.state(); !st.Removed() || st.Version <= back {
		t.Errorf("it is still there: %+v", st)
	}
	r.keep(false)
}

// Whoever takes over goes on with the version that the bus has, ahead of its own clock or not.
func TestATableGoesOnAfterItsKeeper(t *testing.T) {
	r := newRig(t)
	r.table("1", r.db.Now().Add(-48*time.Hour), 2, 4, 3)
	ahead := r.db.Now().Add(time.Hour).UnixMilli()
	if err := r.bus.SetState(t.Context(), []goalcast.State{{Topic: goalcast.ForCompetition(23), Key: goalcast.TableKey,
		Version: ahead, Value: json.RawMessage(`{"groups":[]}`)}}); err != nil {
		t.Fatal(err)
	}
	r.pitch.put(r.match(goalcast.Live, 1, 0))
	r.keep(true)
	if version := r.leader(1, 7, true); version != ahead+1 {
		t.Errorf("version %d after %d", version, ahead)
	}
}

// Two processes with a runner keep one table: events wake the one whose turn it is, which finds
// without any what began before its turn.
func TestOneOfAllKeepsTheTables(t *testing.T) {
	r := newRig(t)
	r.table("1", r.db.Now().Add(-48*time.Hour), 2, 4, 3)
	m := r.match(goalcast.Live, 0, 0)
	err := r.db.UpdateMatch(t.Context(), m.ID, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		m.Seq, rec.Snapshot = 1, m
		rec.Snapshot.Seq = 1
		return rec, []goalcast.Event{{ID: "opta:kickoff", Revision: 1, Seq: 1, Match: m.ID, Kind: goalcast.KindPeriod,
			Status: goalcast.Confirmed, Topics: m.Topics(m.ID)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.pitch.put(m)
	log := slog.New(slog.DiscardHandler)
	other := New(r.pitch, r.db, r.bus, store.NewLeases(r.db, log), log, prometheus.NewRegistry())
	first, second := r.run(r.runner), r.run(other)
	r.until("the table of a match in play", func() bool { _, s := r.state(); return s.Live })
	holder := func() *Runner {
		for _, one := range []*Runner{r.runner, other} {
			one.mu.Lock()
			holds := one.hints != nil
			one.mu.Unlock()
			if holds {
				return one
			}
		}
		return nil
	}
	now := holder()
	goal := func(home int) {
		r.pitch.put(r.match(goalcast.Live, home, 0))
		for _, one := range []*Runner{r.runner, other} {
			one.Wake(23)
		}
		r.until("the goal in the table", func() bool {
			_, s := r.state()
			return len(s.Groups) > 0 && s.Groups[0].Rows[0].Total.For == home
		})
	}
	goal(1)
	stop := first
	if now == other {
		stop = second
	}
	stop()
	r.until("another turn", func() bool { h := holder(); return h != nil && h != now })
	goal(2)
}

// run runs a runner until stop is called or the test ends.
func (r *rig) run(one *Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := one.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
