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
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/eventlog"
	"goalcast/internal/ratelimit"
)

// receive takes one document in: it is kept, then answered, and read meanwhile.
func (in *Ingest) receive(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("provider")
	p, known := in.providers[name]
	switch {
	case !known:
		in.refuse(w, r, "unknown", &refusal{status: http.StatusNotFound, reason: "unknown_provider",
			text: "no such provider"})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		in.refuse(w, r, name, &refusal{status: http.StatusMethodNotAllowed, reason: "method",
			text: "documents are posted"})
		return
	}
	if no := in.guard.authorize(name, r); no != nil {
		in.refuse(w, r, name, no)
		return
	}
	wait, no := waitOf(r)
	if no != nil {
		in.refuse(w, r, name, no)
		return
	}
	doc, progress, ok := in.takeIn(w, r, name, p)
	if !ok {
		return
	}
	_, checked := p.(Checked)
	in.tell(w, r, doc, progress, checked, wait)
}

// takeIn reads and keeps a document; what it takes to do that is given back before anybody waits
// for more. false: it answered.
func (in *Ingest) takeIn(w http.ResponseWriter, r *http.Request, name string, p Provider) (doc goalcast.Document,
	_ *progress, ok bool) {
	select {
	case in.receiving <- struct{}{}:
		defer func() { <-in.receiving }()
	default:
		in.refuse(w, r, name, &refusal{status: http.StatusServiceUnavailable, reason: "busy",
			text: "too many documents at once"})
		return doc, nil, false
	}
	held := in.held.lease()
	defer held.release()
	way := passage{began: time.Now()}
	body, no := in.readBody(w, r, held)
	if no != nil {
		in.refuse(w, r, name, no)
		return doc, nil, false
	}
	doc = goalcast.Document{Provider: name, Headers: keptHeaders(r.Header), Body: body, Digest: sha256.Sum256(body),
		Received: in.cfg.Now().UTC()}
	way.whole = time.Now()
	in.checkDigest(doc)
	in.describe(p, &doc)
	progress, err := in.keep(context.WithoutCancel(r.Context()), p, &doc, way)
	if err != nil {
		in.noteKept(doc, way, err)
		in.log.Error("document not kept", "provider", name, "feed", doc.Feed, "bytes", len(body), "error", err)
		in.metrics.trouble.WithLabelValues("store").Inc()
		in.refuse(w, r, name, &refusal{status: http.StatusServiceUnavailable, reason: refusedUnavailable,
			code: "not_kept", text: "the document could not be kept; send it again"})
		return doc, nil, false
	}
	return doc, progress, true
}

// describe asks the provider what it is; a provider that stumbles over it leaves it unknown,
// and Read will tell why.
func (in *Ingest) describe(p Provider, doc *goalcast.Document) {
	defer func() {
		if v := recover(); v != nil {
			in.log.Error("panic while describing a document", "provider", doc.Provider, "panic", v)
			in.metrics.alarms.WithLabelValues(doc.Provider, "panic").Inc()
		}
	}()
	doc.Feed, doc.Match = p.Describe(doc.Headers, doc.Body)
}

// keep stores the document. A worker begins to read it at the same time; it applies nothing before
// the commit. progress is nil where none works on it now.
func (in *Ingest) keep(ctx context.Context, p Provider, doc *goalcast.Document, way passage) (*progress, error) {
	told := newProgress()
	kept := make(chan goalcast.DocumentID, 1) // closed without an id: it was not kept
	defer close(kept)
	reading := *doc
	taken := in.work.add(job{
		urgent: doc.Match != 0 && len(doc.Body) <= in.cfg.UrgentBytes,
		size:   int64(len(doc.Body)),
		due:    dueTime(doc.Received, len(doc.Body)),
		run:    func() { in.live(p, reading, way, kept, told) },
	})
	ctx, cancel := context.WithTimeout(ctx, in.cfg.KeepTimeout)
	defer cancel()
	if err := in.store.KeepDocument(ctx, doc); err != nil {
		return nil, err
	}
	in.cfg.Fault("kept")
	in.metrics.arrived(*doc)
	in.log.Debug("document kept", eventlog.Document, doc.ID, "provider", doc.Provider, "feed", doc.Feed, eventlog.Match,
		doc.Match, "bytes", len(doc.Body), "repeats", doc.Repeats)
	if doc.State == goalcast.DocumentApplied {
		// The same bytes came before, and what they say is known. One that failed or was not read
		// then is tried again: goalcast may have learned it since.
		in.metrics.document(*doc, "repeated")
		return nil, nil
	}
	if taken {
		if in.take(doc.ID) {
			kept <- doc.ID
			return told, nil
		}
		return nil, nil // it came twice at once, and a worker has it
	}
	in.metrics.left.Inc()
	in.noteKept(*doc, way, nil)
	in.later(ctx, *doc, 0)
	return nil, nil
}

// maxRatio is how many times its size on the wire a packed document may have, from 1 MB on. XML of
// Opta packs to a twentieth.
const maxRatio = 200

// readBody reads the whole document, unpacked. What it takes of memory is held against what all
// documents being received may take. How long that may take is the server's business.
func (in *Ingest) readBody(w http.ResponseWriter, r *http.Request, held *lease) ([]byte, *refusal) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, reason: "too_large", text: "a document may have " +
		strconv.FormatInt(in.cfg.MaxBody, 10) + " bytes"}
	if r.ContentLength > in.cfg.MaxBody {
		return nil, tooLarge
	}
	wire := &metered{from: http.MaxBytesReader(w, r.Body, in.cfg.MaxBody)}
	unpacked, err := unpack(wire, r.Header.Get("Content-Encoding"))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		w.Header().Set("Accept-Encoding", "gzip, deflate")
		return nil, &refusal{status: http.StatusUnsupportedMediaType, reason: "encoding",
			text: "content encodings are gzip and deflate"}
	case errors.Is(err, io.EOF):
		return nil, &refusal{status: http.StatusBadRequest, reason: "empty", text: "the document is empty"}
	}
	var body []byte
	for err == nil && int64(len(body)) <= in.cfg.MaxBody {
		if len(body) == cap(body) {
			// twice as much, or up to 1 MB at once where it says so
			more := max(int64(cap(body)), firstRead, min(r.ContentLength, 1<<20)+1-int64(cap(body)))
			if more = min(more, in.cfg.MaxBody+1-int64(cap(body))); !held.take(more) {
				return nil, &refusal{status: http.StatusServiceUnavailable, reason: "memory",
					text: "too many large documents at once"}
			}
			body = append(make([]byte, 0, int64(cap(body))+more), body...)
		}
		var n int
		n, err = unpacked.Read(body[len(body):cap(body)])
		if body = body[:len(body)+n]; len(body) > 1<<20 && int64(len(body)) > maxRatio*wire.bytes {
			return nil, &refusal{status: http.StatusRequestEntityTooLarge, reason: "ratio",
				text: "the document unpacks to more than " + strconv.Itoa(maxRatio) + " times its size"}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit) || int64(len(body)) > in.cfg.MaxBody:
		return nil, tooLarge
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, reason: "broken", text: "the document did not arrive whole"}
	case len(body) == 0:
		return nil, &refusal{status: http.StatusBadRequest, reason: "empty", text: "the document is empty"}
	}
	return body, nil
}

// firstRead is how many bytes are made ready for a document that does not say its size.
const firstRead = 16 << 10

// metered counts what is read through it.
type metered struct {
	from  io.Reader
	bytes int64
}

func (c *metered) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += int64(n)
	return n, err
}

// unpack undoes a content encoding. Errors: ErrUnsupported; io.EOF for an empty packed
// body; else it is broken.
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

// checkDigest compares the sender's digest with the body, if it is an MD5. A wrong one is no reason
// to refuse: what it is made of is not documented.
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
		in.log.Warn("message digest does not fit the document", "provider", doc.Provider, "said", said, "is",
			hex.EncodeToString(got[:]))
		in.metrics.alarms.WithLabelValues(doc.Provider, "digest").Inc()
	}
}

func (in *Ingest) refuse(w http.ResponseWriter, r *http.Request, provider string, no *refusal) {
	in.metrics.refused.WithLabelValues(provider, no.reason).Inc()
	in.log.Warn("document refused", "provider", provider, "reason", no.reason, "status", no.status)
	writeRefusal(w, r, no)
}

// writeRefusal answers a request that leaves no document.
func writeRefusal(w http.ResponseWriter, r *http.Request, no *refusal) {
	switch no.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="feeds", Basic realm="feeds"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", ratelimit.RetryAfter(no.retry))
	}
	writeProblem(w, r, no)
}
