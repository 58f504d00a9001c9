package ingest

import (
	"cmp"
	"context"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
)

// Provider reads the documents of one sender of feeds. Its methods are pure and safe for concurrent use.
type Provider interface {
	// Name is the provider's place in the path of its feed endpoint, and in GOALCAST_FEED_SECRETS: "opta".
	Name() string
	// Describe reads the feed ("F9") and the match from the headers (names in lower case) and, where they do not tell, from the first bytes
	// of the body. It never fails: what is not known stays empty.
	Describe(headers map[string]string, body []byte) (feed string, match goalcast.MatchID)
	// Read says what a document tells. Errors: ErrUnread for a feed that is not read, else why the document cannot be understood.
	Read(goalcast.Document) (Reading, error)
}

// Completer is a Provider whose documents do not tell by themselves all that it takes to apply them: of which match they are, or what became of
// something they name. Complete is called with what Read made of a document, before it is applied, also when it is applied again. It may keep things of its own. Its errors
// are passing trouble, after which the document is tried again, unless they are ErrPermanent.
type Completer interface {
	Complete(context.Context, goalcast.Document, Reading) (Reading, error)
}

// Checked is a Provider whose senders write documents by hand and want to know what is wrong with them: they are answered 422 where Read cannot understand one. All
// others are answered 200 for what was kept, since a machine that gets an error sends the same again.
type Checked interface {
	Provider
	Checked()
}

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
	// Source names the series the document belongs to: documents of one source and match are each the whole truth of their moment and replace one
	// another. "opta:match" for F7 and F9, which tell the same in more or less detail, "opta:f24", "opta:f1".
	Source string
	// Variant names one of several series of a source, which tell the same in more or less detail and at different paces: "F7", "F9". What one of them leaves
	// out is kept from the other, and what one has not heard of yet is not taken back. Empty for a source that is one series.
	Variant string
	Version Version
	Matches []MatchReading

	// What goes to the Library; a document of such a feed has no matches.
	Standings  []goalcast.Standings
	Squads     []goalcast.SquadList
	Commentary []goalcast.Commentary

	// Mended is what was wrong with the document's letters and was read all the same; ingest counts it.
	Mended letters.Mended
	// Found is what a Completer's Read leaves for its Complete, so that a document is read once. Nobody else looks at it.
	Found any
}

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
	// Facts are the events that hold by this document, in no order: of each goalcast.Event all but Revision, Seq, Topics, Score, Times and Clock.
	// An event that the document itself calls deleted stands here with Status Cancelled. One that stood in an earlier document of the source
	// and is missing here was taken back.
	//
	// A clip's Team, Period and Minute are those of what it shows, as far as the provider tells; with Goal set it shows a goal, and merging finds out which.
	Facts []goalcast.Event
	// Players are the names that the document tells, for facts of any source that have only an id.
	Players map[goalcast.PlayerID]string
	// Claims are what the document says in sum; nil if nothing.
	Claims *Claims
	// Stats are what is counted of each side ("shots": 7); nil if the document counts nothing.
	Stats *Stats

	known map[goalcast.PlayerID]string // names from the Library; ingest fills them in
}

// Claims are what a document says of a match in sum. They make no event: they are held against what all sources together tell one by one, see Disagreements.
type Claims struct {
	Period goalcast.Period `json:"period,omitempty"`
	Score  *goalcast.Score `json:"score,omitempty"` // without kicks of a shoot-out
	// Events are what the document tells without naming it by an id, so that it can only be matched by what it is: of each Kind, Team, Player, Period and Minute,
	// for cards Card and for substitutions Substitution.
	Events []goalcast.Event `json:"events,omitempty"`
}

// Stats are counts by side, by words of ours.
type Stats struct {
	Home map[string]float64 `json:"home"`
	Away map[string]float64 `json:"away"`
}

// Version orders the documents of one source and match: by the time that the provider wrote into the document, then by when it was produced and
// edited. Times are mostly whole seconds, and two documents of one second are common around a goal: where they do not tell which is newer, the one that
// arrived later is. Any two different documents have an order, and it is the same whenever they are applied.
type Version struct {
	Time     time.Time `json:"time"`              // of the document, UTC, whole seconds for Opta; see ClockAhead
	Produced time.Time `json:"produced,omitzero"` // from the production header, UTC, with milliseconds; zero where there is none
	Sent     time.Time `json:"sent,omitzero"`     // from the headers of the delivery, in whatever zone they are; only to be compared; zero where there is none
	Edited   time.Time `json:"edited,omitzero"`   // newest last_modified or version inside; zero where there is none
	// Document is the number under which the document is kept: the order of arrival. Applied again, also years later, it has the same. Ingest sets it; 0 for
	// what was told without a document.
	Document goalcast.DocumentID `json:"document,omitempty"`
	Digest   string              `json:"digest"` // hex, of the bytes; decides only between readings without a document
}

// Compare returns -1, 0 or 1. A missing time is before all others.
func (v Version) Compare(o Version) int {
	return cmp.Or(v.compareMoment(o), cmp.Compare(v.Document, o.Document), cmp.Compare(v.Digest, o.Digest))
}

// compareMoment compares all that the documents themselves tell: 0 for two that can be told apart by their arrival only.
func (v Version) compareMoment(o Version) int {
	return cmp.Or(v.Time.Compare(o.Time), v.Produced.Compare(o.Produced), v.Sent.Compare(o.Sent), v.Edited.Compare(o.Edited))
}

// ClockAhead is how far a provider's clock may be ahead of ours. A document that is dated later than that after its arrival does not know when it was made: it
// counts as made in the second in which it arrived, so that it is newer than what came before and outranks nothing that comes after.
const ClockAhead = 5 * time.Second

// believed is the version of a document that arrived at a time, as far as it can be true.
func (v Version) believed(received time.Time) Version {
	latest := received.Add(ClockAhead)
	if v.Time.After(latest) {
		v.Time, v.Produced, v.Sent, v.Edited = received.UTC().Truncate(time.Second), time.Time{}, time.Time{}, time.Time{}
	}
	return v
}
