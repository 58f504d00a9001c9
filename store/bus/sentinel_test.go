package bus

import (
	"fmt"
	"net"
	"testing"
	"time"

	"goalcast/internal/testservers"
)

// A Sentinel names another master: the bus goes on there, and no connection stays with the one
// before.
func TestAMasterThatSentinelReplaces(t *testing.T) {
	t.Parallel()
	first := testservers.NewRedis(t)
	second := testservers.NewRedis(t)
	host, port, err := net.SplitHostPort(first.Addr)
	must(t, err)
	second.Do("REPLICAOF", host, port)
	sentinel := testservers.NewSentinel(t, "main", first.Addr)
	r := newRig(t, "redis+sentinel://"+sentinel.Addr+"/main", Options{})
	ear := r.listen()
	r.insist(goals(7, 1, 1)...)
	ear.Until("a goal", func() bool { return len(ear.Events) == 1 })
	deadline := time.Now().Add(patience)
	for sentinel.Try("SENTINEL", "FAILOVER", "main") != nil { // it has not found the replica yet
		if time.Now().After(deadline) {
			t.Fatal("the Sentinel makes no failover")
		}
		time.Sleep(50 * time.Millisecond)
	}
	ear.Until("the other master", func() bool {
		_ = r.bus.PublishAll(t.Context(), goals(7, 2, 2))
		return second.Try("SET", "x", fmt.Sprint(time.Now())) == nil
	})
	r.insist(goals(7, 3, 4)...)
	ear.Until("goals of the other master", func() bool { return len(ear.All) >= 4 })
}
