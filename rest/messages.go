package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/google/uuid"

	"goalcast"
)

// messageBody is what an editor posts.
type messageBody struct {
	Topic string          `json:"topic"`
	Body  json.RawMessage `json:"body"`
	ID    string          `json:"id"` // the same one again is the same message; empty: made up
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
	return goalcast.Event{
		ID: "message:" + m.ID, Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{topic}, Message: compact.Bytes(),
		At: now.UTC().Truncate(time.Millisecond), Times: goalcast.Times{Received: now.UnixMilli()},
	}, nil
}

// publishTime is what publishing gets after the message was saved, whether or not the editor still
// waits for the answer.
const publishTime = 3 * time.Second

// postMessage sends an editor's words to whoever listens to a topic. It is accepted once it is
// saved: if the bus is away, the outbox sweep publishes it later.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) error {
	var body messageBody
	if err := readJSON(w, r, s.cfg.MessageBody, &body); err != nil {
		return err
	}
	e, err := body.event(s.cfg.Now())
	if err != nil {
		return err
	}
	if err := s.store.SaveMessage(r.Context(), e); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	auditTarget(r, e.Topics[0].String())
	s.audit(r, "message", nil, map[string]any{"event": e.ID, "message": e.Message},
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
	return writeJSON(w, http.StatusOK, map[string]any{"event": e, "viewers": s.viewersOf(r.Context(), e.Topics[0])})
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
