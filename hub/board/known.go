package board

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"goalcast"
)

// knower is a source that can list the topics of all its matches. With it, topics that somebody made up cost the source nothing.
type knower interface {
	// Known calls visit for every match, team and competition there is.
	Known(ctx context.Context, visit func(goalcast.Topic)) error
}

// known is all topics that there are matches of. It is guarded by Board.mu.
type known struct {
	topics  map[goalcast.Topic]struct{} // nil: not known
	read    time.Time
	tried   time.Time
	reading []goalcast.Topic // what is heard of while it is read
	busy    bool
	resets  int // a reading begun before a reset is worth nothing
}

const (
	maxKnown    = 1_000_000        // topics; some 40 MB. With more, what is made up is looked for like anything else
	knownAge    = 10 * time.Minute // after which they are read again
	knownRetry  = 5 * time.Second
	knownTime   = 30 * time.Second // for reading them
	knownHeard  = 100_000          // heard of meanwhile
	silentKnown = 10 * time.Second // how long a list is good while the bus is silent
)

// lacks says that a topic certainly has no matches.
func (k *known) lacks(t goalcast.Topic, now time.Time, age time.Duration) bool {
	if k.topics == nil || now.Sub(k.read) > age || t == everything {
		return false
	}
	if t.Kind == goalcast.OddsTopic {
		t = goalcast.ForMatch(goalcast.MatchID(t.ID))
	}
	_, ok := k.topics[t]
	return !ok
}

// heard notes the topics of an event.
func (k *known) heard(e goalcast.Event) {
	if k.topics != nil {
		for _, t := range e.Topics {
			k.topics[t] = struct{}{}
		}
		k.topics[goalcast.ForMatch(e.Match)] = struct{}{}
	}
	if k.busy && len(k.reading) < knownHeard {
		k.reading = append(append(k.reading, e.Topics...), goalcast.ForMatch(e.Match))
	}
}

// forget is for when events were lost.
func (k *known) forget() {
	k.topics, k.tried = nil, time.Time{}
	k.resets++
}

// freshKnownLocked is how old the list of all there is may be now to be believed.
func (b *Board) freshKnownLocked() time.Duration {
	if b.silent {
		return silentKnown
	}
	return 2 * knownAge
}

// learnLocked reads what there is, if the source can tell, unless that is known or being read. It is called when something has to be read that is
// not held.
func (b *Board) learnLocked() {
	source, ok := b.source.(knower)
	now, k := b.now(), &b.known
	age := knownAge
	if b.silent {
		age = silentKnown / 2
	}
	if !ok || k.busy || k.topics != nil && now.Sub(k.read) < age || now.Sub(k.tried) < knownRetry {
		return
	}
	k.busy, k.tried, k.reading = true, now, nil
	go b.learn(source, k.resets, now)
}

// learn reads what there is.
func (b *Board) learn(source knower, resets int, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), knownTime)
	defer cancel()
	topics := make(map[goalcast.Topic]struct{})
	err := source.Known(ctx, func(t goalcast.Topic) {
		if len(topics) <= maxKnown {
			topics[t] = struct{}{}
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	k := &b.known
	k.busy = false
	if err != nil {
		b.log.Warn("list of all matches", "err", err)
		return
	}
	if k.resets != resets || len(topics) > maxKnown || len(k.reading) >= knownHeard {
		return
	}
	for _, t := range k.reading {
		topics[t] = struct{}{}
	}
	k.topics, k.read, k.reading = topics, began, nil
}

// Lacks says that there certainly is no match of a topic.
func (b *Board) Lacks(t goalcast.Topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learnLocked()
	return b.known.lacks(t, b.now(), b.freshKnownLocked())
}

// A customer may ask for some topics that do not exist (a link to a match that was removed), but not as
// fast as a machine makes them up: each costs little, thousands a second do not.
const (
	madeUpRate  = 200 // a second
	madeUpBurst = 2_000
	maxAskers   = 10_000 // addresses that are counted at one time
)

// Admit counts the topics that certainly do not exist against the address for which they are asked
// (ForAddress), and says whether it may have them.
func (b *Board) Admit(ctx context.Context, topics []goalcast.Topic) bool {
	asker, ok := ctx.Value(askerKey{}).(netip.Addr)
	if !ok {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, age, n := b.now(), b.freshKnownLocked(), 0
	for _, t := range topics {
		if b.known.lacks(t, now, age) {
			n++
		}
	}
	if n == 0 {
		return true
	}
	l := b.madeUp[asker]
	if l == nil {
		b.forgetAskersLocked(now)
		l = rate.NewLimiter(madeUpRate, madeUpBurst)
		b.madeUp[asker] = l
	}
	return l.AllowN(now, min(n, madeUpBurst))
}

// forgetAskersLocked makes room: those who have not asked for a while go, or any if all have; a tenth at a time, so that the search is rare.
func (b *Board) forgetAskersLocked(now time.Time) {
	if len(b.madeUp) < maxAskers {
		return
	}
	for asker, l := range b.madeUp {
		if l.TokensAt(now) >= madeUpBurst {
			delete(b.madeUp, asker)
		}
	}
	for asker := range b.madeUp {
		if len(b.madeUp) < maxAskers*9/10 {
			return
		}
		delete(b.madeUp, asker)
	}
}
