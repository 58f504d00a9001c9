package rest

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"goalcast"
	"goalcast/internal/clientip"
)

// rule notes who may use a route. A test holds every route against it.
func (s *Server) rule(method, pattern string, need goalcast.Role) { s.rules[method+" "+pattern] = need }

func (s *Server) publicRoutes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.cors, middleware.GetHead)
	r.NotFound(s.noRoute)
	r.MethodNotAllowed(s.noMethod(r))
	get := func(class readClass, pattern string, h handler) {
		s.rule(http.MethodGet, pattern, goalcast.NoRole)
		h = s.looked(h)
		r.Get(pattern, s.wrap(s.cfg.Timeout, func(w http.ResponseWriter, r *http.Request) error {
			if err := s.mayRead(w, r, class); err != nil {
				return err
			}
			return h(w, r)
		}))
	}
	get(readList, "/v1/matches", s.getMatches)
	get(readMatch, "/v1/matches/{id}", s.getMatch)
	get(readMatch, "/v1/matches/{id}/timeline", s.getTimeline)
	get(readMatch, "/v1/matches/{id}/lineups", s.getLineups)
	get(readMatch, "/v1/matches/{id}/stats", s.getStats)
	get(readMatch, "/v1/matches/{id}/card.svg", s.getCard)
	get(readMatch, "/v1/matches/{id}/card.html", s.getCardPage)
	get(readMatch, "/v1/oembed", s.getEmbed)
	get(readMatch, "/v1/matches/{id}/clips", s.getClips)
	get(readMatch, "/v1/matches/{id}/deltas/{seq}", s.getDelta)
	get(readMatch, "/v1/matches/{id}/commentary", s.getCommentary)
	get(readMatch, "/v1/matches/{id}/odds", s.getOdds)
	get(readList, "/v1/teams/{id}", s.getTeam)
	get(readList, "/v1/teams/{id}/squad", s.getSquad)
	get(readList, "/v1/teams/{id}/calendar.ics", s.getCalendar)
	get(readList, "/v1/competitions/{id}", s.getCompetition)
	get(readList, "/v1/competitions/{id}/standings", s.getStandings)
	get(readList, "/v1/competitions/{id}/seasons", s.getSeasons)
	get(readList, "/v1/competitions", s.getCompetitions)
	get(readList, "/v1/players/{id}", s.getPlayer)
	get(readSearch, "/v1/search", s.getSearch)
	get(readMatch, "/v1/openapi.yaml", s.getDescription("openapi.yaml"))
	get(readMatch, "/v1/asyncapi.yaml", s.getDescription("asyncapi.yaml"))
	page := s.getPage()
	get(readMatch, "/docs", page)
	get(readMatch, "/docs/{file}", page)

	s.rule(http.MethodPost, "/v1/receipts/{receipt}", goalcast.NoRole)
	r.With(private, clientip.Middleware(s.cfg.Proxies)).Post("/v1/receipts/{receipt}",
		s.wrap(s.cfg.Timeout, s.postPushReceipt))

	me := r.With(private, clientip.Middleware(s.cfg.Proxies))
	person := func(method, pattern string, h personHandler) {
		s.rule(method, pattern, goalcast.Viewer)
		me.Method(method, pattern, s.wrap(s.cfg.Timeout, s.asPerson(h)))
	}
	do := func(method, pattern string, h userHandler) { person(method, pattern, s.asUser(h)) }
	do(http.MethodGet, "/v1/me", s.getMe)
	do(http.MethodDelete, "/v1/me", s.deleteMe)
	do(http.MethodGet, "/v1/me/devices", s.getDevices)
	person(http.MethodPut, "/v1/me/devices/{token}", s.putDevice)
	do(http.MethodDelete, "/v1/me/devices/{token}", s.deleteDevice)
	do(http.MethodGet, "/v1/me/subscriptions", s.getSubscriptions)
	do(http.MethodPut, "/v1/me/subscriptions", s.putSubscription)
	do(http.MethodDelete, "/v1/me/subscriptions/{id}", s.deleteSubscription)
	do(http.MethodGet, "/v1/me/follows", s.getFollows)
	do(http.MethodPut, "/v1/me/follows/{topic}", s.putFollow)
	do(http.MethodDelete, "/v1/me/follows/{topic}", s.deleteFollow)
	do(http.MethodGet, "/v1/me/follows/{topic}/preferences", s.getFollowPreferences)
	do(http.MethodPut, "/v1/me/follows/{topic}/preferences", s.putFollowPreferences)
	do(http.MethodGet, "/v1/me/preferences", s.getPreferences)
	do(http.MethodPut, "/v1/me/preferences", s.putPreferences)
	do(http.MethodPost, "/v1/me/receipts", s.postReceipt)
	person(http.MethodPost, "/v1/me/merge", s.postMerge)
	person(http.MethodPost, ticketPath, s.postTicket)
	do(http.MethodDelete, ticketPath, s.deleteTickets)
	return newFront(r, s, "public")
}

func (s *Server) adminRoutes() http.Handler {
	r := chi.NewRouter()
	r.Use(private, middleware.GetHead)
	r.NotFound(s.noRoute)
	r.MethodNotAllowed(s.noMethod(r))
	within := func(limit time.Duration, method, pattern string, need goalcast.Role, h handler) {
		if method != http.MethodGet {
			h = s.audited(method, pattern, h)
		}
		s.rule(method, pattern, need)
		r.Method(method, pattern, s.wrap(limit, s.asAdmin(need, h)))
	}
	do := func(method, pattern string, need goalcast.Role, h handler) {
		within(s.cfg.Timeout, method, pattern, need, h)
	}
	const messages = "/admin/messages"
	s.rule(http.MethodPost, messages, goalcast.Editor)
	r.Method(http.MethodPost, messages, s.wrap(s.cfg.Timeout, s.asAdmin(goalcast.Editor,
		s.auditedWithin(http.MethodPost, messages, s.postMessages))))
	do(http.MethodGet, "/admin/documents", goalcast.Operator, s.getDocuments)
	do(http.MethodGet, "/admin/documents/{id}", goalcast.Operator, s.getDocument)
	do(http.MethodGet, "/admin/documents/{id}/body", goalcast.Operator, s.getDocumentBody)
	within(s.cfg.ReplayTimeout, http.MethodPost, "/admin/documents/{id}/replay", goalcast.Operator, s.postReplay)
	do(http.MethodGet, "/admin/alarms", goalcast.Operator, s.getAlarms)
	do(http.MethodPost, "/admin/alarms/{id}/ack", goalcast.Operator, s.postAck)
	do(http.MethodGet, "/admin/queues", goalcast.Operator, s.getQueues)
	do(http.MethodGet, "/admin/queues/{queue}/dead", goalcast.Operator, s.getDead)
	do(http.MethodPost, "/admin/queues/{queue}/dead/{task}/retry", goalcast.Operator, s.postRevive)
	do(http.MethodGet, "/admin/odds/mappings", goalcast.Operator, s.getMappings)
	do(http.MethodPut, "/admin/odds/mappings", goalcast.Operator, s.putMapping)
	do(http.MethodGet, "/admin/odds/at", goalcast.Operator, s.getOddsAt)
	do(http.MethodGet, "/admin/odds/gates", goalcast.Operator, s.getGates)
	do(http.MethodPut, "/admin/odds/gates/{id}", goalcast.Operator, s.putGate)
	do(http.MethodGet, "/admin/names", goalcast.Editor, s.getNames)
	do(http.MethodPut, "/admin/names", goalcast.Editor, s.putNames)
	do(http.MethodGet, "/admin/audit", goalcast.Admin, s.getAudit)
	within(s.cfg.ReplayTimeout, http.MethodGet, "/admin/audit/export", goalcast.Admin, s.getAuditExport)
	within(s.cfg.ReplayTimeout, http.MethodGet, "/admin/audit/verify", goalcast.Admin, s.getAuditVerify)
	do(http.MethodPost, "/admin/messages/preview", goalcast.Editor, s.postPreview)
	do(http.MethodGet, "/admin/me", goalcast.Editor, s.getAdminMe)
	do(http.MethodGet, "/admin/viewers", goalcast.Operator, s.getViewers)
	do(http.MethodGet, "/admin/feeds", goalcast.Operator, s.getFeeds)
	do(http.MethodGet, "/admin/pushes", goalcast.Operator, s.getPushes)
	do(http.MethodGet, "/admin/pushes/{event}", goalcast.Operator, s.getPush)
	do(http.MethodGet, "/admin/partners", goalcast.Operator, s.getPartners)
	do(http.MethodPost, "/admin/partners/{name}/replay", goalcast.Operator, s.postPartnerReplay)
	return newFront(r, s, "admin")
}
