package bus

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/testservers"
)

var update = flag.Bool("update", false, "write the table of keys into docs/redis.md")

// Every part of the package at work leaves no key that the table does not list, and none that lasts
// for ever unless the table says so; what the table lists is there. To all of it the rights of
// deploy/redis/users.acl are enough, and they let it do nothing to others' keys.
func TestKeysAreListed(t *testing.T) {
	t.Parallel()
	const prefix = "staging"
	server, url := withLeastRights(t, prefix)
	admin, err := OpenRedis(server.URL + "/1")
	must(t, err)
	defer admin.Close()
	r := newRig(t, url+"/1", Options{Prefix: prefix})
	e := r.listen()
	r.publish(append(goals(7, 1, 3), message("message:1", `"x"`))...)
	topic := goalcast.ForMatch(7)
	if _, _, err := r.bus.Follow(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	r.set(lineOf(7, "home", 1))
	rate := NewRate(r.redis, RateOptions{Prefix: prefix, Name: "fcm:project", PerMinute: 60, Burst: 10}, quiet(),
		prometheus.NewRegistry())
	must(t, rate.Wait(t.Context(), 5))
	limiter := NewLimiter(r.redis, LimiterOptions{Prefix: prefix, Timeout: patience}, quiet(), prometheus.NewRegistry())
	takeAll(t, limiter, "ip:203.0.113.9", slow)
	q := NewQueue(r.redis, QueueOptions{Prefix: prefix, CheckInterval: 10 * time.Millisecond}, quiet(),
		prometheus.NewRegistry())
	tickets := NewTickets(r.redis, prefix)
	must(t, tickets.Put(t.Context(), "login:abc", "digest-1", true, []byte("x"), time.Minute, 20))
	must(t, tickets.Put(t.Context(), "login:abc", "digest-2", false, []byte("x"), 24*time.Hour, 20))
	must(t, r.bus.TellAudience(t.Context(), goalcast.Audience{Node: "web-1.example-ABCD"}))
	must(t, NewSessions(r.redis, prefix).Put(t.Context(), "digest-3", []byte("x"), 24*time.Hour))
	shown := goalcast.Seen{Event: "7/test:7:1#1", Phone: goalcast.Phone{User: "login:abc", Device: "a"}}
	must(t, NewSeen(r.redis, SeenOptions{Prefix: prefix}, quiet()).Keep(t.Context(), []goalcast.Seen{shown}))
	answers := NewAnswers(r.redis, AnswerOptions{Prefix: prefix}, quiet(), prometheus.NewRegistry())
	must(t, answers.Changed(t.Context(), "tables:5"))
	_, err = answers.Get(t.Context(), Question{Group: "tables:5", Key: "x", Life: time.Minute,
		Load: func(context.Context, bool) ([]byte, error) { return []byte("x"), nil }})
	must(t, err)
	asking, asked := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	defer askers.Wait()
	defer asked()
	askers.Go(func() { // so that somebody holds the right to ask whenever keys are looked at
		for asking.Err() == nil {
			answers.Get(asking, Question{Group: "tables:5", Key: "y",
				Load: func(ctx context.Context, _ bool) ([]byte, error) {
					time.Sleep(answerLease / 4)
					return nil, goalcast.ErrUnavailable
				}})
		}
	})
	must(t, tickets.Drop(t.Context(), "login:def"))
	ran := make(chan struct{})
	q.Handle("test:run", func(context.Context, []byte) error {
		close(ran)
		return fmt.Errorf("given up: %w", goalcast.ErrPermanent)
	})
	for _, delay := range []time.Duration{0, time.Hour} {
		must(t, q.Enqueue(t.Context(), goalcast.Task{Kind: "test:run", ID: fmt.Sprint(delay), Delay: delay}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	<-ran
	e.Until("what was published", func() bool { return len(e.Events) == 4 && len(e.States) == 1 })

	seen := map[string]bool{}
	look := func() {
		t.Helper()
		names, err := admin.client.Keys(t.Context(), "*").Result()
		must(t, err)
		channels, err := admin.client.PubSubChannels(t.Context(), "*").Result()
		must(t, err)
		isChannel := map[string]bool{}
		for _, name := range channels {
			isChannel[name] = true
		}
		for _, name := range append(names, channels...) {
			if isChannel[name] && strings.HasPrefix(name, "asynq:") {
				continue // docs/redis.md: nobody uses it
			}
			k, err := FindKey(prefix, name)
			if err != nil {
				t.Error(err)
				continue
			}
			seen[k.Name] = true
			if isChannel[name] != (k.Type == "channel") {
				t.Errorf("%s is a channel: %v, and listed as a %s", name, isChannel[name], k.Type)
			}
			if k.Type == "channel" || k.Type == "several" {
				continue
			}
			kind, ttl := admin.client.Type(t.Context(), name).Val(), admin.client.PTTL(t.Context(), name).Val()
			switch {
			case kind == "none", ttl == expired: // it has just expired
			case kind != k.Type:
				t.Errorf("%s is a %s, listed as a %s", name, kind, k.Type)
			case k.TTL > 0 && (ttl <= 0 || ttl > k.TTL), k.TTL == 0 && k.Owner == "Bus" && ttl != -1:
				t.Errorf("%s expires in %v, listed with %v", name, ttl, k.TTL)
			}
		}
	}
	for deadline := time.Now().Add(patience); len(seen) < len(Keys()); time.Sleep(50 * time.Millisecond) {
		if look(); t.Failed() || time.Now().After(deadline) { // the beat's is there now and then
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, k := range Keys() {
		if !seen[k.Name] {
			t.Errorf("nobody has made a %s", k.Name)
		}
	}
}

// withLeastRights starts a Redis with the users of deploy/redis, for an installation with the
// prefix, and returns the URL of its user as well.
func withLeastRights(t *testing.T, prefix string) (server *testservers.RedisServer, url string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/redis/users.acl")
	must(t, err)
	users := strings.NewReplacer("user default off", "user default on nopass ~* &* +@all", "{goalcast", "{"+prefix,
		"rate:goalcast", "rate:"+prefix, "~goalcast:", "~"+prefix+":", "CHANGE-THIS-PASSWORD", "secret").
		Replace(string(text))
	file := filepath.Join(t.TempDir(), "users.acl")
	must(t, os.WriteFile(file, []byte(users), 0o600))
	server = testservers.NewRedis(t, "--aclfile", file)
	return server, strings.Replace(server.URL, "redis://", "redis://goalcast:secret@", 1)
}

// The user of goalcast can neither read, wipe nor reconfigure what is not its own.
func TestLeastRightsAreNoMore(t *testing.T) {
	t.Parallel()
	_, url := withLeastRights(t, defaultPrefix)
	r, err := OpenRedis(url)
	must(t, err)
	defer r.Close()
	_, err = r.Inspect(t.Context())
	must(t, err)
	for _, command := range []string{"FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "CONFIG GET maxmemory",
		"CONFIG SET save x", "SHUTDOWN", "ACL LIST", "CLIENT KILL TYPE normal", "MONITOR", "SCRIPT FLUSH",
		"FUNCTION LIST", "GET others", "SET others 1", "SUBSCRIBE others", "PUBLISH others 1", "GET {staging}:head",
		"SWAPDB 0 1", "EVAL return(redis.call('get','others')) 0"} {
		var args []any
		for word := range strings.SplitSeq(command, " ") {
			args = append(args, word)
		}
		if err := r.client.Do(t.Context(), args...).Err(); err == nil ||
			!strings.Contains(err.Error(), "permission") && !strings.Contains(err.Error(), "can't access") {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// expired is what go-redis makes of Redis's answer to PTTL for a key that is not there.
const expired = -2 * time.Nanosecond

// docs/redis.md has the table as it is here. -update writes it there.
func TestKeysAreDocumented(t *testing.T) {
	const page, begin, end = "../../docs/redis.md", "<!-- keys of store/bus -->\n", "<!-- end of keys -->\n"
	text, err := os.ReadFile(page)
	must(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %s and %s", page, begin, end)
	}
	var want strings.Builder
	want.WriteString("\n| key | type | owner | what | how much | expires |\n|---|---|---|---|---|---|\n")
	for _, k := range Keys() {
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %s | %s |\n", strings.ReplaceAll(k.Name, "|", `\|`), k.Type,
			k.Owner, k.Holds, k.Bound, k.expires())
	}
	want.WriteString("\n")
	if got == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is not what Keys says: go test ./store/bus -run TestKeysAreDocumented -update", page)
	}
	must(t, os.WriteFile(page, []byte(before+begin+want.String()+end+after), 0o644))
}

func (k Key) expires() string {
	switch {
	case k.Type == "channel":
		return ""
	case k.Life != "":
		return k.Life
	case k.TTL == 0:
		return "never"
	case k.TTL < time.Minute:
		return k.TTL.String()
	case k.TTL < time.Hour:
		return fmt.Sprintf("%g min after the last write", k.TTL.Minutes())
	}
	return fmt.Sprintf("%g h after the last write", k.TTL.Hours())
}
