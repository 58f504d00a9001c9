package brightcove

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"goalcast"
)

// JobState says how far Brightcove is with a file.
type JobState string

// The states of a job, and one of ours for words that Brightcove may add.
const (
	Processing JobState = "processing" // not playable
	Publishing JobState = "publishing" // a playable rendition is there and about to be published
	Published  JobState = "published"  // playable; more renditions follow
	Finished   JobState = "finished"   // playable, all done
	Failed     JobState = "failed"
	Unknown    JobState = "unknown"
)

// Playable says whether viewers can watch what the job made.
func (s JobState) Playable() bool { return s == Published || s == Finished }

// Job is what Brightcove says of one dynamic ingest.
type Job struct {
	State JobState
	Error string // for Failed: its code and message
}

// StartIngest has Brightcove fetch a master file for the video and returns the job's id. It
// replaces what the video had before; that plays on meanwhile.
func (c *Client) StartIngest(ctx context.Context, video, master string) (job string, err error) {
	var answer struct {
		ID string `json:"id"`
	}
	body := map[string]any{"master": map[string]string{"url": master}, "capture-images": true}
	if c.cfg.Profile != "" {
		body["profile"] = c.cfg.Profile
	}
	if c.cfg.CallbackURL != "" && c.cfg.CallbackSecret != "" {
		body["callbacks"] = []string{c.cfg.CallbackURL + c.callbackPath(video)}
	}
	address := c.cfg.IngestURL + "/v1/accounts/" + url.PathEscape(c.cfg.Account) + "/videos/" + url.PathEscape(video) +
		"/ingest-requests"
	if err := c.call(ctx, "ingest", http.MethodPost, address, body, &answer); err != nil {
		return "", err
	}
	if answer.ID == "" {
		return "", fmt.Errorf("ingest: %w", &Error{Status: http.StatusOK, Message: "a job without an id"})
	}
	return answer.ID, nil
}

// Job asks what became of a job. Brightcove remembers jobs for 7 days; after that it is Missing.
func (c *Client) Job(ctx context.Context, video, job string) (Job, error) {
	var answer struct {
		ID      string `json:"id"`
		State   string `json:"state"`
		Code    string `json:"error_code"`
		Message string `json:"error_message"`
	}
	if err := c.call(ctx, "job", http.MethodGet, c.videos(video, "ingest_jobs", job), nil, &answer); err != nil {
		return Job{}, err
	}
	if answer.ID != "" && answer.ID != job {
		return Job{}, fmt.Errorf("job: %w: asked for %.40q, answered %.40q", goalcast.ErrUnavailable, job, answer.ID)
	}
	out := Job{State: JobState(strings.ToLower(answer.State)),
		Error: short(strings.TrimSpace(answer.Code+" "+answer.Message), 300)}
	switch out.State {
	case Processing, Publishing, Published, Finished, Failed:
	default:
		out.State = Unknown
	}
	return out, nil
}
