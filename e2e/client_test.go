package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	client "goalcast/clients/go"
	"goalcast/identity/identitytest"
)

// listening is who listens with the Go client, until the test ends. Unlike a viewer, who sees each
// frame, it knows what an app knows.
type listening struct {
	*client.Client
	mu       sync.Mutex
	events   []goalcast.Event
	statuses []client.Status
	resets   []goalcast.Reason
	err      error
	ended    chan struct{}
}

func listenWith(t *testing.T, o client.Options) *listening {
	t.Helper()
	e := &listening{ended: make(chan struct{})}
	o.OnStatus = func(s client.Status) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.statuses = append(e.statuses, s)
	}
	o.OnReset = func(r goalcast.Reason) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.resets = append(e.resets, r)
	}
	var err error
	if e.Client, err = client.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); <-e.ended })
	go func() {
		defer close(e.ended)
		for event, err := range e.Events(ctx) {
			e.mu.Lock()
			if e.err = err; err == nil {
				e.events = append(e.events, event.Event)
			}
			e.mu.Unlock()
		}
	}()
	return e
}

// until waits until what is known is right.
func (e *listening) until(t *testing.T, what string, right func() error) {
	t.Helper()
	waitFor(t, 2*time.Minute, what, func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.err != nil {
			t.Fatalf("%s: %v", what, e.err)
		}
		return right()
	})
}

// is waits for a phase of the connection.
func (e *listening) is(t *testing.T, phase client.Phase, reason string) {
	t.Helper()
	waitFor(t, 2*time.Minute, string(phase), func() error {
		if s, _ := e.Status(); s.Phase != phase || s.Reason != reason {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// refused waits for the end, and says why it came.
func (e *listening) refused(t *testing.T) client.Refusal {
	t.Helper()
	select {
	case <-e.ended:
	case <-time.After(2 * time.Minute):
		t.Fatal("it goes on")
	}
	var no *client.Refusal
	if !errors.As(e.err, &no) {
		t.Fatalf("it ended with %v", e.err)
	}
	return *no
}

// balancer leads to the node that is named last, as a balancer does.
type balancer struct {
	*httptest.Server
	node atomic.Pointer[url.URL]
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{}
	b.Server = httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(b.node.Load()) }})
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

func (b *balancer) to(t *testing.T, p *process) {
	t.Helper()
	u, err := url.Parse(p.public)
	if err != nil {
		t.Fatal(err)
	}
	b.node.Store(u)
}

// Goals reach who listens with the Go client, by each of its ways, each once and in order: while
// all is well, while its node is killed and another takes its place, and while that one drains.
func TestGoClientThroughKillsAndDrains(t *testing.T) {
	t.Parallel()
	env := onServers(t, "GOALCAST_DRAIN_TIME=500ms")
	source := start(t, env, "serve", "--roles=ingest,rest")
	hub := start(t, env, "serve", "--roles=hub")
	way := newBalancer(t)
	way.to(t, hub)
	rig := &quietRig{t: t, p: source}
	post := func(goals int) {
		t.Helper()
		document, err := source.postTo("json", nil, []byte(rig.goals(goals)))
		if err != nil {
			t.Fatal(err)
		}
		source.applied(document)
	}
	post(0)
	listeners := map[client.Transport]*listening{}
	for _, transport := range []client.Transport{client.WebSocket, client.EventStream, client.Poll} {
		listeners[transport] = listenWith(t, client.Options{URL: way.URL, Transport: transport,
			Topics: []goalcast.Topic{goalcast.ForMatch(quietMatch)}, Backoff: 50 * time.Millisecond,
			MaxBackoff: time.Second})
	}
	all := func(goals int) {
		t.Helper()
		want := source.match(quietMatch)
		for transport, e := range listeners {
			e.until(t, fmt.Sprintf("%s: %d goals", transport, goals), func() error {
				m, ok := e.Match(quietMatch)
				if !ok || m.Seq < want.Seq || m.Score != want.Score || m.Score.Home != goals {
					return fmt.Errorf("%+v, %+v", m, e.statuses)
				}
				return nil
			})
		}
	}
	all(0)
	post(1)
	all(1)
	hub.kill()
	post(2) // nobody is there to tell it
	next := start(t, env, "serve", "--roles=hub")
	way.to(t, next)
	all(2)
	last := start(t, env, "serve", "--roles=hub")
	way.to(t, last)
	next.stop(time.Minute)
	post(3)
	all(3)
	for transport, e := range listeners {
		var got []string
		e.until(t, fmt.Sprintf("%s: three goals told", transport), func() error { // what a match is, is known before
			got = nil
			for _, event := range e.events {
				if event.Kind == goalcast.KindGoal { // each document moves the kick-off too
					got = append(got, event.Key())
				}
			}
			if len(got) < 3 {
				return fmt.Errorf("%v, resets %v", got, e.resets)
			}
			return nil
		})
		e.mu.Lock()
		resets := len(e.resets)
		e.mu.Unlock()
		if want := []string{"json:goal-1#1", "json:goal-2#1", "json:goal-3#1"}; !slices.Equal(got, want) || resets > 0 {
			t.Errorf("%s was told %v, with %d resets; want %v", transport, got, resets, want)
		}
	}
}

// What the real hub refuses the Go client learns: for good, or until there is a place.
func TestGoClientIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, onFile(t, "GOALCAST_MAX_CONNECTIONS=1", "GOALCAST_MAX_TOPICS=2"), "serve")
	for name, topics := range map[goalcast.Code][]goalcast.Topic{
		goalcast.CodeBadTopic:      {{Kind: 99, ID: 1}},
		goalcast.CodeTooManyTopics: {goalcast.ForMatch(1), goalcast.ForMatch(2), goalcast.ForMatch(3)},
	} {
		for _, transport := range []client.Transport{client.WebSocket, client.EventStream, client.Poll} {
			e := listenWith(t, client.Options{URL: p.public, Transport: transport, Topics: topics})
			if no := e.refused(t); no.Code != name || no.Detail == "" {
				t.Errorf("%s: %+v, want %s", transport, no, name)
			}
		}
	}
	topics := []goalcast.Topic{goalcast.ForMatch(1)}
	ctx, leave := context.WithCancel(t.Context())
	first, err := client.New(client.Options{URL: p.public, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		for range first.Events(ctx) {
			t.Error("an event of a match that does not exist")
		}
	}()
	waitFor(t, time.Minute, "a place", func() error {
		if s, _ := first.Status(); s.Phase != client.Connected {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	second := listenWith(t, client.Options{URL: p.public, Topics: topics})
	second.is(t, client.Reconnecting, string(goalcast.CodeFull))
	leave()
	<-left
	second.is(t, client.Connected, "")
}

// A login that ends is renewed on the open socket; one that is none ends it, once it was asked for
// again.
func TestGoClientsLogin(t *testing.T) {
	t.Parallel()
	issuer := identitytest.New(t)
	p := start(t, onFile(t, identityFile(t, issuer, ""), "GOALCAST_ODDS_PUBLIC=false"), "serve")
	var asked atomic.Int64
	e := listenWith(t, client.Options{URL: p.public, Topics: []goalcast.Topic{goalcast.ForOdds(1)},
		Token: func(context.Context) (string, error) {
			ends := time.Hour
			if asked.Add(1) == 1 {
				ends = 8 * time.Second
			}
			return issuer.Token(identitytest.Claims{"age18": true, "exp": time.Now().Add(ends).Unix()}), nil
		}})
	e.until(t, "a new token to be asked for", func() error {
		if n := asked.Load(); n < 2 {
			return fmt.Errorf("asked %d times", n)
		}
		return nil
	})
	e.is(t, client.Connected, "")
	none := listenWith(t, client.Options{URL: p.public, Topics: []goalcast.Topic{goalcast.ForOdds(1)},
		Backoff: time.Millisecond,
		Token:   func(context.Context) (string, error) { return issuer.Token(nil) + "x", nil }})
	if no := none.refused(t); no.Code != goalcast.CodeUnauthorized {
		t.Errorf("%+v", no)
	}
	young := listenWith(t, client.Options{URL: p.public, Topics: []goalcast.Topic{goalcast.ForOdds(1)},
		Token: func(context.Context) (string, error) { return issuer.Token(nil), nil }})
	if no := young.refused(t); no.Code != goalcast.CodeForbidden {
		t.Errorf("%+v", no)
	}
}
