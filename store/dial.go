package store

import (
	"net"
	"time"
)

// How soon a connection to a server that went without a word (power, network) is noticed: by the kernel, and so also in the middle of a question.
const (
	// unacknowledged is how long what was sent may stay without an acknowledgement, and a connection without use without an answer to probes.
	unacknowledged = 10 * time.Second
	probeEvery     = unacknowledged / 4
)

// newDialer makes connections to the database and to Redis.
func newDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: unacknowledged - 2*probeEvery, Interval: probeEvery, Count: 2},
		Control:         giveUpUnacknowledged,
	}
}
