package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

// SetState stores the newest values and publishes them. Values older than what the bus has are
// dropped. Versions must not be negative. ErrUnavailable: some may have been published; trying
// again is safe.
func (b *Bus) SetState(ctx context.Context, states []goalcast.State) error {
	byTopic := map[goalcast.Topic][]any{}
	var topics []goalcast.Topic
	for _, s := range states {
		body, err := encode(s)
		if err != nil {
			return fmt.Errorf("state %s of %s: %w", s.Key, s.Topic, err)
		}
		if !s.Listed() {
			return fmt.Errorf("state %s of %s: %w: not among goalcast.TopicKinds", s.Key, s.Topic,
				goalcast.ErrPermanent)
		}
		if s.Topic.Kind.StatesOnly() {
			return fmt.Errorf("state %s of %s: %w: prices go by PublishOdds", s.Key, s.Topic, goalcast.ErrPermanent)
		}
		if s.Version < 0 {
			return fmt.Errorf("state %s of %s: %w: negative version", s.Key, s.Topic, goalcast.ErrPermanent)
		}
		if byTopic[s.Topic] == nil {
			topics = append(topics, s.Topic)
		}
		byTopic[s.Topic] = append(byTopic[s.Topic], s.Key, versionText(s.Version), body)
	}
	// One topic after the other: on a cluster they are in different places.
	for _, t := range topics {
		args := append([]any{b.stateChannel(t), b.publisher, seconds(stateMemory)}, byTopic[t]...)
		n, err := b.scripts.state.Run(ctx, b.redis.client, []string{b.stateKey(t)}, args...).Int()
		if err != nil {
			return wrapRedis("set states", err)
		}
		b.metrics.states.Add(float64(n))
	}
	return nil
}

// versionText is a version as text that sorts like the number: Lua's numbers are exact up to 2^53
// only.
func versionText(v int64) string { return fmt.Sprintf("%019d", v) }

// shardOf chooses the topic's shard by its id: the ids of one day's matches are spread well enough.
func (b *Bus) shardOf(t goalcast.Topic) *stateShard {
	return b.shards[uint64(t.ID)%uint64(len(b.shards))]
}

func (b *Bus) stateKey(t goalcast.Topic) string { return b.names.state(b.shardOf(t).number, t) }

func (b *Bus) stateChannel(t goalcast.Topic) string {
	return b.names.stateChannel(b.shardOf(t).number, t)
}

// States returns the newest values of a topic, by key.
func (b *Bus) States(ctx context.Context, t goalcast.Topic) ([]goalcast.State, error) {
	return b.latest(ctx, t)
}

// latest returns the newest values of topics, topic by topic, by key. It asks once for all.
func (b *Bus) latest(ctx context.Context, topics ...goalcast.Topic) ([]goalcast.State, error) {
	pipe := b.redis.client.Pipeline()
	answers := make([]*redis.MapStringStringCmd, len(topics))
	for i, t := range topics {
		answers[i] = pipe.HGetAll(ctx, b.stateKey(t))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, wrapRedis(fmt.Sprintf("states of %s", topics[0]), err)
	}
	var list []goalcast.State
	for i, t := range topics {
		list = append(list, b.readStates(t, answers[i].Val())...)
	}
	return list, nil
}

// readStates reads the hash of a topic, by key.
func (b *Bus) readStates(t goalcast.Topic, values map[string]string) (list []goalcast.State) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key == fenceKey || key == beatKey {
			continue
		}
		_, body, _ := strings.Cut(values[key], " ")
		var s goalcast.State
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			b.log.Error("unreadable state on the bus", "topic", t.String(), "key", key, "error", err)
			continue
		}
		list = append(list, s)
	}
	return list
}

// Follow subscribes the listener to a topic's states and returns the newest ones. unfollow ends
// that, once; a value that is on its way may still come. A topic stays subscribed until everyone
// who follows it has ended. With an error nothing is followed, and unfollow is nil.
func (b *Bus) Follow(ctx context.Context, t goalcast.Topic) (newest []goalcast.State, unfollow func(), err error) {
	unfollow = b.shardOf(t).follow(ctx, t)
	if newest, err = b.latest(ctx, t); err != nil {
		unfollow()
		return nil, nil, err
	}
	return newest, unfollow, nil
}

// stateShard is a connection for state topics. They have their own, apart from the events', so that
// a flood of prices delays no goal; in a cluster there is one for each node's share.
type stateShard struct {
	bus    *Bus
	number int
	wake   chan struct{} // holds a token when a first topic was followed

	mu        sync.Mutex
	followed  map[goalcast.Topic]int // how often
	conn      *redis.PubSub          // while there is one
	confirmed []goalcast.Topic       // subscribed to, and not looked at since
}

// latestTopics is how many topics are read in one request.
const latestTopics = 100

// follow counts one follower of a topic until unfollow is called.
func (s *stateShard) follow(ctx context.Context, t goalcast.Topic) (unfollow func()) {
	s.mu.Lock()
	s.followed[t]++
	first, conn := s.followed[t] == 1, s.conn
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if first && conn != nil {
		// a broken connection is replaced by run, which subscribes to all
		_ = s.bus.subscribe(ctx, conn, s.bus.stateChannel(t))
	}
	return sync.OnceFunc(func() { s.unfollow(t) })
}

func (s *stateShard) unfollow(t goalcast.Topic) {
	s.mu.Lock()
	s.followed[t]--
	last, conn := s.followed[t] <= 0, s.conn
	if last {
		delete(s.followed, t)
	}
	s.mu.Unlock()
	if !last || conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), redisTimeout)
	defer cancel()
	if s.bus.redis.cluster {
		_ = conn.SUnsubscribe(ctx, s.bus.stateChannel(t))
	} else {
		_ = conn.Unsubscribe(ctx, s.bus.stateChannel(t))
	}
}

// run waits for a first topic and then keeps a connection, for the listener of r.
func (s *stateShard) run(ctx context.Context, r *reader) error {
	s.mu.Lock()
	idle := len(s.followed) == 0
	s.mu.Unlock()
	if idle {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
	}
	return s.bus.again(ctx, "bus, states", func(ctx context.Context) (bool, error) { return s.session(ctx, r) })
}

// attach makes the connection the one that follow and unfollow use, and lists the channels to begin
// with.
func (s *stateShard) attach(conn *redis.PubSub) (channels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.confirmed = conn, nil
	for t := range s.followed {
		channels = append(channels, s.bus.stateChannel(t))
	}
	return channels
}

// session subscribes to all followed topics and delivers until something breaks. A ping each second
// distinguishes a silent topic from a dead connection.
func (s *stateShard) session(ctx context.Context, r *reader) (up bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, done := s.bus.open(ctx)
	defer done()
	channels := s.attach(conn)
	defer s.attach(nil)
	if len(channels) > 0 {
		if err := s.bus.subscribe(ctx, conn, channels...); err != nil {
			return false, wrapRedis("subscribe to states", err)
		}
	}
	look := make(chan struct{}, 1) // holds a token while there may be something confirmed
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		t := time.NewTicker(s.bus.options.Heartbeat)
		defer t.Stop()
		for {
			if err := conn.Ping(ctx); err != nil {
				conn.Close()
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
			}
		}
	})
	g.Go(func() error {
		for {
			message, err := conn.ReceiveTimeout(ctx, s.bus.options.StaleAfter)
			if err != nil {
				return wrapRedis("receive states", err)
			}
			up = true
			switch m := message.(type) {
			case *redis.Subscription:
				if s.moved(m) {
					return errMoved
				}
				if s.confirm(m) {
					select {
					case look <- struct{}{}:
					default:
					}
				}
			case *redis.Message:
				s.message(r, m)
			}
		}
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-look:
				if err := s.look(ctx, r); err != nil {
					conn.Close()
					return err
				}
			}
		}
	})
	err = g.Wait()
	return up, err
}

// moved says whether a node of a cluster has ended a subscription that is wanted. It may be one
// that was ended here and wanted again before the answer came: then the connection is replaced for
// nothing.
func (s *stateShard) moved(m *redis.Subscription) bool {
	topic, err := stateTopic(m.Channel)
	if err != nil || m.Kind != "sunsubscribe" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followed[topic] > 0
}

// confirm notes a topic whose subscription is confirmed, if that is what the answer says. Its
// newest values have to be read: some may have been published between the last read and now.
func (s *stateShard) confirm(m *redis.Subscription) bool {
	topic, err := stateTopic(m.Channel)
	if err != nil || !strings.HasSuffix(m.Kind, "subscribe") || strings.HasSuffix(m.Kind, "unsubscribe") {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = append(s.confirmed, topic)
	return true
}

// look delivers the newest values of topics whose subscriptions were confirmed, many at a time,
// while another goroutine reads the connection.
func (s *stateShard) look(ctx context.Context, r *reader) error {
	for {
		s.mu.Lock()
		topics := s.confirmed[:min(len(s.confirmed), latestTopics)]
		s.confirmed = s.confirmed[len(topics):]
		s.mu.Unlock()
		if len(topics) == 0 {
			return nil
		}
		if err := s.read(ctx, r, topics); err != nil {
			return err
		}
	}
}

func (s *stateShard) read(ctx context.Context, r *reader, topics []goalcast.Topic) error {
	r.beginReading(topics)
	defer r.endReading(topics)
	list, err := s.bus.latest(ctx, topics...)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if s.isFollowed(t) {
			r.reread(t, of(t, list))
		}
	}
	return nil
}

// of gives the states of one topic, which stand together.
func of(t goalcast.Topic, list []goalcast.State) []goalcast.State {
	from := slices.IndexFunc(list, func(s goalcast.State) bool { return s.Topic == t })
	if from < 0 {
		return nil
	}
	list = list[from:]
	if upto := slices.IndexFunc(list, func(s goalcast.State) bool { return s.Topic != t }); upto >= 0 {
		list = list[:upto]
	}
	return list
}

// message delivers states.
func (s *stateShard) message(r *reader, m *redis.Message) {
	for line := range strings.SplitSeq(m.Payload, "\n") {
		var state goalcast.State
		if err := json.Unmarshal([]byte(line), &state); err != nil {
			s.bus.log.Error("unreadable state on the bus", "channel", m.Channel, "error", err)
			continue
		}
		if s.isFollowed(state.Topic) {
			r.state(state)
		}
	}
}

func (s *stateShard) isFollowed(t goalcast.Topic) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followed[t] > 0
}
