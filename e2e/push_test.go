package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/loadtest/simulator"
	"goalcast/notify/fcm/fcmtest"
)

// app is a phone's app: it registers a device and follows topics, by HTTP.
type app struct {
	t     testing.TB
	base  string
	token string // of the device
	user  string // bearer token
}

func (a app) put(path, body string) {
	a.t.Helper()
	header := bearer(a.user)
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	if status, text := ask(a.t, http.MethodPut, a.base+path, header, body); status/100 != 2 {
		a.t.Fatalf("PUT %s: %d %s", path, status, text)
	}
}

// TestGoalsReachPhones plays a simulated match to a running goalcast and looks at what phones show.
func TestGoalsReachPhones(t *testing.T) {
	t.Parallel()
	fake := &fcmtest.Server{Project: "test"}
	firebase := httptest.NewServer(fake)
	t.Cleanup(firebase.Close)
	p := startEmbedded(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1").ingest

	day := simulator.New(simulator.Config{Seed: 7, Matches: 1, Speed: 600, Start: time.Now()})
	truth := day.Matches()[0]
	var cancelled int
	for _, g := range truth.Goals {
		if g.Cancelled {
			cancelled++
		}
	}
	if cancelled == 0 || len(truth.Goals) == cancelled {
		t.Fatalf("the day has %d goals, %d of them taken back: no test", len(truth.Goals), cancelled)
	}
	// One follows the match and both teams, one the home team only, one another team.
	follows := [][]goalcast.Topic{
		{goalcast.ForMatch(goalcast.MatchID(truth.ID)), goalcast.ForTeam(goalcast.TeamID(truth.Home.ID)),
			goalcast.ForTeam(goalcast.TeamID(truth.Away.ID))},
		{goalcast.ForTeam(goalcast.TeamID(truth.Home.ID))},
		{goalcast.ForTeam(1)},
	}
	for i, topics := range follows {
		a := app{t, p.public, fmt.Sprintf("a-device-token-%d", i), rand.Text() + rand.Text()}
		a.put("/v1/me/devices/"+a.token, `{"platform":"android","language":"en"}`)
		for _, topic := range topics {
			a.put("/v1/me/follows/"+topic.String(), "")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	post := simulator.Poster(p.public+"/feeds/opta", "", nil, slog.New(slog.DiscardHandler))
	told := map[int64]bool{}
	if err := day.Run(ctx, func(ctx context.Context, doc simulator.Document) error {
		if err := post(ctx, doc); err != nil || doc.Match != truth.ID {
			return err
		}
		// A goal that is taken back before a phone knows of it is not pushed at all. This day's are
		// known.
		for _, g := range truth.Goals {
			if g.Cancelled && !told[g.EventID] && bytes.Contains(doc.Body, strconv.AppendInt(nil, g.EventID, 10)) {
				told[g.EventID] = true
				if err := waitForGoal(ctx, fake, g.EventID); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 30*time.Second, "the full-time push", func() error {
		for _, d := range fake.Deliveries() {
			if d.Token == "a-device-token-1" && d.Data["kind"] == "period" &&
				strings.Contains(strings.ToLower(d.Title+d.Body), "full") {
				return nil
			}
		}
		return fmt.Errorf("%d deliveries", len(fake.Deliveries()))
	})
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("Firebase would refuse: %v", v)
	}
	checkPhones(t, fake.Deliveries(), truth)
}

// waitForGoal returns when both who follow the goal's match have been told of it.
func waitForGoal(ctx context.Context, fake *fcmtest.Server, goal int64) error {
	event := fmt.Sprintf("opta:%d", goal)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		tokens := map[string]bool{}
		for _, d := range fake.Deliveries() {
			if d.Data["event"] == event {
				tokens[d.Token] = true
			}
		}
		if len(tokens) == 2 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("goal %s was pushed to %v: %w", event, tokens, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// checkPhones holds what was delivered against what happened: each goal once per phone
// and revision, a goal that was taken back withdrawn under the same key, nothing to who
// follows neither team.
func checkPhones(t *testing.T, deliveries []fcmtest.Delivery, truth simulator.Match) {
	t.Helper()
	type push struct{ token, event, revision string }
	times := map[push]int{}
	keys, last := map[string]map[string]bool{}, map[[2]string]fcmtest.Delivery{}
	for _, d := range deliveries {
		if d.Token == "a-device-token-2" {
			t.Errorf("a push for somebody else's match: %+v", d)
		}
		times[push{d.Token, d.Data["event"], d.Data["revision"]}]++
		if keys[d.Data["event"]] == nil {
			keys[d.Data["event"]] = map[string]bool{}
		}
		keys[d.Data["event"]][d.Key] = true
		last[[2]string{d.Token, d.Data["event"]}] = d
	}
	for p, n := range times {
		if n > 1 {
			t.Errorf("%+v was sent %d times", p, n)
		}
	}
	for _, g := range truth.Goals {
		event := fmt.Sprintf("opta:%d", g.EventID)
		if len(keys[event]) != 1 {
			t.Errorf("goal %s has the keys %v", event, keys[event])
		}
		for _, token := range []string{"a-device-token-0", "a-device-token-1"} {
			d, ok := last[[2]string{token, event}]
			if withdrawn := d.Data["kind"] == "goal_cancelled"; !ok || withdrawn != g.Cancelled {
				t.Errorf("%s, goal %s: last push %+v, want one, withdrawn %v", token, event, d, g.Cancelled)
			}
		}
	}
}
