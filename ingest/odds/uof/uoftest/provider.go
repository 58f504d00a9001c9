// Package uoftest plays the provider of the Unified Odds Feed for tests: its HTTP API, and its feed
// on a real RabbitMQ. Like the real one it refuses a wrong token, recoveries that go back too far
// or are asked for too often, and queues and exchanges that a bookmaker may not make; a producer
// says that we are not subscribed until a recovery was asked for.
package uoftest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"goalcast/internal/testservers"
)

// Token is the bookmaker's.
const Token = "token-of-the-bookmaker"

const (
	virtualHosts = "/unifiedfeed/" // and the bookmaker's number
	exchange     = "unifiedfeed"
	publisher    = "publisher"
)

// bookmakers is how many tests of one binary may play the provider at the same time.
const bookmakers = 8

// shared is the feed's server, which all tests of the binary have in common: it takes ten seconds
// of a processor to start. Each test has a virtual host of its own on it. It is started by the
// first test that wants it.
var shared struct {
	sync.Mutex
	queue *testservers.RabbitMQServer
	auth  *httptest.Server
	free  []string // numbers of bookmakers
}

// Producer is one that the provider has.
type Producer struct {
	ID      int
	Product string
	Scope   string // "live", "prematch", "live|prematch"
	Window  time.Duration
}

// Producers are those that the provider has unless told otherwise.
var Producers = []Producer{{1, "liveodds", "live", 10 * time.Hour}, {3, "pre", "prematch", 72 * time.Hour}}

// Provider is the provider. Its fields are not changed after Start.
type Provider struct {
	API   string // for Config.API
	AMQP  string // for Config.AMQP
	Queue *testservers.RabbitMQServer

	tb        testing.TB
	producers []Producer
	bookmaker string

	mu       sync.Mutex // guards the rest
	link     *amqp.Connection
	channel  *amqp.Channel
	said     []said
	last     int64        // time of the newest message, ms
	ready    map[int]bool // a recovery was asked for: alive says subscribed
	mute     map[int]bool // no alive
	refuse   int          // so many recoveries are answered 503
	hold     bool         // recoveries are not completed
	held     []func()
	asked    []Recovery
	fixtures map[string]string
	markets  string
	requests map[string]int
}

// said is a message of the feed, for recoveries.
type said struct {
	kind, key, text string // text has %s where attributes may be added
	producer        int
	at              int64
}

// Recovery is a recovery that was asked for and not refused.
type Recovery struct {
	Producer int
	Request  string
	After    int64 // ms; 0 is all
}

// Start plays the provider for one test. The first of a test binary takes some ten seconds. A test
// that calls KillQueue does so to all others, and may not run beside them.
func Start(tb testing.TB, producers ...Producer) *Provider {
	tb.Helper()
	if len(producers) == 0 {
		producers = Producers
	}
	p := &Provider{tb: tb, producers: producers, ready: map[int]bool{}, mute: map[int]bool{},
		fixtures: map[string]string{}, requests: map[string]int{}, markets: descriptions}
	p.share()
	server := httptest.NewServer(http.HandlerFunc(p.api))
	tb.Cleanup(server.Close)
	p.API = server.URL + "/v1"
	p.AMQP = "amqp://" + p.Queue.Addr
	p.connect()
	ctx, cancel := context.WithCancel(context.Background())
	var beats sync.WaitGroup
	beats.Go(func() { p.beat(ctx) })
	tb.Cleanup(func() {
		cancel()
		beats.Wait()
		p.disconnect()
	})
	return p
}

// share takes a bookmaker of the shared server for the time of the test.
func (p *Provider) share() {
	p.tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.queue == nil {
		startShared(p.tb)
	}
	shared.queue.Start(p.tb) // a test may have ended before it did so
	if len(shared.free) == 0 {
		p.tb.Fatalf("more than %d tests play the provider at once", bookmakers)
	}
	p.Queue, p.bookmaker, shared.free = shared.queue, shared.free[0], shared.free[1:]
	p.tb.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		shared.free = append(shared.free, p.bookmaker)
	})
}

// startShared starts the shared server, with the virtual hosts of all bookmakers.
func startShared(tb testing.TB) {
	tb.Helper()
	var free []string
	var hosts, exchanges []map[string]any
	for n := range bookmakers {
		bookmaker := fmt.Sprint(4711 + n)
		host := virtualHosts + bookmaker
		hosts = append(hosts, map[string]any{"name": host})
		exchanges = append(exchanges, map[string]any{"name": exchange, "vhost": host, "type": "topic", "durable": true,
			"auto_delete": false, "internal": false, "arguments": map[string]any{}})
		free = append(free, bookmaker)
	}
	definitions, err := json.Marshal(map[string]any{"vhosts": hosts, "exchanges": exchanges})
	if err != nil {
		tb.Fatal(err)
	}
	if shared.auth == nil {
		shared.auth = httptest.NewServer(http.HandlerFunc(auth))
	}
	at := shared.auth.URL
	shared.queue = testservers.StartRabbitMQ(tb, string(definitions), "auth_backends.1 = http",
		"auth_http.http_method = get", "auth_http.user_path = "+at+"/user", "auth_http.vhost_path = "+at+"/vhost",
		"auth_http.resource_path = "+at+"/resource", "auth_http.topic_path = "+at+"/topic")
	shared.free = free
}

// Stop ends the shared server. A package that looks for goroutines left behind calls it when all
// tests have ended.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.queue != nil {
		shared.queue.Stop()
		shared.queue = nil
	}
	if shared.auth != nil {
		shared.auth.Close()
		shared.auth = nil
	}
}

func (p *Provider) virtualHost() string { return virtualHosts + p.bookmaker }

// connect is how the provider reaches its own queue.
func (p *Provider) connect() {
	p.tb.Helper()
	link, err := amqp.DialConfig(p.AMQP, amqp.Config{Vhost: p.virtualHost(),
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: publisher, Password: publisher}}})
	if err != nil {
		p.tb.Fatalf("provider: %v", err)
	}
	channel, err := link.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		p.tb.Fatalf("provider: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link, p.channel = link, channel
}

func (p *Provider) disconnect() {
	p.mu.Lock()
	link := p.link
	p.link, p.channel = nil, nil
	p.mu.Unlock()
	if link != nil {
		_ = link.CloseDeadline(time.Now().Add(5 * time.Second))
	}
}

// KillQueue kills the feed's server.
func (p *Provider) KillQueue() {
	p.Queue.Kill()
	p.disconnect()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.ready) // all subscriptions are gone
}

// StartQueue starts it again.
func (p *Provider) StartQueue() {
	p.tb.Helper()
	p.Queue.Start(p.tb)
	p.connect()
}

// beat sends alive messages, some every second of the real ones' ten.
func (p *Provider) beat(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		for _, producer := range p.producers {
			if p.mute[producer.ID] {
				continue
			}
			subscribed := 0
			if p.ready[producer.ID] {
				subscribed = 1
			}
			p.sendLocked("-.-.-.alive.-.-.-.-", fmt.Sprintf(`<alive product="%d" timestamp="%d" subscribed="%d"/>`,
				producer.ID, p.nowLocked(), subscribed))
		}
		p.mu.Unlock()
	}
}

// nowLocked is a time later than that of all messages before.
func (p *Provider) nowLocked() int64 {
	p.last = max(p.last+1, time.Now().UnixMilli())
	return p.last
}

// sendLocked publishes, and waits until the queues have the message. While the queue is down it is
// lost.
func (p *Provider) sendLocked(key, text string) {
	if p.channel == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false,
		amqp.Publishing{ContentType: "application/xml", Body: []byte(text)})
	if err == nil {
		_, _ = c.WaitContext(ctx)
	}
}

// Send publishes any text, which no recovery repeats.
func (p *Provider) Send(key, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sendLocked(key, text)
}

// Say publishes a message about a match, and again with recoveries. inner is what is in it:
// `<odds>...</odds>`; attributes are others than product, event_id and timestamp. It returns its
// time.
func (p *Provider) Say(kind string, producer int, event, attributes, inner string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.nowLocked()
	s := said{kind: kind, producer: producer, at: at,
		key: "hi.-.live." + kind + ".1." + strings.Replace(event, "sr:match:", "sr:match.", 1) + ".-",
		text: fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?><%s product="%d" event_id="%s" timestamp="%d" %s`,
			kind, producer, event, at, attributes) + `%s>` + strings.ReplaceAll(inner, "%", "%%") + "</" + kind + ">"}
	p.said = append(p.said, s)
	p.sendLocked(s.key, fmt.Sprintf(s.text, ""))
	return at
}

// Said are all messages that Say was told, in order.
func (p *Provider) Said() (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.said {
		texts = append(texts, fmt.Sprintf(s.text, ""))
	}
	return texts
}

// Odds says an odds_change with markets made by Market.
func (p *Provider) Odds(producer int, event string, markets ...string) int64 {
	return p.Say("odds_change", producer, event, "", "<odds>"+strings.Join(markets, "")+"</odds>")
}

// Market is a market: its status, and outcomes as "id=odds".
func Market(id int, specifiers string, status int, outcomes ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<market id="%d" specifiers="%s" status="%d">`, id, specifiers, status)
	for _, o := range outcomes {
		name, odds, _ := strings.Cut(o, "=")
		fmt.Fprintf(&b, `<outcome id="%s" odds="%s" active="1"/>`, name, odds)
	}
	return b.String() + "</market>"
}

// Mute stops a producer's alive messages, or has them come again.
func (p *Provider) Mute(producer int, mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute[producer] = mute
}

// Unsubscribe has a producer say that we are not subscribed, until a recovery is asked for.
func (p *Provider) Unsubscribe(producer int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[producer] = false
}

// Refuse has the next n recoveries answered 503.
func (p *Provider) Refuse(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = n
}

// Hold keeps recoveries back, and sends them when it is called with false.
func (p *Provider) Hold(hold bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = hold
	if !hold {
		for _, send := range p.held {
			send()
		}
		p.held = nil
	}
}

// Recoveries are those that were not refused.
func (p *Provider) Recoveries() []Recovery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Recovery(nil), p.asked...)
}

// Requests is how often a path was asked for.
func (p *Provider) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}

// Fixture sets the document of a match.
func (p *Provider) Fixture(event, document string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fixtures[event] = document
}

// auth answers the server of the feed who may do what.
func auth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	user := q.Get("username")
	ours := user == Token
	allow := user == publisher || ours
	switch r.URL.Path {
	case "/user":
		allow = ours && q.Get("password") == "" || user == publisher && q.Get("password") == publisher
	case "/vhost":
		allow = allow && strings.HasPrefix(q.Get("vhost"), virtualHosts)
	case "/resource":
		if ours {
			what, name := q.Get("resource"), q.Get("name")
			allow = what == "queue" && strings.HasPrefix(name, "amq.gen-") ||
				what == "exchange" && name == exchange && q.Get("permission") == "read"
		}
	}
	if allow {
		_, _ = fmt.Fprint(w, "allow")
	} else {
		_, _ = fmt.Fprint(w, "deny")
	}
}
