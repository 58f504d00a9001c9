package httpserver

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// control bounds what the kernel keeps for a client that does not read, and for how long it goes on
// trying after the connection was closed.
func (s *Server) control(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if s.cfg.SendBuffer > 0 {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, s.cfg.SendBuffer)
		}
		if failed == nil {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT,
				int(s.cfg.AnswerTimeout.Milliseconds()))
		}
	})
	if err != nil {
		return err
	}
	return failed
}
