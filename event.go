package goalcast

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Status says how sure the provider is of an event.
type Status string

// The statuses of an event. A goal that VAR takes back is the same event in its
// next revision, cancelled.
const (
	Provisional Status = "provisional" // told, and under review or marked as possible
	Confirmed   Status = "confirmed"   // told as a fact
	Cancelled   Status = "cancelled"   // taken back; it counts for nothing and stays in the timeline as such
)

// Event is one thing that happened in or around a match: one revision of it. Ingest makes events,
// nobody changes them. Every match event but a message and a settlement is one of a sequence per
// match (Seq); its newest revision replaces the older ones.
//
// The JSON form is what viewers get in an event frame. Fields are added, never renamed.
type Event struct {
	// ID names the event for good: "opta:1232921226" where the provider has an id of its own (an
	// Opta Event@id, which F7 and F9 call EventID), else made of what it is:
	// "match:1009316:period:half_time". Opaque to viewers; at most 120 bytes.
	ID       string `json:"id"`
	Revision int    `json:"revision"` // 1, 2, ...: what viewers see of the event changed
	Status   Status `json:"status"`
	Kind     Kind   `json:"kind"`

	// Seq counts the revisions of all events of one match: 1, 2, ... without a hole, in
	// the order in which they were committed. 0 for messages and settlements, which
	// change nothing of a match.
	Seq    int64   `json:"seq,omitempty"`
	Match  MatchID `json:"match,omitempty"`
	Topics []Topic `json:"topics"` // who gets it; never empty: the match, both teams, the competition

	// Team is the side the event is for: for a goal the side that gains it, also for an own goal.
	Team   TeamID  `json:"team,omitempty"`
	Player *Player `json:"player,omitempty"` // scorer, booked player; nil where no feed tells one (a booked coach)

	// Period and Minute are the match clock. Minute is the minute as fans say it and runs on in
	// added time: 93 in the second half is shown as 90+3. 0 before the match. Second (0-59) only
	// orders events within a minute; feeds without it leave 0.
	Period Period `json:"period,omitempty"`
	Minute int    `json:"minute,omitempty"`
	Second int    `json:"second,omitempty"`
	Clock  string `json:"clock,omitempty"` // Period and Minute for a screen: "27", "90+3"; empty without a minute

	Goal         *Goal           `json:"goal,omitempty"`
	Card         *Card           `json:"card,omitempty"`
	Substitution *Substitution   `json:"substitution,omitempty"`
	Kick         *Kick           `json:"kick,omitempty"`
	VAR          *VAR            `json:"var,omitempty"`
	AddedTime    int             `json:"added_time,omitempty"` // minutes shown on the board
	Delay        *Delay          `json:"delay,omitempty"`
	Lineup       *Lineup         `json:"lineup,omitempty"`
	Fixture      *Fixture        `json:"fixture,omitempty"`
	Clip         *Clip           `json:"clip,omitempty"`
	Message      json.RawMessage `json:"message,omitempty"`
	// Push is what phones show of a message, by language; nil for one that is not pushed, and for
	// all else: what is said of a match follows from it.
	Push       map[string]PushText `json:"push,omitempty"`
	Settlement *Settlement         `json:"settlement,omitempty"`

	// Score is the match's score, by the reducer, right after this revision. nil for messages and
	// settlements.
	Score *Score `json:"score,omitempty"`

	// At is when it happened, by the provider's word, UTC; zero where no feed tells. Pushes are not
	// sent for what is too old.
	At    time.Time `json:"at,omitzero"`
	Times Times     `json:"times"`
}

// Revision is one revision of an event as it is kept.
type Revision struct {
	Event Event
	At    time.Time // when it was committed; it was published right after that
}

// Times are the moments a revision passed, in milliseconds since 1970 UTC; 0 where it is not known.
// With the hub's "sent" of the frame and the client's own clock they make latency from whistle to
// glass a measured thing.
type Times struct {
	Provider  int64 `json:"provider,omitempty"`  // the provider made the document that told of it
	Received  int64 `json:"received,omitempty"`  // the document's last byte reached us
	Published int64 `json:"published,omitempty"` // it was given to the bus
}

// SetClock fills Clock from Period and Minute.
func (e *Event) SetClock() { e.Clock = ClockText(e.Period, e.Minute) }

// SameContent says whether viewers would see no difference between two revisions: all is compared
// but the revision, the sequence number, the score at the time and the times.
func (e Event) SameContent(o Event) bool { return reflect.DeepEqual(e.content(), o.content()) }

func (e Event) content() Event {
	e.Revision, e.Seq, e.Score, e.Times = 0, 0, nil, Times{}
	return e
}

// Counts says whether the event has any effect: it is not cancelled.
func (e Event) Counts() bool { return e.Status != Cancelled }

// Key names one revision: "opta:1232921226#2". It is unique among the events of the match, and
// among those of none, and stays so.
func (e Event) Key() string { return fmt.Sprintf("%s#%d", e.ID, e.Revision) }

// KeyOfAll is Key with the match in front, "1009316/opta:1232921226#2": unique among the
// events of all matches.
func (e Event) KeyOfAll() string { return fmt.Sprintf("%d/%s", e.Match, e.Key()) }

// EachPlayer calls f for all players of an event, who may be known by id or by name only. Changing
// one changes the event.
func (e *Event) EachPlayer(f func(*Player)) {
	call := func(p *Player) {
		if p != nil {
			f(p)
		}
	}
	call(e.Player)
	if e.Goal != nil {
		call(e.Goal.Assist)
	}
	if e.Substitution != nil {
		call(e.Substitution.Off)
		call(e.Substitution.On)
	}
	if e.Lineup != nil {
		for i := range e.Lineup.Players {
			call(&e.Lineup.Players[i].Player)
		}
	}
}
