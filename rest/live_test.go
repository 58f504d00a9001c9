package rest_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"goalcast"
)

// A match has its channel as soon as there is one, though the match has not changed, and only while
// there is one.
func TestMatchHasItsLiveChannel(t *testing.T) {
	h := open(t)
	const field = `"live_activity":{"channel":"dHpXPTk1"}`
	var tags []string
	for _, id := range []string{"", "dHpXPTk1", ""} {
		h.with(func() { h.channels = map[goalcast.MatchID]string{1009316: id} })
		a := h.get(t, "/v1/matches/1009316")
		if there := bytes.Contains(a.body, []byte(field)); there != (id != "") ||
			bytes.Contains(a.body, []byte("live_activity")) != there {
			t.Errorf("channel %q: %s", id, a.body)
		}
		tags = append(tags, a.header.Get("ETag"))
	}
	if tags[0] == tags[1] || tags[0] != tags[2] {
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
