package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"

	"goalcast/notify"
)

// maxAfter is the longest pause that is believed; more is an error of who says it, and the push has long expired.
const maxAfter = 24 * time.Hour

// outcome says what Firebase's answer to one message means.
func outcome(ctx context.Context, r *messaging.SendResponse) notify.Result {
	if r.Success {
		return notify.Result{Outcome: notify.Delivered}
	}
	err := r.Error
	resp := errorutils.HTTPResponse(err)
	if resp == nil { // no answer, but for a request that could not even be written
		reason := "no_answer"
		if ctx.Err() != nil {
			reason = "timeout"
		}
		return notify.Result{Outcome: notify.Later, Reason: reason, Unsure: true, Err: err}
	}
	result := func(o notify.Outcome, reason string) notify.Result {
		return notify.Result{Outcome: o, Reason: reason, Err: err}
	}
	later := func(reason string) notify.Result {
		out := result(notify.Later, reason)
		out.After = retryAfter(resp, time.Now())
		return out
	}
	switch {
	case messaging.IsUnregistered(err):
		return result(notify.Gone, "unregistered")
	case messaging.IsSenderIDMismatch(err):
		return result(notify.Gone, "sender_id_mismatch")
	case messaging.IsThirdPartyAuthError(err):
		return result(notify.Denied, "third_party_auth_error")
	case messaging.IsQuotaExceeded(err), resp.StatusCode == http.StatusTooManyRequests:
		return later(notify.ReasonQuota)
	case resp.Header.Get(faultHeader) != "":
		out := later(resp.Header.Get(faultHeader))
		out.Unsure = out.Reason == faultNetwork
		return out
	case messaging.IsUnavailable(err), resp.StatusCode == http.StatusServiceUnavailable:
		return later("unavailable")
	case messaging.IsInternal(err), resp.StatusCode >= 500:
		out := later("internal")
		out.Unsure = true // it may have failed after the message had gone
		return out
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return result(notify.Denied, "credentials")
	case badToken(resp):
		return result(notify.Gone, "invalid_token")
	case messaging.IsInvalidArgument(err), resp.StatusCode == http.StatusBadRequest:
		return result(notify.Rejected, "invalid_argument")
	}
	return result(notify.Rejected, "http_"+strconv.Itoa(resp.StatusCode))
}

// badToken says whether what Firebase finds wrong with the message is its token, and nothing else: then the device will never get anything.
func badToken(resp *http.Response) bool {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || !bytes.Contains(body, []byte("fieldViolations")) {
		return false
	}
	var answer struct {
		Error struct {
			Details []struct {
				FieldViolations []struct {
					Field string `json:"field"`
				} `json:"fieldViolations"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return false
	}
	found := false
	for _, d := range answer.Error.Details {
		for _, v := range d.FieldViolations {
			if v.Field != "message.token" {
				return false
			}
			found = true
		}
	}
	return found
}

// retryAfter reads the pause that the answer asks for: seconds or a date; 0 if it asks for none.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	name := "Retry-After"
	if resp.StatusCode == http.StatusServiceUnavailable {
		name = afterHeader // the other one is ours: see once
	}
	text := strings.TrimSpace(resp.Header.Get(name))
	var d time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(0, d), maxAfter)
}
