package kbc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"goalcast/notify"
)

// batch is the body of a request.
type batch struct {
	CollapseKey string            `json:"collapse_key"`
	Expires     time.Time         `json:"expires"`
	Priority    string            `json:"priority"` // "high", "normal"
	Silent      bool              `json:"silent"`
	Channel     string            `json:"channel"`
	Texts       map[string]text   `json:"texts"`           // by language
	Image       string            `json:"image,omitempty"` // https address
	Data        map[string]string `json:"data"`
	Recipients  []recipient       `json:"recipients"`
}

type text struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

type recipient struct {
	ID       string `json:"id"` // the bank's reference; a secret
	Language string `json:"language"`
}

// maxText is how many bytes title and body of a text have together; longer ones are shortened.
const maxText = 1000

// encode writes the messages of one push. shortened are the languages whose text was too long.
func encode(messages []notify.Message) (body []byte, shortened map[string]bool, err error) {
	m := messages[0]
	b := batch{CollapseKey: m.Tag, Expires: m.Expires.UTC().Truncate(time.Second), Priority: "normal", Silent: m.Silent,
		Channel: m.Channel, Texts: map[string]text{}, Image: m.Image, Data: m.Data}
	if m.High {
		b.Priority = "high"
	}
	shortened = map[string]bool{}
	for _, m := range messages {
		b.Recipients = append(b.Recipients, recipient{m.Token, m.Language})
		if _, ok := b.Texts[m.Language]; ok {
			continue
		}
		t := m.Text.Fit(maxText, func(t notify.Text) int { return len(t.Title) + len(t.Body) })
		b.Texts[m.Language], shortened[m.Language] = text(t), t != m.Text
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err = e.Encode(b)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), shortened, err
}

// key names a push to the bank: 32 characters of the base64 alphabet for URLs.
func key(m notify.Message) string {
	sum := sha256.Sum256([]byte(m.Push))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}
