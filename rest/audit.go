package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"goalcast"
)

// AuditStore keeps the book of what administrators did.
type AuditStore interface {
	// Audit adds an entry and gives it its place.
	Audit(context.Context, goalcast.AuditEntry) (goalcast.AuditEntry, error)
	// AuditEntries lists actions, newest first: of each the last entry.
	AuditEntries(context.Context, goalcast.AuditFilter) ([]goalcast.AuditEntry, error)
	// AuditAfter lists all entries behind an ID, oldest first. Of the filter Since, Until and Limit
	// are read.
	AuditAfter(ctx context.Context, after int64, f goalcast.AuditFilter) ([]goalcast.AuditEntry, error)
}

const (
	// auditTime is what the entry of how an action ended gets, whether or not somebody still waits.
	auditTime = 3 * time.Second
	// maxAuditValue is how long what was before and after an action may be, in bytes of JSON; of
	// what is longer the size is noted.
	maxAuditValue = 16 << 10
	// auditPage is how many entries are read at once to be exported or checked.
	auditPage = 500
)

// auditNote is what a handler tells of its action besides who asked for which route.
type auditNote struct {
	target        string // if it is not what the path names
	before, after any
	entry         goalcast.AuditEntry // of an action that is not noted yet
	committed     bool                // it is, with what was done
}

type auditKey struct{}

// audited keeps an action in the book. It is noted before it is done, and is not done if it cannot
// be noted; then again with how it ended. If that entry cannot be written, the first one stays,
// with the status 0, and the log has the rest.
func (s *Server) audited(method, pattern string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		begun, err := s.store.Audit(r.Context(), auditBegin(method, pattern, r))
		if err != nil {
			s.metrics.audit.WithLabelValues("refused").Inc()
			return fmt.Errorf("nothing is done that is not audited: %w", err)
		}
		note := &auditNote{target: begun.Target}
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		err = guarded(h, ww, r.WithContext(context.WithValue(r.Context(), auditKey{}, note)))
		status := ww.Status()
		if err != nil {
			status = problemOf(err).Status
		} else if status == 0 {
			status = http.StatusOK
		}
		s.auditEnd(r.Context(), begun, *note, status)
		return err
	}
}

// auditBegin is the entry from before an action.
func auditBegin(method, pattern string, r *http.Request) goalcast.AuditEntry {
	p := adminOf(r.Context())
	return goalcast.AuditEntry{Who: string(p.User), Role: p.Role.String(), Action: method + " " + pattern,
		Target: pathTarget(r), Request: requestID(r.Context())}
}

// auditedWithin is audited for an action that is one transaction: its handler has both entries
// committed with it, see auditWith. What it refuses, or cannot do, is noted here.
func (s *Server) auditedWithin(method, pattern string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		note := &auditNote{entry: auditBegin(method, pattern, r)}
		note.target = note.entry.Target
		err := guarded(h, w, r.WithContext(context.WithValue(r.Context(), auditKey{}, note)))
		if err == nil || note.committed {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTime)
		defer cancel()
		begun, failed := s.store.Audit(ctx, note.entry)
		if failed != nil {
			s.metrics.audit.WithLabelValues("refused").Inc()
			return fmt.Errorf("nothing is done that is not audited: %w, after %w", failed, err)
		}
		s.auditEnd(r.Context(), begun, *note, problemOf(err).Status)
		return err
	}
}

// auditWith is how an action will have ended when it is committed with this entry: answered with
// the status. commit does that, and fills in the entry.
func (s *Server) auditWith(r *http.Request, status int, commit func(*goalcast.AuditEntry) error) error {
	note, ok := r.Context().Value(auditKey{}).(*auditNote)
	if !ok {
		return errors.New("an action is not audited")
	}
	e := note.entry
	e.Target, e.Status = note.target, status
	e.Before, e.After = auditValue(note.before), auditValue(note.after)
	if err := commit(&e); err != nil {
		return err
	}
	note.committed = true
	s.auditWritten(r.Context(), e)
	return nil
}

// auditWritten counts and logs that an action is in the book with its end.
func (s *Server) auditWritten(ctx context.Context, e goalcast.AuditEntry) {
	s.metrics.audit.WithLabelValues("written").Inc()
	s.log.LogAttrs(ctx, slog.LevelInfo, "audited", slog.Int64("entry", e.ID), slog.String("hash", e.Hash),
		slog.String("request", e.Request))
}

// auditEnd adds how an action ended.
func (s *Server) auditEnd(ctx context.Context, begun goalcast.AuditEntry, note auditNote, status int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	e := begun
	e.Begin, e.Target, e.Status = begun.ID, note.target, status
	e.Before, e.After = auditValue(note.before), auditValue(note.after)
	kept, err := s.store.Audit(ctx, e)
	if err != nil {
		s.metrics.audit.WithLabelValues("open").Inc()
		s.log.LogAttrs(ctx, slog.LevelError, "it is not in the audit how an action ended",
			slog.Int64("begun", begun.ID), slog.String("who", e.Who), slog.String("action", e.Action),
			slog.String("target", e.Target), slog.String("before", string(e.Before)),
			slog.String("after", string(e.After)), slog.Int("status", status),
			slog.String("request", e.Request), slog.String("error", err.Error()))
		return
	}
	s.auditWritten(ctx, kept)
}

// audit logs who did what on the admin API, and notes what the thing was and is.
func (s *Server) audit(r *http.Request, action string, before, after any, attrs ...slog.Attr) {
	auditChange(r, before, after)
	s.auditLog(r, action, attrs...)
}

// auditLog logs who did what.
func (s *Server) auditLog(r *http.Request, action string, attrs ...slog.Attr) {
	who := []slog.Attr{slog.String("action", action), slog.String("role", roleOf(r.Context()).String())}
	if user := adminOf(r.Context()).User; user != "" {
		who = append(who, slog.String("user", string(user)))
	}
	attrs = append(append(who, slog.String("peer", r.RemoteAddr),
		slog.String("request", requestID(r.Context()))), attrs...)
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "audit", attrs...)
}

// auditChange notes what the thing was and is.
func auditChange(r *http.Request, before, after any) {
	if note, ok := r.Context().Value(auditKey{}).(*auditNote); ok {
		note.before, note.after = before, after
	}
}

// auditTarget names what an action is about where the path does not.
func auditTarget(r *http.Request, target string) {
	if note, ok := r.Context().Value(auditKey{}).(*auditNote); ok {
		note.target = target
	}
}

// pathTarget is what the parameters of a path name.
func pathTarget(r *http.Request) string {
	rc := chi.RouteContext(r.Context())
	if rc == nil {
		return ""
	}
	var parts []string
	for i, name := range rc.URLParams.Keys {
		if name != "*" {
			parts = append(parts, rc.URLParams.Values[i])
		}
	}
	return strings.Join(parts, "/")
}

// auditValue is JSON; nil for nothing.
func auditValue(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil { // it was going to be answered in JSON as well
		text = []byte(`"cannot be written as JSON"`)
	}
	if len(text) > maxAuditValue {
		text = fmt.Appendf(nil, `{"bytes":%d}`, len(text))
	}
	return text
}

// getAudit lists what administrators did, newest first.
func (s *Server) getAudit(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "who", "action", "since", "until", "before", "after", "limit")
	f := goalcast.AuditFilter{Who: q.text("who", 200), Action: q.text("action", 200), Since: q.time("since"),
		Until: q.time("until"), Before: q.afterOrBefore(), Limit: 1 + q.number("limit", 100, 500)}
	if q.err != nil {
		return q.err
	}
	list, err := s.store.AuditEntries(r.Context(), f)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	answer := struct {
		Entries []goalcast.AuditEntry `json:"entries"`
		Before  int64                 `json:"before,omitempty"` // after, by its older name
		pageEnd
	}{}
	answer.Entries, answer.pageEnd = endPage(list, f.Limit-1,
		func(e goalcast.AuditEntry) string { return fmt.Sprint(e.ID) })
	if answer.More {
		answer.Before = answer.Entries[len(answer.Entries)-1].ID
	}
	return writePage(w, r, answer.pageEnd, answer)
}

// auditPages reads all entries behind an ID, page by page, oldest first.
func (s *Server) auditPages(ctx context.Context, after int64, f goalcast.AuditFilter,
	page func([]goalcast.AuditEntry) error) error {
	f.Limit = auditPage
	for {
		list, err := s.store.AuditAfter(ctx, after, f)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		if err := page(list); err != nil {
			return err
		}
		after = list[len(list)-1].ID
	}
}

// getAuditExport writes all entries, one in a line. An answer that cannot be finished is cut off,
// so that it does not look whole.
func (s *Server) getAuditExport(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "since", "until")
	f := goalcast.AuditFilter{Since: q.time("since"), Until: q.time("until")}
	if q.err != nil {
		return q.err
	}
	began := false
	err := s.auditPages(r.Context(), 0, f, func(list []goalcast.AuditEntry) error {
		if !began {
			auditHeader(w)
		}
		began = true
		enc := json.NewEncoder(w)
		for _, e := range list {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil && !began:
		auditHeader(w)
	case err != nil && began:
		s.log.Warn("an export of the audit was cut off", "request", requestID(r.Context()), "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func auditHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.ndjson"`)
	w.WriteHeader(http.StatusOK)
}

// getAuditVerify checks the chain, from the first entry to the last.
func (s *Server) getAuditVerify(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	chain, err := s.auditFrom(r.Context(), goalcast.AuditChain{})
	broken := errors.Is(err, goalcast.ErrChain)
	if err != nil && !broken {
		return err
	}
	answer := struct {
		OK   bool   `json:"ok"`
		ID   int64  `json:"id"`   // of the last entry that is as it was written
		Hash string `json:"hash"` // of that
		Why  string `json:"why,omitempty"`
	}{OK: !broken, ID: chain.ID, Hash: chain.Hash}
	if broken {
		answer.Why = err.Error()
	}
	s.metrics.auditBroken.Set(map[bool]float64{true: 1}[broken])
	return writeJSON(w, http.StatusOK, answer)
}

// auditFrom verifies what follows the last entry of a chain, and that this one is still there. It
// returns the chain up to the last entry that is as it was written: ErrChain if others are not.
func (s *Server) auditFrom(ctx context.Context, chain goalcast.AuditChain) (goalcast.AuditChain, error) {
	known, found := chain, chain.ID == 0
	err := s.auditPages(ctx, max(0, known.ID-1), goalcast.AuditFilter{}, func(list []goalcast.AuditEntry) error {
		for _, e := range list {
			if found {
				if err := chain.Add(e); err != nil {
					return err
				}
				continue
			}
			if e.ID != known.ID || e.Hash != known.Hash || e.Sum() != e.Hash {
				return fmt.Errorf("%w: entry %d is not what it was", goalcast.ErrChain, known.ID)
			}
			found = true
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: entry %d is gone, and what followed it", goalcast.ErrChain, known.ID)
	}
	return chain, err
}

// auditWhole is how often a process verifies the audit from its first entry on.
const auditWhole = 24 * time.Hour

// auditVerified is how far a process has verified the audit.
type auditVerified struct {
	sync.Mutex
	chain goalcast.AuditChain
	whole time.Time // when it was last verified from its first entry on
}

// VerifyAudit verifies what was added to the audit since this process last did: so it also shows if
// the last entries were cut off since. It begins with the first entry once a day, and after the
// audit was found changed. The command calls it as a job. What it finds is in the log and a metric;
// its errors are the store's.
func (s *Server) VerifyAudit(ctx context.Context) error {
	v := &s.verified
	v.Lock()
	defer v.Unlock()
	now, from := s.cfg.Now(), v.chain
	whole := v.whole.IsZero() || now.Sub(v.whole) >= auditWhole
	if whole {
		from = goalcast.AuditChain{}
	}
	chain, err := s.auditFrom(ctx, from)
	switch {
	case err == nil && whole && chain.ID < v.chain.ID:
		err = fmt.Errorf("%w: entries from %d to %d are gone", goalcast.ErrChain, chain.ID+1, v.chain.ID)
	case err == nil && whole:
		v.whole = now
	}
	switch {
	case errors.Is(err, goalcast.ErrChain):
		s.metrics.auditBroken.Set(1)
		s.log.ErrorContext(ctx, "the audit was changed", "error", err, "good_until", chain.ID)
		v.whole = time.Time{}
		return nil
	case err != nil:
		return err
	}
	s.metrics.auditBroken.Set(0)
	v.chain = chain
	return nil
}
