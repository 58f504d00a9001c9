package webpush

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	vapid "github.com/SherClockHolmes/webpush-go"

	"goalcast/notify"
)

// Declarative is what a message says, in the form that Safari shows by itself (Declarative Web
// Push); in other browsers the page's service worker shows it.
type Declarative struct {
	WebPush      int          `json:"web_push"` // the number of RFC 8030, which says that it is one
	Notification Notification `json:"notification"`
}

// Notification has the names that browsers give its parts.
type Notification struct {
	Title    string            `json:"title"`
	Navigate string            `json:"navigate"` // what is opened when it is clicked
	Body     string            `json:"body,omitempty"`
	Lang     string            `json:"lang,omitempty"`
	Tag      string            `json:"tag,omitempty"`
	Renotify bool              `json:"renotify,omitempty"` // makes a sound again where it replaces another
	Silent   bool              `json:"silent"`
	Image    string            `json:"image,omitempty"` // shown where the browser knows pictures
	Data     map[string]string `json:"data,omitempty"`
}

// declarative is Declarative.WebPush.
const declarative = 8030

// MaxPayload is how many bytes of JSON a message may have: 4096 encrypted, which is what all push
// services take.
const MaxPayload = 4096 - overhead

// overhead is what encryption adds: a header of 86 bytes, a tag of 16, and the end of the text.
const overhead = 86 + 16 + 1

// encode writes a message. Texts that are too long for it are shortened: a goal with half a name is
// a goal. Where even that is not enough, the data goes.
func encode(m notify.Message, page string) (payload []byte, shortened bool, err error) {
	page = pageOf(page, m.Data)
	with := func(t notify.Text) []byte {
		m.Text = t
		out, failed := write(m, page)
		if failed != nil {
			err = failed
		}
		return out
	}
	was := m.Text
	size := func(t notify.Text) int { return len(with(t)) }
	text := was.Fit(MaxPayload, size)
	if size(text) > MaxPayload {
		m.Data = nil
		text = was.Fit(MaxPayload, size)
	}
	payload = with(text)
	if err == nil && len(payload) > MaxPayload {
		err = fmt.Errorf("%d bytes without text or data", len(payload))
	}
	return payload, text != was, err
}

func write(m notify.Message, page string) ([]byte, error) {
	n := Notification{Title: m.Text.Title, Body: m.Text.Body, Navigate: page, Lang: m.Language,
		Tag: m.Tag, Silent: m.Silent, Renotify: m.Tag != "" && !m.Silent, Image: m.Image, Data: m.Data}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(Declarative{declarative, n}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// inPage is where the number of a match stands in Config.Page.
const inPage = "{match}"

// maxPage is how long Config.Page may be, in bytes.
const maxPage = 1024

// pageOf is what a click opens; of what is about no match, the beginning of the page's site.
func pageOf(page string, data map[string]string) string {
	if u, err := url.Parse(page); err == nil && data["match"] == "" && strings.Contains(page, inPage) {
		return u.Scheme + "://" + u.Host + "/"
	}
	return strings.ReplaceAll(page, inPage, url.QueryEscape(data["match"]))
}

// topic makes a tag into a Topic of RFC 8030, at most 32 characters of the base64 alphabet for
// URLs: of messages with the same one a push service keeps the newest.
func topic(tag string) string {
	if tag == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(tag))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func urgency(m notify.Message) vapid.Urgency {
	switch {
	case m.High:
		return vapid.UrgencyHigh
	case m.Silent:
		return vapid.UrgencyLow
	}
	return vapid.UrgencyNormal
}

// padStep is what encrypted messages are padded to a multiple of, so that their length tells little
// of what they say, and they are not all as long as the longest.
const padStep = 1024

// recordSize is how long a message of so many bytes is when it is encrypted.
func recordSize(payload int) uint32 {
	return uint32((payload + overhead + padStep - 1) / padStep * padStep)
}
