package ingest

import (
	"context"

	"goalcast"
	"goalcast/ingest/merge"
)

// Provider reads the documents of one sender of feeds. Its methods are pure and
// safe for concurrent use.
type Provider interface {
	// Name is the provider's place in the path of its feed endpoint, and in
	// GOALCAST_FEED_SECRETS: "opta".
	Name() string
	// Sources tells how far what it reads is to be trusted, the most trusted first. Providers are
	// trusted in the order in which New got them.
	Sources() []merge.Source
	// Describe reads the feed ("F9") and the match from the headers (names in lower case)
	// and, where they do not tell, from the first bytes of the body. It never fails: what is
	// not known stays empty.
	Describe(headers map[string]string, body []byte) (feed string, match goalcast.MatchID)
	// Read says what a document tells. Errors: merge.ErrUnread for a feed that is not read, else
	// why the document cannot be understood.
	Read(goalcast.Document) (merge.Reading, error)
}

// Completer is a Provider whose documents do not tell by themselves all that it takes to apply
// them: of which match they are, or what became of something they name. Complete is called with
// what Read made of a document, before it is applied, also when it is applied again. It may keep
// things of its own. Its errors are passing trouble, after which the document is tried again,
// unless they are ErrPermanent.
type Completer interface {
	Complete(context.Context, goalcast.Document, merge.Reading) (merge.Reading, error)
}

// Checked is a Provider whose senders write documents by hand and want to know what is wrong with
// them: they are answered 422 where Read cannot understand one. All others are answered 200 for
// what was kept, since a machine that gets an error sends the same again.
type Checked interface {
	Provider
	Checked()
}
