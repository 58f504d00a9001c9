package merge

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// byTrust lists who tells of the match, the most trusted first.
func (f memory) byTrust() []*series {
	var out []*series
	for key, s := range f.series {
		if key != sourceOurs && key != f.squads {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, fieldKind.compare)
	return out
}

// statement is what one series says of an incident under one id.
type statement struct {
	series *series
	id     string
	fact   fact
	holds  bool // the series stands by it; else it took it back
	sure   bool // of one taken back: a second, newer document says the same
	past   bool // it is of an earlier occasion of the fixture
}

// incident is something that happened, by whatever ids series call it.
type incident struct {
	ids        []string
	statements []statement
}

// current is what each series says now: of several ids the one it stands by, else the one
// it had last. Statements of an earlier occasion count only where there are no others. The
// most trusted comes first.
func (t *incident) current() []statement {
	onlyPast := !slices.ContainsFunc(t.statements, func(w statement) bool { return !w.past })
	var out []statement
	for _, w := range t.statements {
		if w.past && !onlyPast {
			continue
		}
		i := slices.IndexFunc(out, func(o statement) bool { return o.series.key == w.series.key })
		switch {
		case i < 0:
			out = append(out, w)
		case w.holds != out[i].holds:
			if w.holds {
				out[i] = w
			}
		case cmp.Or(w.fact.at.Compare(out[i].fact.at), strings.Compare(out[i].id, w.id)) > 0:
			out[i] = w
		}
	}
	return out
}

// silence is how long a variant of a source may send nothing while another does, until it
// counts for nothing: it is not sent any more. Variants are sent
// seconds apart, and the slower one is no witness that something did not happen.
const silence = 5 * time.Minute

// verdict is what a source says in all its variants.
type verdict struct{ holds, sure bool }

// verdicts weighs the current statements by source. Of the variants of one, whoever took the
// incident back is right, and the others are late; one that has never had it does not have it yet.
// Only when those who had it have fallen silent does it count that the others do not have it.
func (f memory) verdicts(current []statement) map[string]verdict {
	out := make(map[string]verdict, len(current))
	for _, w := range current {
		source := w.series.source
		if _, done := out[source]; done {
			continue
		}
		if w.series.key == source { // no variants, as with nearly all
			out[source] = verdict{w.holds, w.sure}
			continue
		}
		var newest time.Time
		for _, s := range f.series {
			if s.source == source && s.newest.Time.After(newest) {
				newest = s.newest.Time
			}
		}
		some, v := false, verdict{holds: true}
		for _, o := range current {
			if o.series.source != source || newest.Sub(o.series.newest.Time) > silence {
				continue
			}
			some, v.holds, v.sure = true, v.holds && o.holds, v.sure || o.sure
		}
		if !some {
			v = verdict{sure: true}
		}
		if !v.holds && w.fact.said.Kind == goalcast.KindLineup {
			v.holds = slices.ContainsFunc(current, func(o statement) bool {
				return o.series.source == source && o.holds
			})
		}
		out[source] = v
	}
	return out
}

// incidents sorts what all series say by what it is about. Statements under one id are of one
// incident. Under different ids they are, too, where they must be: two sources without a common id
// tell of the same goal, or a provider deleted one and entered it again. announced are the ids that
// viewers know, and whether they count.
func (f memory) incidents(announced map[string]bool, o occasion) []*incident {
	byID := map[string]*incident{}
	var all []*incident
	for _, s := range f.byTrust() {
		for id, said := range s.facts {
			t := byID[id]
			if t == nil {
				t = &incident{ids: []string{id}}
				byID[id], all = t, append(all, t)
			}
			w := statement{s, id, said, s.holds(said), s.sure(said), o.isPast(said.at)}
			if w.past {
				w.sure = o.sure
			}
			t.statements = append(t.statements, w)
		}
	}
	for _, t := range all { // a clip is of the occasion that it was cut of, whenever it can be watched
		if t.statements[0].fact.said.Kind == goalcast.KindClip && slices.ContainsFunc(t.statements,
			func(w statement) bool {
				return w.past && w.series.Cuts
			}) {
			for i := range t.statements {
				t.statements[i].past = true
			}
		}
	}
	slices.SortFunc(all, func(a, b *incident) int { return strings.Compare(a.ids[0], b.ids[0]) })
	return joinDuplicates(all, announced)
}

// pair are two incidents that may be one.
type pair struct {
	a, b     *incident
	distance int
}

// joinDuplicates makes one incident of those that are alike, the most alike first.
func joinDuplicates(all []*incident, announced map[string]bool) []*incident {
	type group struct {
		kind goalcast.Kind
		team goalcast.TeamID
	}
	groups := map[group][]*incident{}
	for _, t := range all {
		e := t.statements[0].fact.said
		if mayBeDuplicate(e) {
			at := group{e.Kind, e.Team}
			groups[at] = append(groups[at], t)
		}
	}
	var pairs []pair
	for _, list := range groups {
		for i, a := range list {
			for _, b := range list[i+1:] {
				if distance, ok := alike(a, b, announced); ok {
					pairs = append(pairs, pair{a, b, distance})
				}
			}
		}
	}
	if len(pairs) == 0 {
		return all
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		return cmp.Or(cmp.Compare(x.distance, y.distance), strings.Compare(x.a.ids[0], y.a.ids[0]),
			strings.Compare(x.b.ids[0], y.b.ids[0]))
	})
	into := map[*incident]*incident{}
	root := func(t *incident) *incident {
		for into[t] != nil {
			t = into[t]
		}
		return t
	}
	for _, p := range pairs {
		a, b := root(p.a), root(p.b)
		if a == b || distinct(a, b, announced) {
			continue
		}
		a.ids, a.statements = append(a.ids, b.ids...), append(a.statements, b.statements...)
		slices.SortStableFunc(a.statements, func(x, y statement) int { return fieldKind.compare(x.series, y.series) })
		into[b] = a
	}
	return slices.DeleteFunc(all, func(t *incident) bool { return into[t] != nil })
}

// mayBeDuplicate says whether such events are looked at at all. Line-ups have one id by what they
// are; clips are tied to what they show.
func mayBeDuplicate(e goalcast.Event) bool {
	return e.Kind.Is(goalcast.Twinned) && (e.Team != 0 || !e.Kind.Is(goalcast.Sided))
}

// distinct says whether somebody who must know takes them for two: a series that stands by both, or
// viewers who were told of both, unless both still stand, which is the double that is to end.
func distinct(a, b *incident, announced map[string]bool) bool {
	for _, x := range a.statements {
		for _, y := range b.statements {
			if x.past != y.past || x.series.key == y.series.key && x.holds && y.holds {
				return true
			}
		}
	}
	return seen(a, announced) && seen(b, announced) && !(stands(a) && stands(b))
}

func seen(t *incident, announced map[string]bool) bool {
	return slices.ContainsFunc(t.ids, func(id string) bool { _, ok := announced[id]; return ok })
}

func stands(t *incident) bool {
	return !slices.ContainsFunc(t.current(), func(w statement) bool { return !w.holds })
}

// alike says whether two incidents are told as if they were one, and how far they are apart.
func alike(a, b *incident, announced map[string]bool) (distance int, ok bool) {
	if distinct(a, b, announced) {
		return 0, false
	}
	x, y := a.statements[0], b.statements[0]
	near := nearOther
	for _, w := range a.statements {
		if i := slices.IndexFunc(b.statements, func(o statement) bool { return o.series.key == w.series.key }); i >= 0 {
			x, y, near = w, b.statements[i], nearAgain
			break
		}
	}
	if near == nearOther && namespace(x.id) == namespace(y.id) {
		near = nearNumbered
	}
	return apart(x.fact.said, y.fact.said, near, x.holds && y.holds)
}

// namespace is whose number an id is: "desk" for "desk:17". Ids that say what the event is,
// "match:7:goal:...", are nobody's number: each differs from all.
func namespace(id string) string {
	space, _, _ := strings.Cut(id, ":")
	if space == "match" {
		return id
	}
	return space
}

// nearness says how alike two tellings must be to be of one incident.
type nearness int

const (
	nearAgain    nearness = iota // one series has the one no more and has, or had, the other: entered again
	nearNumbered                 // two series that number events alike, and each has a number that the other has not
	nearOther                    // two series that do not know each other's ids
)

// apart measures how far two tellings are apart; ok is false for those that cannot be of one
// incident. Nobody scores twice within a minute: there is a kick-off between. Those who count
// minutes differently are two apart at most.
func apart(a, b goalcast.Event, near nearness, bothHold bool) (distance int, ok bool) {
	if a.Kind != b.Kind {
		return 0, false
	}
	switch a.Kind {
	case goalcast.KindPeriod:
		return 0, a.Period == b.Period
	case goalcast.KindAddedTime:
		return 0, a.Period == b.Period && a.AddedTime == b.AddedTime
	case goalcast.KindShootoutKick:
		return 0, sameActor(a, b) == yes
	}
	if a.Period != b.Period && a.Period != "" && b.Period != "" {
		return 0, false
	}
	minutes, most, seconds := max(a.Minute-b.Minute, b.Minute-a.Minute), 1, 90*time.Second
	if near == nearOther {
		most, seconds = clipMinutes, 3*time.Minute
	}
	if a.Minute == 0 || b.Minute == 0 {
		minutes = most
	}
	distance = 10 * minutes
	switch sameActor(a, b) {
	case maybe:
		distance += 3
	case no: // the scorer was corrected as it was entered again, or two see another one
		switch {
		case near == nearNumbered, near == nearOther && (a.Kind != goalcast.KindGoal || !bothHold):
			return 0, false
		case near == nearAgain:
			most, seconds = 0, 30*time.Second
		default:
			most = 1
		}
		distance += 100
	}
	if a.Card != nil && b.Card != nil && a.Card.Type != b.Card.Type {
		distance += 5
	}
	if !a.At.IsZero() && !b.At.IsZero() {
		between := a.At.Sub(b.At).Abs()
		if between > seconds {
			return 0, false
		}
		distance += int(between / (10 * time.Second))
	}
	return distance, minutes <= most
}

// likeness is the answer of one who may not know.
type likeness int

const (
	no likeness = iota
	maybe
	yes
)

// sameActor says whether two tellings name the same person. Of a substitution it is enough that the
// same one came on, or went off: nobody does so twice.
func sameActor(a, b goalcast.Event) likeness {
	if a.Substitution != nil && b.Substitution != nil {
		on, off := samePlayer(a.Substitution.On, b.Substitution.On), samePlayer(a.Substitution.Off, b.Substitution.Off)
		switch {
		case on == yes || off == yes:
			return yes
		case on == no || off == no:
			return no
		}
		return maybe
	}
	return samePlayer(a.Player, b.Player)
}

func samePlayer(a, b *goalcast.Player) likeness {
	switch {
	case a == nil || b == nil:
		return maybe
	case a.ID != 0 && b.ID != 0:
		if a.ID == b.ID {
			return yes
		}
		return no
	case a.Name != "" && strings.EqualFold(a.Name, b.Name):
		return yes
	}
	return maybe
}

// idOf chooses the id that the incident has for good: the one under which viewers know it, and that
// counts rather than one that was taken back; else that of the most trusted series.
func (t *incident) idOf(announced map[string]bool) string {
	rank := func(w statement) int {
		counts, known := announced[w.id]
		switch {
		case counts:
			return 0
		case known:
			return 1
		case w.holds:
			return 2
		}
		return 3
	}
	best := t.statements[0]
	for _, w := range t.statements {
		if cmp.Or(cmp.Compare(rank(w), rank(best)), cmp.Compare(w.series.place[fieldKind],
			best.series.place[fieldKind]), strings.Compare(w.series.source, best.series.source),
			strings.Compare(w.id, best.id)) < 0 {
			best = w
		}
	}
	return best.id
}
