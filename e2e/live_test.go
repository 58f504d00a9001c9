package e2e

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/apns/apnstest"
	"goalcast/notify/fcm/fcmtest"
)

// Through the whole program: a match gets a channel, apps are told it, the phone of a follower gets
// an activity, and a goal is on lock screens, of iPhones and others.
func TestGoalIsOnLockScreens(t *testing.T) {
	t.Parallel()
	fake, p8 := apnstest.New()
	apple := fake.ServeClear()
	t.Cleanup(apple.Close)
	firebase := &fcmtest.Server{Project: "demo"}
	google := httptest.NewServer(firebase)
	t.Cleanup(google.Close)
	p := start(t, onFile(t, "GOALCAST_APNS_BUNDLE_ID="+apnstest.BundleID, "GOALCAST_APNS_KEY="+string(p8),
		"GOALCAST_APNS_KEY_ID="+apnstest.KeyID, "GOALCAST_APNS_TEAM_ID="+apnstest.TeamID,
		"GOALCAST_APNS_ENDPOINT="+apple.URL, "GOALCAST_FCM_PROJECT=demo", "GOALCAST_FCM_ENDPOINT="+google.URL+"/v1",
		"GOALCAST_FCM_LIVE_TOPICS=goalcast.live"), "serve")
	iPhone := strings.Repeat("0123456789abcdef", 4)
	a := app{t, p.public, "a-device-token-of-an-iphone", rand.Text() + rand.Text()}
	a.put("/v1/me/devices/"+a.token, `{"platform":"ios","language":"nl","live_activity_token":"`+iPhone+`"}`)
	a.put("/v1/me/follows/"+goalcast.ForMatch(quietMatch).String(), "")

	r := &quietRig{t: t, p: p}
	take := func(goals int) {
		t.Helper()
		if _, err := p.postTo("json", nil, []byte(r.goals(goals))); err != nil {
			t.Fatal(err)
		}
	}
	take(0)
	var channel string
	waitFor(t, time.Minute, "the match's channel in REST", func() error {
		status, text := ask(t, http.MethodGet, fmt.Sprintf("%s/v1/matches/%d", p.public, quietMatch), nil, "")
		var m struct {
			Live struct{ Channel, Topic string } `json:"live_activity"`
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil || m.Live.Channel == "" || m.Live.Topic == "" {
			return fmt.Errorf("%d %.200s, %w", status, text, err)
		}
		channel = m.Live.Channel
		firebase.Subscribe("an-android", m.Live.Topic)
		return nil
	})
	waitFor(t, time.Minute, "the phone's activity", func() error {
		if got := fake.Device(iPhone); len(got) != 1 || got[0].Channel != channel {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	take(1)
	waitFor(t, time.Minute, "the goal", func() error {
		if s := fake.Screen(channel); !strings.Contains(string(s.State), `"score":{"home":1,"away":0}`) {
			return errors.New(string(s.State))
		}
		return nil
	})
	waitFor(t, time.Minute, "the goal on Android", func() error {
		got := firebase.Data("an-android")
		if len(got) == 0 || got[len(got)-1].Data["content-state"] != string(fake.Screen(channel).State) {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if v := append(fake.Violations(), firebase.Violations()...); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}
