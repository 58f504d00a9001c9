//go:build !linux

package shard

import (
	"errors"
	"net"
	"time"
)

// rawSockets is false where there is no epoll: every connection then has a goroutine, see
// portable.go. What follows is never called.
const rawSockets = false

const (
	ioIn  = 1
	ioOut = 2
	ioEnd = 4
)

var errNoRaw = errors.New("no raw sockets on this system")

type iovec []byte

func iovecOf(b []byte) iovec { return b }

func takeSocket(conn *net.TCPConn, _ int, _ time.Duration) (int, error) {
	_ = conn.Close()
	return -1, errNoRaw
}

func wouldBlock(error) bool                 { return false }
func readSocket(int, []byte) (int, error)   { return 0, errNoRaw }
func closeSocket(int)                       {}
func endWriting(int)                        {}
func writeSocket(int, []iovec) (int, error) { return 0, errNoRaw }

type ready struct {
	fd, gen int32
	events  uint32
}

type poller struct {
	events chan []ready
	next   chan struct{}
}

func newPoller() (*poller, error) {
	return &poller{events: make(chan []ready), next: make(chan struct{})}, nil
}

func (p *poller) run() error {
	<-p.next
	close(p.events)
	return nil
}

func (p *poller) add(int32, int32, uint32) error    { return errNoRaw }
func (p *poller) change(int32, int32, uint32) error { return errNoRaw }
func (p *poller) close()                            { close(p.next) }
func (p *poller) discard()                          {}
