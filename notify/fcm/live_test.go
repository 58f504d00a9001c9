package fcm

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/notify/live"
)

// livePush is one of the largest there can be: a long name, in characters of four bytes.
func livePush(t *testing.T) live.Push {
	t.Helper()
	state, err := json.Marshal(live.State{State: goalcast.Live, Period: goalcast.ExtraSecondHalf, Started: 1795895100,
		Score: goalcast.Score{Home: 10, Away: 10}, Shootout: &goalcast.Score{Home: 10, Away: 10},
		Reds: goalcast.Score{Home: 10, Away: 10}, Delay: goalcast.Suspended,
		Last: &live.Last{Kind: "penalty_goal", Side: "home", Player: strings.Repeat("𝄞", 40), Clock: "105+10"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	return live.Push{Match: 1 << 62, Event: live.Update, State: state, At: now, Expires: now.Add(time.Hour), High: true}
}

func TestLiveStateByTopic(t *testing.T) {
	fake, sender := start(t)
	l := NewLive(sender, strings.Repeat("p", 100))
	p := livePush(t)
	topic, err := l.CreateChannel(t.Context(), p.Match)
	if err != nil || l.Name() != "fcm:demo" {
		t.Fatal(topic, err, l.Name())
	}
	fake.Subscribe("phone", topic)
	if err := l.Broadcast(t.Context(), topic, p); err != nil {
		t.Fatal(err)
	}
	p.High, p.Expires = false, p.At.Add(-time.Minute)
	if err := l.Broadcast(t.Context(), topic, p); err != nil {
		t.Fatal(err)
	}
	got := fake.Data("phone")
	if len(got) != 2 || !got[0].High || got[0].TTL < 59*time.Minute || got[1].High || got[1].TTL != 0 ||
		got[0].Data["content-state"] != string(p.State) || len(fake.Phone("phone")) > 0 {
		t.Errorf("%+v", got)
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// What each answer means: whether it is tried again, when, or not at all.
func TestLiveErrors(t *testing.T) {
	fake, sender := start(t)
	l := NewLive(sender, "live")
	for name, tt := range map[string]struct {
		f    fcmtest.Failure
		is   error
		busy time.Duration // -1: not busy
	}{
		"account":      {fcmtest.NoPermission(), live.ErrDenied, -1},
		"project":      {fcmtest.NoSuchProject(), live.ErrDenied, -1},
		"our fault":    {fcmtest.InvalidArgument(), live.ErrRefused, -1},
		"quota":        {fcmtest.QuotaExceeded(7 * time.Second), nil, 7 * time.Second},
		"quota, mute":  {fcmtest.QuotaExceeded(0), nil, 0},
		"overloaded":   {fcmtest.Unavailable(9 * time.Second), nil, 9 * time.Second},
		"ill":          {fcmtest.Internal(), nil, -1},
		"no answer":    {fcmtest.Failure{Drop: true}, nil, -1},
		"never a sign": {fcmtest.BadGateway(), nil, -1},
	} {
		fake.Fail("live.7", tt.f)
		err := l.Broadcast(t.Context(), "live.7", livePush(t))
		var busy *live.BusyError
		got := time.Duration(-1)
		if errors.As(err, &busy) {
			got = busy.After
		}
		if err == nil || got != tt.busy || tt.is != nil && !errors.Is(err, tt.is) ||
			tt.is == nil && (errors.Is(err, live.ErrDenied) || errors.Is(err, live.ErrRefused)) {
			t.Errorf("%s: %v, busy for %v", name, err, got)
		}
	}
}

func TestTopicPrefixes(t *testing.T) {
	for prefix, good := range map[string]bool{"goalcast.live": true, "a-b_c~1%": true, "": false, "a b": false,
		"/topics/a": false, "a'": false, strings.Repeat("a", 101): false} {
		if err := CheckTopicPrefix(prefix); (err == nil) != good {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
