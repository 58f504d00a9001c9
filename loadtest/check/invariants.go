package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// Invariant is something that must hold of every run.
type Invariant struct {
	Name  string
	Means string // in one line
	// broken says what is wrong with a note, given what its recorder knew before it and what all
	// were told before it.
	broken func(a *account, all *everybody, s *seen) []Violation
	// left says what is wrong with a recorder that has noted its last; may be nil.
	left func(a *account, all *everybody) []Violation
}

// Invariants are all, in the order in which a violation is most likely to say why.
var Invariants = []Invariant{
	{Name: "readable", Means: "every frame, answer and push can be read, and an event stream's id is its cursor",
		broken: unreadable},
	{Name: "once", Means: "no viewer gets a revision twice", broken: twice},
	{Name: "order", Means: "a match's revisions come to a viewer in the order of Seq, all in that of their cursors",
		broken: disordered},
	{Name: "no_gap",
		Means:  "between a snapshot and what comes live, and over every return, no revision is missing",
		broken: gapBeforeReset, left: gaps},
	{Name: "score", Means: "the score in snapshots, events and REST is the reducer's, and the same to all at one Seq",
		broken: miscounted},
	{Name: "cancelled",
		Means:  "who was told that something is cancelled is not told by an older revision that it stands",
		broken: revived},
	{Name: "gate", Means: "who follows a match and its prices sees the gate shut before the goal", broken: lateGate},
	{Name: "price", Means: "no price is shown that is older than the opening of its gate", broken: stalePrice},
	{Name: "push_once", Means: "a phone is told of a revision once, and what it is told later replaces that",
		broken: pushedTwice},
	{Name: "push_late", Means: "no phone is told later than the run's limit after the first viewer",
		broken: pushedLate},
	{Name: "truth", Means: "in the end all have the score and the goals that there were", broken: untrue},
}

// everybody is what all recorders were told.
type everybody struct {
	limits    Limits
	scores    map[place]count    // the first telling of each
	cancelled map[string]*seen   // by match and id: the event frame that said so first
	first     map[revision]*seen // the first viewer's event frame
	finals    map[goalcast.MatchID]Told
}

// count is a match's score as it was told.
type count struct {
	score  goalcast.Score
	period goalcast.Period
	by     *seen
}

func newEverybody() *everybody {
	return &everybody{scores: map[place]count{}, cancelled: map[string]*seen{}, first: map[revision]*seen{},
		finals: map[goalcast.MatchID]Told{}}
}

// take takes a note in, when it was looked at.
func (all *everybody) take(s *seen) {
	e := s.event()
	if e == nil {
		return
	}
	key := revision{e.Match, e.ID, e.Revision}
	if all.first[key] == nil {
		all.first[key] = s
	}
	if name := fmt.Sprint(e.Match, "/", e.ID); !e.Counts() && e.Seq > 0 && all.cancelled[name] == nil {
		all.cancelled[name] = s
	}
}

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string
	Who       string // the recorder
	Match     goalcast.MatchID
	Event     string // id; may be empty
	What      string
	Proof     []Note // those that show it, oldest first
	More      int    // how many more there are of the same invariant and recorder; only the first are told
}

// wrong makes a violation.
func wrong(match goalcast.MatchID, event string, proof []*seen, format string, values ...any) []Violation {
	v := Violation{Match: match, Event: event, What: fmt.Sprintf(format, values...)}
	for _, s := range proof {
		if s != nil {
			v.Proof = append(v.Proof, s.Note)
		}
	}
	slices.SortStableFunc(v.Proof, func(a, b Note) int { return cmp.Compare(a.At, b.At) })
	return []Violation{v}
}

// String is the violation for a person: what, and the notes that show it, a line each.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", v.Invariant, v.Who)
	if v.Match != 0 {
		fmt.Fprintf(&b, ", match %d", v.Match)
	}
	if v.Event != "" {
		fmt.Fprintf(&b, ", event %s", v.Event)
	}
	fmt.Fprintf(&b, ": %s", v.What)
	if v.More > 0 {
		fmt.Fprintf(&b, " (and %d more of this kind)", v.More)
	}
	for _, n := range v.Proof {
		fmt.Fprintf(&b, "\n    %s", n)
	}
	return b.String()
}

// longestProof is how many bytes of a frame stand in a proof: enough for an event's id, revision
// and minute.
const longestProof = 400

// String is the note in a line.
func (n Note) String() string {
	text := string(n.Data)
	if n.Text != "" {
		text = n.Text
	}
	if len(text) > longestProof {
		text = text[:longestProof] + "..."
	}
	words := []string{n.Wall.Format("15:04:05.000"), fmt.Sprintf("+%.3fs", n.At.Seconds()), n.Who, string(n.Kind)}
	for _, word := range []string{n.Base, n.Since, n.ID, n.Error, text} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// mostTold is how many violations of one invariant by one recorder are told.
const mostTold = 3

// judge shows notes to invariants.
type judge struct {
	invariants []Invariant
	brief      bool // of notes only what a proof shows is kept: nobody else has them
	all        *everybody
	accounts   map[string]*account
	order      []*account // as they came
	found      []Violation
	counts     map[[2]string]int
}

func newJudge(brief bool, invariants []Invariant) *judge {
	return &judge{invariants: invariants, brief: brief, all: newEverybody(), accounts: map[string]*account{},
		counts: map[[2]string]int{}}
}

func (j *judge) account(who string) *account {
	a := j.accounts[who]
	if a == nil {
		a = newAccount(who)
		j.accounts[who] = a
		j.order = append(j.order, a)
	}
	return a
}

func (j *judge) take(n Note) {
	switch n.Kind {
	case Limited:
		if err := json.Unmarshal(n.Data, &j.all.limits); err != nil {
			j.add("readable", n.Who, wrong(0, "", []*seen{{Note: n}}, "%v", err))
		}
		return
	case Truth:
		if s := read(n); s.err == nil {
			j.all.finals[s.truth.Match] = s.truth
			for _, a := range j.order {
				j.look(a, s)
			}
		}
		return
	}
	a, s := j.account(n.Who), read(n)
	if j.brief && len(s.Data) > longestProof {
		s.Data = slices.Clone(s.Data[:longestProof+1]) // one more: so that it is seen to be cut
	}
	a.prepare(s)
	j.look(a, s)
	a.take(s)
	j.all.take(s)
}

func (j *judge) look(a *account, s *seen) {
	for _, i := range j.invariants {
		j.add(i.Name, a.who, i.broken(a, j.all, s))
	}
}

// end has those looked at who have noted their last.
func (j *judge) end() {
	for _, a := range j.order {
		for _, i := range j.invariants {
			if i.left != nil {
				j.add(i.Name, a.who, i.left(a, j.all))
			}
		}
	}
}

func (j *judge) add(invariant, who string, list []Violation) {
	for _, v := range list {
		v.Invariant, v.Who = invariant, who
		key := [2]string{invariant, who}
		if j.counts[key]++; j.counts[key] <= mostTold {
			j.found = append(j.found, v)
			continue
		}
		i := slices.IndexFunc(j.found, func(o Violation) bool { return o.Invariant == invariant && o.Who == who })
		j.found[i].More++
	}
}

// Check says what is wrong with a run by its notes; nothing is what it should be.
func Check(notes []Note) []Violation {
	j := newJudge(false, Invariants)
	for _, n := range notes {
		j.take(n)
	}
	j.end()
	return j.found
}

func unreadable(_ *account, _ *everybody, s *seen) []Violation {
	switch f := s.frame; {
	case s.err != nil:
		return wrong(0, "", []*seen{s}, "%v", s.err)
	case s.Kind != Framed:
	case f.Type == "":
		return wrong(0, "", []*seen{s}, "a frame without a type")
	case f.Type == goalcast.FrameHello && f.Version != goalcast.WireVersion:
		return wrong(0, "", []*seen{s}, "wire version %d", f.Version)
	case f.Type == goalcast.FrameEvent && f.Event == nil, f.Type == goalcast.FrameState && f.State == nil:
		return wrong(0, "", []*seen{s}, "%s without one", f.Type)
	case s.ID != "" && f.Cursor != nil && f.Cursor.String() != s.ID:
		return wrong(0, "", []*seen{s}, "SSE id %q, cursor %s", s.ID, f.Cursor)
	case s.ID != "" && f.Cursor == nil: // where the stream stands, told with whatever comes next
		if _, err := goalcast.ParseCursor(s.ID); err != nil {
			return wrong(0, "", []*seen{s}, "SSE id %q: %v", s.ID, err)
		}
	}
	return nil
}

func twice(a *account, _ *everybody, s *seen) []Violation {
	e := s.event()
	if e == nil {
		return nil
	}
	before := a.told[revision{e.Match, e.ID, e.Revision}]
	if before == nil || renumbered(a, s) {
		return nil
	}
	return wrong(e.Match, e.ID, []*seen{before, s}, "revision %d came twice", e.Revision)
}

func disordered(a *account, _ *everybody, s *seen) []Violation {
	e := s.event()
	if e == nil || a.told[revision{e.Match, e.ID, e.Revision}] != nil { // twice, and in order
		return nil
	}
	if last := a.last[e.Match]; last != nil && e.Seq > 0 && e.Seq <= last.event().Seq && !renumbered(a, s) {
		return wrong(e.Match, e.ID, []*seen{last, s}, "seq %d after %d", e.Seq, last.event().Seq)
	}
	if c := s.frame.Cursor; c != nil && c.Epoch == a.since.Epoch && c.Offset <= a.since.Offset {
		return wrong(e.Match, e.ID, []*seen{s}, "cursor %s after %s", c, a.since)
	}
	return nil
}

// renumbered says whether an event has a number by which the recorder knows another: the database
// lost that one. The hub knows, so that the frame has no cursor, and a reset comes next.
func renumbered(a *account, s *seen) bool {
	e := s.event()
	if s.frame.Cursor != nil || e.Seq == 0 {
		return false
	}
	for _, before := range a.told {
		if o := before.event(); o.Match == e.Match && o.Seq == e.Seq && !sameEvent(*o, *e) {
			return true
		}
	}
	return false
}

// sameEvent says whether viewers see no difference, but for when they were told.
func sameEvent(a, b goalcast.Event) bool {
	a.Times, b.Times = goalcast.Times{}, goalcast.Times{}
	return reflect.DeepEqual(a, b)
}

// gapBeforeReset tells of what is missing for good where a viewer starts over. Frames without a
// cursor come after a loss that the hub knows of: the reset makes up for it.
func gapBeforeReset(a *account, all *everybody, s *seen) []Violation {
	if s.frame.Type != goalcast.FrameReset {
		return nil
	}
	return gaps(a, all)
}

func gaps(a *account, _ *everybody) (list []Violation) {
	holes := a.holes()
	for s, missing := range holes {
		if s.frame.Cursor == nil {
			continue
		}
		e := s.event()
		list = append(list, wrong(e.Match, "", []*seen{a.followed[e.Match], s}, "seq %v is missing before %d", missing,
			e.Seq)...)
	}
	slices.SortFunc(list, func(a, b Violation) int { return cmp.Compare(a.Proof[0].At, b.Proof[0].At) })
	return list
}

func miscounted(a *account, all *everybody, s *seen) (list []Violation) {
	for _, m := range s.matches() {
		if again := recount(m); again.Score != m.Score {
			list = append(list, wrong(m.ID, "", []*seen{s}, "says %v, its timeline comes to %v", m.Score,
				again.Score)...)
			continue
		}
		list = append(list, all.compare(m, s)...)
	}
	e := s.event()
	if e == nil || e.Seq == 0 || a.followed[e.Match] == nil || e.Seq != s.before.Seq+1 || a.missesAny(e.Match) {
		return list
	}
	if e.Score != nil && *e.Score != s.after.Score {
		return append(list, wrong(e.Match, e.ID, []*seen{a.followed[e.Match], a.last[e.Match], s},
			"revision %d says %v, the reducer comes to %v", e.Revision, *e.Score, s.after.Score)...)
	}
	return append(list, all.compare(s.after, s)...)
}

// missesAny says whether the recorder's own match is not whole.
func (a *account) missesAny(match goalcast.MatchID) bool {
	for p := range a.missing {
		if p.match == match {
			return true
		}
	}
	return false
}

// recount is a match by its fixture, its line-ups and its timeline alone.
func recount(m goalcast.Snapshot) goalcast.Snapshot {
	if len(m.Timeline) == 0 || m.Reported != nil && len(m.Lineups) == 0 { // a list without line-ups may be of either
		return m
	}
	again := goalcast.Snapshot{ID: m.ID, Fixture: m.Fixture, FixtureRevision: m.FixtureRevision, Lineups: m.Lineups}
	for _, e := range m.Timeline {
		again.Take(e)
	}
	return again
}

// compare holds what is told of a match against what others were told of it at the same place.
func (all *everybody) compare(m goalcast.Snapshot, s *seen) []Violation {
	at := place{m.ID, m.Seq}
	known, ok := all.scores[at]
	if !ok {
		all.scores[at] = count{m.Score, m.Period, s}
		return nil
	}
	if known.score == m.Score && known.period == m.Period {
		return nil
	}
	return wrong(m.ID, "", []*seen{known.by, s}, "at seq %d it is %v in %s, %s was told %v in %s", m.Seq, m.Score,
		m.Period, known.by.Who, known.score, known.period)
}

func revived(a *account, all *everybody, s *seen) (list []Violation) {
	if s.Kind == Pushed {
		before := a.pushed[s.push.name()]
		if before != nil && cancels(before.push) && s.push.Revision < before.push.Revision {
			return wrong(s.push.Match, s.push.Event, []*seen{before, s}, "revision %d after %d took it back",
				s.push.Revision, before.push.Revision)
		}
		return nil
	}
	if e := s.event(); e != nil && e.Counts() {
		before := a.newest[fmt.Sprint(e.Match, "/", e.ID)]
		if before != nil && !before.event().Counts() && e.Revision < before.event().Revision {
			return wrong(e.Match, e.ID, []*seen{before, s}, "revision %d stands, and %d took it back", e.Revision,
				before.event().Revision)
		}
	}
	for _, m := range s.matches() {
		for _, e := range m.Timeline {
			before := all.cancelled[fmt.Sprint(m.ID, "/", e.ID)]
			if before != nil && e.Counts() && m.Seq >= before.event().Seq && e.Revision < before.event().Revision {
				list = append(list, wrong(m.ID, e.ID, []*seen{before, s},
					"at seq %d revision %d stands, and at %d revision %d took it back", m.Seq, e.Revision,
					before.event().Seq, before.event().Revision)...)
			}
		}
	}
	return list
}

// cancels says whether a push takes back what was told.
func cancels(p Push) bool { return strings.HasSuffix(p.Kind, "_cancelled") }

// news is how long after its document an event shuts a gate: corrections days later do not.
const news = 5 * time.Minute

func lateGate(a *account, _ *everybody, s *seen) []Violation {
	e := s.event()
	if e == nil || e.ShutsGate() == "" || e.Times.Published-e.Times.Received > news.Milliseconds() {
		return nil
	}
	p := a.prices[e.Match]
	if p == nil || a.stale || p.gate.State != goalcast.GateOpen || p.gate.Since >= e.Times.Published {
		return nil
	}
	return wrong(e.Match, e.ID, []*seen{p.note, s}, "%s came, and its prices are still shown", e.Kind)
}

func stalePrice(a *account, _ *everybody, s *seen) (list []Violation) {
	for _, st := range s.states() {
		match := goalcast.MatchID(st.Topic.ID)
		if st.Topic.Kind != goalcast.OddsTopic || st.Key == goalcast.GateKey || st.Removed() || a.stale {
			continue
		}
		p := a.prices[match]
		if s.frame.Type == goalcast.FrameSnapshot { // it has its own gate
			alone := newAccount(a.who)
			alone.frame(s)
			p = alone.prices[match]
		}
		if p == nil || p.gate.State != goalcast.GateOpen || st.At >= p.gate.Since {
			continue
		}
		if known, ok := p.states[st.Key]; ok && known.Version > st.Version { // nobody shows it
			continue
		}
		list = append(list, wrong(match, "", []*seen{p.note, s},
			"%s, %s, is shown behind a gate that opened %d ms later",
			st.Key, st.Value, p.gate.Since-st.At)...)
	}
	return list
}

func pushedTwice(a *account, all *everybody, s *seen) []Violation {
	if s.Kind != Pushed {
		return nil
	}
	p := s.push
	if before := a.pushes[p.revision()]; before != nil &&
		!(all.limits.PushAgain && p.Key != "" && p.Key == before.push.Key) {
		return wrong(p.Match, p.Event, []*seen{before, s}, "revision %d was pushed twice", p.Revision)
	}
	if before := a.pushed[p.name()]; before != nil && (p.Key == "" || p.Key != before.push.Key) {
		return wrong(p.Match, p.Event, []*seen{before, s}, "revision %d does not replace %d on the phone", p.Revision,
			before.push.Revision)
	}
	return nil
}

func pushedLate(_ *account, all *everybody, s *seen) []Violation {
	limit := all.limits.PushWithin
	if s.Kind != Pushed || limit == 0 {
		return nil
	}
	first := all.first[s.push.revision()]
	if first == nil {
		return nil
	}
	if late := s.push.At.Sub(first.Wall); late > limit {
		return wrong(s.push.Match, s.push.Event, []*seen{first, s}, "revision %d was pushed %v after %s had seen it",
			s.push.Revision, late.Round(time.Millisecond), first.Who)
	}
	return nil
}

func untrue(a *account, _ *everybody, s *seen) (list []Violation) {
	if s.Kind != Truth {
		return nil
	}
	t := s.truth
	if a.phone[t.Match] {
		for _, g := range t.Goals {
			list = append(list, a.untruePush(t, g, s)...)
		}
	}
	from := a.followed[t.Match]
	if from == nil {
		return list
	}
	m := a.matches[t.Match]
	proof := []*seen{from, a.last[t.Match], s}
	if m.Score != t.Score || m.State != goalcast.Finished {
		list = append(list, wrong(t.Match, "", proof, "%v, %s; it is %v and over", m.Score, m.State, t.Score)...)
	}
	for _, g := range t.Goals {
		switch e, ok := m.Event(g.Event); {
		case !ok:
			list = append(list, wrong(t.Match, g.Event, proof, "a goal is not known")...)
		case e.Counts() == g.Cancelled || e.Team != g.Team || e.Kind != goalcast.KindGoal:
			list = append(list, wrong(t.Match, g.Event, proof,
				"a goal is a %s, %s, of team %d; cancelled %v, of team %d",
				e.Kind, e.Status, e.Team, g.Cancelled, g.Team)...)
		}
	}
	return list
}

// untruePush says what is wrong with what a phone shows of a goal in the end. One that was taken
// back before the phone knew of it is not told.
func (a *account) untruePush(t Told, g Goal, s *seen) []Violation {
	last := a.pushed[fmt.Sprint(t.Match, "/", g.Event)]
	switch {
	case last == nil && !g.Cancelled:
		return wrong(t.Match, g.Event, []*seen{s}, "a phone was not told of a goal")
	case last != nil && cancels(last.push) != g.Cancelled:
		return wrong(t.Match, g.Event, []*seen{last, s}, "a phone was told of a goal as %q; cancelled %v",
			last.push.Kind, g.Cancelled)
	}
	return nil
}
