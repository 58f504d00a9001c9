package brightcovetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// token is OAuth's one call.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	switch {
	case !ok || id != ClientID || secret != ClientSecret:
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client",
			"error_description": "The client credentials are wrong."})
		return
	case r.FormValue("grant_type") != "client_credentials":
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	token := "token-" + s.idLocked()
	s.tokens[token] = time.Now().Add(s.life)
	answer(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer",
		"expires_in": s.life.Seconds()})
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		// a bare object, as is seen now and then
		answer(w, http.StatusBadRequest, map[string]string{"error_code": "BAD_VALUE", "message": err.Error()})
		return
	}
	for field := range body {
		switch field {
		case "name", "reference_id", "tags", "state", "description", "long_description", "custom_fields", "geo",
			"schedule":
		default:
			fail(w, http.StatusUnprocessableEntity, "VALIDATION_ERROR", field+": ILLEGAL_FIELD")
			return
		}
	}
	text := func(field string) string { v, _ := body[field].(string); return v }
	if name := text("name"); name == "" || len([]rune(name)) > 255 {
		fail(w, http.StatusUnprocessableEntity, "VALIDATION_ERROR", "name: REQUIRED_FIELD")
		return
	}
	ref := text("reference_id")
	if ref != "" && s.findLocked("ref:"+ref) != nil {
		fail(w, http.StatusConflict, "REFERENCE_ID_IN_USE", "Reference id "+ref+" is already in use.")
		return
	}
	v := &Video{ID: s.idLocked(), Name: text("name"), Reference: ref, State: "ACTIVE"}
	s.videos[v.ID] = v
	answer(w, http.StatusCreated, v.json())
}

func (v *Video) json() map[string]any {
	return map[string]any{
		"account_id": Account, "complete": len(v.Masters) > 0, "cue_points": []any{}, "custom_fields": map[string]any{},
		"description": nil, "digital_master_id": nil,
		"duration": nil, "economics": "AD_SUPPORTED", "folder_id": nil, "geo": nil, "id": v.ID,
		"images": map[string]any{}, "name": v.Name, "reference_id": v.Reference,
		"schedule": nil, "state": v.State, "tags": []any{}, "text_tracks": []any{},
	}
}

// findLocked finds a video by id or "ref:" and reference; nil if there is none.
func (s *Server) findLocked(name string) *Video {
	ref, by := strings.CutPrefix(name, "ref:")
	if !by {
		return s.videos[name]
	}
	for _, v := range s.videos {
		if v.Reference == ref {
			return v
		}
	}
	return nil
}

func (s *Server) video(w http.ResponseWriter, r *http.Request) {
	if v := s.findLocked(r.PathValue("video")); v != nil {
		answer(w, http.StatusOK, v.json())
		return
	}
	fail(w, http.StatusNotFound, "NOT_FOUND", "")
}

func (s *Server) patch(w http.ResponseWriter, r *http.Request) {
	v := s.findLocked(r.PathValue("video"))
	var body struct{ State string }
	switch {
	case v == nil:
		fail(w, http.StatusNotFound, "NOT_FOUND", "")
	case json.NewDecoder(r.Body).Decode(&body) != nil || body.State != "ACTIVE" && body.State != "INACTIVE":
		fail(w, http.StatusUnprocessableEntity, "VALIDATION_ERROR", "state: ILLEGAL_VALUE")
	default:
		v.State = body.State
		answer(w, http.StatusOK, v.json())
	}
}

func (s *Server) images(w http.ResponseWriter, r *http.Request) {
	v := s.findLocked(r.PathValue("video"))
	switch {
	case v == nil:
		fail(w, http.StatusNotFound, "NOT_FOUND", "")
	case v.Poster == "":
		answer(w, http.StatusOK, map[string]any{})
	default:
		image := func(suffix string, width, height int) map[string]any {
			plain, secure := "http://"+v.Poster+suffix, "https://"+v.Poster+suffix
			source := func(src string) map[string]any {
				return map[string]any{"height": height, "src": src, "width": width}
			}
			return map[string]any{"asset_id": s.idLocked(), "remote": false, "sources": []any{source(plain),
				source(secure)}, "src": plain}
		}
		answer(w, http.StatusOK, map[string]any{"poster": image("-vs.jpg", 960, 540), "thumbnail": image("-th.jpg", 160,
			90)})
	}
}

func (s *Server) ingest(w http.ResponseWriter, r *http.Request) {
	v := s.findLocked(r.PathValue("video"))
	var body struct {
		Master    struct{ URL string }
		Profile   string
		Capture   bool `json:"capture-images"`
		Poster    any
		Callbacks []string
	}
	switch err := json.NewDecoder(r.Body).Decode(&body); {
	case v == nil:
		fail(w, http.StatusNotFound, "NO_SUCH_VIDEO", "Unable to find the referenced video.")
	case err != nil:
		fail(w, http.StatusBadRequest, "BAD_REQUEST", "Unable to parse request body.")
	case body.Master.URL == "":
		fail(w, http.StatusBadRequest, "NO_SOURCE", "Unable to find a source to use")
	case body.Capture && body.Poster != nil:
		fail(w, http.StatusUnprocessableEntity, "CONSTRAINT_VIOLATION",
			"capture-image is not allowed if an image source is provided.")
	default:
		j := &Job{ID: fmt.Sprintf("d3ef8751-2b88-4141-95d5-%s", s.idLocked()[1:]), Video: v.ID, Master: body.Master.URL,
			State: "processing", Callbacks: body.Callbacks}
		s.jobs[j.ID] = j
		v.Masters = append(v.Masters, body.Master.URL)
		answer(w, http.StatusOK, map[string]string{"id": j.ID})
	}
}

func (j *Job) json() map[string]any {
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	return map[string]any{"id": j.ID, "state": j.State, "account_id": Account, "video_id": j.Video,
		"error_code":    orNull(j.ErrorCode),
		"error_message": orNull(j.ErrorMessage), "priority": "normal"}
}

func (s *Server) job(w http.ResponseWriter, r *http.Request) {
	j := s.jobs[r.PathValue("job")]
	if j == nil || j.Video != r.PathValue("video") {
		fail(w, http.StatusNotFound, "RESOURCE_NOT_FOUND", "no such job")
		return
	}
	answer(w, http.StatusOK, j.json())
}

func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) {
	list := []any{}
	for _, j := range s.jobs {
		if j.Video == r.PathValue("video") {
			list = append(list, j.json())
		}
	}
	answer(w, http.StatusOK, list)
}
