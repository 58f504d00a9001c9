package main

import "time"

// viewerLimits say what a viewer may send, how long it may be silent, and how often it gets states.
type viewerLimits struct {
	MessageRate   float64       `name:"message-rate" env:"GOALCAST_MESSAGE_RATE" range:">0.." default:"${hub_MessageRate}" placeholder:"PER-SECOND" help:"Messages that one viewer may send; over it: closed with code 1008."`
	StateInterval time.Duration `name:"state-interval" env:"GOALCAST_STATE_INTERVAL" range:"1ms..1m" default:"${hub_StateInterval}" help:"New states (prices) of a topic are sent at most this often; of those in between only the newest. A viewer may ask for less."`
}
