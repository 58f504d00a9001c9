package ingest

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/ingest/letters"
)

// metrics are the package's. Alarms are what an operator should be woken for.
type metrics struct {
	documents *prometheus.CounterVec // what became of documents
	refused   *prometheus.CounterVec // requests that left no document
	// unreadable documents, panics, wrong digests, wrong dates, letters that were replaced
	alarms  *prometheus.CounterVec
	mended  *prometheus.CounterVec   // documents with letters that were replaced, and texts that were cut
	events  *prometheus.CounterVec   // revisions made
	trouble *prometheus.CounterVec   // store, bus and queue errors
	last    *prometheus.GaugeVec     // when the last document came
	lag     *prometheus.HistogramVec // from the provider's time in the document to its arrival
	parse   *prometheus.HistogramVec
	apply   *prometheus.HistogramVec // from arrival to published
	left    prometheus.Counter       // kept, and left to the queue or the sweeper

	mu     sync.Mutex
	feeds  map[string]bool      // labels in use
	newest map[string]time.Time // by provider and feed label: when the last document came
	warned map[string]time.Time // by provider and feed label: when an alarm was raised for its letters
}

// mendedEvery is how often letters that are replaced in one feed alarm.
const mendedEvery = time.Hour

// first says whether something is the first of its name for mendedEvery.
func (m *metrics) first(name string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.warned[name]; ok && now.Sub(at) < mendedEvery {
		return false
	}
	m.warned[name] = now
	return true
}

// refusedUnavailable is the reason of refusals while the database does not answer.
const refusedUnavailable = "unavailable"

// provider makes the counters of a provider, so that they are there with zero
// before anything happens.
func (m *metrics) provider(name string) {
	for _, kind := range []string{"unreadable", "panic", "digest", "mended"} {
		m.alarms.WithLabelValues(name, kind)
	}
	m.refused.WithLabelValues(name, refusedUnavailable)
	for _, what := range letters.Kinds {
		m.mended.WithLabelValues(name, what)
	}
}

func newMetrics(reg prometheus.Registerer, work *workers) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_ingest_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_ingest_" + name, Help: help,
			Buckets: buckets},
			[]string{"provider", "feed"})
	}
	gauge := func(name, help string, read func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_ingest_" + name, Help: help}, read)
	}
	fast := prometheus.ExponentialBuckets(0.0005, 2, 14) // 0.5 ms to 4 s
	m := &metrics{
		documents: counter("documents_total", "Documents by what became of them: changed, unchanged, late, ignored, "+
			"failed, retried; repeated: known, nothing to do.", "provider", "feed", "outcome"),
		refused: counter("refused_total", "Requests that left no document, by reason.", "provider", "reason"),
		alarms: counter("alarms_total", "What somebody should look at: unreadable, panic, digest; mended: letters "+
			"of a feed were replaced, once an hour; ahead: dated in the future; held: a step that football does not "+
			"make.", "provider", "kind"),
		mended: counter("mended_total", "Documents that were read although something was wrong with their "+
			"letters, by what: "+strings.Join(letters.Kinds, ", ")+".", "provider", "what"),
		events: counter("events_total", "Event revisions made, by kind and what happened to the event: new, "+
			"changed, cancelled, restored.", "kind", "change"),
		trouble: counter("trouble_total", "Errors of what ingest depends on: store, bus, queue.", "of"),
		last: f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_ingest_last_document_timestamp_seconds",
			Help: "When the last document of the feed arrived."}, []string{"provider", "feed"}),
		lag: histogram("lag_seconds", "From the provider's time in a document to its arrival; implausible ones are "+
			"left out.", prometheus.ExponentialBuckets(0.1, 2, 13)),
		parse: histogram("parse_seconds", "Time to read a document.", fast),
		apply: histogram("apply_seconds", "From a document's last byte to its events on the bus.", fast),
		left: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_ingest_left_total",
			Help: "Documents kept and left to the queue: too many waited, or the process was ending."}),
		feeds: map[string]bool{}, newest: map[string]time.Time{}, warned: map[string]time.Time{},
	}
	gauge("waiting_documents", "Documents that wait for a worker.", func() float64 {
		n, _ := work.waiting()
		return float64(n)
	})
	gauge("waiting_bytes", "Bytes of the documents that wait for a worker.", func() float64 {
		_, b := work.waiting()
		return float64(b)
	})
	return m
}

// maxFeedLabels bounds what a provider can make of us by inventing feed names.
const maxFeedLabels = 64

// feed is the label for a feed's name.
func (m *metrics) feed(name string) string {
	if name == "" {
		return "unknown"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.feeds[name] {
		if len(m.feeds) >= maxFeedLabels || len(name) > 16 || strconv.Quote(name) != `"`+name+`"` {
			return "other"
		}
		m.feeds[name] = true
	}
	return name
}

// arrived notes when a document came, unless a later one of its feed did.
func (m *metrics) arrived(doc goalcast.Document) {
	feed := m.feed(doc.Feed)
	m.mu.Lock()
	defer m.mu.Unlock()
	if key := doc.Provider + "/" + feed; doc.Received.After(m.newest[key]) {
		m.newest[key] = doc.Received
		m.last.WithLabelValues(doc.Provider, feed).Set(float64(doc.Received.UnixMilli()) / 1000)
	}
}

func (m *metrics) document(doc goalcast.Document, outcome string) {
	m.documents.WithLabelValues(doc.Provider, m.feed(doc.Feed), outcome).Inc()
}

// revisions counts events; was holds what the snapshot knew of each before, if anything.
func (m *metrics) revisions(before goalcast.Snapshot, events []goalcast.Event) {
	for _, e := range events {
		known, _ := before.Event(e.ID)
		change := "changed"
		switch {
		case e.Status == goalcast.Cancelled && known.Status != goalcast.Cancelled:
			change = "cancelled"
		case e.Revision == 1:
			change = "new"
		case known.Status == goalcast.Cancelled && e.Counts():
			change = "restored"
		}
		m.events.WithLabelValues(string(e.Kind), change).Inc()
	}
}
