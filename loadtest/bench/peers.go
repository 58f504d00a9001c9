//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// The peers, as arms name them. loadtest/bench/peers.sh installs them. Each has a channel for every
// number: GET /sub/N follows it, POST /pub/N publishes to it.
const (
	nchan = "Nchan" // nginx's module for pub/sub, in C
	bun   = "Bun"   // uWebSockets, in C++, told what to do by a few lines of JavaScript
)

// bunProgram is where peers.sh puts Bun.
const bunProgram = "tmp/peers/node_modules/.bin/bun"

func missingPeers() map[string]string {
	missing := map[string]string{}
	if _, err := exec.LookPath("nginx"); err != nil {
		missing[nchan] = "nginx is not installed; loadtest/bench/peers.sh does that on Debian"
	} else if nchanModule() == "" {
		missing[nchan] = "nginx has no Nchan module; it is libnginx-mod-nchan in Debian"
	}
	if err := exec.Command(bunProgram, "--version").Run(); err != nil {
		missing[bun] = fmt.Sprintf("%s: %v; loadtest/bench/peers.sh installs it by npm", bunProgram, err)
	}
	return missing
}

func nchanModule() string {
	for _, path := range []string{"/usr/lib/nginx/modules/ngx_nchan_module.so",
		"/usr/lib64/nginx/modules/ngx_nchan_module.so"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// peer starts one.
func (b *bench) peer(ctx context.Context, name string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	start := b.startNchan
	if name == bun {
		start = b.startBun
	}
	s, err := start(ctx, port)
	if err != nil {
		return nil, err
	}
	s.admin = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.url = s.admin + "/sub/{n}"
	return s, nil
}

// listens waits until a peer answers anything.
func (s *server) listens(ctx context.Context, port int) error {
	return s.ready(ctx, func() error {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
}

//go:embed bun.js
var bunServer []byte

// startBun starts Bun; it is one process with one thread.
func (b *bench) startBun(ctx context.Context, port int) (*server, error) {
	path := filepath.Join(b.folder, "bun.js")
	if err := os.WriteFile(path, bunServer, 0o644); err != nil {
		return nil, err
	}
	s, err := b.launch("bun", bunProgram, path, strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	return s, s.listens(ctx, port)
}

const nchanConfig = `daemon off;
worker_processes 2;
worker_rlimit_nofile %d;
pid %[3]s/nginx.pid;
load_module %[2]s;
error_log %[3]s/nginx-error.log warn;
events { worker_connections %[1]d; }
http {
	access_log off;
	nchan_shared_memory_size 512M;
	client_body_temp_path %[3]s/nginx-body;
	server {
		listen 127.0.0.1:%[4]d backlog=4096;
		keepalive_requests 1000000;
		location ~ ^/pub/(\d+)$ { nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 1000; nchan_message_timeout 10m; }
		location ~ ^/sub/(\d+)$ { nchan_subscriber websocket eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; nchan_websocket_ping_interval 25s; }
	}
}
`

// startNchan starts nginx with Nchan, two workers.
func (b *bench) startNchan(ctx context.Context, port int) (*server, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	files := min(limit.Max, 100_000) - 50
	path := filepath.Join(b.folder, "nginx.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, nchanConfig, files, nchanModule(), b.folder, port),
		0o644); err != nil {
		return nil, err
	}
	s, err := b.launch("nchan", "nginx", "-c", path, "-p", b.folder)
	if err != nil {
		return nil, err
	}
	if err := s.listens(ctx, port); err != nil {
		return nil, err
	}
	s.pids, err = children(s.cmd.Process.Pid)
	return s, err
}
