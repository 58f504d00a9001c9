package betfair_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goalcast/ingest/odds/betfair"
	"goalcast/ingest/odds/betfair/betfairtest"
)

func TestSessionFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session")
	session := betfair.FileSession(path)
	if _, err := session(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "\n", "secret\nsecret"} {
		write(bad)
		if token, err := session(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v", bad, token, err)
		}
	}
	// It is read for each connection: whoever renews it need not tell us.
	r := newRig(t)
	r.cfg.Session, r.cfg.API = session, betfair.NoAPI
	write("over")
	r.run()
	r.fails("INVALID_SESSION_INFORMATION")
	write(betfairtest.Token + "\n")
	r.publish(oneMarket("2.1")...)
	r.seesHome("2.1")
}

func TestSessionByCertificate(t *testing.T) {
	r := newRig(t)
	cfg := betfair.CertificateConfig{AppKey: betfairtest.AppKey, User: betfairtest.User,
		Password:    betfairtest.Password,
		Certificate: r.server.ClientCertificate(), TLS: r.server.ClientTLS(),
		LoginURL:     r.server.URL + "/api/certlogin",
		KeepAliveURL: r.server.URL + "/api/keepAlive", LoginEvery: time.Nanosecond, Timeout: patience}
	log := slog.New(slog.DiscardHandler)
	account := betfair.NewCertificate(cfg, log)
	r.cfg.Session, r.cfg.SessionEvery = account.Session, time.Millisecond
	r.run()
	r.publish(oneMarket("2.1")...)
	r.viewer.wait("kept alive", func() bool { return r.count("calls_total", "session") > 5 })
	if n := r.server.Logins(); n != 1 {
		t.Errorf("%d logins for one session", n)
	}
	r.server.EndSession("login1")
	r.viewer.wait("logged in again", func() bool { return r.server.Logins() == 2 })
	r.server.Cut()
	r.catchUp()
	r.seesHome("2.1")
	r.end()

	t.Run("not without the certificate or the password", func(t *testing.T) {
		for _, change := range []func(*betfair.CertificateConfig){
			func(c *betfair.CertificateConfig) { c.Password = "secret" },
			func(c *betfair.CertificateConfig) { c.AppKey = "" },
		} {
			other := cfg
			change(&other)
			_, err := betfair.NewCertificate(other, log).Session(t.Context())
			if !errors.Is(err, betfair.ErrRefused) || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		}
	})
	t.Run("not again and again", func(t *testing.T) {
		other := cfg
		other.LoginEvery, other.Password = time.Hour, "secret"
		account := betfair.NewCertificate(other, log)
		_, first := account.Session(t.Context())
		_, second := account.Session(t.Context())
		if !errors.Is(first, betfair.ErrRefused) || second == nil || errors.Is(second, betfair.ErrRefused) {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("a session is not over because nobody answers", func(t *testing.T) {
		token, err := account.Session(t.Context())
		logins := r.server.Logins()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		again, errAgain := account.Session(ctx)
		if err != nil || errAgain != nil || token != again || r.server.Logins() != logins {
			t.Errorf("%q, %v, then %q, %v", token, err, again, errAgain)
		}
	})
}
