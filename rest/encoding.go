package rest

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding. Of several that a client likes equally the first is taken: it packs
// best.
type coding int

const (
	br coding = iota
	zstandard
	gzipped
	plain   // "identity"
	codings = plain
)

var codingNames = [...]string{br: "br", zstandard: "zstd", gzipped: "gzip", plain: "identity"}

func (c coding) String() string { return codingNames[c] }

// How hard is tried. Each answer is packed once, so that more than a server would do for every
// request pays; for an 11 kB match all of these take under a millisecond.
const (
	brLevel   = 6
	gzipLevel = 6
)

// minPacked is the size from which on packing saves packets.
const minPacked = 1024

// packers compress. They are safe for concurrent use: what has state is taken from a pool.
type packers struct {
	zstd     *zstd.Encoder
	br, gzip sync.Pool
}

// resetter is a compressing writer that can be used again.
type resetter interface {
	io.WriteCloser
	Reset(io.Writer)
}

func newPackers() *packers {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("zstd: " + err.Error()) // fixed options
	}
	return &packers{
		zstd: z,
		br:   sync.Pool{New: func() any { return brotli.NewWriterLevel(nil, brLevel) }},
		gzip: sync.Pool{New: func() any {
			w, err := gzip.NewWriterLevel(nil, gzipLevel)
			if err != nil {
				panic("gzip: " + err.Error()) // fixed level
			}
			return w
		}},
	}
}

// pack compresses text.
func (p *packers) pack(c coding, text []byte) []byte {
	switch c {
	case br:
		return packed(&p.br, text)
	case gzipped:
		return packed(&p.gzip, text)
	case zstandard:
		return p.zstd.EncodeAll(text, nil)
	}
	panic("no such coding: " + strconv.Itoa(int(c)))
}

func packed(pool *sync.Pool, text []byte) []byte {
	w := pool.Get().(resetter)
	defer pool.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	_, err := w.Write(text)
	if e := w.Close(); err != nil || e != nil {
		panic(fmt.Sprint("compress: ", err, e)) // a buffer in memory takes everything
	}
	return bytes.Clone(out.Bytes()) // without the room that the buffer has left
}

// accepts is what a client takes: the q of each coding, in thousandths; 0 is not at all.
type accepts [codings + 1]int

// acceptsOf reads Accept-Encoding (RFC 9110, 12.5.3). What cannot be read counts as not there.
func acceptsOf(fields []string) accepts {
	const unset = -1
	q, others := accepts{unset, unset, unset, unset}, unset
	for _, field := range fields {
		for field != "" {
			var item string
			item, field, _ = strings.Cut(field, ",")
			name, params, _ := strings.Cut(item, ";")
			weight := weightOf(params)
			switch name = strings.TrimSpace(name); {
			case name == "*":
				others = weight
			case strings.EqualFold(name, "br"):
				q[br] = weight
			case strings.EqualFold(name, "zstd"):
				q[zstandard] = weight
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				q[gzipped] = weight
			case strings.EqualFold(name, "identity"):
				q[plain] = weight
			}
		}
	}
	for c := range q {
		switch {
		case q[c] != unset:
		case coding(c) == plain && others != 0:
			q[c] = 1 // taken unless it is refused, but nobody's wish
		default:
			q[c] = max(others, 0)
		}
	}
	return q
}

// weightOf is the q in the parameters of a coding.
func weightOf(params string) int {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1000
	}
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1000
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return int(q * 1000)
}

// best is the coding that is liked most; false if the client takes none of ours.
func (a accepts) best() (coding, bool) {
	best := plain
	for c := plain - 1; c >= 0; c-- {
		if a[c] > 0 && a[c] >= a[best] {
			best = c
		}
	}
	return best, a[best] > 0
}
