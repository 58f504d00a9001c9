package testservers

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// Relay is a way to a server that can become long: what goes through it, in either direction,
// arrives later.
type Relay struct {
	Addr string // where it listens

	server string
	delay  atomic.Int64 // nanoseconds
}

// chunk is what was read at once, and when it may go on.
type chunk struct {
	data []byte
	due  time.Time
}

// NewRelay starts one to the server's address. It ends with the test.
func NewRelay(tb testing.TB, server string) *Relay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	r := &Relay{Addr: l.Addr().String(), server: server}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.join(c)
		}
	}()
	return r
}

// SetDelay has all that comes from now on arrive so much later; 0 is at once.
func (r *Relay) SetDelay(d time.Duration) { r.delay.Store(int64(d)) }

// join passes on between a client and the server until either has ended.
func (r *Relay) join(client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = client.Close()
		return
	}
	go r.pass(client, server)
	r.pass(server, client)
}

// pass has what one sends arrive at the other, and ends both when the one has ended.
func (r *Relay) pass(from, to net.Conn) {
	chunks := make(chan chunk, 64)
	go func() {
		defer close(chunks)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if n > 0 {
				chunks <- chunk{data[:n], time.Now().Add(time.Duration(r.delay.Load()))}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		if _, err := to.Write(c.data); err != nil {
			break
		}
	}
	_ = from.Close()
	_ = to.Close()
	for range chunks { // whoever reads is not to wait
	}
}
