package store

import (
	"fmt"
	"github.com/klauspost/compress/zstd"

	"goalcast"
)

// How a body is stored: the column packing.
const (
	packedNot  = 0
	packedZstd = 1
)

// minPack is the size below which compression saves less than a page of the database; maxUnpacked
// bounds how much memory a damaged row can take.
const (
	minPack     = 512
	maxUnpacked = 256 << 20
)

// compressor compresses bodies. It may be used by many goroutines.
//
// Bodies are compressed before they are stored, on the goal's way, at zstd's fastest level.
// Measured on two busy cores with every commit flushed: 90 kB take 0.18 ms to compress and become a
// fifth or less; stored compressed they take 1.0 ms, raw 0.8 to 1.0; 900 kB take 4.7 to 5.0 ms
// compressed, 4.3 to 5.3 raw: what compression costs, writing less saves (BenchmarkKeepDocument,
// BenchmarkKeepRaw, BenchmarkCompress). Storing raw first and compressing later in a job would
// write everything twice.
type compressor struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newCompressor() (*compressor, error) {
	// Encoder and Decoder keep their states for reuse, one per processor; neither has goroutines as
	// long as only EncodeAll and DecodeAll are used.
	// the document has its own SHA-256
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &compressor{in, out}, nil
}

// compress never returns nil, and the body itself where compression does not make it smaller.
func (p *compressor) compress(body []byte) (packing int, packed []byte) {
	if len(body) < minPack {
		return packedNot, notNil(body)
	}
	packed = p.in.EncodeAll(body, make([]byte, 0, len(body)/4))
	if len(packed) >= len(body) {
		return packedNot, body
	}
	return packedZstd, packed
}

func (p *compressor) decompress(packing int, packed []byte, size int) ([]byte, error) {
	switch packing {
	case packedNot:
		return packed, nil
	case packedZstd:
		body, err := p.out.DecodeAll(packed, make([]byte, 0, min(size, maxUnpacked)))
		if err != nil {
			return nil, fmt.Errorf("unpack: %w: %w", goalcast.ErrPermanent, err)
		}
		return body, nil
	}
	return nil, fmt.Errorf("unpack: %w: packing %d of a newer version", goalcast.ErrPermanent, packing)
}
