package rest

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzhttp"

	"goalcast/internal/clientip"
)

// gzipSuffix goes into the ETag of a compressed answer: a strong validator must differ where bytes
// differ.
const gzipSuffix = "-gzip"

func (s *Server) publicRoutes() *chi.Mux {
	r := chi.NewRouter()
	compress, err := gzhttp.NewWrapper(gzhttp.SuffixETag(gzipSuffix))
	if err != nil {
		panic("gzip: " + err.Error()) // fixed options
	}
	r.Use(s.begin("public"), func(next http.Handler) http.Handler { return compress(next) }, s.cors, middleware.GetHead)
	r.NotFound(s.noRoute)
	r.MethodNotAllowed(s.noMethod(r))
	get := func(pattern string, h handler) { r.Get(pattern, s.wrap(s.cfg.Timeout, h)) }
	get("/v1/matches", s.getMatches)
	get("/v1/matches/{id}", s.getMatch)
	get("/v1/matches/{id}/commentary", s.getCommentary)
	get("/v1/matches/{id}/odds", s.getOdds)
	get("/v1/teams/{id}", s.getTeam)
	get("/v1/teams/{id}/squad", s.getSquad)
	get("/v1/competitions/{id}", s.getCompetition)
	get("/v1/competitions/{id}/standings", s.getStandings)
	get("/v1/openapi.yaml", s.getDescription("openapi.yaml"))
	get("/v1/asyncapi.yaml", s.getDescription("asyncapi.yaml"))

	me := r.With(private, clientip.Middleware(s.cfg.Proxies))
	do := func(method, pattern string, h userHandler) {
		me.Method(method, pattern, s.wrap(s.cfg.Timeout, s.asUser(h)))
	}
	do(http.MethodGet, "/v1/me/devices", s.getDevices)
	do(http.MethodPut, "/v1/me/devices/{token}", s.putDevice)
	do(http.MethodDelete, "/v1/me/devices/{token}", s.deleteDevice)
	do(http.MethodGet, "/v1/me/follows", s.getFollows)
	do(http.MethodPut, "/v1/me/follows/{topic}", s.putFollow)
	do(http.MethodDelete, "/v1/me/follows/{topic}", s.deleteFollow)
	return r
}

func (s *Server) adminRoutes() *chi.Mux {
	r := chi.NewRouter()
	r.Use(s.begin("admin"), private, middleware.GetHead)
	r.NotFound(s.noRoute)
	r.MethodNotAllowed(s.noMethod(r))
	r.Post("/admin/messages", s.wrap(s.cfg.Timeout, s.asAdmin(editor, s.postMessage)))
	r.Get("/admin/documents", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getDocuments)))
	r.Get("/admin/documents/{id}", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getDocument)))
	r.Get("/admin/documents/{id}/body", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getDocumentBody)))
	r.Post("/admin/documents/{id}/replay", s.wrap(s.cfg.ReplayTimeout, s.asAdmin(operator, s.postReplay)))
	r.Get("/admin/alarms", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getAlarms)))
	r.Post("/admin/alarms/{id}/ack", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.postAck)))
	r.Get("/admin/queues", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getQueues)))
	r.Get("/admin/queues/{queue}/dead", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getDead)))
	r.Post("/admin/queues/{queue}/dead/{task}/retry", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.postRevive)))
	r.Get("/admin/odds/mappings", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getMappings)))
	r.Put("/admin/odds/mappings", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.putMapping)))
	r.Get("/admin/odds/at", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getOddsAt)))
	r.Get("/admin/odds/gates", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.getGates)))
	r.Put("/admin/odds/gates/{id}", s.wrap(s.cfg.Timeout, s.asAdmin(operator, s.putGate)))
	return r
}
