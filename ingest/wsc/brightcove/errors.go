package brightcove

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"goalcast/internal/upstream"
)

// Error is an answer that is not the one asked for.
type Error struct {
	Status  int           // HTTP status; 0 if Brightcove was not asked since it wants to be left alone
	Code    string        // "REFERENCE_ID_IN_USE"; empty if the answer tells none
	Message string        // at most 300 bytes
	Wait    time.Duration // do not ask again before; 0 if it did not say
}

func (e *Error) Error() string {
	text := "brightcove"
	if e.Status != 0 {
		text += fmt.Sprintf(" answers %d", e.Status)
	}
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// The codes that callers tell apart.
const (
	codeInUse   = "REFERENCE_ID_IN_USE"
	codeNoVideo = "NO_SUCH_VIDEO"
	codeLimit   = "RATE_LIMIT_EXCEEDED"
)

// Missing says whether the error is that the video or job does not exist there.
func Missing(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Code == codeNoVideo)
}

// Hopeless says whether asking the same again would be answered the same: the request itself
// is wrong. Wrong credentials and rights are not: they are mended on either side without a
// change of the request.
func Hopeless(err error) bool {
	var e *Error
	if !errors.As(err, &e) || Missing(err) {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest:
		// "please try again later", in their words' sense
		return e.Code != "NOT_SUBMITTED" && e.Code != "CDN_CREDENTIALS"
	case http.StatusConflict, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType,
		http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

// Wait is how long Brightcove wants to be left alone; 0 if it did not say.
func Wait(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.Wait
	}
	return 0
}

// readError makes an Error of an answer. The body is a list of errors, sometimes just one, from
// OAuth {"error", "error_description"}; anything may stand between us and Brightcove, and then
// it is no JSON at all.
func readError(status int, header http.Header, body []byte) *Error {
	type told struct {
		Code        any    `json:"error_code"` // a text; some answers have a number
		Message     string `json:"message"`
		OAuth       string `json:"error"`
		Description string `json:"error_description"`
	}
	var list []told
	if err := json.Unmarshal(body, &list); err != nil {
		var one told
		if json.Unmarshal(body, &one) == nil {
			list = []told{one}
		}
	}
	out := &Error{Status: status, Wait: upstream.RetryAfter(header.Get("Retry-After"), time.Now(), maxWait)}
	if len(list) > 0 {
		if out.Code = list[0].OAuth; list[0].Code != nil {
			out.Code = fmt.Sprint(list[0].Code)
		}
		out.Message = list[0].Message + list[0].Description
	}
	out.Code, out.Message = short(out.Code, 60), short(out.Message, 300)
	return out
}

func short(text string, n int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	return strings.ToValidUTF8(text[:min(len(text), n)], "")
}

// maxWait bounds what a Retry-After can ask for.
const maxWait = 15 * time.Minute
