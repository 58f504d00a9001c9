package brightcovetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
)

// SetJob brings a job to a state: "processing", "publishing", "published", "finished", or "failed"
// with an error. One that can be played has a new picture of its own.
func (s *Server) SetJob(job, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishLocked(s.jobs[job], state)
}

// SetPlain is SetJob for a video whose pictures come later, by Picture.
func (s *Server) SetPlain(job, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[job].State = state
}

// Picture gives the job's video its picture.
func (s *Server) Picture(job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pictureLocked(s.jobs[job])
}

func (s *Server) finishLocked(j *Job, state string) {
	j.State, j.ErrorCode, j.ErrorMessage = state, "", ""
	switch state {
	case "failed":
		j.ErrorCode, j.ErrorMessage = "DownloadFailed", "the master could not be fetched"
	case "published", "finished":
		s.pictureLocked(j)
	}
}

func (s *Server) pictureLocked(j *Job) {
	if v := s.videos[j.Video]; v != nil {
		v.Poster = "images.example.org/" + Account + "/" + j.ID
	}
}

// Notify posts one notification of the job to its callbacks and returns the last answer's status.
func (s *Server) Notify(job, entityType, status string) int {
	s.mu.Lock()
	j := *s.jobs[job]
	s.mu.Unlock()
	return s.post(j, notification(j, entityType, entityType, status))
}

// NotifyAll posts a whole set, as for a job that succeeded: in an order of chance, some of it
// twice. It returns when all are answered.
func (s *Server) NotifyAll(job string) {
	s.mu.Lock()
	j := *s.jobs[job]
	s.mu.Unlock()
	var all [][]byte
	for i, kind := range []string{"DYNAMIC_RENDITION", "DYNAMIC_RENDITION", "DYNAMIC_RENDITION", "DIGITAL_MASTER",
		"ASSET", "ASSET", "TITLE"} {
		n := notification(j, kind, fmt.Sprint("default/", i), "SUCCESS")
		all = append(all, n)
		if rand.IntN(2) == 0 {
			all = append(all, n)
		}
	}
	rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	for _, n := range all {
		s.notifying.Go(func() { s.post(j, n) })
	}
	s.notifying.Wait()
}

func notification(j Job, kind, entity, status string) []byte {
	n, err := json.Marshal(map[string]string{"entity": entity, "entityType": kind, "version": "1", "action": "CREATE",
		"jobId": j.ID, "videoId": j.Video,
		"language": "en", "variant": "main", "accountId": Account, "status": status})
	if err != nil {
		panic(err) // strings only
	}
	return n
}

func (s *Server) post(j Job, body []byte) (status int) {
	for _, url := range j.Callbacks {
		res, err := s.http.Client().Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			s.t.Errorf("callback: %v", err)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		status = res.StatusCode
	}
	return status
}
