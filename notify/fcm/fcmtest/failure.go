package fcmtest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Failure is an answer other than success, or one that takes its time.
type Failure struct {
	Status     int    // HTTP; 0 is success
	Code       string // errorCode of the FcmError; empty: the answer has none, as those of Google's front end
	Message    string
	RetryAfter time.Duration // in the header, in seconds; 0 for no header
	Body       string        // the whole answer, of Google's front end; overrides all but Status and RetryAfter
	// what is wrong, as "message.data: why"; the part before the colon goes
	// into a BadRequest detail
	Field   string
	Deliver bool          // the message is delivered all the same
	Drop    bool          // the connection is closed without an answer
	Cut     bool          // the connection is closed in the middle of the answer, whatever that is
	Wait    time.Duration // before anything else
}

// The failures that Firebase documents.
func Unregistered() Failure     { return Failure{Status: 404, Code: "UNREGISTERED"} }
func SenderIDMismatch() Failure { return Failure{Status: 403, Code: "SENDER_ID_MISMATCH"} }
func InvalidArgument() Failure {
	return Failure{Status: 400, Code: "INVALID_ARGUMENT", Field: "message.data: scripted"}
}
func InvalidToken() Failure {
	return Failure{Status: 400, Code: "INVALID_ARGUMENT", Field: "message.token: not a registration token"}
}

// InvalidTokenText is what Firebase says of what is no token at all: there is no field in it.
func InvalidTokenText() Failure {
	return Failure{Status: 400, Code: "INVALID_ARGUMENT",
		Message: "The registration token is not a valid FCM registration token"}
}

// The failures of Google's front end and of the project, which know nothing of messages.
func NoPermission() Failure {
	return Failure{Status: 403, Message: "Permission 'cloudmessaging.messages.create' denied on resource"}
}
func NoSuchProject() Failure { return Failure{Status: 404, Message: "Requested entity was not found."} }
func TooBig() Failure {
	return Failure{Status: 400, Message: "Request contains an invalid argument."}
}
func BadGateway() Failure {
	return Failure{Status: 502, Body: "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>"}
}
func ThirdPartyAuth() Failure { return Failure{Status: 401, Code: "THIRD_PARTY_AUTH_ERROR"} }
func Internal() Failure       { return Failure{Status: 500, Code: "INTERNAL"} }
func QuotaExceeded(d time.Duration) Failure {
	return Failure{Status: 429, Code: "QUOTA_EXCEEDED", RetryAfter: d}
}
func Unavailable(d time.Duration) Failure {
	return Failure{Status: 503, Code: "UNAVAILABLE", RetryAfter: d}
}

// Slow is a success that takes its time.
func Slow(d time.Duration) Failure { return Failure{Wait: d} }

// DryRun stands for the token where dry runs are to fail.
const DryRun = "dry run"

// Fail makes the next messages to the token fail, one after the other, and later ones succeed
// again. An empty token stands for every message of any device. Dry runs fail by DryRun only.
func (s *Server) Fail(token string, failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[string][]Failure{}
	}
	s.failures[token] = append(s.failures[token], failures...)
}

func (s *Server) nextFailure(keys ...string) (Failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if list := s.failures[key]; len(list) > 0 {
			s.failures[key] = list[1:]
			return list[0], true
		}
	}
	return Failure{}, false
}

// fail writes the answer as Google does.
func fail(w http.ResponseWriter, f Failure) {
	status := map[int]string{
		400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
		429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
		503: "UNAVAILABLE",
	}[f.Status]
	details := []any{}
	if f.Code != "" {
		details = append(details, map[string]string{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
			"errorCode": f.Code})
	}
	if f.Field != "" {
		field, why, _ := strings.Cut(f.Field, ": ")
		details = append(details, map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest",
			"fieldViolations": []any{map[string]string{"field": field, "description": why}}})
	}
	message := f.Message
	if message == "" {
		message = "scripted failure " + f.Code
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Round(time.Second)/time.Second)))
	}
	if f.Body != "" {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(f.Status)
		io.WriteString(w, f.Body)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(f.Status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": f.Status, "message": message,
		"status": status, "details": details}})
}
