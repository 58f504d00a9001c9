package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"goalcast"
	"goalcast/internal/httpserver"
	"goalcast/internal/problem"
)

// answer is what GETs are answered with that caches may keep: bytes and their validators, made once
// and shared by all who ask while it is right. It never changes, but that it is compressed when
// somebody first asks for that.
type answer struct {
	contentType []string // a header's field, as all such slices
	text        []byte
	tags        [codings + 1][]string // entity tags, quoted: of the text, and of each of its forms; or none
	policy      policy
	until       time.Time       // no cache keeps it for longer; zero: as the policy says
	link        string          // the Link header; mostly none
	need        goalcast.Rights // what one has to have to be served it, where whoever serves asks

	forms [codings + 1]func() *form // each makes its form once
}

// form is an answer in one coding.
type form struct {
	body   []byte
	length []string
	coding []string // none if it is plain
}

func newForm(body []byte, c coding) *form {
	f := &form{body: body, length: []string{strconv.Itoa(len(body))}}
	if c != plain {
		f.coding = []string{c.String()}
	}
	return f
}

// encoder makes answers and their forms, and counts them.
type encoder struct {
	packers *packers
	made    func(coding)
}

// json encodes v.
func (e *encoder) json(v any, policy policy) (*answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return e.text("application/json", body, policy), nil
}

// text is an answer of exactly these bytes; its validator is a hash of them. One that nobody may
// keep, which has no policy, has none.
func (e *encoder) text(contentType string, text []byte, policy policy) *answer {
	e.made(plain)
	a := &answer{contentType: []string{contentType}, text: text, policy: policy}
	if policy != never {
		a.tags = tagsOf(text)
	}
	for c := range codings {
		a.forms[c] = sync.OnceValue(func() *form {
			e.made(c)
			return newForm(e.packers.pack(c, a.text), c)
		})
	}
	a.forms[plain] = sync.OnceValue(func() *form { return newForm(a.text, plain) })
	return a
}

// tagsOf makes strong entity tags from content. A strong validator differs where bytes differ, so
// each coding has its own.
func tagsOf(content []byte) (tags [codings + 1][]string) {
	sum := sha256.Sum256(content)
	tag := base64.RawURLEncoding.EncodeToString(sum[:])[:22]
	for c := range codings {
		tags[c] = []string{`"` + tag + "-" + c.String() + `"`}
	}
	tags[plain] = []string{`"` + tag + `"`}
	return tags
}

// Size is what the answer may take in memory, with all its forms: none is longer than the text by
// more than a few bytes.
func (a *answer) Size() int { return (1+int(codings))*len(a.text) + 1024 }

// negotiate chooses the form that a client likes best, which is made by whoever asks first while
// all others wait. What is too small to be packed, or does not become smaller by it, goes out as it
// is to whoever takes that.
func (a *answer) negotiate(fields []string) (coding, *form, error) {
	if len(fields) == 0 {
		return plain, a.forms[plain](), nil
	}
	takes := acceptsOf(fields)
	c, ok := takes.best()
	if !ok {
		return plain, nil, problem.New(http.StatusNotAcceptable, "not_acceptable",
			"Accept-Encoding: want one of br, zstd, gzip and identity")
	}
	if takes[plain] > 0 && len(a.text) < minPacked {
		c = plain
	}
	f := a.forms[c]()
	if takes[plain] > 0 && len(f.body) >= len(a.text) {
		return plain, a.forms[plain](), nil
	}
	return c, f, nil
}

// serve writes the answer, or 304 if the client has it.
func (a *answer) serve(w http.ResponseWriter, r *http.Request, now time.Time) error {
	h := w.Header()
	if h["Vary"] == nil {
		h["Vary"] = byCoding
	} else {
		h.Add("Vary", byCoding[0])
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = a.policyAt(now).field()
	}
	if a.link != "" {
		h.Set("Link", a.link)
	}
	if have, ok := a.matching(r.Header["If-None-Match"]); ok {
		h.Set("ETag", have)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	c, f, err := a.negotiate(r.Header["Accept-Encoding"])
	if err != nil {
		return err
	}
	if f.coding != nil {
		h["Content-Encoding"] = f.coding
	}
	if a.tags[c] != nil {
		h["Etag"] = a.tags[c] // as http.Header spells it
	}
	h["Content-Type"], h["Content-Length"] = a.contentType, f.length
	written := httpserver.Gather(r)
	_, _ = w.Write(f.body) // an error means that the client has gone
	written()
	return nil
}

// policyAt is how long the answer may be kept from a moment on.
func (a *answer) policyAt(now time.Time) policy {
	if a.until.IsZero() {
		return a.policy
	}
	return a.policy.within(a.until.Sub(now))
}

// matching finds the client's own spelling of one of our tags in If-None-Match: as it was sent, in
// whichever coding, or weakened by a proxy.
func (a *answer) matching(fields []string) (string, bool) {
	if a.tags[plain] == nil {
		return "", false
	}
	for _, field := range fields {
		for have := range strings.SplitSeq(field, ",") {
			have = strings.TrimSpace(have)
			tag := strings.TrimPrefix(have, "W/")
			if tag == "*" {
				return a.tags[plain][0], true
			}
			for _, ours := range a.tags {
				if tag == ours[0] {
					return have, true
				}
			}
		}
	}
	return "", false
}
