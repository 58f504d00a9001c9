package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"

	"goalcast"
)

// permessage-deflate (RFC 7692). No connection has a window of its own: a message is compressed once, for itself, and this form can be sent to anybody
// at any time. By itself a goal shrinks to 61 % and a price to 69 %. Who keeps what it was sent, as nearly all do, can be sent less: messages that refer to the one before,
// of which there are few forms as well (chain.go). CPU per delivery was the same with and without compression, so it is on unless NoDeflate is set.

// deflateLevel was chosen by measurement: a goal of 535 bytes takes 6 µs, once; one that refers to another goal 4 µs. Higher levels gain a
// hundredth and take twice as long, lower ones lose up to 4 % of the length and save nothing that could be seen. At this level the library finds no
// repetitions in a message of less than 128 bytes, the shortest that is compressed unless the configuration says otherwise.
const deflateLevel = 6

// rsv1 marks a compressed message.
var rsv1 = ws.Rsv(true, false, false)

// deflater compresses messages. Its writers, half a megabyte each, are as many as there are goroutines that compress at the same time.
type deflater struct {
	least   int       // shorter ones are not worth it
	packers sync.Pool // of *packer

	earlier func(ending) []byte // text of an event by what windows end with, if it is not too long ago; nil otherwise

	alone, context volume // of what was compressed for itself, and of what refers to something before
}

// volume counts the bytes of what was compressed, before and after.
type volume struct{ in, out atomic.Int64 }

func (v *volume) add(in, out int) {
	v.in.Add(int64(in))
	v.out.Add(int64(out))
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
	return d.pack(nil, text, &d.alone)
}

// after gives the compressed text frame of a message for those who have been sent another text just before; nil if the plain one is as good.
func (d *deflater) after(before, text []byte) []byte {
	if len(text) < d.least {
		return nil
	}
	return d.pack(before, text, &d.context)
}

func (d *deflater) pack(before, text []byte, count *volume) []byte {
	p := d.packers.Get().(*packer)
	defer d.packers.Put(p)
	p.begin(before)
	packed := p.next(text)
	if len(packed) >= len(text) {
		return nil
	}
	count.add(len(text), len(packed))
	return appendPacked(nil, packed)
}

// begin starts a stream whose receiver already has the text of before in its window, last of all.
func (p *packer) begin(before []byte) {
	p.buffer.Reset()
	p.writer.ResetDict(&p.buffer, before)
}

// next gives the stream's next message. The result is valid until the next begin.
func (p *packer) next(text []byte) []byte {
	from := p.buffer.Len()
	_, err := p.writer.Write(text)
	if err = errors.Join(err, p.writer.Flush()); err != nil {
		panic("deflate: " + err.Error()) // to memory: it cannot happen
	}
	const tail = 4 // 00 00 ff ff, which the receiver adds again
	return p.buffer.Bytes()[from : p.buffer.Len()-tail]
}

// appendPacked appends the text frame of a compressed message.
func appendPacked(b, packed []byte) []byte {
	header := ws.Header{Fin: true, Rsv: rsv1, OpCode: ws.OpText, Length: int64(len(packed))}
	return append(b, ws.MustCompileFrame(ws.Frame{Header: header, Payload: packed})...)
}

// isPacked says of a whole frame whether it is compressed, and so part of what the receiver's window ends with.
func isPacked(frame []byte) bool { return len(frame) > 0 && frame[0]&0x40 != 0 }

// inflater undoes it for clients' messages; one per shard.
type inflater struct {
	in     bytes.Reader
	reader io.ReadCloser
}

// flushed is what a sender leaves away at the end of a message. inflateTail adds it, and an empty last block, at which the reader ends.
var (
	flushed     = []byte{0x00, 0x00, 0xff, 0xff}
	inflateTail = append(flushed[:4:4], 0x01, 0x00, 0x00, 0xff, 0xff)
)

// inflate gives what a client's message says, up to that many bytes of it, however small it came. It may refer to what is in the window. Of what
// clients do otherwise than RFC 7692 says, what can be understood is: an empty message without a block, an end that was not left away, and text that is
// marked as compressed and is not.
func (i *inflater) inflate(packed, window []byte, most int) ([]byte, *closeError) {
	if len(packed) == 0 {
		return nil, nil
	}
	bare := bytes.TrimSuffix(packed, flushed) // no message that was left without its end ends so: the last bits before it are zeros
	i.in.Reset(append(bare[:len(bare):len(bare)], inflateTail...))
	if i.reader == nil {
		i.reader = flate.NewReader(&i.in)
	}
	if err := i.reader.(flate.Resetter).Reset(&i.in, window); err != nil {
		return nil, &closeError{goalcast.CloseInvalid, "not deflated"}
	}
	text, err := io.ReadAll(io.LimitReader(i.reader, int64(most)+1))
	switch {
	case len(text) > most:
		return nil, &closeError{goalcast.CloseTooBig, "message too big"}
	case err != nil && json.Valid(packed):
		return packed, nil
	case err != nil:
		return nil, &closeError{goalcast.CloseInvalid, "not deflated"}
	}
	return text, nil
}

// negotiateDeflate answers a client's offers of permessage-deflate: the value of the response's header and the encoding that it means; empty if it made
// none that can be met. What it offers is listed in order of preference. A smaller window than the format's is not offered to anybody: all
// get the same bytes. Clients' own messages are short: each is to stand for itself, though not all do (input.understand).
func negotiateDeflate(header http.Header) (string, encoding) {
	const name, whole = "Sec-WebSocket-Extensions", 15
	for _, line := range header[http.CanonicalHeaderKey(name)] {
		offers, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			return "", encWS
		}
		for _, offer := range offers {
			var asked wsflate.Parameters
			if string(offer.Name) != wsflate.ExtensionName || asked.Parse(offer) != nil {
				continue
			}
			if asked.ServerMaxWindowBits != 0 && asked.ServerMaxWindowBits != whole {
				continue
			}
			answer, e := wsflate.ExtensionName, encContext
			if asked.ServerNoContextTakeover {
				answer, e = answer+"; server_no_context_takeover", encDeflate
			}
			answer += "; client_no_context_takeover"
			if asked.ServerMaxWindowBits == whole {
				answer += "; server_max_window_bits=15"
			}
			return answer, e
		}
	}
	return "", encWS
}
