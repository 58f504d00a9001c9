package ingest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"goalcast"
)

// receive takes one document in: it is kept, then answered, and read meanwhile.
func (in *Ingest) receive(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("provider")
	p, known := in.providers[name]
	switch {
	case !known:
		in.refuse(w, "unknown", &refusal{http.StatusNotFound, "unknown_provider", "no such provider"})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		in.refuse(w, name, &refusal{http.StatusMethodNotAllowed, "method", "documents are posted"})
		return
	}
	if no := in.authorize(name, r); no != nil {
		in.refuse(w, name, no)
		return
	}
	select {
	case in.receiving <- struct{}{}:
		defer func() { <-in.receiving }()
	default:
		in.refuse(w, name, &refusal{http.StatusServiceUnavailable, "busy", "too many documents at once"})
		return
	}
	body, no := in.readBody(w, r)
	if no != nil {
		in.refuse(w, name, no)
		return
	}
	doc := goalcast.Document{Provider: name, Headers: keptHeaders(r.Header), Body: body, Digest: sha256.Sum256(body), Received: in.cfg.Now().UTC()}
	in.checkDigest(doc)
	in.describe(p, &doc)
	if err := in.keep(context.WithoutCancel(r.Context()), p, &doc); err != nil {
		in.log.Error("document not kept", "provider", name, "feed", doc.Feed, "bytes", len(body), "error", err)
		in.metrics.trouble.WithLabelValues("store").Inc()
		in.refuse(w, name, &refusal{http.StatusServiceUnavailable, refusedUnavailable, "the document could not be kept; send it again"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"document": doc.ID, "state": goalcast.DocumentReceived}) // the same for what came before
}

// describe asks the provider what it is; a provider that stumbles over it leaves it unknown, and Read will tell why.
func (in *Ingest) describe(p Provider, doc *goalcast.Document) {
	defer func() {
		if v := recover(); v != nil {
			in.log.Error("panic while describing a document", "provider", doc.Provider, "panic", v)
			in.metrics.alarms.WithLabelValues(doc.Provider, "panic").Inc()
		}
	}()
	doc.Feed, doc.Match = p.Describe(doc.Headers, doc.Body)
}

// keep stores the document. A worker begins to read it at the same time; it applies nothing before the commit.
func (in *Ingest) keep(ctx context.Context, p Provider, doc *goalcast.Document) error {
	kept := make(chan goalcast.DocumentID, 1) // closed without an id: it was not kept
	defer close(kept)
	reading := *doc
	taken := in.work.add(job{
		urgent: doc.Match != 0 && len(doc.Body) <= in.cfg.UrgentBytes,
		size:   int64(len(doc.Body)),
		due:    dueTime(doc.Received, len(doc.Body)),
		run:    func() { in.live(p, reading, kept) },
	})
	ctx, cancel := context.WithTimeout(ctx, in.cfg.KeepTimeout)
	defer cancel()
	if err := in.store.KeepDocument(ctx, doc); err != nil {
		return err
	}
	in.cfg.Fault("kept")
	in.metrics.arrived(*doc)
	if doc.State == goalcast.DocumentApplied {
		// The same bytes came before, and what they say is known. One that failed or was not read then is tried again: goalcast may have learned it since.
		in.metrics.document(*doc, "repeated")
		return nil
	}
	if taken {
		if in.take(doc.ID) {
			kept <- doc.ID
		} // else it came twice at once, and a worker has it
		return nil
	}
	in.metrics.left.Inc()
	in.later(ctx, *doc, 0)
	return nil
}

// readBody reads the whole document, unpacked. How long that may take is the server's business.
func (in *Ingest) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := &refusal{http.StatusRequestEntityTooLarge, "too_large", "a document may have " + strconv.FormatInt(in.cfg.MaxBody, 10) + " bytes"}
	if r.ContentLength > in.cfg.MaxBody {
		return nil, tooLarge
	}
	unpacked, err := unpack(http.MaxBytesReader(w, r.Body, in.cfg.MaxBody), r.Header.Get("Content-Encoding"))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		w.Header().Set("Accept-Encoding", "gzip, deflate")
		return nil, &refusal{http.StatusUnsupportedMediaType, "encoding", "content encodings are gzip and deflate"}
	case errors.Is(err, io.EOF):
		return nil, &refusal{http.StatusBadRequest, "empty", "the document is empty"}
	}
	var body bytes.Buffer
	if err == nil {
		body.Grow(int(min(max(r.ContentLength, 0), 1<<20)) + bytes.MinRead)
		_, err = body.ReadFrom(io.LimitReader(unpacked, in.cfg.MaxBody+1))
	}
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit) || int64(body.Len()) > in.cfg.MaxBody:
		return nil, tooLarge
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "broken", "the document did not arrive whole"}
	case body.Len() == 0:
		return nil, &refusal{http.StatusBadRequest, "empty", "the document is empty"}
	}
	return body.Bytes(), nil
}

// unpack undoes a content encoding. Errors: ErrUnsupported; io.EOF for an empty packed body; else it is broken.
func unpack(body io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	}
	return nil, errors.ErrUnsupported
}

// checkDigest compares the sender's digest with the body, if it is an MD5. A wrong one is no reason to refuse: what it is made of is not documented.
func (in *Ingest) checkDigest(doc goalcast.Document) {
	said := strings.TrimSpace(doc.Headers["x-meta-message-digest"])
	want, err := hex.DecodeString(said)
	if err != nil {
		want, err = base64.StdEncoding.DecodeString(said)
	}
	if err != nil || len(want) != md5.Size {
		return
	}
	if got := md5.Sum(doc.Body); !bytes.Equal(got[:], want) {
		in.log.Warn("message digest does not fit the document", "provider", doc.Provider, "said", said, "is", hex.EncodeToString(got[:]))
		in.metrics.alarms.WithLabelValues(doc.Provider, "digest").Inc()
	}
}

func (in *Ingest) refuse(w http.ResponseWriter, provider string, no *refusal) {
	in.metrics.refused.WithLabelValues(provider, no.reason).Inc()
	in.log.Warn("document refused", "provider", provider, "reason", no.reason, "status", no.status)
	switch no.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="feeds", Basic realm="feeds"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	}
	answer(w, no.status, map[string]any{"error": no.text})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the sender is gone
}
