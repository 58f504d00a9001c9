package ingest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// voice is one series of documents: a source, or one of its variants.
type voice struct {
	key    string // in feeds
	source string
	*feed
}

// voices lists who tells of the match, the most trusted first.
func (f feeds) voices() []voice {
	var out []voice
	for key, mem := range f {
		if source := sourceOf(key); source != sourceOurs && source != sourceSquads {
			out = append(out, voice{key, source, mem})
		}
	}
	slices.SortFunc(out, func(a, b voice) int { return fieldKind.compare(a.key, b.key) })
	return out
}

// word is what one voice says of a thing under one id.
type word struct {
	voice *voice
	id    string
	told  toldFact
	holds bool // the voice stands by it; else it took it back
	sure  bool // of a word taken back: a second, newer document says the same
	past  bool // it is of an earlier occasion of the fixture
}

// thing is something that happened, by whatever ids voices call it.
type thing struct {
	ids   []string
	words []word
}

// current is each voice's word as it stands now: of several ids the one it stands by, else the one it had last. Words of an earlier occasion count only where
// there are no others. It has the order of words, which is that of trust.
func (t *thing) current() []word {
	onlyPast := !slices.ContainsFunc(t.words, func(w word) bool { return !w.past })
	var out []word
	for _, w := range t.words {
		if w.past && !onlyPast {
			continue
		}
		i := slices.IndexFunc(out, func(o word) bool { return o.voice.key == w.voice.key })
		switch {
		case i < 0:
			out = append(out, w)
		case w.holds != out[i].holds:
			if w.holds {
				out[i] = w
			}
		case cmp.Or(w.told.at.Compare(out[i].told.at), strings.Compare(out[i].id, w.id)) > 0:
			out[i] = w
		}
	}
	return out
}

// silence is how long a variant of a source may send nothing while another does, until its word counts for nothing: it is not sent any more. Variants are sent
// seconds apart, and the slower one is no witness that something did not happen.
const silence = 5 * time.Minute

// verdict is what a source says in all its variants.
type verdict struct{ holds, sure bool }

// verdicts weighs the current words by source. Of the variants of one, whoever took the thing back is right, and the others are late; one that has never had it
// has just not heard of it. Only when those who had it have fallen silent does it count that the others do not have it.
func (f feeds) verdicts(current []word) map[string]verdict {
	out := make(map[string]verdict, len(current))
	for _, w := range current {
		source := w.voice.source
		if _, done := out[source]; done {
			continue
		}
		if w.voice.key == source { // no variants, as with nearly all
			out[source] = verdict{w.holds, w.sure}
			continue
		}
		var newest time.Time
		for key, mem := range f {
			if sourceOf(key) == source && mem.newest.Time.After(newest) {
				newest = mem.newest.Time
			}
		}
		heard, v := false, verdict{holds: true}
		for _, o := range current {
			if o.voice.source != source || newest.Sub(o.voice.newest.Time) > silence {
				continue
			}
			heard, v.holds, v.sure = true, v.holds && o.holds, v.sure || o.sure
		}
		if !heard {
			v = verdict{sure: true}
		}
		if !v.holds && w.told.said.Kind == goalcast.KindLineup {
			v.holds = slices.ContainsFunc(current, func(o word) bool { return o.voice.source == source && o.holds })
		}
		out[source] = v
	}
	return out
}

// things sorts what all voices say by what it is about. Words under one id are of one thing. Under different ids they are, too, where they must be: two sources
// without a common id tell of the same goal, or a provider deleted one and entered it again. announced are the ids that viewers know, and whether they count.
func (f feeds) things(announced map[string]bool, o occasion) []*thing {
	byID := map[string]*thing{}
	var all []*thing
	voices := f.voices()
	for i := range voices {
		v := &voices[i]
		for id, told := range v.facts {
			t := byID[id]
			if t == nil {
				t = &thing{ids: []string{id}}
				byID[id], all = t, append(all, t)
			}
			w := word{v, id, told, v.holds(told), v.sure(told), o.isPast(told.at)}
			if w.past {
				w.sure = o.sure
			}
			t.words = append(t.words, w)
		}
	}
	for _, t := range all { // a clip is of the occasion that it was cut of, whenever it can be watched
		if t.words[0].told.said.Kind == goalcast.KindClip && slices.ContainsFunc(t.words, func(w word) bool { return w.past && strings.HasPrefix(w.voice.source, sourceCutter) }) {
			for i := range t.words {
				t.words[i].past = true
			}
		}
	}
	slices.SortFunc(all, func(a, b *thing) int { return strings.Compare(a.ids[0], b.ids[0]) })
	return joinTwins(all, announced)
}

// twins are two things that may be one.
type twins struct {
	a, b     *thing
	distance int
}

// joinTwins makes one thing of those that are alike, the most alike first.
func joinTwins(all []*thing, announced map[string]bool) []*thing {
	type shelf struct {
		kind goalcast.Kind
		team goalcast.TeamID
	}
	shelves := map[shelf][]*thing{}
	for _, t := range all {
		e := t.words[0].told.said
		if mayHaveTwins(e) {
			at := shelf{e.Kind, e.Team}
			shelves[at] = append(shelves[at], t)
		}
	}
	var pairs []twins
	for _, list := range shelves {
		for i, a := range list {
			for _, b := range list[i+1:] {
				if distance, ok := alike(a, b, announced); ok {
					pairs = append(pairs, twins{a, b, distance})
				}
			}
		}
	}
	if len(pairs) == 0 {
		return all
	}
	slices.SortFunc(pairs, func(x, y twins) int {
		return cmp.Or(cmp.Compare(x.distance, y.distance), strings.Compare(x.a.ids[0], y.a.ids[0]), strings.Compare(x.b.ids[0], y.b.ids[0]))
	})
	into := map[*thing]*thing{}
	root := func(t *thing) *thing {
		for into[t] != nil {
			t = into[t]
		}
		return t
	}
	for _, p := range pairs {
		a, b := root(p.a), root(p.b)
		if a == b || twoThings(a, b, announced) {
			continue
		}
		a.ids, a.words = append(a.ids, b.ids...), append(a.words, b.words...)
		slices.SortStableFunc(a.words, func(x, y word) int { return fieldKind.compare(x.voice.key, y.voice.key) })
		into[b] = a
	}
	return slices.DeleteFunc(all, func(t *thing) bool { return into[t] != nil })
}

// mayHaveTwins says whether such events are looked at at all. Line-ups have one id by what they are; clips are tied to what they show.
func mayHaveTwins(e goalcast.Event) bool {
	switch e.Kind {
	case goalcast.KindGoal, goalcast.KindCard, goalcast.KindSubstitution, goalcast.KindMissedPenalty, goalcast.KindShootoutKick:
		return e.Team != 0
	case goalcast.KindPeriod, goalcast.KindAddedTime:
		return true
	}
	return false
}

// twoThings says whether somebody who must know takes them for two: a voice that stands by both, or viewers who were told of both, unless both still stand, which
// is the double that is to end.
func twoThings(a, b *thing, announced map[string]bool) bool {
	for _, x := range a.words {
		for _, y := range b.words {
			if x.past != y.past || x.voice.key == y.voice.key && x.holds && y.holds {
				return true
			}
		}
	}
	return seen(a, announced) && seen(b, announced) && !(stands(a) && stands(b))
}

func seen(t *thing, announced map[string]bool) bool {
	return slices.ContainsFunc(t.ids, func(id string) bool { _, ok := announced[id]; return ok })
}

func stands(t *thing) bool {
	return !slices.ContainsFunc(t.current(), func(w word) bool { return !w.holds })
}

// alike says whether two things are told as if they were one, and how far they are apart.
func alike(a, b *thing, announced map[string]bool) (distance int, ok bool) {
	if twoThings(a, b, announced) {
		return 0, false
	}
	x, y := a.words[0], b.words[0]
	near := nearOther
	for _, w := range a.words {
		if i := slices.IndexFunc(b.words, func(o word) bool { return o.voice.key == w.voice.key }); i >= 0 {
			x, y, near = w, b.words[i], nearAgain
			break
		}
	}
	if near == nearOther && namespace(x.id) == namespace(y.id) {
		near = nearNumbered
	}
	return apart(x.told.said, y.told.said, near, x.holds && y.holds)
}

// namespace is whose number an id is: "opta" for "opta:17". Ids that say what the event is, "match:7:goal:...", are nobody's number: each differs from all.
func namespace(id string) string {
	space, _, _ := strings.Cut(id, ":")
	if space == "match" {
		return id
	}
	return space
}

// nearness says how alike two tellings must be to be of one thing.
type nearness int

const (
	nearAgain    nearness = iota // one voice has the one no more and has, or had, the other: entered again
	nearNumbered                 // two voices that number events alike, and each has a number that the other has not
	nearOther                    // two voices that do not know each other's ids
)

// apart measures how far two tellings are apart; ok is false for those that cannot be of one thing. Nobody scores twice within a minute: there is a kick-off
// between. Those who count minutes differently are two apart at most.
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

// sameActor says whether two tellings name the same person. Of a substitution it is enough that the same one came on, or went off: nobody does so twice.
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

// idOf chooses the id that the thing has for good: the one under which viewers know it, and that counts rather than one that was taken back; else that of the
// most trusted voice.
func (t *thing) idOf(announced map[string]bool) string {
	rank := func(w word) int {
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
	best := t.words[0]
	for _, w := range t.words {
		if cmp.Or(cmp.Compare(rank(w), rank(best)), fieldKind.compare(w.voice.source, best.voice.source), strings.Compare(w.id, best.id)) < 0 {
			best = w
		}
	}
	return best.id
}
