package partner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/notify/partner"
	"goalcast/notify/partner/partnertest"
	"goalcast/store"
)

var _ partner.Store = (*store.Store)(nil)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// secret and oldSecret are what partners know requests by.
const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alone is the only process there is: it need not wait until the lease of a killed one ends.
type alone struct{}

func (alone) Hold(ctx context.Context, _ string, run func(context.Context, int64) error) error {
	for ctx.Err() == nil {
		_ = run(ctx, 1)
	}
	return nil
}

// rig is a database with matches, and a partner on a socket.
type rig struct {
	t      *testing.T
	db     *store.Store
	fake   *partnertest.Server
	server *httptest.Server
	reg    *prometheus.Registry // of the last runner
	alarms atomic.Value         // the newest, []goalcast.Alarm
}

func onBoth(t *testing.T, test func(*testing.T, *rig)) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "partners.db") },
		"postgres": func(t *testing.T) string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newRig(t, url(t)))
		})
	}
}

func onSQLite(t *testing.T) *rig {
	t.Parallel()
	return newRig(t, "sqlite:"+filepath.Join(t.TempDir(), "partners.db"))
}

func newRig(t *testing.T, url string) *rig {
	t.Helper()
	db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, db: db, fake: &partnertest.Server{Secret: secret}}
	r.server = httptest.NewTLSServer(r.fake)
	t.Cleanup(r.server.Close)
	t.Cleanup(func() {
		if wrong := r.fake.Wrong(); len(wrong) > 0 {
			t.Errorf("the partner says: %v", wrong)
		}
	})
	return r
}

func readSecret(t *testing.T, text string) partner.Secret {
	t.Helper()
	s, err := partner.ReadSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// house is a partner that gets everything.
func (r *rig) house() partner.Partner {
	return partner.Partner{Name: "house", URL: "https://hooks.example.org/goals?key=hidden", All: true,
		Secrets: []partner.Secret{readSecret(r.t, secret)}}
}

// start runs a runner until the test ends, or until it is stopped.
func (r *rig) start(change func(*partner.Config), partners ...partner.Partner) (runner *partner.Runner, stop func()) {
	r.t.Helper()
	cfg := partner.Config{Partners: partners, Endpoint: r.server.URL, Poll: 20 * time.Millisecond,
		FirstPause: time.Millisecond, LastPause: 5 * time.Millisecond,
		RootCAs: r.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
		Alarm: func(_ context.Context, firing []goalcast.Alarm) error {
			r.alarms.Store(firing)
			return nil
		}}
	if change != nil {
		change(&cfg)
	}
	r.reg = prometheus.NewRegistry()
	runner, err := partner.New(cfg, r.db, alone{}, slog.New(slog.DiscardHandler), r.reg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = runner.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); all.Wait(); runner.Close() })
	r.t.Cleanup(stop)
	r.wait("the partners to be configured", func() bool {
		for _, p := range partners {
			if r.state(p.Name).Name == "" {
				return false
			}
		}
		return true
	})
	return runner, stop
}

func (r *rig) state(name string) goalcast.PartnerState {
	r.t.Helper()
	list, err := r.db.Partners(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list {
		if p.Name == name {
			return p
		}
	}
	return goalcast.PartnerState{}
}

func (r *rig) wait(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s; %d taken, %v; %+v", what, len(r.fake.Taken()), r.fake.Wrong(),
				r.state("house"))
		}
	}
}

// happen adds events to a match of a competition, after its fixture.
func (r *rig) happen(id goalcast.MatchID, competition goalcast.CompetitionID, kinds ...goalcast.Kind) {
	r.t.Helper()
	r.happenIn(r.t.Context(), id, competition, kinds...)
}

func (r *rig) happenIn(ctx context.Context, id goalcast.MatchID, competition goalcast.CompetitionID,
	kinds ...goalcast.Kind) {
	r.t.Helper()
	err := r.db.UpdateMatch(ctx, id, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
		var events []goalcast.Event
		if rec.Snapshot.Seq == 0 {
			kinds = append([]goalcast.Kind{goalcast.KindFixture}, kinds...)
		}
		for _, kind := range kinds {
			e := goalcast.Event{Kind: kind, Match: id, Seq: rec.Snapshot.Seq + 1, Revision: 1,
				Status: goalcast.Confirmed, Topics: []goalcast.Topic{goalcast.ForMatch(id), goalcast.ForTeam(1),
					goalcast.ForCompetition(competition)}}
			e.ID = fmt.Sprintf("test:%d:%d", id, e.Seq)
			switch kind {
			case goalcast.KindFixture:
				e.Fixture = &goalcast.Fixture{Competition: goalcast.Competition{ID: competition, Name: "Liga <&>"},
					Home: goalcast.Team{ID: 1, Name: "Noordzand"}, Away: goalcast.Team{ID: 2, Name: "Val-Rouge"}}
			case goalcast.KindGoal:
				e.Team, e.Period, e.Minute, e.Goal = 1, goalcast.FirstHalf, 3, &goalcast.Goal{Type: goalcast.OpenPlay}
			}
			rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
			events = append(events, e)
		}
		return rec, events, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// keys are the events that the partner took, in order.
func keys(taken []partnertest.Taken) (list []string) {
	for _, t := range taken {
		list = append(list, t.Event.KeyOfAll())
	}
	return list
}

// once are what was taken, without repeats: each has the same id and body as what it repeats.
func once(t *testing.T, taken []partnertest.Taken) (first []partnertest.Taken) {
	t.Helper()
	bodies := map[string]string{}
	for _, one := range taken {
		body, known := bodies[one.ID]
		if known && body != string(one.Body) {
			t.Errorf("%s repeats\n%s as\n%s", one.ID, body, one.Body)
		}
		if !known {
			bodies[one.ID] = string(one.Body)
			first = append(first, one)
		}
	}
	return first
}

// value adds up a metric of the last runner, over the labels that are not named.
func (r *rig) value(name string, labels ...string) (sum float64, found bool) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != "goalcast_partner_"+name || slices.ContainsFunc(labels, func(want string) bool {
				return !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
					return l.GetName()+"="+l.GetValue() == want
				})
			}) {
				continue
			}
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum, found
}

// A partner gets what is committed after it was configured: all of it, in order, with the names of
// the match, signed by both of its secrets.
func TestEventsInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.happen(9, 5, goalcast.KindGoal) // before there is a partner
		house := r.house()
		house.Secrets = []partner.Secret{readSecret(t, oldSecret), readSecret(t, secret)}
		runner, _ := r.start(nil, house)
		var want []string
		for n := range 5 {
			for match := goalcast.MatchID(1); match <= 3; match++ {
				r.happen(match, 5, goalcast.KindGoal)
				if n == 0 {
					want = append(want, fmt.Sprintf("%d/test:%[1]d:1#1", match))
				}
				want = append(want, fmt.Sprintf("%d/test:%[1]d:%d#1", match, n+2))
				runner.Wake()
			}
		}
		r.happenIn(store.Silent(t.Context()), 1, 5, goalcast.KindGoal)
		want = append(want, "1/test:1:7#1")
		r.wait("all events", func() bool { return len(r.fake.Taken()) == len(want) })
		taken := r.fake.Taken()
		if got := keys(taken); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
		for i, one := range taken {
			if one.Cursor != taken[0].Cursor+int64(i) || one.Quiet != (i == len(taken)-1) {
				t.Errorf("event %d has the cursor %d, quiet %v", i, one.Cursor, one.Quiet)
			}
			if one.Match.Home.Name != "Noordzand" || one.Match.Away.Name != "Val-Rouge" ||
				one.Match.Competition.Name != "Liga <&>" || one.Match.ID != one.Event.Match {
				t.Errorf("match %+v", one.Match)
			}
		}
		if one := taken[0]; one.Host != "hooks.example.org" || !strings.HasPrefix(one.ID, "msg_") {
			t.Errorf("%+v", one)
		}
		r.wait("the cursor", func() bool { return r.state("house").Cursor == taken[len(taken)-1].Cursor })
		if s := r.state("house"); s.Lag(r.db.Now()) != 0 || s.Taken.IsZero() {
			t.Errorf("%+v", s)
		}
		if n, _ := r.value("sent_total", "partner=house"); int(n) != len(want) {
			t.Errorf("%v sent", n)
		}
	})
}

// A partner that is killed between what it was told and its cursor is told again, and of nothing
// less.
func TestKilledBetweenRequestAndCursor(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		const events = 20
		deaths := 0
		start := func() func() {
			var sent atomic.Int32
			_, stop := r.start(func(c *partner.Config) {
				c.Fault = func(string) {
					if sent.Add(1) == 3 {
						runtime.Goexit() // neither this nor what comes after it happens
					}
				}
			}, r.house())
			return func() {
				r.wait("its end", func() bool { return sent.Load() >= 3 || len(once(t, r.fake.Taken())) == events })
				stop()
				deaths++
			}
		}
		kill := start()
		r.happen(1, 5, slices.Repeat([]goalcast.Kind{goalcast.KindGoal}, events-1)...)
		for len(once(t, r.fake.Taken())) < events {
			kill()
			kill = start()
		}
		taken := r.fake.Taken()
		first := once(t, taken)
		for i, one := range first {
			if one.Event.Seq != int64(i)+1 {
				t.Fatalf("out of order: %v", keys(taken))
			}
		}
		if deaths < 5 || len(taken) == len(first) {
			t.Errorf("%d deaths, %d requests: nothing was repeated", deaths, len(taken))
		}
	})
}

// Whatever goes wrong, the same event is tried again until it is taken, and nobody else waits.
func TestWhatIsNotTakenIsTriedAgain(t *testing.T) {
	r := onSQLite(t)
	hung, free := make(chan struct{}), make(chan struct{})
	other := &partnertest.Server{Secret: secret}
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Host == "other.example.org" {
			other.ServeHTTP(w, req)
			return
		}
		r.fake.ServeHTTP(w, req)
	}))
	t.Cleanup(slow.Close)
	r.server = slow
	r.fake.Answer = func(n int, w http.ResponseWriter, req *http.Request) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			http.Redirect(w, req, "https://elsewhere.example.org/", http.StatusTemporaryRedirect)
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			w.WriteHeader(http.StatusNotFound)
		case 5:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 6:
			close(hung)
			<-free
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	}
	second := r.house()
	second.Name, second.URL = "other", "https://other.example.org/"
	second.Topics, second.All, second.Kinds = []goalcast.Topic{goalcast.ForMatch(2)}, false,
		[]goalcast.Kind{goalcast.KindGoal}
	r.start(nil, r.house(), second)
	r.happen(1, 5, goalcast.KindGoal)
	select {
	case <-hung:
	case <-time.After(patience):
		t.Fatalf("not asked six times: %d, %+v", r.fake.Asked(), r.state("house"))
	}
	before := r.state("house")
	r.happen(2, 5, goalcast.KindGoal, goalcast.KindGoal)
	r.wait("the other partner", func() bool { return len(other.Taken()) == 2 })
	if len(r.fake.Taken()) != 0 || before.Failing.IsZero() || before.Attempts != 5 || before.Reason != "busy" ||
		before.Error != "answered 429" || before.Retry.Sub(before.Failing) < time.Second ||
		before.Lag(r.db.Now()) == 0 {
		t.Errorf("%+v", before)
	}
	close(free)
	r.wait("all events", func() bool { return len(r.fake.Taken()) == 5 })
	if got, want := keys(r.fake.Taken()), []string{"1/test:1:1#1", "1/test:1:2#1", "2/test:2:1#1", "2/test:2:2#1",
		"2/test:2:3#1"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := keys(other.Taken()); !slices.Equal(got, []string{"2/test:2:2#1", "2/test:2:3#1"}) ||
		len(other.Wrong()) > 0 {
		t.Errorf("the other got %v; %v", got, other.Wrong())
	}
	for reason, want := range map[string]float64{"unavailable": 1, "redirect": 1, "no_answer": 1, "refused": 1,
		"busy": 2, "timeout": 0} {
		if n, _ := r.value("failed_total", "partner=house", "reason="+reason); n != want {
			t.Errorf("%v failed: %s", n, reason)
		}
	}
	r.wait("a clean state", func() bool { s := r.state("house"); return s.Failing.IsZero() && s.Attempts == 0 })
}

// A partner that takes nothing for too long, or wants no more, is paused until its cursor is set:
// nothing is sent meanwhile, operators know, and nothing is left out.
func TestPauseAndReplay(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		giveUp time.Duration
	}{"given up": {http.StatusBadGateway, time.Millisecond}, "gone": {http.StatusGone, time.Hour}} {
		t.Run(name, func(t *testing.T) {
			r := onSQLite(t)
			var up atomic.Bool
			r.fake.Answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if up.Load() || n <= 2 {
					return false
				}
				w.WriteHeader(tt.status)
				return true
			}
			_, stop := r.start(func(c *partner.Config) { c.GiveUp = tt.giveUp }, r.house())
			r.happen(1, 5, goalcast.KindGoal, goalcast.KindGoal, goalcast.KindGoal)
			r.wait("the pause", func() bool { return !r.state("house").Paused.IsZero() })
			alarmed := func() bool {
				firing, _ := r.alarms.Load().([]goalcast.Alarm)
				return len(firing) == 1 && firing[0].Kind == goalcast.AlarmPartner &&
					firing[0].Name == "partner_paused:house" && !strings.Contains(firing[0].Text, "hidden")
			}
			r.wait("the alarm", alarmed)
			asked, s := r.fake.Asked(), r.state("house")
			if n, _ := r.value("paused", "partner=house"); n != 1 || s.Error != fmt.Sprint("answered ", tt.status) {
				t.Errorf("paused %v, %+v", n, s)
			}
			up.Store(true)
			stop()
			r.happen(1, 5, goalcast.KindGoal)
			other := r.house()
			other.Name = "other" // shows that the runner is at work
			r.start(nil, r.house(), other)
			r.happen(2, 5)
			r.wait("the other", func() bool { s := r.state("other"); return s.Newest == 6 && s.Cursor == 6 })
			if n := r.fake.Asked() - asked; n != 1 {
				t.Errorf("%d requests, want that of the other partner", n)
			}
			if _, _, err := r.db.ReplayPartner(t.Context(), "house", s.Cursor, time.Time{}); err != nil {
				t.Fatal(err)
			}
			r.wait("the rest", func() bool { s := r.state("house"); return s.Cursor == s.Newest })
			r.wait("the end of the alarm", func() bool { return !alarmed() })
			if n, _ := r.value("paused", "partner=house"); n != 0 {
				t.Errorf("paused %v", n)
			}
			var seqs []int64
			for _, one := range once(t, r.fake.Taken()) {
				if one.Event.Match == 1 {
					seqs = append(seqs, one.Event.Seq)
				}
			}
			if !slices.Equal(seqs, []int64{1, 2, 3, 4, 5}) {
				t.Errorf("told of %v", seqs)
			}
		})
	}
}

// A cursor that is set while events are sent is where it goes on; what is sent again has its id.
func TestReplayFromACursor(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.start(nil, r.house())
		r.happen(1, 5, slices.Repeat([]goalcast.Kind{goalcast.KindGoal}, 5)...)
		r.wait("all events", func() bool { return len(r.fake.Taken()) == 6 })
		r.wait("the cursor", func() bool { s := r.state("house"); return s.Cursor == s.Newest })
		first := r.fake.Taken()
		before, after, err := r.db.ReplayPartner(t.Context(), "house", first[2].Cursor, time.Time{})
		if err != nil || before.Cursor != first[5].Cursor || after.Cursor != first[2].Cursor || after.Sets != 1 {
			t.Errorf("%+v, %+v, %v", before, after, err)
		}
		r.wait("three again", func() bool { return len(r.fake.Taken()) == 9 })
		if got := keys(r.fake.Taken()[6:]); !slices.Equal(got, keys(first[3:])) || len(once(t, r.fake.Taken())) != 6 {
			t.Errorf("again %v", got)
		}
		r.wait("its cursor", func() bool { s := r.state("house"); return s.Cursor == s.Newest })
		if _, _, err := r.db.ReplayPartner(t.Context(), "house", 0, first[0].At); err != nil {
			t.Fatal(err)
		}
		r.wait("all again", func() bool { return len(r.fake.Taken()) == 15 })
	})
}

// Events behind a cursor that are not kept any more are not passed over without a word.
func TestAGapPauses(t *testing.T) {
	r := onSQLite(t)
	configure := func() {
		t.Helper()
		if err := r.db.ConfigurePartners(t.Context(), []string{"house"}); err != nil {
			t.Fatal(err)
		}
	}
	configure()
	r.happen(1, 5, goalcast.KindGoal, goalcast.KindGoal)
	if n, err := r.db.NumberEvents(t.Context(), 100); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	committed := r.state("house").Oldest
	r.wait("the clock", func() bool { return r.db.Now().Sub(committed) > 100*time.Millisecond })
	configure() // so that it is not pruned itself
	numbers, partners, err := r.db.PrunePartners(t.Context(), committed.Add(50*time.Millisecond))
	if numbers != 2 || partners != 0 || err != nil { // the newest stays
		t.Fatal(numbers, partners, err)
	}
	r.start(nil, r.house())
	r.wait("the pause", func() bool { return !r.state("house").Paused.IsZero() })
	if s := r.state("house"); s.Reason != "gap" || s.Error != "the events from 1 to 2 are not kept any more" {
		t.Errorf("%+v", s)
	}
	var reach *goalcast.ReachError
	if _, _, err := r.db.ReplayPartner(t.Context(), "house", 1, time.Time{}); !errors.As(err, &reach) ||
		*reach != (goalcast.ReachError{First: 2, Last: 3}) {
		t.Errorf("%v", err)
	}
	if _, _, err := r.db.ReplayPartner(t.Context(), "house", 2, time.Time{}); err != nil {
		t.Error(err)
	}
	r.wait("what is kept", func() bool { return len(r.fake.Taken()) == 1 })
}

// A partner's host is connected to at public addresses only, whatever its name says.
func TestNoAddressOfOurs(t *testing.T) {
	r := onSQLite(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	house := r.house()
	house.URL = "https://localhost:" + port + "/hidden"
	r.start(func(c *partner.Config) { c.Endpoint = "" }, house)
	r.happen(1, 5)
	r.wait("an attempt", func() bool { return r.state("house").Attempts > 1 })
	if s := r.state("house"); s.Reason != "not_public" || strings.Contains(s.Error, "hidden") {
		t.Errorf("%+v", s)
	}
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if conn, err := listener.Accept(); err == nil {
		t.Errorf("somebody came: %v", conn.RemoteAddr())
	}
}

// Of a private competition only a partner that names it is told.
func TestPrivateCompetitions(t *testing.T) {
	r := onSQLite(t)
	other := &partnertest.Server{Secret: secret}
	both := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Host == "insider.example.org" {
			other.ServeHTTP(w, req)
			return
		}
		r.fake.ServeHTTP(w, req)
	}))
	t.Cleanup(both.Close)
	r.server = both
	insider := r.house()
	insider.Name, insider.URL = "insider", "https://insider.example.org/"
	insider.All, insider.Topics = false, []goalcast.Topic{goalcast.ForCompetition(66), goalcast.ForTeam(1),
		goalcast.ForMatch(1)}
	r.start(func(c *partner.Config) {
		c.Private = goalcast.Private{66: goalcast.PrivateRight(0), 77: goalcast.PrivateRight(1)}
	}, r.house(), insider)
	r.happen(1, 66, goalcast.KindGoal)
	r.happen(2, 77)
	message := goalcast.Event{ID: "message:a", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{goalcast.ForMatch(1)}, Message: []byte(`"Rain."`)}
	if _, err := r.db.SaveMessages(t.Context(), nil, message); err != nil {
		t.Fatal(err)
	}
	r.happen(3, 5)
	r.wait("all events", func() bool { return len(r.fake.Taken()) == 1 && len(other.Taken()) == 4 })
	if got := keys(r.fake.Taken()); got[0] != "3/test:3:1#1" {
		t.Errorf("told of %v", got)
	}
	if n, _ := r.value("left_out_total", "partner=house", "reason=private"); n != 4 {
		t.Errorf("%v left out", n)
	}
	if n, _ := r.value("left_out_total", "partner=insider"); n != 1 || len(other.Wrong()) > 0 {
		t.Errorf("%v left out; %v", n, other.Wrong())
	}
}

// What a partner's secrets and settings may be.
func TestCheck(t *testing.T) {
	for _, text := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8G",
		"whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", secret + strings.Repeat("AAAA", 20)} {
		if _, err := partner.ReadSecret(text); err == nil || text != "" && strings.Contains(err.Error(), "MfK") {
			t.Errorf("%q: %v", text, err)
		}
	}
	r := &rig{t: t}
	for want, change := range map[string]func(*partner.Partner){
		"name":                  func(p *partner.Partner) { p.Name = "A b" },
		"url":                   func(p *partner.Partner) { p.URL = "http://hooks.example.org/hidden" },
		"want one secret":       func(p *partner.Partner) { p.Secrets = nil },
		"topics: want match":    func(p *partner.Partner) { p.All = false },
		"odds:1 has no events":  func(p *partner.Partner) { p.Topics = []goalcast.Topic{goalcast.ForOdds(1)} },
		`there is no kind "x"`:  func(p *partner.Partner) { p.Kinds = []goalcast.Kind{"x"} },
		"url: want one that be": func(p *partner.Partner) { p.URL = "https://u:hidden@hooks.example.org/" },
		"secret, or two":        func(p *partner.Partner) { p.Secrets = append(p.Secrets, p.Secrets[0], p.Secrets[0]) },
	} {
		p := r.house()
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		if change(&p); p.Check() == nil || !strings.Contains(p.Check().Error(), want) ||
			strings.Contains(p.Check().Error(), "hidden") {
			t.Errorf("%v, want %s", p.Check(), want)
		}
	}
	if err := partner.CheckAll([]partner.Partner{r.house(), r.house()}); err == nil {
		t.Error("one name twice")
	}
	if err := partner.CheckAll(make([]partner.Partner, partner.MaxPartners+1)); err == nil {
		t.Error("too many")
	}
}

// The example of the specification, and what the partner of these tests makes of requests that are
// not ours.
func TestSignature(t *testing.T) {
	p := partner.Partner{Secrets: []partner.Secret{readSecret(t, secret), readSecret(t, oldSecret)}}
	const id, seconds, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`
	signature := p.Sign(id, seconds, []byte(body))
	if one, _, _ := strings.Cut(signature, " "); one != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", signature)
	}
	verify := func(secret, id, seconds, signature, body string, late time.Duration) error {
		return partnertest.Verify(secret, http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {seconds},
			"Webhook-Signature": {signature}}, []byte(body), time.Unix(1614265330, 0).Add(late))
	}
	for _, s := range []string{secret, oldSecret} {
		if err := verify(s, id, seconds, signature, body, time.Minute); err != nil {
			t.Error(err)
		}
	}
	another := "whsec_" + strings.Repeat("MTIz", 10)
	for what, err := range map[string]error{
		"secret":    verify(another, id, seconds, signature, body, 0),
		"id":        verify(secret, id+"x", seconds, signature, body, 0),
		"time":      verify(secret, id, "1614265331", signature, body, 0),
		"old":       verify(secret, id, seconds, signature, body, time.Hour),
		"body":      verify(secret, id, seconds, signature, body+" ", 0),
		"version":   verify(secret, id, seconds, strings.ReplaceAll(signature, "v1,", "v2,"), body, 0),
		"signature": verify(secret, id, seconds, "", body, 0),
	} {
		if err == nil {
			t.Errorf("another %s is taken", what)
		}
	}
}

// Secrets are exchanged while goalcast runs: from the next request on, and of the named partners
// alone.
func TestSecretsAreExchanged(t *testing.T) {
	r := onSQLite(t)
	type request struct {
		header http.Header
		body   []byte
	}
	requests := make(chan request, 10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- request{q.Header, body}
	}))
	t.Cleanup(server.Close)
	runner, _ := r.start(func(c *partner.Config) {
		c.Endpoint, c.RootCAs = server.URL, server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}, r.house())
	old, fresh := readSecret(t, secret), readSecret(t, oldSecret)
	for i, step := range []struct {
		use              map[string][]partner.Secret
		byOld, byAnother bool
	}{
		{nil, true, false},
		{map[string][]partner.Secret{"house": {old, fresh}, "stranger": {old}}, true, true},
		{map[string][]partner.Secret{"house": {fresh}}, false, true},
		{map[string][]partner.Secret{"stranger": {old}, "house": nil}, true, false},
	} {
		if step.use != nil {
			runner.UseSecrets(step.use)
		}
		r.happen(goalcast.MatchID(i+1), 5, goalcast.KindGoal)
		for range 2 { // the match, and its goal
			var got request
			select {
			case got = <-requests:
			case <-time.After(patience):
				t.Fatal("no request")
			}
			for text, want := range map[string]bool{secret: step.byOld, oldSecret: step.byAnother} {
				if err := partnertest.Verify(text, got.header, got.body, time.Now()); (err == nil) != want {
					t.Errorf("step %d: signed by %s: %v; want %v", i, text[:10], err, want)
				}
			}
		}
	}
}

// Every figure is there before anything happens.
func TestFiguresBeginAtZero(t *testing.T) {
	r := onSQLite(t)
	r.start(nil, r.house())
	for _, name := range []string{"sent_total", "failed_total", "left_out_total", "errors_total", "lag_seconds",
		"paused", "request_seconds"} {
		if n, found := r.value(name, "partner=house"); n != 0 || !found {
			t.Errorf("%s is %v, %v", name, n, found)
		}
	}
}
