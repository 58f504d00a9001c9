package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"goalcast/internal/samples"
	"goalcast/internal/testservers"
	"goalcast/notify/fcm/fcmtest"
)

// BenchmarkPush measures a goal's way from the first byte of the POST of a 90 kB F9 to the first
// request at Firebase, with PostgreSQL that syncs to disk and Redis on loopback and a few
// followers; the goal's way to a socket in the same run is BenchmarkGoal's.
func BenchmarkPush(b *testing.B) {
	arrivals := make(chan time.Time, 100)
	fake := &fcmtest.Server{Project: "bench", Deliver: func(d fcmtest.Delivery) {
		if d.Data["kind"] == "goal" {
			arrivals <- time.Now()
		}
	}}
	firebase := httptest.NewServer(fake)
	b.Cleanup(firebase.Close)
	p := start(b, common.with("GOALCAST_DATABASE_URL="+testservers.DurablePostgres(b),
		"GOALCAST_REDIS_URL="+testservers.Redis(b),
		"GOALCAST_FCM_PROJECT=bench", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1"), "serve")
	const followers = 10
	apps := make([]app, followers)
	for i := range apps {
		apps[i] = app{b, p.public, fmt.Sprintf("a-device-token-%d", i), rand.Text() + rand.Text()}
		apps[i].put("/v1/me/devices/"+apps[i].token, `{"platform":"android","language":"en"}`)
		apps[i].put("/v1/me/follows/team:2578", "") // who scores
	}
	var times []time.Duration
	f9 := samples.LiveF9(b)
	match := 8_000_000
	for b.Loop() {
		b.StopTimer()
		match++
		after := p.aboutToScore(match, f9)
		told := len(goalInXML.FindAll(after.body, -1)) * followers
		b.StartTimer()
		started := time.Now()
		if _, err := p.post(after); err != nil {
			b.Fatal(err)
		}
		times = append(times, (<-arrivals).Sub(started))
		b.StopTimer()
		for range told - 1 {
			<-arrivals
		}
		b.StartTimer()
	}
	report(b, "first-push", times)
	if v := fake.Violations(); len(v) > 0 {
		b.Error(v)
	}
}

var goalInXML = regexp.MustCompile(`(?s)<Goal EventID=[^>]*?(/>|>.*?</Goal>)`)

// aboutToScore posts an F9 as a match of that number without its goals, waits until it is
// applied, and returns the one that tells of them now.
func (p *process) aboutToScore(match int, f9 []byte) delivery {
	p.t.Helper()
	feed := goalInF9(p.t, f9)
	before := lately(goalInXML.ReplaceAll(feed.before(match), nil), -time.Second)
	p.take(optaNow("F9", before))
	after := lately(feed.after(match), 0)
	return optaNow("F9", after)
}

// lately moves a document of years ago to this moment: goals now, in the second half, the periods
// so long ago that nobody is told of them. Pushes are for what is new. Every time in the document
// moves: one that stayed would lie in the future at some hours of the day.
func lately(body []byte, since time.Duration) []byte {
	now := time.Now().Add(since)
	zoned := func(t time.Time) string { return t.UTC().Format("20060102T150405-0700") }
	for _, stat := range []struct {
		name string
		ago  time.Duration
	}{{"first_half_start", 109 * time.Minute}, {"first_half_stop", time.Hour},
		{"second_half_start", 45 * time.Minute}} {
		at := now.Add(-stat.ago).In(london).Format("20060201T150405") // day before month, as live documents have it
		body = regexp.MustCompile(`("`+stat.name+`">)[^<]*`).ReplaceAll(body, []byte("${1}"+at))
	}
	body = productionHeader.ReplaceAll(body, nil) // it has a time too
	minute := 80                                  // each goal its own
	body = goalInXML.ReplaceAllFunc(body, func(goal []byte) []byte {
		minute++
		goal = bytes.Replace(goal, []byte(`Period="FirstHalf"`), []byte(`Period="SecondHalf"`), 1)
		goal = regexp.MustCompile(` Time="\d+"`).ReplaceAll(goal, fmt.Appendf(nil, ` Time="%d"`, minute))
		return regexp.MustCompile(` Min="\d+"`).ReplaceAll(goal, fmt.Appendf(nil, ` Min="%d"`, minute-1))
	})
	body = regexp.MustCompile(`<Date>[^<]*`).ReplaceAll(body, []byte(`<Date>`+zoned(now.Add(-110*time.Minute))))
	return regexp.MustCompile(`TimeStamp="[^"]*"`).ReplaceAll(body, []byte(`TimeStamp="`+zoned(now)+`"`))
}

// london is where Opta's times without a zone are told.
var london = func() *time.Location {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic(err)
	}
	return zone
}()
