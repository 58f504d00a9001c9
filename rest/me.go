package rest

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// deviceBody is what an app says of a device.
type deviceBody struct {
	Platform string `json:"platform"`
	Language string `json:"language"`
	// App is which of several apps it is; empty: the first, or the only one.
	App string `json:"app"`
	// LiveToken starts Live Activities; empty: goalcast starts none.
	LiveToken string `json:"live_activity_token"`
}

// deviceItem is a device in the user's list. The token is shortened: it is a secret, and whoever
// registered it knows it.
type deviceItem struct {
	Token    string    `json:"token"`
	Platform string    `json:"platform"`
	App      string    `json:"app,omitempty"`
	Language string    `json:"language"`
	Created  time.Time `json:"created,omitzero"`
}

var (
	platforms    = []string{"android", "ios", "web", goalcast.PlatformBank}
	languageText = regexp.MustCompile(`^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$`)
	// deviceText is a registration token of a push service: opaque, visible ASCII.
	deviceText = regexp.MustCompile(`^[!-~]+$`)
)

// How long a registration token may be. FCM's have about 160 characters and may grow.
const (
	minDeviceToken = 16
	maxDeviceToken = 1024
)

func deviceToken(r *http.Request) (string, error) {
	token, err := pathText(r, "token")
	if err != nil {
		return "", err
	}
	if len(token) < minDeviceToken || len(token) > maxDeviceToken || !deviceText.MatchString(token) {
		return "", badParameter("token", "want %d to %d visible ASCII characters", minDeviceToken, maxDeviceToken)
	}
	return token, nil
}

// shortened shows enough of a token to tell two apart.
func shortened(token string) string {
	if goalcast.IsSubscription(token) {
		return shortenedSubscription(token)
	}
	if len(token) < 32 {
		return token[:min(4, len(token))] + "…"
	}
	return token[:6] + "…" + token[len(token)-4:]
}

// putDevice registers the caller's device. A token that another user registered goes over to this
// one: whoever holds it has the phone now, after a new installation or on a shared tablet, and must
// not get the other's pushes.
func (s *Server) putDevice(w http.ResponseWriter, r *http.Request, p goalcast.Person) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	user := p.User
	token, err := deviceToken(r)
	if err != nil {
		return err
	}
	if goalcast.IsSubscription(token) {
		return badParameter("token", "a browser's subscription is registered with PUT /v1/me/subscriptions")
	}
	var body deviceBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	if !slices.Contains(platforms, body.Platform) {
		return badParameter("platform", "want one of %v", platforms)
	}
	if !languageText.MatchString(body.Language) {
		return badParameter("language", "want a language like nl, fr, de or en-GB")
	}
	if err := s.checkApp(body); err != nil {
		return err
	}
	if body.LiveToken != "" && (body.Platform != "ios" || !liveTokenText.MatchString(body.LiveToken)) {
		return badParameter("live_activity_token", "want 16 to 100 bytes in hexadecimal, of a device of platform ios")
	}
	if body.Platform == goalcast.PlatformBank {
		if err := s.customer(p, token); err != nil {
			return err
		}
	}
	if err := s.takeDevice(w, r, user, token); err != nil {
		return err
	}
	if err := s.store.SaveDevice(r.Context(), goalcast.Device{
		Token: token, User: user, Platform: body.Platform, App: body.App, Language: toldIn(body.Language),
		Created: s.cfg.Now().UTC(), LiveToken: body.LiveToken}); err != nil {
		return fmt.Errorf("save device: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkApp says whether there is the app that a device is to be of.
func (s *Server) checkApp(body deviceBody) error {
	switch {
	case body.App == "":
		return nil
	case body.Platform == goalcast.PlatformBank:
		return badParameter("app", "want none: the bank's own app is the one")
	case len(s.cfg.Apps) == 0:
		return badParameter("app", "want none: there is one app")
	case !slices.Contains(s.cfg.Apps, body.App):
		return badParameter("app", "want one of %v", s.cfg.Apps)
	}
	return nil
}

// customer says whether somebody may register with a reference of the bank.
func (s *Server) customer(p goalcast.Person, reference string) error {
	switch {
	case !s.cfg.Bank:
		return errNotHere
	case !p.Login:
		return problem.New(http.StatusForbidden, "no_login", "only a login gets pushes through the bank's app")
	case !goalcast.IsReference(reference):
		return badParameter("token", "want the bank's reference: 16 to 128 of A-Z a-z 0-9 - _")
	}
	return nil
}

// toldIn is the language of the pushes to a device: "nl" for "nl-BE".
func toldIn(language string) string {
	short, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(language), "_", "-"), "-")
	return short
}

// takeDevice counts a device that the user did not have against the limit of its address: nothing
// else keeps a stranger from inventing them.
func (s *Server) takeDevice(w http.ResponseWriter, r *http.Request, user goalcast.UserID, token string) error {
	devices, err := s.store.Devices(r.Context(), user)
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	if slices.ContainsFunc(devices, func(d goalcast.Device) bool { return d.Token == token }) {
		return nil
	}
	return s.take(r.Context(), w, "rate_devices", "devices:"+addressKey(r.Context()), s.cfg.DeviceRate)
}

// deleteDevice ends pushes to a device of the caller. One that is not his, or gone already, is left
// as it is, with the same answer: an app that did not hear the first answer asks again.
func (s *Server) deleteDevice(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	token, err := deviceToken(r)
	if err != nil {
		return err
	}
	if err := s.store.DeleteDevice(r.Context(), user, token); err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return fmt.Errorf("delete device: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getDevices(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	devices, err := s.store.Devices(r.Context(), user)
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"devices": deviceItems(devices)})
}

func deviceItems(devices []goalcast.Device) []deviceItem {
	items := make([]deviceItem, len(devices))
	for i, d := range devices {
		items[i] = deviceItem{Token: shortened(d.Token), Platform: d.Platform, App: d.App, Language: d.Language,
			Created: d.Created}
	}
	return items
}

// followable reads the {topic} of a route. Odds are not pushed: age and country rules differ.
func followable(r *http.Request) (goalcast.Topic, error) {
	text, err := pathText(r, "topic")
	if err != nil {
		return goalcast.Topic{}, err
	}
	topic, err := goalcast.ParseTopic(text)
	if err != nil {
		return goalcast.Topic{}, err
	}
	if !topic.Kind.Info().Events {
		return goalcast.Topic{}, fmt.Errorf("%w: %s", goalcast.ErrBadTopic, topic.Kind)
	}
	return topic, nil
}

func (s *Server) putFollow(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	topic, err := followable(r)
	if err != nil {
		return err
	}
	if err := s.store.Follow(r.Context(), user, topic); err != nil {
		return fmt.Errorf("follow %s: %w", topic, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteFollow is answered alike whether the topic was followed or not.
func (s *Server) deleteFollow(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	topic, err := followable(r)
	if err != nil {
		return err
	}
	if err := s.store.Unfollow(r.Context(), user, topic); err != nil {
		return fmt.Errorf("unfollow %s: %w", topic, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getFollows(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	topics, err := s.store.Follows(r.Context(), user)
	if err != nil {
		return fmt.Errorf("follows: %w", err)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"topics": append([]goalcast.Topic{}, topics...)})
}
