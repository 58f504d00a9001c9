package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// eventsPerCall is how many events one script publishes: Redis does nothing else meanwhile, about 10 us each.
const eventsPerCall = 100

// seqMemory is how long the bus knows what it was sent of a match; after that, as after a wipe, the outbox is asked.
const seqMemory = 7 * 24 * time.Hour

// stateMemory is how long the values of a topic are kept after the last change.
const stateMemory = 48 * time.Hour

// stateShards is over how many channels' slots the state topics are spread on a cluster; a process has at most one connection for each.
const stateShards = 16

// defaultPrefix begins all keys in Redis, unless another is chosen.
const defaultPrefix = "goalcast"

// BusOptions are the limits of the bus; zero fields take the default.
type BusOptions struct {
	Prefix string // of all keys and channels: two installations on one Redis want two; "goalcast"
	// StreamLength is how many events Redis keeps at least, for nodes that start or have missed some; 50,000. A match day of 9 matches
	// makes about 1,000.
	StreamLength int
	// History is how many of them Listen hands to its listener at the start; 20,000. More than the listener keeps is of no use.
	History int
	// Remember is for how long, at least, the same message is not published twice; 24 h. For events of a match it is 7 days after the last one.
	Remember time.Duration
	// Beat is how often the bus says that it is alive; 1 s.
	Beat time.Duration
	// StaleAfter is after how much silence listeners are told, and the connection is made anew; 2.8 s: viewers are promised to know within 3.
	StaleAfter time.Duration
}

// Bus carries events, in order, to every process that listens, and the newest values of states to those that follow their topic. See
// scripts.go for the keys. Any number of processes publish and listen.
type Bus struct {
	redis   *Redis
	options BusOptions
	log     *slog.Logger
	scripts scripts
	metrics busMetrics
	publish string // the command: PUBLISH or SPUBLISH
	shards  []*stateShard

	mu        sync.Mutex
	listening bool
}

// NewBus makes a bus; it starts nothing.
func NewBus(r *Redis, options BusOptions, log *slog.Logger, reg prometheus.Registerer) *Bus {
	options.Prefix = cmp.Or(options.Prefix, defaultPrefix)
	options.StreamLength = cmp.Or(options.StreamLength, 50_000)
	options.History = cmp.Or(options.History, 20_000)
	options.Remember = cmp.Or(options.Remember, 24*time.Hour)
	options.Beat = cmp.Or(options.Beat, time.Second)
	options.StaleAfter = cmp.Or(options.StaleAfter, 2800*time.Millisecond)
	b := &Bus{redis: r, options: options, log: log, scripts: newScripts(), metrics: newBusMetrics(reg), publish: "PUBLISH"}
	shards := 1
	if r.cluster {
		b.publish, shards = "SPUBLISH", stateShards
	}
	for n := range shards {
		b.shards = append(b.shards, &stateShard{bus: b, number: n, followed: map[goalcast.Topic]int{}, wake: make(chan struct{}, 1)})
	}
	return b
}

// key names a key or channel of the events.
func (b *Bus) key(name string) string { return "{" + b.options.Prefix + "}:" + name }

// channel names the channel of the events. Channels know no database number, so that it is part of the name.
func (b *Bus) channel() string { return b.key(b.database() + "events") }

func (b *Bus) database() string {
	if b.redis.db == 0 {
		return ""
	}
	return fmt.Sprintf("db%d:", b.redis.db)
}

// headKeys begin the keys of every script, and scriptArgs its arguments: a random epoch in case that there is none, and how to publish.
func (b *Bus) headKeys(more ...string) []string {
	return append([]string{b.key("head"), b.key("stream")}, more...)
}

func (b *Bus) scriptArgs(more ...any) []any {
	return append([]any{newEpoch(), b.channel(), b.publish}, more...)
}

func newEpoch() string { return strings.ToLower(rand.Text())[:10] }

// HoleError says that an event was not published since an earlier one of its match was not. Relay fills the hole from the outbox.
type HoleError struct {
	Event goalcast.Event
}

func (e *HoleError) Error() string {
	return fmt.Sprintf("event %s of match %d: the one before seq %d is not published", e.Event.Key(), e.Event.Match, e.Event.Seq)
}

// Publish puts events on the bus, in order, as they are. Revisions that are there already are passed over; an event that leaves a hole in its match's
// sequence is refused with a HoleError, and the others of the call are published. ErrUnavailable: any number of them may be published; trying again is safe.
//
// Ingest publishes through Relay, which knows the outbox; this is for what has none.
func (b *Bus) Publish(ctx context.Context, events []goalcast.Event) error {
	answers, err := b.publishAll(ctx, events, modeAny)
	if err != nil {
		return err
	}
	if i := slices.Index(answers, answerHole); i >= 0 {
		return &HoleError{events[i]}
	}
	return nil
}

// The modes of publishScript and its answers that are no offset.
const (
	modeAny    = "any"
	modeStrict = "strict"
	modeForce  = "force"

	answerDuplicate int64 = 0
	answerHole      int64 = -1
)

// publishAll returns an answer for each event; on an error, for those that were published before it.
func (b *Bus) publishAll(ctx context.Context, events []goalcast.Event, mode string) ([]int64, error) {
	var answers []int64
	for chunk := range slices.Chunk(events, eventsPerCall) {
		period := time.Now().UnixMilli() / b.options.Remember.Milliseconds()
		keys := b.headKeys(b.key("seen:"+strconv.FormatInt(period, 10)), b.key("seen:"+strconv.FormatInt(period-1, 10)))
		args := b.scriptArgs(b.options.StreamLength, 2*seconds(b.options.Remember), seconds(seqMemory))
		for _, e := range chunk {
			body, err := jsonText(e)
			if err != nil {
				return answers, fmt.Errorf("publish event %s: %w", e.Key(), err)
			}
			keys = append(keys, b.key("sent:"+strconv.FormatInt(int64(e.Match), 10)))
			args = append(args, e.Key(), fingerprint(e), e.Seq, mode, body)
		}
		got, err := b.scripts.publish.Run(ctx, b.redis.client, keys, args...).Int64Slice()
		if err != nil {
			return answers, wrapRedis("publish events", err)
		}
		if len(got) != len(chunk) {
			return answers, fmt.Errorf("publish events: %d answers for %d events", len(got), len(chunk))
		}
		b.metrics.count(got)
		answers = append(answers, got...)
	}
	return answers, nil
}

// fingerprint tells two events apart that were given the same number, one of which the database has lost. It is of what makes an event that event, and of
// nothing that reading it back from the outbox might write in another way.
func fingerprint(e goalcast.Event) string {
	h := fnv.New64a()
	fmt.Fprint(h, e.ID, "#", e.Revision, e.Kind, e.Status, " ", e.Team, e.Period, " ", e.Minute, e.Second)
	h.Write(e.Message)
	return strconv.FormatUint(h.Sum64(), 36)
}

// roll begins a new epoch after the bus went back in time. Only what was read from the bus under the epoch, up to the cursor, is proof of that.
func (b *Bus) roll(ctx context.Context, seen goalcast.Cursor, always bool) error {
	force := "0"
	if always {
		force = "1"
	}
	n, err := b.scripts.roll.Run(ctx, b.redis.client, b.headKeys(), b.scriptArgs(seen.Epoch, seen.Offset, force)...).Int()
	if n == 1 {
		b.log.Warn("the bus went back in time (a failover?): new epoch", "seen", seen.String())
	}
	return wrapRedis("new epoch", err)
}

// beat tells all listeners that the bus is alive, unless another process has just done so.
func (b *Bus) beat(ctx context.Context) error {
	quiet := b.options.Beat * 3 / 4 // less than a whole one: the next attempt must not come too early
	err := b.scripts.beat.Run(ctx, b.redis.client, b.headKeys(b.key("beat")), b.scriptArgs(quiet.Milliseconds())...).Err()
	return wrapRedis("beat", err)
}

// page is a piece of the stream.
type page struct {
	head    goalcast.Cursor // the newest event's place
	entries []entry
}

// entry is an event as it is on the bus.
type entry struct {
	offset uint64
	body   string
}

// read returns events from an offset on, and the head, at one moment.
func (b *Bus) read(ctx context.Context, from uint64, count int) (page, error) {
	answer, err := b.scripts.read.Run(ctx, b.redis.client, b.headKeys(), newEpoch(), strconv.FormatUint(from, 10), count).Slice()
	if err != nil {
		return page{}, wrapRedis("read the stream", err)
	}
	var p page
	bad := func() (page, error) { return page{}, fmt.Errorf("read the stream: unexpected answer %.200v", answer) }
	if len(answer) != 3 {
		return bad()
	}
	epoch, ok1 := answer[0].(string)
	offset, ok2 := answer[1].(int64)
	list, ok3 := answer[2].([]any)
	if !ok1 || !ok2 || !ok3 {
		return bad()
	}
	p.head = goalcast.Cursor{Epoch: epoch, Offset: uint64(offset)}
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return bad()
		}
		id, _ := pair[0].(string)
		fields, _ := pair[1].([]any)
		place, _, _ := strings.Cut(id, "-")
		n, err := strconv.ParseUint(place, 10, 64)
		if err != nil || len(fields) != 2 {
			return bad()
		}
		body, _ := fields[1].(string)
		p.entries = append(p.entries, entry{n, body})
	}
	return p, nil
}

// decode reads an event. One that this version cannot read is passed on without topics: nobody gets it, and the offsets go on.
func (b *Bus) decode(epoch string, e entry) goalcast.Published {
	p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: epoch, Offset: e.offset}, Raw: json.RawMessage(e.body)}
	if err := json.Unmarshal(p.Raw, &p.Event); err != nil {
		b.log.Error("unreadable event on the bus", "cursor", p.Cursor.String(), "error", err)
		p.Event = goalcast.Event{}
	}
	return p
}

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
