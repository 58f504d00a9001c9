package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast/notify/fcm/fcmtest"
)

// phonesSetting is how many phones TestPhonesAreToldOnceWhateverFails has. As many as a bank has,
// 100000, take some minutes.
const phonesSetting = "GOALCAST_TEST_PHONES"

// badDay is a Firebase on a bad day: one phone in a hundred is gone, and others get what Firebase
// and the network have for them before they get their push.
type badDay struct {
	fcmtest.Server
	phones   int
	troubled map[int]bool // phones for which something goes wrong first

	mu       sync.Mutex
	requests []time.Time
}

func newBadDay(phones int) *badDay {
	b := &badDay{Server: fcmtest.Server{Project: "test"}, phones: phones, troubled: map[int]bool{}}
	troubles := []fcmtest.Failure{
		fcmtest.Unavailable(0), fcmtest.Internal(), fcmtest.BadGateway(), fcmtest.Slow(300 * time.Millisecond),
		{Drop: true}, {Drop: true, Deliver: true}, {Cut: true},
	}
	for n := 1; n <= phones; n++ {
		switch {
		case isGone(n):
			for range 20 { // however often it is tried
				b.Fail(tokenOf(n), fcmtest.Unregistered())
			}
		case n%max(phones/3, 1) == 1: // makes all of us wait, so only a few get it
			b.troubled[n] = true
			b.Fail(tokenOf(n), fcmtest.QuotaExceeded(time.Second))
		case rand.N(30) == 0:
			b.troubled[n] = true
			b.Fail(tokenOf(n), troubles[rand.N(len(troubles))])
		}
	}
	return b
}

func isGone(n int) bool { return n%100 == 50 }

// ServeHTTP notes when a request came that was to be sent; the canary's are not.
func (b *badDay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil { // the process was killed
		return
	}
	if !bytes.Contains(body, []byte(`"validate_only":true`)) {
		b.mu.Lock()
		b.requests = append(b.requests, at)
		b.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.Server.ServeHTTP(w, r)
}

// shown is what phone n shows of the goals of a match: how often, and which revision, by event.
func (b *badDay) shown(n int) (times map[string]int, revision map[string]string) {
	times, revision = map[string]int{}, map[string]string{}
	for _, s := range b.Phone(tokenOf(n)) {
		if strings.HasPrefix(s.Data["kind"], "goal") { // goal, goal_cancelled
			times[s.Data["event"]]++
			revision[s.Data["event"]] = s.Data["revision"]
		}
	}
	return times, revision
}

// exceeded says where there were more requests since a time than a rate lets through: a second's
// worth at once, or a batch of 500, and the rate from then on.
func (b *badDay) exceeded(since time.Time, perMinute int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, at := range b.requests {
		allowed := float64(max(perMinute/60, 500)) + float64(perMinute)*at.Sub(since).Minutes()
		if float64(i+1) > allowed {
			return fmt.Errorf("%d requests in %s, %.0f may be", i+1, at.Sub(since), allowed)
		}
	}
	return nil
}

// goalLives is for how long a goal is sent (notify.Config.GoalTTL). Where three senders took longer
// to start than that, some phones do not get it; and where Firebase put a phone off, what is left
// of that time may be too short for another attempt.
const (
	goalLives   = 2 * time.Minute
	putOffAtEnd = time.Minute
)

// mayMiss says whether a phone may have missed a goal that took so long to go out.
func (b *badDay) mayMiss(n int, took time.Duration) bool {
	return took >= goalLives || b.troubled[n] && took >= goalLives-putOffAtEnd
}

// TestPhonesAreToldOnceWhateverFails: a goal goes out while Firebase fails in all its ways and the
// process that sends is killed three times; another one is taken back while it goes out. Each phone
// shows each goal once, the one taken back as such or not at all; phones that are gone are
// forgotten; and never were there more requests than the rate allows.
func TestPhonesAreToldOnceWhateverFails(t *testing.T) {
	t.Parallel()
	phones := 2500
	if text := os.Getenv(phonesSetting); text != "" {
		var err error
		if phones, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	perMinute := max(30_000, 6*phones)
	fake := newBadDay(phones)
	firebase := httptest.NewServer(fake)
	t.Cleanup(firebase.Close)
	env := onServers(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1",
		fmt.Sprint("GOALCAST_FCM_RATE=", perMinute))
	posts := start(t, env, "serve", "--roles=ingest")
	var goals []string
	tell := func() {
		t.Helper()
		now := time.Now().UTC()
		events := `{"id":"start","kind":"period","period":"first_half"}`
		for i, status := range goals {
			events += fmt.Sprintf(`,{"id":"goal-%d","kind":"goal","team":%d,"period":"first_half","minute":%d,%s}`, i+1,
				bothTeam, 5+i, status)
		}
		body := fmt.Sprintf(`{"time":%q,"match":9000000081,"fixture":{"kickoff":%q,"home":{"id":%d,"name":"Millpond Athletic"},
			"away":{"id":9000000082,"name":"Quarry Town"}},"events":[%s]}`, now.Format(time.RFC3339Nano),
			now.Add(-12*time.Minute).Format(time.RFC3339), bothTeam, events)
		if got, text := ask(t, http.MethodPost, posts.public+"/feeds/json?wait=30s", nil, body); got != http.StatusOK {
			t.Fatalf("%d: %s", got, text)
		}
	}
	sends := start(t, env, "serve", "--roles=notify")
	tell() // the kick-off, for which nobody is there yet
	db := openPostgres(t, env.database())
	waitFor(t, time.Minute, "the kick-off to be planned", allSent(db))
	followersOf(t, db, phones, bothTeam)
	sent := func(n int) func() error {
		return func() error {
			if got := fake.Requests(); got < n {
				return fmt.Errorf("%d requests, want %d", got, n)
			}
			return nil
		}
	}
	goals = append(goals, `"status":"confirmed"`)
	began := time.Now()
	tell()
	for kills := 1; kills <= 3; kills++ {
		waitFor(t, 3*time.Minute, "some pushes", sent(kills*phones/5))
		sends.kill()
		sends = start(t, env, "serve", "--roles=notify")
	}
	waitFor(t, 10*time.Minute, "the goal to be told", allSent(db))
	took := time.Since(began)

	goals = append(goals, `"status":"confirmed"`)
	before := fake.Requests()
	tell()
	waitFor(t, 3*time.Minute, "some pushes of the second goal", sent(before+phones/3))
	goals[1] = `"status":"cancelled"`
	tell()
	waitFor(t, 10*time.Minute, "the second goal to be taken back", allSent(db))

	known := 0
	for n := 1; n <= phones; n++ {
		times, revision := fake.shown(n)
		if isGone(n) {
			continue
		}
		for event, times := range times {
			if times != 1 {
				t.Errorf("phone %d shows %s %d times", n, event, times)
			}
		}
		first, second := revision["json:goal-1"], revision["json:goal-2"]
		if first != "1" && (first != "" || !fake.mayMiss(n, took)) || second == "1" {
			t.Errorf("phone %d shows revision %q of the goal, %q of the one taken back", n, first, second)
		}
		if second != "" {
			known++
		}
	}
	if known == 0 {
		t.Error("no phone knew the second goal")
	}
	if err := fake.exceeded(began, perMinute); err != nil {
		t.Error(err)
	}
	var left, gone int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM devices`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= phones; n++ {
		if isGone(n) {
			gone++
		}
	}
	if left != phones-gone {
		t.Errorf("%d phones are known, %d should be", left, phones-gone)
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("Firebase would refuse: %v", v[:min(len(v), 10)])
	}
	t.Logf("%d phones in %s, %d requests in all, %d phones knew the goal that was taken back", phones, took,
		fake.Requests(), known)
}

// allSent says whether no push is still on its way to a phone.
func allSent(db *sql.DB) func() error {
	return func() error {
		for _, query := range []string{
			`SELECT count(*) FROM outbox WHERE planned_at IS NULL`,
			`SELECT count(*) FROM pushes WHERE open`,
			`SELECT count(*) FROM push_batches WHERE state IN ('planned', 'claimed')`,
		} {
			var n int
			if err := db.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return errors.New(strconv.Itoa(n) + " left: " + query)
			}
		}
		return nil
	}
}
