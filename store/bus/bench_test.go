package bus

import (
	"context"
	"fmt"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
)

// goalBell rings for every event.
type goalBell chan int64

func (b goalBell) Event(p goalcast.Published)            { b <- p.Event.Seq }
func (goalBell) State(goalcast.State)                    {}
func (goalBell) Reread(goalcast.Topic, []goalcast.State) {}
func (goalBell) Reset(goalcast.Cursor)                   {}
func (b goalBell) Stale(bool)                            { b <- 0 }

// From Bus.Publish to the listener.
func BenchmarkPublishToListener(b *testing.B) {
	for name, url := range map[string]string{"redis": testservers.Redis(b), "embedded": "embedded"} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, url, Options{Prefix: fmt.Sprint("bench", b.N)})
			ctx, cancel := context.WithCancel(context.Background())
			bell, done := make(goalBell, 1), make(chan struct{})
			go func() {
				defer close(done)
				r.bus.Listen(ctx, bell)
			}()
			<-bell // live
			seq := int64(0)
			for b.Loop() {
				seq++
				r.publish(goals(1, seq, seq)...)
				if got := <-bell; got != seq {
					b.Fatalf("heard %d, want %d", got, seq)
				}
			}
			cancel()
			<-done
		})
	}
}
