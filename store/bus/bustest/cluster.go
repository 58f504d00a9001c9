package bustest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast/internal/testservers"
)

// Cluster is a Redis Cluster of three masters with a replica each, whose slots can be moved and
// whose masters can be killed.
type Cluster struct {
	URL string

	t       testing.TB
	nodes   []*testservers.RedisServer
	clients []*redis.Client
}

// NewCluster starts one for this test alone. It takes some seconds.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for range 6 {
		s := testservers.NewRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1500",
			"--repl-diskless-sync-delay", "0")
		client := redis.NewClient(&redis.Options{Addr: s.Addr})
		t.Cleanup(func() { _ = client.Close() })
		c.nodes, c.clients = append(c.nodes, s), append(c.clients, client)
	}
	c.URL = "redis+cluster://" + c.nodes[0].Addr + "," + c.nodes[1].Addr + "," + c.nodes[2].Addr
	host, port, _ := net.SplitHostPort(c.nodes[0].Addr)
	for i, client := range c.clients {
		if i < 3 {
			c.must(client.ClusterAddSlotsRange(t.Context(), 16384*i/3, 16384*(i+1)/3-1).Err())
		}
		if i > 0 {
			c.must(client.ClusterMeet(t.Context(), host, port).Err())
		}
	}
	for i := 3; i < 6; i++ {
		c.until("a replica", func() error {
			return c.clients[i].ClusterReplicate(t.Context(), c.id(i-3)).Err()
		})
		c.until("the replica to have all", func() error { // one that has not may not take over
			info, err := c.clients[i].Info(t.Context(), "replication").Result()
			if err == nil && !strings.Contains(info, "master_link_status:up") {
				err = errors.New(info)
			}
			return err
		})
	}
	c.until("the cluster to be whole", func() error { return c.whole(6) })
	return c
}

func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) until(what string, f func() error) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
}

func (c *Cluster) id(node int) string {
	c.t.Helper()
	id, err := c.clients[node].ClusterMyID(c.t.Context()).Result()
	c.must(err)
	return id
}

// whole says, as an error, if not all nodes that are alive know each other, of which three are
// masters with all slots.
func (c *Cluster) whole(alive int) error {
	well := 0
	for i, client := range c.clients {
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		info, err := client.ClusterInfo(ctx).Result()
		cancel()
		switch {
		case err != nil: // it was killed
		case strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_assigned:16384") &&
			strings.Contains(info, "cluster_known_nodes:6"):
			well++
		default:
			return fmt.Errorf("node %d: %s", i, info)
		}
	}
	if well != alive {
		return fmt.Errorf("%d nodes are well", well)
	}
	return nil
}

// owner is the master that has a slot.
func (c *Cluster) owner(slot int) (node int) {
	c.t.Helper()
	for i, client := range c.clients {
		shards, err := client.ClusterShards(c.t.Context()).Result()
		if err != nil {
			continue
		}
		for _, shard := range shards {
			if !slices.ContainsFunc(shard.Slots, func(r redis.SlotRange) bool {
				return r.Start <= int64(slot) && int64(slot) <= r.End
			}) {
				continue
			}
			for _, node := range shard.Nodes {
				for n := range c.nodes {
					if node.Role == "master" && strings.HasSuffix(c.nodes[n].Addr, fmt.Sprint(":", node.Port)) {
						return n
					}
				}
			}
		}
		c.t.Fatalf("nobody has slot %d, says node %d", slot, i)
	}
	c.t.Fatal("no node answers")
	return 0
}

// Move gives the slot of a key to another master, while it is used.
func (c *Cluster) Move(key string) {
	c.t.Helper()
	ctx := c.t.Context()
	slot64, err := c.clients[0].ClusterKeySlot(ctx, key).Result()
	c.must(err)
	slot := int(slot64)
	from := c.owner(slot)
	to := (from + 1) % 3
	host, port, _ := net.SplitHostPort(c.nodes[to].Addr)
	c.must(c.clients[to].Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.id(from)).Err())
	c.must(c.clients[from].Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.id(to)).Err())
	for {
		keys, err := c.clients[from].ClusterGetKeysInSlot(ctx, slot, 100).Result()
		c.must(err)
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}
		for _, k := range keys {
			args = append(args, k)
		}
		c.must(c.clients[from].Do(ctx, args...).Err())
	}
	for _, node := range []int{to, from, 3 - from - to} {
		c.must(c.clients[node].Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", c.id(to)).Err())
	}
}

// KillMasterOf kills the master that has a key's slot, and waits until its replica has taken over.
func (c *Cluster) KillMasterOf(key string) {
	c.t.Helper()
	slot, err := c.clients[0].ClusterKeySlot(c.t.Context(), key).Result()
	c.must(err)
	was := c.owner(int(slot))
	c.nodes[was].Stop()
	c.until("another master", func() error {
		if c.owner(int(slot)) == was {
			return errors.New("the dead one still has the slot")
		}
		return c.whole(5)
	})
}
