// Package dial makes connections to the database and to Redis that notice when the other side has
// gone without a word. It is pure: nobody owns anything here.
package dial

import (
	"net"
	"time"
)

// How soon a server that went without a word (power, network) is noticed: by the kernel, and so
// also in the middle of a request.
const (
	// unacknowledged is how long data may stay without an acknowledgement, and an idle connection
	// without an answer to probes.
	unacknowledged = 10 * time.Second
	probeEvery     = unacknowledged / 4
)

// New returns a dialer whose connections end about ten seconds after their server has gone.
func New() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: unacknowledged - 2*probeEvery, Interval: probeEvery,
			Count: 2},
		Control: giveUpUnacknowledged,
	}
}
