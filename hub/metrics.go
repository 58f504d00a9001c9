package hub

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// metrics are the hub's figures. Those of shards are collected when they are asked for.
type metrics struct {
	hub        *Hub
	handshakes [shard.Transports]prometheus.Counter
	refused    *prometheus.CounterVec
	resumes    *prometheus.CounterVec
	deflate    prometheus.Counter
	revoked    prometheus.Counter
	lateIntros prometheus.Counter
	acks       map[string]prometheus.Counter // by outcome
	write      prometheus.Histogram
	stateWrite prometheus.Histogram
	age        [3]prometheus.Observer

	hurried  prometheus.Counter
	filtered *prometheus.Desc
	delayed  *prometheus.Desc

	connections, subscriptions, topics, pending, bytes, messages, received, closed, batches, pace *prometheus.Desc
	stale, ringEvents, ringBytes, droppedStates, deflated, refresh, followed, replays             *prometheus.Desc
}

func newMetrics(h *Hub, reg prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("goalcast_hub_"+name, help, labels, nil)
	}
	f := promauto.With(reg)
	handshakes := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_handshakes_total",
		Help: "Requests that were let in, polls included."}, []string{"transport"})
	age := f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_hub_event_age_seconds",
		Help:    "How old an event was, since that moment, when its last viewer's write was done.",
		Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300}}, []string{"since"})
	acks := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_acks_total",
		Help: "Events that viewers say they have shown: kept for the notifiers, or not (of those a push comes)."},
		[]string{"outcome"})
	m := &metrics{
		hub: h, acks: map[string]prometheus.Counter{},
		refused: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_refused_total",
			Help: "Requests that were refused."}, []string{"reason"}),
		resumes: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_resumes_total",
			Help: "Returns with a cursor: ring was answered from memory, all else with a reset."}, []string{"outcome"}),
		revoked: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_revoked_total",
			Help: "Connections that were ended since the ticket they came by was revoked."}),
		deflate: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_deflate_handshakes_total",
			Help: "WebSockets whose client agreed to permessage-deflate."}),
		lateIntros: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_late_intros_total",
			Help: "Events that went out before the snapshot of their match, which could not be read in time."}),
		hurried: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_hurried_total",
			Help: "Events that viewers with a delay were sent before their time: the ring was about to lose them."}),
		write: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_hub_event_write_seconds",
			Help: "From the moment the hub got an event to its last viewer's write; those whose socket was full " +
				"are left out.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}}),
		stateWrite: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_hub_state_write_seconds",
			Help: "From the moment the hub got a state to its last viewer's write, the oldest of each flush; those " +
				"whose socket was full, or who wanted to wait, are left out.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .15, .2, .3, .5, 1, 2, 5}}),
		age: [3]prometheus.Observer{
			age.WithLabelValues("provider"), age.WithLabelValues("received"), age.WithLabelValues("published")},

		connections:   desc("connections", "Viewers connected now.", "transport"),
		delayed:       desc("delayed", "Of these, those that have everything later (delay)."),
		filtered:      desc("filtered", "Of these, those that asked for some kinds of event only."),
		subscriptions: desc("subscriptions", "Topics followed now, summed over viewers."),
		topics:        desc("topics", "Topics that have viewers, counted in each shard."),
		pending:       desc("pending_bytes", "Bytes that wait for sockets."),
		bytes:         desc("written_bytes_total", "Bytes written to viewers."),
		messages:      desc("messages_total", "Frames written to viewers.", "class"),
		received:      desc("client_messages_total", "What viewers sent.", "type"),
		closed:        desc("closed_total", "Connections that ended.", "reason"),
		batches:       desc("write_frames", "Frames per write."),
		stale:         desc("stale", "1 while the bus is silent."),
		followed:      desc("state_topics", "Topics whose states the bus is asked for."),
		refresh:       desc("refresh_topics", "Topics whose viewers wait to be refreshed after the bus lost events."),
		replays:       desc("replays", "Matches that are played again now, each to one viewer."),
		ringEvents:    desc("ring_events", "Events kept for those who come back."),
		ringBytes:     desc("ring_bytes", "Their size in memory."),
		droppedStates: desc("states_dropped_total", "Values of keys over the limit of a topic."),
		pace: desc("state_pace_seconds", "How far apart state flushes have to be now, in the shard with the most to "+
			"do; "+
			"the state interval, or more where the share of time is used up."),
		deflated: desc("deflated_bytes_total", "What was compressed, each form once for all viewers: before (in) and "+
			"after (out); "+
			"by itself (alone) or referring to what was sent before (context).", "side", "form"),
	}
	for i := range m.handshakes {
		m.handshakes[i] = handshakes.WithLabelValues(shard.TransportNames[i])
	}
	for _, outcome := range ackOutcomes {
		m.acks[outcome] = acks.WithLabelValues(outcome)
	}
	reg.MustRegister(m) // collects what shards have counted
	return m
}

// written is called once for each event, when the last shard has written it.
func (m *metrics) written(e *shard.Event, now time.Time) {
	m.write.Observe(now.Sub(e.At).Seconds())
	for i, ms := range [3]int64{e.Times.Provider, e.Times.Received, e.Times.Published} {
		if ms > 0 {
			m.age[i].Observe(max(now.Sub(time.UnixMilli(ms)).Seconds(), 0))
		}
	}
}

// Describe is part of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.filtered, m.delayed, m.connections,
		m.subscriptions, m.topics, m.pending, m.bytes, m.messages,
		m.received, m.closed, m.batches,
		m.stale, m.ringEvents, m.ringBytes, m.droppedStates, m.deflated, m.pace, m.refresh, m.followed,
		m.replays} {
		ch <- d
	}
}

// sum adds up what the shards have published.
func (m *metrics) sum() (all shard.Stats) {
	for _, s := range m.hub.shards {
		all.Add(s.Stats())
	}
	return all
}

// Collect is part of prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, float64(v), labels...)
	}
	all := m.sum()
	for i, v := range all.Connections {
		put(m.connections, prometheus.GaugeValue, v, shard.TransportNames[i])
	}
	put(m.delayed, prometheus.GaugeValue, all.Delayed)
	put(m.filtered, prometheus.GaugeValue, all.Filtered)
	put(m.subscriptions, prometheus.GaugeValue, all.Subscriptions)
	put(m.topics, prometheus.GaugeValue, all.Topics)
	put(m.pending, prometheus.GaugeValue, all.Pending)
	ch <- prometheus.MustNewConstMetric(m.pace, prometheus.GaugeValue, all.Pace.Seconds())
	put(m.bytes, prometheus.CounterValue, all.Bytes)
	for i, v := range all.Messages {
		put(m.messages, prometheus.CounterValue, v, frame.ClassNames[i])
	}
	for i, v := range all.Received {
		put(m.received, prometheus.CounterValue, v, shard.ReceivedNames[i])
	}
	for i, v := range all.Closed {
		put(m.closed, prometheus.CounterValue, v, shard.Closings[i])
	}
	buckets := make(map[float64]uint64, shard.BatchBuckets)
	var count uint64
	for i, v := range all.Batches {
		count += uint64(v)
		if i < shard.BatchBuckets-1 {
			buckets[float64(uint64(2)<<i-1)] = count
		}
	}
	ch <- prometheus.MustNewConstHistogram(m.batches, count, float64(all.BatchFrames), buckets)

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
	put(m.followed, prometheus.GaugeValue, m.hub.follow.Followed())
	put(m.replays, prometheus.GaugeValue, m.hub.replays.Load())
	put(m.refresh, prometheus.GaugeValue, m.hub.waiting.Load())
	put(m.droppedStates, prometheus.CounterValue, m.hub.follow.Dropped())
	if d := m.hub.deflater; d != nil {
		for form, v := range map[string]*frame.Volume{"alone": &d.ByItself, "context": &d.InContext} {
			put(m.deflated, prometheus.CounterValue, v.In.Load(), "in", form)
			put(m.deflated, prometheus.CounterValue, v.Out.Load(), "out", form)
		}
	}
}
