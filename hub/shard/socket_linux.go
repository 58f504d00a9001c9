package shard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSockets says that connections can be taken from net/http by their descriptor.
const rawSockets = true

// What a connection can be waited on for, and what is reported of it.
const (
	ioIn  = unix.EPOLLIN
	ioOut = unix.EPOLLOUT
	ioEnd = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR // the peer is gone, or says nothing more
)

// iovec is one piece of a gathered write.
type iovec = unix.Iovec

func iovecOf(b []byte) iovec {
	v := iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}

// takeSocket makes the connection's descriptor ours: a second one for the same socket, after which
// the first is closed. That way nothing of Go's net package stays behind: neither its memory (0.7
// kB) nor its own epoll registration, which would be woken with every write. The connection is
// closed in any case.
func takeSocket(conn *net.TCPConn, sendBuffer int, userTimeout time.Duration) (int, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dupErr); err != nil {
		return -1, fmt.Errorf("duplicate descriptor: %w", err)
	}
	// The hub's own pings and its write time-out do what the kernel's keep-alive would; a peer that
	// is gone without a word is given up when data stays unacknowledged. None of these can fail in
	// a way that matters.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	if sendBuffer > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	return fd, nil
}

// wouldBlock says whether an error only means "not now".
func wouldBlock(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

func readSocket(fd int, b []byte) (int, error) { return unix.Read(fd, b) }
func closeSocket(fd int)                       { _ = unix.Close(fd) }
func endWriting(fd int)                        { _ = unix.Shutdown(fd, unix.SHUT_WR) }

// writeSocket writes all pieces in one system call, or as much of them as the socket takes. One
// piece, the usual case while nothing is in a hurry, goes by write: the kernel needs a fifth less
// for it than for writev (loadtest/bench, row steady). The call never waits, so Go's scheduler is
// not told of it: what it does around a call that may sleep costs more than all of the hub's own
// code for a delivery, and hands the shard to another thread whenever the kernel is busy for more
// than 20 us.
func writeSocket(fd int, pieces []iovec) (int, error) {
	var n uintptr
	var errno syscall.Errno
	if len(pieces) == 1 {
		n, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(pieces[0].Base)),
			uintptr(pieces[0].Len))
	} else {
		n, _, errno = unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&pieces[0])),
			uintptr(len(pieces)))
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ready is what the poller saw of one connection.
type ready struct {
	fd, gen int32
	events  uint32
}

// poller waits for the sockets of one shard. Its goroutine sleeps in Go's own poller, in which the
// epoll descriptor is registered like any other, so that no thread is held; what it sees it hands
// to the shard and waits until that is done with it.
type poller struct {
	fd     int
	file   *os.File
	events chan []ready
	next   chan struct{} // the shard is done with the last batch

	closing atomic.Bool
}

const pollBatch = 512

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeSocket(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), events: make(chan []ready),
		next: make(chan struct{})}, nil
}

// run hands batches over until the poller is closed.
func (p *poller) run() error {
	defer close(p.events)
	conn, err := p.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	var seen [pollBatch]unix.EpollEvent
	batch := make([]ready, 0, pollBatch)
	for {
		var n int
		var waitErr error
		err := conn.Read(func(fd uintptr) bool {
			n, waitErr = unix.EpollWait(int(fd), seen[:], 0)
			return n > 0 || waitErr != nil && waitErr != unix.EINTR
		})
		if p.closing.Load() {
			return nil
		}
		if err = errors.Join(err, waitErr); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		batch = batch[:0]
		for _, e := range seen[:n] {
			batch = append(batch, ready{fd: e.Fd, gen: e.Pad, events: e.Events})
		}
		p.events <- batch
		if _, ok := <-p.next; !ok {
			return nil
		}
	}
}

func (p *poller) add(fd, gen int32, events uint32) error {
	return unix.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events | unix.EPOLLRDHUP,
		Fd: fd, Pad: gen})
}

func (p *poller) change(fd, gen int32, events uint32) error {
	return unix.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: events | unix.EPOLLRDHUP,
		Fd: fd, Pad: gen})
}

// close ends run, which may be waiting for sockets or for the shard.
func (p *poller) close() {
	p.closing.Store(true)
	_ = p.file.Close()
	close(p.next)
	for range p.events {
	}
}

// discard ends a poller that was never run.
func (p *poller) discard() { _ = p.file.Close() }
