package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
	clientjs "goalcast/clients/js"
	"goalcast/console"
	"goalcast/internal/httpserver"
	"goalcast/loadtest/simulator"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/store/bus"
)

// demoDrain is how long the demo drains its viewers: they are pages on this machine,
// which come back at once.
const demoDrain = 500 * time.Millisecond

// demoProject is the Firebase project of the demo; there is no such one.
const demoProject = "goalcast-demo"

// Run serves a simulated match day until ctx ends: everything that serve does, with a Firebase of
// its own and the day's documents posted to the real endpoint.
func (c *demoCmd) Run(ctx context.Context, o options) error {
	log := c.logger()
	bus.LogRedisTo(log)
	phone := newPhone()
	firebase, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the demo's Firebase: %w", err)
	}
	c.DrainTime = min(c.DrainTime, demoDrain)
	c.openFeeds()
	c.Odds.Public = true
	token := c.openConsole()
	c.FCM = fcmConfig{Project: demoProject, Endpoint: "http://" + firebase.Addr().String() + "/v1", Rate: c.FCM.Rate}
	n, err := newNode(ctx, config{
		serving: c.serving, stores: stores{DatabaseURL: c.DatabaseURL, RedisURL: "embedded", RedisPrefix: "goalcast"},
		roles: allRoles, migrate: true,
	}, o, log)
	if err != nil {
		return err
	}
	defer n.close()

	page := http.NewServeMux()
	page.Handle("/", clientjs.Handler(clientjs.Page{Speed: c.Speed, Pushes: true, Odds: c.Odds.Public,
		Clips: c.Clips.onPage(), WebPush: n.cfg.Webpush.Key != ""}))
	page.Handle("GET /demo/pushes", httpserver.Live(phone))

	context.AfterFunc(ctx, func() { fmt.Println("goalcast demo: draining viewers; Ctrl-C again ends at once") })
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, phone.hangUp) // else the server would wait for them
	fake := httpserver.New(httpserver.Config{Name: "firebase"}, &fcmtest.Server{Project: demoProject,
		Deliver: phone.deliver}, n.reg)
	g.Go(func() error { return fake.Serve(firebase) })
	g.Go(func() error {
		defer fake.Close()
		return n.run(ctx, page, func(public, admin string) {
			fmt.Printf("goalcast demo: open http://%s/\n", public)
			if token != "" {
				fmt.Printf("goalcast demo: the operator's page is http://%s%s, its token %s\n", admin, console.Path,
					token)
			}
			odds := simulator.NewOddsPoster("http://"+public+"/feeds/odds", c.feedSecret("odds"), nil, log)
			if c.Odds.SourcesFile == "" { // else odds come from there
				g.Go(func() error { return odds.Run(ctx) })
			}
			g.Go(func() error { return c.play(ctx, "http://"+public+"/feeds/opta", odds.Show, log) })
		})
	})
	return g.Wait()
}

// openFeeds lets the demo's own documents and odds in. Where others reach the demo, or its feed has
// a secret, those without get one of their own.
func (c *demoCmd) openFeeds() {
	if loopback(c.Listen) && len(c.FeedSecrets["opta"]) == 0 { // to be played with
		c.FeedsOpen = true
	}
	if c.FeedSecrets == nil {
		c.FeedSecrets = secrets{}
	}
	for _, feed := range []string{"opta", "odds"} {
		if len(c.FeedSecrets[feed]) == 0 && !(c.FeedsOpen && loopback(c.Listen)) {
			c.FeedSecrets[feed] = []string{rand.Text()}
		}
	}
}

// openConsole makes up an admin token where there is none and only this machine reaches the admin
// address; or else empty.
func (c *demoCmd) openConsole() string {
	if len(c.AdminTokens) > 0 || !loopback(c.AdminListen) {
		return ""
	}
	token := rand.Text()
	c.AdminTokens = secrets{goalcast.Admin.String(): {token}}
	return token
}

// feedSecret is what the demo shows to a feed; empty for one without.
func (c *demoCmd) feedSecret(feed string) string {
	if list := c.FeedSecrets[feed]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// play posts one match day after the other.
func (c *demoCmd) play(ctx context.Context, url string, begins func(*simulator.Day), log *slog.Logger) error {
	day := simulator.New(simulator.Config{Seed: c.Seed, Matches: c.Matches, Speed: c.Speed, Start: time.Now(),
		Tables: true, Repeat: true, Begins: begins})
	return day.Run(ctx, simulator.Poster(url, c.feedSecret("opta"), nil, log))
}

// phone shows the demo's pushes to the pages that listen.
type phone struct {
	mu     sync.Mutex
	pages  map[chan []byte]string // and the token that each shows; empty for all
	shown  map[[2]string]bool     // token and key: what a new message replaces
	closed bool
}

func newPhone() *phone { return &phone{pages: map[chan []byte]string{}, shown: map[[2]string]bool{}} }

// deliver is called by the fake Firebase for each message that it took.
func (p *phone) deliver(d fcmtest.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{d.Token, d.Key}
	text, err := json.Marshal(map[string]any{
		"tag": d.Key, "title": d.Title, "body": d.Body, "at": d.At.UnixMilli(), "silent": d.Silent,
		"replaced": p.shown[key], "match": d.Data["match"],
	})
	if err != nil {
		return // strings and numbers always encode
	}
	if len(p.shown) > 100_000 {
		clear(p.shown) // a demo that ran for weeks
	}
	p.shown[key] = true
	for page, token := range p.pages {
		if token == "" || token == d.Token {
			select {
			case page <- text:
			default: // the page reads too slowly; a demo's phone may miss one
			}
		}
	}
}

// hangUp ends all streams and takes no more.
func (p *phone) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for page := range p.pages {
		close(page)
	}
	clear(p.pages)
}

// ServeHTTP is GET /demo/pushes?token=: an SSE stream of what a phone with that token would get.
func (p *phone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := make(chan []byte, 64)
	p.mu.Lock()
	if p.closed || len(p.pages) >= 1000 {
		p.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "retry: 3000\n\n") // a browser would not come back after any other status
		return
	}
	p.pages[page] = r.URL.Query().Get("token")
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pages, page)
		p.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	alive := time.NewTicker(20 * time.Second)
	defer alive.Stop()
	text := []byte(": phone is on\n\n")
	_ = control.SetReadDeadline(time.Time{})
	for {
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := w.Write(text); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		_ = control.SetWriteDeadline(time.Time{}) // or it would end the stream while nothing happens
		select {
		case push, ok := <-page:
			if !ok {
				return
			}
			text = slices.Concat([]byte("data: "), push, []byte("\n\n"))
		case <-alive.C:
			text = []byte(": still here\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
