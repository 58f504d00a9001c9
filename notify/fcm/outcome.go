package fcm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"

	"goalcast/internal/upstream"
	"goalcast/notify"
)

// maxAfter is the longest pause that is believed; more is an error of who says it, and the
// push has long expired.
const maxAfter = 24 * time.Hour

// What Firebase answers, what is known by it, and what is therefore done. Nothing but
// "unregistered" and "invalid_token" says that a device is gone: whatever can have its cause in our
// credentials, our project or our message costs no registration.
//
//	answer                               known                                   done
//	200                                  taken                                   delivered, whatever the body says
//	404 UNREGISTERED                     the app is gone from the device         device deleted
//	400 INVALID_ARGUMENT of the token    never was a token of this service       device deleted
//	400 INVALID_ARGUMENT else, 413, 400  the message is wrong: ours              given up, alarm
//	403 SENDER_ID_MISMATCH, plain 404    token or project is another's           Foreign: other devices decide
//	plain 401 or 403, no access token    the service account is wrong: ours      Denied, All: stop, alarm
//	401 THIRD_PARTY_AUTH_ERROR           the project's key for APNs or Web Push  Denied: given up, alarm
//	429                                  too much of project, device or topic    later (Retry-After, else 1 min)
//	503                                  overloaded; may have been taken         later; perhaps delivered
//	408, 409, 499, other 5xx             may have been taken                     later; perhaps delivered
//	none, after the request was written  may have been taken                     later; perhaps delivered
//	none, before that                    not sent                                later
//
// "Perhaps delivered" (Result.Unsure) makes the device one of those that hear when
// the push is taken back.

// Reasons are all that Result.Reason can be. They are labels of metrics.
func (s *Sender) Reasons() []string {
	return []string{notify.ReasonUnregistered, "invalid_token", "invalid_argument", "invalid_message",
		"sender_id_mismatch", "not_found", "third_party_auth_error",
		faultToken, notify.ReasonQuota, "unavailable", "internal", faultNetwork, faultDial, "timeout", "http_other"}
}

// outcome says what Firebase's answer to one message means: see above.
func outcome(ctx context.Context, err error) notify.Result {
	if err == nil {
		return notify.Result{Outcome: notify.Delivered}
	}
	resp := errorutils.HTTPResponse(err)
	if resp == nil { // no answer, but for a request that could not even be written
		reason := faultNetwork
		if ctx.Err() != nil {
			reason = "timeout"
		}
		return notify.Result{Outcome: notify.Later, Reason: reason, Unsure: true, Err: err}
	}
	result := func(o notify.Outcome, reason string) notify.Result {
		return notify.Result{Outcome: o, Reason: reason, Err: err}
	}
	later := func(reason string, unsure bool) notify.Result {
		out := result(notify.Later, reason)
		out.After, out.Unsure = retryAfter(resp, time.Now()), unsure
		return out
	}
	credentials := result(notify.Denied, faultToken)
	credentials.All = true
	status := resp.StatusCode
	switch {
	case messaging.IsUnregistered(err):
		return result(notify.Gone, notify.ReasonUnregistered)
	case messaging.IsSenderIDMismatch(err):
		return result(notify.Foreign, "sender_id_mismatch")
	case messaging.IsThirdPartyAuthError(err):
		return result(notify.Denied, "third_party_auth_error")
	case messaging.IsQuotaExceeded(err), status == http.StatusTooManyRequests:
		return later(notify.ReasonQuota, false)
	case resp.Header.Get(faultHeader) == faultToken:
		return credentials
	case resp.Header.Get(faultHeader) != "":
		reason := resp.Header.Get(faultHeader)
		return later(reason, reason == faultNetwork)
	case messaging.IsUnavailable(err), status == http.StatusServiceUnavailable:
		return later("unavailable", true)
	case messaging.IsInternal(err), status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == statusCancelled:
		return later("internal", true)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return credentials
	case status == http.StatusNotFound:
		return result(notify.Foreign, "not_found")
	case status == http.StatusBadRequest && badToken(resp):
		return result(notify.Gone, "invalid_token")
	case messaging.IsInvalidArgument(err), status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		return result(notify.Rejected, "invalid_argument")
	}
	return result(notify.Rejected, "http_other")
}

// statusCancelled is what Google answers for CANCELLED; net/http has no name for it.
const statusCancelled = 499

// badToken says whether what Firebase finds wrong with the message is its token, and nothing else:
// then the device will never get anything. It says so in one of two forms: by the field, or by an
// error of its own (FcmError) with nothing but a sentence about the registration token.
func badToken(resp *http.Response) bool {
	var answer struct {
		Error struct {
			Message string `json:"message"`
			Details []struct {
				Code            string `json:"errorCode"`
				FieldViolations []struct {
					Field string `json:"field"`
				} `json:"fieldViolations"`
			} `json:"details"`
		} `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return false
	}
	fields, code := 0, false
	for _, d := range answer.Error.Details {
		code = code || d.Code == "INVALID_ARGUMENT"
		for _, v := range d.FieldViolations {
			if v.Field != "message.token" {
				return false
			}
			fields++
		}
	}
	return fields > 0 || code && strings.Contains(strings.ToLower(answer.Error.Message), "registration token")
}

// retryAfter reads the pause that the answer asks for: seconds or a date; 0 if it asks for none.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	name := "Retry-After"
	if resp.StatusCode == http.StatusServiceUnavailable {
		name = afterHeader // the other one is ours: see once
	}
	return upstream.RetryAfter(resp.Header.Get(name), now, maxAfter)
}
