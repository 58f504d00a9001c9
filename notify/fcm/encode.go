package fcm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"firebase.google.com/go/v4/messaging"

	"goalcast/notify"
)

// silentChannel is the Android channel of notifications that make no sound: since Android 8 the
// channel decides, not the message. The app has to make the channels "goals", "cards", "penalties",
// "matches", "messages", "clips" and this one.
const silentChannel = "silent"

// maxPayload is how many bytes a message may have in JSON, without its token: everything counts,
// keys, data and headers too. Firebase allows a device 4096 of what it counts, which is not
// documented, and adds some of its own for APNs, which takes as many.
const maxPayload = 4096 - 256

// maxTopicPayload is the same of a message to topics, of which Firebase allows 2048.
const maxTopicPayload = 2048 - 256

// encode writes a message for Firebase. Texts that are too long for it are shortened: a goal with
// half a name is a goal.
func encode(m notify.Message, now time.Time) (out *messaging.Message, shortened bool) {
	limit := maxPayload
	if len(m.Topics) > 0 {
		limit = maxTopicPayload
	}
	if surelyFits(m, limit) {
		return write(m, now), false
	}
	with := func(t notify.Text) *messaging.Message {
		m.Text = t
		return write(m, now)
	}
	was := m.Text
	text := was.Fit(limit, func(t notify.Text) int { return payload(with(t)) })
	return with(text), text != was
}

// Size is how many bytes a message has as it is sent, without its token.
func Size(m notify.Message) int {
	out, _ := encode(m, time.Now())
	return payload(out)
}

// frame is how many bytes of JSON a message has at most besides what differs from one to another.
const frame = 1000

// surelyFits spares the usual message the count. A byte is at most six in JSON; texts are twice in
// a message at most, a tag and a picture three times.
func surelyFits(m notify.Message, limit int) bool {
	n := 2*(len(m.Text.Title)+len(m.Text.Body)) + 3*len(m.Tag) + len(m.Collapse) + len(m.Thread) + len(m.Channel) +
		len(m.Language) + 3*len(m.Image)
	for k, v := range m.Data {
		n += len(k) + len(v)
	}
	return 6*n <= limit-frame
}

// payload is how many bytes a message has in JSON, without its token or its topics.
func payload(m *messaging.Message) int {
	text, err := json.Marshal(m)
	if err != nil {
		return 0 // the SDK will say so too
	}
	return len(text) - len(m.Token) - len(m.Condition)
}

// write puts a message together, with the block of the device's platform only; with all where the
// platform is none that we know.
func write(m notify.Message, now time.Time) *messaging.Message {
	ttl := max(0, m.Expires.Sub(now).Truncate(time.Second)) // rounded down: 0 is "now or never"
	out := &messaging.Message{
		Token:        m.Token,
		Condition:    condition(m.Topics),
		Notification: &messaging.Notification{Title: m.Text.Title, Body: m.Text.Body},
		Data:         m.Data,
	}
	switch m.Platform {
	case "android":
		out.Android = android(m, ttl)
	case "ios":
		out.APNS = apns(m)
	case "web":
		out.Webpush = webpush(m, ttl)
	default:
		out.Android, out.APNS, out.Webpush = android(m, ttl), apns(m), webpush(m, ttl)
	}
	return out
}

// condition is how Firebase is told of topics: who listens to several of them gets the message
// once.
func condition(topics []string) string {
	parts := make([]string, len(topics))
	for i, t := range topics {
		parts[i] = "'" + t + "' in topics"
	}
	return strings.Join(parts, " || ")
}

func android(m notify.Message, ttl time.Duration) *messaging.AndroidConfig {
	n := &messaging.AndroidNotification{Tag: m.Tag, ChannelID: m.Channel, DefaultSound: true,
		ImageURL: m.Image, Priority: messaging.PriorityDefault}
	c := &messaging.AndroidConfig{CollapseKey: m.Collapse, Priority: "normal", TTL: &ttl, Notification: n}
	if m.High {
		c.Priority, n.Priority = "high", messaging.PriorityHigh
	}
	if m.Silent {
		n.ChannelID, n.DefaultSound, n.Priority = silentChannel, false, messaging.PriorityLow
	}
	return c
}

// apns collapses by tag: Apple has one key for what is shown and what waits.
func apns(m notify.Message) *messaging.APNSConfig {
	priority := "5"
	if m.High {
		priority = "10"
	}
	aps := &messaging.Aps{ThreadID: m.Thread, Sound: "default"}
	if m.Silent {
		aps.Sound = ""
		aps.CustomData = map[string]any{"interruption-level": "passive"} // iOS 15: does not light up the screen
	}
	c := &messaging.APNSConfig{
		Headers: map[string]string{
			"apns-push-type": "alert", "apns-priority": priority, "apns-collapse-id": m.Tag,
			"apns-expiration": strconv.FormatInt(m.Expires.Unix(), 10),
		},
		Payload: &messaging.APNSPayload{Aps: aps},
	}
	if m.Image != "" { // the app's notification service extension loads it
		aps.MutableContent, c.FCMOptions = true, &messaging.APNSFCMOptions{ImageURL: m.Image}
	}
	return c
}

func webpush(m notify.Message, ttl time.Duration) *messaging.WebpushConfig {
	urgency := "normal"
	switch {
	case m.High:
		urgency = "high"
	case m.Silent:
		urgency = "low"
	}
	return &messaging.WebpushConfig{
		Headers: map[string]string{"TTL": strconv.Itoa(int(ttl / time.Second)), "Urgency": urgency,
			"Topic": webTopic(m.Tag)},
		Notification: &messaging.WebpushNotification{
			Title: m.Text.Title, Body: m.Text.Body, Language: m.Language, Tag: m.Tag, Renotify: !m.Silent,
			Silent: m.Silent, Image: m.Image,
		},
	}
}

// webTopic makes a tag into a Topic of RFC 8030: at most 32 characters of the
// base64 alphabet for URLs.
func webTopic(tag string) string {
	sum := sha256.Sum256([]byte(tag))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}
