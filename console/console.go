// Package console is the operator's page: what goalcast does now, what is wrong, and what to do
// about it, as HTML for a browser on the admin address. It has no data of its own: each page is
// made of answers of the admin API, which is called in the process with the token of whoever looks.
// So rights, limits, errors and the audit are those of the API, and all that a page shows is to be
// had there too.
//
// Requests run on goroutines of the HTTP server; nobody else owns anything here. Shared are the
// sessions that this process has seen (sessions, by its mutex) and the forms that were sent a
// moment ago (submissions, likewise).
package console

import (
	"log/slog"
	"net/http"
	"time"

	"goalcast/internal/problem"
)

// Config is what a Console is made of.
type Config struct {
	API      http.Handler // the admin API
	Sessions Sessions     // for all processes that serve the page
	Now      func() time.Time
}

// maxForm is how long the body of a form may be, in bytes: a message, and a token of 8 KiB.
const maxForm = 64 << 10

// Console serves the page. It starts nothing.
type Console struct {
	cfg      Config
	log      *slog.Logger
	sessions *sessions
	sent     *submissions
	routes   *http.ServeMux
	writes   []string // the patterns of what is no reading
}

// New makes a Console. Mount it at Path with http.ServeMux, the path not cut off.
func New(cfg Config, log *slog.Logger) *Console {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Console{cfg: cfg, log: log, sessions: newSessions(cfg.Sessions, cfg.Now), sent: newSubmissions(cfg.Now),
		routes: http.NewServeMux()}
	c.addRoutes()
	return c
}

// Path is where the page is.
const Path = "/console/"

func (c *Console) addRoutes() {
	for name, a := range assets {
		c.routes.Handle("GET "+Path+name, a)
	}
	get := func(path string, h page) { c.routes.Handle("GET "+Path+path, c.read(h)) }
	ours := func(path string, h http.Handler) {
		c.writes = append(c.writes, Path+path)
		c.routes.Handle("POST "+Path+path, c.ours(h))
	}
	post := func(path string, h action) { ours(path, c.write(h)) }

	c.routes.HandleFunc("GET "+Path+"login", c.getLogin)
	ours("login", http.HandlerFunc(c.postLogin))
	ours("logout", http.HandlerFunc(c.postLogout))

	get("{$}", c.overview)
	get("matches", c.matches)
	get("feeds", c.feeds)
	get("documents/{id}", c.document)
	c.routes.HandleFunc("GET "+Path+"documents/{id}/raw", c.rawDocument)
	post("documents/{id}/replay", c.replay)
	get("pushes", c.pushes)
	get("pushes/{event}", c.push)
	get("partners", c.partners)
	post("partners/{name}/replay", c.replayPartner)
	get("odds", c.odds)
	post("odds/gate", c.setGate)
	post("odds/mapping", c.decideMapping)
	get("message", c.message)
	ours("message/preview", c.read(c.previewMessage))
	post("message", c.sendMessage)
	get("alarms", c.alarms)
	post("alarms/{id}/ack", c.ackAlarm)
	get("queues", c.queues)
	get("queues/{queue}", c.deadTasks)
	post("queues/{queue}/retry", c.reviveTask)
	get("audit", c.audit)
	c.routes.Handle(Path, c.read(func(v *view) error { return notFound }))
}

// policy lets the page load its own files and nothing else, send forms to itself and nowhere else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, forms would come from the origin "null"
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	problem.RequestID(w, r)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	c.routes.ServeHTTP(w, r)
}
