package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/store"
)

// quietRig is a running goalcast with a phone and a viewer that follow a match of the JSON feed,
// and the archive behind it.
type quietRig struct {
	t      *testing.T
	env    settings
	p      *process
	db     *store.Store
	phones *fcmtest.Server
	viewer *viewer
}

const quietMatch = 9000000001

func newQuietRig(t *testing.T) *quietRig {
	r := &quietRig{t: t, phones: &fcmtest.Server{Project: "test"}}
	firebase := httptest.NewServer(r.phones)
	t.Cleanup(firebase.Close)
	r.env = onFile(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1")
	r.p = start(t, r.env, "serve")
	r.db = openStore(t, r.env)
	a := app{t, r.p.public, "a-device-token-0", rand.Text() + rand.Text()}
	a.put("/v1/me/devices/"+a.token, `{"platform":"android","language":"en"}`)
	a.put("/v1/me/follows/"+goalcast.ForMatch(quietMatch).String(), "")
	r.viewer = newViewer(t, r.p.public, overWebSocket, goalcast.ForMatch(quietMatch))
	r.viewer.join()
	return r
}

// goals is a document of this moment with so many goals, just scored.
func (r *quietRig) goals(n int) string {
	now := time.Now().UTC()
	var events strings.Builder
	for i := range n {
		fmt.Fprintf(&events, `,{"id":"goal-%d","kind":"goal","team":11,"period":"first_half","minute":%d}`, i+1, 10+i)
	}
	return fmt.Sprintf(`{"time":%q,"match":%d,"fixture":{"home":{"id":11,"name":"Millpond Athletic"},"away":{"id":12,"name":"Quarry Town"},"kickoff":%q},
		"events":[{"id":"kick-off","kind":"period","period":"first_half"}%s]}`, now.Format(time.RFC3339Nano), quietMatch, now.Add(-20*time.Minute).Format(time.RFC3339), events.String())
}

// post posts a document as it comes live, and waits for the push of its last goal.
func (r *quietRig) post(goals int) {
	r.t.Helper()
	if _, err := r.p.postTo("json", nil, []byte(r.goals(goals))); err != nil {
		r.t.Fatal(err)
	}
	waitFor(r.t, time.Minute, fmt.Sprintf("the push of goal %d", goals), func() error {
		if r.pushes(goals) == 0 {
			return fmt.Errorf("%d deliveries", len(r.phones.Deliveries()))
		}
		return nil
	})
}

// failed puts a document into the archive that could not be read when it came: a reader that
// has been mended since.
func (r *quietRig) failed(goals int) goalcast.DocumentID {
	r.t.Helper()
	d := goalcast.Document{Provider: "json", Feed: "MATCH", Match: quietMatch, Body: []byte(r.goals(goals)),
		Received: time.Now().UTC()}
	if err := r.db.KeepDocument(r.t.Context(), &d); err != nil {
		r.t.Fatal(err)
	}
	if err := r.db.FinishDocument(r.t.Context(), d.ID, goalcast.DocumentFailed, "not understood then"); err != nil {
		r.t.Fatal(err)
	}
	return d.ID
}

// pushes counts what phones were told of a goal.
func (r *quietRig) pushes(goal int) (n int) {
	for _, d := range r.phones.Deliveries() {
		if d.Data["event"] == fmt.Sprintf("json:goal-%d", goal) {
			n++
		}
	}
	return n
}

// waitGoal waits until the viewer was told of a goal.
func (r *quietRig) waitGoal(goal int) {
	r.t.Helper()
	waitFor(r.t, time.Minute, fmt.Sprintf("goal %d at the viewer's", goal), func() error {
		_, s, problem := r.viewer.State(quietMatch)
		if problem != nil {
			r.t.Fatal(problem)
		}
		if e, ok := s.Event(fmt.Sprintf("json:goal-%d", goal)); !ok || !e.Counts() {
			return fmt.Errorf("%v", s.Score)
		}
		return nil
	})
}

// TestReplaysAreQuiet: goals that only replaying or rebuilding brings reach viewers and no phone,
// however young they are; those that come live before and after reach both.
func TestReplaysAreQuiet(t *testing.T) {
	t.Parallel()
	r := newQuietRig(t)
	r.post(1)
	ways := []struct {
		name string
		do   func(goalcast.DocumentID)
	}{
		{"POST /admin/documents/{id}/replay", func(id goalcast.DocumentID) {
			status, text := ask(t, http.MethodPost, fmt.Sprintf("%s/admin/documents/%d/replay", r.p.admin, id),
				bearer(operatorToken), "")
			if status != http.StatusOK {
				t.Fatal(status, text)
			}
		}},
		{"goalcast replay", func(id goalcast.DocumentID) {
			if _, log, wrong := command(t, r.env, "replay", fmt.Sprint(id)); wrong {
				t.Fatal(log)
			}
		}},
		{"goalcast replay --rebuild", func(goalcast.DocumentID) {
			if _, log, wrong := command(t, r.env, "replay", fmt.Sprintf("--match=%d", quietMatch), "--rebuild"); wrong {
				t.Fatal(log)
			}
		}},
	}
	for i, way := range ways {
		way.do(r.failed(i + 2))
		r.waitGoal(i + 2)
	}
	last := len(ways) + 2
	r.post(last) // the notifier takes revisions in their order: it has passed by those of the replays
	r.waitGoal(last)
	for i, way := range ways {
		record, err := r.db.PushRecord(t.Context(), fmt.Sprintf("json:goal-%d", i+2))
		if n := r.pushes(i + 2); err != nil || n > 0 || record.Revision > 0 {
			t.Errorf("%s: %d pushes, revision %d planned, %v", way.name, n, record.Revision, err)
		}
	}
	if n := r.pushes(1); n != 1 {
		t.Errorf("the first goal was pushed %d times", n)
	}
}
