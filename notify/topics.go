package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
)

// A push to a huge audience goes to topics of the push service: one message for each language, to
// whoever listens to any of the event's topics, in the place of one for each phone. Which phone
// listens to what is kept beside its token, and brought in step with what its user follows by one
// process of all (SyncTopics). Whoever plans a push reads it there:
//
//   - A phone that surely listens to one of the topics that its user follows, and whose user has set
//     nothing, gets the push by topic. Every other one gets it by its token.
//   - A phone begins to listen only while none of the topic's pushes can be corrected any more, so
//     that a goal that is taken back is taken back on the phones that were told of it, and on them
//     only. Until then it gets pushes by its token.
//   - A phone that is to listen no more is first noted as one that may, and gets pushes by its token
//     from then on. When all that was planned before has gone out (Config.TopicsGrace), what it got
//     by topic is noted with those batches, whose corrections go to it by its token, and it is told.
//
// So a phone gets each push. In the seconds in which it is told to listen no more it may get one in
// both ways; these have the same tag, and it shows one notification.

// TopicSender is a Sender that can have phones listen to topics.
type TopicSender interface {
	Sender
	// Listen has at most MaxListen phones listen to a topic (goalcast.PushChannel), or no more, and
	// says for each what kept it from that; nil for nothing.
	Listen(ctx context.Context, topic string, tokens []string, on bool) []error
}

// MaxListen is how many phones TopicSender.Listen takes at once: Firebase's limit.
const MaxListen = 1000

// Limits of SyncTopics.
const (
	// TopicsEvery is how often SyncTopics is called, by one process of all.
	TopicsEvery = 5 * time.Second
	// listenRate is how many phones a minute are told to listen to a topic, or no more: Firebase
	// takes 3,000 a second of a project.
	listenRate = 3000 * 60
	// atOnce is how many calls are under way.
	atOnce = 8
	// syncPhones is how many phones are looked at in one step.
	syncPhones = 2000
	// syncAfter is how old a change is that is looked at: two of one millisecond are looked at
	// together.
	syncAfter = 100 * time.Millisecond
	// syncRetry is when a phone is looked at again that has to wait for a push under way.
	syncRetry = time.Second
	// syncRun is how long one SyncTopics goes on at most.
	syncRun = time.Minute
	// syncLater is when a phone is looked at again that cannot listen yet, or could not be told.
	syncLater = time.Minute
	// maxConditionTopics is how many topics a message may go to.
	maxConditionTopics = 5
)

// What keeps a phone from listening.
var (
	// ErrCannotListen is for good: there is no such phone, or it listens to too much.
	ErrCannotListen = errors.New("the phone cannot listen to topics")
	errNoToken      = errors.New("its token cannot be read")
)

// byTopic says whether the push of an event goes to topics.
func (n *Notifier) byTopic(ctx context.Context, topics []goalcast.Topic, kind goalcast.PushKind) (bool, error) {
	if n.cfg.TopicsFrom <= 0 || !kind.Default() || len(topics) > maxConditionTopics ||
		!slices.ContainsFunc(n.services.all, (*service).hasTopics) {
		return false, nil
	}
	return n.store.FollowedBy(ctx, topics, n.cfg.TopicsFrom)
}

func (s *service) hasTopics() bool {
	_, ok := s.sender.(TopicSender)
	return ok
}

// listening says which devices get a push by topic.
func (n *Notifier) listening(ctx context.Context, topics []goalcast.Topic, recipients []goalcast.Recipient,
	devices []int64) (map[int64]bool, error) {
	phones, err := n.store.Listening(ctx, devices)
	if err != nil || len(phones) == 0 {
		return nil, err
	}
	by := make(map[int64]goalcast.TopicPhone, len(phones))
	for _, p := range phones {
		by[p.ID] = p
	}
	out := map[int64]bool{}
	for _, r := range recipients {
		p, ok := by[r.Device]
		of, has := n.services.ofCarrier(r.Carrier)
		if !ok || r.Preferences != nil || !has || !of.hasTopics() {
			continue
		}
		for i, t := range topics {
			if r.Via&(1<<i) != 0 &&
				slices.Contains(p.Topics, goalcast.PushChannel(goalcast.PushLanguage(p.Language), t)) {
				out[r.Device] = true
			}
		}
	}
	return out, nil
}

// toListeners makes the batches of a push to topics: one for each app and language.
func (n *Notifier) toListeners(r *goalcast.PushRecord, now, due time.Time) (batches []goalcast.PushBatch) {
	for _, of := range n.services.all {
		if !of.hasTopics() {
			continue
		}
		for _, language := range goalcast.PushLanguages {
			batches = append(batches, goalcast.PushBatch{ID: batchID(r.Event, r.Base, r.Batches), Event: r.Event,
				Revision: r.Base, Number: r.Batches, Devices: []int64{goalcast.PushListeners}, Service: of.name,
				Language: language, Created: now, Expires: r.Expires, Due: due})
			r.Batches++
		}
	}
	return batches
}

// listeners stands for whoever gets a batch to topics.
func (n *Notifier) listeners(b goalcast.PushBatch) goalcast.Device {
	d := goalcast.Device{ID: goalcast.PushListeners, Language: b.Language, App: b.Service, Proven: true}
	for app, of := range n.services.apps {
		if of.name == b.Service {
			d.App = app
		}
	}
	return d
}

// channels are what a message to a device goes to in the place of its token; none for any but
// listeners.
func channels(d goalcast.Device, language string, topics []goalcast.Topic) []string {
	if d.ID != goalcast.PushListeners {
		return nil
	}
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = goalcast.PushChannel(language, t)
	}
	return out
}

// SyncTopics brings what phones listen to in step with what their users follow. One process of all
// calls it, again and again. What could not be done is tried again at a later call; the error is of
// the database.
func (n *Notifier) SyncTopics(ctx context.Context) error {
	if err := n.letLeave(ctx); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < syncRun; {
		now := n.now()
		phones, err := n.store.TopicPhones(ctx, now.Add(-syncAfter), n.cfg.TopicsFrom <= 0, syncPhones)
		if err != nil || len(phones) == 0 {
			return err
		}
		if err := n.syncPhones(ctx, phones); err != nil {
			return err
		}
	}
	return nil // the rest at the next call
}

// letLeave has phones listen to nothing whose devices are deleted.
func (n *Notifier) letLeave(ctx context.Context) error {
	for {
		phones, err := n.store.TopicLeavers(ctx, syncPhones)
		if err != nil || len(phones) == 0 {
			return err
		}
		calls := listenCalls{}
		for i, p := range phones {
			calls.add(n, p, i, p.Unsure, false)
		}
		failed := n.listen(ctx, phones, calls)
		var done []int64
		for i, p := range phones {
			for topic, err := range failed[i] {
				if errors.Is(err, ErrCannotListen) { // it does not, then
					delete(failed[i], topic)
				}
			}
			if len(failed[i]) == 0 {
				done = append(done, p.ID)
			}
		}
		if err := n.store.ForgetLeavers(ctx, done); err != nil || len(done) < len(phones) {
			return err // the others at the next call
		}
	}
}

// warm are the pushes that went to topics and may still be corrected, by channel.
type warm map[string][]goalcast.TopicPush

func (n *Notifier) warm(ctx context.Context) (warm, error) {
	// A push is planned, and corrected, somewhat later than it is read here.
	pushes, err := n.store.TopicPushes(ctx, n.now().Add(-n.cfg.CorrectionAge-time.Minute))
	w := warm{}
	for _, p := range pushes {
		for _, t := range p.Topics {
			for _, language := range goalcast.PushLanguages {
				channel := goalcast.PushChannel(language, t)
				w[channel] = append(w[channel], p)
			}
		}
	}
	return w, err
}

// listenStep is what is to be done for a phone.
type listenStep struct {
	begin, end []string // what it is told to listen to, and to listen to no more
	held       bool     // it is to listen to more, later
}

// wantedTopics are what a phone is to listen to.
func (n *Notifier) wantedTopics(p goalcast.TopicPhone) (out []string) {
	of, has := n.services.ofCarrier(p.Carrier)
	if n.cfg.TopicsFrom <= 0 || p.Prefers || !p.Proven || p.Token == "" || !has || !of.hasTopics() {
		return nil
	}
	for _, t := range p.Follows {
		out = append(out, goalcast.PushChannel(goalcast.PushLanguage(p.Language), t))
	}
	return out
}

// stepOf says what is to be done for a phone; done if that is nothing but to save it, with Next.
func (n *Notifier) stepOf(p *goalcast.TopicPhone, w warm, now time.Time) (s listenStep, done bool) {
	want := n.wantedTopics(*p)
	unwanted := func(t string) bool { return !slices.Contains(want, t) }
	if slices.ContainsFunc(p.Topics, unwanted) {
		for _, t := range p.Topics {
			if unwanted(t) && !slices.Contains(p.Unsure, t) {
				p.Unsure = append(p.Unsure, t)
			}
		}
		p.Topics = slices.DeleteFunc(p.Topics, unwanted)
		p.Next = now.Add(n.cfg.TopicsGrace).UnixMilli() // from now on it gets pushes by its token
		return s, true
	}
	for _, t := range p.Unsure {
		if unwanted(t) || len(w[t]) > 0 {
			s.end = append(s.end, t)
		}
		if slices.ContainsFunc(w[t], func(push goalcast.TopicPush) bool { return push.Open }) {
			p.Next = now.Add(syncRetry).UnixMilli() // it may be counted on
			return listenStep{}, true
		}
	}
	for _, t := range want {
		switch {
		case slices.Contains(p.Topics, t):
		case len(w[t]) > 0:
			s.held = true
		default:
			s.begin = append(s.begin, t)
		}
	}
	p.Next = 0
	if s.held {
		p.Next = now.Add(syncLater).UnixMilli()
	}
	return s, len(s.begin)+len(s.end) == 0
}

// syncPhones does one step for each of the phones.
func (n *Notifier) syncPhones(ctx context.Context, phones []goalcast.TopicPhone) error {
	w, err := n.warm(ctx)
	if err != nil {
		return err
	}
	var save, work []goalcast.TopicPhone
	var steps []listenStep
	now := n.now()
	for _, p := range phones {
		s, done := n.stepOf(&p, w, now)
		if done {
			save = append(save, p)
			continue
		}
		next := p.Next
		p.Next = p.Due // what it may listen to is noted before it is told
		for _, t := range s.begin {
			if !slices.Contains(p.Unsure, t) {
				p.Unsure = append(p.Unsure, t)
			}
		}
		save = append(save, p)
		p.Next = next
		work, steps = append(work, p), append(steps, s)
	}
	if err := n.store.SavePhoneTopics(ctx, save); err != nil || len(work) == 0 {
		return err
	}
	if err := n.noteReached(ctx, work, steps, w); err != nil {
		return err
	}
	calls := listenCalls{}
	for i, p := range work {
		calls.add(n, p, i, steps[i].end, false)
		calls.add(n, p, i, steps[i].begin, true)
	}
	failed := n.listen(ctx, work, calls)
	if w, err = n.warm(ctx); err != nil { // a push may have been planned meanwhile that did not count on them
		return err
	}
	for i := range work {
		finish(&work[i], steps[i], failed[i], w, now)
	}
	return n.store.SavePhoneTopics(ctx, work)
}

// noteReached notes of phones that listen no more which pushes they may have got by topic.
func (n *Notifier) noteReached(ctx context.Context, phones []goalcast.TopicPhone, steps []listenStep, w warm) error {
	type batch struct{ event, service, language string }
	reached := map[batch][]int64{}
	for i, p := range phones {
		for _, t := range steps[i].end {
			language, _, _ := strings.Cut(t, ".")
			for _, push := range w[t] {
				b := batch{push.Event, n.services.nameOf(p.Carrier), language}
				reached[b] = append(reached[b], p.ID)
			}
		}
	}
	for b, ids := range reached {
		if err := n.store.ReachedByTopic(ctx, b.event, b.service, b.language, ids); err != nil {
			return err
		}
	}
	return nil
}

// finish writes down what became of a phone's step.
func finish(p *goalcast.TopicPhone, s listenStep, failed map[string]error, w warm, now time.Time) {
	know := func(t string) { p.Unsure = slices.DeleteFunc(p.Unsure, func(o string) bool { return o == t }) }
	later := func(d time.Duration) {
		if at := now.Add(d).UnixMilli(); p.Next == 0 || at < p.Next {
			p.Next = at
		}
	}
	for _, t := range s.end {
		if failed[t] != nil && !errors.Is(failed[t], ErrCannotListen) {
			later(syncLater)
			continue
		}
		know(t)
	}
	for _, t := range s.begin {
		switch {
		case errors.Is(failed[t], ErrCannotListen): // it goes on by its token
			know(t)
		case failed[t] != nil:
			later(syncLater)
		case len(w[t]) > 0:
			later(syncRetry)
		default:
			know(t)
			p.Topics = append(p.Topics, t)
		}
	}
}

// listenCall is what phones are told together.
type listenCall struct {
	of    *service
	topic string
	on    bool
}

// listenCalls are the phones to be told, by their places in a list.
type listenCalls map[listenCall][]int

// add says what a phone is to be told. One whose app is not configured any more is told nothing.
func (c listenCalls) add(n *Notifier, p goalcast.TopicPhone, place int, topics []string, on bool) {
	of, has := n.services.ofCarrier(p.Carrier)
	if !has || !of.hasTopics() {
		return
	}
	for _, t := range topics {
		call := listenCall{of, t, on}
		c[call] = append(c[call], place)
	}
}

// listen tells phones, and says what kept each from it, by topic.
func (n *Notifier) listen(ctx context.Context, phones []goalcast.TopicPhone, calls listenCalls) []map[string]error {
	failed := make([]map[string]error, len(phones))
	var mu sync.Mutex
	note := func(call listenCall, place int, err error) {
		mu.Lock()
		defer mu.Unlock()
		result := "listens"
		switch {
		case errors.Is(err, ErrCannotListen):
			result = "refused"
		case err != nil:
			result = "failed"
		case !call.on:
			result = "listens_no_more"
		}
		n.metrics.listens.WithLabelValues(result).Inc()
		if err == nil {
			return
		}
		if failed[place] == nil {
			failed[place] = map[string]error{}
		}
		failed[place][call.topic] = err
	}
	var g errgroup.Group
	g.SetLimit(atOnce)
	for call, all := range calls {
		for places := range slices.Chunk(all, MaxListen) {
			g.Go(func() error {
				var asked []int
				var tokens []string
				for _, place := range places {
					if phones[place].Token == "" {
						note(call, place, errNoToken)
						continue
					}
					asked, tokens = append(asked, place), append(tokens, phones[place].Token)
				}
				if len(tokens) == 0 {
					return nil
				}
				err := n.listenLimit.Wait(ctx, len(tokens))
				errs := slices.Repeat([]error{err}, len(tokens))
				if err == nil {
					errs = call.of.sender.(TopicSender).Listen(ctx, call.topic, tokens, call.on)
				}
				for i, place := range asked {
					note(call, place, errs[i])
				}
				return nil
			})
		}
	}
	_ = g.Wait() // there are no errors but those that are noted
	return failed
}
