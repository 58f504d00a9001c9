//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"goalcast/loadtest/swarm"
)

// million puts as many viewers as asked for on this machine: hubs and swarm workers as the limit of
// open files asks for, one Redis. A first tenth tells what the whole will need, and the run ends
// there if the machine has not got it.
func (b *bench) million(ctx context.Context, r *row) (err error) {
	const (
		perHub = 16_500 // a hub that may open 20,000 files takes 17,052 viewers
		ring   = 1_000  // events that each hub keeps: 53 of them share the memory with a million viewers
	)
	r.note("each hub with --ring %d (default 20,000); pings every 25 s, as by default", ring)
	hubs := (b.viewers + perHub - 1) / perHub
	redis, err := b.redis(ctx)
	if err != nil {
		return err
	}
	defer redis.stop()
	all := &server{name: "hubs"}
	cfg := swarm.Config{Conns: b.viewers, PerWorker: perHub, Topics: "match:{n}", Dialing: 20, FromOne: true,
		Timeout: 2 * time.Minute}
	for n := range hubs {
		h, err := b.hub(ctx, redis.url, "", "--ring", strconv.Itoa(ring))
		if err != nil {
			return fmt.Errorf("hub %d of %d: %w", n, hubs, err)
		}
		defer h.stop()
		all.pids = append(all.pids, h.pids...)
		cfg.URLs = append(cfg.URLs, h.url)
	}
	empty, err := all.use()
	if err != nil {
		return err
	}
	free, sockets := available(), socketMemory()
	s, err := swarm.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Connect(); err != nil {
		return err
	}
	if err := b.fill(ctx, s, r, available()); err != nil {
		return err
	}
	stats, err := s.Stats()
	if err != nil {
		return err
	}
	full, err := all.use()
	if err != nil {
		return err
	}
	n := float64(stats.Joined)
	r.add("%d viewers on %d hubs, joined in %.0f s", stats.Joined, hubs, float64(stats.LastJoin-stats.FirstDial)/1e6)
	r.add("per viewer: hub %.2f kB, swarm %.2f kB, sockets %.2f kB, machine in all %.2f kB",
		float64(full.RSS-empty.RSS)/n/1024, float64(stats.MaxRSS)/n/1024,
		float64(socketMemory()-sockets)/n/1024, float64(free-available())/n/1024)
	stage := &stage{arm: goalcastWS, redis: redis, server: all, swarm: s}
	f, err := b.play(ctx, stage, "million", plan{Streams: []int64{1}, Count: 1}, func(published) int64 {
		return stats.Joined
	})
	if err != nil {
		return err
	}
	r.add("one goal: %d delivered, the last after %.2f s; p50 %.2f s; hubs' CPU %.1f s, %.2f us per delivery",
		f.stats.Events, f.took.Seconds(),
		f.stats.EventLatency.Quantile(.5).Seconds(), f.use.CPU.Seconds(), f.cpu())
	r.reached = f.stats.Events == int64(b.viewers) && f.wrong() == ""
	return nil
}

// fill waits until all have joined; free is what the machine had when all processes were there and
// nobody had connected. It gives up as soon as what has joined says that memory will not do.
func (b *bench) fill(ctx context.Context, s *swarm.Swarm, r *row, free int64) error {
	begin, asked := time.Now(), false
	for {
		c, err := s.Counts()
		if err != nil {
			return err
		}
		if c.Joined == c.Conns {
			return nil
		}
		if each := float64(free-available()) / float64(max(c.Joined, 1)); !asked && c.Joined >= c.Conns/10 {
			asked = true
			fmt.Fprintf(os.Stderr,
				"%d joined in %s, %.1f kB of the machine each; the whole will need %.1f of %.1f GB\n",
				c.Joined, time.Since(begin).Round(time.Second), each/1024, each*float64(c.Conns)/1e9, float64(free)/1e9)
			if each*float64(c.Conns) > 0.95*float64(free) {
				r.note("%.1f kB per viewer for both ends: %d need more than the %.1f GB that are free", each/1024,
					c.Conns, float64(free)/1e9)
				return errors.New("not enough memory")
			}
		}
		if available() < 1<<30 {
			r.note("%d joined when less than 1 GB was left", c.Joined)
			return errors.New("not enough memory")
		}
		if time.Since(begin) > 20*time.Minute {
			return fmt.Errorf("%d of %d joined in 20 minutes", c.Joined, c.Conns)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// available is how much memory the machine could still give, in bytes.
func available() int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemAvailable"), " kB"), 10, 64)
	return kb << 10
}

// socketMemory is what the kernel's objects for TCP take: slabs of sockets,
// inodes, files and dentries.
func socketMemory() int64 {
	text, _ := os.ReadFile("/proc/slabinfo")
	var sum int64
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		switch f[0] {
		case "TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq", "tw_sock_TCP",
			"request_sock_TCP", "skbuff_head_cache", "tcp_bind_bucket", "tcp_bind2_bucket":
			n, _ := strconv.ParseInt(f[2], 10, 64)
			size, _ := strconv.ParseInt(f[3], 10, 64)
			sum += n * size
		}
	}
	return sum
}
