package merge

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
)

// ErrUnread says that a document is of a feed that goalcast does not read; it is kept all the same.
var ErrUnread = errors.New("feed is not read")

// FieldError says which field of a document is wrong, for whoever wrote it.
type FieldError struct {
	Field string // "events[2].minute"; empty if it is about the whole document
	Text  string // "want a minute from 0 to 200, not 700"
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

// Reading is what one document says, in our words, before it is compared with anything.
type Reading struct {
	// Source names where it comes from, "opta:f24": documents of one source and match each tell all
	// of their moment and replace one another.
	Source string
	// Variant names one of several series of a source, which tell the same in more or less detail
	// and at different paces: "F7", "F9". What one of them leaves out is kept from the other, and
	// what one does not have yet is not taken back. Empty for a source that is one series.
	Variant string
	Version Version
	Matches []MatchReading

	// Reference data; a document of such a feed has no matches.
	Standings  []goalcast.Standings
	Squads     []goalcast.SquadList
	Commentary []goalcast.Commentary

	// Mended is what was wrong with the document's letters and was read all the
	// same; ingest counts it.
	Mended letters.Mended
	// Found is what a Completer's Read leaves for its Complete, so that a document is read once.
	// Nobody else looks at it.
	Found any
}

// Reference says whether the reading is of reference data.
func (r Reading) Reference() bool { return len(r.Standings)+len(r.Squads)+len(r.Commentary) > 0 }

// key is where the memory of a match keeps what the series says.
func (r Reading) key() string {
	if r.Variant == "" {
		return r.Source
	}
	return r.Source + "/" + r.Variant
}

// MatchReading is what a document says of one match.
type MatchReading struct {
	Match   goalcast.MatchID
	Fixture *goalcast.Fixture // fields that the document does not tell are zero; nil if it tells none
	// Facts are the events that hold by this document, in no order: of each goalcast.Event all but
	// Revision, Seq, Topics, Score, Times and Clock. An event that the document itself calls
	// deleted stands here with Status Cancelled. One that stood in an earlier document of the
	// source and is missing here was taken back.
	//
	// A clip's Team, Period and Minute are those of what it shows, as far as the provider tells;
	// with Goal set it shows a goal, and merging finds out which.
	Facts []goalcast.Event
	// Players are the names that the document tells, for facts of any source that have only an id.
	Players map[goalcast.PlayerID]string
	// Claims are what the document says in sum; nil if nothing.
	Claims *Claims
	// Stats are what is counted of each side ("shots": 7); nil if the document counts nothing.
	Stats *Stats
	// Gap says that by the document its provider sees nothing of the match now, so that its
	// silence means nothing.
	Gap bool

	// Known are names from the reference data, for players of whom the document has only the id;
	// ingest fills them in.
	Known map[goalcast.PlayerID]string `json:"-"`
}

// Claims are what a document says of a match in sum. They make no event: they are held against what
// all sources together tell one by one, see Disagreements.
type Claims struct {
	Period goalcast.Period `json:"period,omitempty"`
	Score  *goalcast.Score `json:"score,omitempty"` // without kicks of a shoot-out
	// Events are what the document tells without naming it by an id, so that it can only be matched
	// by what it is: of each Kind, Team, Player, Period and Minute, for cards Card and for
	// substitutions Substitution.
	Events []goalcast.Event `json:"events,omitempty"`
}

// Stats are counts by side, by words of ours.
type Stats struct {
	Home map[string]float64 `json:"home"`
	Away map[string]float64 `json:"away"`
}

// Version orders the documents of one source and match: by the time that the provider wrote into
// the document, then by when it was produced and edited. Times are mostly whole seconds, and two
// documents of one second are common around a goal: where they do not tell which is newer, the
// one that arrived later is. Any two different documents have an order, and it is the same
// whenever they are applied.
type Version struct {
	Time time.Time `json:"time"` // of the document, UTC; see ClockAhead
	// from the production header, UTC, with milliseconds; zero where there is none
	Produced time.Time `json:"produced,omitzero"`
	// from the headers of the delivery, in whatever zone they are; only to be compared;
	// zero where there is none
	Sent   time.Time `json:"sent,omitzero"`
	Edited time.Time `json:"edited,omitzero"` // newest last_modified or version inside; zero where there is none
	// Document is the number under which the document is kept: the order of arrival. Applied again,
	// also years later, it has the same. Ingest sets it; 0 for what was told without a document.
	Document goalcast.DocumentID `json:"document,omitempty"`
	Digest   string              `json:"digest"` // hex, of the bytes; decides only between readings without a document
}

// Compare returns -1, 0 or 1. A missing time is before all others.
func (v Version) Compare(o Version) int {
	return cmp.Or(v.compareMoment(o), cmp.Compare(v.Document, o.Document), cmp.Compare(v.Digest, o.Digest))
}

// compareMoment compares all that the documents themselves tell: 0 for two that can be told apart
// by their arrival only.
func (v Version) compareMoment(o Version) int {
	return cmp.Or(v.Time.Compare(o.Time), v.Produced.Compare(o.Produced), v.Sent.Compare(o.Sent),
		v.Edited.Compare(o.Edited))
}

// ClockAhead is how far a provider's clock may be ahead of ours. A document that is dated
// later than that after its arrival does not know when it was made: it counts as made in
// the second in which it arrived, so that it is newer than what came before and outranks
// nothing that comes after.
const ClockAhead = 5 * time.Second

// Believed is the version of a document that arrived at a time, as far as it can be true.
func (v Version) Believed(received time.Time) Version {
	latest := received.Add(ClockAhead)
	if v.Time.After(latest) {
		v.Time = received.UTC().Truncate(time.Second)
		v.Produced, v.Sent, v.Edited = time.Time{}, time.Time{}, time.Time{}
	}
	return v
}

// cleaned brings the times into the form that they have in the remembered.
func (v Version) cleaned() Version {
	v.Time, v.Produced = cleanTime(v.Time), cleanTime(v.Produced)
	v.Sent, v.Edited = cleanTime(v.Sent), cleanTime(v.Edited)
	return v
}

// Milliseconds is when the provider made the document; 0 if it does not say.
func (v Version) Milliseconds() int64 {
	switch {
	case !v.Produced.IsZero():
		return v.Produced.UnixMilli()
	case !v.Time.IsZero():
		return v.Time.UnixMilli()
	}
	return 0
}

// Edition is the version as text that sorts as Compare does.
func (v Version) Edition() goalcast.Edition {
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return max(0, t.UnixMilli()) + 1
	}
	return goalcast.Edition(fmt.Sprintf("%013d.%013d.%013d.%013d.%019d.%s", ms(v.Time), ms(v.Produced), ms(v.Sent),
		ms(v.Edited), v.Document, v.Digest))
}
