package hub

import (
	"math/bits"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// batchBuckets counts writes by how many frames went out in one: 1, 2-3, 4-7, ... 512 and more.
const batchBuckets = 10

func batchBucket(frames int) int { return min(max(bits.Len(uint(frames))-1, 0), batchBuckets-1) }

// shardStats are a shard's counters: plain numbers that only its goroutine touches, copied out before it sleeps.
type shardStats struct {
	connections   [transports]int64
	subscriptions int64
	topics        int64
	pending       int64 // bytes in lists
	bytes         int64
	messages      [classes]int64
	heard         [heardKinds]int64
	closed        tally
	batches       [batchBuckets]int64
	batchFrames   int64
	pace          time.Duration // least time between the last two rounds of states
}

// closings are the reasons for which connections end, as labels.
var closings = [...]string{"gone", "client", "drain", "too_slow", "stalled", "no_pong", "protocol", "rate", "too_big", "answered", "shutdown", "error", "unavailable"}

// tally counts closings.
type tally [len(closings)]int64

func (t *tally) add(label string) {
	for i, name := range closings {
		if name == label {
			t[i]++
		}
	}
}

// published is the copy of a shard's counters that the collector reads.
type published struct {
	mu    sync.Mutex
	stats shardStats
}

func (s *shard) publishStats() {
	s.stats.topics = int64(len(s.topics))
	s.published.mu.Lock()
	s.published.stats = s.stats
	s.published.mu.Unlock()
}

// metrics are the hub's figures. Those of shards are collected when they are asked for.
type metrics struct {
	hub        *Hub
	handshakes [transports]prometheus.Counter
	refused    *prometheus.CounterVec
	resumes    *prometheus.CounterVec
	deflate    prometheus.Counter
	lateIntros prometheus.Counter
	write      prometheus.Histogram
	age        [3]prometheus.Observer

	connections, subscriptions, topics, pending, bytes, messages, heard, closed, batches, stale, ringEvents, ringBytes, droppedStates, deflated, pace, refresh, followed *prometheus.Desc
}

func newMetrics(h *Hub, reg prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("goalcast_hub_"+name, help, labels, nil)
	}
	handshakes := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_handshakes_total",
		Help: "Requests that were let in, polls included."}, []string{"transport"})
	age := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_hub_event_age_seconds",
		Help:    "How old an event was, since that moment, when its last viewer's write was done.",
		Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300}}, []string{"since"})
	m := &metrics{
		hub: h,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_refused_total",
			Help: "Requests that were refused."}, []string{"reason"}),
		resumes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_resumes_total",
			Help: "Returns with a cursor: ring was answered from memory, all else with a reset."}, []string{"outcome"}),
		deflate: prometheus.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_deflate_handshakes_total",
			Help: "WebSockets whose client agreed to permessage-deflate."}),
		lateIntros: prometheus.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_late_intros_total",
			Help: "Events that went out before the snapshot of their match, which could not be read in time."}),
		write: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_hub_event_write_seconds",
			Help:    "From the moment the hub got an event to its last viewer's write; those whose socket was full are left out.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}}),
		age: [3]prometheus.Observer{age.WithLabelValues("provider"), age.WithLabelValues("received"), age.WithLabelValues("published")},

		connections:   desc("connections", "Viewers connected now.", "transport"),
		subscriptions: desc("subscriptions", "Topics followed now, summed over viewers."),
		topics:        desc("topics", "Topics that have viewers, counted in each shard."),
		pending:       desc("pending_bytes", "Bytes that wait for sockets."),
		bytes:         desc("written_bytes_total", "Bytes written to viewers."),
		messages:      desc("messages_total", "Frames written to viewers.", "class"),
		heard:         desc("client_messages_total", "What viewers sent.", "type"),
		closed:        desc("closed_total", "Connections that ended.", "reason"),
		batches:       desc("write_frames", "Frames per write."),
		stale:         desc("stale", "1 while the bus is silent."),
		followed:      desc("state_topics", "Topics whose states the bus is asked for."),
		refresh:       desc("refresh_topics", "Topics whose viewers wait to be refreshed after the bus lost events."),
		ringEvents:    desc("ring_events", "Events kept for those who come back."),
		ringBytes:     desc("ring_bytes", "Their size in memory."),
		droppedStates: desc("states_dropped_total", "Values of keys over the limit of a topic."),
		pace:          desc("state_pace_seconds", "How far apart rounds of states have to be now, in the shard with the most to do; the state interval, or more where the share of time is used up."),
		deflated:      desc("deflated_bytes_total", "What was compressed, each form once for all viewers: before (in) and after (out); by itself (alone) or referring to what was sent before (context).", "side", "form"),
	}
	for i := range m.handshakes {
		m.handshakes[i] = handshakes.WithLabelValues(transportNames[i])
	}
	reg.MustRegister(handshakes, age, m.refused, m.resumes, m.deflate, m.lateIntros, m.write, m)
	return m
}

// written is called once for each event, when the last shard has written it.
func (m *metrics) written(msg *message, now time.Time) {
	m.write.Observe(now.Sub(msg.at).Seconds())
	for i, ms := range [3]int64{msg.times.Provider, msg.times.Received, msg.times.Published} {
		if ms > 0 {
			m.age[i].Observe(max(now.Sub(time.UnixMilli(ms)).Seconds(), 0))
		}
	}
}

// Describe is part of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.connections, m.subscriptions, m.topics, m.pending, m.bytes, m.messages, m.heard, m.closed, m.batches,
		m.stale, m.ringEvents, m.ringBytes, m.droppedStates, m.deflated, m.pace, m.refresh, m.followed} {
		ch <- d
	}
}

// sum adds up what the shards have published.
func (m *metrics) sum() shardStats {
	var all shardStats
	for _, s := range m.hub.shards {
		s.published.mu.Lock()
		one := s.published.stats
		s.published.mu.Unlock()
		all.subscriptions += one.subscriptions
		all.topics += one.topics
		all.pending += one.pending
		all.bytes += one.bytes
		all.pace = max(all.pace, one.pace)
		all.batchFrames += one.batchFrames
		addAll(all.connections[:], one.connections[:])
		addAll(all.messages[:], one.messages[:])
		addAll(all.heard[:], one.heard[:])
		addAll(all.closed[:], one.closed[:])
		addAll(all.batches[:], one.batches[:])
	}
	return all
}

func addAll(to, from []int64) {
	for i := range to {
		to[i] += from[i]
	}
}

// Collect is part of prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, float64(v), labels...)
	}
	all := m.sum()
	for i, v := range all.connections {
		put(m.connections, prometheus.GaugeValue, v, transportNames[i])
	}
	put(m.subscriptions, prometheus.GaugeValue, all.subscriptions)
	put(m.topics, prometheus.GaugeValue, all.topics)
	put(m.pending, prometheus.GaugeValue, all.pending)
	ch <- prometheus.MustNewConstMetric(m.pace, prometheus.GaugeValue, all.pace.Seconds())
	put(m.bytes, prometheus.CounterValue, all.bytes)
	for i, v := range all.messages {
		put(m.messages, prometheus.CounterValue, v, classNames[i])
	}
	for i, v := range all.heard {
		put(m.heard, prometheus.CounterValue, v, heardNames[i])
	}
	for i, v := range all.closed {
		put(m.closed, prometheus.CounterValue, v, closings[i])
	}
	buckets := make(map[float64]uint64, batchBuckets)
	var count uint64
	for i, v := range all.batches {
		count += uint64(v)
		if i < batchBuckets-1 {
			buckets[float64(uint64(2)<<i-1)] = count
		}
	}
	ch <- prometheus.MustNewConstHistogram(m.batches, count, float64(all.batchFrames), buckets)

	m.hub.mu.RLock()
	stale, events, bytes := m.hub.stale || !m.hub.heard, len(m.hub.ring.events.list), m.hub.ring.bytes
	m.hub.mu.RUnlock()
	isStale := int64(0)
	if stale {
		isStale = 1
	}
	put(m.stale, prometheus.GaugeValue, isStale)
	put(m.ringEvents, prometheus.GaugeValue, int64(events))
	put(m.ringBytes, prometheus.GaugeValue, int64(bytes))
	put(m.followed, prometheus.GaugeValue, m.hub.states.following())
	put(m.refresh, prometheus.GaugeValue, m.hub.waiting.Load())
	put(m.droppedStates, prometheus.CounterValue, m.hub.states.dropped.Load())
	if d := m.hub.deflater; d != nil {
		for form, v := range map[string]*volume{"alone": &d.alone, "context": &d.context} {
			put(m.deflated, prometheus.CounterValue, v.in.Load(), "in", form)
			put(m.deflated, prometheus.CounterValue, v.out.Load(), "out", form)
		}
	}
}
