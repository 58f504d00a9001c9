package frame

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

// permessage-deflate (RFC 7692). No connection has a window of its own: a message is compressed
// once, by itself, and this form can be sent to anybody at any time. By itself a goal shrinks to 61
// % and a price to 69 %. Clients that keep what they were sent, as nearly all do, can be sent less:
// messages that refer to the one before, of which there are few forms as well (context.go). CPU per
// delivery was the same with and without compression, so it is on unless the configuration says
// otherwise.

// deflateLevel was chosen by measurement: a goal of 535 bytes takes 6 µs, once; one that refers to
// another goal 4 µs. Higher levels gain a hundredth and take twice as long, lower ones lose up to 4
// % of the length and save nothing that could be seen. At this level the library finds no
// repetitions in a message of less than 128 bytes, the shortest that is compressed unless the
// configuration says otherwise.
const deflateLevel = 6

// rsv1 marks a compressed message.
var rsv1 = ws.Rsv(true, false, false)

// Deflater compresses messages. Its writers, half a megabyte each, are as many as there are
// goroutines that compress at the same time.
type Deflater struct {
	Earlier func(Window) []byte // the text of an event that windows end with, if it is not too long ago; else nil

	ByItself, InContext Volume // what was compressed by itself, and what refers to something before

	least       int       // shorter ones are not worth it
	compressors sync.Pool // of *compressor
}

// Volume counts the bytes of what was compressed, before and after.
type Volume struct{ In, Out atomic.Int64 }

func (v *Volume) add(in, out int) {
	v.In.Add(int64(in))
	v.Out.Add(int64(out))
}

type compressor struct {
	writer *flate.Writer
	buffer bytes.Buffer
}

// NewDeflater compresses texts of that many bytes and more.
func NewDeflater(least int) *Deflater {
	return &Deflater{
		Earlier: func(Window) []byte { return nil },
		least:   least,
		compressors: sync.Pool{New: func() any {
			c := &compressor{}
			c.writer, _ = flate.NewWriter(&c.buffer, deflateLevel) // it fails for an unknown level only
			return c
		}},
	}
}

// frame gives the compressed text frame of a message, or nil if the plain one is as good. A nil
// deflater compresses nothing.
func (d *Deflater) frame(text []byte) []byte {
	if d == nil || len(text) < d.least {
		return nil
	}
	return d.compress(nil, text, &d.ByItself)
}

// after gives the compressed text frame of a message for those who have been sent another text just
// before; nil if the plain one is as good.
func (d *Deflater) after(before, text []byte) []byte {
	if len(text) < d.least {
		return nil
	}
	return d.compress(before, text, &d.InContext)
}

func (d *Deflater) compress(before, text []byte, count *Volume) []byte {
	c := d.compressors.Get().(*compressor)
	defer d.compressors.Put(c)
	c.begin(before)
	compressed := c.next(text)
	if len(compressed) >= len(text) {
		return nil
	}
	count.add(len(text), len(compressed))
	return appendCompressed(nil, compressed)
}

// begin starts a stream whose receiver already has the text of before in its window, last of all.
func (c *compressor) begin(before []byte) {
	c.buffer.Reset()
	c.writer.ResetDict(&c.buffer, before)
}

// next gives the stream's next message. The result is valid until the next begin.
func (c *compressor) next(text []byte) []byte {
	from := c.buffer.Len()
	_, err := c.writer.Write(text)
	if err = errors.Join(err, c.writer.Flush()); err != nil {
		panic("deflate: " + err.Error()) // to memory: it cannot happen
	}
	const tail = 4 // 00 00 ff ff, which the receiver adds again
	return c.buffer.Bytes()[from : c.buffer.Len()-tail]
}

// appendCompressed appends the text frame of a compressed message.
func appendCompressed(b, compressed []byte) []byte {
	header := ws.Header{Fin: true, Rsv: rsv1, OpCode: ws.OpText, Length: int64(len(compressed))}
	return append(b, ws.MustCompileFrame(ws.Frame{Header: header, Payload: compressed})...)
}

// isCompressed says of a whole frame whether it is compressed, and so part of what the receiver's
// window ends with.
func isCompressed(frame []byte) bool { return len(frame) > 0 && frame[0]&0x40 != 0 }

// Inflater undoes it for clients' messages; one per shard.
type Inflater struct {
	in     bytes.Reader
	reader io.ReadCloser
}

// flushed is what a sender leaves away at the end of a message. inflateTail adds it, and an empty
// last block, at which the reader ends.
var (
	flushed     = []byte{0x00, 0x00, 0xff, 0xff}
	inflateTail = append(flushed[:4:4], 0x01, 0x00, 0x00, 0xff, 0xff)
)

// inflate gives what a client's message says, up to that many bytes of it, however small it came.
// It may refer to what is in the window. Where clients depart from RFC 7692, what can be understood
// is: an empty message without a block, an end that was not left away, and text that is marked as
// compressed and is not.
func (i *Inflater) inflate(compressed, window []byte, most int) ([]byte, *CloseError) {
	if len(compressed) == 0 {
		return nil, nil
	}
	// no message that was left without its end ends so: the last bits before it are zeros
	bare := bytes.TrimSuffix(compressed, flushed)
	i.in.Reset(append(bare[:len(bare):len(bare)], inflateTail...))
	if i.reader == nil {
		i.reader = flate.NewReader(&i.in)
	}
	if err := i.reader.(flate.Resetter).Reset(&i.in, window); err != nil {
		return nil, &CloseError{goalcast.CloseInvalid, "not deflated"}
	}
	text, err := io.ReadAll(io.LimitReader(i.reader, int64(most)+1))
	switch {
	case len(text) > most:
		return nil, &CloseError{goalcast.CloseTooBig, "message too big"}
	case err != nil && json.Valid(compressed):
		return compressed, nil
	case err != nil:
		return nil, &CloseError{goalcast.CloseInvalid, "not deflated"}
	}
	return text, nil
}

// NegotiateDeflate answers a client's offers of permessage-deflate: the value of the response's
// header and the encoding that it means; empty if it made none that can be met. What it offers is
// listed in order of preference. A smaller window than the format's is not offered to anybody: all
// get the same bytes. Clients' own messages are short: each is to stand for itself, though not all
// do (Input.inflate).
func NegotiateDeflate(header http.Header) (string, Encoding) {
	const name, whole = "Sec-WebSocket-Extensions", 15
	for _, line := range header[http.CanonicalHeaderKey(name)] {
		offers, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			return "", WebSocket
		}
		for _, offer := range offers {
			var asked wsflate.Parameters
			if string(offer.Name) != wsflate.ExtensionName || asked.Parse(offer) != nil {
				continue
			}
			if asked.ServerMaxWindowBits != 0 && asked.ServerMaxWindowBits != whole {
				continue
			}
			answer, e := wsflate.ExtensionName, Context
			if asked.ServerNoContextTakeover {
				answer, e = answer+"; server_no_context_takeover", Deflate
			}
			answer += "; client_no_context_takeover"
			if asked.ServerMaxWindowBits == whole {
				answer += "; server_max_window_bits=15"
			}
			return answer, e
		}
	}
	return "", WebSocket
}
