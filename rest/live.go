package rest

import (
	"regexp"

	"goalcast"
)

// LiveChannels knows the broadcast channels of matches, without waiting for anything.
type LiveChannels interface {
	LiveChannel(goalcast.MatchID) string // empty if there is none
}

// liveActivity is what an app needs to start a Live Activity of a match by itself.
type liveActivity struct {
	Channel string `json:"channel"`
}

// liveTokenText is ActivityKit's push-to-start token in hexadecimal. Those seen have 32 to 80
// bytes.
var liveTokenText = regexp.MustCompile(`^([0-9a-fA-F]{2}){16,100}$`)
