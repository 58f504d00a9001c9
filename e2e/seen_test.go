package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/identity/identitytest"
	"goalcast/notify/fcm/fcmtest"
)

// A phone whose app shows a goal live, and says so, gets no push of it; another one does. The push
// service is away until then, so that it does not depend on who is faster.
func TestAPhoneThatShowsAGoalLiveGetsNoPush(t *testing.T) {
	t.Parallel()
	issuer := identitytest.New(t)
	fake := &fcmtest.Server{Project: "test"}
	const watching, away = "a-device-that-watches", "a-device-in-a-pocket"
	var open atomic.Bool
	firebase := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open.Load() {
			fake.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(firebase.Close)
	s := startEmbedded(t, identityFile(t, issuer, ""), "GOALCAST_FCM_PROJECT=test",
		"GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1", "GOALCAST_PUSH_SEEN_WAIT=1s")
	ann := issuer.Token(identitytest.Claims{"sub": "ann"})
	for token, user := range map[string]string{watching: ann, away: rand.Text() + rand.Text()} {
		a := app{t, s.ingest.public, token, user}
		a.put("/v1/me/devices/"+token, `{"platform":"android","language":"en"}`)
		a.put("/v1/me/follows/match:900", "")
	}
	now := time.Now().UTC().Format(time.RFC3339)
	tell := func(events string) {
		t.Helper()
		body := fmt.Sprintf(`{"time":%q,"match":900,"fixture":{"competition":{"id":8,"name":"Coastal League"},
			"home":{"id":1,"name":"Noordzand"},"away":{"id":2,"name":"Val-Rouge"},"kickoff":%[1]q},"events":[%s]}`,
			now, events)
		if status, text := ask(t, http.MethodPost, s.ingest.public+"/feeds/json?wait=30s", nil, body); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	tell("")
	c, _ := socket(t, s.hub.live("topics=match:900&ack="+goalcast.DeviceName(watching)), "goalcast", "bearer."+ann)
	tell(`{"id":"g1","kind":"goal","period":"first_half","minute":1,"team":1}`)
	goal := frameOf(t, c)
	for goal.Event == nil || goal.Event.Kind != goalcast.KindGoal {
		goal = frameOf(t, c)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ack","cursors":["`+goal.Cursor.String()+
		`"]}`)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, time.Minute, "the hub to hand it on", func() error {
		if n := s.hub.metric("goalcast_hub_acks_total", `outcome="kept"`); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	open.Store(true)
	var figures struct {
		Revisions []struct {
			Services map[string]struct{ Sent, Seen int }
		}
	}
	waitFor(t, 2*time.Minute, "one to be told and one not", func() error {
		if err := s.ingest.operator("/admin/pushes/"+goal.Event.ID, &figures); err != nil {
			return err
		}
		for _, r := range figures.Revisions {
			if f := r.Services["fcm"]; f.Sent == 1 && f.Seen == 1 {
				return nil
			}
		}
		return fmt.Errorf("%+v, %+v", figures, fake.Deliveries())
	})
	for _, d := range fake.Deliveries() {
		if d.Token != away {
			t.Errorf("%+v", d)
		}
	}
}
