package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// tlsConfig says where the certificate of the public address is.
type tlsConfig struct {
	CertFile string `name:"cert-file" env:"GOALCAST_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate of the public address in PEM, with those between it and its authority behind it: goalcast then speaks TLS there. Read again when it changes. TLS in front is faster."`
	KeyFile  string `name:"key-file" env:"GOALCAST_TLS_KEY_FILE" placeholder:"FILE" help:"Private key of that certificate in PEM."`
}

func (c tlsConfig) check() error {
	switch {
	case c.CertFile == "" && c.KeyFile != "":
		return errors.New("GOALCAST_TLS_CERT_FILE: not set, though GOALCAST_TLS_KEY_FILE is")
	case c.CertFile != "" && c.KeyFile == "":
		return errors.New("GOALCAST_TLS_KEY_FILE: not set, though GOALCAST_TLS_CERT_FILE is")
	}
	return nil
}

// read reads the pair from its files. Its errors show nothing of what is in them.
func (c tlsConfig) read() (*tls.Certificate, error) {
	chain, err := os.ReadFile(c.CertFile)
	if err != nil {
		return nil, fmt.Errorf("GOALCAST_TLS_CERT_FILE: %w", err)
	}
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("GOALCAST_TLS_KEY_FILE: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("GOALCAST_TLS_CERT_FILE, GOALCAST_TLS_KEY_FILE: %w", err)
	}
	return &pair, nil
}

// certificate is that of the public address. Handshakes get it; the loop that watches files
// exchanges it, and connections that are there keep theirs.
type certificate struct {
	files   tlsConfig
	log     *slog.Logger
	errors  prometheus.Counter
	current atomic.Pointer[tls.Certificate]
	failed  string // the loop's: the last error that was logged
}

// openCertificate reads the pair for the first time; it is nil if no files are set. One that is not
// valid now is used all the same, since a restart should not make things worse.
func openCertificate(files tlsConfig, log *slog.Logger, reg prometheus.Registerer) (*certificate, error) {
	if files == (tlsConfig{}) {
		return nil, nil
	}
	pair, err := files.read()
	if err != nil {
		return nil, err
	}
	if err := validNow(pair.Leaf); err != nil {
		log.Error("clients will refuse the certificate", "error", err)
	}
	c := &certificate{files: files, log: log}
	c.current.Store(pair)
	c.errors = promauto.With(reg).NewCounter(prometheus.CounterOpts{Name: "goalcast_http_certificate_errors_total",
		Help: "Looks, every 10 s, at files of the certificate that could not be used; the one before stays."})
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_http_certificate_expiry_seconds",
		Help: "Unix time at which the certificate in use expires."},
		func() float64 { return float64(c.current.Load().Leaf.NotAfter.Unix()) })
	return c, nil
}

// get is asked in each handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// look reads the files again and uses what is in them, if it is another certificate and a good one.
func (c *certificate) look() {
	fresh, err := c.files.read()
	if err == nil && slices.EqualFunc(fresh.Certificate, c.current.Load().Certificate, bytes.Equal) {
		c.failed = ""
		return
	}
	if err == nil {
		err = validNow(fresh.Leaf)
	}
	if err != nil {
		c.errors.Inc()
		if err.Error() != c.failed {
			c.failed = err.Error()
			c.log.Error("certificate not exchanged, the one before stays", "error", err)
		}
		return
	}
	c.failed = ""
	c.current.Store(fresh)
	c.log.Info("certificate exchanged", "names", fresh.Leaf.DNSNames, "expires", fresh.Leaf.NotAfter)
}

// validNow says whether clients would take a certificate by its dates.
func validNow(leaf *x509.Certificate) error {
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("GOALCAST_TLS_CERT_FILE: it expired at %s", leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("GOALCAST_TLS_CERT_FILE: it is not valid before %s", leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}
