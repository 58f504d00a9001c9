package swarm

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// opcodes of WebSocket frames (RFC 6455, 5.2) that a server sends.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

// wsFrame is one frame; payload points into the input.
type wsFrame struct {
	op         byte
	compressed bool
	payload    []byte
}

var errFrame = errors.New("not a WebSocket frame of a server")

// nextFrame cuts the first frame off; size is 0 while it is not there as a whole.
func nextFrame(b []byte) (f wsFrame, size int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	if b[0]&0x30 != 0 || b[0]&0x80 == 0 || b[1]&0x80 != 0 { // reserved bits, fragments (hubs send none), masks
		return f, 0, errFrame
	}
	head, n := 2, uint64(b[1]&0x7f)
	switch n {
	case 126:
		if head = 4; len(b) < head {
			return f, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return f, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > 64<<20 {
		return f, 0, errFrame
	}
	size = head + int(n)
	if len(b) < size {
		return f, 0, nil
	}
	return wsFrame{op: b[0] & 15, compressed: b[0]&0x40 != 0, payload: b[head:size]}, size, nil
}

// nextEvent cuts the first server-sent event off, with its empty line; size is 0 while that has not
// come. data and id point into the input. Of several data lines the first is taken: marks and JSON
// texts of hubs have one.
func nextEvent(b []byte) (id, data []byte, size int) {
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		return nil, nil, 0
	}
	for rest := b[:end]; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if v, ok := bytes.CutPrefix(line, []byte("data:")); ok && data == nil {
			data = bytes.TrimPrefix(v, []byte(" "))
		} else if v, ok := bytes.CutPrefix(line, []byte("id:")); ok {
			id = bytes.TrimPrefix(v, []byte(" "))
		}
	}
	return id, data, end + 2
}

var errChunk = errors.New("not a chunked body")

// dechunk takes chunk headers out of b, in place; left is what remains of the chunk at its start,
// and after the call of the one at its end. rest is a header that is not complete.
func dechunk(b []byte, left *int) (body, rest []byte, err error) {
	body = b[:0]
	for len(b) > 0 {
		if *left > 0 {
			n := min(*left, len(b))
			body = append(body, b[:n]...)
			b = b[n:]
			*left -= n
			continue
		}
		head := b
		for len(head) > 0 && (head[0] == '\r' || head[0] == '\n') { // the end of the chunk before
			head = head[1:]
		}
		i := bytes.IndexByte(head, '\n')
		if i < 0 {
			if len(b) > 64 {
				return nil, nil, errChunk
			}
			return body, b, nil
		}
		n := 0
		size, _, _ := bytes.Cut(head[:i], []byte(";")) // what follows are extensions
		for _, c := range bytes.TrimSpace(size) {
			switch {
			case c >= '0' && c <= '9':
				n = n<<4 | int(c-'0')
			case c|32 >= 'a' && c|32 <= 'f':
				n = n<<4 | int(c|32-'a'+10)
			default:
				return nil, nil, errChunk
			}
		}
		if n > 64<<20 {
			return nil, nil, errChunk
		}
		*left = n
		b = head[i+1:]
		if n == 0 {
			return body, nil, nil // the last chunk: the end of the connection says the same
		}
	}
	return body, nil, nil
}

// numbersAt reads "1,23,456]" or the like into list and returns how many there were.
func numbersAt(b []byte, list []int64) int {
	var n int64
	count, digits := 0, false
	for _, c := range b {
		if c >= '0' && c <= '9' {
			n, digits = n*10+int64(c-'0'), true
			continue
		}
		if !digits || count == len(list) {
			break
		}
		list[count] = n
		count++
		n, digits = 0, false
		if c != ',' {
			break
		}
	}
	return count
}

var (
	eventMark     = []byte(`"swarm":[`)
	stateMark     = []byte(`"odds":[`)
	gateMark      = []byte(`"gate":"suspended","reason":"goal","since":`)
	typeMark      = []byte(`{"type":"`)
	cursorMark    = []byte(`"cursor":"`)
	matchMark     = []byte(`"match":`)
	seqMark       = []byte(`"seq":`)
	publishedMark = []byte(`"published":`)
	receivedMark  = []byte(`"received":`)
	fixtureMark   = []byte(`"kind":"fixture"`)
	retryMark     = []byte(`"retry":`)
)

// after gives what follows a mark; nil if it is not there.
func after(b, mark []byte) []byte {
	if i := bytes.Index(b, mark); i >= 0 {
		return b[i+len(mark):]
	}
	return nil
}

func numberAfter(b, mark []byte) int64 {
	var one [1]int64
	numbersAt(after(b, mark), one[:]) // 0 without one; in JSON something always follows a number
	return one[0]
}

// quoted gives what stands up to the next quote.
func quoted(b []byte) []byte {
	if i := bytes.IndexByte(b, '"'); i >= 0 {
		return b[:i]
	}
	return nil
}
