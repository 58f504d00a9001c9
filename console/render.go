package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed web
var files embed.FS

// asset is a file that a page loads. It has a hash of its content behind its name in pages, so that
// browsers keep it for good.
type asset struct {
	contentType, tag string
	body             []byte
}

var assets = map[string]asset{
	"style.css": newAsset("style.css", "text/css; charset=utf-8"),
	"page.js":   newAsset("page.js", "text/javascript; charset=utf-8"),
	"icon.svg":  newAsset("icon.svg", "image/svg+xml"),
}

func newAsset(name, contentType string) asset {
	body, err := files.ReadFile("web/" + name)
	if err != nil {
		panic("console: " + err.Error()) // the files are built in
	}
	sum := sha256.Sum256(body)
	return asset{contentType, hex.EncodeToString(sum[:6]), body}
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	_, _ = w.Write(a.body)
}

// templates are the pages by the names of their files, each inside the frame of base.html.
var templates = func() map[string]*template.Template {
	base := template.Must(template.New("base.html").Funcs(funcs).ParseFS(files, "web/base.html", "web/parts.html"))
	names, err := fs.Glob(files, "web/*.html")
	if err != nil {
		panic("console: " + err.Error())
	}
	all := map[string]*template.Template{}
	for _, name := range names {
		all[path.Base(name)] = template.Must(template.Must(base.Clone()).ParseFS(files, name))
	}
	return all
}()

// render writes a view. It is made whole before the first byte goes out.
func (c *Console) render(w http.ResponseWriter, status int, v *view) {
	var b bytes.Buffer
	if err := templates[v.Template].ExecuteTemplate(&b, "base.html", v); err != nil {
		c.log.Error("the operator's page cannot be shown", "page", v.Template, "error", err)
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error means that the browser has gone
}

var funcs = template.FuncMap{
	"asset":   func(name string) string { return Path + name + "?v=" + assets[name].tag },
	"ago":     ago,
	"span":    span,
	"clock":   func(now, t time.Time) string { return clock(now, t) },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"full":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"millis":  func(ms int64) time.Time { return time.UnixMilli(ms).UTC() },
	"number":  number,
	"counted": counted,
	"bytes":   size,
	"words":   func(code string) string { return strings.ReplaceAll(code, "_", " ") },
	"pair":    func(a, b any) [2]any { return [2]any{a, b} },
	"seconds": func(s float64) string {
		return span(time.Duration(s * float64(time.Second)))
	},
}

// ago is how long before now a time is, or how long after.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		if d > -2*time.Second { // clocks of two machines
			return "now"
		}
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span is a length of time as people say it: two figures at most.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 && d < 10*time.Hour {
			return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
		}
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// clock is a time of today in UTC, or with its day.
func clock(now, t time.Time) string {
	t = t.UTC()
	if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// number groups a count by thousands.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted is a count with the word for one or for more.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + more
}

func size(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
