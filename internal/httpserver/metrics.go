package httpserver

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are labelled with the server's name.
type metrics struct {
	cfg  Config
	cut  *prometheus.CounterVec // server, reason
	full prometheus.Counter
}

func newMetrics(s *Server, reg prometheus.Registerer) metrics {
	m := metrics{cfg: s.cfg, cut: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_http_cut_total",
		Help: "Connections and bodies given up, by server and reason: header, body or answer (the client was too " +
			"slow), crowded (it was the longest silent one when a new one came)."},
		[]string{"server", "reason"})}
	m.cut = shared(reg, m.cut)
	for _, reason := range []string{"header", "body", "answer", "crowded"} {
		m.cut.WithLabelValues(s.cfg.Name, reason)
	}
	full := shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_http_full_total",
		Help: "Times that new connections had to wait, since there were as many as there may be and none had been " +
			"silent for long."}, []string{"server"}))
	m.full = full.WithLabelValues(s.cfg.Name)
	labels := prometheus.Labels{"server": s.cfg.Name}
	gauge := func(name, help string, value func() float64) {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_http_" + name, ConstLabels: labels,
			Help: help}, value)
	}
	gauge("connections", "Open connections that are not live viewers'.", func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(s.order.Len())
	})
	gauge("connections_max", "How many of them there may be.", func() float64 { return float64(s.cfg.MaxConns) })
	return m
}

// shared registers what all servers of a process have in common.
func shared[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if err := reg.Register(c); err != nil {
		var known prometheus.AlreadyRegisteredError
		if errors.As(err, &known) {
			return known.ExistingCollector.(C)
		}
		panic("httpserver: " + err.Error()) // two metrics of one name
	}
	return c
}

// closed counts a connection that net/http has closed, if that was for its slowness.
func (m metrics) closed(c *conn) {
	reason := ""
	switch took := time.Since(c.began); {
	case c.phase == forHeader && time.Since(c.touched) >= m.cfg.HeaderTimeout:
		reason = "header"
	case c.phase == forAnswer && c.body && took >= min(strayBody, m.cfg.BodyGrace):
		reason = "body"
	case c.phase == forAnswer && took >= m.cfg.AnswerTimeout:
		reason = "answer"
	default:
		return
	}
	m.cut.WithLabelValues(m.cfg.Name, reason).Inc()
}
