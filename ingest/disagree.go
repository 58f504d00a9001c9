package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// Disagreement is something of a match that its sources tell differently, or that one of them tells differently in sum and one by one. For seconds that is normal:
// feeds are made at different paces. For minutes somebody should look.
type Disagreement struct {
	Match   goalcast.MatchID `json:"match"`
	What    string           `json:"what"`            // "score", "period", "missing", "withdrawn", "kind", "team", "player", "minute", "card", "unmatched"
	Event   string           `json:"event,omitempty"` // id of the event it is about
	Sources []string         `json:"sources"`         // those who do not agree with what is shown, or with one another; sorted
	Detail  string           `json:"detail"`          // who says what, for a person
	Since   time.Time        `json:"since"`           // when the document arrived that brought it about, UTC
}

// key names a disagreement as long as it lasts.
func (d Disagreement) key() string {
	return d.What + " " + d.Event + " " + strings.Join(d.Sources, ",")
}

// Disagreements lists what the sources of a match do not agree on, by its record. It is pure. A record whose memory cannot be read has none: that fails its
// documents, which alarms by itself.
func Disagreements(rec goalcast.MatchRecord) []Disagreement {
	memory, err := decodeFeeds(rec.Feeds)
	if err != nil {
		return nil
	}
	return memory.disagreements(rec.Snapshot.ID, memory.merge(rec.Snapshot.ID, rec.Snapshot))
}

// Disagreements is the function of that name, for those who hold an Ingest.
func (in *Ingest) Disagreements(rec goalcast.MatchRecord) []Disagreement { return Disagreements(rec) }

// disagreements compares all that the sources say with each other and with the truth that is made of it.
func (f feeds) disagreements(match goalcast.MatchID, t truth) []Disagreement {
	q := quarrel{feeds: f, match: match, truth: t}
	for _, source := range f.sorted() {
		q.claims(source)
	}
	q.events()
	q.ticker()
	var since map[string]int64
	if ours := f[sourceOurs]; ours != nil {
		since = ours.since
	}
	for i, d := range q.found {
		if ms := since[d.key()]; ms != 0 {
			q.found[i].Since = time.UnixMilli(ms).UTC()
		}
	}
	return q.found
}

// remember notes since when the sources disagree, and returns what is new. It is the one part of the memory that is no join: it tells when we saw something, and
// not what sources said.
func (f feeds) remember(now []Disagreement, received int64) (fresh []Disagreement) {
	var before map[string]int64
	if ours := f[sourceOurs]; ours != nil {
		before = ours.since
	}
	if len(now) == 0 {
		f.note(func(ours *feed) { ours.since = nil })
		return nil
	}
	since := make(map[string]int64, len(now))
	for _, d := range now {
		at, known := before[d.key()]
		if !known {
			at = received
			fresh = append(fresh, d)
		}
		since[d.key()] = at
	}
	f.note(func(ours *feed) { ours.since = since })
	return fresh
}

// note changes what ingest itself remembers; nothing is kept of nothing.
func (f feeds) note(change func(ours *feed)) {
	ours := f[sourceOurs]
	if ours == nil {
		ours = &feed{}
	}
	change(ours)
	if f[sourceOurs] = ours; ours.since == nil && ours.held == nil {
		delete(f, sourceOurs)
	}
}

// sorted lists the names of the sources.
func (f feeds) sorted() []string {
	var names []string
	for key := range f {
		if name := sourceOf(key); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// claimed are the newest claims of a source, in whichever variant; nil if it makes none.
func (f feeds) claimed(source string) *Claims {
	var newest *versioned[Claims]
	for key, mem := range f {
		if sourceOf(key) == source && mem.claims != nil && (newest == nil || mem.claims.at.Compare(newest.at) > 0) {
			newest = mem.claims
		}
	}
	if newest == nil || f.occasion().isPast(newest.at) {
		return nil
	}
	return &newest.said
}

// detailed says whether a feed of the match itself told an event.
func (f feeds) detailed() bool { return f.tells(sourceMatch) || f.tells(sourceF24) }

func (f feeds) tells(source string) bool {
	for key, mem := range f {
		if sourceOf(key) == source && len(mem.facts) > 0 {
			return true
		}
	}
	return false
}

// quarrel collects disagreements.
type quarrel struct {
	feeds feeds
	match goalcast.MatchID
	truth truth
	found []Disagreement
}

func (q *quarrel) add(what, event, detail string, sources ...string) {
	slices.Sort(sources)
	q.found = append(q.found, Disagreement{Match: q.match, What: what, Event: event, Sources: slices.Compact(sources), Detail: detail})
}

// claims holds a source's sums against what is shown: its score against the goals that count, its period against the last that began.
func (q *quarrel) claims(source string) {
	told := q.feeds.claimed(source)
	if told == nil || q.truth.fixture == nil || !q.feeds.detailed() {
		return
	}
	shown, period := q.shown()
	if told.Score != nil && *told.Score != shown && q.truth.fixture.Awarded == nil {
		q.add("score", "", fmt.Sprintf("%s says %d-%d, the goals that count make %d-%d", source, told.Score.Home, told.Score.Away, shown.Home, shown.Away), source)
	}
	if told.Period != "" && told.Period != period {
		q.add("period", "", fmt.Sprintf("%s says %s, the last that began is %s", source, told.Period, period), source)
	}
}

// shown is the score and period as the reducer derives them.
func (q *quarrel) shown() (goalcast.Score, goalcast.Period) {
	var score goalcast.Score
	period := goalcast.PreMatch
	for _, e := range q.truth.events {
		switch {
		case !e.Counts():
		case e.Kind == goalcast.KindGoal && e.Team == q.truth.fixture.Home.ID:
			score.Home++
		case e.Kind == goalcast.KindGoal && e.Team == q.truth.fixture.Away.ID:
			score.Away++
		case e.Kind == goalcast.KindPeriod && e.Period.Order() > period.Order():
			period = e.Period
		}
	}
	return score, period
}

// weighty kinds are told by the match document and by F24 alike, so that one that has them alone is worth a look.
func weighty(k goalcast.Kind) bool {
	return k == goalcast.KindGoal || k == goalcast.KindCard || k == goalcast.KindSubstitution || k == goalcast.KindMissedPenalty
}

// events compares what the match document and F24 tell of the same events.
func (q *quarrel) events() {
	if !q.feeds.tells(sourceMatch) || !q.feeds.tells(sourceF24) {
		return
	}
	byID := make(map[string]*thing, len(q.truth.things))
	for _, t := range q.truth.things {
		byID[q.truth.ids[t]] = t
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		current := byID[id].current()
		if current[0].past {
			continue
		}
		verdicts := q.feeds.verdicts(current)
		said := func(source string) goalcast.Event { // in its newest document
			var newest word
			for _, w := range current {
				if w.voice.source == source && (newest.voice == nil || w.told.at.Compare(newest.told.at) > 0) {
					newest = w
				}
			}
			return newest.told.said
		}
		x, inMatch := verdicts[sourceMatch]
		y, inF24 := verdicts[sourceF24]
		a, b := said(sourceMatch), said(sourceF24)
		switch {
		case inMatch && inF24:
			q.compare(id, a, b, x.holds, y.holds)
		case inMatch && weighty(a.Kind) && x.holds:
			q.add("missing", id, fmt.Sprintf("%s has a %s that %s has not", sourceMatch, a.Kind, sourceF24), sourceF24)
		case inF24 && weighty(b.Kind) && y.holds && b.Kind != goalcast.KindMissedPenalty:
			q.add("missing", id, fmt.Sprintf("%s has a %s that %s has not", sourceF24, b.Kind, sourceMatch), sourceMatch)
		}
	}
}

// compare holds two tellings of one event against each other; x is the match document's.
func (q *quarrel) compare(id string, x, y goalcast.Event, xHolds, yHolds bool) {
	if !weighty(x.Kind) && !weighty(y.Kind) || !xHolds && !yHolds {
		return
	}
	differ := func(what string, a, b any) {
		q.add(what, id, fmt.Sprintf("%s says %v, %s says %v", sourceMatch, a, sourceF24, b), sourceMatch, sourceF24)
	}
	switch {
	case xHolds && !yHolds:
		q.add("withdrawn", id, fmt.Sprintf("%s took back a %s that %s still has", sourceF24, x.Kind, sourceMatch), sourceMatch)
		return
	case yHolds && !xHolds:
		q.add("withdrawn", id, fmt.Sprintf("%s took back a %s that %s still has", sourceMatch, y.Kind, sourceF24), sourceF24)
		return
	case x.Kind != y.Kind:
		differ("kind", x.Kind, y.Kind)
		return
	}
	if x.Team != 0 && y.Team != 0 && x.Team != y.Team {
		differ("team", x.Team, y.Team)
	}
	if a, b := actor(x), actor(y); a != 0 && b != 0 && a != b {
		differ("player", a, b)
	}
	if x.Card != nil && y.Card != nil && x.Card.Type != "" && y.Card.Type != "" && x.Card.Type != y.Card.Type {
		differ("card", x.Card.Type, y.Card.Type)
	}
	if x.Period != y.Period || x.Minute-y.Minute > 1 || y.Minute-x.Minute > 1 {
		differ("minute", fmt.Sprint(x.Period, " ", x.Minute), fmt.Sprint(y.Period, " ", y.Minute))
	}
}

// actor is whom an event is of: scorer, booked player, who came on, else who went off.
func actor(e goalcast.Event) goalcast.PlayerID {
	p := e.Player
	if s := e.Substitution; s != nil {
		if p = s.On; p == nil {
			p = s.Off
		}
	}
	if p == nil {
		return 0
	}
	return p.ID
}

// tickerMinutes is how far the ticker's minute of an event may lie from that of others: it counts differently on full minutes, and is typed in a hurry.
const tickerMinutes = 2

// ticker finds, for each event that the ticker tells, the one known event that it must be: by kind, team, player and minute. One that fits none is a reason to look,
// and never an event: it would be there twice when the feeds that have ids tell it.
func (q *quarrel) ticker() {
	told := q.feeds.claimed(sourceTicker)
	if told == nil || !q.feeds.detailed() {
		return
	}
	known := make([]goalcast.Event, 0, len(q.truth.events))
	for _, e := range q.truth.events {
		if e.Counts() {
			known = append(known, e)
		}
	}
	slices.SortFunc(known, goalcast.InMatchOrder)
	taken := map[string]bool{}
	for _, c := range told.Events {
		best, far := -1, tickerMinutes+1
		for i, e := range known {
			if d := max(e.Minute-c.Minute, c.Minute-e.Minute); !taken[e.ID] && d < far && fits(c, e) {
				best, far = i, d
			}
		}
		if best < 0 {
			q.add("unmatched", fmt.Sprintf("%s %d %d %d", c.Kind, c.Team, actor(c), c.Minute),
				fmt.Sprintf("%s tells a %s of team %d, player %d, in minute %d that nobody else knows", sourceTicker, c.Kind, c.Team, actor(c), c.Minute), sourceTicker)
			continue
		}
		taken[known[best].ID] = true
	}
}

// fits says whether a claim without an id may be of the event, minutes aside. Nobody has seen how the ticker gives own goals to teams: either will do.
func fits(c, e goalcast.Event) bool {
	if c.Kind != e.Kind || actor(c) != 0 && actor(e) != 0 && actor(c) != actor(e) {
		return false
	}
	own := e.Goal != nil && e.Goal.Type == goalcast.OwnGoal
	return cmp.Or(c.Team, e.Team) == e.Team || own
}
