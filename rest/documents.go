package rest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// documentItem is what is known of a kept document, without its body.
type documentItem struct {
	ID       goalcast.DocumentID    `json:"id"`
	Provider string                 `json:"provider"`
	Feed     string                 `json:"feed,omitempty"`
	Match    goalcast.MatchID       `json:"match,omitempty"`
	Headers  map[string]string      `json:"headers"`
	Bytes    int                    `json:"bytes"`
	SHA256   string                 `json:"sha256"`
	Received time.Time              `json:"received"`
	Repeats  int                    `json:"repeats,omitempty"` // how often it came again
	Seen     time.Time              `json:"seen,omitzero"`     // when it came last, if it came again
	State    goalcast.DocumentState `json:"state"`
	Error    string                 `json:"error,omitempty"`
	Attempts int                    `json:"attempts"`
}

func itemOf(d goalcast.Document) documentItem {
	if d.Headers == nil {
		d.Headers = map[string]string{}
	}
	if d.Repeats == 0 {
		d.Seen = time.Time{}
	}
	return documentItem{ID: d.ID, Provider: d.Provider, Feed: d.Feed, Match: d.Match, Headers: d.Headers, Bytes: d.Size,
		SHA256:   hex.EncodeToString(d.Digest[:]),
		Received: d.Received.UTC(), Repeats: d.Repeats, Seen: d.Seen, State: d.State, Error: d.Error,
		Attempts: d.Attempts}
}

// getDocuments lists kept documents, newest first.
func (s *Server) getDocuments(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "provider", "feed", "match", "state", "from", "to", "before", "after", "limit")
	f := goalcast.DocumentFilter{
		Provider: q.label("provider"), Feed: strings.ToUpper(q.label("feed")), Match: goalcast.MatchID(q.id("match")),
		State: goalcast.DocumentState(q.word("state", string(goalcast.DocumentReceived),
			string(goalcast.DocumentApplied),
			string(goalcast.DocumentIgnored), string(goalcast.DocumentFailed))),
		From: q.time("from"), To: q.time("to"), Before: goalcast.DocumentID(q.afterOrBefore()),
		Limit: 1 + q.number("limit", min(100, s.cfg.MaxDocuments), s.cfg.MaxDocuments),
	}
	if q.err != nil {
		return q.err
	}
	docs, err := s.store.Documents(r.Context(), f)
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	answer := struct {
		Documents []documentItem `json:"documents"`
		pageEnd
	}{}
	docs, answer.pageEnd = endPage(docs, f.Limit-1, func(d goalcast.Document) string { return fmt.Sprint(d.ID) })
	answer.Documents = make([]documentItem, len(docs))
	for i, d := range docs {
		answer.Documents[i] = itemOf(d)
	}
	return writePage(w, r, answer.pageEnd, answer)
}

// document reads the one that the path names.
func (s *Server) document(r *http.Request) (goalcast.Document, error) {
	id, err := pathID(r)
	if err != nil {
		return goalcast.Document{}, err
	}
	if q := newQuery(r); q.err != nil {
		return goalcast.Document{}, q.err
	}
	d, err := s.store.Document(r.Context(), goalcast.DocumentID(id))
	if err != nil {
		return goalcast.Document{}, fmt.Errorf("document %d: %w", id, err)
	}
	return d, nil
}

func (s *Server) getDocument(w http.ResponseWriter, r *http.Request) error {
	d, err := s.document(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, itemOf(d))
}

// getDocumentBody gives the bytes as they were sent. They are a stranger's: never shown by a
// browser, always saved.
func (s *Server) getDocumentBody(w http.ResponseWriter, r *http.Request) error {
	d, err := s.document(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="document-%d"`, d.ID))
	h.Set("Content-Length", strconv.Itoa(len(d.Body)))
	_, _ = w.Write(d.Body) // an error means that the client has gone
	return nil
}

// postReplay works through a document again and says what became of it. That it cannot be
// understood is an answer, not an error: the document says so.
func (s *Server) postReplay(w http.ResponseWriter, r *http.Request) error {
	if s.replay == nil {
		return problem.New(http.StatusNotImplemented, "no_ingest", "this process has no ingest role; ask one that has")
	}
	d, err := s.document(r)
	if err != nil {
		return err
	}
	worked := s.replay.Process(r.Context(), d.ID)
	logged := []slog.Attr{slog.Int64("document", int64(d.ID)), slog.Any("error", worked)}
	if worked != nil && !errors.Is(worked, goalcast.ErrPermanent) {
		s.audit(r, "replay", workOf(d), nil, logged...)
		return fmt.Errorf("replay of document %d: %w", d.ID, worked)
	}
	after, err := s.store.Document(r.Context(), d.ID)
	if err != nil {
		s.audit(r, "replay", workOf(d), nil, logged...)
		return fmt.Errorf("document %d after its replay: %w", d.ID, err)
	}
	s.audit(r, "replay", workOf(d), workOf(after), logged...)
	return writeJSON(w, http.StatusOK, itemOf(after))
}

// workOf is what the audit has of a document: how the work on it stands.
func workOf(d goalcast.Document) any {
	return map[string]any{"state": d.State, "error": d.Error, "attempts": d.Attempts}
}
