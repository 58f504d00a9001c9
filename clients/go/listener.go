package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// listener is one call of Events: connections, one after the other, and the waits between them. The
// goroutine that ranges owns it.
type listener struct {
	*Client
	ctx    context.Context // of the whole call
	cancel context.CancelFunc
	yield  func(Event, error) bool
	left   bool           // the loop was left
	done   string         // why the last connection was the last, if it is not the hub's refusal
	work   sync.WaitGroup // links, probes and questions for tokens

	way          int // in ways
	wayAt        time.Time
	greeted      bool // this way came to a hello at least once
	failures     int  // tries in a row that did not come to a connection that held
	blocked      int  // tries in a row that failed although the hub would have let them in
	broken       int  // connections in a row that did not hold, and that the hub did not close
	unauthorized int  // tries in a row whose token the hub did not take

	// Of the connection of now:
	session  context.Context
	link     *link
	over     *ending // set when it is
	asked    []goalcast.Topic
	alarms   alarms
	silence  time.Duration // hello.ping
	heardAt  time.Time
	looked   time.Time // at the clock
	requests map[string][]goalcast.Topic
	authID   string
	pingID   string
	pingAt   time.Time
	probing  bool
	probes   chan probed
	tokens   chan string // for an auth frame

	marks int // of subscribe, auth and ping frames
}

// ending is how a connection ended.
type ending struct {
	reason string
	retry  time.Duration // the hub asks to wait at least this
	no     *answer       // the hub's, instead of a connection
	ask    bool          // nothing came through: the hub may say why
	again  bool          // on purpose: the next begins at once
	done   bool          // there is nothing to come back for
}

const (
	defaultSilence = 25 * time.Second
	looks          = 5 * time.Second  // between two looks at the clock
	slept          = 30 * time.Second // by which the clock that is set is ahead after a sleep
)

func random() float64 { return rand.Float64() }

func newListener(c *Client, ctx context.Context, cancel context.CancelFunc, yield func(Event, error) bool) *listener {
	return &listener{Client: c, ctx: ctx, cancel: cancel, yield: yield, silence: defaultSilence, wayAt: time.Now(),
		requests: map[string][]goalcast.Topic{}, alarms: alarms{}, probes: make(chan probed), tokens: make(chan string)}
}

// close gives the client back once all that was started has ended.
func (l *listener) close() {
	l.cancel()
	l.work.Wait()
	l.setStatus(Status{Phase: Closed, Reason: l.done})
	l.mu.Lock()
	l.inUse = false
	l.mu.Unlock()
}

// give calls the body, unless it was left.
func (l *listener) give(e Event, err error) {
	if !l.left && !l.yield(e, err) {
		l.left = true
	}
}

func (l *listener) run() error {
	for l.ctx.Err() == nil && !l.left {
		if len(l.Topics()) == 0 { // until there is something to ask for
			l.pause(0)
			continue
		}
		l.connect()
		if l.over == nil || l.left || l.ctx.Err() != nil {
			return nil
		}
		wait, err := l.next(*l.over)
		if err != nil || l.over.done {
			return err
		}
		if !l.over.again {
			l.pause(wait)
		}
	}
	return nil
}

// pause waits; for 0 it does so until topics change.
func (l *listener) pause(d time.Duration) {
	var due <-chan time.Time
	var changed <-chan struct{}
	if d > 0 {
		due = time.After(d)
	} else {
		changed = l.wake
	}
	select {
	case <-l.ctx.Done():
	case <-due:
	case <-changed:
	}
}

// connect makes a connection and listens until it is over.
func (l *listener) connect() {
	l.over = nil
	if s, _ := l.Status(); s.Phase != Reconnecting {
		l.setStatus(Status{Phase: Connecting})
	}
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	l.session = ctx
	l.mu.Lock()
	l.transport = l.ways[l.way]
	if l.cursor == "" {
		for _, t := range l.topics {
			l.unjoined[t] = true
		}
	}
	l.mu.Unlock()
	token, err := l.token(ctx)
	if err != nil {
		l.lose("no token")
		return
	}
	l.asked = l.Topics()
	l.link = l.open(ctx, l.ways[l.way], l.asked, token)
	l.probing = false
	l.looked = time.Now()
	l.awaitHello()
	for l.over == nil && !l.left && ctx.Err() == nil {
		l.step()
	}
	clear(l.alarms)
	clear(l.requests)
}

func (l *listener) awaitHello() {
	clear(l.alarms)
	clear(l.requests)
	l.alarms.after(helloAlarm, l.o.HelloTimeout, func() { l.over = &ending{reason: "no hello", ask: true} })
	l.alarms.after(sleepAlarm, looks, l.lookAtClock)
}

// step takes what comes next. What has come goes before what is due: a body that takes its time
// delays both.
func (l *listener) step() {
	began := time.Now()
	select {
	case text, ok := <-l.link.frames:
		l.received(text, ok)
		l.alarms.delay(time.Since(began))
		return
	default:
	}
	due := time.NewTimer(l.alarms.next())
	defer due.Stop()
	select {
	case <-l.session.Done():
	case text, ok := <-l.link.frames:
		began = time.Now()
		l.received(text, ok)
		l.alarms.delay(time.Since(began))
	case <-l.wake:
		l.topicsChanged()
	case p := <-l.probes:
		l.probed(p)
	case token := <-l.tokens:
		l.authID = l.mark("a")
		l.send(goalcast.ClientMessage{Type: goalcast.FrameAuth, Token: token, ID: l.authID})
	case <-due.C:
		l.alarms.ring()
	}
}

// next says when to come back, or why not.
func (l *listener) next(e ending) (wait time.Duration, err error) {
	if e.done || e.again {
		l.done = e.reason
		return 0, nil
	}
	no := e.no
	if no == nil && e.ask {
		no = l.why()
	}
	switch {
	case no == nil:
		no = &answer{}
	case no.admitted:
		l.blocked++
	default:
		l.blocked = 0
	}
	switch {
	case no.final() && no.Code == goalcast.CodeBadCursor && l.Cursor() != "": // without it there is a way
		l.reset(goalcast.ResetBadCursor)
		return l.backoff(string(no.Code), 0, ""), nil
	case no.Code == goalcast.CodeUnauthorized && l.o.Token != nil && l.unauthorized < 2:
		l.unauthorized++ // it may have ended on its way: a new one is asked for, twice
		return l.backoff(string(no.Code), 0, no.Detail), nil
	case no.final():
		l.done = string(no.Code)
		return 0, &Refusal{Code: no.Code, Detail: no.Detail}
	case no.Code != "":
		return l.backoff(string(no.Code), no.retry, no.Detail), nil
	}
	return l.backoff(e.reason, e.retry, ""), nil
}

// backoff tells how long to wait. A hub that says when to come back is not asked earlier; one that
// says so again and again is asked ever more seldom, unless it only stops in good order. A way that
// leads nowhere is left for the next; behind the last comes the first.
func (l *listener) backoff(reason string, retry time.Duration, detail string) time.Duration {
	if reason != string(goalcast.ByeDrain) {
		l.failures++
	}
	most := 2
	if l.greeted {
		most = 4
	}
	if len(l.ways) > 1 && (l.blocked >= most || l.broken >= 4) {
		l.takeWay((l.way + 1) % len(l.ways))
	}
	wait := retry
	if reason != string(goalcast.ByeDrain) || retry <= 0 {
		bound := min(l.o.MaxBackoff, l.o.Backoff<<min(max(l.failures-1, 0), 20))
		if bound <= 0 { // over what a Duration holds
			bound = l.o.MaxBackoff
		}
		wait = max(retry, time.Duration(l.o.random()*float64(bound)))
	}
	l.setStatus(Status{Phase: Reconnecting, Reason: reason, Detail: detail, Retry: wait})
	return max(wait, 1) // 0 would wait for ever
}

// takeWay goes by another way from now on.
func (l *listener) takeWay(way int) {
	l.way, l.wayAt, l.greeted, l.blocked, l.broken = way, time.Now(), false, 0, 0
}

func (l *listener) lose(reason string) { l.over = &ending{reason: reason} }

func (l *listener) setStatus(s Status) {
	l.mu.Lock()
	same := l.status.Phase == s.Phase && s.Reason == ""
	if !same {
		l.status = s
	}
	l.mu.Unlock()
	if !same && l.o.OnStatus != nil {
		l.o.OnStatus(s)
	}
}

func (l *listener) mark(kind string) string {
	l.marks++
	return fmt.Sprint(kind, l.marks)
}

// send writes to the hub. If it cannot, the connection is over, and reading says so.
func (l *listener) send(m goalcast.ClientMessage) {
	text, err := json.Marshal(outgoing{m.Type, m.Topics, m.ID, m.Token})
	if err != nil {
		panic("client message: " + err.Error()) // texts
	}
	l.link.send(text)
}

// outgoing is a goalcast.ClientMessage without what it does not say.
type outgoing struct {
	Type   goalcast.FrameType `json:"type"`
	Topics []string           `json:"topics,omitempty"`
	ID     string             `json:"id,omitempty"`
	Token  string             `json:"token,omitempty"`
}

// token asks for the token of who watches; empty is nobody in particular.
func (l *listener) token(ctx context.Context) (string, error) {
	if l.o.Token == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.HelloTimeout)
	defer cancel()
	return l.o.Token(ctx)
}

// topicsChanged tells the hub on an open WebSocket; all others have their topics in the address and
// connect again. Before hello it waits: hello looks again.
func (l *listener) topicsChanged() {
	if l.alarms.has(helloAlarm) {
		return
	}
	topics := l.Topics()
	without := func(all, those []goalcast.Topic) []goalcast.Topic {
		return slices.DeleteFunc(slices.Clone(all), func(t goalcast.Topic) bool { return slices.Contains(those, t) })
	}
	added, gone := without(topics, l.asked), without(l.asked, topics)
	l.asked = topics
	switch {
	case len(added)+len(gone) == 0:
	case l.link.send == nil:
		l.over = &ending{again: true}
	default:
		if len(added) > 0 {
			l.subscribe(added)
		}
		if len(gone) > 0 {
			l.send(goalcast.ClientMessage{Type: goalcast.FrameUnsubscribe, Topics: texts(gone)})
		}
	}
}

// subscribe asks for topics under a mark of its own, so that an error tells which were refused.
func (l *listener) subscribe(topics []goalcast.Topic) {
	id := l.mark("s")
	l.requests[id] = topics
	l.send(goalcast.ClientMessage{Type: goalcast.FrameSubscribe, Topics: texts(topics), ID: id})
}

func texts(topics []goalcast.Topic) []string {
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = t.String()
	}
	return out
}

// lookAtClock connects anew after a machine has slept.
func (l *listener) lookAtClock() {
	now := time.Now()
	if now.Round(0).Sub(l.looked.Round(0))-now.Sub(l.looked) > slept {
		l.over = &ending{again: true}
		return
	}
	l.looked = now
	l.alarms.after(sleepAlarm, looks, l.lookAtClock)
}

// listenForSilence pings when nothing was heard for as long as the hub said it would at most be
// silent. What cannot ping is left after twice as long.
func (l *listener) listenForSilence() {
	most := l.silence
	if l.link.send == nil {
		most *= 2
	}
	left := time.Until(l.heardAt.Add(most))
	if left <= 0 && l.link.send == nil {
		l.broken++
		l.lose("silent")
		return
	}
	if left <= 0 {
		l.ping()
		left = most
	}
	l.alarms.after(silenceAlarm, left, l.listenForSilence)
}

func (l *listener) ping() {
	if l.alarms.has(pongAlarm) { // one at a time: the first that stays unanswered tells
		return
	}
	l.pingID, l.pingAt = l.mark("p"), time.Now()
	l.send(goalcast.ClientMessage{Type: goalcast.FramePing, ID: l.pingID})
	l.alarms.after(pongAlarm, l.o.PongTimeout, func() { l.lose("no pong") })
}

// upgradeLater tries better ways again after a time. Not all clients do in the same second.
func (l *listener) upgradeLater() {
	if l.way > 0 {
		most := time.Duration(float64(l.o.UpgradeAfter) * (0.75 + l.o.random()/2))
		l.alarms.after(upgradeAlarm, max(0, time.Until(l.wayAt.Add(most))), l.climb)
	}
}

// probed is what came of a look at better ways: a link whose first frame is a hello, or none.
type probed struct {
	way   int
	link  *link
	hello []byte
	asked []goalcast.Topic
}

// climb tries better ways beside the one in use.
func (l *listener) climb() {
	if l.probing {
		return
	}
	l.probing = true
	ctx, ways, asked := l.session, l.ways[:l.way], l.Topics()
	l.work.Go(func() {
		found := probed{asked: asked}
		for way, transport := range ways {
			if k, hello := l.probe(ctx, transport, asked); k != nil {
				found = probed{way, k, hello, asked}
				break
			}
		}
		select {
		case l.probes <- found:
		case <-ctx.Done():
		}
	})
}

// probe opens a link and waits for its hello.
func (l *listener) probe(ctx context.Context, way Transport, topics []goalcast.Topic) (*link, []byte) {
	token, err := l.token(ctx)
	if err != nil {
		return nil, nil
	}
	k := l.open(ctx, way, topics, token)
	timeout := time.NewTimer(l.o.HelloTimeout)
	defer timeout.Stop()
	select {
	case text, ok := <-k.frames:
		if f, err := decode(text); ok && err == nil && f.Type == goalcast.FrameHello {
			return k, text
		}
	case <-timeout.C:
	case <-ctx.Done():
	}
	k.cancel()
	return nil, nil
}

// probed takes the better way, if there is one. What both tell is told once.
func (l *listener) probed(p probed) {
	l.probing = false
	if p.link == nil {
		l.wayAt = time.Now()
		l.upgradeLater()
		return
	}
	l.link.cancel()
	l.takeWay(p.way)
	l.mu.Lock()
	l.transport = l.ways[l.way]
	l.mu.Unlock()
	l.link, l.asked = p.link, p.asked
	l.awaitHello()
	l.received(p.hello, true)
}

// alarms are what is to be done later on this connection, by name.
type alarms map[string]alarm

type alarm struct {
	at time.Time
	do func()
}

// The alarms there are, besides one for each subscription that is asked for again.
const (
	helloAlarm   = "hello"   // it must have come by then
	settledAlarm = "settled" // the connection has held
	silenceAlarm = "silence" // nothing may have been heard
	pongAlarm    = "pong"    // it must have come by then
	upgradeAlarm = "upgrade" // better ways are tried
	pricesAlarm  = "prices"  // they may have fallen silent
	authAlarm    = "auth"    // another token is asked for
	sleepAlarm   = "sleep"   // the machine may have slept
)

func (a alarms) after(name string, d time.Duration, do func()) {
	a[name] = alarm{time.Now().Add(d), do}
}

func (a alarms) has(name string) bool {
	_, ok := a[name]
	return ok
}

// next is the time until the first is due.
func (a alarms) next() time.Duration {
	next := time.Hour
	for _, one := range a {
		next = min(next, time.Until(one.at))
	}
	return max(0, next)
}

// delay has all come later but that of prices, which do not wait for the body.
func (a alarms) delay(d time.Duration) {
	for name, one := range a {
		if name != pricesAlarm {
			one.at = one.at.Add(d)
			a[name] = one
		}
	}
}

// ring does what is due first.
func (a alarms) ring() {
	first := ""
	for name, one := range a {
		if first == "" || one.at.Before(a[first].at) {
			first = name
		}
	}
	if one := a[first]; first != "" && !time.Now().Before(one.at) {
		delete(a, first)
		one.do()
	}
}
