package rest

import (
	"regexp"

	"goalcast"
)

// LiveChannels knows what moves matches on lock screens, without waiting for anything.
type LiveChannels interface {
	// LiveChannel is the match's broadcast channel at Apple and its topic at Firebase; each empty
	// if there is none.
	LiveChannel(goalcast.MatchID) (channel, topic string)
}

// liveActivity is what an app needs to show a match on the lock screen by itself; zero: it cannot.
type liveActivity struct {
	Channel string `json:"channel,omitempty"`
	Topic   string `json:"topic,omitempty"`
}

// liveTokenText is ActivityKit's push-to-start token in hexadecimal. Those seen have 32 to 80
// bytes.
var liveTokenText = regexp.MustCompile(`^([0-9a-fA-F]{2}){16,100}$`)
