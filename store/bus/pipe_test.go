package bus

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

func TestPipeIsAConnection(t *testing.T) {
	t.Parallel()
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := pipe()
		return a, b, func() { _ = a.Close(); _ = b.Close() }, nil
	})
}
