package bus

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/internal/testservers"
)

// turnout is a proxy in front of a Redis: each new connection goes to the server that is the target
// then, for good.
type turnout struct {
	addr  string
	words []byte // what the servers' "-READONLY " becomes

	mu     sync.Mutex
	target string
}

func newTurnout(t *testing.T, target, words string) *turnout {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &turnout{addr: l.Addr().String(), words: []byte(words), target: target}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.carry(down) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait() // the client is closed before
	})
	return p
}

func (p *turnout) carry(down net.Conn) {
	defer down.Close()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := up.Read(buffer)
			if err != nil {
				break
			}
			if _, err := down.Write(bytes.ReplaceAll(buffer[:n], []byte("-READONLY "), p.words)); err != nil {
				break
			}
		}
		down.Close()
	})
	_, _ = io.Copy(up, down)
	up.Close()
	wg.Wait()
}

func (p *turnout) turn(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// A master that became a replica keeps its connections, those that listen too. However it says so,
// all of them are given up at once.
func TestConnectionsToAFormerMasterAreThrownAway(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"-READONLY ", "-ERR READONLY ", "-LOADING ", "-MASTERDOWN ", "-UNBLOCKED ",
		"-CLUSTERDOWN "} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			old, now := testservers.NewRedis(t), testservers.NewRedis(t)
			p := newTurnout(t, old.Addr, words)
			r := newRig(t, "redis://"+p.addr, Options{Heartbeat: time.Hour}) // nobody but us writes
			ear := r.listen()
			var wg sync.WaitGroup
			for n := range 8 {
				wg.Go(func() { r.publish(goals(goalcast.MatchID(100+n), 1, 1)...) })
			}
			wg.Wait()
			p.turn(now.Addr)
			old.Do("REPLICAOF", "127.0.0.1", "1")
			r.insist(goals(7, 1, 3)...)
			ear.Until("the goals of the new master", func() bool {
				return len(ear.Events) >= 3 &&
					ear.Events[len(ear.Events)-1].Match == 7
			})
			for n := range 32 { // more than there are connections
				wg.Go(func() {
					if err := r.bus.PublishAll(t.Context(), goals(goalcast.MatchID(200+n), 1, 1)); err != nil {
						t.Errorf("after the first answer of the old master: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestWhichAnswersMeanAnotherServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text       string
		wrong, now bool
	}{
		{"READONLY You can't write against a read only replica.", true, true},
		{"ERR READONLY You can't write", true, true},
		{"ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write", true,
			true},
		{"LOADING Redis is loading the dataset in memory", true, true},
		{"MASTERDOWN Link with MASTER is down", true, true},
		{"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", true, true},
		{"-UNBLOCKED force unblock", true, true},
		{"CLUSTERDOWN The cluster is down", true, true},
		{"OOM command not allowed when used memory > 'maxmemory'.", false, true},
		{"MISCONF Redis is configured to save RDB snapshots", false, true},
		{"NOREPLICAS Not enough good replicas to write.", false, true},
		{"BUSY Redis is busy running a script.", false, true},
		{"BUSYGROUP Consumer Group name already exists", false, false},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", false, false},
		{"ERR unknown command 'READONLYISH'", false, false},
		{"NOSCRIPT No matching script.", false, false},
	} {
		err := answer(tt.text)
		if got := wrongServer(err); got != tt.wrong {
			t.Errorf("%q: another server %v, want %v", tt.text, got, tt.wrong)
		}
		if got := cannotNow(err); got != tt.now {
			t.Errorf("%q: not now %v, want %v", tt.text, got, tt.now)
		}
	}
	if wrongServer(errors.New("READONLY")) || wrongServer(nil) || wrongServer(redis.Nil) {
		t.Error("what no server says is taken for its answer")
	}
}

// answer is an error as a server gives it.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}
