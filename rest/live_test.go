package rest_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"goalcast"
)

// A match has its channel as soon as there is one, though the match has not changed, and only while
// there is one.
func TestMatchHasItsLiveChannel(t *testing.T) {
	h := open(t)
	var tags []string
	for _, tt := range []struct{ channel, topic, want string }{
		{},
		{"dHpXPTk1", "", `"live_activity":{"channel":"dHpXPTk1"}`},
		{"", "live.1009316", `"live_activity":{"topic":"live.1009316"}`},
		{"dHpXPTk1", "live.1009316", `"live_activity":{"channel":"dHpXPTk1","topic":"live.1009316"}`},
		{},
	} {
		h.with(func() {
			h.channels = map[goalcast.MatchID]string{1009316: tt.channel}
			h.topics = map[goalcast.MatchID]string{1009316: tt.topic}
		})
		a := h.get(t, "/v1/matches/1009316")
		if !bytes.Contains(a.body, []byte(tt.want)) ||
			bytes.Contains(a.body, []byte("live_activity")) != (tt.want != "") {
			t.Errorf("%+v: %s", tt, a.body)
		}
		tags = append(tags, a.header.Get("ETag"))
	}
	slices.Sort(tags)
	if len(slices.Compact(tags)) != 4 {
		t.Errorf("tags %v", tags)
	}
}

// The token that starts activities is kept with the device, and in no list.
func TestDeviceStartsActivities(t *testing.T) {
	h := open(t)
	token := strings.Repeat("0aF9", 16)
	put := func(platform, token string) answer {
		t.Helper()
		return h.ask(t, http.MethodPut, "/v1/me/devices/"+phone,
			`{"platform":"`+platform+`","language":"nl","live_activity_token":"`+token+`"}`, as(anna))
	}
	if a := put("ios", token); a.status != http.StatusNoContent || h.devices[0].LiveToken != token {
		t.Errorf("%d %s, %+v", a.status, a.body, h.devices)
	}
	if a := h.get(t, "/v1/me/devices", as(anna)); strings.Contains(string(a.body), token[:8]) {
		t.Errorf("%s", a.body)
	}
	put("android", token).problem(t, http.StatusBadRequest, "bad_parameter")
	for _, wrong := range []string{"0a", token + "0", token[:63] + "g", strings.Repeat("0a", 101)} {
		put("ios", wrong).problem(t, http.StatusBadRequest, "bad_parameter")
	}
	a := h.ask(t, http.MethodPut, "/v1/me/devices/"+phone, `{"platform":"ios","language":"nl"}`, as(anna))
	if a.status != http.StatusNoContent || h.devices[0].LiveToken != "" {
		t.Errorf("%d %s, %+v", a.status, a.body, h.devices)
	}
}
