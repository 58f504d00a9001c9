package rest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
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
	userReads prometheus.Counter       // that passed by the user's rate, and not by the address's
	made      [codings + 1]prometheus.Counter
	evicted   *prometheus.CounterVec // answer: match, list, part, delta or reference

	audit       *prometheus.CounterVec // result: written, open, refused
	auditBroken prometheus.Gauge
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
		userReads: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_rest_user_reads_total",
			Help: "Public requests whose address had used up its rate, and that passed by that of their login."}),
		evicted: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_answers_evicted_total",
			Help: "Encoded answers that were dropped to make room, by what they are: match, list, part, delta, " +
				"then or reference."},
			[]string{"answer"}),
	}
	m.audit = f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_rest_audit_total",
		Help: "Actions of administrators, by what became of their entries: written, open (that it ended could not be " +
			"written) or refused (nothing could be written, and nothing was done)."}, []string{"result"})
	for _, result := range []string{"written", "open", "refused"} {
		m.audit.WithLabelValues(result)
	}
	m.auditBroken = f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_rest_audit_broken",
		Help: "1 if the audit was found changed when this process last verified it, by itself or for somebody who " +
			"asked."})
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
		Help: "What the encoded answers that are held may take, by what they are: match, list, part, delta, then or " +
			"reference.",
		ConstLabels: prometheus.Labels{"answer": name}}, func() float64 { return float64(bytes()) })
}

// exchange is a request in hand: the context of the work on it, and the writer of its answer. It is
// one piece of memory, since a match is asked for by everybody at once.
type exchange struct {
	context.Context // of net/http: ends when the client goes
	http.ResponseWriter
	routing *chi.Context
	id      string
	start   time.Time
	limit   time.Duration    // of the work
	status  int              // of the answer, when it has one
	bytes   int              // of its body
	rights  goalcast.Rights  // to what is private, see looked
	person  *goalcast.Person // who asks, once somebody wanted to know: see authenticateOnce

	wait    sync.Once
	waiting context.Context // the work's end, made when somebody first waits for it
	cancel  context.CancelFunc
}

// exchangeKey is the exchange's own among the values of its context.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// requestID is that of the request that the context is of.
func requestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

// Value implements context.Context.
func (x *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return x
	case chi.RouteCtxKey:
		return x.routing
	}
	return x.Context.Value(key)
}

// Deadline implements context.Context.
func (x *exchange) Deadline() (time.Time, bool) { return x.ending().Deadline() }

// Done implements context.Context.
func (x *exchange) Done() <-chan struct{} { return x.ending().Done() }

// Err implements context.Context.
func (x *exchange) Err() error { return x.ending().Err() }

// ending is the work's end. What is answered from memory waits for nothing and needs none.
func (x *exchange) ending() context.Context {
	x.wait.Do(func() { x.waiting, x.cancel = context.WithDeadline(x.Context, x.start.Add(x.limit)) })
	return x.waiting
}

// done ends the work.
func (x *exchange) done() {
	x.wait.Do(func() { x.waiting, x.cancel = ended, func() {} })
	x.cancel()
}

// ended is the end of work that nobody waited for.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.ResponseWriter.Write(p)
	x.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Fields that every answer has. They are shared, and never changed in place.
var (
	anyOrigin = []string{"*"}
	exposed   = []string{"ETag, Goalcast-Cursor, Link, RateLimit, RateLimit-Policy, Retry-After, Warning, " +
		"X-Request-Id"}
	byCoding = []string{"Accept-Encoding"}
)

// front is one of our APIs: its routes, behind what every request passes first.
type front struct {
	*chi.Mux
	server *Server
	name   string
	spare  sync.Pool // of *chi.Context; chi would copy the request to pass one of its own
}

func newFront(routes *chi.Mux, s *Server, name string) *front {
	return &front{Mux: routes, server: s, name: name,
		spare: sync.Pool{New: func() any { return chi.NewRouteContext() }}}
}

// ServeHTTP gives a request its id; when all is done it writes the access log's line and counts.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Context: r.Context(), ResponseWriter: w, start: time.Now(), limit: f.server.cfg.Timeout}
	defer x.done()
	x.id = problem.RequestID(w, r)
	x.routing = f.spare.Get().(*chi.Context)
	defer f.spare.Put(x.routing)
	x.routing.Reset()
	x.routing.Routes = f
	f.Mux.ServeHTTP(x, r.WithContext(x))
	f.server.end(f.name, r.Method, x)
}

// end logs and counts. The path itself is not logged: under /v1/me it holds device tokens.
func (s *Server) end(api, method string, x *exchange) {
	took := time.Since(x.start)
	status := cmp.Or(x.status, http.StatusOK) // net/http sends it when a handler wrote nothing
	if !slices.Contains(methods, method) && method != http.MethodHead && method != http.MethodOptions {
		method = "other"
	}
	pattern := route(x)
	s.metrics.seconds.WithLabelValues(api, method, pattern, strconv.Itoa(status)).Observe(took.Seconds())
	if !s.log.Enabled(x.Context, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(x.Context, slog.LevelDebug, "request", slog.String("api", api), slog.String("method", method),
		slog.String("route", pattern),
		slog.Int("status", status), slog.Int("bytes", x.bytes), slog.Duration("took", took),
		slog.String("request", x.id))
}

// route is the pattern that a request matched, or "none".
func route(ctx context.Context) string {
	if rc := chi.RouteContext(ctx); rc != nil && rc.RoutePattern() != "" {
		return rc.RoutePattern()
	}
	return "none"
}

// wrap joins a handler that may end in an error with fail. The work has at most limit; a panic is a
// 500 like any other error.
func (s *Server) wrap(limit time.Duration, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).limit = limit
		if err := guarded(h, w, r); err != nil {
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
		allow, methods, headers := anyOrigin, "GET, HEAD", "Authorization, If-None-Match"
		switch {
		case r.URL.Path == ticketPath: // what it takes is in a header that a page has to know
			methods, headers = "POST, DELETE", "Authorization, Content-Type"
		case isMe(r):
			h.Add("Vary", "Origin")
			allow = nil
			if origin := r.Header.Get("Origin"); slices.Contains(s.cfg.MeOrigins, origin) {
				allow = []string{origin}
				methods, headers = "GET, HEAD, POST, PUT, DELETE", "Authorization, Content-Type"
			}
		}
		if allow != nil {
			h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = allow, exposed
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if allow != nil {
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
