package apns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"goalcast/internal/upstream"
	"goalcast/notify/live"
)

// Error is what Apple answered instead of a success.
type Error struct {
	Status int    // HTTP
	Reason string // Apple's word: "ChannelNotRegistered"; empty if there is none
	after  time.Duration
}

func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("APNs answered %d", e.Status)
	}
	return fmt.Sprintf("APNs answered %d %s", e.Status, e.Reason)
}

// meanings are the reasons that Apple documents and what they mean to the caller. What is not here
// goes by its status.
var meanings = map[string]error{
	"ChannelNotRegistered": live.ErrNoChannel,
	"BadChannelId":         live.ErrNoChannel,

	"CannotCreateChannelConfig": live.ErrFull,

	"Unregistered":           live.ErrNoDevice,
	"ExpiredToken":           live.ErrNoDevice,
	"BadDeviceToken":         live.ErrNoDevice,
	"DeviceTokenNotForTopic": live.ErrNoDevice,

	"InvalidProviderToken":       live.ErrDenied,
	"MissingProviderToken":       live.ErrDenied,
	"ExpiredProviderToken":       live.ErrDenied, // a new one did not help: the clocks differ
	"UnrelatedKeyIdInToken":      live.ErrDenied,
	"BadEnvironmentKeyIdInToken": live.ErrDenied,
	"BadCertificate":             live.ErrDenied,
	"BadCertificateEnvironment":  live.ErrDenied,
	"Forbidden":                  live.ErrDenied,
	"FeatureNotEnabled":          live.ErrDenied, // the app has no broadcast capability
	"TopicDisallowed":            live.ErrDenied,
	"TopicMismatch":              live.ErrDenied,
	"BadTopic":                   live.ErrDenied,
}

// Is says whether the error means what target says: one of live's.
func (e *Error) Is(target error) bool { return e.meaning() == target }

// meaning is one of live's errors; nil for what may be gone on the next try.
func (e *Error) meaning() error {
	switch known := meanings[e.Reason]; {
	case known != nil:
		return known
	case e.Status == http.StatusForbidden, e.Status == http.StatusUnauthorized:
		return live.ErrDenied
	case e.Status == http.StatusGone:
		return live.ErrNoDevice
	case e.busy(), e.Status >= http.StatusInternalServerError, e.Status == http.StatusRequestTimeout:
		return nil
	}
	return live.ErrRefused
}

// busy says that Apple takes no more for now: of this channel or device, or of all we send.
func (e *Error) busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// reasonText keeps answers of who knows what out of logs and metrics.
var reasonText = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// failure reads an answer that is no success.
func failure(resp *http.Response, body []byte, now time.Time) error {
	var said struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(body, &said) // a proxy's page has none
	e := &Error{Status: resp.StatusCode, after: upstream.RetryAfter(resp.Header.Get("Retry-After"), now, maxAfter)}
	if reasonText.MatchString(said.Reason) {
		e.Reason = said.Reason
	}
	if e.busy() {
		return &live.BusyError{After: e.after, Err: e}
	}
	return e
}

// maxAfter is the longest pause that is believed: a match is over after that.
const maxAfter = time.Hour

// What a metric calls the outcome of a request that Apple took, or did not answer.
const (
	resultOK   = "ok"
	resultNone = "no_answer"
)

// Denials are the reasons for which Apple takes nothing from us.
func Denials() []string {
	var out []string
	for word, meaning := range meanings {
		if errors.Is(meaning, live.ErrDenied) {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return append(out, resultNone)
}

// reason is what a metric calls the outcome of a request.
func reason(err error) string {
	var e *Error
	switch {
	case err == nil:
		return resultOK
	case !errors.As(err, &e):
		return resultNone
	case meanings[e.Reason] != nil:
		return e.Reason
	}
	return strconv.Itoa(e.Status)
}
