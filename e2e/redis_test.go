package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// A Redis whose memory is full takes no events. They stay in the outbox, the alarm's metric rises,
// hubs say that they hear nothing; when there is memory again, each viewer gets each once.
func TestRedisIsFull(t *testing.T) {
	t.Parallel()
	s := startClustered(t)
	const match = 9000000001
	post := func(goals int) {
		t.Helper()
		status, text := ask(t, http.MethodPost, s.ingest.public+"/feeds/json", nil, jsonMatch(goals, goals))
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	v := newViewer(t, s.hub.public, overWebSocket, goalcast.ForMatch(match))
	v.join()
	post(1)
	scored := func(goals int) func([]goalcast.Event) error {
		return func(events []goalcast.Event) error {
			n := 0
			for _, e := range events {
				if e.Kind == goalcast.KindGoal {
					n++
				}
			}
			if n != goals {
				return fmt.Errorf("%d goals", n)
			}
			return nil
		}
	}
	v.waitEvents(time.Minute, "a goal", scored(1))

	s.redis.Do("CONFIG", "SET", "maxmemory", "1")
	post(2)
	s.ingest.waitFinished()
	waitFor(t, time.Minute, "the alarm's metric", func() error {
		if age := s.ingest.metric("goalcast_store_outbox_age_seconds"); age == 0 {
			return fmt.Errorf("the oldest event waits for %v s", age)
		}
		return nil
	})
	waitFor(t, time.Minute, "the hub to be not ready", func() error {
		if text := s.hub.readiness(); !strings.HasPrefix(text, "503 ") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	v.waitEvents(0, "no goal more", scored(1))

	s.redis.Do("CONFIG", "SET", "maxmemory", "0")
	v.waitEvents(time.Minute, "the goal that waited", scored(2))
	post(3)
	v.waitEvents(time.Minute, "the next goal", scored(3))
	s.hub.waitReady()
	if v.Resets() != 0 {
		t.Errorf("%d resets", v.Resets())
	}
}

// Redis by TLS, with a certificate of the house's own authority and the least rights.
func TestRedisByTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	authority := testservers.NewAuthority(t)
	certificate, key := authority.Issue(time.Now().Add(time.Hour))
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users, err := os.ReadFile("../deploy/redis/users.acl")
	if err != nil {
		t.Fatal(err)
	}
	const password = "password-of-redis-in-this-test"
	acl := strings.NewReplacer("CHANGE-THIS-PASSWORD", password, "user default off", "user default on nopass +ping").
		Replace(string(users))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	testservers.NewRedis(t, "--aclfile", file("users.acl", []byte(acl)), "--tls-port", fmt.Sprint(address.Port),
		"--tls-cert-file", file("cert.pem", certificate), "--tls-key-file", file("key.pem", key), "--tls-ca-cert-file",
		file("ca.pem", authority.PEM()), "--tls-auth-clients", "no")
	env := common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t), "SSL_CERT_DIR="+t.TempDir(),
		"GOALCAST_REDIS_URL=rediss://goalcast:"+password+"@"+address.String())
	stranger := launch(t, env, "serve", "--roles=hub") // it does not know the authority
	p := start(t, env.with("SSL_CERT_FILE="+filepath.Join(folder, "ca.pem")), "serve")
	v := newViewer(t, p.public, overWebSocket, goalcast.ForMatch(1))
	v.join()
	if err := p.tell(1); err != nil {
		t.Fatal(err)
	}
	v.waitEvents(time.Minute, "a message", func(events []goalcast.Event) error {
		if len(events) != 1 {
			return fmt.Errorf("%d events", len(events))
		}
		return nil
	})
	if log := p.log.String(); strings.Contains(log, "NOPERM") {
		t.Errorf("a right is missing:\n%s", tail(log, 6000))
	}
	waitFor(t, time.Minute, "a word about the certificate", func() error {
		if log := stranger.log.String(); !strings.Contains(log, "certificate signed by unknown authority") {
			return errors.New(tail(log, 1000))
		}
		return nil
	})
}
