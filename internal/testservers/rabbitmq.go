package testservers

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RabbitMQServer is a RabbitMQ that the test may kill and start again.
type RabbitMQServer struct {
	URL  string // "amqp://guest:guest@127.0.0.1:<port>/"; stays the same over restarts
	Addr string

	folder  string
	command []string
	epmd    []string
	names   *server // epmd, the name server that Erlang does not start without
	proc    *server // nil while stopped
}

// NewRabbitMQ starts a RabbitMQ for one test alone: it is gone when the test is.
func NewRabbitMQ(tb testing.TB) *RabbitMQServer {
	tb.Helper()
	r := StartRabbitMQ(tb, "{}")
	tb.Cleanup(r.Stop)
	return r
}

// StartRabbitMQ starts a RabbitMQ that stays until the test binary ends: starting one takes some
// ten seconds, most of them of a processor. Definitions are virtual hosts, exchanges and so on, as
// rabbitmqctl exports them; the settings are lines of rabbitmq.conf, in which the plugin that asks
// an HTTP server who may log in (auth_backends.1 = http) can be used. Everything listens on the
// loopback interface.
func StartRabbitMQ(tb testing.TB, definitions string, settings ...string) *RabbitMQServer {
	tb.Helper()
	// The script in PATH becomes another user first; the one behind it does not.
	const script = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(script); err != nil {
		missing(tb, "rabbitmq-server is not installed")
	}
	epmd, err := find("epmd", "/usr/lib/erlang/bin", "/usr/lib/erlang/erts-*/bin")
	if err != nil {
		missing(tb, "%v", err)
	}
	r := &RabbitMQServer{}
	if r.folder, err = os.MkdirTemp("", "goalcast-rabbitmq-"); err != nil {
		tb.Fatal(err)
	}
	for range 3 {
		r.prepare(tb, script, epmd, definitions, settings)
		if err = r.start(); err == nil {
			return r
		}
		r.halt()
	}
	output := r.output()
	r.Stop()
	tb.Fatalf("start rabbitmq-server: %v\n%s", err, output)
	return nil
}

// prepare chooses ports and writes what the server reads.
func (r *RabbitMQServer) prepare(tb testing.TB, script, epmd, definitions string, settings []string) {
	tb.Helper()
	port, names, distribution := freePort(tb), freePort(tb), freePort(tb)
	r.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.URL = "amqp://guest:guest@" + r.Addr + "/"
	defined := filepath.Join(r.folder, "definitions.json") // read with each start
	config := fmt.Sprintf("listeners.tcp.1 = %s\nlog.console = true\nlog.console.level = warning\n"+
		"load_definitions = %s\n%s\n", r.Addr, defined, strings.Join(settings, "\n"))
	for name, text := range map[string]string{"rabbitmq.conf": config, "definitions.json": definitions, "env.conf": "",
		"plugins": "[rabbitmq_auth_backend_http].\n"} {
		if err := os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	r.epmd = []string{epmd, "-address", "127.0.0.1", "-port", strconv.Itoa(names)}
	r.command = []string{"env", "HOME=" + r.folder, "ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(names), "RABBITMQ_DIST_PORT=" + strconv.Itoa(distribution),
		"RABBITMQ_NODENAME=goalcast" + strconv.Itoa(port) + "@localhost",
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(r.folder, "env.conf"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(r.folder, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(r.folder, "plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(r.folder, "data"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(r.folder, "logs"),
		"RABBITMQ_PID_FILE=" + filepath.Join(r.folder, "pid"), "RABBITMQ_LOGS=-",
		// busy waiting costs a test machine its processors
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} " +
			"+S 1 +sbwt none +sbwtdcpu none",
		"RUNNING_UNDER_SYSTEMD=1", // the script becomes the server, so that a signal reaches it
		script}
}

func (r *RabbitMQServer) start() error {
	for _, part := range []struct {
		to      **server
		folder  string
		command []string
	}{{&r.names, "", r.epmd}, {&r.proc, r.folder, r.command}} {
		if *part.to != nil {
			continue
		}
		os.Remove(filepath.Join(r.folder, "keep"))
		proc, err := launch("KILL", part.folder, filepath.Join(r.folder, "log"), nil, part.command...)
		if err != nil {
			return err
		}
		*part.to = proc
	}
	return eventually(startLimit, r.answers)
}

// answers says, as an error, if nobody takes a connection: the server ends one that begins with
// another protocol, and names its own.
func (r *RabbitMQServer) answers() error {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x00\x00")); err != nil {
		return err
	}
	answer := make([]byte, 8)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "AMQP\x00\x00\x09\x01" {
		return fmt.Errorf("answers %q, %v", answer, err)
	}
	return nil
}

func (r *RabbitMQServer) output() string {
	text, _ := os.ReadFile(filepath.Join(r.folder, "log"))
	return string(text)
}

// Kill ends the server as a crash would (SIGKILL). What is durable is there after Start.
func (r *RabbitMQServer) Kill() {
	if r.proc != nil {
		os.WriteFile(filepath.Join(r.folder, "keep"), nil, 0o600) // tells the guard not to delete what Start needs
		r.proc.stop()
		r.proc = nil
	}
}

// Stop ends the server for good.
func (r *RabbitMQServer) Stop() {
	r.halt()
	os.RemoveAll(r.folder)
}

// halt kills the server and the name server beside it.
func (r *RabbitMQServer) halt() {
	r.Kill()
	if r.names != nil {
		r.names.stop()
		r.names = nil
	}
}

// Start starts it again on the same port; where it runs, it waits until it answers.
func (r *RabbitMQServer) Start(tb testing.TB) {
	tb.Helper()
	if err := r.start(); err != nil {
		tb.Fatalf("restart rabbitmq-server: %v\n%s", err, r.output())
	}
}
