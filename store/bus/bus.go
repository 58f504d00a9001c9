package bus

import (
	"bytes"
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

// eventsPerCall is how many events one script publishes. Redis does nothing else meanwhile: about
// 10 us for each.
const eventsPerCall = 100

const (
	defaultStreamLength = 50_000
	defaultHistory      = 20_000
	defaultHeartbeat    = time.Second
	// defaultStaleAfter: viewers are promised to know within 3 s.
	defaultStaleAfter = 2800 * time.Millisecond
)

// stateShards is how many channel slots the state topics are spread over in a cluster; a process
// has at most one connection for each.
const stateShards = 16

// Options are the limits of the bus; zero fields take the default.
type Options struct {
	Prefix string // of all names: two installations on one Redis want two; "goalcast"
	// StreamLength is how many events Redis keeps at least, for nodes that start or missed some;
	// 50,000. A match day of 9 matches has about 1,000.
	StreamLength int
	// History is how many of them Listen delivers at the start; 20,000. More than the listener
	// keeps is of no use.
	History int
	// Heartbeat is how often the bus says that it is alive; 1 s.
	Heartbeat time.Duration
	// StaleAfter is the silence after which listeners are told and the connection is replaced; 2.8
	// s.
	StaleAfter time.Duration
}

// Bus carries events, in order, to every process that listens, and the newest values of states to
// those that follow their topic. Any number of processes publish and listen.
type Bus struct {
	redis     *Redis
	options   Options
	names     names
	log       *slog.Logger
	scripts   scripts
	metrics   metrics
	publisher string // the command: PUBLISH or SPUBLISH
	shards    []*stateShard

	mu        sync.Mutex
	listening bool
}

// NewBus makes a bus; it starts nothing.
func New(r *Redis, options Options, log *slog.Logger, reg prometheus.Registerer) *Bus {
	options.StreamLength = cmp.Or(options.StreamLength, defaultStreamLength)
	options.History = cmp.Or(options.History, defaultHistory)
	options.Heartbeat = cmp.Or(options.Heartbeat, defaultHeartbeat)
	options.StaleAfter = cmp.Or(options.StaleAfter, defaultStaleAfter)
	b := &Bus{redis: r, options: options, names: r.names(options.Prefix), log: log, scripts: newScripts(),
		metrics: newMetrics(reg), publisher: "PUBLISH"}
	shards := 1
	if r.cluster {
		b.publisher, shards = "SPUBLISH", stateShards
	}
	for n := range shards {
		b.shards = append(b.shards, &stateShard{bus: b, number: n, followed: map[goalcast.Topic]int{},
			wake: make(chan struct{}, 1)})
	}
	return b
}

// headKeys begin the keys of every script, and scriptArgs its arguments: a random epoch in case
// there is none, and how to publish.
func (b *Bus) headKeys(more ...string) []string {
	return append([]string{b.names.head(), b.names.stream()}, more...)
}

func (b *Bus) scriptArgs(more ...any) []any {
	return append([]any{newEpoch(), b.names.eventChannel(), b.publisher}, more...)
}

// seqsKept is for how many of a match's newest numbers the bus knows which event had them.
const seqsKept = 1000

func newEpoch() string { return strings.ToLower(rand.Text())[:10] }

// The answers of publishScript that are no offset.
const (
	answerDuplicate int64 = 0
	answerHole      int64 = -1
)

// Publish puts committed events on the bus, in order, as they are. Revisions that are there already
// are skipped. An event whose predecessor in its match is not there is held: it and those after it
// in the match come back, and the caller publishes what was missing first. So does any but the
// first event of a match that the bus knows nothing of, since after a wipe the ones before it may
// not have been published. fresh counts the events that the bus did not have. ErrUnavailable: any
// number of them may be published; trying again is safe.
func (b *Bus) Publish(ctx context.Context, events []goalcast.Event) (fresh int, held []goalcast.Event, err error) {
	answers, err := b.publish(ctx, events, false)
	for i, answer := range answers {
		switch answer {
		case answerDuplicate:
		case answerHole:
			held = append(held, events[i])
		default:
			fresh++
		}
	}
	return fresh, held, err
}

// PublishAll is Publish for events that nothing is missing before: none is held.
func (b *Bus) PublishAll(ctx context.Context, events []goalcast.Event) error {
	_, err := b.publish(ctx, events, true)
	return err
}

// publish returns an answer for each event; on an error, for those that were published before it.
func (b *Bus) publish(ctx context.Context, events []goalcast.Event, holes bool) ([]int64, error) {
	mode := "strict"
	if holes {
		mode = "holes"
	}
	if err := b.shutGates(ctx, events); err != nil {
		return nil, err
	}
	var answers []int64
	for chunk := range slices.Chunk(events, eventsPerCall) {
		period := time.Now().UnixMilli() / messageMemory.Milliseconds()
		keys := b.headKeys(b.names.seen(period), b.names.seen(period-1))
		args := b.scriptArgs(b.options.StreamLength, seconds(2*messageMemory), seconds(seqMemory), seqsKept)
		for _, e := range chunk {
			body, err := encode(e)
			if err != nil {
				return answers, fmt.Errorf("publish event %s: %w", e.Key(), err)
			}
			keys = append(keys, b.names.sent(e.Match))
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

// fingerprint distinguishes two events that were given the same number, because the database lost
// the first: it covers all that viewers see of one. What the outbox gives back has the same as what
// was put there. Messages have no number; theirs covers what was said.
func fingerprint(e goalcast.Event) string {
	h := fnv.New64a()
	fmt.Fprint(h, e.ID, "#", e.Revision, e.Kind, e.Status, " ", e.Team, e.Period, " ", e.Minute, e.Second)
	h.Write(e.Message)
	if e.Seq > 0 {
		e.Topics, e.Times = nil, goalcast.Times{} // how it came, and to whom it goes
		if text, err := json.Marshal(e); err == nil {
			h.Write(text)
		}
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// roll begins a new epoch after the bus went back in time. Only what was read from the bus under
// the epoch, up to the cursor, is proof of that.
func (b *Bus) roll(ctx context.Context, seen goalcast.Cursor, always bool) error {
	force := "0"
	if always {
		force = "1"
	}
	args := b.scriptArgs(seen.Epoch, seen.Offset, force)
	n, err := b.scripts.roll.Run(ctx, b.redis.client, b.headKeys(), args...).Int()
	if n == 1 {
		b.log.Warn("the bus went back in time (a failover?): new epoch", "seen", seen.String())
	}
	return wrapRedis("new epoch", err)
}

// heartbeat tells all listeners that the bus is alive, unless another process has just done so.
func (b *Bus) heartbeat(ctx context.Context) error {
	pause := b.options.Heartbeat * 3 / 4 // less than a whole one: the next attempt must not come too early
	keys, args := b.headKeys(b.names.heartbeat()), b.scriptArgs(pause.Milliseconds())
	err := b.scripts.heartbeat.Run(ctx, b.redis.client, keys, args...).Err()
	return wrapRedis("heartbeat", err)
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
	args := []any{newEpoch(), strconv.FormatUint(from, 10), count}
	answer, err := b.scripts.read.Run(ctx, b.redis.client, b.headKeys(), args...).Slice()
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

// decode reads an event. One that this version cannot read is delivered without topics: no viewer
// gets it, and the offsets go on.
func (b *Bus) decode(epoch string, e entry) goalcast.Published {
	p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: epoch, Offset: e.offset}, Raw: json.RawMessage(e.body)}
	if err := json.Unmarshal(p.Raw, &p.Event); err != nil {
		b.log.Error("unreadable event on the bus", "cursor", p.Cursor.String(), "error", err)
		p.Event = goalcast.Event{}
	}
	return p
}

// encode makes JSON of a value. Broken UTF-8, which a RawMessage can carry and WebSockets refuse,
// is replaced.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), err
}

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
