package main

import "time"

// viewerLimits say what a viewer may send, how long it may be silent, and how often it gets states.
type viewerLimits struct {
	MessageRate   float64       `name:"message-rate" env:"GOALCAST_MESSAGE_RATE" default:"20" placeholder:"PER-SECOND" help:"Messages that one viewer may send; over it: closed with code 1008."`
	MessageBurst  int           `name:"message-burst" env:"GOALCAST_MESSAGE_BURST" default:"40" placeholder:"N" help:"How many of them at once; 1 to 600."`
	MaxMessage    int           `name:"max-message" env:"GOALCAST_MAX_MESSAGE" default:"4096" placeholder:"BYTES" help:"Largest message of a viewer, unpacked, 128 to 1048576; over it: closed with code 1009."`
	MaxUnanswered int           `name:"max-unanswered" env:"GOALCAST_MAX_UNANSWERED" default:"3" placeholder:"N" help:"Pings in a row that a viewer may leave unanswered, 1 to 200; one is sent after each ping-interval of silence. Then: closed with code 4009."`
	WriteTimeout  time.Duration `name:"write-timeout" env:"GOALCAST_WRITE_TIMEOUT" default:"10s" help:"How long a viewer may take nothing of what is sent, at least 100ms; then it is cut off."`
	StateInterval time.Duration `name:"state-interval" env:"GOALCAST_STATE_INTERVAL" default:"100ms" help:"New states (prices) of a topic are sent at most this often, 1ms to 1m; of those in between only the newest. A viewer may ask for less."`
}
