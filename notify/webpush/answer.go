package webpush

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"goalcast/internal/dial"
	"goalcast/internal/upstream"
	"goalcast/notify"
)

// Why a message was not taken (notify.Result.Reason), where notify has no word for it.
const (
	reasonVAPID      = "vapid"         // the key is not that of the subscription, or its token is wrong
	reasonBad        = "bad_request"   // the message is wrong: ours
	reasonTooLarge   = "too_large"     // the same
	reasonRedirect   = "redirect"      // redirects are not followed
	reasonOther      = "http_other"    // a status that no push service documents
	reasonBusy       = "unavailable"   // 503
	reasonInternal   = "internal"      // other 5xx, and 408
	reasonConnect    = "connect"       // no connection, or not in time: nothing was sent
	reasonNoAnswer   = "no_answer"     // the message may have been sent
	reasonTimeout    = "timeout"       // the batch's time was over: nothing was sent
	reasonEndpoint   = "endpoint"      // not a URL that may be sent to: its host is not in the list any more
	reasonNotPublic  = "not_public"    // the host's name leads to an address that is not public
	reasonEncryption = "not_encrypted" // the subscription's keys cannot be used
)

// Reasons are all that Result.Reason can be. They are labels of metrics.
func (s *Sender) Reasons() []string {
	return []string{notify.ReasonUnregistered, notify.ReasonQuota, reasonVAPID, reasonBad, reasonTooLarge,
		reasonRedirect, reasonOther, reasonBusy, reasonInternal, reasonConnect, reasonNoAnswer, reasonTimeout,
		reasonEndpoint, reasonNotPublic, reasonEncryption}
}

// What a push service answers, what is known by it, and what is therefore done. Nothing but 404 and
// 410 says that a browser is gone: whatever can have its cause in our key or our message costs no
// subscription.
//
//	answer                        known                                    done
//	201, other 2xx                taken                                    delivered, whatever the body says
//	404, 410                      the subscription has ended               device deleted
//	401, 403                      subscription or key is another's         Foreign: other devices decide
//	400 VapidPkHashMismatch       the same, at Apple                       the same
//	400, 413                      the message is wrong: ours               given up, alarm
//	429, 406 (Windows)            too much of us                           later (Retry-After, else 1 min)
//	503                           overloaded; may have been taken          later; perhaps delivered
//	408, other 5xx                may have been taken                      later; perhaps delivered
//	3xx, others                   no push service does that                given up, alarm
//	none, after it was written    may have been taken                      later; perhaps delivered
//	none, before that             not sent                                 later
//	address that is not public    the name leads elsewhere now             later

// maxAnswer is how much of an answer is read, in bytes; they have a few hundred.
const maxAnswer = 16 << 10

// outcome says what an answer means. It reads and closes the body.
func outcome(resp *http.Response, now time.Time) notify.Result {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status says enough
	status := resp.StatusCode
	if status/100 == 2 {
		return notify.Result{Outcome: notify.Delivered}
	}
	word := wordOf(body)
	out := notify.Result{Outcome: notify.Rejected, Reason: reasonOther, Err: fmt.Errorf("answered %d %s", status, word)}
	set := func(o notify.Outcome, reason string) notify.Result {
		out.Outcome, out.Reason = o, reason
		return out
	}
	later := func(reason string, unsure bool) notify.Result {
		out.After, out.Unsure = upstream.RetryAfter(resp.Header.Get("Retry-After"), now, maxAfter), unsure
		return set(notify.Later, reason)
	}
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return set(notify.Gone, notify.ReasonUnregistered)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, word == "VapidPkHashMismatch":
		return set(notify.Foreign, reasonVAPID)
	case status == http.StatusTooManyRequests, status == http.StatusNotAcceptable:
		return later(notify.ReasonQuota, false)
	case status == http.StatusServiceUnavailable:
		return later(reasonBusy, true)
	case status >= 500, status == http.StatusRequestTimeout:
		return later(reasonInternal, true)
	case status == http.StatusRequestEntityTooLarge:
		return set(notify.Rejected, reasonTooLarge)
	case status == http.StatusBadRequest:
		return set(notify.Rejected, reasonBad)
	case status/100 == 3:
		return set(notify.Rejected, reasonRedirect)
	}
	return out
}

// unanswered says what it means that no answer came. wrote: the request was on its way.
func unanswered(err error, wrote bool) notify.Result {
	out := notify.Result{Outcome: notify.Later, Reason: reasonConnect, Err: err}
	switch {
	case errors.Is(err, dial.ErrNotPublic):
		out.Reason = reasonNotPublic
	case wrote:
		out.Reason, out.Unsure = reasonNoAnswer, true
	}
	return out
}

// wordText keeps what strangers answer out of logs, but for a word.
var wordText = regexp.MustCompile(`^[A-Za-z ]{1,64}$`)

// wordOf is how a refusal names its cause: "reason" at Apple, "error" at Mozilla; "" for any other.
func wordOf(body []byte) string {
	var said struct {
		Reason string `json:"reason"`
		Error  string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // others answer with a sentence
	for _, word := range []string{said.Reason, said.Error} {
		if wordText.MatchString(word) {
			return word
		}
	}
	return ""
}

// maxAfter is the longest pause that is believed; the push has long expired.
const maxAfter = 24 * time.Hour
