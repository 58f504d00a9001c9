package partner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"goalcast/internal/dial"
	"goalcast/internal/upstream"
)

// Why a partner did not take an event. They are labels of metrics.
const (
	reasonNotPublic = "not_public"  // its host is at an address of ours
	reasonConnect   = "connect"     // no connection: name, network or certificate
	reasonTimeout   = "timeout"     // no answer in time
	reasonNone      = "no_answer"   // the connection broke
	reasonRedirect  = "redirect"    // 3xx, which is not followed
	reasonBusy      = "busy"        // 429, 503
	reasonRefused   = "refused"     // other 4xx
	reasonDown      = "unavailable" // other 5xx
	reasonGone      = "gone"        // 410: the partner wants no more
	reasonTooLarge  = "too_large"   // longer than MaxBody: not sent
	reasonGap       = "gap"         // events behind its cursor are not kept any more
)

var reasons = []string{reasonNotPublic, reasonConnect, reasonTimeout, reasonNone, reasonRedirect, reasonBusy,
	reasonRefused, reasonDown, reasonGone, reasonTooLarge, reasonGap}

// answer is what came of a request.
type answer struct {
	reason string        // empty: it was taken
	words  string        // for operators; nothing of what the partner wrote
	after  time.Duration // it asked not to be tried again before; 0: it did not
}

// meaning is what an answer means.
func meaning(status int, after time.Duration) answer {
	a := answer{reason: reasonRefused, words: fmt.Sprintf("answered %d", status), after: after}
	switch {
	case status/100 == 2:
		return answer{}
	case status/100 == 3:
		a.reason = reasonRedirect
	case status == http.StatusGone:
		a.reason = reasonGone
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		a.reason = reasonBusy
	case status >= 500:
		a.reason = reasonDown
	}
	return a
}

// unanswered says what it means that no answer came.
func unanswered(err error) answer {
	err = upstream.WithoutURL(err)
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, dial.ErrNotPublic):
		return answer{reason: reasonNotPublic, words: "its host is not at a public address"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return answer{reason: reasonTimeout, words: "no answer in time"}
	case errors.As(err, &certificate):
		return answer{reason: reasonConnect, words: "its certificate is not good: " + certificate.Err.Error()}
	case errors.As(err, &network) && network.Op == "dial":
		return answer{reason: reasonConnect, words: "no connection: " + network.Err.Error()}
	}
	return answer{reason: reasonNone, words: "the connection broke"}
}
