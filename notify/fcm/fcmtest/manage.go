package fcmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Limits of topics.
const (
	maxManaged = 1000 // devices in one request
	maxTopics  = 2000 // of a device
)

// Topics stands for the token where requests to have devices listen are to fail: see Fail.
const Topics = "topics"

// manage has devices listen to a topic, or listen no more.
func (s *Server) manage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.changes++
	s.mu.Unlock()
	op, found := strings.CutPrefix(r.URL.Path, "/iid/v1:")
	if !found || op != "batchAdd" && op != "batchRemove" || r.Method != http.MethodPost {
		fail(w, Failure{Status: http.StatusNotFound, Message: "no such method"})
		return
	}
	if s.Bearer != "" && r.Header.Get("Authorization") != "Bearer "+s.Bearer {
		fail(w, Failure{Status: http.StatusUnauthorized, Message: "no valid access token"})
		return
	}
	topic, tokens, wrong := readManaged(w, r)
	if wrong != "" {
		s.violation("topics: " + wrong)
		managed(w, http.StatusBadRequest, map[string]string{"error": "InvalidArgument"})
		return
	}
	f, scripted := s.nextFailure(Topics)
	if !scripted || f.Deliver {
		results := make([]map[string]string, len(tokens))
		for i, token := range tokens {
			results[i] = s.listen(token, topic, op == "batchAdd")
		}
		if !scripted {
			managed(w, http.StatusOK, map[string]any{"results": results})
			return
		}
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	managed(w, f.Status, map[string]string{"error": f.Message})
}

func managed(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

// readManaged reads a request and says what is wrong with it.
func readManaged(w http.ResponseWriter, r *http.Request) (topic string, tokens []string, wrong string) {
	var body struct {
		To     string   `json:"to"`
		Tokens []string `json:"registration_tokens"`
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err == nil {
		err = d.Decode(&body)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	topic, named := strings.CutPrefix(body.To, "/topics/")
	switch {
	case err != nil:
		wrong = err.Error()
	case kind != "application/json":
		wrong = "content type is " + kind
	case r.Header.Get("access_token_auth") != "true":
		wrong = "access_token_auth is missing"
	case !named || !topicName.MatchString(topic):
		wrong = fmt.Sprintf("%q is no topic", body.To)
	case len(body.Tokens) == 0 || len(body.Tokens) > maxManaged:
		wrong = fmt.Sprintf("%d devices", len(body.Tokens))
	case slices.Contains(body.Tokens, ""):
		wrong = "an empty token"
	}
	return topic, body.Tokens, wrong
}

// listen changes what one device listens to; the answer is empty if it does.
func (s *Server) listen(token, topic string, on bool) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.device(token)
	switch {
	case s.gone[token] || p == nil:
		return map[string]string{"error": "NOT_FOUND"}
	case !on:
		delete(p.topics, topic)
	case len(p.topics) >= maxTopics && !p.topics[topic]:
		return map[string]string{"error": "TOO_MANY_TOPICS"}
	default:
		if p.topics == nil {
			p.topics = map[string]bool{}
		}
		p.topics[topic] = true
	}
	return map[string]string{}
}

// Forget makes a token one that cannot listen: its app is gone.
func (s *Server) Forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = map[string]bool{}
	}
	s.gone[token] = true
	if p := s.devices[token]; p != nil {
		p.topics = nil
	}
}

// Listens returns the topics that a device listens to, sorted.
func (s *Server) Listens(token string) (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.devices[token]; p != nil {
		for topic := range p.topics {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// Changes counts requests to have devices listen, or listen no more.
func (s *Server) Changes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}
