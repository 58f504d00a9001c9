package apns

import (
	"encoding/json"
	"strconv"
	"time"

	"goalcast/notify/live"
)

// How much Apple takes, in bytes of the body.
const (
	MaxBroadcast = 5120
	MaxPush      = 4096
)

// payload is the body of a push to a Live Activity.
type payload struct {
	APS aps `json:"aps"`
}

type aps struct {
	Timestamp int64           `json:"timestamp"`
	Event     string          `json:"event"`
	State     json.RawMessage `json:"content-state"`
	Stale     int64           `json:"stale-date,omitempty"`
	Dismissal int64           `json:"dismissal-date,omitempty"`

	Type       string          `json:"attributes-type,omitempty"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
	Channel    string          `json:"input-push-channel,omitempty"`
	Alert      *alert          `json:"alert,omitempty"`
}

type alert struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

func encode(p live.Push) ([]byte, error) {
	out := payload{aps{Timestamp: p.At.Unix(), Event: p.Event, State: p.State, Stale: seconds(p.Stale),
		Dismissal: seconds(p.Dismiss)}}
	if p.Event == live.Start {
		out.APS.Type, out.APS.Attributes, out.APS.Channel = p.Type, p.Attributes, p.Channel
		out.APS.Alert = &alert{p.Title, p.Body}
	}
	return json.Marshal(out)
}

// seconds is a time as Apple writes it; 0 for none.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// headers are what Apple wants to know of a push besides its body.
func headers(p live.Push) map[string]string {
	priority := "5"
	if p.High {
		priority = "10"
	}
	return map[string]string{"apns-push-type": "liveactivity", "apns-priority": priority,
		"apns-expiration": strconv.FormatInt(seconds(p.Expires), 10)}
}
