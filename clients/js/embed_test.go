package clientjs_test

import (
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	pathpkg "path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	clientjs "goalcast/clients/js"
)

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Everything that the page and its parts name is served, and nothing stands inside the page
// that the policy forbids.
func TestPageIsWholeAndObeysItsPolicy(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	seen := map[string]bool{}
	link := regexp.MustCompile(`(?:src|href)="(/[^"]*)"|(?:from |import\()'([^']+)'|url\((/[^)]+)\)`)
	comment := regexp.MustCompile(`(?s)/\*.*?\*/`) // types name files that no browser asks for
	versioned := regexp.MustCompile(`^/~[A-Za-z0-9_-]{12}/`)
	var walk func(path string)
	walk = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		seen[versioned.ReplaceAllString(path, "/")] = true
		w := get(t, h, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("ETag") == "" {
			t.Errorf("%s: %d, %v", path, w.Code, w.Header())
		}
		for _, m := range link.FindAllStringSubmatch(comment.ReplaceAllString(w.Body.String(), ""), -1) {
			next := m[1] + m[2] + m[3]
			switch {
			case strings.HasPrefix(next, "./"):
				next = path[:strings.LastIndex(path, "/")+1] + next[2:]
			case strings.HasPrefix(next, "../"):
				next = "/" + next[3:]
			case !strings.HasPrefix(next, "/"): // an example in a comment
				continue
			}
			walk(next)
		}
	}
	walk("/")
	for _, must := range []string{"/goalcast.js", "/connection.js", "/socket.js", "/reducer.js", "/tables.js",
		"/later.js", "/ways.js", "/pulse.js", "/prices.js", "/stream.js", "/polling.js", "/asking.js",
		"/iterate.js", "/watch.js", "/tabs.js", "/page/main.js", "/page/phone.js", "/page/page.css",
		"/page/favicon.svg", "/page/manifest.webmanifest", "/page/push.js"} {
		if !seen[must] {
			t.Errorf("%s is not reached from /", must)
		}
	}
	page := get(t, h, "/").Body.String()
	if regexp.MustCompile(`<script>|<style|\sstyle=|\son[a-z]+=|https?://`).MatchString(page) {
		t.Error("the page holds an inline script or style, or an address elsewhere")
	}
}

func TestPageConfig(t *testing.T) {
	clips := map[string]any{"origins": nil}
	for _, tt := range []struct {
		page    clientjs.Page
		want    map[string]any
		classes string
	}{
		{clientjs.Page{}, map[string]any{"clips": clips, "odds": false, "pushes": false, "speed": 1.0,
			"webpush": false}, ""},
		{clientjs.Page{Speed: 60, Pushes: true, Odds: true, WebPush: true},
			map[string]any{"clips": clips, "odds": true, "pushes": true, "speed": 60.0, "webpush": true},
			`class="with-phone with-push"`},
	} {
		h := clientjs.Handler(tt.page)
		var config map[string]any
		if err := json.Unmarshal(get(t, h, "/page/config.json").Body.Bytes(), &config); err != nil {
			t.Fatal(err)
		}
		page := get(t, h, "/").Body.String()
		if version, _ := config["version"].(string); !strings.Contains(page, `src="/~`+version+`/page/main.js"`) {
			t.Errorf("version %q is not that of the page", version)
		}
		delete(config, "version")
		if !reflect.DeepEqual(config, tt.want) {
			t.Errorf("config %v, want %v", config, tt.want)
		}
		if !strings.Contains(page, tt.classes) || tt.classes == "" && strings.Contains(page, "with-") {
			t.Errorf("want %q in %.80s", tt.classes, page)
		}
	}
}

// What has a version in its address is kept for good; without one, or with that of another release,
// it is asked for each time.
func TestOnlyAddressesWithOurVersionAreKept(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	prefix := regexp.MustCompile(`/~[^/]+`).FindString(get(t, h, "/").Body.String())
	for path, kept := range map[string]bool{prefix + "/page/main.js": true, prefix + "/goalcast.js": true,
		"/page/main.js": false, "/~AAAAAAAAAAAA/page/main.js": false, "/": false, "/sw.js": false,
		"/page/config.json": false, "/page/manifest.webmanifest": false, "/page/icon-512.png": false} {
		w := get(t, h, path)
		if w.Code != http.StatusOK || strings.Contains(w.Header().Get("Cache-Control"), "immutable") != kept {
			t.Errorf("%s: %d %v, to be kept: %v", path, w.Code, w.Header(), kept)
		}
	}
	for path, want := range map[string]string{"/page/manifest.webmanifest": "application/manifest+json",
		"/page/icon-maskable-192.png": "image/png", "/sw.js": "text/javascript; charset=utf-8"} {
		if got := get(t, h, path).Header().Get("Content-Type"); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if got := get(t, h, "/page/page.css", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"); got != "gzip" {
		t.Errorf("style is coded as %q", got)
	}
}

// The worker keeps all that the page needs to start, and nothing that anybody has said.
func TestWorkerKeepsThePage(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	var kept []string
	text := regexp.MustCompile(`(?m)^const kept = (.*);$`).FindStringSubmatch(get(t, h, "/sw.js").Body.String())
	if err := json.Unmarshal([]byte(text[1]), &kept); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, path := range kept {
		w := get(t, h, path)
		size += w.Body.Len()
		if w.Code != http.StatusOK || strings.HasPrefix(path, "/v1") {
			t.Errorf("%s: %d", path, w.Code)
		}
		if !strings.HasSuffix(path, ".js") {
			continue
		}
		// however an import is broken into lines; types are imported by comments
		for _, name := range regexp.MustCompile(`[\s}]from '(\.[^']+)'`).FindAllStringSubmatch(w.Body.String(), -1) {
			if part := pathpkg.Join(pathpkg.Dir(path), name[1]); !slices.Contains(kept, part) &&
				pathpkg.Base(part) != "types.js" {
				t.Errorf("%s imports %s, which is not kept", path, part)
			}
		}
	}
	if len(kept) < 25 || size > 1<<20 {
		t.Errorf("%d files of %d bytes together", len(kept), size)
	}
	for _, part := range regexp.MustCompile(`(?:src|href)="(/~[^"]+)"`).FindAllStringSubmatch(get(t, h,
		"/").Body.String(), -1) {
		if !slices.Contains(kept, part[1]) {
			t.Errorf("%s is in the page, and not kept", part[1])
		}
	}
}

func TestClipsComeFromWhereTheyMay(t *testing.T) {
	policy := func(c clientjs.Clips) string {
		return get(t, clientjs.Handler(clientjs.Page{Clips: c}), "/").Header().Get("Content-Security-Policy")
	}
	if got := policy(clientjs.Clips{}); strings.Contains(got, "http") || strings.Contains(got, "media-src") {
		t.Errorf("without clips: %s", got)
	}
	clips := clientjs.Clips{Origins: []string{"https://a.example", "https://b.example:8443"},
		Player: "https://player.example/{account}/index.html?videoId={video}"}
	got := policy(clips)
	for _, want := range []string{"img-src 'self' https://a.example https://b.example:8443;",
		"; media-src https://a.example https://b.example:8443", "; frame-src https://player.example"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	config := get(t, clientjs.Handler(clientjs.Page{Clips: clips}), "/page/config.json").Body.String()
	if !strings.Contains(config, `"origins":["https://a.example","https://b.example:8443","https://player.example"]`) {
		t.Errorf("the page is told of clips: %s", config)
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	first := get(t, h, "/goalcast.js")
	if first.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("content type %q", first.Header().Get("Content-Type"))
	}
	again := get(t, h, "/goalcast.js", "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("%d with %d bytes, want 304 without", again.Code, again.Body.Len())
	}
}

func TestWhatIsNotThere(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	for _, path := range []string{"/page/", "/embed.go", "/test/hub.mjs", "/package.json", "/../embed.go",
		"/v1/matches"} {
		if w := get(t, h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestWidgetsAreForPagesOfOthers(t *testing.T) {
	h := clientjs.Handler(clientjs.Page{})
	var about struct{ Version, Src, Integrity string }
	if err := json.Unmarshal(get(t, h, "/widget/v1.json").Body.Bytes(), &about); err != nil {
		t.Fatal(err)
	}
	newest, pinned := get(t, h, "/widget/v1.js"), get(t, h, about.Src)
	sum := sha512.Sum384(pinned.Body.Bytes())
	if got := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); got != about.Integrity {
		t.Errorf("%s has the digest %s, said to be %s", about.Src, got, about.Integrity)
	}
	if newest.Body.String() != pinned.Body.String() ||
		!strings.Contains(pinned.Header().Get("Cache-Control"), "immutable") ||
		strings.Contains(newest.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("newest %v, pinned %v", newest.Header(), pinned.Header())
	}
	zipped := get(t, h, about.Src, "Accept-Encoding", "br, gzip")
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Vary": "Accept-Encoding",
		"Cross-Origin-Resource-Policy": "cross-origin", "Content-Encoding": "gzip"} {
		if got := zipped.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if zipped.Header().Get("ETag") == pinned.Header().Get("ETag") {
		t.Error("the same ETag for other bytes")
	}
	r, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != pinned.Body.String() {
		t.Errorf("unpacked it is another script: %v", err)
	}
	doc, err := os.ReadFile("../../docs/widgets.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), about.Integrity) || !strings.Contains(string(doc), about.Src) {
		t.Error("docs/widgets.md has another version or digest: npm run widget")
	}
}
