// Package ingest takes providers' documents in and makes match events of them: it keeps each document before it answers, reads it at once,
// compares what it says with what is known of the match, and hands new event revisions to the bus. cmd/goalcast runs it; the packages below it
// (ingest/opta) each read one provider's formats.
package ingest

import "errors"

// ErrUnread says that a document is of a feed that goalcast does not read; it is kept all the same.
var ErrUnread = errors.New("feed is not read")
