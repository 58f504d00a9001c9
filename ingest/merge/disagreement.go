package merge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// Disagreement is something of a match that its sources tell differently, or that one of them tells
// differently in sum and one by one. For seconds that is normal: feeds are made at different paces.
// For minutes somebody should look.
type Disagreement struct {
	Match goalcast.MatchID `json:"match"`
	// "score", "period", "missing", "withdrawn", "kind", "team", "player",
	// "minute", "card", "unmatched"
	What  string `json:"what"`
	Event string `json:"event,omitempty"` // id of the event it is about
	// those who do not agree with what is shown, or with one another; sorted
	Sources []string  `json:"sources"`
	Detail  string    `json:"detail"` // who says what, for a person
	Since   time.Time `json:"since"`  // when the document arrived that brought it about, UTC
}

// key names a disagreement as long as it lasts.
func (d Disagreement) key() string {
	return d.What + " " + d.Event + " " + strings.Join(d.Sources, ",")
}

// Disagreements lists what the sources of a match do not agree on, by its record. A record whose
// memory cannot be read has none: that fails its documents, which alarms by itself.
func (m *Merger) Disagreements(rec goalcast.MatchRecord) []Disagreement {
	remembered, err := m.recall(rec.Feeds)
	if err != nil {
		return nil
	}
	return remembered.disagreements(rec.Snapshot.ID, remembered.merge(rec.Snapshot.ID, rec.Snapshot))
}

// disagreements compares all that the sources say with each other and with what is merged of it.
func (f memory) disagreements(match goalcast.MatchID, t merged) []Disagreement {
	c := comparison{memory: f, match: match, merged: t}
	for _, source := range f.sorted() {
		c.claims(source)
	}
	detailed := f.detailedSources()
	for i, a := range detailed {
		for _, b := range detailed[i+1:] {
			c.events(a, b)
		}
	}
	for _, source := range f.sorted() {
		if f.trustOf(source).Unnumbered {
			c.unnumbered(source)
		}
	}
	var since map[string]int64
	if ours := f.series[sourceOurs]; ours != nil {
		since = ours.since
	}
	for i, d := range c.found {
		if ms := since[d.key()]; ms != 0 {
			c.found[i].Since = time.UnixMilli(ms).UTC()
		}
	}
	return c.found
}

// remember notes since when the sources disagree, and returns what is new. It is the one part of
// the memory that is no join: it tells when we saw something, and not what sources said.
func (f memory) remember(now []Disagreement, received int64) (fresh []Disagreement) {
	var before map[string]int64
	if ours := f.series[sourceOurs]; ours != nil {
		before = ours.since
	}
	if len(now) == 0 {
		f.note(func(ours *series) { ours.since = nil })
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
	f.note(func(ours *series) { ours.since = since })
	return fresh
}

// note changes what merging itself remembers; nothing is kept of nothing.
func (f memory) note(change func(ours *series)) {
	ours := f.series[sourceOurs]
	if ours == nil {
		ours = f.empty(sourceOurs)
	}
	change(ours)
	if f.series[sourceOurs] = ours; ours.since == nil && ours.held == nil {
		delete(f.series, sourceOurs)
	}
}

// sorted lists the names of the sources.
func (f memory) sorted() []string {
	var names []string
	for key := range f.series {
		if name := sourceOf(key); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// claimed are the newest claims of a source, in whichever variant; nil if it makes none.
func (f memory) claimed(source string) *Claims {
	var newest *versioned[Claims]
	for key, s := range f.series {
		if sourceOf(key) == source && s.claims != nil && (newest == nil || s.claims.at.Compare(newest.at) > 0) {
			newest = s.claims
		}
	}
	if newest == nil || f.occasion().isPast(newest.at) {
		return nil
	}
	return &newest.said
}

// detailed says whether a feed of the match itself told an event.
func (f memory) detailed() bool { return len(f.detailedSources()) > 0 }

// detailedSources are the feeds of the match itself that told an event, the most trusted first.
func (f memory) detailedSources() (out []Source) {
	for _, s := range f.byTrust() {
		if s.Detailed && len(s.facts) > 0 && !slices.ContainsFunc(out, func(o Source) bool {
			return o.Name == s.Name
		}) {
			out = append(out, s.Source)
		}
	}
	return out
}

// comparison collects disagreements.
type comparison struct {
	memory memory
	match  goalcast.MatchID
	merged merged
	found  []Disagreement
}

func (c *comparison) add(what, event, detail string, sources ...string) {
	slices.Sort(sources)
	c.found = append(c.found, Disagreement{Match: c.match, What: what, Event: event, Sources: slices.Compact(sources),
		Detail: detail})
}

// claims holds a source's sums against what is shown: its score against the goals that count, its
// period against the last that began.
func (c *comparison) claims(source string) {
	told := c.memory.claimed(source)
	if told == nil || c.merged.fixture == nil || !c.memory.detailed() {
		return
	}
	shown, period := c.shown()
	if told.Score != nil && *told.Score != shown && c.merged.fixture.Awarded == nil {
		c.add("score", "", fmt.Sprintf("%s says %d-%d, the goals that count make %d-%d", source, told.Score.Home,
			told.Score.Away, shown.Home, shown.Away), source)
	}
	if told.Period != "" && told.Period != period {
		c.add("period", "", fmt.Sprintf("%s says %s, the last that began is %s", source, told.Period, period), source)
	}
}

// shown is what the merged events come to.
func (c *comparison) shown() (goalcast.Score, goalcast.Period) {
	r := c.merged.fixture.Result(maps.Values(c.merged.events))
	return r.Score, r.Period
}

// events compares what two detailed sources tell of the same events.
func (c *comparison) events(one, two Source) {
	byID := make(map[string]*incident, len(c.merged.incidents))
	for _, t := range c.merged.incidents {
		byID[c.merged.ids[t]] = t
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		current := byID[id].current()
		if current[0].past {
			continue
		}
		verdicts := c.memory.verdicts(current)
		said := func(source Source) goalcast.Event { // in its newest document
			var newest statement
			for _, w := range current {
				if w.series.source == source.Name && (newest.series == nil || w.fact.at.Compare(newest.fact.at) > 0) {
					newest = w
				}
			}
			return newest.fact.said
		}
		x, inOne := verdicts[one.Name]
		y, inTwo := verdicts[two.Name]
		switch {
		case inOne && inTwo:
			c.compare(id, one, two, said(one), said(two), x.holds, y.holds)
		case inOne && x.holds:
			c.missing(id, said(one).Kind, one, two)
		case inTwo && y.holds:
			c.missing(id, said(two).Kind, two, one)
		}
	}
}

// missing notes an event that one source has and another has not.
func (c *comparison) missing(id string, kind goalcast.Kind, in, from Source) {
	if kind.Is(goalcast.Compared) && !slices.Contains(from.Omits, kind) {
		c.add("missing", id, fmt.Sprintf("%s has a %s that %s has not", in.Name, kind, from.Name), from.Name)
	}
}

// compare holds what two sources tell of one event against each other.
func (c *comparison) compare(id string, one, two Source, x, y goalcast.Event, xHolds, yHolds bool) {
	if !x.Kind.Is(goalcast.Compared) && !y.Kind.Is(goalcast.Compared) || !xHolds && !yHolds {
		return
	}
	differ := func(what string, a, b any) {
		c.add(what, id, fmt.Sprintf("%s says %v, %s says %v", one.Name, a, two.Name, b), one.Name, two.Name)
	}
	switch {
	case xHolds && !yHolds:
		c.add("withdrawn", id, fmt.Sprintf("%s took back a %s that %s still has", two.Name, x.Kind, one.Name), one.Name)
		return
	case yHolds && !xHolds:
		c.add("withdrawn", id, fmt.Sprintf("%s took back a %s that %s still has", one.Name, y.Kind, two.Name), two.Name)
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

// unnumberedMinutes is how far the minute of an event without an id may lie from that of others: a
// ticker counts differently on full minutes, and is typed in a hurry.
const unnumberedMinutes = 2

// unnumbered finds, for each event that a source tells without an id, the one known event that it
// must be: by kind, team, player and minute. One that fits none is a reason to look, and never an
// event: it would be there twice when the sources that have ids tell it.
func (c *comparison) unnumbered(source string) {
	told := c.memory.claimed(source)
	if told == nil || !c.memory.detailed() {
		return
	}
	known := make([]goalcast.Event, 0, len(c.merged.events))
	for _, e := range c.merged.events {
		if e.Counts() {
			known = append(known, e)
		}
	}
	slices.SortFunc(known, goalcast.InMatchOrder)
	taken := map[string]bool{}
	for _, e := range told.Events {
		best, far := -1, unnumberedMinutes+1
		for i, k := range known {
			if d := max(k.Minute-e.Minute, e.Minute-k.Minute); !taken[k.ID] && d < far && fits(e, k) {
				best, far = i, d
			}
		}
		if best < 0 {
			c.add("unmatched", fmt.Sprintf("%s %d %d %d", e.Kind, e.Team, actor(e), e.Minute),
				fmt.Sprintf("%s tells a %s of team %d, player %d, in minute %d that nobody else knows", source, e.Kind,
					e.Team, actor(e), e.Minute), source)
			continue
		}
		taken[known[best].ID] = true
	}
}

// fits says whether a claim without an id may be of the event, minutes aside. Nobody has seen how a
// ticker gives own goals to teams: either will do.
func fits(c, e goalcast.Event) bool {
	if c.Kind != e.Kind || actor(c) != 0 && actor(e) != 0 && actor(c) != actor(e) {
		return false
	}
	own := e.Goal != nil && e.Goal.Type == goalcast.OwnGoal
	return cmp.Or(c.Team, e.Team) == e.Team || own
}
