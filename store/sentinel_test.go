package store

import (
	"fmt"
	"net"
	"testing"
	"time"

	"goalcast/internal/testservers"
)

// A Sentinel names another master: the bus goes on there, and no connection stays with the one before.
func TestAMasterThatSentinelReplaces(t *testing.T) {
	t.Parallel()
	first := testservers.NewRedis(t)
	second := testservers.NewRedis(t)
	host, port, err := net.SplitHostPort(first.Addr)
	must(t, err)
	second.Do("REPLICAOF", host, port)
	sentinel := testservers.NewSentinel(t, "main", first.Addr)
	r := newRig(t, "redis+sentinel://"+sentinel.Addr+"/main", BusOptions{})
	ear := r.listen()
	r.insist(goals(7, 1, 1)...)
	ear.until("a goal", func() bool { return len(ear.events) == 1 })
	deadline := time.Now().Add(patience)
	for sentinel.Try("SENTINEL", "FAILOVER", "main") != nil { // it has not found the replica yet
		if time.Now().After(deadline) {
			t.Fatal("the Sentinel makes no failover")
		}
		time.Sleep(50 * time.Millisecond)
	}
	ear.until("the other master", func() bool {
		_ = r.bus.Publish(t.Context(), goals(7, 2, 2))
		return second.Try("SET", "x", fmt.Sprint(time.Now())) == nil
	})
	r.insist(goals(7, 3, 4)...)
	ear.until("goals of the other master", func() bool { return len(ear.all) >= 4 })
}
