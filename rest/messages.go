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
		m.ID = uuid.Must(uuid.NewV7()).String() // in order of time: neighbours share a page of the database's index
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

// maxMessages is how many messages one array may have: so many ids fit an entry of the audit, and
// the bus takes so many in one call.
const maxMessages = 100

// readMessages reads one message or an array of them.
func (s *Server) readMessages(w http.ResponseWriter, r *http.Request) (list []messageBody, array bool, err error) {
	text, err := readText(w, r, maxMessages*s.cfg.MessageBody)
	if err != nil {
		return nil, false, err
	}
	if array = bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")); !array {
		var body messageBody
		if int64(len(text)) > s.cfg.MessageBody {
			return nil, false, &http.MaxBytesError{Limit: s.cfg.MessageBody}
		}
		err := decodeJSON(text, &body)
		return []messageBody{body}, false, err
	}
	var parts []json.RawMessage
	if err := decodeJSON(text, &parts); err != nil {
		return nil, true, err
	}
	switch {
	case len(parts) == 0:
		return nil, true, badBody("an array without messages")
	case len(parts) > maxMessages:
		return nil, true, problem.New(http.StatusRequestEntityTooLarge, "too_many_messages",
			fmt.Sprintf("%d messages: an array has at most %d", len(parts), maxMessages))
	}
	list = make([]messageBody, len(parts))
	for i, part := range parts {
		if int64(len(part)) > s.cfg.MessageBody {
			return nil, true, inArray(i, &http.MaxBytesError{Limit: s.cfg.MessageBody})
		}
		if err := decodeJSON(part, &list[i]); err != nil {
			return nil, true, inArray(i, err)
		}
	}
	return list, true, nil
}

// inArray says of an error in which element of an array it is: "[3].topic".
func inArray(i int, err error) error {
	p := problemOf(err)
	p.Detail = fmt.Sprintf("[%d]: %s", i, p.Detail)
	if p.Parameter != "" {
		p.Parameter = fmt.Sprintf("[%d].%s", i, p.Parameter)
	}
	return p
}

// messageEvents makes the messages events: all of them, or the error of the first that cannot be
// one.
func messageEvents(list []messageBody, array bool, now time.Time) ([]goalcast.Event, error) {
	events, seen := make([]goalcast.Event, len(list)), map[string]bool{}
	for i, body := range list {
		e, err := body.event(now)
		switch {
		case err == nil && array && len(body.Push) > 0:
			err = badParameter("push", "a message that is pushed is posted by itself")
		case err == nil && body.Confirm != body.confirmation():
			err = problem.New(http.StatusConflict, "not_confirmed", "a push has to be confirmed: ask for a preview "+
				"of exactly this message, and send it with what that says in confirm")
		case err == nil && seen[e.ID]:
			err = badParameter("id", "another message of the array has it")
		}
		if err != nil && array {
			err = inArray(i, err)
		}
		if err != nil {
			return nil, err
		}
		seen[e.ID], events[i] = true, e
	}
	return events, nil
}

// postMessages sends an editor's words to whoever listens to a topic: one message, or an array of
// them, of which all are kept or none. It is accepted once it is saved: if the bus is away, the
// outbox sweep publishes it later. One that is to be pushed has to have been previewed.
func (s *Server) postMessages(w http.ResponseWriter, r *http.Request) error {
	list, array, err := s.readMessages(w, r)
	if err != nil {
		return err
	}
	events, err := messageEvents(list, array, s.cfg.Now())
	if err != nil {
		return err
	}
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	target := messagesTarget(events)
	auditTarget(r, target)
	attrs := []slog.Attr{slog.String("topic", target)}
	said := map[string]any{"event": ids[0], "message": events[0].Message}
	switch {
	case array:
		said = map[string]any{"events": ids}
		attrs = append(attrs, slog.Int("events", len(ids)))
	case len(events[0].Push) > 0:
		said["push"] = events[0].Push
	}
	auditChange(r, nil, said)
	attrs = append(attrs, slog.String("event", ids[0]))
	result := "saved"
	if err := s.auditWith(r, http.StatusAccepted, func(action *goalcast.AuditEntry) error {
		published, err := s.poster.Post(r.Context(), action, events...)
		if published {
			result = "published"
		} else if err == nil {
			s.log.Warn("message saved, not published yet", "event", ids[0], "events", len(ids))
		}
		return err
	}); err != nil {
		return fmt.Errorf("post message: %w", err)
	}
	s.auditLog(r, "message", attrs...)
	s.metrics.messages.WithLabelValues(result).Add(float64(len(events)))
	if array {
		return writeJSON(w, http.StatusAccepted, map[string][]string{"ids": ids})
	}
	return writeJSON(w, http.StatusAccepted, map[string]string{"id": ids[0]})
}

// messagesTarget is what messages are about: their topic, or how many they are.
func messagesTarget(events []goalcast.Event) string {
	topic := events[0].Topics[0]
	for _, e := range events {
		if e.Topics[0] != topic {
			return fmt.Sprintf("%d messages", len(events))
		}
	}
	return topic.String()
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
