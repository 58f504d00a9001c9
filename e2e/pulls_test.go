package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

const (
	pulledMatch  = goalcast.MatchID(4711)
	pullUser     = "pull-user-of-the-tests"
	pullPassword = "pull-password-of-the-tests"
	pullPeriod   = time.Second
)

// lists is Opta's service of lists. Each process asks below a path of its own, so that
// it is known who asks.
type lists struct {
	london *time.Location
	made   time.Time   // the first list
	held   chan string // who asked and was left waiting

	mu      sync.Mutex // guards the rest
	kickoff time.Time
	version int // of the list: minutes after its first
	hold    bool
	broken  bool // it answers 200 with an error page that repeats the address
	asked   []asked
}

type asked struct {
	by string
	at time.Time
}

func newLists(t *testing.T, kickoff time.Time) (*lists, *httptest.Server) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	l := &lists{london: london, made: time.Now().Add(-24 * time.Hour), held: make(chan string, 1), kickoff: kickoff}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return l, server
}

func (l *lists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	by, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	if q.Get("user") != pullUser || q.Get("psw") != pullPassword || q.Get("feed_type")+":"+q.Get("competition")+":"+
		q.Get("season_id") != "f1:8:2026" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	l.mu.Lock()
	l.asked = append(l.asked, asked{by, time.Now()})
	hold, body := l.hold, l.listLocked()
	if l.broken {
		body = "<html><body>" + r.URL.String() + " is not available</body></html>"
	}
	l.hold = false
	l.mu.Unlock()
	if hold {
		l.held <- by
		<-r.Context().Done() // until who asked is gone
		return
	}
	_, _ = fmt.Fprint(w, body)
}

func (l *lists) listLocked() string {
	made, kickoff := l.made.Add(time.Duration(l.version)*time.Minute).In(l.london), l.kickoff.In(l.london)
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_id="8" competition_name="Example League" season_id="2026" timestamp="%s">
<MatchData uID="g%d"><MatchInfo MatchDay="9" Period="PreMatch"><Date>%s</Date><TZ>%s</TZ></MatchInfo><Stat Type="Venue">The Green</Stat>
<TeamData Score="" Side="Home" TeamRef="t1"/><TeamData Score="" Side="Away" TeamRef="t2"/></MatchData>
<Team uID="t1"><Name>Northbridge</Name></Team><Team uID="t2"><Name>Southwold</Name></Team></SoccerDocument></SoccerFeed>`,
		made.Format("2006-01-02 15-04-05"), pulledMatch, kickoff.Format(time.DateTime), kickoff.Format("MST"))
}

// move plans the match for another time.
func (l *lists) move(kickoff time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kickoff = kickoff
	l.version++
}

// holdNext leaves the next who asks waiting.
func (l *lists) holdNext() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = true
}

// breakDown makes it answer with an error page, or no more.
func (l *lists) breakDown(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

func (l *lists) log() []asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

// planned waits until REST lists the match at its time.
func (p *process) planned(kickoff time.Time, within time.Duration) {
	p.t.Helper()
	waitFor(p.t, within, fmt.Sprintf("the match to be listed at %s", kickoff), func() error {
		var day struct{ Matches []goalcast.Snapshot }
		if err := get(p.public+"/v1/matches?tz=UTC&date="+kickoff.UTC().Format(time.DateOnly), nil, &day); err != nil {
			return err
		}
		for _, m := range day.Matches {
			if m.ID == pulledMatch && m.Kickoff.Equal(kickoff) && m.Home.Name == "Northbridge" &&
				m.Away.Name == "Southwold" {
				return nil
			}
		}
		return fmt.Errorf("%d matches: %+v", len(day.Matches), day.Matches)
	})
}

// moved waits until the viewer knows the new time.
func (v *viewer) moved(kickoff time.Time, within time.Duration) {
	v.t.Helper()
	waitFor(v.t, within, fmt.Sprintf("the viewer to hear of %s", kickoff), func() error {
		if _, m, problem := v.State(pulledMatch); problem != nil || !m.Kickoff.Equal(kickoff) {
			return fmt.Errorf("knows %s; %w", m.Kickoff, problem)
		}
		return nil
	})
}

// TestFixturesArePulledByOneOfAll: two processes, and each period one of them asks Opta. A match
// that is moved moves for viewers; and when the one who asks is killed over it, the other asks.
func TestFixturesArePulledByOneOfAll(t *testing.T) {
	t.Parallel()
	first := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 9).Add(15 * time.Hour)
	opta, server := newLists(t, first)
	env := onServers(t, "GOALCAST_LOG_LEVEL=debug",
		"GOALCAST_OPTA_PULL=f1:8:2026", "GOALCAST_OPTA_PULL_USER="+pullUser, "GOALCAST_OPTA_PULL_PASSWORD="+
			pullPassword,
		"GOALCAST_OPTA_PULL_EVERY="+pullPeriod.String())
	begin := time.Now()
	all := map[string]*process{}
	for _, name := range []string{"a", "b"} {
		all[name] = start(t, env.with("GOALCAST_OPTA_PULL_URL="+server.URL+"/"+name), "serve")
	}
	for _, p := range all {
		p.planned(first, 60*time.Second)
	}

	v := newViewer(t, all["b"].public, overWebSocket, goalcast.ForMatch(pulledMatch))
	v.join()
	second := first.AddDate(0, 0, 1).Add(-150 * time.Minute)
	opta.move(second)
	v.moved(second, 60*time.Second)
	for _, p := range all {
		p.planned(second, 60*time.Second)
	}
	// The same list again and again is no news.
	pulls := len(opta.log())
	waitFor(t, 120*time.Second, "more pulls", func() error {
		if n := len(opta.log()); n < pulls+8 {
			return fmt.Errorf("%d pulls, %d before", n, pulls)
		}
		return nil
	})
	log := opta.log()
	end := log[len(log)-1].at
	if periods := end.Unix() - begin.Unix() + 1; int64(len(log)) > periods { // a period is a second
		t.Errorf("%d pulls in %d periods", len(log), periods)
	}
	if events, _, problem := v.State(pulledMatch); len(events) != 1 || events[0].Revision != 2 || problem != nil {
		t.Errorf("events %+v, %v", events, problem)
	}

	opta.holdNext()
	var runner string
	select {
	case runner = <-opta.held:
	case <-time.After(60 * time.Second):
		t.Fatal("nobody asks any more")
	}
	pulls = len(opta.log())
	time.Sleep(3 * pullPeriod) // whoever asks while another does would do so by now
	if log := opta.log(); len(log) != pulls {
		t.Errorf("while %s asked, these did: %+v", runner, log[pulls:])
	}
	survivor := map[string]string{"a": "b", "b": "a"}[runner]
	v.Cut()
	v.Move(all[survivor].public)
	v.join()
	third := second.Add(15 * time.Minute)
	opta.move(third)
	all[runner].kill()
	v.moved(third, 3*time.Minute) // half a minute until the dead one's lease is over
	all[survivor].planned(third, 60*time.Second)
	for _, a := range opta.log()[pulls:] {
		if a.by != survivor {
			t.Errorf("after its end %s asks", a.by)
		}
	}
	if events, _, problem := v.State(pulledMatch); len(events) != 2 || events[1].Revision != 3 || problem != nil {
		t.Errorf("events %+v, %v", events, problem)
	}
	all[survivor].pulledAsToldOf(t, 3)
	for name, p := range all {
		if text := p.log.String(); strings.Contains(text, pullPassword) || strings.Contains(text, pullUser) {
			t.Errorf("the log of %s shows credentials", name)
		}
	}
}

// pulledAsToldOf checks what an operator sees: each list once among the documents, and the job.
func (p *process) pulledAsToldOf(t *testing.T, documents int) {
	t.Helper()
	var kept struct {
		Documents []struct {
			Feed, State string
			Repeats     int
		}
	}
	var work struct{ Jobs []goalcast.JobState }
	if err := errors.Join(p.operator("/admin/documents", &kept), p.operator("/admin/queues", &work)); err != nil {
		t.Fatal(err)
	}
	repeats := 0
	for _, d := range kept.Documents {
		repeats += d.Repeats
		if d.Feed != "F1" || d.State != string(goalcast.DocumentApplied) {
			t.Errorf("document %+v", d)
		}
	}
	if len(kept.Documents) != documents || repeats < 8 {
		t.Errorf("%d documents, repeated %d times", len(kept.Documents), repeats)
	}
	i := slices.IndexFunc(work.Jobs, func(j goalcast.JobState) bool { return j.Name == "opta-pull" })
	if i < 0 || work.Jobs[i].Failures != 0 || work.Jobs[i].Succeeded.IsZero() {
		t.Errorf("jobs %+v", work.Jobs)
	}
}

// TestPullsThatFailRaiseAnAlarm: while lists do not come, an operator is told, and sees why, but no
// password. When they come again, that is over.
func TestPullsThatFailRaiseAnAlarm(t *testing.T) {
	t.Parallel()
	kickoff := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 9).Add(15 * time.Hour)
	opta, server := newLists(t, kickoff)
	opta.breakDown(true)
	p := start(t, onFile(t, "GOALCAST_ALARM_JOB_STALE=1s",
		"GOALCAST_OPTA_PULL=f1:8:2026", "GOALCAST_OPTA_PULL_USER="+pullUser, "GOALCAST_OPTA_PULL_PASSWORD="+
			pullPassword,
		"GOALCAST_OPTA_PULL_EVERY="+pullPeriod.String(), "GOALCAST_OPTA_PULL_URL="+server.URL), "serve")
	alarm := func(open bool) func() error {
		return func() error {
			var list struct{ Alarms []goalcast.Alarm }
			if err := p.operator("/admin/alarms?state=all", &list); err != nil {
				return err
			}
			for _, a := range list.Alarms {
				if a.Name == "job_stale:opta-pull" && a.Closed.IsZero() == open {
					return nil
				}
			}
			return fmt.Errorf("alarms %+v", list.Alarms)
		}
	}
	waitFor(t, 2*time.Minute, "the alarm", alarm(true))
	var work struct{ Jobs []goalcast.JobState }
	if err := p.operator("/admin/queues", &work); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(work.Jobs, func(j goalcast.JobState) bool { return j.Name == "opta-pull" })
	if i < 0 || work.Jobs[i].Failures < 3 || !strings.Contains(work.Jobs[i].Error, "pull f1:8:2026: not a list") {
		t.Errorf("jobs %+v", work.Jobs)
	}
	metrics := p.metrics()
	if !strings.Contains(metrics, `goalcast_opta_pulls_total{feed="F1",outcome="no_document"}`) {
		t.Error("no metric of pulls that failed")
	}
	opta.breakDown(false)
	p.planned(kickoff, 60*time.Second)
	waitFor(t, 2*time.Minute, "the alarm's end", alarm(false))
	for where, text := range map[string]string{"log": p.log.String(), "metrics": metrics,
		"jobs": fmt.Sprint(work.Jobs)} {
		if strings.Contains(text, pullPassword) || strings.Contains(text, pullUser) {
			t.Errorf("%s: credentials are shown", where)
		}
	}
}
