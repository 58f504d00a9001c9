package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"goalcast"
)

// Browsers knows which subscriptions of browsers can be sent to.
type Browsers interface {
	// PublicKey is what subscriptions are made with: applicationServerKey.
	PublicKey() string
	// CheckEndpoint says whether a subscription's URL may be sent to, CheckKeys whether its keys
	// can be what a browser made. Their errors show nothing of it.
	CheckEndpoint(endpoint string) error
	CheckKeys(s goalcast.Subscription) error
	// ReadReceipt returns from when the push that a receipt came with could have been shown; false
	// if it is none of ours, or has ended.
	ReadReceipt(receipt string, now time.Time) (told time.Time, ok bool)
}

// subscriptionBody is a browser's subscription as PushSubscription.toJSON() writes it, and the
// language of its page.
type subscriptionBody struct {
	Subscription struct {
		Endpoint string   `json:"endpoint"`
		Expires  *float64 `json:"expirationTime"` // no browser sets it
		Keys     struct {
			Key  string `json:"p256dh"`
			Auth string `json:"auth"`
		} `json:"keys"`
	} `json:"subscription"`
	Language string `json:"language"`
}

var subscriptionIDText = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// subscriptionID names a subscription to its user and tells nothing of it.
func subscriptionID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// getSubscriptions says what a page needs to make one.
func (s *Server) getSubscriptions(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	if s.browsers == nil {
		return errNotHere
	}
	devices, err := s.store.Devices(r.Context(), user)
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	ids := []string{}
	for _, d := range devices {
		if goalcast.IsSubscription(d.Token) {
			ids = append(ids, subscriptionID(d.Token))
		}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"application_server_key": s.browsers.PublicKey(), "ids": ids})
}

// putSubscription registers the caller's browser, as putDevice does a phone.
func (s *Server) putSubscription(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	if s.browsers == nil {
		return errNotHere
	}
	var body subscriptionBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	said := body.Subscription
	sub := goalcast.Subscription{Endpoint: said.Endpoint, Key: said.Keys.Key, Auth: said.Keys.Auth}
	if err := s.browsers.CheckEndpoint(sub.Endpoint); err != nil {
		return badParameter("subscription.endpoint", "%v", err)
	}
	if err := s.browsers.CheckKeys(sub); err != nil {
		return badParameter("subscription.keys", "%v", err)
	}
	if !languageText.MatchString(body.Language) {
		return badParameter("language", "want a language like nl, fr, de or en-GB")
	}
	token := sub.Token()
	if err := s.takeDevice(w, r, user, token); err != nil {
		return err
	}
	if err := s.store.SaveDevice(r.Context(), goalcast.Device{Token: token, User: user, Platform: "web",
		Language: toldIn(body.Language), Created: s.cfg.Now().UTC()}); err != nil {
		return fmt.Errorf("save subscription: %w", err)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"id": subscriptionID(token)})
}

// deleteSubscription is answered alike whether the caller has it or not.
func (s *Server) deleteSubscription(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	id, err := pathText(r, "id")
	if err == nil && !subscriptionIDText.MatchString(id) {
		err = badParameter("id", "want what PUT /v1/me/subscriptions answered")
	}
	if err != nil {
		return err
	}
	devices, err := s.store.Devices(r.Context(), user)
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	at := slices.IndexFunc(devices, func(d goalcast.Device) bool {
		return goalcast.IsSubscription(d.Token) && subscriptionID(d.Token) == id
	})
	if at >= 0 {
		err = s.store.DeleteDevice(r.Context(), user, devices[at].Token)
		if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
			return fmt.Errorf("delete subscription: %w", err)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// shortenedSubscription shows whose push service it is at: the rest is secret.
func shortenedSubscription(token string) string {
	u, err := url.Parse(token)
	if err != nil {
		return "https://…"
	}
	return "https://" + u.Host + "/…"
}
