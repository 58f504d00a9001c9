package fcmtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func post(t *testing.T, s *Server, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/projects/demo/messages:send", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text)
}

func TestRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":              `x`,
		"two values":           `{"message":{"token":"a"}} {}`,
		"no message":           `{}`,
		"no target":            `{"message":{}}`,
		"two targets":          `{"message":{"token":"a","topic":"b"}}`,
		"unknown field":        `{"message":{"token":"a","priority":"high"}}`,
		"camel case":           `{"message":{"token":"a","android":{"collapseKey":"x"}}}`,
		"number in data":       `{"message":{"token":"a","data":{"score":1}}}`,
		"reserved key":         `{"message":{"token":"a","data":{"google.x":"1"}}}`,
		"too big":              `{"message":{"token":"a","data":{"x":"` + strings.Repeat("y", 4096) + `"}}}`,
		"too big for a topic":  `{"message":{"topic":"a","data":{"x":"` + strings.Repeat("y", 2048) + `"}}}`,
		"token and condition":  `{"message":{"token":"a","condition":"'b' in topics"}}`,
		"name of a topic":      `{"message":{"topic":"match:7"}}`,
		"path of a topic":      `{"message":{"topic":"/topics/a"}}`,
		"condition, six":       `{"message":{"condition":"'a' in topics` + strings.Repeat(" || 'a' in topics", 5) + `"}}`,
		"condition, a name":    `{"message":{"condition":"'a:1' in topics"}}`,
		"condition, a bracket": `{"message":{"condition":"('a' in topics"}}`,
		"condition, the rest":  `{"message":{"condition":"'a' in topics 'b' in topics"}}`,
		"condition, half":      `{"message":{"condition":"'a' in topics ||"}}`,
		"condition, no in":     `{"message":{"condition":"'a' topics"}}`,
		"condition, no topic":  `{"message":{"condition":"a in topics"}}`,
		"too big with a key": `{"message":{"token":"a","data":{"x":"` + strings.Repeat("y", 4000) +
			`"},"android":{"collapse_key":"` + strings.Repeat("z", 100) + `"}}}`,
		"too big for Apple": `{"message":{"token":"a","notification":{"body":"` + strings.Repeat("y", 3900) +
			`"},"apns":{"payload":{"aps":{}}}}}`,
		"ttl as number":      `{"message":{"token":"a","android":{"ttl":"120"}}}`,
		"ttl in minutes":     `{"message":{"token":"a","android":{"ttl":"2m"}}}`,
		"ttl too long":       `{"message":{"token":"a","android":{"ttl":"2419201s"}}}`,
		"android priority":   `{"message":{"token":"a","android":{"priority":"urgent"}}}`,
		"notification field": `{"message":{"token":"a","android":{"notification":{"tags":"x"}}}}`,
		"long collapse id": `{"message":{"token":"a","apns":{"headers":{"apns-collapse-id":"` + strings.Repeat("y",
			65) + `"}}}}`,
		"unknown apns header":  `{"message":{"token":"a","apns":{"headers":{"apns-colapse-id":"x"}}}}`,
		"expiration in ms":     `{"message":{"token":"a","apns":{"headers":{"apns-expiration":"1700000000000"}}}}`,
		"payload without aps":  `{"message":{"token":"a","apns":{"payload":{"x":1}}}}`,
		"unknown field of aps": `{"message":{"token":"a","apns":{"payload":{"aps":{"thread":"x"}}}}}`,
		"web topic":            `{"message":{"token":"a","webpush":{"headers":{"Topic":"goal:1"}}}}`,
		"web urgency":          `{"message":{"token":"a","webpush":{"headers":{"Urgency":"HIGH"}}}}`,
		"web notification":     `{"message":{"token":"a","webpush":{"notification":{"sound":"x"}}}}`,
		"renotify without tag": `{"message":{"token":"a","webpush":{"notification":{"renotify":true}}}}`,
	} {
		s := &Server{}
		status, text := post(t, s, body)
		if status != 400 || !strings.Contains(text, `"errorCode":"INVALID_ARGUMENT"`) || len(s.Violations()) == 0 ||
			len(s.Deliveries()) != 0 {
			t.Errorf("%s: %d %s, violations %v", name, status, text, s.Violations())
		}
	}
}

func TestAddressesAndTokens(t *testing.T) {
	s := &Server{Project: "demo", Bearer: "secret"}
	for _, tt := range []struct {
		method, path, bearer string
		want                 int
	}{
		{"POST", "/v1/projects/demo/messages:send", "secret", 200},
		{"POST", "/v1/projects/demo/messages:send", "other", 401},
		{"POST", "/v1/projects/other/messages:send", "secret", 404},
		{"GET", "/v1/projects/demo/messages:send", "secret", 404},
		{"POST", "/v1/projects/demo/messages", "secret", 404},
		{"POST", "/fcm/send", "secret", 404},
	} {
		r := httptest.NewRequest(tt.method, tt.path,
			strings.NewReader(`{"message":{"token":"a","notification":{"title":"x"}}}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+tt.bearer)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
		}
	}
	if got := s.Requests(); got != 6 {
		t.Errorf("%d requests", got)
	}
}

func TestValidateOnlyDeliversNothing(t *testing.T) {
	s := &Server{}
	if status, _ := post(t, s, `{"validate_only":true,"message":{"token":"a"}}`); status != 200 ||
		len(s.Deliveries()) != 0 {
		t.Errorf("%d, %v", status, s.Deliveries())
	}
}

// goal is an Android message: tag, collapse key and text, silent or not.
func goal(tag, collapse, title string, sound bool) string {
	return fmt.Sprintf(`{"message":{"token":"a","notification":{"title":%q},"android":{"ttl":"120s","collapse_key":%q,"notification":{"tag":%q,"default_sound":%t}}}}`,
		title, collapse, tag, sound)
}

// Who listens to several topics of a condition gets one message, and its app gets what has no
// notification.
func TestTopics(t *testing.T) {
	s := &Server{}
	for _, of := range []string{"one a", "one b", "two b", "three c"} {
		token, topic, _ := strings.Cut(of, " ")
		s.Subscribe(token, topic)
	}
	for _, body := range []string{
		`{"message":{"topic":"b","data":{"n":"1"}}}`,
		`{"message":{"condition":"'a' in topics || 'b' in topics","data":{"n":"2"}}}`,
		`{"message":{"condition":"!('a' in topics) && ('b' in topics || 'c' in topics)","data":{"n":"3"}}}`,
		`{"message":{"condition":"'a' in topics || 'b' in topics && 'c' in topics","notification":{"title":"4"}}}`,
	} {
		if status, text := post(t, s, body); status != 200 {
			t.Fatal(text)
		}
	}
	for token, want := range map[string]string{"one": "12", "two": "123", "three": "3"} {
		got := ""
		for _, d := range s.Data(token) {
			got += d.Data["n"]
		}
		if shown := len(s.Phone(token)); got != want || (shown == 1) != (token == "one") {
			t.Errorf("%s got %s, shows %d", token, got, shown)
		}
	}
	if got := s.Deliveries(); len(got) != 4 || got[0].Topic != "b" || got[0].Token != "" || got[3].Condition == "" {
		t.Errorf("%+v", got)
	}
	if v := s.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

func TestPhoneReplacesByTag(t *testing.T) {
	s := &Server{}
	for _, body := range []string{goal("g1", "m", "1-0", true), goal("g2", "m", "2-0", true),
		goal("g1", "m", "1-0 again", false)} {
		if status, text := post(t, s, body); status != 200 {
			t.Fatal(text)
		}
	}
	p := s.Phone("a")
	if len(p) != 2 || p[0].Title != "1-0 again" || p[0].Replaced != 1 || p[0].Sounds != 1 || p[1].Title != "2-0" ||
		p[1].Replaced != 0 {
		t.Errorf("phone shows %+v", p)
	}
}

func TestPhoneThatIsOff(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := &Server{Now: func() time.Time { return now }}
	s.TurnOff("a")
	post(t, s, goal("g1", "m1", "old", true))
	now = now.Add(100 * time.Second)
	post(t, s, goal("g2", "m1", "1-0", true))
	post(t, s, goal("g3", "m2", "0-1", true))
	if len(s.Phone("a")) != 0 {
		t.Error("a phone that is off shows something")
	}
	now = now.Add(30 * time.Second)
	s.TurnOn("a")
	if p := s.Phone("a"); len(p) != 2 || p[0].Title != "0-1" || p[1].Title != "1-0" {
		t.Errorf("phone shows %+v", p)
	}
	s.TurnOff("a")
	for i := range 5 {
		post(t, s, goal(fmt.Sprint(i), fmt.Sprint("m", i), fmt.Sprint(i), true))
	}
	if len(s.Violations()) != 1 {
		t.Errorf("five collapse keys: %v", s.Violations())
	}
	s.TurnOff("b")
	now = now.Add(121 * time.Second)
	s.TurnOn("a")
	if p := s.Phone("a"); len(p) != 2 {
		t.Errorf("what waited too long is shown: %+v", p)
	}
}
