//go:build !linux

package httpserver

import "syscall"

func (s *Server) control(_, _ string, _ syscall.RawConn) error { return nil }
