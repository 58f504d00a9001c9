package goalcast

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Kind says what an event tells of, and with that which of Event's detail fields is set.
type Kind string

// The kinds of event. Viewers skip kinds that they do not know; more may be added.
const (
	KindGoal          Kind = "goal"           // Goal
	KindCard          Kind = "card"           // Card
	KindSubstitution  Kind = "substitution"   // Substitution
	KindPeriod        Kind = "period"         // a part of the match began, named by Event.Period; also half time and full time
	KindMissedPenalty Kind = "missed_penalty" // a penalty in play, not scored; Event.Player took it
	KindShootoutKick  Kind = "shootout_kick"  // Kick; never part of the score
	KindVAR           Kind = "var"            // VAR: a review
	KindAddedTime     Kind = "added_time"     // AddedTime
	KindPenalty       Kind = "penalty"        // a penalty was given to Event.Team; Event.Player was fouled. Cancelled if it is taken back
	KindDelay         Kind = "delay"          // Delay: play is held up, or goes on after that
	KindLineup        Kind = "lineup"         // Lineup of Event.Team
	KindFixture       Kind = "fixture"        // Fixture: who plays, when, where; postponed, abandoned
	KindClip          Kind = "clip"           // Clip
	KindMessage       Kind = "message"        // Message: an editor's words, any JSON
)

// Status says how sure the provider is of an event.
type Status string

// The statuses of an event. A goal that VAR takes back is the same event in its next revision, cancelled.
const (
	Provisional Status = "provisional" // told, and under review or marked as possible
	Confirmed   Status = "confirmed"   // told as a fact
	Cancelled   Status = "cancelled"   // taken back; it counts for nothing and stays in the timeline as such
)

// Event is one thing that happened in or around a match: one revision of it. Ingest makes events, nobody changes them.
// Every match event but a message is one of a sequence per match (Seq); its newest revision replaces the older ones.
//
// The JSON form is what viewers get in an event frame. Fields are added, never renamed.
type Event struct {
	// ID names the event for good: "opta:1232921226" where the provider has an id of its own (an Opta Event@id, which F7 and F9
	// call EventID), else made of what it is: "match:1009316:period:half_time". Opaque to viewers; at most 120 bytes.
	ID       string `json:"id"`
	Revision int    `json:"revision"` // 1, 2, ...: what viewers see of the event changed
	Status   Status `json:"status"`
	Kind     Kind   `json:"kind"`

	// Seq counts the revisions of all events of one match: 1, 2, ... without a hole, in the order in which they were committed.
	// 0 for messages.
	Seq    int64   `json:"seq,omitempty"`
	Match  MatchID `json:"match,omitempty"`
	Topics []Topic `json:"topics"` // who gets it; never empty: the match, both teams, the competition

	// Team is the side the event is for: for a goal the side that gains it, also for an own goal.
	Team   TeamID  `json:"team,omitempty"`
	Player *Player `json:"player,omitempty"` // scorer, booked player; nil where no feed tells one (a booked coach)

	// Period and Minute are the match clock. Minute is the minute as fans say it and runs on in added time: 93 in the second
	// half is shown as 90+3. 0 before the match. Second (0-59) only orders events within a minute; feeds without it leave 0.
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

	// Score is the match's score, by the reducer, right after this revision. nil for messages.
	Score *Score `json:"score,omitempty"`

	// At is when it happened, by the provider's word, UTC; zero where no feed tells. Pushes are not sent for what is too old.
	At    time.Time `json:"at,omitzero"`
	Times Times     `json:"times"`
}

// Times are the moments a revision passed, in milliseconds since 1970 UTC; 0 where it is not known. With the hub's "sent" of the frame
// and the client's own clock they make latency from whistle to glass a measured thing.
type Times struct {
	Provider  int64 `json:"provider,omitempty"`  // the provider made the document that told of it
	Received  int64 `json:"received,omitempty"`  // the document's last byte reached us
	Published int64 `json:"published,omitempty"` // it was given to the bus
}

// GoalType says how a goal came about.
type GoalType string

// The types of goal.
const (
	OpenPlay    GoalType = "goal"
	OwnGoal     GoalType = "own"     // Event.Player plays for the other side
	PenaltyGoal GoalType = "penalty" // in play; kicks of a shoot-out are KindShootoutKick
)

// Goal is the detail of KindGoal.
type Goal struct {
	Type   GoalType `json:"type"`
	Assist *Player  `json:"assist,omitempty"`
}

// CardType is the colour and why.
type CardType string

// The types of card.
const (
	Yellow       CardType = "yellow"
	SecondYellow CardType = "second_yellow" // and with that red
	StraightRed  CardType = "red"
)

// Card is the detail of KindCard.
type Card struct {
	Type   CardType `json:"type"`
	Reason string   `json:"reason,omitempty"` // the provider's word: "Foul", "Dissent", ...
}

// Substitution is the detail of KindSubstitution. On is nil where a player left and nobody came on.
type Substitution struct {
	Off    *Player `json:"off,omitempty"`
	On     *Player `json:"on,omitempty"`
	Reason string  `json:"reason,omitempty"` // "tactical", "injury", "concussion"
}

// DelayType says how a match is held up.
type DelayType string

// The types of delay. The reducer shows what holds a match up in Snapshot.Delay; the announcement of an abandonment makes it Abandoned.
const (
	LateStart   DelayType = "late_start"  // it will kick off later than planned
	Stopped     DelayType = "stopped"     // play stands still for long, and for more than an injury
	Suspended   DelayType = "suspended"   // the teams have left the pitch; it may go on
	Resumed     DelayType = "resumed"     // it goes on
	EarlyEnd    DelayType = "early_end"   // it ended before its time
	Abandonment DelayType = "abandonment" // it will not go on; the fixture says so later
)

// Delay is the detail of KindDelay.
type Delay struct {
	Type   DelayType `json:"type"`
	Reason string    `json:"reason,omitempty"` // "weather", "crowd", "fire", "object", "spectator", "referee", "injury"; empty if not told
}

// Kick is the detail of KindShootoutKick.
type Kick struct {
	Scored bool `json:"scored"`
}

// VAR is the detail of KindVAR. All are words of ours.
type VAR struct {
	Subject string `json:"subject"` // "goal", "penalty", "red_card", "mistaken_identity", "other"

	// Outcome is "under_review"; the referee's last word on what was decided, "confirmed" or "cancelled"; without such a word the decision, "awarded",
	// "not_awarded", "upgraded"; or "not_told", where no feed says what came of it.
	Outcome string `json:"outcome"`

	// Decision is what was confirmed, cancelled or is looked at: "awarded", "not_awarded", "upgraded"; empty where it is not told, or stands in Outcome. Without it
	// a goal that is cancelled and one that is given after all would read alike. Whether a goal counts its own event says.
	Decision string `json:"decision,omitempty"`
}

// Lineup is the detail of KindLineup: one team's players for a match.
type Lineup struct {
	Team      TeamID         `json:"team"`
	Formation string         `json:"formation,omitempty"` // "4231"
	Coach     *Coach         `json:"coach,omitempty"`     // who leads the team in this match; nil where no feed of the match tells
	Players   []LineupPlayer `json:"players"`             // those who start first, by formation place, then the bench by shirt
}

// Coach is a team's head coach. The id is the provider's, of people who are not players.
type Coach struct {
	ID   int64  `json:"id,omitempty"`
	Name string `json:"name"`
}

// LineupPlayer is a player's place in a line-up.
type LineupPlayer struct {
	Player
	Shirt    int    `json:"shirt,omitempty"`
	Position string `json:"position,omitempty"` // "goalkeeper", "defender", "midfielder", "striker"; empty for the bench where unknown
	Place    int    `json:"place,omitempty"`    // 1 to 11 in the formation; 0 on the bench
	Start    bool   `json:"start,omitempty"`
	Captain  bool   `json:"captain,omitempty"`
}

// Clip is the detail of KindClip: a video of an event, or of the match.
type Clip struct {
	Of        string `json:"of,omitempty"`      // id of the event it shows; empty for a summary
	Version   int64  `json:"version,omitempty"` // of the cut that Video or URL plays, by whoever cut it; a better cut has a higher one
	Title     string `json:"title,omitempty"`
	Account   string `json:"account,omitempty"` // at the player (Brightcove), that Video is in
	Video     string `json:"video,omitempty"`   // id at the player, to be resolved when it is watched
	URL       string `json:"url,omitempty"`     // where it can be played now, if there is no Video
	Thumbnail string `json:"thumbnail,omitempty"`
	Poster    string `json:"poster,omitempty"` // a picture as large as the video, for the player before it plays
	Seconds   int    `json:"seconds,omitempty"`
	Summary   bool   `json:"summary,omitempty"` // of the whole match; there is one at a time

	// Include and Exclude are the countries that may and may not see it, as two-letter codes in upper case: with Include nobody else may. Whoever shows
	// the clip keeps to them; the rights are the provider's.
	Include []string `json:"include_countries,omitempty"`
	Exclude []string `json:"exclude_countries,omitempty"`
}

// SetClock fills Clock from Period and Minute.
func (e *Event) SetClock() { e.Clock = ClockText(e.Period, e.Minute) }

// SameContent says whether viewers would see no difference between two revisions: all is compared but the revision, the sequence
// number, the score at the time and the times.
func (e Event) SameContent(o Event) bool { return reflect.DeepEqual(e.content(), o.content()) }

func (e Event) content() Event {
	e.Revision, e.Seq, e.Score, e.Times = 0, 0, nil, Times{}
	return e
}

// Counts says whether the event has any effect: it is not cancelled.
func (e Event) Counts() bool { return e.Status != Cancelled }

// Key names one revision: "opta:1232921226#2". It is unique among the events of the match, and among those of none, and stays so.
func (e Event) Key() string { return fmt.Sprintf("%s#%d", e.ID, e.Revision) }

// KeyOfAll is Key with the match in front, "1009316/opta:1232921226#2": unique among the events of all matches.
func (e Event) KeyOfAll() string { return fmt.Sprintf("%d/%s", e.Match, e.Key()) }

// EachPlayer calls f for all players of an event, who may be known by id or by name only. Changing one changes the event.
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
