package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// preferencesBody is how a user wants pushes; what is left out is as by default.
type preferencesBody struct {
	Kinds    map[goalcast.PushKind]*bool `json:"kinds"`
	Quiet    *quietBody                  `json:"quiet_hours"`
	Spoilers *goalcast.Spoilers          `json:"spoilers"`
}

// followPreferencesBody is the same for one topic that the user follows; what is left out is as for
// the rest.
type followPreferencesBody struct {
	Kinds    map[goalcast.PushKind]*bool `json:"kinds"`
	Spoilers *goalcast.Spoilers          `json:"spoilers"`
}

// quietBody is goalcast.QuietHours as apps write it.
type quietBody struct {
	From string `json:"from"`
	To   string `json:"to"`
	Zone string `json:"zone"`
	Mode string `json:"mode"`
}

// What becomes of a push in quiet hours.
const (
	modeHold   = "hold"
	modeSilent = "silent"
)

// maxZone is the longest name of a zone, in bytes; the database's longest has 32.
const maxZone = 64

func (q *quietBody) hours() (*goalcast.QuietHours, error) {
	if q == nil {
		return nil, nil
	}
	var out goalcast.QuietHours
	for _, part := range []struct {
		name, text string
		into       *goalcast.DayTime
	}{{"quiet_hours.from", q.From, &out.From}, {"quiet_hours.to", q.To, &out.To}} {
		at, err := goalcast.ParseDayTime(part.text)
		if err != nil {
			return nil, badParameter(part.name, "want a time of day from 00:00 to 23:59")
		}
		*part.into = at
	}
	// "Local" would be the server's
	if _, err := time.LoadLocation(q.Zone); err != nil || q.Zone == "" || q.Zone == "Local" || len(q.Zone) > maxZone {
		return nil, badParameter("quiet_hours.zone", "want a zone of the IANA database, like Europe/Brussels")
	}
	switch {
	case out.From == out.To:
		return nil, badParameter("quiet_hours.to", "the same as from: hours that never end are no quiet hours; "+
			"switch kinds off, or remove the device")
	case q.Mode != modeHold && q.Mode != modeSilent:
		return nil, badParameter("quiet_hours.mode", "want %s or %s", modeHold, modeSilent)
	}
	out.Zone, out.Hold = q.Zone, q.Mode == modeHold
	return &out, nil
}

// switches checks what a user has set.
func switches(set map[goalcast.PushKind]*bool) (map[goalcast.PushKind]bool, error) {
	kinds := make(map[goalcast.PushKind]bool, len(set))
	for kind, on := range set {
		name := fmt.Sprintf("kinds.%.40s", kind)
		switch {
		case !kind.Known():
			return nil, badParameter(name, "there is no such kind; want %s", kindNames())
		case on == nil:
			return nil, badParameter(name, "want true or false; leave it out for the default")
		}
		kinds[kind] = *on
	}
	return kinds, nil
}

func kindNames() string {
	var names []string
	for _, info := range goalcast.PushKinds {
		names = append(names, string(info.Kind))
	}
	return strings.Join(names, ", ")
}

func checkSpoilers(s *goalcast.Spoilers) error {
	if s != nil && (s.Delay < 0 || s.Delay > goalcast.MaxDelay) {
		return badParameter("spoilers.delay_s", "want 0 to %d seconds", goalcast.MaxDelay)
	}
	return nil
}

// getPreferences answers with every kind, as it is set or by default.
func (s *Server) getPreferences(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	p, err := s.store.Preferences(r.Context(), user)
	if err != nil {
		return fmt.Errorf("preferences: %w", err)
	}
	return writeJSON(w, http.StatusOK, bodyOf(p.Preferences))
}

// bodyOf has every kind.
func bodyOf(p goalcast.Preferences) preferencesBody {
	body := preferencesBody{Kinds: map[goalcast.PushKind]*bool{}, Spoilers: &p.Spoilers}
	for _, info := range goalcast.PushKinds {
		body.Kinds[info.Kind] = new(p.Wants(info.Kind))
	}
	if q := p.Quiet; q != nil {
		body.Quiet = &quietBody{From: q.From.String(), To: q.To.String(), Zone: q.Zone, Mode: modeSilent}
		if q.Hold {
			body.Quiet.Mode = modeHold
		}
	}
	return body
}

// followBodyOf has what is set.
func followBodyOf(p goalcast.FollowPreferences) followPreferencesBody {
	body := followPreferencesBody{Kinds: map[goalcast.PushKind]*bool{}, Spoilers: p.Spoilers}
	for kind, on := range p.Kinds {
		body.Kinds[kind] = &on
	}
	return body
}

// putPreferences replaces all but those of follows.
func (s *Server) putPreferences(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	var body preferencesBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	kinds, err := switches(body.Kinds)
	if err != nil {
		return err
	}
	quiet, err := body.Quiet.hours()
	if err != nil {
		return err
	}
	if err := checkSpoilers(body.Spoilers); err != nil {
		return err
	}
	p := goalcast.Preferences{Kinds: kinds, Quiet: quiet}
	if body.Spoilers != nil {
		p.Spoilers = *body.Spoilers
	}
	if err := s.store.SavePreferences(r.Context(), user, p); err != nil {
		return fmt.Errorf("save preferences: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// notFollowed refuses preferences of a topic that the user does not follow.
var notFollowed = problem.New(http.StatusNotFound, "not_found", "the user does not follow this topic")

// getFollowPreferences answers with what is set for a topic, and no more.
func (s *Server) getFollowPreferences(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	topic, err := followable(r)
	if err != nil {
		return err
	}
	topics, err := s.store.Follows(r.Context(), user)
	if err != nil {
		return fmt.Errorf("follows: %w", err)
	}
	if !slices.Contains(topics, topic) {
		return notFollowed
	}
	p, err := s.store.Preferences(r.Context(), user)
	if err != nil {
		return fmt.Errorf("preferences: %w", err)
	}
	return writeJSON(w, http.StatusOK, followBodyOf(p.Follows[topic]))
}

// putFollowPreferences replaces what is set for a topic; an empty body ends it.
func (s *Server) putFollowPreferences(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	topic, err := followable(r)
	if err != nil {
		return err
	}
	var body followPreferencesBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	kinds, err := switches(body.Kinds)
	if err != nil {
		return err
	}
	if err := checkSpoilers(body.Spoilers); err != nil {
		return err
	}
	err = s.store.SaveFollowPreferences(r.Context(), user, topic, goalcast.FollowPreferences{Kinds: kinds,
		Spoilers: body.Spoilers})
	if errors.Is(err, goalcast.ErrNotFound) {
		return notFollowed
	}
	if err != nil {
		return fmt.Errorf("save preferences of %s: %w", topic, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
