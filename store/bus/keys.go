package bus

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"goalcast"
)

// names spells every key, channel and queue that goalcast has in Redis; nothing else does. Keys
// lists them for people.
//
// The braces are a hash tag: a cluster keeps what has the same tag in one place, so that a script
// may touch it all.
type names struct {
	prefix string // of the installation
	db     int    // number of the database; channels know none, so that it is part of their names
}

// defaultPrefix begins all names, unless another is chosen.
const defaultPrefix = "goalcast"

func (n names) of(name string) string { return "{" + n.prefix + "}:" + name }

func (n names) head() string                       { return n.of("head") }
func (n names) stream() string                     { return n.of("stream") }
func (n names) heartbeat() string                  { return n.of("beat") }
func (n names) seen(period int64) string           { return n.of(fmt.Sprintf("seen:%d", period)) }
func (n names) sent(match goalcast.MatchID) string { return n.of(fmt.Sprintf("sent:%d", match)) }
func (n names) eventChannel() string               { return n.of(n.database() + "events") }

// state names the hash of a topic, and stateChannel its channel. Each shard has a tag of its own.
func (n names) state(shard int, t goalcast.Topic) string {
	return fmt.Sprintf("{%s:s%d}:state:%s", n.prefix, shard, t)
}

func (n names) stateChannel(shard int, t goalcast.Topic) string {
	return fmt.Sprintf("{%s:s%d}:%sstate:%s", n.prefix, shard, n.database(), t)
}

// stateTopic reads the topic from the name of its channel.
func stateTopic(channel string) (goalcast.Topic, error) {
	_, topic, _ := strings.Cut(channel, ":state:")
	return goalcast.ParseTopic(topic)
}

func (n names) database() string {
	if n.db == 0 {
		return ""
	}
	return fmt.Sprintf("db%d:", n.db)
}

// ticket names a ticket by its place among its user's, and tickets those.
func (n names) ticket(place string) string          { return n.of("ticket:" + place) }
func (n names) tickets(user goalcast.UserID) string { return n.of("tickets:" + string(user)) }
func (n names) dropped() string                     { return n.of("tickets-dropped") }

// audience names what a node told of its viewers, and audiences the nodes; session names a session
// of the operator's page.
func (n names) audience(node string) string  { return n.of("viewers:" + node) }
func (n names) audiences() string            { return n.of("viewers") }
func (n names) session(digest string) string { return n.of("session:" + digest) }

// answer names what the database said to a question, answering the lease of the process that asks
// it, changed the last change of what a group of answers is about, and answers all that are kept.
func (n names) answer(group, key string) string    { return n.of("answer:" + group + "/" + key) }
func (n names) answering(group, key string) string { return n.of("answering:" + group + "/" + key) }
func (n names) changed(group string) string        { return n.of("changed:" + group) }
func (n names) answers() string                    { return n.of("answers") }

// rate names a shared limit. The limiter's library puts "rate:" in front.
func (n names) rate(limit string) string { return n.of(limit) }

// shown names who has shown a revision of an event. It has no tag, so that a cluster spreads them.
func (n names) shown(event string) string { return n.prefix + ":shown:" + event }

// limit names a limit of one user or address, likewise. It has no tag: a cluster spreads them over
// its nodes, of which one has the events.
func (n names) limit(key string) string { return n.prefix + ":limit:" + key }

// queue names a queue, and ownQueue is its inverse: false for a queue of another installation.
// asynq's keys have no prefix of ours, so that the queue's name has it, unless it is the default
// one.
func (n names) queue(name string) string { return n.queuePrefix() + name }

func (n names) ownQueue(full string) (name string, ours bool) {
	name, ours = strings.CutPrefix(full, n.queuePrefix())
	return name, ours && strings.Count(name, ".") == 1
}

func (n names) queuePrefix() string {
	if n.prefix == defaultPrefix {
		return ""
	}
	return n.prefix + "."
}

// How long Redis keeps what the bus wrote, after the last write.
const (
	// messageMemory is for how long, at least, the same message is not published twice.
	messageMemory = 24 * time.Hour
	// seqMemory is how long the bus knows what was published of a match; after that, as after a
	// wipe, the outbox is asked.
	seqMemory = 7 * 24 * time.Hour
	// stateMemory is how long the values of a topic are kept.
	stateMemory = 48 * time.Hour
)

// Key is a kind of key or channel in Redis.
type Key struct {
	Name  string // in capitals what differs from one to the next
	Type  string // in Redis' words
	Owner string // the type of this package that alone touches it
	Holds string
	Bound string        // how many there are, or how large it gets
	TTL   time.Duration // after the last write, at most; 0: it does not expire, unless Life says otherwise
	Life  string        // where a library decides
}

// Keys lists all that goalcast has in Redis. A test holds it against a server, and
// docs/redis.md against it.
func Keys() []Key {
	return []Key{
		{Name: "{PREFIX}:head", Type: "hash", Owner: "Bus",
			Holds: "the epoch, and the offset of the newest event", Bound: "one"},
		{Name: "{PREFIX}:stream", Type: "stream", Owner: "Bus",
			Holds: "the newest events, as JSON, by offset",
			Bound: fmt.Sprintf("one, of %d events and up to 100 more", defaultStreamLength)},
		{Name: "{PREFIX}:sent:MATCH", Type: "hash", Owner: "Bus",
			Holds: "which of the match's numbers are published; of the newest, which event had it in which epoch",
			Bound: fmt.Sprintf("one per match, of %d numbers", seqsKept), TTL: seqMemory},
		{Name: "{PREFIX}:seen:PERIOD", Type: "set", Owner: "Bus",
			Holds: "editors' messages that were published on a day", Bound: "three at most", TTL: 2 * messageMemory},
		{Name: "{PREFIX}:beat", Type: "string", Owner: "Bus",
			Holds: "the right to send the heartbeat for all processes", Bound: "one", TTL: defaultHeartbeat},
		{Name: "{PREFIX}:[dbN:]events", Type: "channel", Owner: "Bus",
			Holds: "each event with its offset, and the heartbeat", Bound: "one"},
		{Name: "{PREFIX:sSHARD}:state:TOPIC", Type: "hash", Owner: "Bus",
			Holds: "the newest value of each key of a topic", Bound: "one per topic that had a value",
			TTL: stateMemory},
		{Name: "{PREFIX:sSHARD}:[dbN:]state:TOPIC", Type: "channel", Owner: "Bus",
			Holds: "new values", Bound: "one per topic that is followed"},
		{Name: "rate:{PREFIX}:LIMIT", Type: "string", Owner: "Rate",
			Holds: "how much of a limit that processes share is used",
			Bound: "one per limit (`fcm:PROJECT`, `webpush:HOST`)",
			Life:  "when a full burst may go again"},
		{Name: "rate:PREFIX:limit:WHOSE", Type: "string", Owner: "Limiter",
			Holds: "how much of its limits a user or address has used (hash of the user; IPv4, or 64 bits of IPv6)",
			Bound: "one per user and address that asks for more than a little", Life: "when a full burst may go again"},
		{Name: "{PREFIX}:ticket:once:DIGEST, {PREFIX}:ticket:stream:DIGEST", Type: "string", Owner: "Tickets",
			Holds: "who shows a ticket to follow matches live; never the ticket itself", Bound: "20 per user",
			TTL: maxTicketLife},
		{Name: "{PREFIX}:tickets:USER", Type: "zset", Owner: "Tickets", Holds: "the tickets of a user, by their end",
			Bound: "one per user who has any", TTL: maxTicketLife},
		{Name: "{PREFIX}:tickets-dropped", Type: "zset", Owner: "Tickets",
			Holds: "whose tickets were revoked, by when", Bound: "those of a quarter of an hour", TTL: droppedMemory},
		{Name: "{PREFIX}:viewers", Type: "zset", Owner: "Bus", Holds: "the nodes that have viewers, by when they told",
			Bound: "one", TTL: audienceLife},
		{Name: "{PREFIX}:viewers:NODE", Type: "string", Owner: "Bus",
			Holds: "how many viewers a node has, and which topics most of them follow, as JSON",
			Bound: "one per node, of up to 200 topics", TTL: audienceLife},
		{Name: "{PREFIX}:session:DIGEST", Type: "string", Owner: "Sessions",
			Holds: "a session of the operator's page, which only its cookie can open",
			Bound: "one per login", TTL: maxSessionLife},
		{Name: "PREFIX:shown:EVENT", Type: "set", Owner: "Seen",
			Holds: "which phones have shown a revision of an event on a live connection (hash of user and device)",
			Bound: "one per revision of the last minute, of one entry per phone that says so", TTL: seenLife},
		{Name: "{PREFIX}:answer:QUESTION", Type: "hash", Owner: "Answers",
			Holds: "what the database said: tables, squads, commentary, far days; packed, and the change it is after",
			Bound: fmt.Sprintf("%d at most, of %d kB at most", maxAnswers, maxAnswer>>10), TTL: maxAnswerLife},
		{Name: "{PREFIX}:answering:QUESTION", Type: "string", Owner: "Answers",
			Holds: "the right to ask the database for all processes", Bound: "one per question that is being asked",
			TTL: answerLease},
		{Name: "{PREFIX}:answers", Type: "zset", Owner: "Answers", Holds: "the answers that are kept, by their end",
			Bound: "one", TTL: maxAnswerLife},
		{Name: "{PREFIX}:changed:GROUP", Type: "string", Owner: "Answers",
			Holds: "a mark of the last change of tables, squads or a commentary",
			Bound: "one per competition or match that changed", TTL: changeMemory},
		{Name: "asynq:{[PREFIX.]OWNER.urgent|default}:*", Type: "several", Owner: "Queue (asynq)",
			Holds: "tasks that wait, run, are to be tried again or were given up",
			Bound: "what is enqueued; 10,000 that were given up",
			Life:  "a task when it is done; 90 days after it was given up"},
		{Name: "asynq:queues, asynq:servers, asynq:servers:*, asynq:workers, asynq:workers:*", Type: "several",
			Owner: "Queue (asynq)", Holds: "which queues, processes and workers there are", Bound: "a few per process",
			Life: "seconds after a process ends; the queues' names never"},
	}
}

// FindKey finds the kind of a key or channel that an installation with the prefix has, by its name,
// for who looks through a Redis. An error says that there is no such kind.
func FindKey(prefix, name string) (Key, error) {
	for _, k := range Keys() {
		if regexp.MustCompile(k.pattern(prefix)).MatchString(name) {
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("%s is not listed", name)
}

// pattern is what the names of a key look like, under one prefix.
func (k Key) pattern(prefix string) string {
	var names []string
	for name := range strings.SplitSeq(k.Name, ", ") {
		name = strings.ReplaceAll(regexp.QuoteMeta(name), `\*`, `.*`)
		names = append(names, strings.NewReplacer(
			`\[PREFIX\.\]`, `(`+prefix+`\.)?`, `PREFIX`, prefix, `\[dbN:\]`, `(db\d+:)?`, `SHARD`, `\d+`, `MATCH`,
			`\d+`, `PERIOD`, `\d+`, `NODE`, `[A-Za-z0-9._-]+`, `DIGEST`, `[A-Za-z0-9_-]+`, `USER`, `[A-Za-z0-9_:-]+`,
			`QUESTION`, `[a-z:\d]+/.*`, `EVENT`, `\d+/.+#\d+`, `GROUP`, `[a-z:\d]+`,
			`TOPIC`, `[a-z]+:\d+`, `LIMIT`, `[a-z]+:.+`, `WHOSE`, `[a-z]+:.+`, `OWNER\.urgent\|default`,
			`[a-z]+\.(urgent|default)`).Replace(name))
	}
	return `^(` + strings.Join(names, `|`) + `)$`
}
