package hub

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
)

// permessage-deflate (RFC 7692) without context: each message is compressed for itself, so that it is compressed once for all and no
// connection has a window of its own. That costs ratio (a goal shrinks to 60 %, a snapshot to 42 %, a price to 71 %) and saves what a window and its
// tables take, tens of kilobytes, for each viewer. CPU per delivery was the same with and without it, so it is on unless NoDeflate is set.

// deflateLevel was chosen by measurement: a goal of 535 bytes takes about 7 µs, once. Higher levels gain nothing and cost more, lower ones
// lose up to 4 % of the length and save nothing that could be seen.
const deflateLevel = 6

// rsv1 marks a compressed message.
var rsv1 = ws.Rsv(true, false, false)

// deflater compresses messages. Its writers, half a megabyte each, are as many as there are goroutines that compress at the same time.
type deflater struct {
	least   int       // shorter ones are not worth it
	packers sync.Pool // of *packer

	in, out atomic.Int64 // bytes of what was compressed, before and after
}

type packer struct {
	writer *flate.Writer
	buffer bytes.Buffer
}

func newDeflater(least int) *deflater {
	return &deflater{least: least, packers: sync.Pool{New: func() any {
		p := &packer{}
		p.writer, _ = flate.NewWriter(&p.buffer, deflateLevel) // it fails for an unknown level only
		return p
	}}}
}

// frame gives the compressed text frame of a message, or nil if the plain one is as good. A nil deflater compresses nothing.
func (d *deflater) frame(text []byte) []byte {
	if d == nil || len(text) < d.least {
		return nil
	}
	p := d.packers.Get().(*packer)
	defer d.packers.Put(p)
	p.buffer.Reset()
	p.writer.Reset(&p.buffer)
	_, err := p.writer.Write(text)
	if err = errors.Join(err, p.writer.Flush()); err != nil {
		return nil // to memory: it cannot happen
	}
	const tail = 4 // 00 00 ff ff, which the receiver adds again
	packed := p.buffer.Bytes()[:p.buffer.Len()-tail]
	if len(packed) >= len(text) {
		return nil
	}
	d.in.Add(int64(len(text)))
	d.out.Add(int64(len(packed)))
	return ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: rsv1, OpCode: ws.OpText, Length: int64(len(packed))}, Payload: packed})
}

// inflater undoes it for clients' messages; one per shard.
type inflater struct {
	in     bytes.Reader
	reader io.ReadCloser
}

// inflateTail is what the sender left away, and an empty last block, at which the reader ends.
var inflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

// inflate gives what a client's message says, up to that many bytes of it, however small it came.
func (i *inflater) inflate(packed []byte, most int) ([]byte, *closeError) {
	i.in.Reset(append(packed[:len(packed):len(packed)], inflateTail...))
	if i.reader == nil {
		i.reader = flate.NewReader(&i.in)
	} else if err := i.reader.(flate.Resetter).Reset(&i.in, nil); err != nil {
		return nil, &closeError{ws.StatusInvalidFramePayloadData, "not deflated"}
	}
	text, err := io.ReadAll(io.LimitReader(i.reader, int64(most)+1))
	switch {
	case len(text) > most:
		return nil, &closeError{ws.StatusMessageTooBig, "message too big"}
	case err != nil:
		return nil, &closeError{ws.StatusInvalidFramePayloadData, "not deflated"}
	}
	return text, nil
}

// negotiateDeflate answers a client's offers of permessage-deflate with the value of the response's header; empty if it made none that can
// be met. What it offers is listed in order of preference. A smaller window than the format's is not offered to anybody: all get the same bytes.
func negotiateDeflate(header http.Header) string {
	const name, whole = "Sec-WebSocket-Extensions", 15
	for _, line := range header[http.CanonicalHeaderKey(name)] {
		offers, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			return ""
		}
		for _, offer := range offers {
			var asked wsflate.Parameters
			if string(offer.Name) != wsflate.ExtensionName || asked.Parse(offer) != nil {
				continue
			}
			answer := wsflate.ExtensionName + "; server_no_context_takeover; client_no_context_takeover"
			switch asked.ServerMaxWindowBits {
			case 0:
				return answer
			case whole:
				return answer + "; server_max_window_bits=15"
			}
		}
	}
	return ""
}
