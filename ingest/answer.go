package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/internal/problem"
)

// Limits of waiting for what becomes of a document.
const (
	maxWait = 20 * time.Second // that a request may ask for with ?wait=; more is cut to it
	// for whether a document of a Checked provider can be read; then the answer is that it is kept
	checkWait     = 5 * time.Second
	maxWaiting    = 64               // requests that wait at once; others are answered that their document is kept
	maxToldEvents = 1000             // events in an answer; how many more there are stands beside them
	writeMargin   = 10 * time.Second // for the answer itself, after the wait
)

// settled is what became of a document, for whoever waits for it.
type settled struct {
	state   goalcast.DocumentState // received: it will be tried again
	outcome string                 // changed, unchanged, late, ignored; empty if it failed
	matches []settledMatch
	readErr error // why it could not be read; nil where it failed when it was applied
}

// settledMatch is a match that a document brought news of.
type settledMatch struct {
	match  goalcast.MatchID
	seq    int64 // of the match after it
	events []goalcast.Event
}

// progress tells whoever waits how far a document is. Each channel takes one value;
// nobody has to read it.
type progress struct {
	read chan error // why it could not be read, or nil
	done chan settled
}

func newProgress() *progress { return &progress{make(chan error, 1), make(chan settled, 1)} }

// The answer to a document. Events are the revisions that it made, in short; all of
// each goes to viewers.
type (
	receipt struct {
		Document goalcast.DocumentID    `json:"document"`
		State    goalcast.DocumentState `json:"state"`
		Outcome  string                 `json:"outcome,omitempty"`
		Matches  []receiptMatch         `json:"matches,omitempty"`
		Detail   string                 `json:"detail,omitempty"`
	}
	receiptMatch struct {
		Match  goalcast.MatchID `json:"match"`
		Seq    int64            `json:"seq"`
		Events []receiptEvent   `json:"events"`
		More   int              `json:"more_events,omitempty"`
	}
	receiptEvent struct {
		ID       string          `json:"id"`
		Kind     goalcast.Kind   `json:"kind"`
		Status   goalcast.Status `json:"status"`
		Revision int             `json:"revision"`
		Seq      int64           `json:"seq"`
	}
)

// waitOf reads ?wait=5s, or =5 in seconds; 0 if it is not there.
func waitOf(r *http.Request) (time.Duration, *refusal) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if seconds, bad := strconv.ParseFloat(text, 64); bad == nil && seconds >= 0 && seconds < 1e6 {
		wait, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || wait < 0 {
		return 0, &refusal{status: http.StatusBadRequest, reason: "wait", text: "wait: want a duration like 5s",
			field: "wait"}
	}
	return min(wait, maxWait), nil
}

// waitBegin takes a place among those that wait; false if there is none.
func (in *Ingest) waitBegin() bool {
	select {
	case in.awaiting <- struct{}{}:
		return true
	default:
		return false
	}
}

// tell answers for a document that was kept: at once, or, where its sender wants to know or must,
// when it was read or applied. p is nil for a document on which nobody works now.
func (in *Ingest) tell(w http.ResponseWriter, r *http.Request, doc goalcast.Document, p *progress, checked bool,
	wait time.Duration) {
	kept := receipt{Document: doc.ID, State: goalcast.DocumentReceived} // the same for what came before
	if p == nil && wait > 0 && doc.State == goalcast.DocumentApplied {
		kept.State, kept.Outcome = doc.State, "repeated"
		in.answer(w, http.StatusOK, kept)
		return
	}
	if p == nil || !checked && wait == 0 || !in.waitBegin() {
		in.answer(w, statusKept(wait), kept)
		return
	}
	defer func() { <-in.awaiting }()
	// not all writers can
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(max(wait, checkWait) + writeMargin))
	if checked {
		switch err, ended := await(r.Context(), p.read, max(wait, checkWait)); {
		case err != nil && !errors.Is(err, merge.ErrUnread):
			_, _ = await(r.Context(), p.done, checkWait) // so that it has failed when its sender is told so
			in.unreadable(w, r, doc, err)
			return
		case wait == 0 || !ended:
			in.answer(w, statusKept(wait), kept)
			return
		}
	}
	done, ended := await(r.Context(), p.done, wait)
	switch {
	case !ended:
		kept.Detail = "it is kept, and not applied yet"
		in.answer(w, http.StatusAccepted, kept)
	case done.readErr != nil:
		in.unreadable(w, r, doc, done.readErr)
	case done.state == goalcast.DocumentFailed: // what the database says is not for strangers
		writeProblem(w, r, &refusal{status: http.StatusUnprocessableEntity, reason: "not_applied", document: doc.ID,
			text: "it was read and could not be applied; GET /admin/documents/" + strconv.FormatInt(int64(doc.ID), 10) +
				" says why"})
	case done.state == goalcast.DocumentReceived:
		kept.Detail = "it is kept, could not be applied now, and will be tried again"
		in.answer(w, http.StatusAccepted, kept)
	default:
		in.answer(w, http.StatusOK, done.receipt(doc.ID))
	}
}

// statusKept is the status for a document of which no more is known than that it is kept: who asked
// to wait for more sees that it did not come.
func statusKept(wait time.Duration) int {
	if wait > 0 {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// await takes what comes, for so long at most.
func await[T any](ctx context.Context, from <-chan T, most time.Duration) (v T, ended bool) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case v = <-from:
		return v, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return v, false
}

func (s settled) receipt(id goalcast.DocumentID) receipt {
	out := receipt{Document: id, State: s.state, Outcome: s.outcome}
	left := maxToldEvents
	for _, m := range s.matches {
		told := receiptMatch{Match: m.match, Seq: m.seq, Events: []receiptEvent{}}
		for _, e := range m.events[:min(left, len(m.events))] {
			told.Events = append(told.Events, receiptEvent{e.ID, e.Kind, e.Status, e.Revision, e.Seq})
		}
		told.More = len(m.events) - len(told.Events)
		left -= len(told.Events)
		out.Matches = append(out.Matches, told)
	}
	return out
}

// unreadable answers that a document is kept, and failed.
func (in *Ingest) unreadable(w http.ResponseWriter, r *http.Request, doc goalcast.Document, err error) {
	no := &refusal{status: http.StatusUnprocessableEntity, reason: "unreadable", text: errorText(err), document: doc.ID}
	var field *merge.FieldError
	if errors.As(err, &field) {
		no.text, no.field = errorText(field), field.Field
	}
	writeProblem(w, r, no)
}

// feedProblem is the body of every answer that is an error, with what a sender of documents
// wants to know besides.
type feedProblem struct {
	*problem.Problem
	// of the document, or the query parameter: "events[2].minute"
	Field    string                 `json:"field,omitempty"`
	Document goalcast.DocumentID    `json:"document,omitempty"` // that is kept all the same
	State    goalcast.DocumentState `json:"state,omitempty"`    // of that
	// the detail again, for senders that knew this feed before
	Error string `json:"error,omitempty"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, no *refusal) {
	body := feedProblem{Problem: problem.New(no.status, cmp.Or(no.code, no.reason), no.text), Field: no.field,
		Document: no.document, Error: no.text}
	if no.document != 0 {
		body.State = goalcast.DocumentFailed
	}
	problem.Write(w, r, body)
}

func (in *Ingest) answer(w http.ResponseWriter, status int, body receipt) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the sender is gone
}
