package fcm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"firebase.google.com/go/v4/messaging"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/live"
)

// Live moves matches on the screens of Android phones: a live.Service with a topic for each match,
// to which apps subscribe by themselves.
type Live struct {
	sender *Sender
	prefix string
}

// topicPrefix leaves room for what comes after it.
var topicPrefix = regexp.MustCompile(`^[a-zA-Z0-9_.~%-]{1,100}$`)

// CheckTopicPrefix says what is wrong with the beginning of topics' names.
func CheckTopicPrefix(prefix string) error {
	if !topicPrefix.MatchString(prefix) {
		return fmt.Errorf("%q: want 1 to 100 of letters, digits and -_.~%%", prefix)
	}
	return nil
}

// NewLive makes a Live that sends through s, to topics "prefix.7" for match 7. The prefix is one
// that CheckTopicPrefix takes.
func NewLive(s *Sender, prefix string) *Live { return &Live{s, prefix} }

// Name is the name of the service, with the project's.
func (l *Live) Name() string { return Service + ":" + l.sender.project }

// CreateChannel returns the topic of a match. There is nothing to be made.
func (l *Live) CreateChannel(_ context.Context, match goalcast.MatchID) (string, error) {
	return fmt.Sprintf("%s.%d", l.prefix, match), nil
}

// Broadcast sends a state to all who subscribed to a topic, as a data message: the app shows it. A
// phone that is off gets the newest of a match only.
func (l *Live) Broadcast(ctx context.Context, topic string, p live.Push) error {
	return liveError(l.sender.send(ctx, liveMessage(topic, p, time.Now()), l.sender.client.Send))
}

func liveMessage(topic string, p live.Push, now time.Time) *messaging.Message {
	ttl := max(0, p.Expires.Sub(now).Truncate(time.Second))
	priority := "normal"
	if p.High {
		priority = "high"
	}
	match := strconv.FormatInt(int64(p.Match), 10)
	return &messaging.Message{
		Topic: topic,
		Data: map[string]string{"kind": "live", "event": p.Event, "match": match,
			"timestamp": strconv.FormatInt(p.At.Unix(), 10), "content-state": string(p.State)},
		Android: &messaging.AndroidConfig{Priority: priority, TTL: &ttl, CollapseKey: "live:" + match},
	}
}

// liveError is what an answer means to package live.
func liveError(r notify.Result) error {
	switch r.Outcome {
	case notify.Delivered:
		return nil
	case notify.Denied, notify.Foreign: // the account, or the project: nothing else would be taken
		return errors.Join(live.ErrDenied, r.Err)
	case notify.Later:
		if r.Reason == notify.ReasonQuota || r.After > 0 {
			return &live.BusyError{After: r.After, Err: r.Err}
		}
		return r.Err
	}
	return errors.Join(live.ErrRefused, r.Err)
}
