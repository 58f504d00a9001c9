//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast/loadtest/swarm"
)

const (
	// posters is how many clients post messages, each on a connection of its own, and each the next
	// one when the last is answered.
	posters = 16
	// perArray is how many messages an array has.
	perArray = 100
)

// messages has posters post one message at a time, and messageArrays arrays of them, to a goalcast
// of all roles: with PostgreSQL, which syncs to disk, and Redis, and by itself. Nobody listens.
func (b *bench) messages(ctx context.Context, r *row) error { return b.posts(ctx, r, 1, 10_000, 5_000) }
func (b *bench) messageArrays(ctx context.Context, r *row) error {
	r.note("arrays of %d", perArray)
	return b.posts(ctx, r, perArray, 50_000, 20_000)
}

func (b *bench) posts(ctx context.Context, r *row, array int, clustered, embedded float64) error {
	rates, each, parts := map[bool][]float64{}, map[bool][]float64{}, map[bool]string{}
	for n := range b.repeat {
		for _, cluster := range []bool{true, false} {
			m, err := b.posted(ctx, cluster, array, fmt.Sprintf("%s-%t-%d", r.name, cluster, n))
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "clustered %-5t %7.0f/s, %6.1f us of CPU each: %s\n", cluster, m.rate, m.each,
				m.parts)
			rates[cluster], each[cluster] = append(rates[cluster], m.rate), append(each[cluster], m.each)
			parts[cluster] = m.parts
		}
	}
	for _, cluster := range []bool{true, false} {
		r.add("%s %s/s, %s us each (the last time: %s)", map[bool]string{true: "clustered", false: "embedded"}[cluster],
			spread("%.0f", rates[cluster]), spread("%.0f", each[cluster]), parts[cluster])
	}
	r.reached = middle(rates[true]) >= clustered && middle(rates[false]) >= embedded
	r.note("300-byte messages over 50 matches; PostgreSQL and SQLite sync each commit to disk; those who post are " +
		"counted")
	return nil
}

// postedFigures are what one run of posters gave.
type postedFigures struct {
	rate  float64 // messages a second
	each  float64 // CPU of all processes for each, in microseconds
	parts string
}

// posted starts the servers and has posters post to them for a while.
func (b *bench) posted(ctx context.Context, cluster bool, array int, name string) (f postedFigures, err error) {
	var beside []*server // PostgreSQL and Redis
	defer func() {
		for _, s := range beside {
			s.stop()
		}
	}()
	redis, args := "embedded", []string(nil)
	if cluster {
		postgres, err := b.postgres(ctx)
		if err != nil {
			return f, err
		}
		beside = append(beside, postgres)
		other, err := b.redis(ctx)
		if err != nil {
			return f, err
		}
		beside = append(beside, other)
		redis, args = other.url, []string{"--database-url", postgres.url}
	}
	s, err := b.hub(ctx, redis, "hub,ingest,notify,rest", args...)
	if err != nil {
		return f, err
	}
	defer s.stop()
	p := plan{Admin: s.admin, Clients: posters, Array: array, Size: 300, Topic: "match", For: b.hold}
	for n := range int64(50) {
		p.Streams = append(p.Streams, n+1)
	}
	warm := p
	warm.For = b.hold / 10 // connections, prepared statements, the heap's size
	if _, err := publish(ctx, warm); err != nil {
		return f, err
	}
	servers := append([]*server{s}, beside...)
	before := make([]swarm.Use, len(servers))
	for i, each := range servers {
		if before[i], err = each.use(); err != nil {
			return f, err
		}
	}
	profiled := b.profile(s, name, b.hold)
	done, err := publish(ctx, p)
	if err != nil {
		return f, err
	}
	cpu, parts := done.CPU, []string{fmt.Sprintf("posters %.0f", done.each(done.CPU))}
	for i, each := range servers {
		after, err := each.use()
		if err != nil {
			return f, err
		}
		used := after.Since(before[i]).CPU
		cpu += used
		parts = append(parts, fmt.Sprintf("%s %.0f", each.name, done.each(used)))
	}
	<-profiled
	f.rate = float64(done.Events) / (time.Duration(done.Last-done.First) * time.Microsecond).Seconds()
	f.each, f.parts = done.each(cpu), strings.Join(parts, ", ")
	return f, nil
}

// each is a share of CPU for one event, in microseconds.
func (p published) each(d time.Duration) float64 {
	return float64(d.Microseconds()) / float64(max(1, p.Events))
}

// postgres starts a PostgreSQL with an empty database; it syncs to disk, as it does by default.
func (b *bench) postgres(ctx context.Context) (*server, error) {
	initdb, err := installed("initdb")
	if err != nil {
		return nil, err
	}
	program, err := installed("postgres")
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "goalcast-bench-postgres-") // where another account may write
	if err != nil {
		return nil, err
	}
	if account != nil {
		if err := os.Chown(folder, int(account.Uid), int(account.Gid)); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, initdb, "-D", folder, "-U", "goalcast", "-A", "trust", "-E", "UTF8", "--locale=C",
		"--no-instructions")
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: account}, "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := b.launchAs(account, "postgres", program, "-D", folder, "-p", strconv.Itoa(port), "-c",
		"listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	if err != nil {
		return nil, err
	}
	s.family, s.folder = true, folder
	addr := "127.0.0.1:" + strconv.Itoa(port)
	s.url = "postgres://goalcast@" + addr + "/postgres?sslmode=disable"
	return s, s.ready(ctx, func() error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close() // goalcast waits for the rest of the start by itself
	})
}

// installed finds a program of PostgreSQL, which Debian keeps out of PATH.
func installed(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is not installed", name)
	}
	return found[len(found)-1], nil
}

// unprivileged is an account for PostgreSQL, which refuses to run as root; nil if we are not.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// post is what Clients of a plan do: each posts as soon as its last request was answered.
func post(ctx context.Context, p plan, result *published) error {
	begin := time.Now()
	result.First = begin.UnixMicro()
	var posted atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for client := range p.Clients {
		g.Go(func() error {
			conn, err := net.Dial("tcp", strings.TrimPrefix(p.Admin, "http://"))
			if err != nil {
				return err
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for n := int64(0); time.Since(begin) < p.For && ctx.Err() == nil; n++ {
				if err := postOnce(conn, in, p, int64(client), n); err != nil {
					return err
				}
				posted.Add(int64(p.Array))
			}
			return nil
		})
	}
	err := g.Wait()
	result.Events, result.Last = posted.Load(), time.Now().UnixMicro()
	return err
}

// postOnce posts the n-th request of a client, and reads its answer.
func postOnce(conn net.Conn, in *bufio.Reader, p plan, client, n int64) error {
	list := make([][]byte, p.Array)
	for i := range list {
		stream := p.Streams[(client+n+int64(i))%int64(len(p.Streams))]
		m := message{stream: stream, n: n, size: p.Size, kind: p.Topic}
		list[i] = m.admin()
	}
	body := list[0]
	if p.Array > 1 {
		body = slices.Concat([]byte("["), bytes.Join(list, []byte(",")), []byte("]"))
	}
	var b bytes.Buffer
	writePost(&b, "/admin/messages", "Authorization: Bearer "+editorToken+"\r\n", body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("post: %s: %s", resp.Status, text)
	}
	return err
}
