// Package clientjs holds goalcast's JavaScript: the SDK (goalcast.js), and the live page that is
// made with it, and the widgets for other pages. cmd/goalcast serves all at / with Handler; apps
// copy the SDK from here.
package clientjs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed index.html goalcast.js connection.js socket.js reducer.js tables.js page goalcast-sw.js
//go:embed later.js ways.js pulse.js prices.js stream.js polling.js asking.js iterate.js watch.js tabs.js
var files embed.FS

// widgets are the scripts of the widgets, one for each version: pages pin theirs.
//
//go:embed widget/served
var widgets embed.FS

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
	// Clips are which clips it shows.
	Clips Clips
	// WebPush lets the viewer have pushes in this browser, by /v1/me/subscriptions.
	WebPush bool
}

// policy lets the page load nothing but its own files and connect to nobody but its own host: no
// script or style stands inside the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type asset struct {
	contentType, tag string
	body             []byte
	zipped           func() []byte // the same by gzip, of what is worth it
	cache            string        // Cache-Control
	foreign          bool          // pages of others may load it
}

// How long browsers keep things. An address with a version never changes; of all else they keep
// what they have, and ask each time whether it is still the same: a new release shows at once.
const (
	keepAsking = "no-cache"
	keepAlways = "public, max-age=31536000, immutable"
)

// Handler serves the page at /, its service worker at /sw.js, its parts below /page/, the SDK at
// /goalcast.js and the widgets below /widget/. The page itself loads its parts and the SDK from
// below /~VERSION/, where they never change. What it does not have is answered 404. All is made
// when it is asked for first, not at the start: a process that is asked for no page does without,
// and a hub that starts in the middle of a match is ready sooner.
func Handler(p Page) http.Handler {
	if p.Speed <= 0 {
		p.Speed = 1
	}
	assets := sync.OnceValue(func() map[string]asset {
		assets, err := pageAssets(p)
		if err == nil {
			err = addWidgets(assets)
		}
		if err != nil {
			panic("clientjs: " + err.Error()) // all is built in; only Speed can do this, as NaN or Inf
		}
		return assets
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, assets(), p.Clips.policy()) })
}

// pageAssets are the page and its parts by their paths.
func pageAssets(p Page) (map[string]asset, error) {
	assets := map[string]asset{}
	release := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		assets["/"+name] = newAsset(name, body)
		fmt.Fprintf(release, "%s %d\n%s", name, len(body), body)
		return err
	})
	if err != nil {
		return nil, err
	}
	version := base64.RawURLEncoding.EncodeToString(release.Sum(nil)[:9])
	config, err := json.Marshal(map[string]any{"version": version, "speed": p.Speed, "pushes": p.Pushes,
		"odds": p.Odds, "clips": p.Clips.config(), "webpush": p.WebPush})
	if err != nil {
		return nil, err
	}
	kept := []string{"/", "/page/config.json"}
	parts, prefix := partsOf(assets), "/~"+version
	for _, name := range parts {
		a := assets[name]
		a.cache = keepAlways
		assets[prefix+name] = a
		kept = append(kept, prefix+name)
	}
	assets["/page/config.json"] = newAsset("config.json", config)
	assets["/"] = newAsset("index.html", pageOf(p, assets["/index.html"].body, parts, prefix))
	assets["/index.html"] = assets["/"]

	list, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	worker := fmt.Appendf(nil, "const version = '%s';\nconst kept = %s;\n%s", version, list,
		assets["/page/worker.js"].body)
	assets["/sw.js"] = newAsset("sw.js", worker)
	delete(assets, "/page/worker.js")
	return assets, nil
}

var (
	partsInPage   = regexp.MustCompile(`(?:src|href)="(/[^"]+\.(?:js|css|svg))"`)
	partsInModule = regexp.MustCompile(`(?m)\bfrom '(\.[^']+)';|^import '(\.[^']+)';`)
)

// partsOf are the paths of what the page needs to start: what it names, and what its modules
// import.
func partsOf(assets map[string]asset) (parts []string) {
	add := func(name string) {
		if _, ok := assets[name]; ok && !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	for _, m := range partsInPage.FindAllSubmatch(assets["/index.html"].body, -1) {
		add(string(m[1]))
	}
	for i := 0; i < len(parts); i++ { // and of what was added
		if path.Ext(parts[i]) != ".js" {
			continue
		}
		for _, m := range partsInModule.FindAllSubmatch(assets[parts[i]].body, -1) {
			add(path.Join(path.Dir(parts[i]), string(m[1])+string(m[2])))
		}
	}
	return parts
}

// pageOf makes the page of index.html: its parts have their version, and the browser is told of all
// its modules at once, so that it does not find them one after the other.
func pageOf(p Page, body []byte, parts []string, prefix string) []byte {
	var classes []string // so that the page has its columns and buttons from the first paint
	if p.Pushes {
		classes = append(classes, "with-phone")
	}
	if p.WebPush {
		classes = append(classes, "with-push")
	}
	if len(classes) > 0 {
		body = bytes.Replace(body, []byte("<html"), fmt.Appendf(nil, `<html class="%s"`, strings.Join(classes, " ")), 1)
	}
	var preloads []byte
	for _, name := range parts {
		if path.Ext(name) == ".js" && !bytes.Contains(body, []byte(`"`+name+`"`)) {
			preloads = fmt.Appendf(preloads, `<link rel="modulepreload" href="%s">`+"\n  ", name)
		}
	}
	module := []byte(`<script type="module"`)
	body = bytes.Replace(body, module, append(preloads, module...), 1)
	return partsInPage.ReplaceAllFunc(body, func(part []byte) []byte {
		return bytes.Replace(part, []byte(`"/`), []byte(`"`+prefix+"/"), 1)
	})
}

// worthZipping is the size from which on packing saves packets, in bytes.
const worthZipping = 1024

func newAsset(name string, body []byte) asset {
	sum := sha256.Sum256(body)
	a := asset{contentType: contentType(name), tag: base64.RawURLEncoding.EncodeToString(sum[:12]), body: body,
		cache: keepAsking}
	if len(body) >= worthZipping && path.Ext(name) != ".png" {
		a.zipped = sync.OnceValue(func() []byte { return zip(body) })
	}
	return a
}

// addWidgets adds /widget/1.0.0.js for each version that there is, which never changes, and
// /widget/v1.js, the newest of its major version, with /widget/v1.json, which says its version,
// address and digest.
func addWidgets(assets map[string]asset) error {
	scripts, err := widgets.ReadDir("widget/served")
	if err != nil {
		return err
	}
	newest := map[int][3]int{}
	for _, script := range scripts {
		var v [3]int
		if _, err := fmt.Sscanf(script.Name(), "%d.%d.%d.js", &v[0], &v[1], &v[2]); err != nil {
			return fmt.Errorf("version of %s: %w", script.Name(), err)
		}
		body, err := widgets.ReadFile("widget/served/" + script.Name())
		if err != nil {
			return err
		}
		a := newAsset(script.Name(), body)
		a.foreign, a.cache = true, keepAlways
		assets["/widget/"+script.Name()] = a
		if old := newest[v[0]]; slices.Compare(old[:], v[:]) > 0 {
			continue
		}
		newest[v[0]] = v
		sum := sha512.Sum384(body)
		about, err := json.Marshal(map[string]string{"version": strings.TrimSuffix(script.Name(), ".js"),
			"src": "/widget/" + script.Name(), "integrity": "sha384-" + base64.StdEncoding.EncodeToString(sum[:])})
		if err != nil {
			return err
		}
		// a page may have the one of before for five minutes
		a.cache = "public, max-age=300"
		major := fmt.Sprintf("/widget/v%d.js", v[0])
		assets[major], assets[major+"on"] = a, newAsset("about.json", about)
	}
	return nil
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("clientjs: " + err.Error()) // memory takes all
	}
	return b.Bytes()
}

// otherVersion is the address of a part in another release than this one: of a page that was there
// before it, or while servers are exchanged one by one. It gets what there is, and finds out by the
// version in config.json.
var otherVersion = regexp.MustCompile(`^/~[A-Za-z0-9_-]{12}(/.+)`)

func serve(w http.ResponseWriter, r *http.Request, assets map[string]asset, policy string) {
	a, ok := assets[r.URL.Path]
	if other := otherVersion.FindStringSubmatch(r.URL.Path); !ok && other != nil {
		a, ok = assets[other[1]]
	}
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
	h.Set("Cache-Control", a.cache)
	h.Set("Content-Security-Policy", policy)
	if a.foreign {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	body, tag := a.body, a.tag
	if a.zipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body, tag = a.zipped(), tag+"-gzip"
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
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
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		if t := mime.TypeByExtension(strings.ToLower(ext)); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}
