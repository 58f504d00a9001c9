package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

// fake is a board, store, publisher and replayer in memory. err, when set, is the answer of
// everything.
type fake struct {
	mu        sync.Mutex
	err       error
	hang      bool          // Match waits for its context to end
	hangs     chan struct{} // gets one when it does
	panics    bool
	doubtful  bool
	cursor    goalcast.Cursor
	changes   uint64
	matches   map[goalcast.MatchID]goalcast.Snapshot
	filters   []goalcast.MatchFilter // those asked with
	devices   []goalcast.Device
	channels  map[goalcast.MatchID]string
	topics    map[goalcast.MatchID]string
	follows   map[goalcast.UserID][]goalcast.Topic
	prefers   map[goalcast.UserID]goalcast.UserPreferences
	messages  []goalcast.Event
	published []goalcast.Event
	pubErr    error
	documents map[goalcast.DocumentID]goalcast.Document
	docFilter goalcast.DocumentFilter
	process   func(*goalcast.Document) error
	languages []string // of the commentary on match 1009316
	asked     []string // of the library
	alarms    []goalcast.Alarm
	alarmsFor goalcast.AlarmFilter
	queues    []goalcast.QueueState
	dead      map[string][]goalcast.DeadTask // by queue
	deadAfter goalcast.DeadPlace             // that was asked for
	jobs      []goalcast.JobState

	oddsAt      goalcast.OddsAt
	mappings    []goalcast.OddsMapping
	mappingsFor goalcast.OddsMappingFilter
	gates       []goalcast.OddsGate
	decide      func(m *goalcast.OddsMapping) error // what the database says; nil: nothing
	steps       []goalcast.OddsStep                 // on the bus
	busErr      error

	audits      []goalcast.AuditEntry
	auditFor    goalcast.AuditFilter
	auditErr    []error // of the next entries
	found       []goalcast.Found
	states      []goalcast.State
	texts       map[int64]string // of events of match 1009316, by Seq
	revisions   []goalcast.Revision
	textsRead   int
	historyRead int
	times       map[string]goalcast.Times // of revisions, by Event.KeyOfAll
	timesRead   int

	names  []goalcast.Name // in order
	shown  *goalcast.Names // of those, what the process knows
	saving error           // of SaveNames

	nodes       []goalcast.Audience
	feeds       []goalcast.FeedState
	feedsOf     [3]any // since, hour, playing: what feeds were asked with
	last        map[goalcast.MatchID]time.Time
	pushes      []goalcast.PushState
	pushesAfter goalcast.PushPlace // that was asked for
	figures     goalcast.PushFigures

	partners      []goalcast.PartnerState
	partnersSince time.Time // that was asked for

	gate        goalcast.Gate
	prices      []goalcast.State
	settlements []goalcast.Event
	oddsTimes   []time.Time // with which times prices were asked for
}

func newFake() *fake {
	return &fake{cursor: goalcast.Cursor{Epoch: "k3x9", Offset: 41}, matches: map[goalcast.MatchID]goalcast.Snapshot{},
		follows: map[goalcast.UserID][]goalcast.Topic{}, documents: map[goalcast.DocumentID]goalcast.Document{},
		hangs: make(chan struct{}, 1), languages: []string{"nl"}}
}

// with changes the fake under its lock.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) Match(ctx context.Context, id goalcast.MatchID) (*goalcast.Snapshot, goalcast.Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("a secret of ours")
	}
	if f.hang {
		f.hangs <- struct{}{}
		<-ctx.Done()
		return nil, goalcast.Cursor{}, ctx.Err()
	}
	m, ok := f.matches[id]
	if !ok && f.err == nil {
		return nil, goalcast.Cursor{}, goalcast.ErrNotFound
	}
	return &m, f.cursor, f.err
}

// Changes says that something changed, always: tests change what they like.
func (f *fake) Changes() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes++
	return f.changes
}

func (f *fake) Matches(_ context.Context, q goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, q)
	var out []goalcast.Snapshot
	for _, m := range f.matches {
		if q.Chooses(m) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, goalcast.ByTime)
	if q.Limit > 0 {
		out = out[:min(len(out), q.Limit)]
	}
	return out, f.err
}

func (f *fake) KickoffsAround(_ context.Context, from, to time.Time, of goalcast.CompetitionID,
	without []goalcast.CompetitionID) (before, after time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.matches {
		if slices.Contains(without, m.Competition.ID) || of != 0 && m.Competition.ID != of {
			continue
		}
		if k := m.Kickoff; !k.IsZero() && k.Before(from) && k.After(before) {
			before = k
		} else if !k.Before(to) && (after.IsZero() || k.Before(after)) {
			after = k
		}
	}
	return before, after, f.err
}

func (f *fake) Doubtful() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doubtful
}

func (f *fake) Team(_ context.Context, id goalcast.TeamID) (goalcast.Team, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.matches {
		for _, t := range []goalcast.Team{m.Home, m.Away} {
			if t.ID == id {
				return t, f.err
			}
		}
	}
	return goalcast.Team{}, cmp.Or(f.err, goalcast.ErrNotFound)
}

func (f *fake) Competition(_ context.Context, id goalcast.CompetitionID) (goalcast.Competition, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.matches {
		if m.Competition.ID == id {
			return m.Competition, f.err
		}
	}
	return goalcast.Competition{}, cmp.Or(f.err, goalcast.ErrNotFound)
}

func (f *fake) States(_ context.Context, topic goalcast.Topic) (list []goalcast.State, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.states {
		if s.Topic == topic {
			list = append(list, s)
		}
	}
	return list, f.busErr
}

func (f *fake) Search(_ context.Context, text string) ([]goalcast.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "search "+text)
	return f.found, f.err
}

func (f *fake) Player(_ context.Context, id goalcast.PlayerID) (goalcast.PlayerPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != 5 {
		return goalcast.PlayerPage{}, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	p := goalcast.SquadPlayer{Player: goalcast.Player{ID: 5, Name: "Wout Pypaertsz"}, Shirt: 9}
	return goalcast.PlayerPage{Player: p.Player, Squads: []goalcast.PlayerSquad{{
		Competition: goalcast.Competition{ID: 23, Name: "Coastal League"}, Season: "2025",
		Team: goalcast.Team{ID: 174, Name: "Port Amber"}, As: p}}}, f.err
}

func (f *fake) Seasons(_ context.Context, id goalcast.CompetitionID) ([]goalcast.Season, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != 23 {
		return nil, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	return []goalcast.Season{{Season: "2025", Standings: true}, {Season: "2024", Squads: true}, {Season: "2023"}}, f.err
}

func (f *fake) Competitions(_ context.Context, after goalcast.CompetitionID, limit int) (list []goalcast.Competition,
	err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range []goalcast.CompetitionID{7, 23, 24, 901} {
		if id > after && len(list) < limit {
			list = append(list, goalcast.Competition{ID: id, Name: "Coastal League"})
		}
	}
	return list, f.err
}

func (f *fake) Revisions(_ context.Context, match goalcast.MatchID, after int64, limit int) (list []goalcast.Revision,
	err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.historyRead++
	for _, rev := range f.revisions {
		if rev.Event.Match == match && rev.Event.Seq > after && len(list) < limit {
			list = append(list, rev)
		}
	}
	m := f.matches[match]
	for seq := after + 1; len(f.revisions) == 0 && seq <= m.Seq && len(list) < limit; seq++ {
		list = append(list, goalcast.Revision{At: kickoff.Add(time.Duration(seq) * time.Second), Event: goalcast.Event{
			ID: "fixture", Revision: int(seq), Seq: seq, Match: match, Status: goalcast.Confirmed,
			Kind: goalcast.KindFixture, Fixture: &m.Fixture}})
	}
	return list, f.err
}

func (f *fake) EventText(_ context.Context, match goalcast.MatchID, seq int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.textsRead++
	text, ok := f.texts[seq]
	if match != 1009316 || !ok {
		return nil, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	return []byte(text), f.err
}

func (f *fake) EventTimes(_ context.Context, match goalcast.MatchID, event string, revision int) (goalcast.Times,
	error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timesRead++
	times, ok := f.times[goalcast.Event{Match: match, ID: event, Revision: revision}.KeyOfAll()]
	if !ok {
		return times, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	return times, f.err
}

func (f *fake) SaveDevice(_ context.Context, d goalcast.Device) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.devices = append(slices.DeleteFunc(f.devices, func(o goalcast.Device) bool { return o.Token == d.Token }), d)
	return f.err
}

func (f *fake) Erase(_ context.Context, user goalcast.UserID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.devices = slices.DeleteFunc(f.devices, func(d goalcast.Device) bool { return d.User == user })
	delete(f.follows, user)
	delete(f.prefers, user)
	return nil
}

func (f *fake) Merge(_ context.Context, from, to goalcast.UserID) (m goalcast.Merged, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, d := range f.devices {
		if d.User == from {
			f.devices[i].User = to
			m.Devices++
		}
	}
	for _, t := range f.follows[from] {
		if !slices.Contains(f.follows[to], t) {
			f.follows[to] = append(f.follows[to], t)
			m.Follows++
		}
	}
	delete(f.follows, from)
	return m, f.err
}

func (f *fake) DeleteDevice(_ context.Context, user goalcast.UserID, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.devices, func(o goalcast.Device) bool { return o.Token == token && o.User == user })
	if i < 0 {
		return goalcast.ErrNotFound
	}
	f.devices = slices.Delete(f.devices, i, i+1)
	return f.err
}

func (f *fake) Devices(_ context.Context, user goalcast.UserID) ([]goalcast.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.devices), func(d goalcast.Device) bool { return d.User != user }), f.err
}

func (f *fake) LiveChannel(id goalcast.MatchID) (channel, topic string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.channels[id], f.topics[id]
}

func (f *fake) Follow(_ context.Context, user goalcast.UserID, t goalcast.Topic) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.follows[user], t) {
		f.follows[user] = append(f.follows[user], t)
	}
	return f.err
}

func (f *fake) Unfollow(_ context.Context, user goalcast.UserID, t goalcast.Topic) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows[user] = slices.DeleteFunc(f.follows[user], func(o goalcast.Topic) bool { return o == t })
	return f.err
}

func (f *fake) Follows(_ context.Context, user goalcast.UserID) ([]goalcast.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.follows[user]), f.err
}

func (f *fake) Preferences(_ context.Context, user goalcast.UserID) (goalcast.UserPreferences, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prefers[user], f.err
}

func (f *fake) SavePreferences(_ context.Context, user goalcast.UserID, p goalcast.Preferences) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.prefers == nil {
		f.prefers = map[goalcast.UserID]goalcast.UserPreferences{}
	}
	f.prefers[user] = goalcast.UserPreferences{Preferences: p, Follows: f.prefers[user].Follows}
	return f.err
}

func (f *fake) SaveFollowPreferences(_ context.Context, user goalcast.UserID, t goalcast.Topic,
	p goalcast.FollowPreferences) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.follows[user], t) {
		return goalcast.ErrNotFound
	}
	all := f.prefers[user]
	if all.Follows == nil {
		all.Follows = map[goalcast.Topic]goalcast.FollowPreferences{}
	}
	all.Follows[t] = p
	if f.prefers == nil {
		f.prefers = map[goalcast.UserID]goalcast.UserPreferences{}
	}
	f.prefers[user] = all
	return f.err
}

func (f *fake) Post(_ context.Context, action *goalcast.AuditEntry, events ...goalcast.Event) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return false, f.err
	}
	begun, err := f.addAudit(goalcast.AuditEntry{Who: action.Who, Role: action.Role, Action: action.Action,
		Request: action.Request})
	if err != nil {
		return false, err
	}
	action.Begin = begun.ID
	if *action, err = f.addAudit(*action); err != nil {
		return false, err
	}
	f.messages = append(f.messages, events...)
	if f.pubErr != nil {
		return false, nil
	}
	f.published = append(f.published, events...)
	return true, nil
}

func (f *fake) Document(_ context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.documents[id]
	if !ok {
		return d, goalcast.ErrNotFound
	}
	return d, f.err
}

func (f *fake) Documents(_ context.Context, q goalcast.DocumentFilter) ([]goalcast.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.docFilter = q
	var out []goalcast.Document
	for _, d := range f.documents {
		if q.State == "" || d.State == q.State {
			d.Body = nil
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b goalcast.Document) int { return cmp.Compare(b.ID, a.ID) })
	return out, f.err
}

func (f *fake) Process(_ context.Context, id goalcast.DocumentID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.documents[id]
	err := f.process(&d)
	f.documents[id] = d
	return err
}

func (f *fake) Alarms(_ context.Context, q goalcast.AlarmFilter) ([]goalcast.Alarm, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alarmsFor = q
	return f.alarms, f.err
}

func (f *fake) AckAlarm(_ context.Context, id int64, by string) (goalcast.Alarm, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.alarms {
		if a.ID == id {
			f.alarms[i].AckedBy, f.alarms[i].Acked = by, kickoff
			return f.alarms[i], f.err
		}
	}
	return goalcast.Alarm{}, goalcast.ErrNotFound
}

func (f *fake) Queues(context.Context) ([]goalcast.QueueState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queues, f.err
}

func (f *fake) DeadTasks(_ context.Context, queue string, after goalcast.DeadPlace, limit int) ([]goalcast.DeadTask,
	error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, ok := f.dead[queue]
	if !ok {
		return nil, goalcast.ErrNotFound
	}
	f.deadAfter = after
	list = slices.DeleteFunc(slices.Clone(list), func(d goalcast.DeadTask) bool {
		return after.ID != "" && cmp.Or(d.Died.Compare(after.Died), strings.Compare(d.ID, after.ID)) >= 0
	})
	return list[:min(limit, len(list))], f.err
}

func (f *fake) ReviveTask(_ context.Context, queue, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.dead[queue], func(d goalcast.DeadTask) bool { return d.ID == id })
	if i < 0 {
		return goalcast.ErrNotFound
	}
	f.dead[queue] = slices.Delete(f.dead[queue], i, i+1)
	return f.err
}

func (f *fake) Jobs(context.Context) ([]goalcast.JobState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.jobs, f.err
}

func (f *fake) Mappings(_ context.Context, q goalcast.OddsMappingFilter) ([]goalcast.OddsMapping, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mappingsFor = q
	return f.mappings, f.err
}

func (f *fake) DecideOdds(_ context.Context, source, event string, match goalcast.MatchID,
	by string) (d goalcast.OddsDecision, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.mappings, func(m goalcast.OddsMapping) bool {
		return m.Source == source && m.Event == event
	})
	if i < 0 {
		return d, goalcast.ErrNotFound
	}
	if _, ok := f.matches[match]; !ok && match != 0 {
		return d, goalcast.ErrNoMatch
	}
	d.Before = f.mappings[i]
	m := &f.mappings[i]
	m.Match, m.By, m.Decided, m.Candidates = match, by, kickoff, nil
	if m.Decision = goalcast.MappingDecided; match == 0 {
		m.Decision = goalcast.MappingRefused
	}
	if f.decide != nil {
		err = f.decide(m)
	}
	d.Mapping = *m
	return d, cmp.Or(f.err, err)
}

func (f *fake) ShutOdds(_ context.Context, match goalcast.MatchID, shut bool, by string) (goalcast.OddsGate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.matches[match]; !ok {
		return goalcast.OddsGate{}, goalcast.ErrNotFound
	}
	f.gates = slices.DeleteFunc(f.gates, func(g goalcast.OddsGate) bool { return g.Match == match })
	if !shut {
		return goalcast.OddsGate{Match: match}, f.err
	}
	f.gates = append(f.gates, goalcast.OddsGate{Match: match, Shut: true, Since: kickoff, By: by})
	return f.gates[len(f.gates)-1], f.err
}

func (f *fake) OddsAt(_ context.Context, match goalcast.MatchID, market, selection string, at time.Time) (
	goalcast.OddsAt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := f.oddsAt
	answer.Match, answer.Market, answer.Selection, answer.At = match, market, selection, at.UnixMilli()
	return answer, f.err
}

func (f *fake) OddsGates(context.Context) ([]goalcast.OddsGate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gates, f.err
}

func (f *fake) Audit(_ context.Context, e goalcast.AuditEntry) (goalcast.AuditEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addAudit(e)
}

func (f *fake) addAudit(e goalcast.AuditEntry) (goalcast.AuditEntry, error) {
	if len(f.auditErr) > 0 {
		err := f.auditErr[0]
		if f.auditErr = f.auditErr[1:]; err != nil {
			return e, err
		}
	}
	e.ID, e.At, e.Prev = int64(len(f.audits)+1), kickoff, ""
	if e.ID > 1 {
		e.Prev = f.audits[e.ID-2].Hash
	}
	e.Hash = e.Sum()
	f.audits = append(f.audits, e)
	return e, nil
}

func (f *fake) AuditEntries(_ context.Context, q goalcast.AuditFilter) ([]goalcast.AuditEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auditFor = q
	list := slices.Clone(f.audits)
	slices.Reverse(list)
	return list[:min(q.Limit, len(list))], f.err
}

func (f *fake) AuditAfter(_ context.Context, after int64, q goalcast.AuditFilter) ([]goalcast.AuditEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auditFor = q
	list := f.audits[min(int(after), len(f.audits)):]
	return list[:min(2, len(list))], f.err
}

func (f *fake) PublishOdds(_ context.Context, _ time.Time, steps []goalcast.OddsStep) ([]goalcast.OddsDone, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, steps...)
	return make([]goalcast.OddsDone, len(steps)), f.busErr
}

func (f *fake) Odds(_ context.Context, _ goalcast.MatchID, now time.Time) (goalcast.Gate, []goalcast.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.oddsTimes = append(f.oddsTimes, now)
	return f.gate, f.prices, f.busErr
}

func (f *fake) Audiences(context.Context) ([]goalcast.Audience, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes, f.busErr
}

func (f *fake) FeedStates(_ context.Context, since, hour time.Time, playing []goalcast.MatchID) ([]goalcast.FeedState,
	error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feedsOf = [3]any{since, hour, playing}
	return f.feeds, f.err
}

func (f *fake) LastDocuments(context.Context, []goalcast.MatchID) (map[goalcast.MatchID]time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.err
}

func (f *fake) Partners(context.Context) ([]goalcast.PartnerState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.partners), f.err
}

func (f *fake) ReplayPartner(_ context.Context, name string, cursor int64, since time.Time) (before,
	after goalcast.PartnerState, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range f.partners {
		if p.Name != name || f.err != nil {
			continue
		}
		if cursor > p.Newest {
			return p, p, &goalcast.ReachError{First: 0, Last: p.Newest}
		}
		f.partnersSince = since
		f.partners[i] = goalcast.PartnerState{Name: name, Cursor: cursor, Newest: p.Newest, Configured: p.Configured}
		return p, f.partners[i], nil
	}
	return before, after, cmp.Or(f.err, goalcast.ErrNotFound)
}

func (f *fake) PushFigures(_ context.Context, event string) (goalcast.PushFigures, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.figures.Event != event {
		return goalcast.PushFigures{}, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	return f.figures, f.err
}

func (f *fake) RecentPushes(_ context.Context, after goalcast.PushPlace, limit int) ([]goalcast.PushState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushesAfter = after
	return f.pushes[:min(limit, len(f.pushes))], f.err
}

func (f *fake) PushBacklog(context.Context) (goalcast.PushBacklog, error) {
	return goalcast.PushBacklog{Events: 1, Audiences: 2, Batches: 3}, nil
}

func (f *fake) Settlements(context.Context, goalcast.MatchID) ([]goalcast.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settlements, f.err
}

// kickoff is that of the match every test starts with.
var kickoff = time.Date(2026, 5, 17, 18, 30, 0, 0, time.UTC)

// fullMatch is a match with one event of every kind, so that every schema is met.
func fullMatch() goalcast.Snapshot {
	fixture := goalcast.Fixture{
		Competition: goalcast.Competition{ID: 23, Name: "Coastal League"}, Season: "2025", Matchday: 33,
		Home: goalcast.Team{ID: 174, Name: "Port Amber"}, Away: goalcast.Team{ID: 175, Name: "Saltmarsh Rovers"},
		Kickoff: kickoff, Venue: "Harbour Park", City: "Amber",
		Reported: &goalcast.Result{Period: goalcast.PreMatch},
	}
	scorer := &goalcast.Player{ID: 9001, Name: "Ilo Varde"}
	other := &goalcast.Player{ID: 9002, Name: "Ruben Tansy"}
	details := []goalcast.Event{
		{ID: "match:1009316:fixture", Kind: goalcast.KindFixture, Fixture: &fixture},
		{ID: "match:1009316:lineup:174", Kind: goalcast.KindLineup, Team: 174, Lineup: &goalcast.Lineup{Team: 174,
			Formation: "433",
			Players: []goalcast.LineupPlayer{{Player: *scorer, Shirt: 9, Position: "striker", Place: 9, Start: true,
				Captain: true}, {Player: *other}}}},
		{ID: "match:1009316:period:first_half", Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf,
			At: kickoff.Add(2 * time.Minute)},
		{ID: "opta:1", Kind: goalcast.KindGoal, Team: 174, Player: scorer, Period: goalcast.FirstHalf, Minute: 12,
			Second: 7,
			Goal:   &goalcast.Goal{Type: goalcast.OpenPlay, Assist: other}, At: kickoff.Add(14 * time.Minute)},
		{ID: "opta:2", Kind: goalcast.KindCard, Team: 175, Player: &goalcast.Player{ID: 9101},
			Period: goalcast.FirstHalf, Minute: 15,
			Card: &goalcast.Card{Type: goalcast.Yellow, Reason: "Foul"}},
		{ID: "opta:3", Kind: goalcast.KindSubstitution, Team: 174, Period: goalcast.FirstHalf, Minute: 16,
			Substitution: &goalcast.Substitution{Off: scorer, On: other, Reason: "injury"}},
		{ID: "opta:4", Kind: goalcast.KindVAR, Team: 175, Period: goalcast.FirstHalf, Minute: 17,
			Status: goalcast.Provisional,
			VAR:    &goalcast.VAR{Subject: "goal", Outcome: "under_review"}},
		{ID: "opta:5", Kind: goalcast.KindGoal, Team: 175, Status: goalcast.Cancelled, Period: goalcast.FirstHalf,
			Minute: 17,
			Goal:   &goalcast.Goal{Type: goalcast.OpenPlay}},
		{ID: "opta:6", Kind: goalcast.KindMissedPenalty, Team: 175, Player: other, Period: goalcast.FirstHalf,
			Minute: 18},
		{ID: "opta:7", Kind: goalcast.KindAddedTime, Period: goalcast.FirstHalf, Minute: 18, AddedTime: 3},
		{ID: "opta:8", Kind: goalcast.KindShootoutKick, Team: 174, Period: goalcast.Shootout,
			Kick: &goalcast.Kick{Scored: true}},
		{ID: "wsc:1", Kind: goalcast.KindClip, Clip: &goalcast.Clip{Of: "opta:1", Version: 2, Title: "1-0",
			Account: "9000001", Video: "v1",
			Thumbnail: "https://cdn.example.org/t.jpg", Poster: "https://cdn.example.org/p.jpg", Seconds: 31,
			Include: []string{"BE"}, Exclude: []string{"GB"}}},
		{ID: "wsc:2", Kind: goalcast.KindClip, Clip: &goalcast.Clip{Title: "All goals",
			URL: "https://cdn.example.org/v.mp4", Summary: true}},
	}
	var s goalcast.Snapshot
	for i, e := range details {
		e.Revision, e.Seq, e.Match, e.Status = 1, int64(i+1), 1009316, cmp.Or(e.Status, goalcast.Confirmed)
		e.Topics = fixture.Topics(1009316)
		e.Times = goalcast.Times{Provider: 1, Received: 2, Published: int64(3 + i)}
		e.SetClock()
		s = goalcast.Apply(s, e)
		e.Score = &s.Score
	}
	return s
}

// planned is a match that has not begun.
func planned(id goalcast.MatchID, at time.Time, home, away goalcast.TeamID,
	competition goalcast.CompetitionID) goalcast.Snapshot {
	return goalcast.Apply(goalcast.Snapshot{}, goalcast.Event{ID: "f", Revision: 1, Seq: 1, Match: id,
		Kind: goalcast.KindFixture, Status: goalcast.Confirmed,
		Fixture: &goalcast.Fixture{Kickoff: at, Home: goalcast.Team{ID: home}, Away: goalcast.Team{ID: away},
			Competition: goalcast.Competition{ID: competition}}})
}

var errSecret = errors.New(`pq: relation "users" does not exist at 10.1.2.3:5432`)

func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("answer %.300s: %v", body, err)
	}
	return v
}
