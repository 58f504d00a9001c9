package ingest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"goalcast"
	"goalcast/internal/tracing"
)

// passage is when a document passed the steps before it is applied. They are noted when it is known
// to lead to something: most documents tell what is known, and would be all that one sees.
type passage struct {
	began, whole, kept time.Time // its request, the last byte, the commit; zero: it was kept before
	read, readEnd      time.Time
}

type passageKey struct{}

// withPassage passes it on to noteApplied and noteFailed.
func (in *Ingest) withPassage(ctx context.Context, p passage) context.Context {
	if !in.cfg.Trace.On() {
		return ctx
	}
	return context.WithValue(ctx, passageKey{}, p)
}

// notePassage notes what came before a document was applied to a match, or failed.
func (in *Ingest) notePassage(doc goalcast.Document, match goalcast.MatchID, p passage, keepErr, readErr error) {
	of := tracing.Subject{Match: match, Received: doc.Received.UnixMilli()}
	about := aboutDocument(doc)
	in.cfg.Trace.Note(tracing.Span{Step: tracing.Receive, Of: of, From: p.began, Until: p.kept, Err: keepErr,
		More: append(about, attribute.String("http.request.method", "POST"),
			attribute.String("http.route", "/feeds/{provider}"),
			attribute.Int("http.request.body.size", len(doc.Body)))})
	in.cfg.Trace.Note(tracing.Span{Step: tracing.Keep, Of: of, From: p.whole, Until: p.kept, Err: keepErr})
	in.cfg.Trace.Note(tracing.Span{Step: tracing.Read, Of: of, From: p.read, Until: p.readEnd, Err: readErr,
		More: about})
}

func aboutDocument(doc goalcast.Document) []attribute.KeyValue {
	about := []attribute.KeyValue{attribute.String("goalcast.provider", doc.Provider),
		attribute.String("goalcast.feed", doc.Feed)}
	if doc.ID != 0 {
		about = append(about, attribute.Int64("goalcast.document", int64(doc.ID)))
	}
	return about[:len(about):len(about)] // whoever appends gets a copy
}

// noteKept notes that a document could not be kept, or is kept and left to the queue.
func (in *Ingest) noteKept(doc goalcast.Document, p passage, err error) {
	if in.cfg.Trace.On() {
		p.kept = time.Now()
		in.notePassage(doc, doc.Match, p, err, nil)
	}
}

// noteFailed notes that a document could not be read.
func (in *Ingest) noteFailed(ctx context.Context, doc goalcast.Document, err error) {
	if in.cfg.Trace.On() {
		p, _ := ctx.Value(passageKey{}).(passage)
		in.notePassage(doc, doc.Match, p, nil, err)
	}
}

// maxKeys is how many of the events that a document made stand with its span.
const maxKeys = 50

// application is when a document was applied to a match.
type application struct{ began, locked, merged, committed time.Time }

// noteApplied notes that a document changed a match, or was to and could not.
func (in *Ingest) noteApplied(ctx context.Context, doc goalcast.Document, match goalcast.MatchID, a application,
	events []goalcast.Event, err error) {
	if !in.cfg.Trace.On() || len(events) == 0 && err == nil {
		return
	}
	p, _ := ctx.Value(passageKey{}).(passage)
	in.notePassage(doc, match, p, nil, nil)
	of := tracing.Subject{Match: match, Received: doc.Received.UnixMilli()}
	var keys []string
	for i := range events[:min(len(events), maxKeys)] {
		keys = append(keys, events[i].Key())
	}
	in.cfg.Trace.Note(tracing.Span{Step: tracing.Apply, Of: of, From: a.began, Until: a.committed, Err: err,
		More: append(aboutDocument(doc), attribute.StringSlice("goalcast.events", keys))})
	if err == nil {
		in.cfg.Trace.Note(tracing.Span{Step: tracing.Merge, Of: of, From: a.locked, Until: a.merged})
	}
}
