package testservers

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// RemoteRedis is a Redis server in a network of its own, as if on another machine. Cables lead to
// it, each with an address of the server at its end, and a test may cut them: packets vanish then,
// without an answer to anybody, as when a switch dies. It cannot be stopped and started again.
type RemoteRedis struct {
	*RedisServer // reached by the last cable: that is how the test itself talks to it
	cables       []cable
	pid          string // of the server: names its network
}

// cable is a pair of network interfaces, one here and one in the server's network.
type cable struct {
	here, there   string
	ours, servers netip.Addr
}

// NewRemoteRedis starts a Redis server behind so many cables, 1 to 9. It takes root's rights;
// without them the test is skipped.
func NewRemoteRedis(tb testing.TB, cables int) *RemoteRedis {
	tb.Helper()
	path, err := find("redis-server", "/usr/local/bin", "/opt/redis*/bin")
	for _, tool := range []string{"ip", "unshare", "nsenter"} {
		if _, none := exec.LookPath(tool); err == nil && none != nil {
			err = fmt.Errorf("%s is not installed", tool)
		}
	}
	if err != nil {
		missing(tb, "%v", err)
	}
	if err := command("unshare", "--net", "ip", "link", "add", "probe", "type", "veth"); err != nil {
		tb.Skipf("no right to make networks here: %v", err)
	}
	r := &RemoteRedis{RedisServer: &RedisServer{tb: tb, folder: tb.TempDir(), port: 6379}}
	tb.Cleanup(func() {
		r.Stop() // the network goes with its last process, and the cables with it
		for _, c := range r.cables {
			_ = command("ip", "link", "del", c.here) // most likely gone: the kernel takes a moment
		}
	})
	if err := r.run(path); err != nil {
		tb.Fatalf("start redis-server: %v\n%s", err, r.output())
	}
	for n := range cables {
		if err := r.lay(n); err != nil {
			tb.Fatalf("cable %d to redis-server: %v", n, err)
		}
	}
	r.URL = r.CableURL(cables - 1)
	r.Addr = strings.TrimPrefix(r.URL, "redis://")
	if err := r.answers(); err != nil {
		tb.Fatalf("redis-server behind a cable: %v\n%s", err, r.output())
	}
	return r
}

// run starts the server and waits until its network is there. The shell inside tells the process
// id, which the server then has.
func (r *RemoteRedis) run(path string) (err error) {
	file := filepath.Join(r.folder, "pid")
	r.proc, err = launch("KILL", "", filepath.Join(r.folder, "log"), nil,
		"unshare", "--net", "/bin/sh", "-c", `echo $$ >"$0"; exec "$@"`, file,
		path, "--port", strconv.Itoa(r.port), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "",
		"--appendonly", "no",
		"--dir", r.folder, "--daemonize", "no", "--loglevel", "warning")
	if err != nil {
		return err
	}
	return eventually(startLimit, func() error {
		text, err := os.ReadFile(file)
		if err == nil && !strings.HasSuffix(string(text), "\n") {
			err = fs.ErrNotExist // half written
		}
		r.pid = strings.TrimSpace(string(text))
		return err
	})
}

// lay connects the server's network with ours. The addresses are of the range for tests of networks
// (RFC 2544), four for each cable. Each end knows the other's hardware address for good: otherwise
// the kernel would soon say that the host cannot be reached, and a cut would not be silent.
func (r *RemoteRedis) lay(n int) error {
	block := rand.Uint32N(1<<15) << 2
	addr := func(i uint32) netip.Addr {
		a := 198<<24 | 18<<16 | block + i
		return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
	}
	mac := func(i int) string { return fmt.Sprintf("02:67:63:%02x:%02x:%02x", byte(block>>10), byte(block>>2), i) }
	name := fmt.Sprintf("gc%x-%d", block, n)
	c := cable{here: name + "h", there: name + "r", ours: addr(1), servers: addr(2)}
	if err := command("ip", "link", "add", c.here, "address", mac(1), "type", "veth", "peer", c.there, "address",
		mac(2), "netns", r.pid); err != nil {
		return err
	}
	r.cables = append(r.cables, c)
	return errors.Join(
		command("ip", "address", "add", c.ours.String()+"/30", "dev", c.here),
		command("ip", "link", "set", c.here, "up"),
		r.inside("address", "add", c.servers.String()+"/30", "dev", c.there),
		r.inside("link", "set", c.there, "up"),
		command("ip", "neighbour", "replace", c.servers.String(), "lladdr", mac(2), "dev", c.here, "nud", "permanent"),
	)
}

// CableURL is the server's URL by one of its cables.
func (r *RemoteRedis) CableURL(n int) string {
	return "redis://" + net.JoinHostPort(r.cables[n].servers.String(), strconv.Itoa(r.port))
}

// Cut cuts a cable: what is sent by either side is lost, and no connection ends.
func (r *RemoteRedis) Cut(n int) { r.set(n, "down") }

// Mend joins it again.
func (r *RemoteRedis) Mend(n int) { r.set(n, "up") }

func (r *RemoteRedis) set(n int, how string) {
	r.tb.Helper()
	if err := r.inside("link", "set", r.cables[n].there, how); err != nil {
		r.tb.Fatal(err)
	}
}

// inside runs ip in the server's network.
func (r *RemoteRedis) inside(args ...string) error {
	return command("nsenter", append([]string{"--target", r.pid, "--net", "ip"}, args...)...)
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
