package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"

	"goalcast"
	"goalcast/ingest/merge"
)

// complete lets a provider that is a Completer fill a reading in; what comes back is
// checked as what was read is.
func (in *Ingest) complete(ctx context.Context, doc goalcast.Document, r merge.Reading) (_ merge.Reading, err error) {
	c, ok := in.providers[doc.Provider].(Completer)
	if !ok {
		return r, nil
	}
	defer in.recovered(doc, &err)
	if r, err = c.Complete(ctx, doc, r); err != nil {
		return merge.Reading{}, err
	}
	if r, err = in.checked(doc, r); err != nil {
		return merge.Reading{}, permanent(err)
	}
	return r, nil
}

// Report applies a reading that was not made of a document: what a provider learns by asking. It
// must carry a version with a time. Errors are passing trouble unless they are ErrPermanent;
// reporting the same again changes nothing.
func (in *Ingest) Report(ctx context.Context, provider string, r merge.Reading) error {
	doc := goalcast.Document{Provider: provider, Received: in.cfg.Now().UTC()}
	r, err := in.checked(doc, r)
	if err != nil {
		return fmt.Errorf("report of %s: %w", provider, permanent(err))
	}
	if _, err := in.apply(ctx, doc, r); err != nil {
		return fmt.Errorf("report of %s: %w", provider, err)
	}
	return nil
}

// Accept keeps a document that was fetched rather than posted, and applies it. An error
// that is not ErrPermanent means that it was not kept, or will be tried again if it was:
// then its number is not 0.
func (in *Ingest) Accept(ctx context.Context, provider string, headers map[string]string,
	body []byte) (goalcast.DocumentID, error) {
	p, known := in.providers[provider]
	if !known {
		return 0, fmt.Errorf("%w: no provider %q", goalcast.ErrPermanent, provider)
	}
	doc := goalcast.Document{Provider: provider, Headers: headers, Body: body, Digest: sha256.Sum256(body),
		Received: in.cfg.Now().UTC()}
	in.describe(p, &doc)
	if err := in.store.KeepDocument(ctx, &doc); err != nil {
		return 0, fmt.Errorf("keep a document of %s: %w", provider, err)
	}
	in.metrics.arrived(doc)
	if doc.State == goalcast.DocumentApplied { // it came before
		in.metrics.document(doc, "repeated")
		return doc.ID, nil
	}
	if !in.take(doc.ID) {
		return doc.ID, nil // the sweeper was faster
	}
	defer in.release(doc.ID)
	return doc.ID, in.Process(ctx, doc.ID)
}
