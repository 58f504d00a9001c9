package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

// TestNodeLeavesNothingBehind: what newNode opened, close closes; also the connections on which
// pushes went out, which are kept for the next ones.
func TestNodeLeavesNothingBehind(t *testing.T) {
	firebase := httptest.NewServer(&fcmtest.Server{Project: "test"})
	defer firebase.Close()
	before := goleak.IgnoreCurrent()
	n := pushNode(t, firebase.URL)
	message := notify.Message{Token: "a", Platform: "android", Text: notify.Text{Title: "GOAL!"},
		Expires: time.Now().Add(time.Minute)}
	if r := n.senders[0].Send(t.Context(), []notify.Message{message})[0]; r.Outcome != notify.Delivered {
		t.Errorf("sent: %+v", r)
	}
	n.close()
	// A module of Google's SDK starts a worker that has no end; the server's side of a connection
	// ends when it hears that ours has.
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
}

// pushNode is a node that sends pushes through a Firebase; the test closes it.
func pushNode(t *testing.T, firebase string) *node {
	t.Helper()
	t.Setenv("GOALCAST_FCM_PROJECT", "test")
	t.Setenv("GOALCAST_FCM_ENDPOINT", firebase+"/v1")
	t.Setenv("GOALCAST_DATABASE_URL", "sqlite:"+filepath.Join(t.TempDir(), "goalcast.db"))
	var cli commands
	if _, err := parse([]string{"serve"}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, roles: c.Roles, migrate: c.Migrate},
		options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The canary is a job, which one process of all does in turn, as often as the jobs say.
func TestCanaryIsAJob(t *testing.T) {
	fake := &fcmtest.Server{Project: "test"}
	firebase := httptest.NewServer(fake)
	defer firebase.Close()
	n := pushNode(t, firebase.URL)
	defer n.close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.jobs.Run(ctx) }()
	runs := func() int64 {
		jobs, err := n.db.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Name == "push-canary" && j.Failures == 0 {
				return j.Runs
			}
		}
		return 0
	}
	waitFor(t, 30*time.Second, "the first canary", func() error {
		if runs() == 0 {
			return errors.New("the job has not run")
		}
		return nil
	})
	cancel()
	<-ended
	if got := int64(fake.DryRuns()); got != runs() || fake.Requests() != 0 {
		t.Errorf("%d dry runs in %d runs of the job, %d pushes", got, runs(), fake.Requests())
	}
}

// waitFor asks again and again until there is no error, at most for the time given.
func waitFor(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", within, what, err)
		}
	}
}
