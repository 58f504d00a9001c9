package brightcove

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Limits of what a video is described with, by Brightcove's reference.
const (
	maxName = 255 // characters
	maxTags = 1200
)

// Video is what is told when a video is made.
type Video struct {
	Name      string
	Reference string // unique in the account: what makes creating it twice harmless
	Tags      []string
}

func (c *Client) videos(parts ...string) string {
	address := c.cfg.CMSURL + "/v1/accounts/" + url.PathEscape(c.cfg.Account) + "/videos"
	for _, p := range parts {
		address += "/" + url.PathEscape(p)
	}
	return address
}

// CreateVideo makes a video and returns its id. One with that reference may be there already: by an
// attempt that ended before it was noted; then that is the one, and it may not be active.
func (c *Client) CreateVideo(ctx context.Context, v Video) (id string, active bool, err error) {
	var made struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}
	name := []rune(cmp.Or(strings.TrimSpace(v.Name), v.Reference))
	body := map[string]any{"name": string(name[:min(len(name), maxName)]), "reference_id": v.Reference,
		"state": "ACTIVE"}
	if len(v.Tags) > 0 {
		body["tags"] = v.Tags[:min(len(v.Tags), maxTags)]
	}
	err = c.call(ctx, "create_video", http.MethodPost, c.videos(), body, &made)
	var told *Error
	if errors.As(err, &told) && told.Status == http.StatusConflict && (told.Code == codeInUse || told.Code == "") {
		err = c.call(ctx, "find_video", http.MethodGet, c.videos("ref:"+v.Reference), nil, &made)
	}
	if err == nil && made.ID == "" {
		err = &Error{Status: http.StatusOK, Message: "a video without an id"}
	}
	return made.ID, made.State != "INACTIVE", err
}

// SetActive lets a video be watched, or no more.
func (c *Client) SetActive(ctx context.Context, video string, active bool) error {
	state := "INACTIVE"
	if active {
		state = "ACTIVE"
	}
	return c.call(ctx, "set_state", http.MethodPatch, c.videos(video), map[string]string{"state": state}, nil)
}

// Images are the addresses of a video's pictures; empty while there are none. Unlike those of its
// sources they do not expire.
type Images struct{ Poster, Thumbnail string }

// Images returns the pictures of a video.
func (c *Client) Images(ctx context.Context, video string) (Images, error) {
	var answer map[string]struct {
		Source  string `json:"src"`
		Sources []struct {
			Source string `json:"src"`
		} `json:"sources"`
	}
	if err := c.call(ctx, "images", http.MethodGet, c.videos(video, "images"), nil, &answer); err != nil {
		return Images{}, err
	}
	secure := func(kind string) string {
		for _, s := range answer[kind].Sources {
			if strings.HasPrefix(s.Source, "https://") {
				return s.Source
			}
		}
		if strings.HasPrefix(answer[kind].Source, "https://") {
			return answer[kind].Source
		}
		return "" // pages served over HTTPS could not show it
	}
	return Images{Poster: secure("poster"), Thumbnail: secure("thumbnail")}, nil
}
