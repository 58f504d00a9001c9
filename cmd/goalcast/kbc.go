package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/notify"
	"goalcast/notify/kbc"
)

// kbcConfig says how pushes reach the bank's customers.
type kbcConfig struct {
	URL          string `env:"GOALCAST_KBC_PUSH_URL" format:"service-url" placeholder:"URL" help:"Address of the bank's push layer that batches are posted to. Empty: no pushes through the bank's app (docs/kbc-push.md)."`
	TokenURL     string `name:"token-url" env:"GOALCAST_KBC_PUSH_TOKEN_URL" format:"service-url" placeholder:"URL" help:"Address that gives tokens for client credentials (OAuth2). Empty: none is shown, only the certificate."`
	ClientID     string `name:"client-id" env:"GOALCAST_KBC_PUSH_CLIENT_ID" placeholder:"ID" help:"Client of these credentials."`
	ClientSecret string `name:"client-secret" env:"GOALCAST_KBC_PUSH_CLIENT_SECRET" secret:"" placeholder:"SECRET" help:"Its secret."`
	CertFile     string `name:"cert-file" env:"GOALCAST_KBC_PUSH_CERT_FILE" placeholder:"FILE" help:"Our certificate for the bank in PEM, with those between it and its authority behind it. Read again for each connection."`
	KeyFile      string `name:"key-file" env:"GOALCAST_KBC_PUSH_KEY_FILE" placeholder:"FILE" help:"Private key of that certificate in PEM."`
	Rate         int    `env:"GOALCAST_KBC_PUSH_RATE" range:">0.." default:"600000" placeholder:"PER-MINUTE" help:"Recipients per minute, all goalcast processes together: they count in Redis."`
}

// check says what is wrong with settings that belong together. It shows nothing of the secret.
func (c kbcConfig) check() error {
	if c.URL == "" {
		for name, value := range map[string]string{"TOKEN_URL": c.TokenURL, "CLIENT_ID": c.ClientID,
			"CLIENT_SECRET": c.ClientSecret, "CERT_FILE": c.CertFile, "KEY_FILE": c.KeyFile} {
			if value != "" {
				return fmt.Errorf("not set, though GOALCAST_KBC_PUSH_%s is", name)
			}
		}
		return nil
	}
	sender, err := c.open(nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	sender.Close()
	return nil
}

func (c kbcConfig) open(limiter notify.Limiter, log *slog.Logger, reg prometheus.Registerer) (*kbc.Sender, error) {
	return kbc.New(kbc.Config{URL: c.URL, TokenURL: c.TokenURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret,
		CertFile: c.CertFile, KeyFile: c.KeyFile, Limiter: limiter}, log, reg)
}
