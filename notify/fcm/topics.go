package fcm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"goalcast/notify"
)

// Listen has phones listen to a topic, or listen no more: at most notify.MaxListen of them.
func (s *Sender) Listen(ctx context.Context, topic string, tokens []string, on bool) []error {
	errs := make([]error, len(tokens))
	call := s.client.UnsubscribeFromTopic
	if on {
		call = s.client.SubscribeToTopic
	}
	answer, err := call(ctx, tokens, s.topic(topic))
	if err == nil && answer.SuccessCount+answer.FailureCount != len(tokens) {
		err = fmt.Errorf("%d answers for %d phones", answer.SuccessCount+answer.FailureCount, len(tokens))
	}
	if err != nil {
		for i := range errs {
			errs[i] = fmt.Errorf("topic %s: %w", topic, err)
		}
		return errs
	}
	for _, e := range answer.Errors {
		errs[e.Index] = listenError(topic, e.Reason)
	}
	return errs
}

// listenError is what Firebase says of one phone. The SDK has its own words for Google's
// (NOT_FOUND, INVALID_ARGUMENT, TOO_MANY_TOPICS, INTERNAL), or passes them on.
func listenError(topic, reason string) error {
	switch reason {
	case "NOT_FOUND", "INVALID_ARGUMENT", "TOO_MANY_TOPICS", "registration-token-not-registered", "invalid-argument",
		"too-many-topics":
		return fmt.Errorf("topic %s: %w: %s", topic, notify.ErrCannotListen, reason)
	}
	return fmt.Errorf("topic %s: %s", topic, reason)
}

func (s *Sender) topic(name string) string { return s.topics + "." + name }

// toTopics gives the topics of a message their names at Firebase.
func (s *Sender) toTopics(m notify.Message) notify.Message {
	names := make([]string, len(m.Topics))
	for i, t := range m.Topics {
		names[i] = s.topic(t)
	}
	m.Topics = names
	return m
}

// elsewhere takes requests that are not for the endpoint to it: the SDK knows one address only for
// topics, Google's.
type elsewhere struct {
	next     http.RoundTripper
	endpoint *url.URL
}

// RoundTrip sends the request.
func (e elsewhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == e.endpoint.Host {
		return e.next.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host, req.Host = e.endpoint.Scheme, e.endpoint.Host, e.endpoint.Host
	return e.next.RoundTrip(req)
}
