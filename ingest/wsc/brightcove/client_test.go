package brightcove_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/ingest/wsc/brightcove"
	"goalcast/ingest/wsc/brightcove/brightcovetest"
	"goalcast/internal/samples"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(url string) brightcove.Config {
	return brightcove.Config{Account: brightcovetest.Account, ClientID: brightcovetest.ClientID,
		ClientSecret: brightcovetest.ClientSecret,
		OAuthURL:     url, CMSURL: url + "/", IngestURL: url, Pause: 20 * time.Millisecond}
}

func newClient(t *testing.T, cfg brightcove.Config) *brightcove.Client {
	c := brightcove.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	t.Cleanup(c.Close)
	return c
}

func TestFromFileToPictures(t *testing.T) {
	s := brightcovetest.Start(t)
	cfg := config(s.URL)
	cfg.CallbackURL, cfg.CallbackSecret, cfg.Profile = "https://feeds.example.org/", "guess", "wide"
	c := newClient(t, cfg)
	ctx := t.Context()
	video, active, err := c.CreateVideo(ctx, brightcove.Video{Name: strings.Repeat("é", 300), Reference: "a1",
		Tags: []string{"x"}})
	if err != nil || video == "" || !active {
		t.Fatalf("create: %q, %v, %v", video, active, err)
	}
	again, _, err := c.CreateVideo(ctx, brightcove.Video{Reference: "a1"})
	if err != nil || again != video {
		t.Errorf("once more: %q, %v; want %q", again, err, video)
	}
	job, err := c.StartIngest(ctx, video, "https://cdn.example.org/a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Jobs()[0]; got.ID != job || len(got.Callbacks) != 1 || !strings.HasPrefix(got.Callbacks[0],
		"https://feeds.example.org/callbacks/brightcove/") ||
		!strings.HasSuffix(got.Callbacks[0], "/"+video) || len(strings.Split(got.Callbacks[0], "/")[5]) != 43 {
		t.Errorf("job %+v", got)
	}
	if images, err := c.Images(ctx, video); err != nil || images != (brightcove.Images{}) {
		t.Errorf("images %+v, %v", images, err)
	}
	for _, state := range []brightcove.JobState{brightcove.Processing, brightcove.Publishing, brightcove.Published,
		brightcove.Finished, brightcove.Failed, "new_word"} {
		s.SetJob(job, string(state))
		got, err := c.Job(ctx, video, job)
		want := state
		if state == "new_word" {
			want = brightcove.Unknown
		}
		if err != nil || got.State != want || (got.Error != "") != (state == brightcove.Failed) {
			t.Errorf("%s: %+v, %v", state, got, err)
		}
	}
	if images, err := c.Images(ctx, video); err != nil || !strings.HasPrefix(images.Poster, "https://") ||
		!strings.HasSuffix(images.Thumbnail, "-th.jpg") {
		t.Errorf("images %+v, %v", images, err)
	}
	if err := c.SetActive(ctx, video, false); err != nil || s.Videos()[0].State != "INACTIVE" {
		t.Errorf("set active: %v, %+v", err, s.Videos())
	}
	if _, active, err := c.CreateVideo(ctx, brightcove.Video{Reference: "a1"}); err != nil || active {
		t.Errorf("an inactive one: %v, %v", active, err)
	}
	s.Forget(video)
	for what, err := range map[string]error{"job": errOf(c.Job(ctx, video, "nojob")),
		"ingest": errOf(c.StartIngest(ctx, video, "https://x.example/a.mp4")),
		"images": errOf(c.Images(ctx, video)), "set active": c.SetActive(ctx, video, true)} {
		if !brightcove.Missing(err) || brightcove.Hopeless(err) {
			t.Errorf("%s of a deleted video: %v", what, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestVendorsExamples gives the client the vendor's published answers, byte for byte.
func TestVendorsExamples(t *testing.T) {
	answers := map[string]string{} // by method
	example := func(name string) string { return string(samples.Read(t, "brightcove/"+name)) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v4/access_token" {
			_, _ = w.Write([]byte(`{"access_token":"t","token_type":"Bearer","expires_in":300}`))
			return
		}
		line, body, _ := strings.Cut(strings.TrimSpace(answers[r.Method]), "\n")
		status, err := strconv.Atoi(strings.Fields(line)[1])
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	c := newClient(t, config(server.URL))
	ctx := t.Context()
	create := func() (string, error) {
		id, _, err := c.CreateVideo(ctx, brightcove.Video{Name: "x", Reference: "moose"})
		return id, err
	}
	answers["POST"] = example("cms-create-video-201.txt")
	if id, err := create(); err != nil || id != "4494811891001" {
		t.Errorf("created: %q, %v", id, err)
	}
	answers["POST"], answers["GET"] = example("cms-create-video-409.txt"), example("cms-create-video-201.txt")
	if id, err := create(); err != nil || id != "4494811891001" {
		t.Errorf("there already: %q, %v", id, err)
	}
	answers["GET"] = example("cms-video-images-200.txt")
	images, err := c.Images(ctx, "1")
	if err != nil || !strings.HasPrefix(images.Poster, "https://brightcove.hs.llnwd.net/") ||
		!strings.Contains(images.Thumbnail, "-th.jpg") {
		t.Errorf("images %+v, %v", images, err)
	}
	answers["POST"] = example("ingest-request-200.txt")
	if job, err := c.StartIngest(ctx, "1", "https://x.example/a.mp4"); err != nil ||
		job != "c6926dcf-0978-4085-8afc-e578ccfbf742" {
		t.Errorf("job %q, %v", job, err)
	}
	for name, want := range map[string]struct {
		status            int
		code              string
		missing, hopeless bool
	}{
		"cms-401.txt":                          {401, "UNAUTHORIZED", false, false},
		"cms-create-video-422.txt":             {422, "VALIDATION_ERROR", false, true},
		"ingest-request-404-no-such-video.txt": {404, "NO_SUCH_VIDEO", true, false},
		"ingest-request-422-constraint.txt":    {422, "CONSTRAINT_VIOLATION", false, true},
	} {
		answers["POST"] = example(name)
		_, err := c.StartIngest(ctx, "1", "https://x.example/a.mp4")
		var told *brightcove.Error
		if !errors.As(err, &told) || told.Status != want.status || told.Code != want.code || told.Message == "" ||
			brightcove.Missing(err) != want.missing || brightcove.Hopeless(err) != want.hopeless {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneTokenForAll(t *testing.T) {
	s := brightcovetest.Start(t)
	c := newClient(t, config(s.URL))
	everybody := func() {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.Images(t.Context(), "1"); !brightcove.Missing(err) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	everybody()
	if n := s.Requests("token"); n != 1 {
		t.Errorf("%d tokens for 20 callers", n)
	}
	s.RevokeTokens() // they learn of it by a 401, all at once
	everybody()
	if n := s.Requests("token"); n != 2 {
		t.Errorf("%d tokens after one was revoked", n)
	}
}

func TestTokenIsRenewedEarlyWhileTheOldOneServes(t *testing.T) {
	s := brightcovetest.Start(t)
	s.TokenLife(2 * time.Second)
	c := newClient(t, config(s.URL)) // renews after half the life at the latest
	for deadline := time.Now().Add(20 * time.Second); s.Requests("token") < 3; time.Sleep(10 * time.Millisecond) {
		if _, err := c.Images(t.Context(), "1"); !brightcove.Missing(err) {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("not renewed")
		}
	}
	if asked := s.Requests("images"); asked < 50 {
		t.Errorf("%d calls", asked)
	}
}

func TestTokenThatIsNotGiven(t *testing.T) {
	s := brightcovetest.Start(t)
	cfg := config(s.URL)
	cfg.ClientSecret = "wrong"
	_, err := newClient(t, cfg).Images(t.Context(), "1")
	var told *brightcove.Error
	if !errors.As(err, &told) || told.Status != 401 || told.Code != "invalid_client" ||
		strings.Contains(err.Error(), "wrong ") {
		t.Errorf("wrong secret: %v", err)
	}
	c := newClient(t, config(s.URL))
	for _, body := range []string{`{}`, `<html>`, `{"access_token":"x","expires_in":0}`} {
		s.Answer("token", 1, 200, body)
		if _, err := c.Images(t.Context(), "1"); err == nil || brightcove.Missing(err) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := c.Images(t.Context(), "1"); !brightcove.Missing(err) {
		t.Errorf("after that: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, config(s.URL)).Images(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

func TestTooManyRequestsHoldEverybody(t *testing.T) {
	s := brightcovetest.Start(t)
	c := newClient(t, config(s.URL))
	s.Answer("images", 1, 429, `[{"error_code":"RATE_LIMIT_EXCEEDED","message":"slow"}]`, "Retry-After", "1")
	_, err := c.Images(t.Context(), "1")
	if w := brightcove.Wait(err); w != time.Second {
		t.Fatalf("wait %v, %v", w, err)
	}
	until := time.Now().Add(time.Second)
	_, err = c.Job(t.Context(), "1", "2")
	if w := brightcove.Wait(err); w <= 0 || w > time.Second || s.Requests("job") != 0 || brightcove.Hopeless(err) {
		t.Errorf("another call: wait %v, asked %d times, %v", w, s.Requests("job"), err)
	}
	time.Sleep(time.Until(until.Add(10 * time.Millisecond)))
	if _, err = c.Job(t.Context(), "1", "2"); !brightcove.Missing(err) {
		t.Errorf("afterwards: %v", err)
	}
	s.Answer("images", 2, 429, `not JSON`)
	for want := 20 * time.Millisecond; want <= 40*time.Millisecond; want *= 2 {
		_, err = c.Images(t.Context(), "1")
		if w := brightcove.Wait(err); w != want {
			t.Errorf("without Retry-After: %v, want %v (%v)", w, want, err)
		}
		time.Sleep(want + 5*time.Millisecond)
	}
}

func TestBrightcoveAway(t *testing.T) {
	cfg := config("http://127.0.0.1:1")
	if _, err := newClient(t, cfg).Images(t.Context(), "1"); !errors.Is(err, goalcast.ErrUnavailable) ||
		brightcove.Hopeless(err) {
		t.Errorf("away: %v", err)
	}
	s := brightcovetest.Start(t)
	cfg = config(s.URL)
	cfg.MaxAnswer = 200
	c := newClient(t, cfg)
	s.Answer("images", 1, 200, strings.Repeat(" ", 1000))
	if _, err := c.Images(t.Context(), "1"); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("too long: %v", err)
	}
	s.Answer("images", 1, 302, "", "Location", "http://elsewhere.example/")
	if _, err := c.Images(t.Context(), "1"); err == nil {
		t.Error("followed a redirect with the token")
	}
}

func TestCallbacks(t *testing.T) {
	s := brightcovetest.Start(t)
	cfg := config(s.URL)
	cfg.CallbackURL, cfg.CallbackSecret = "http://unused.example", "guess"
	c := newClient(t, cfg)
	video, _, err := c.CreateVideo(t.Context(), brightcove.Video{Reference: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartIngest(t.Context(), video, "https://x.example/a.mp4"); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(s.Jobs()[0].Callbacks[0], "http://unused.example")
	var woken []string
	var trouble error
	h := c.Callbacks(func(_ context.Context, video string) error {
		woken = append(woken, video)
		return trouble
	})
	post := func(h http.Handler, method, path, body string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code
	}
	title := `{"entityType":"TITLE","status":"SUCCESS","videoId":"` + video + `"}`
	for _, tt := range []struct {
		method, path, body string
		err                error
		status             int
		wakes              bool
	}{
		{"POST", path, title, nil, 204, true},
		{"POST", path, `{"entityType":"asset","status":"SUCCESS"}`, nil, 204, true},
		{"POST", path, `{"entityType":"DYNAMIC_RENDITION","status":"FAILED"}`, nil, 204, true},
		{"POST", path, `{"entityType":"DYNAMIC_RENDITION","status":"SUCCESS"}`, nil, 204, false},
		{"POST", path, `{"entityType":"DIGITAL_MASTER","status":"SUCCESS"}`, nil, 204, false},
		{"POST", path, title, goalcast.ErrNotFound, 204, true},
		{"POST", path, title, goalcast.ErrUnavailable, 503, true},
		{"POST", path, `{"videoId":"12"}`, nil, 400, false},
		{"POST", path, `[`, nil, 400, false},
		{"POST", path, `{"x":"` + strings.Repeat("y", 70000) + `"}`, nil, 400, false},
		{"POST", path + "1", title, nil, 404, false},
		{"POST", "/callbacks/brightcove//" + video, title, nil, 404, false},
		{"GET", path, title, nil, 405, false},
	} {
		woken, trouble = nil, tt.err
		status := post(h, tt.method, tt.path, tt.body)
		if status == 307 || status == 301 {
			status = 404 // the mux cleans the path: it leads nowhere
		}
		if status != tt.status || (len(woken) == 1 && woken[0] == video) != tt.wakes {
			t.Errorf("%s %.60s %.60s: %d, woken %v", tt.method, tt.path, tt.body, status, woken)
		}
	}
	cfg.CallbackSecret = ""
	if status := post(newClient(t, cfg).Callbacks(nil), "POST", path, title); status != 404 {
		t.Errorf("without a secret: %d", status)
	}
}
