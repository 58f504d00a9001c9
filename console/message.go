package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"goalcast"
)

// messagePage is what an editor writes, and what becomes of it.
type messagePage struct {
	Kind  string // of the topic
	ID    string // of the topic
	Text  string
	Kinds []string

	Preview *messagePreview
	Sent    string // the id of the message that was sent
}

// messagePreview is a message before it is sent.
type messagePreview struct {
	Message string // its id: the same one sent twice is one message
	Topic   string
	JSON    string // the event, exactly
	Viewers *int   // who follow the topic; nil if nobody knows
	Name    string
}

func newMessagePage(topic string) *messagePage {
	p := &messagePage{Kind: "match"}
	for _, info := range goalcast.TopicKinds {
		if info.Events {
			p.Kinds = append(p.Kinds, info.Name)
		}
	}
	if kind, id, ok := strings.Cut(topic, ":"); ok {
		p.Kind, p.ID = kind, id
	}
	return p
}

func (c *Console) message(v *view) error {
	v.Template, v.Title, v.Page = "message.html", "Message", "message"
	q := v.r.URL.Query()
	p := newMessagePage(q.Get("topic"))
	p.Sent = q.Get("sent")
	v.Body = p
	return nil
}

// messageBody is what the API is asked to send.
func messageBody(form url.Values) map[string]any {
	return map[string]any{"topic": form.Get("kind") + ":" + strings.TrimSpace(form.Get("id")),
		"body": map[string]string{"text": textOfForm(form)}, "id": form.Get("message")}
}

// textOfForm is the text as it was written: browsers send line ends as CR LF.
func textOfForm(form url.Values) string {
	return strings.TrimSpace(strings.ReplaceAll(form.Get("text"), "\r\n", "\n"))
}

// previewMessage shows what would be sent. Nothing is.
func (c *Console) previewMessage(v *view) error {
	v.Template, v.Title, v.Page = "message.html", "Message", "message"
	if v.r.ParseForm() != nil {
		return badForm
	}
	form := v.r.PostForm
	if textOfForm(form) == "" {
		return &apiError{Status: http.StatusBadRequest, Code: "bad_parameter", Detail: "text: there is none"}
	}
	if form.Get("message") == "" {
		form.Set("message", uuid.NewString())
	}
	body := messageBody(form)
	p := newMessagePage(body["topic"].(string))
	p.Text = textOfForm(form)
	var got eventPreview
	if err := v.call(http.MethodPost, "/admin/messages/preview", body, &got); err != nil {
		return err
	}
	p.Preview = &messagePreview{Message: form.Get("message"), Topic: body["topic"].(string), JSON: indent(got.Event),
		Viewers: got.Viewers}
	v.Body = p
	return nil
}

// sendMessage sends what was shown.
func (c *Console) sendMessage(v *view) (string, error) {
	var got struct{ ID string }
	err := v.call(http.MethodPost, "/admin/messages", messageBody(v.r.PostForm), &got)
	return Path + "message?" + url.Values{"done": {"sent"}, "sent": {got.ID}}.Encode(), err
}

func indent(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}
