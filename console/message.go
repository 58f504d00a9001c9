package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
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
	Push  []pushText // one for each language

	Preview *messagePreview
	Sent    string // the id of the message that was sent
}

// pushText is what phones show in a language; empty if nothing.
type pushText struct{ Language, Title, Body string }

// IsPush says whether phones show anything.
func (p *messagePage) IsPush() bool {
	return slices.ContainsFunc(p.Push, func(t pushText) bool { return t.Title != "" || t.Body != "" })
}

// messagePreview is a message before it is sent.
type messagePreview struct {
	Message string // its id: the same one sent twice is one message
	Topic   string
	JSON    string // the event, exactly
	Viewers *int   // who follow the topic; nil if nobody knows
	Confirm string // of a push: see the API
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
	p.Push = pushOfForm(nil)
	return p
}

// pushOfForm is what phones are to show.
func pushOfForm(form url.Values) []pushText {
	list := make([]pushText, len(goalcast.PushLanguages))
	for i, language := range goalcast.PushLanguages {
		list[i] = pushText{language, strings.TrimSpace(form.Get("title_" + language)),
			strings.TrimSpace(form.Get("body_" + language))}
	}
	return list
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
	body := map[string]any{"topic": form.Get("kind") + ":" + strings.TrimSpace(form.Get("id")),
		"body": map[string]string{"text": textOfForm(form)}, "id": form.Get("message"), "confirm": form.Get("confirm")}
	push := map[string]goalcast.PushText{}
	for _, t := range pushOfForm(form) {
		if t.Title != "" || t.Body != "" {
			push[t.Language] = goalcast.PushText{Title: t.Title, Body: t.Body}
		}
	}
	if len(push) > 0 {
		body["push"] = push
	}
	return body
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
	p.Text, p.Push = textOfForm(form), pushOfForm(form)
	var got eventPreview
	if err := v.call(http.MethodPost, "/admin/messages/preview", body, &got); err != nil {
		return err
	}
	p.Preview = &messagePreview{Message: form.Get("message"), Topic: body["topic"].(string), JSON: indent(got.Event),
		Viewers: got.Viewers, Confirm: got.Confirm}
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
