package rest

import (
	"fmt"
	"net/http"

	"goalcast"
)

// ownData is all that is kept of a user, as the user gets it.
type ownData struct {
	Devices []deviceItem     `json:"devices"`
	Follows []goalcast.Topic `json:"follows"`

	Preferences       preferencesBody                          `json:"preferences"`
	FollowPreferences map[goalcast.Topic]followPreferencesBody `json:"follow_preferences"`
}

// getMe exports what is kept of the caller.
func (s *Server) getMe(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	devices, err := s.store.Devices(r.Context(), user)
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	follows, err := s.store.Follows(r.Context(), user)
	if err != nil {
		return fmt.Errorf("follows: %w", err)
	}
	p, err := s.store.Preferences(r.Context(), user)
	if err != nil {
		return fmt.Errorf("preferences: %w", err)
	}
	own := ownData{Devices: deviceItems(devices), Follows: append([]goalcast.Topic{}, follows...),
		Preferences: bodyOf(p.Preferences), FollowPreferences: map[goalcast.Topic]followPreferencesBody{}}
	for topic, f := range p.Follows {
		own.FollowPreferences[topic] = followBodyOf(f)
	}
	return writeJSON(w, http.StatusOK, own)
}

// deleteMe erases the caller. The tickets go first: who cannot be told whether they went asks
// again.
func (s *Server) deleteMe(w http.ResponseWriter, r *http.Request, user goalcast.UserID) error {
	if s.tickets != nil {
		if err := s.tickets.Revoke(r.Context(), user); err != nil {
			return fmt.Errorf("revoke tickets: %w", err)
		}
	}
	if err := s.store.Erase(r.Context(), user); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	s.log.Info("a user was erased on request", "request", requestID(r.Context()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
