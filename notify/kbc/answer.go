package kbc

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"time"

	"goalcast/notify"
)

// Why a message was not taken (notify.Result.Reason), where notify has no word for it.
const (
	// the bank does not know the recipient. Not notify.ReasonUnregistered: where most are unknown
	// the address is another installation's, and none is deleted
	reasonUnknown = "unknown_recipient"
	reasonDenied  = "credentials"  // token, certificate or address are wrong, or the bank's certificate is
	reasonBad     = "bad_request"  // the batch is wrong: ours
	reasonStatus  = "other_status" // a recipient's status that the contract does not have
	reasonAnswer  = "bad_answer"   // taken, and the answer cannot be read
	reasonUnder   = "under_way"    // 409: an earlier try is still being dealt with
	reasonDown    = "unavailable"  // 5xx, 408
	reasonToken   = "no_token"     // where tokens are had is away
	reasonConnect = "connect"      // no connection, or not in time: nothing was sent
	reasonNone    = "no_answer"    // the batch may have been taken
	reasonTurn    = "no_turn"      // Config.Parallel are under way, or Config.Limiter lets none through
)

var (
	errOpen   = errors.New("as many batches are under way as may be")
	errRate   = errors.New("the rate lets no more through")
	errAnswer = errors.New("the answer has not one result for each recipient, in their order")
)

// Reasons are all that Result.Reason can be. They are labels of metrics.
func (s *Sender) Reasons() []string {
	return []string{notify.ReasonQuota, reasonUnknown, reasonDenied, reasonBad, reasonStatus, reasonAnswer, reasonUnder,
		reasonDown, reasonToken, reasonConnect, reasonNone, reasonTurn}
}

// What the bank answers, what is known by it, and what is therefore done. Whatever may have been
// taken is sent again under the same key, and shown once.
//
//	answer                           known                                 done
//	200, "accepted"                  taken, now or by an earlier try       delivered
//	200, "unknown"                   no such customer                      device deleted, unless most are
//	200, "throttled"                 too much for this customer            later (retry_after, else 1 min)
//	200, unreadable                  may have been taken                   later; perhaps delivered
//	401 twice, 403, no token         credentials are wrong: ours           Denied, All: stop, alarm
//	400, 413, 422                    the batch is wrong: ours              given up, alarm
//	409                              an earlier try is under way           later; perhaps delivered
//	429                              too much of us                        later (Retry-After, else 1 min)
//	5xx, 408                         may have been taken                   later (Retry-After); perhaps delivered
//	3xx, other 4xx                   the address is wrong: ours            Denied, All: stop, alarm
//	TLS refused by either side       a certificate is wrong                Denied, All: stop, alarm
//	none, after it was written       may have been taken                   later; perhaps delivered
//	none, before that                not sent                              later

// maxAnswer is how much of an answer is read, in bytes: 500 results have some 100,000.
const maxAnswer = 256 << 10

// answer is the body of a 200.
type answer struct {
	Results []struct {
		Recipient  string `json:"recipient"`
		Status     string `json:"status"`
		RetryAfter int    `json:"retry_after"` // seconds
	} `json:"results"`
}

// outcomes says what a reply means for each message.
func outcomes(r reply, messages []notify.Message) []notify.Result {
	if r.status/100 != 2 {
		return same(len(messages), r.refusal())
	}
	var a answer
	ok := json.Unmarshal(r.body, &a) == nil && len(a.Results) == len(messages)
	for i := 0; ok && i < len(messages); i++ {
		ok = a.Results[i].Recipient == messages[i].Token
	}
	if !ok {
		return same(len(messages), notify.Result{Outcome: notify.Later, Reason: reasonAnswer, Unsure: true,
			Err: errAnswer})
	}
	results := make([]notify.Result, len(messages))
	for i, said := range a.Results {
		err := fmt.Errorf("recipient: %s", word(said.Status))
		switch said.Status {
		case "accepted":
			results[i] = notify.Result{Outcome: notify.Delivered}
		case "unknown":
			results[i] = notify.Result{Outcome: notify.Gone, Reason: reasonUnknown, Err: err}
		case "throttled":
			after := min(max(0, time.Duration(said.RetryAfter)*time.Second), maxAfter)
			results[i] = notify.Result{Outcome: notify.Later, Reason: notify.ReasonQuota, After: after, Err: err}
		default:
			results[i] = notify.Result{Outcome: notify.Rejected, Reason: reasonStatus, Err: err}
		}
	}
	return results
}

// refusal says what a reply means that is not a 200.
func (r reply) refusal() notify.Result {
	if r.status == 0 {
		return r.unanswered()
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(r.body, &said) // a proxy's page has none
	err := fmt.Errorf("answered %d %s", r.status, word(said.Error))
	later := func(reason string, unsure bool) notify.Result {
		return notify.Result{Outcome: notify.Later, Reason: reason, After: r.after, Unsure: unsure, Err: err}
	}
	switch {
	case r.status >= 500, r.status == http.StatusRequestTimeout:
		return later(reasonDown, true)
	case r.status == http.StatusTooManyRequests:
		return later(notify.ReasonQuota, false)
	case r.status == http.StatusConflict:
		return later(reasonUnder, true)
	case r.status == http.StatusBadRequest, r.status == http.StatusRequestEntityTooLarge,
		r.status == http.StatusUnprocessableEntity:
		return notify.Result{Outcome: notify.Rejected, Reason: reasonBad, Err: err}
	}
	return notify.Result{Outcome: notify.Denied, All: true, Reason: reasonDenied, Err: err}
}

// unanswered says what it means that no answer came.
func (r reply) unanswered() notify.Result {
	out := notify.Result{Outcome: notify.Later, Reason: reasonConnect, Err: r.err}
	var bank *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.Is(r.err, errDenied), errors.As(r.err, &bank),
		errors.As(r.err, &network) && network.Op == "remote error": // a TLS alert: the bank refuses our certificate
		out.Outcome, out.All, out.Reason = notify.Denied, true, reasonDenied
	case errors.Is(r.err, errNoToken):
		out.Reason = reasonToken
	case r.wrote:
		out.Reason, out.Unsure = reasonNone, true
	}
	return out
}

// wordText keeps answers of who knows what out of logs, but for a word.
var wordText = regexp.MustCompile(`^[a-z_]{1,40}$`)

func word(text string) string {
	if wordText.MatchString(text) {
		return text
	}
	return ""
}

// maxAfter is the longest pause that is believed; the push has long expired.
const maxAfter = 24 * time.Hour
