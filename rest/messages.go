package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"goalcast"
	"goalcast/internal/problem"
)

// messageBody is what an editor posts.
type messageBody struct {
	Topic string          `json:"topic"`
	Body  json.RawMessage `json:"body"`
	ID    string          `json:"id"` // the same one again is the same message; empty: made up
	// Push is what phones show, by language; empty: it is not pushed.
	Push    map[string]goalcast.PushText `json:"push"`
	Confirm string                       `json:"confirm"` // what a preview of the same message said
}

// What a text of a push may have at most, in characters. Phones show less; texts are shortened to
// what push services take.
const (
	maxPushTitle = 100
	maxPushBody  = 300
)

// checkPush refuses texts that a phone could not show.
func (m messageBody) checkPush() error {
	for language, text := range m.Push {
		switch title, body := utf8.RuneCountInString(text.Title), utf8.RuneCountInString(text.Body); {
		case !slices.Contains(goalcast.PushLanguages, language):
			return badParameter("push", "%.20q: want %s", language, strings.Join(goalcast.PushLanguages, ", "))
		case strings.TrimSpace(text.Title) == "" || strings.TrimSpace(text.Body) == "":
			return badParameter("push", "%s: want a title and a body", language)
		case title > maxPushTitle || body > maxPushBody:
			return badParameter("push", "%s: want at most %d characters of title and %d of body", language,
				maxPushTitle, maxPushBody)
		}
	}
	if _, ok := m.Push[goalcast.PushFallback]; !ok && m.Push != nil {
		return badParameter("push", "want %s, which whoever has another language gets", goalcast.PushFallback)
	}
	return nil
}

// confirmation is what a preview gives and sending a push wants: who sends it has asked for what he
// sends before, word for word.
func (m messageBody) confirmation() string {
	if len(m.Push) == 0 {
		return ""
	}
	text, _ := json.Marshal([]any{m.Topic, m.Body, m.Push}) // strings and JSON always encode
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

var messageID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)

// event makes the message an event: it is nobody's match event, has no sequence number and one
// revision.
func (m messageBody) event(now time.Time) (goalcast.Event, error) {
	topic, err := goalcast.ParseTopic(m.Topic)
	if err != nil {
		return goalcast.Event{}, err
	}
	if !topic.Kind.Info().Events {
		return goalcast.Event{}, fmt.Errorf("%w: %s", goalcast.ErrBadTopic, topic.Kind)
	}
	switch {
	case len(m.Body) == 0:
		return goalcast.Event{}, badParameter("body", "missing")
	case m.ID == "":
		m.ID = uuid.NewString()
	case !messageID.MatchString(m.ID):
		return goalcast.Event{}, badParameter("id", "want at most 100 letters, digits or . _ : -")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, m.Body); err != nil {
		return goalcast.Event{}, badParameter("body", "not JSON")
	}
	if err := m.checkPush(); err != nil {
		return goalcast.Event{}, err
	}
	return goalcast.Event{
		ID: "message:" + m.ID, Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{topic}, Message: compact.Bytes(), Push: m.Push,
		At: now.UTC().Truncate(time.Millisecond), Times: goalcast.Times{Received: now.UnixMilli()},
	}, nil
}

// publishTime is what publishing gets after the message was saved, whether or not the editor still
// waits for the answer.
const publishTime = 3 * time.Second

// postMessage sends an editor's words to whoever listens to a topic. It is accepted once it is
// saved: if the bus is away, the outbox sweep publishes it later. One that is to be pushed has to
// have been previewed.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) error {
	var body messageBody
	if err := readJSON(w, r, s.cfg.MessageBody, &body); err != nil {
		return err
	}
	e, err := body.event(s.cfg.Now())
	if err != nil {
		return err
	}
	if body.Confirm != body.confirmation() {
		return problem.New(http.StatusConflict, "not_confirmed", "a push has to be confirmed: ask for a preview "+
			"of exactly this message, and send it with what that says in confirm")
	}
	if err := s.store.SaveMessage(r.Context(), e); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	auditTarget(r, e.Topics[0].String())
	said := map[string]any{"event": e.ID, "message": e.Message}
	if len(e.Push) > 0 {
		said["push"] = e.Push
	}
	s.audit(r, "message", nil, said,
		slog.String("topic", e.Topics[0].String()), slog.String("event", e.ID))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), publishTime)
	defer cancel()
	result := "published"
	if err := s.publish.Publish(ctx, []goalcast.Event{e}); err != nil {
		result = "saved"
		s.log.Warn("message saved, not published yet", "event", e.ID, "error", err)
	}
	s.metrics.messages.WithLabelValues(result).Inc()
	return writeJSON(w, http.StatusAccepted, map[string]string{"id": e.ID})
}

// postPreview shows the event that a message would be. Nothing is saved and nobody told.
func (s *Server) postPreview(w http.ResponseWriter, r *http.Request) error {
	var body messageBody
	if err := readJSON(w, r, s.cfg.MessageBody, &body); err != nil {
		return err
	}
	e, err := body.event(s.cfg.Now())
	if err != nil {
		return err
	}
	auditTarget(r, e.Topics[0].String())
	preview := map[string]any{"event": e, "viewers": s.viewersOf(r.Context(), e.Topics[0])}
	if confirm := body.confirmation(); confirm != "" {
		preview["confirm"] = confirm
	}
	return writeJSON(w, http.StatusOK, preview)
}

// viewersOf is how many follow a topic now, as far as hubs tell; nil if nobody can say.
func (s *Server) viewersOf(ctx context.Context, topic goalcast.Topic) *int {
	if s.viewers == nil {
		return nil
	}
	nodes, err := s.viewers.Audiences(ctx)
	if err != nil {
		return nil // a help, no more
	}
	viewers := 0
	for _, t := range topicViewers(nodes) {
		if t.Topic == topic {
			viewers = t.Viewers
		}
	}
	return &viewers
}
