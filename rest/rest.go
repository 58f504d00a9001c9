// Package rest serves what does not have to be pushed: matches as they stand, lists of them, the
// user's own devices and follows ("me"), and the admin API for editors and operators. cmd/goalcast
// makes one Server per process, mounts Public at /v1/ (the hub's /v1/live is the one route there
// that is not ours) and Admin at /admin/ of the admin address.
//
// Everything served is described in docs/openapi.yaml; a test holds real answers of every route
// against it.
package rest

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/cache"
	"goalcast/internal/clientip"
	"goalcast/internal/ratelimit"
)

// Board gives matches from memory, kept fresh by the bus. The hub's Board is one.
type Board interface {
	// Match returns the match and a cursor that is not newer than it: whoever listens from there
	// misses nothing. The snapshot is shared and not changed: as long as the pointer is the same,
	// so is the match. ErrNotFound.
	Match(context.Context, goalcast.MatchID) (*goalcast.Snapshot, goalcast.Cursor, error)
	// Matches lists by kick-off, then id.
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
	// Changes counts what changed: while it is the same, so are the matches that are held.
	Changes() uint64
}

// Store is what rest needs of the database.
type Store interface {
	Team(context.Context, goalcast.TeamID) (goalcast.Team, error)                      // ErrNotFound
	Competition(context.Context, goalcast.CompetitionID) (goalcast.Competition, error) // ErrNotFound

	// Revisions returns those of a match with a Seq above afterSeq, in order; at most limit.
	Revisions(ctx context.Context, match goalcast.MatchID, afterSeq int64, limit int) ([]goalcast.Revision, error)
	// KickoffsAround returns the last planned kick-off before from and the first at or after to;
	// zero times where there is none. Of one competition or, with 0, of all but some.
	KickoffsAround(ctx context.Context, from, to time.Time, of goalcast.CompetitionID,
		without []goalcast.CompetitionID) (before, after time.Time, err error)

	// What is told around matches. An empty season, and competition 0, choose the newest.
	// ErrNotFound.
	Standings(ctx context.Context, competition goalcast.CompetitionID, season string) (goalcast.Standings, error)
	Squad(ctx context.Context, team goalcast.TeamID, competition goalcast.CompetitionID, season string) (goalcast.Squad,
		error)
	// Commentary lists lines, newest first, those after the one with that id if it is not empty;
	// CommentaryLanguages in which languages there are any.
	Commentary(ctx context.Context, match goalcast.MatchID, language, after string, limit int) (
		[]goalcast.CommentaryLine, error)
	CommentaryLanguages(context.Context, goalcast.MatchID) ([]string, error)

	// EventText is a revision of a match's events by its Seq, as JSON that never changes.
	// ErrNotFound.
	EventText(ctx context.Context, match goalcast.MatchID, seq int64) ([]byte, error)
	// EventTimes are the times of a revision, which never change either; match 0 is that of the
	// event's push. ErrNotFound.
	EventTimes(ctx context.Context, match goalcast.MatchID, event string, revision int) (goalcast.Times, error)

	// SaveDevice registers; a device that is known by its token changes hands. ErrTooMany.
	SaveDevice(context.Context, goalcast.Device) error
	// Merge gives a user all that another has, who is gone afterwards. ErrTooMany.
	Merge(ctx context.Context, from, to goalcast.UserID) (goalcast.Merged, error)
	// Erase deletes all that is kept of a user, and is no error if that is nothing.
	Erase(context.Context, goalcast.UserID) error
	DeleteDevice(ctx context.Context, user goalcast.UserID, token string) error // ErrNotFound, also for another user's
	Devices(context.Context, goalcast.UserID) ([]goalcast.Device, error)
	Follow(context.Context, goalcast.UserID, goalcast.Topic) error // twice is once. ErrTooMany
	Unfollow(context.Context, goalcast.UserID, goalcast.Topic) error
	Follows(context.Context, goalcast.UserID) ([]goalcast.Topic, error)
	// Preferences are all that the user has set; saving replaces them, but for those of follows.
	Preferences(context.Context, goalcast.UserID) (goalcast.UserPreferences, error)
	SavePreferences(context.Context, goalcast.UserID, goalcast.Preferences) error
	// SaveFollowPreferences replaces those of one topic: ErrNotFound if the user does not follow
	// it. ErrTooMany.
	SaveFollowPreferences(context.Context, goalcast.UserID, goalcast.Topic, goalcast.FollowPreferences) error

	Document(context.Context, goalcast.DocumentID) (goalcast.Document, error) // ErrNotFound
	// newest first; Body may be left out
	Documents(context.Context, goalcast.DocumentFilter) ([]goalcast.Document, error)
	Jobs(context.Context) ([]goalcast.JobState, error) // periodic ones, of all processes

	OddsStore
	NameStore
	References
	AuditStore
	WatchStore
	PartnerStore
}

// Poster saves messages and takes them to the bus.
type Poster interface {
	// Post keeps events of kind message and their outbox rows, and with them both entries of the
	// audit for an action that ended so: all, or none. The same id again changes nothing. It fills
	// in the entry. What it cannot publish is found by the outbox sweep.
	Post(context.Context, *goalcast.AuditEntry, ...goalcast.Event) (published bool, err error)
}

// Replayer works through a kept document again. ingest is one.
type Replayer interface {
	Process(context.Context, goalcast.DocumentID) error
}

// Deps are the parts that a Server leans on.
type Deps struct {
	Board    Board
	Store    Store
	Poster   Poster
	Replayer Replayer // nil in a process without the ingest role: replays are answered 501
	Alarms   Alarms   // nil: /admin/alarms is answered 501
	Queues   Queues   // nil: /admin/queues is answered 501
	Gates    Gates    // nil: operators' words about prices are answered 501
	Viewers  Viewers  // nil: /admin/viewers is answered 501
	Names    NameBook // nil: everything is called as the provider calls it

	States      States      // nil: /v1/matches/{id}/stats is answered 501, and no table as it stands is
	Odds        Odds        // nil: /v1/matches/{id}/odds is answered 501
	Settlements Settlements // likewise

	LiveChannels LiveChannels // nil: no match has one
	Browsers     Browsers     // nil: /v1/me/subscriptions is answered 501

	// Authenticator says who requests speak for. Nil: BearerIdentity, and /admin knows configured
	// tokens only.
	Authenticator Authenticator
	Tickets       Tickets // nil: /v1/live/ticket is answered 501
	Limiter       Limiter // nil: buckets in this process
}

// Config holds the limits of a Server. Zero values mean the defaults.
type Config struct {
	// AdminTokens are the bearer tokens of /admin by role: "editor", "operator", "admin"; each may
	// have several. A name may follow the role, which is in the audit: "operator:anna". Without
	// any, and without an Authenticator, /admin answers 403. Never logged.
	AdminTokens map[string][]string
	// Proxies are the networks of the reverse proxies and CDNs in front of us; from others
	// X-Forwarded-For is not believed. Default: none.
	Proxies []netip.Prefix
	// Feeds are the providers that may post documents: /admin/feeds names them also while nothing
	// comes. Default: none.
	Feeds []string
	// MeOrigins are the web origins ("https://www.example.org") whose pages may call /v1/me.
	// Everything else under /v1 may be read from anywhere. Default: none, apps only.
	MeOrigins []string

	Timeout       time.Duration // of the work for one answer; then 503
	ReplayTimeout time.Duration // of one replay

	DefaultMatches int // matches in a list that did not say limit
	MaxMatches     int // highest limit of a list of matches
	// highest limit of a list of documents, and 100 or this is what a list without limit gets
	MaxDocuments int

	TeamBack  time.Duration // how far back a team's matches go
	TeamAhead time.Duration // how far ahead

	// MemoryBack and MemoryAhead are the kick-offs, from now, that the board answers from memory;
	// it should not be told more than it holds. Matches beyond come from the database, at most
	// every ListAge per question.
	MemoryBack, MemoryAhead time.Duration
	ListAge                 time.Duration
	Lists                   int // such answers that are kept, up to 250 kB each
	// MatchBytes and those after it are what encoded answers may take in memory, compressed ones
	// included: of whole matches, of lists, teams and competitions, of parts of matches, of single
	// revisions, of searches and what else is told of players and competitions. Those that are
	// asked for least go first, and are made again.
	MatchBytes, ListBytes, PartBytes, DeltaBytes, ReferenceBytes int
	// how long the name of a team or competition is kept; that there is none: a sixth
	NameAge time.Duration
	Names   int // teams and as many competitions whose names are kept
	// CommentaryAge is how old commentary and settlements may be that are served
	CommentaryAge time.Duration
	// OddsAge is how old a reading of prices may be that is served: those of one match are read
	// once in this time, however many ask
	OddsAge time.Duration
	// Apps are the names of those that devices can be of; none where there is one app.
	Apps []string
	// Bank lets customers of the bank register for pushes through its app.
	Bank bool
	// OddsPublic lets everybody see prices. Without it only those with goalcast.RightOdds may.
	OddsPublic bool
	// Private says which competitions not everybody may see; they need an Authenticator.
	Private goalcast.Private
	// readings of these from the database at one time; others wait, at most Timeout
	Readings int

	MeBody      int64 // bytes of a body under /v1/me; more: 413
	MessageBody int64 // bytes of a body of /admin/messages; more: 413

	// UserRate limits one user's requests to /v1/me, IPRate those from one address (IPv6: one /64).
	// The second is wide, since mobile carriers put thousands of phones behind one address. More:
	// 429 with Retry-After.
	UserRate, IPRate Rate
	// DeviceRate limits the devices that are registered for the first time from one address; one
	// that is registered again, as apps do at each start, is not counted. A carrier's address has
	// hundreds of new ones in the minutes before a final. More: 429 with Retry-After.
	DeviceRate Rate
	// GuessRate limits the wrong tokens that are shown to /admin, and where prices are asked for,
	// from one address. More: 429 with Retry-After, for an issuer's tokens too; the right one of
	// the configuration is always taken.
	GuessRate Rate
	// ReadRate is how many matches or parts of one an address (IPv6: one /64) may ask for a minute,
	// of all processes together: a third of that at once. Half as many lists, a twentieth as many
	// searches, a two-hundredth as many matches as they stood. Each process gives an address a
	// tenth of that besides, without asking anybody. A user with a login has as much again when
	// the address has used it up. More: 429 with Retry-After. Default: no limit.
	ReadRate int
	// ReceiptShare is the part of what they show that devices are asked to report: 0 to 1.
	ReceiptShare float64
	// LimiterKeys is how many users and addresses the default Limiter remembers in each of two
	// generations; beyond it forgets the idle ones early. 100,000 are about 10 MB.
	LimiterKeys int

	// Now is the clock; tests set it.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(max(c.Timeout, 0), 5*time.Second)
	c.ReplayTimeout = cmp.Or(max(c.ReplayTimeout, 0), time.Minute)
	c.TeamBack = cmp.Or(max(c.TeamBack, 0), 7*24*time.Hour)
	c.TeamAhead = cmp.Or(max(c.TeamAhead, 0), 14*24*time.Hour)
	c.MaxMatches = cmp.Or(max(c.MaxMatches, 0), 500)
	c.DefaultMatches = cmp.Or(max(c.DefaultMatches, 0), 200)
	c.DefaultMatches = min(c.DefaultMatches, c.MaxMatches)
	c.MaxDocuments = cmp.Or(max(c.MaxDocuments, 0), 500)
	c.MemoryBack = cmp.Or(max(c.MemoryBack, 0), 24*time.Hour)
	c.MemoryAhead = cmp.Or(max(c.MemoryAhead, 0), 48*time.Hour)
	c.ListAge = cmp.Or(max(c.ListAge, 0), 10*time.Second)
	c.NameAge = cmp.Or(max(c.NameAge, 0), time.Minute)
	c.CommentaryAge = cmp.Or(max(c.CommentaryAge, 0), 2*time.Second)
	c.OddsAge = cmp.Or(max(c.OddsAge, 0), 100*time.Millisecond)
	c.Lists = cmp.Or(max(c.Lists, 0), 200)
	c.Names = cmp.Or(max(c.Names, 0), 5000)
	c.MatchBytes = cmp.Or(max(c.MatchBytes, 0), 64<<20)
	c.ListBytes = cmp.Or(max(c.ListBytes, 0), 32<<20)
	c.PartBytes = cmp.Or(max(c.PartBytes, 0), 32<<20)
	c.ReferenceBytes = cmp.Or(max(c.ReferenceBytes, 0), 16<<20)
	c.DeltaBytes = cmp.Or(max(c.DeltaBytes, 0), 16<<20)
	c.Readings = cmp.Or(max(c.Readings, 0), 8)
	c.LimiterKeys = cmp.Or(max(c.LimiterKeys, 0), 100_000)
	c.MeBody = cmp.Or(max(c.MeBody, 0), 4<<10)
	c.MessageBody = cmp.Or(max(c.MessageBody, 0), 16<<10)
	c.UserRate = c.UserRate.Or(Rate{PerMinute: 120, Burst: 60})
	c.IPRate = c.IPRate.Or(Rate{PerMinute: 6000, Burst: 1000})
	c.GuessRate = c.GuessRate.Or(Rate{PerMinute: 60, Burst: 60})
	c.ReadRate = max(c.ReadRate, 0)
	c.DeviceRate = c.DeviceRate.Or(Rate{PerMinute: 20, Burst: 600})
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Server answers requests. It starts nothing and holds nothing that has to be closed.
type Server struct {
	cfg      Config
	board    Board
	store    Store
	poster   Poster
	replay   Replayer
	alarms   Alarms
	queues   Queues
	gates    Gates
	states   States
	viewers  Viewers
	odds     Odds
	who      Authenticator
	logins   bool // who may know administrators
	rules    map[string]goalcast.Role
	tickets  Tickets
	nameBook NameBook
	limiter  Limiter
	reads    *ratelimit.Buckets[readKey] // what this process gives away by itself
	// the same to users
	userReads *ratelimit.Buckets[userReadKey]
	clientIP  func(*http.Request) netip.Addr
	isTLS     func(*http.Request) bool
	admins    atomic.Pointer[[]adminToken]
	log       *slog.Logger
	metrics   *metrics

	readLimits [readClasses]readLimit
	receipts   receipts
	verified   auditVerified

	encoder *encoder
	public  http.Handler
	admin   http.Handler

	// kick-offs before and after an empty day
	around       *cache.Cache[daysOf, [2]time.Time]
	far          *cache.Cache[goalcast.MatchFilter, []goalcast.Snapshot] // without timelines and line-ups
	teams        *cache.Cache[goalcast.TeamID, goalcast.Team]
	competitions *cache.Cache[goalcast.CompetitionID, goalcast.Competition]
	standings    *cache.Cache[standingsOf, *answer]
	liveTables   *cache.Cache[standingsOf, *answer]
	squads       *cache.Cache[squadOf, *answer]
	commentaries *cache.Cache[commentaryOf, *answer]
	wholes       *cache.Cache[matchAt, *answer] // matches with all that is known of them
	parts        *cache.Cache[partOf, *answer]  // of matches
	deltas       *cache.Cache[deltaOf, *answer]
	thens        *cache.Cache[matchThen, *answer]
	steps        *cache.Cache[matchThen, []step]     // of the last minutes, by the newest revision
	told         *cache.Cache[revisionOf, time.Time] // when the provider told of it
	references   *cache.Cache[referenceOf, *answer]  // what is told of teams, competitions and players
	stats        *cache.Cache[goalcast.MatchID, *answer]
	cards        *cache.Cache[cardOf, *answer]
	lists        *cache.Cache[listOf, *answer]
	settled      *cache.Cache[goalcast.MatchID, *[]oddsSettlement]
	prices       *cache.Cache[goalcast.MatchID, *oddsReading]
	channels     LiveChannels
	browsers     Browsers
	feeds        *cache.Cache[struct{}, *feedReading]
	gatesNow     *cache.Cache[uint64, []matchGate] // by gateChanges
	gateChanges  atomic.Uint64                     // counts what operators did here
	settlements  Settlements

	zonesMu sync.Mutex
	zones   map[string]*time.Location // time zones asked for so far; as many as there are names
}

// New makes a Server.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) *Server {
	s := &Server{
		cfg: cfg.withDefaults(), board: deps.Board, store: deps.Store, poster: deps.Poster, replay: deps.Replayer,
		alarms: deps.Alarms, queues: deps.Queues, gates: deps.Gates, states: deps.States,
		viewers: deps.Viewers, nameBook: deps.Names, channels: deps.LiveChannels, browsers: deps.Browsers,
		tickets: deps.Tickets, who: deps.Authenticator, logins: deps.Authenticator != nil,
		limiter: deps.Limiter, log: log,
		metrics: newMetrics(reg), receipts: newReceipts(reg),
		rules: map[string]goalcast.Role{}, zones: map[string]*time.Location{"UTC": time.UTC},
	}
	if s.nameBook == nil {
		s.nameBook = noNames{}
	}
	if s.who == nil {
		s.who = BearerIdentity{}
	}
	if s.limiter == nil {
		s.limiter = ratelimit.NewBuckets[string](s.cfg.LimiterKeys, s.cfg.Now, s.metrics.forgotten.Inc)
	}
	s.reads = ratelimit.NewBuckets[readKey](s.cfg.LimiterKeys, s.cfg.Now, s.metrics.forgotten.Inc)
	s.userReads = ratelimit.NewBuckets[userReadKey](s.cfg.LimiterKeys, s.cfg.Now, s.metrics.forgotten.Inc)
	s.readLimits = readLimits(s.cfg.ReadRate)
	slots := make(chan struct{}, s.cfg.Readings)
	kept := func(age time.Duration, size int) cache.Options {
		return cache.Options{Size: size, Age: age, Missing: age / 6, Timeout: s.cfg.Timeout, Slots: slots,
			Now: s.cfg.Now}
	}
	s.around = cache.New[daysOf, [2]time.Time](kept(s.cfg.ListAge, s.cfg.Lists))
	s.far = cache.New[goalcast.MatchFilter, []goalcast.Snapshot](kept(s.cfg.ListAge, s.cfg.Lists))
	s.teams = cache.New[goalcast.TeamID, goalcast.Team](kept(s.cfg.NameAge, s.cfg.Names))
	s.competitions = cache.New[goalcast.CompetitionID, goalcast.Competition](kept(s.cfg.NameAge, s.cfg.Names))
	s.standings = cache.New[standingsOf, *answer](kept(s.cfg.ListAge, s.cfg.Lists))
	s.squads = cache.New[squadOf, *answer](kept(s.cfg.NameAge, s.cfg.Lists))
	s.commentaries = cache.New[commentaryOf, *answer](kept(s.cfg.CommentaryAge, s.cfg.Lists))
	s.encoder = &encoder{packers: newPackers(), made: func(c coding) { s.metrics.made[c].Inc() }}
	encoded := func(name string, age time.Duration, bytes int) cache.Options {
		// no slots: who makes a list waits for the readings that it is made of
		return cache.Options{Bytes: bytes, Age: age, Missing: age / 6, Timeout: s.cfg.Timeout, Now: s.cfg.Now,
			Evicted: s.metrics.evicted.WithLabelValues(name).Inc}
	}
	s.wholes = cache.New[matchAt, *answer](encoded("match", matchAge, s.cfg.MatchBytes))
	s.lists = cache.New[listOf, *answer](encoded("list", listAge, s.cfg.ListBytes))
	s.cards = cache.New[cardOf, *answer](encoded("card", cardAge, s.cfg.PartBytes))
	s.parts = cache.New[partOf, *answer](encoded("part", matchAge, s.cfg.PartBytes))
	deltas := encoded("delta", deltaAge, s.cfg.DeltaBytes)
	deltas.Missing, deltas.Slots = time.Second, slots
	s.deltas = cache.New[deltaOf, *answer](deltas)
	told := kept(deltaAge, s.cfg.Names)
	told.Missing = time.Second
	s.told = cache.New[revisionOf, time.Time](told)
	thens := encoded("then", deltaAge, s.cfg.DeltaBytes)
	thens.Missing, thens.Slots = time.Second, make(chan struct{}, historyReads)
	s.thens = cache.New[matchThen, *answer](thens)
	steps := kept(deltaAge, s.cfg.Lists)
	steps.Slots = thens.Slots
	s.steps = cache.New[matchThen, []step](steps)
	now := cache.Options{Size: s.cfg.Lists, Age: statsAge, Missing: statsAge, Timeout: oddsReadTime,
		Slots: make(chan struct{}, s.cfg.Readings), Now: s.cfg.Now}
	s.stats = cache.New[goalcast.MatchID, *answer](now)
	s.liveTables = cache.New[standingsOf, *answer](now)
	references := encoded("reference", s.cfg.ListAge, s.cfg.ReferenceBytes)
	references.Slots = slots
	s.references = cache.New[referenceOf, *answer](references)
	for name, bytes := range map[string]func() int{"match": s.wholes.Bytes, "list": s.lists.Bytes,
		"reference": s.references.Bytes,
		"part":      s.parts.Bytes, "card": s.cards.Bytes, "delta": s.deltas.Bytes, "then": s.thens.Bytes} {
		s.metrics.watch(reg, name, bytes)
	}
	s.useOdds(deps, kept(s.cfg.CommentaryAge, s.cfg.Lists))
	s.feeds = cache.New[struct{}, *feedReading](kept(watchAge, 1))
	s.gatesNow = cache.New[uint64, []matchGate](kept(watchAge, 1))
	s.UseAdminTokens(s.cfg.AdminTokens)
	if len(*s.admins.Load()) == 0 && !s.logins {
		log.Warn("no admin tokens: /admin answers 403")
	}
	s.clientIP, s.isTLS = clientip.New(s.cfg.Proxies), clientip.TLS(s.cfg.Proxies)
	s.public, s.admin = s.publicRoutes(), s.adminRoutes()
	return s
}

// UseAdminTokens exchanges the tokens of /admin. It may be called at any time.
func (s *Server) UseAdminTokens(byRole map[string][]string) {
	tokens := adminTokens(byRole)
	s.admins.Store(&tokens)
}

// Public serves /v1/... but /v1/live. It expects the whole path: mount it with http.ServeMux, not
// with a prefix cut off.
func (s *Server) Public() http.Handler { return s.public }

// Admin serves /admin/..., likewise.
func (s *Server) Admin() http.Handler { return s.admin }

// Rules say which role each route needs, as "GET /v1/me/devices"; goalcast.NoRole is everybody.
func (s *Server) Rules() map[string]goalcast.Role { return maps.Clone(s.rules) }
