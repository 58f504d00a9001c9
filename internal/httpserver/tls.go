package httpserver

import (
	"bytes"
	"crypto/tls"
	"log"
	"net"

	"github.com/prometheus/client_golang/prometheus"
)

// strictTransport has browsers come by TLS alone for a year: RFC 6797.
const strictTransport = "max-age=31536000"

// newTLS is how the server speaks TLS; nil if it does not.
func newTLS(cfg Config) *tls.Config {
	if cfg.Certificate == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: cfg.Certificate}
}

// secure puts TLS on an accepted connection if the server speaks it. The handshake is net/http's,
// on the goroutine of the connection and within HeaderTimeout.
func (s *Server) secure(n net.Conn) net.Conn {
	if s.tls == nil {
		if tcp, ok := n.(*net.TCPConn); ok {
			return &socket{TCPConn: tcp}
		}
		return n
	}
	return tls.Server(n, s.tls)
}

// errorLog is where net/http writes. Anybody can make handshakes fail, as many as they like: those
// are counted. All else is logged as it would be without.
type errorLog struct{ handshakes prometheus.Counter }

// newErrorLog is nil for a server without TLS: net/http's own.
func newErrorLog(s *Server, reg prometheus.Registerer) *log.Logger {
	if s.tls == nil {
		return nil
	}
	failed := shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_http_handshake_errors_total",
		Help: "TLS handshakes that failed: the client was too slow, went away, or did not like the certificate."},
		[]string{"server"}))
	return log.New(errorLog{failed.WithLabelValues(s.cfg.Name)}, "", 0)
}

// Write is given one line.
func (l errorLog) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("http: TLS handshake error ")) {
		l.handshakes.Inc()
	} else {
		log.Print(string(line))
	}
	return len(line), nil
}
