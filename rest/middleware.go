package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast/internal/problem"
)

// metrics are the package's counters. Labels hold route patterns and codes only, never what a
// client sent.
type metrics struct {
	seconds   *prometheus.HistogramVec // api, method, route, status
	refused   *prometheus.CounterVec   // code of the problem
	messages  *prometheus.CounterVec   // result: published, or saved (the outbox sweep publishes it)
	forgotten prometheus.Counter       // generations of the limiter that were dropped early
	limiter   prometheus.Counter       // errors of the limiter; requests pass
	made      [codings + 1]prometheus.Counter
	evicted   *prometheus.CounterVec // answer: match or list
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_rest_request_seconds",
			Help:    "Time from a request's headers to the end of its answer, by route pattern; none is no route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}},
			[]string{"api", "method", "route", "status"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_refused_total",
			Help: "Requests answered with a problem, by its code (rate_user, rate_ip, too_large, too_many, " +
				"unauthorized, internal, ...)."}, []string{"code"}),
		messages: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_messages_total",
			Help: "Editors' messages taken, by result: published, or saved only and left to the outbox sweep."},
			[]string{"result"}),
		forgotten: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_rest_limiter_forgotten_total",
			Help: "Times the in-process rate limiter was full and forgot idle keys early."}),
		limiter: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_rest_limiter_errors_total",
			Help: "Requests let through because the rate limiter did not answer."}),
		evicted: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_answers_evicted_total",
			Help: "Encoded answers that were dropped to make room, by what they are: match or list."},
			[]string{"answer"}),
	}
	made := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_answers_made_total",
		Help: "Answers that were encoded and hashed (identity), and compressed, once for all who ask."},
		[]string{"coding"})
	for c := range m.made {
		m.made[c] = made.WithLabelValues(coding(c).String())
	}
	return m
}

// watch shows what encoded answers may take in memory.
func (m *metrics) watch(reg prometheus.Registerer, name string, bytes func() int) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_rest_answers_bytes",
		Help:        "What the encoded answers that are held may take, by what they are: match or list.",
		ConstLabels: prometheus.Labels{"answer": name}}, func() float64 { return float64(bytes()) })
}

type requestIDKey struct{}

// requestID is what begin put into the context.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// begin is the outermost middleware: request id, security headers, and when all is done the access
// log line and the latency.
func (s *Server) begin(api string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			id := problem.RequestID(w, r)
			h := w.Header()
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			next.ServeHTTP(ww, r)
			s.end(api, r, ww, id, time.Since(start))
		})
	}
}

// end logs and counts. The path itself is not logged: under /v1/me it holds device tokens.
func (s *Server) end(api string, r *http.Request, ww middleware.WrapResponseWriter, id string, took time.Duration) {
	status := ww.Status()
	if status == 0 {
		status = http.StatusOK // net/http sends it when a handler wrote nothing
	}
	method := r.Method
	if !slices.Contains(methods, method) && method != http.MethodHead && method != http.MethodOptions {
		method = "other"
	}
	pattern := route(r)
	s.metrics.seconds.WithLabelValues(api, method, pattern, strconv.Itoa(status)).Observe(took.Seconds())
	s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("api", api), slog.String("method", method),
		slog.String("route", pattern),
		slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()), slog.Duration("took", took),
		slog.String("request", id))
}

// route is the pattern that a request matched, or "none".
func route(r *http.Request) string {
	if rc := chi.RouteContext(r.Context()); rc != nil && rc.RoutePattern() != "" {
		return rc.RoutePattern()
	}
	return "none"
}

// wrap joins a handler that may end in an error with fail. The work has at most limit; a panic is a
// 500 like any other error.
func (s *Server) wrap(limit time.Duration, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		if err := guarded(h, w, r.WithContext(ctx)); err != nil {
			s.fail(w, r, err)
		}
	}
}

// guarded turns a panic of a handler into its error. Handlers write as their last act, so nothing
// was written yet.
func guarded(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return h(w, r)
}

// methods are those that any of our routes has.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}

// noRoute and noMethod are chi's two ways not to find a handler.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, problem.New(http.StatusNotFound, "no_route",
		"there is nothing under this path; /v1/openapi.yaml describes what there is"))
}

func (s *Server) noMethod(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		var allow []string
		for _, m := range methods {
			if routes.Match(chi.NewRouteContext(), m, path) {
				allow = append(allow, m)
			}
		}
		if slices.Contains(allow, http.MethodGet) {
			allow = append(allow, http.MethodHead)
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		s.fail(w, r, problem.New(http.StatusMethodNotAllowed, "no_method", "this path takes "+strings.Join(allow,
			", ")))
	}
}

// cors lets web pages read answers: everything public from anywhere, since it holds nothing of a
// user and no cookies are used; "me" only from the origins that the configuration names. Preflights
// are answered here.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		origin := r.Header.Get("Origin")
		allow, methods, headers := "*", "GET, HEAD", "Authorization, If-None-Match"
		if r.URL.Path == ticketPath { // what it takes is in a header that a page has to know
			methods, headers = "POST, DELETE", "Authorization, Content-Type"
		}
		if isMe(r) {
			h.Add("Vary", "Origin")
			if !slices.Contains(s.cfg.MeOrigins, origin) {
				allow = ""
			} else {
				allow, methods, headers = origin, "GET, HEAD, POST, PUT, DELETE", "Authorization, Content-Type"
			}
		}
		if allow != "" {
			h.Set("Access-Control-Allow-Origin", allow)
			h.Set("Access-Control-Expose-Headers", "ETag, Goalcast-Cursor, Link, Retry-After, Warning, X-Request-Id")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if allow != "" {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", headers)
			h.Set("Access-Control-Max-Age", "86400")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// ticketPath is beside the hub's /v1/live.
const ticketPath = "/v1/live/ticket"

func isMe(r *http.Request) bool {
	return r.URL.Path == "/v1/me" || strings.HasPrefix(r.URL.Path, "/v1/me/")
}

// private keeps an answer out of every cache.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
