package hub_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goalcast"
	"goalcast/hub"
)

// crowd is many viewers who only count the bytes they get: plain sockets on an epoll of their own,
// so that they cost little beside the hub.
type crowd struct {
	epoll int
	fds   []int
	bytes atomic.Int64
	ended sync.WaitGroup
	quit  atomic.Bool
}

func newCrowd(tb testing.TB) *crowd {
	fd, err := unix.EpollCreate1(0)
	if err != nil {
		tb.Fatal(err)
	}
	c := &crowd{epoll: fd}
	c.ended.Go(c.read)
	tb.Cleanup(func() {
		c.quit.Store(true)
		c.ended.Wait()
		for _, fd := range c.fds {
			unix.Close(fd)
		}
		unix.Close(c.epoll)
	})
	return c
}

func (c *crowd) read() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var seen [256]unix.EpollEvent
	buffer := make([]byte, 1<<20)
	for !c.quit.Load() {
		n, _ := unix.EpollWait(c.epoll, seen[:], 50)
		for _, e := range seen[:max(n, 0)] {
			if n, err := unix.Read(int(e.Fd), buffer); err == nil && n > 0 {
				c.bytes.Add(int64(n))
			} else if n == 0 {
				unix.EpollCtl(c.epoll, unix.EPOLL_CTL_DEL, int(e.Fd), nil)
			}
		}
	}
}

// add connects one more, waits for its hello and snapshots, and leaves it to the epoll.
func (c *crowd) add(tb testing.TB, n *node, topics string, sse bool) {
	conn, err := net.Dial("tcp", n.web.Listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	upgrade := "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		"dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if sse {
		upgrade = "Accept: text/event-stream\r\n"
	}
	fmt.Fprintf(conn, "GET /v1/live?topics=%s HTTP/1.1\r\nHost: x\r\n%s\r\n", topics, upgrade)
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	var got []byte
	for buffer := make([]byte, 32<<10); bytes.Count(got, []byte(`"type":"snapshot"`)) <= strings.Count(topics, ","); {
		k, err := conn.Read(buffer)
		if err != nil {
			tb.Fatal(err)
		}
		got = append(got, buffer[:k]...)
	}
	raw, _ := conn.(*net.TCPConn).SyscallConn()
	raw.Control(func(fd uintptr) {
		own, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			tb.Fatal(err)
		}
		c.fds = append(c.fds, own)
		unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, own, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(own)})
	})
}

// settle waits until nothing more comes: what joins bring is over.
func (c *crowd) settle() {
	for last := int64(-1); last != c.bytes.Load(); time.Sleep(20 * time.Millisecond) {
		last = c.bytes.Load()
	}
	c.bytes.Store(0)
}

// await waits for so many bytes.
func (c *crowd) await(tb testing.TB, want int64) {
	for begin := time.Now(); c.bytes.Load() < want; time.Sleep(100 * time.Microsecond) {
		if time.Since(begin) > time.Minute {
			tb.Fatalf("%d of %d bytes", c.bytes.Load(), want)
		}
	}
	if got := c.bytes.Load(); got != want {
		tb.Fatalf("%d bytes, want %d", got, want)
	}
}

// BenchmarkFanout publishes to viewers of one match. Ops are events; "single" waits for each to
// arrive everywhere, "burst" publishes all at once. The crowd reads in the same process and takes
// its share of the time and none of the allocations.
func BenchmarkFanout(b *testing.B) {
	for _, conns := range []int{100, 1000, 5000} {
		for _, mode := range []string{"single", "burst"} {
			for _, transport := range []string{"websocket", "sse"} {
				b.Run(fmt.Sprintf("%s/%s/%d", mode, transport, conns), func(b *testing.B) {
					w := newWorld()
					n := start(b, w, hub.Config{MaxPending: 64 << 20}, false)
					w.fixture(1)
					c := newCrowd(b)
					for range conns {
						c.add(b, n, "match:1,team:10", transport == "sse")
					}
					c.settle()
					size := probe(b, w, c, conns)
					b.ReportAllocs()
					b.ResetTimer()
					for i := range b.N {
						w.play(message(1, 100_000+i, 200))
						if mode == "single" {
							c.await(b, int64(i+1)*int64(conns)*size)
						}
					}
					c.await(b, int64(b.N)*int64(conns)*size)
					b.ReportMetric(float64(b.N)*float64(conns)/b.Elapsed().Seconds(), "deliveries/s")
				})
			}
		}
	}
}

// probe sends one event and tells how many bytes it is for a viewer; those after it are as long,
// since their ids and cursors are.
func probe(b *testing.B, w *world, c *crowd, conns int) int64 {
	w.mu.Lock()
	w.offset = 1_000_000 // so that all have as many digits
	for _, n := range w.nodes {
		n.Reset(goalcast.Cursor{Epoch: w.epoch, Offset: w.offset})
		n.Stale(false)
	}
	w.mu.Unlock()
	for c.bytes.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	c.settle()
	w.play(message(1, 100_000, 200))
	for c.bytes.Load() == 0 || c.bytes.Load()%int64(conns) != 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	size := c.bytes.Load() / int64(conns)
	c.bytes.Store(0)
	return size
}

// TestIdleMemory measures what an idle viewer with three topics costs. It needs a process of its
// own: run it with GOALCAST_MEASURE=9000.
func TestIdleMemory(t *testing.T) {
	count, _ := strconv.Atoi(os.Getenv("GOALCAST_MEASURE"))
	if count == 0 {
		t.Skip("GOALCAST_MEASURE is not set")
	}
	for _, sse := range []bool{false, true} {
		w := newWorld()
		n := start(t, w, hub.Config{}, false)
		w.fixture(1)
		c := newCrowd(t)
		for range 200 { // what the first ones cost is not theirs
			c.add(t, n, "match:1,team:10,competition:5", sse)
		}
		before := rss()
		begin := time.Now()
		for range count {
			c.add(t, n, "match:1,team:10,competition:5", sse)
		}
		took := time.Since(begin)
		after := rss()
		runtime.GC()
		t.Logf("sse %v: %.2f kB RSS per viewer, %.2f kB after a collection; %d goroutines; %.0f joins/s, one after "+
			"another", sse,
			float64(after-before)/float64(count)/1024, float64(rss()-before)/float64(count)/1024,
			runtime.NumGoroutine(), float64(count)/took.Seconds())
		n.stop()
		for _, fd := range c.fds {
			unix.Close(fd)
		}
		c.fds = nil
	}
}

func rss() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(b))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(syscall.Getpagesize())
}
