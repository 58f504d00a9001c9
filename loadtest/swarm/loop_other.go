//go:build !linux

package swarm

import (
	"errors"
	"time"
)

// loop is only there on Linux: it stands on epoll.
type loop struct {
	*checker
	viewers  []viewer
	busy     time.Duration
	measured time.Time
}

func newLoop(Config, int) (*loop, error)  { return nil, errors.New("the swarm needs Linux") }
func (l *loop) run(<-chan struct{}) error { return nil }
func (l *loop) ask(func())                {}
func (l *loop) connect()                  {}
func (l *loop) cut()                      {}
func (l *loop) revive()                   {}
