package brightcove

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"goalcast"
)

// maxCallback is how long a notification may be, in bytes; they have some 400.
const maxCallback = 64 << 10

// callbackPath is the path that Brightcove posts a video's notifications to. They are not signed,
// so the path must not be guessed.
func (c *Client) callbackPath(video string) string {
	return "/callbacks/brightcove/" + c.signature(video) + "/" + video
}

func (c *Client) signature(video string) string {
	mac := hmac.New(sha256.New, []byte(c.cfg.CallbackSecret))
	mac.Write([]byte("brightcove video " + video))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Notification is what Brightcove posts while it works on a job: one for each rendition, image and
// master and one for the whole (TITLE), in any order, some of them twice.
type Notification struct {
	EntityType string `json:"entityType"` // TITLE, DYNAMIC_RENDITION, DIGITAL_MASTER, ASSET
	Status     string `json:"status"`     // SUCCESS, FAILED
	Video      string `json:"videoId"`
	Job        string `json:"jobId"`
}

// matters says whether it is a reason to ask for the job: the title is there, something failed, or
// an asset, which may be the poster.
func (n Notification) matters() bool {
	return strings.EqualFold(n.Status, "FAILED") || strings.EqualFold(n.EntityType, "TITLE") ||
		strings.EqualFold(n.EntityType, "ASSET")
}

// Callbacks serves POST /callbacks/brightcove/{signature}/{video}. wake is told of a video about
// which something may be new; nothing that the notification says is believed. An error of wake is
// answered 503, but for ErrNotFound: a video that is not ours any more is nobody's business.
func (c *Client) Callbacks(wake func(ctx context.Context, video string) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callbacks/brightcove/{signature}/{video}", func(w http.ResponseWriter, r *http.Request) {
		status, result := c.callback(w, r, wake)
		c.metrics.callbacks.WithLabelValues(result).Inc()
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
	})
	return mux
}

func (c *Client) callback(w http.ResponseWriter, r *http.Request, wake func(context.Context, string) error) (status int,
	result string) {
	video := r.PathValue("video")
	if c.cfg.CallbackSecret == "" || !hmac.Equal([]byte(r.PathValue("signature")), []byte(c.signature(video))) {
		return http.StatusNotFound, "forged"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	var n Notification
	if err != nil || json.Unmarshal(body, &n) != nil || n.Video != "" && n.Video != video {
		return http.StatusBadRequest, "unreadable"
	}
	if !n.matters() {
		return http.StatusNoContent, "passed_over"
	}
	switch err := wake(r.Context(), video); {
	case errors.Is(err, goalcast.ErrNotFound):
		return http.StatusNoContent, "not_ours"
	case err != nil:
		c.log.Warn("brightcove callback not noted", "video", video, "error", err)
		w.Header().Set("Retry-After", "5")
		return http.StatusServiceUnavailable, "trouble"
	}
	return http.StatusNoContent, "noted"
}
