// Package clientjs holds goalcast's JavaScript: the SDK (goalcast.js), and the live page that is
// made with it. cmd/goalcast serves both at / with Handler; apps copy the SDK from here.
package clientjs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed index.html goalcast.js socket.js stream.js later.js polling.js asking.js iterate.js watch.js connection.js ways.js pulse.js prices.js reducer.js tables.js page
var files embed.FS

// Page says what the live page is to show. The zero value is the page for real matches.
type Page struct {
	// Speed is how many seconds of a match pass in one second; 0 is 1. Above it for simulated match
	// days: the running minute goes as fast.
	Speed float64
	// Pushes shows the phone, which listens to GET /demo/pushes (an SSE stream: each data is JSON
	// {tag, title, body, at, silent, replaced, match}) and lets the viewer follow matches and
	// teams through /v1/me.
	Pushes bool
	// Odds shows the prices of the match that is shown. Everybody must be allowed to see them.
	Odds bool
}

// policy lets the page load nothing but its own files and connect to nobody but its own host: no
// script or style stands inside the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type asset struct {
	contentType, tag string
	body             []byte
}

// Handler serves the page at /, its parts below /page/, and the SDK at /goalcast.js. What it does
// not have is answered 404.
func Handler(p Page) http.Handler {
	if p.Speed <= 0 {
		p.Speed = 1
	}
	assets := map[string]asset{}
	add := func(name string, body []byte) {
		sum := sha256.Sum256(body)
		assets[name] = asset{contentType: contentType(name), tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) +
			`"`, body: body}
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if name == "index.html" && p.Pushes { // so that the page has its columns from the first paint
			body = bytes.Replace(body, []byte("<html"), []byte(`<html class="with-phone"`), 1)
		}
		add("/"+name, body)
		return err
	})
	if err != nil {
		panic("clientjs: " + err.Error()) // the files are built in
	}
	config, err := json.Marshal(map[string]any{"speed": p.Speed, "pushes": p.Pushes, "odds": p.Odds})
	if err != nil {
		panic("clientjs: " + err.Error()) // only Speed can do this, as NaN or Inf
	}
	add("/page/config.json", config)
	assets["/"] = assets["/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, assets) })
}

func serve(w http.ResponseWriter, r *http.Request, assets map[string]asset) {
	a, ok := assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", a.tag)
	// keep it, and ask each time whether it is still the same: a new release shows at once
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// contentType does not ask the machine's mime tables: they differ.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	default:
		if t := mime.TypeByExtension(strings.ToLower(ext)); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}
