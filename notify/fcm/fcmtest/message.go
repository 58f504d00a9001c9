package fcmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request and what is in it are the fields of the API. Others are refused.
type request struct {
	ValidateOnly bool     `json:"validate_only"`
	Message      *message `json:"message"`
}

type message struct {
	Name         string            `json:"name"`
	Token        string            `json:"token"`
	Topic        string            `json:"topic"`
	Condition    string            `json:"condition"`
	Data         map[string]string `json:"data"`
	Notification *notification     `json:"notification"`
	Android      *android          `json:"android"`
	Webpush      *webpush          `json:"webpush"`
	APNS         *apns             `json:"apns"`
	Options      *options          `json:"fcm_options"`
}

type notification struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Image string `json:"image"`
}

type options struct {
	Label string `json:"analytics_label"`
	Image string `json:"image"`
	Link  string `json:"link"`
}

type android struct {
	CollapseKey  string            `json:"collapse_key"`
	Priority     string            `json:"priority"`
	TTL          string            `json:"ttl"`
	Package      string            `json:"restricted_package_name"`
	Data         map[string]string `json:"data"`
	Notification *struct {
		Title        string   `json:"title"`
		Body         string   `json:"body"`
		Icon         string   `json:"icon"`
		Color        string   `json:"color"`
		Sound        string   `json:"sound"`
		Tag          string   `json:"tag"`
		ClickAction  string   `json:"click_action"`
		BodyKey      string   `json:"body_loc_key"`
		BodyArgs     []string `json:"body_loc_args"`
		TitleKey     string   `json:"title_loc_key"`
		TitleArgs    []string `json:"title_loc_args"`
		Channel      string   `json:"channel_id"`
		Ticker       string   `json:"ticker"`
		Sticky       bool     `json:"sticky"`
		Time         string   `json:"event_time"`
		LocalOnly    bool     `json:"local_only"`
		Priority     string   `json:"notification_priority"`
		DefaultSound bool     `json:"default_sound"`
		Vibrate      bool     `json:"default_vibrate_timings"`
		Lights       bool     `json:"default_light_settings"`
		Visibility   string   `json:"visibility"`
		Count        int      `json:"notification_count"`
		Image        string   `json:"image"`
		Proxy        string   `json:"proxy"`
	} `json:"notification"`
	Options    *options `json:"fcm_options"`
	DirectBoot bool     `json:"direct_boot_ok"`
}

type apns struct {
	Headers map[string]string          `json:"headers"`
	Payload map[string]json.RawMessage `json:"payload"`
	Options *options                   `json:"fcm_options"`
	Live    string                     `json:"live_activity_token"`
}

type webpush struct {
	Headers      map[string]string `json:"headers"`
	Data         map[string]string `json:"data"`
	Notification map[string]any    `json:"notification"`
	Options      *options          `json:"fcm_options"`
}

// Limits of the API.
const (
	maxPayload      = 4096 // bytes, to a token
	maxTopicPayload = 2048 // bytes, to a topic or condition
	maxTTL          = 28 * 24 * time.Hour
	maxCollapseID   = 64 // bytes of apns-collapse-id
)

// parse reads a request and says what is wrong with it, as "field: why".
func parse(body []byte, contentType string) (m message, validateOnly bool, wrong []string) {
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != "application/json" {
		return m, false, []string{"request: content type is " + contentType}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var r request
	if err := d.Decode(&r); err != nil {
		return m, false, []string{"message: " + err.Error()}
	}
	if _, err := d.Token(); err != io.EOF {
		return m, false, []string{"request: more than one JSON value"}
	}
	if r.Message == nil {
		return m, false, []string{"message: missing"}
	}
	m = *r.Message
	c := &checks{}
	m.check(c)
	return m, r.ValidateOnly, c.wrong
}

// checks gathers what is wrong.
type checks struct{ wrong []string }

func (c *checks) must(ok bool, field, why string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, field+": "+fmt.Sprintf(why, args...))
	}
}

// checkImage: phones load pictures over https only.
func checkImage(c *checks, field, image string) {
	c.must(image == "" || strings.HasPrefix(image, "https://"), field, "%q is not https", image)
}

func (m message) check(c *checks) {
	targets := 0
	for _, t := range []string{m.Token, m.Topic, m.Condition} {
		if t != "" {
			targets++
		}
	}
	c.must(targets == 1, "message", "want exactly one of token, topic and condition, got %d", targets)
	c.must(m.Name == "", "message.name", "is for answers only")
	c.must(m.Topic == "" || topicName.MatchString(m.Topic), "message.topic", "%q is no topic's name", m.Topic)
	if m.Condition != "" {
		_, err := parseCondition(m.Condition)
		c.must(err == nil, "message.condition", "%v", err)
	}
	checkData(c, "message.data", m.Data)
	limit := maxPayload
	if m.Token == "" {
		limit = maxTopicPayload
	}
	c.must(m.size() <= limit, "message", "payload has %d bytes, more than %d", m.size(), limit)
	if m.Android != nil {
		m.Android.check(c)
	}
	if m.APNS != nil {
		m.APNS.check(c)
	}
	if m.Webpush != nil {
		m.Webpush.check(c)
	}
}

// appleExtra is about what Firebase adds to a payload for Apple, in bytes: ids of the message, the
// sender and the app.
const appleExtra = 200

// size is that of what goes to a device, by the biggest platform: near enough to Google's own
// count, which is not documented.
func (m message) size() int {
	length := func(v any) int {
		b, err := json.Marshal(v)
		if err != nil || string(b) == "null" {
			return 0
		}
		return len(b)
	}
	own := 0
	if m.APNS != nil {
		own = max(own, length(m.APNS.Payload)+length(m.APNS.Options)+appleExtra)
	}
	if m.Webpush != nil {
		own = max(own, length(m.Webpush.Notification)+length(m.Webpush.Data)+length(m.Webpush.Options))
	}
	if m.Android != nil {
		android := len(m.Android.CollapseKey) + length(m.Android.Data)
		if n := m.Android.Notification; n != nil {
			android += len(n.Title) + len(n.Body) + len(n.Tag) + len(n.Channel) + len(n.Image)
		}
		own = max(own, android)
	}
	return length(m.Notification) + length(m.Data) + own
}

// checkData looks for keys that Firebase keeps for itself.
func checkData(c *checks, field string, data map[string]string) {
	for key := range data {
		lower := strings.ToLower(key)
		reserved := lower == "from" || lower == "message_type" || strings.HasPrefix(lower, "google.") ||
			strings.HasPrefix(lower, "gcm.")
		c.must(!reserved && key != "", field, "key %q is reserved", key)
	}
}

var durations = regexp.MustCompile(`^\d+(\.\d{1,9})?s$`)

// ttl reads "120s" or "3.5s".
func ttl(text string) (time.Duration, bool) {
	if text == "" {
		return maxTTL, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && durations.MatchString(text) && d <= maxTTL
}

func (a *android) check(c *checks) {
	_, ok := ttl(a.TTL)
	c.must(ok, "message.android.ttl", "%q is not seconds up to 28 days", a.TTL)
	// The API's word is HIGH; the SDK writes "high", which Google takes.
	c.must(slices.Contains([]string{"", "normal", "high"}, strings.ToLower(a.Priority)), "message.android.priority",
		"%q", a.Priority)
	checkData(c, "message.android.data", a.Data)
	if n := a.Notification; n != nil {
		checkImage(c, "message.android.notification.image", n.Image)
		ok := slices.Contains([]string{"", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH",
			"PRIORITY_MAX"}, n.Priority)
		c.must(ok, "message.android.notification.notification_priority", "%q", n.Priority)
		c.must(slices.Contains([]string{"", "PRIVATE", "PUBLIC", "SECRET"}, n.Visibility),
			"message.android.notification.visibility", "%q", n.Visibility)
		c.must(n.Color == "" || regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(n.Color),
			"message.android.notification.color", "%q", n.Color)
		if n.Time != "" {
			_, err := time.Parse(time.RFC3339Nano, n.Time)
			c.must(err == nil, "message.android.notification.event_time", "%q", n.Time)
		}
	}
}

func (a *apns) check(c *checks) {
	for name, value := range a.Headers {
		field := "message.apns.headers." + name
		switch name {
		case "apns-collapse-id":
			c.must(len(value) <= maxCollapseID, field, "has %d bytes, more than %d", len(value), maxCollapseID)
		case "apns-priority":
			c.must(slices.Contains([]string{"1", "5", "10"}, value), field, "%q", value)
		case "apns-expiration":
			seconds, err := strconv.ParseInt(value, 10, 64)
			// ms would be 1e12
			c.must(err == nil && seconds >= 0 && seconds < 1e11, field, "%q is no time in seconds", value)
		case "apns-push-type":
			c.must(slices.Contains([]string{"alert", "background", "liveactivity"}, value), field, "%q", value)
			c.must(value != "background" || a.Headers["apns-priority"] == "5", field,
				"background wants apns-priority 5")
		case "apns-topic", "apns-id":
		default:
			c.must(false, field, "is no header of APNs")
		}
	}
	var aps struct {
		Alert    json.RawMessage `json:"alert"`
		Sound    json.RawMessage `json:"sound"`
		Thread   string          `json:"thread-id"`
		Level    string          `json:"interruption-level"`
		Badge    *int            `json:"badge"`
		Content  int             `json:"content-available"`
		Mutable  int             `json:"mutable-content"`
		Category string          `json:"category"`
	}
	if raw := a.Payload["aps"]; raw != nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		if a.Live == "" {
			d.DisallowUnknownFields()
		}
		err := d.Decode(&aps)
		c.must(err == nil, "message.apns.payload.aps", "%v", err)
	} else {
		c.must(a.Payload == nil, "message.apns.payload", "has no aps")
	}
	if a.Options != nil && a.Options.Image != "" {
		checkImage(c, "message.apns.fcm_options.image", a.Options.Image)
		c.must(aps.Mutable == 1, "message.apns.payload.aps.mutable-content", "an image is not loaded without it")
	}
	c.must(slices.Contains([]string{"", "passive", "active", "time-sensitive", "critical"}, aps.Level),
		"message.apns.payload.aps.interruption-level", "%q", aps.Level)
}

var webTopics = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (w *webpush) check(c *checks) {
	for name, value := range w.Headers {
		field := "message.webpush.headers." + name
		switch strings.ToLower(name) {
		case "ttl":
			seconds, err := strconv.Atoi(value)
			c.must(err == nil && seconds >= 0 && time.Duration(seconds)*time.Second <= maxTTL, field, "%q", value)
		case "urgency":
			c.must(slices.Contains([]string{"very-low", "low", "normal", "high"}, value), field, "%q", value)
		case "topic":
			c.must(webTopics.MatchString(value), field, "%q is not at most 32 characters of base64 for URLs", value)
		default:
			c.must(false, field, "is no header of Web Push")
		}
	}
	known := []string{"actions", "badge", "body", "data", "dir", "icon", "image", "lang", "renotify",
		"requireInteraction", "silent", "tag", "timestamp",
		"title", "vibrate"}
	for key := range w.Notification {
		c.must(slices.Contains(known, key), "message.webpush.notification."+key, "is no option of a notification")
	}
	image, _ := w.Notification["image"].(string)
	checkImage(c, "message.webpush.notification.image", image)
	silent, _ := w.Notification["silent"].(bool)
	c.must(!silent || w.Notification["vibrate"] == nil, "message.webpush.notification.silent", "and vibrate")
	renotify, _ := w.Notification["renotify"].(bool)
	c.must(!renotify || w.Notification["tag"] != nil && w.Notification["tag"] != "",
		"message.webpush.notification.renotify", "without tag")
	c.must(w.Options == nil || w.Options.Link == "" || strings.HasPrefix(w.Options.Link, "https://"),
		"message.webpush.fcm_options.link", "is not https")
	checkData(c, "message.webpush.data", w.Data)
}

// delivery is what a phone makes of a message that was checked.
func (m message) delivery(now time.Time) Delivery {
	d := Delivery{Token: m.Token, Data: m.Data, At: now, TTL: maxTTL, Age: age(m.Data, now), Platform: "android"}
	d.Topic, d.Condition = m.Topic, m.Condition
	d.DataOnly = m.Notification == nil && m.APNS == nil && m.Webpush == nil &&
		(m.Android == nil || m.Android.Notification == nil)
	if m.Notification != nil {
		d.Title, d.Body = m.Notification.Title, m.Notification.Body
	}
	switch {
	case m.Android != nil:
		m.Android.deliver(&d)
	case m.APNS != nil:
		m.APNS.deliver(&d, now)
	case m.Webpush != nil:
		m.Webpush.deliver(&d)
	}
	return d
}

func (a *android) deliver(d *Delivery) {
	d.TTL, _ = ttl(a.TTL)
	d.Collapse, d.High = a.CollapseKey, strings.EqualFold(a.Priority, "high")
	n := a.Notification
	if n == nil {
		return
	}
	d.Image = n.Image
	d.Key, d.Silent = n.Tag, !n.DefaultSound && n.Sound == ""
	d.Title, d.Body = or(n.Title, d.Title), or(n.Body, d.Body)
}

func (a *apns) deliver(d *Delivery, now time.Time) {
	d.Platform = "ios"
	d.Key = a.Headers["apns-collapse-id"]
	d.Collapse, d.High = d.Key, a.Headers["apns-priority"] != "5"
	if a.Options != nil {
		d.Image = a.Options.Image
	}
	if seconds, err := strconv.ParseInt(a.Headers["apns-expiration"], 10, 64); err == nil {
		d.TTL = time.Unix(seconds, 0).Sub(now)
	}
	var aps struct {
		Sound  json.RawMessage `json:"sound"`
		Thread string          `json:"thread-id"`
	}
	if json.Unmarshal(a.Payload["aps"], &aps) == nil {
		d.Thread, d.Silent = aps.Thread, len(aps.Sound) == 0
	}
}

func (w *webpush) deliver(d *Delivery) {
	d.Platform = "web"
	for name, value := range w.Headers {
		switch strings.ToLower(name) {
		case "ttl":
			seconds, _ := strconv.Atoi(value)
			d.TTL = time.Duration(seconds) * time.Second
		case "urgency":
			d.High = value == "high"
		case "topic":
			d.Collapse = value
		}
	}
	text := func(key string) string { s, _ := w.Notification[key].(string); return s }
	d.Key, d.Image = text("tag"), text("image")
	d.Silent, _ = w.Notification["silent"].(bool)
	d.Title, d.Body = or(text("title"), d.Title), or(text("body"), d.Body)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
