package goalcast

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what an event tells of, and with that which of Event's detail fields is set.
type Kind string

// The kinds of event. Viewers skip kinds that they do not know; more may be added.
const (
	KindGoal         Kind = "goal"         // Goal
	KindCard         Kind = "card"         // Card
	KindSubstitution Kind = "substitution" // Substitution
	// a part of the match began, named by Event.Period; also half time and full time
	KindPeriod        Kind = "period"
	KindMissedPenalty Kind = "missed_penalty" // a penalty in play, not scored; Event.Player took it
	KindShootoutKick  Kind = "shootout_kick"  // Kick; never part of the score
	KindVAR           Kind = "var"            // VAR: a review
	KindAddedTime     Kind = "added_time"     // AddedTime
	// a penalty was given to Event.Team; Event.Player was fouled. Cancelled if it is taken back
	KindPenalty Kind = "penalty"
	KindDelay   Kind = "delay"   // Delay: play is held up, or goes on after that
	KindLineup  Kind = "lineup"  // Lineup of Event.Team
	KindFixture Kind = "fixture" // Fixture: who plays, when, where; postponed, abandoned
	KindClip    Kind = "clip"    // Clip
	KindMessage Kind = "message" // Message: an editor's words, any JSON
	// Settlement: how bets on a market of the match ended; for who follows its prices
	KindSettlement Kind = "settlement"
)

// Place is where the reducer puts an event of a snapshot's match.
type Place string

// The places.
const (
	PlaceTimeline Place = "timeline"
	PlaceLineups  Place = "lineups"
	PlaceFixture  Place = "fixture"
	PlaceNone     Place = "none" // it is part of no snapshot
)

// Push says what followers are told of an event by push.
type Push string

// What followers are told. Which events of such a kind are worth it, and how it
// is said, notify knows.
const (
	PushNever     Push = "never"
	PushTold      Push = "told"
	PushWithdrawn Push = "withdrawn" // told, and told again when it turns out not to be so
)

// Trait is something that is so of all events of a kind.
type Trait uint8

// The traits.
const (
	Sided Trait = 1 << iota // it is one team's, which Event.Team names
	// it happens while the match is on: not before, and not again if the match
	// is played another day
	Played
	// it stands in a competition's shortened timelines: score, period or delay follow from it
	Listed
	Posted  // the JSON feed that anybody may use takes it
	Twinned // two sources may tell of one under different ids; such pairs are looked for
	// each source that tells all of a match tells it; where only one does, that is worth a look
	Compared
)

// KindInfo is what a kind means to whoever handles events of all kinds alike.
type KindInfo struct {
	Kind   Kind
	Detail string // JSON name of the field of Event that is set; empty if team, player, period and clock say all
	Place  Place
	Push   Push
	Traits Trait
}

// Kinds lists all kinds. Whoever adds one adds its row; tests then name each place where
// something is missing.
var Kinds = []KindInfo{
	{KindGoal, "goal", PlaceTimeline, PushWithdrawn, Sided | Played | Listed | Posted | Twinned | Compared},
	{KindCard, "card", PlaceTimeline, PushWithdrawn, Sided | Played | Listed | Posted | Twinned | Compared},
	{KindSubstitution, "substitution", PlaceTimeline, PushNever, Sided | Played | Posted | Twinned | Compared},
	{KindPeriod, "", PlaceTimeline, PushTold, Played | Listed | Posted | Twinned},
	{KindMissedPenalty, "", PlaceTimeline, PushTold, Sided | Played | Posted | Twinned | Compared},
	{KindShootoutKick, "kick", PlaceTimeline, PushNever, Sided | Played | Listed | Posted | Twinned},
	{KindVAR, "var", PlaceTimeline, PushNever, Played | Posted},
	{KindAddedTime, "added_time", PlaceTimeline, PushNever, Played | Posted | Twinned},
	{KindPenalty, "", PlaceTimeline, PushWithdrawn, Sided | Played},
	{KindDelay, "delay", PlaceTimeline, PushTold, Played | Listed},
	{KindLineup, "lineup", PlaceLineups, PushTold, Sided},
	{KindFixture, "fixture", PlaceFixture, PushTold, 0},
	{KindClip, "clip", PlaceTimeline, PushTold, 0},
	{KindMessage, "message", PlaceNone, PushTold, 0},
	{KindSettlement, "settlement", PlaceNone, PushNever, 0},
}

// Info returns the row of Kinds; an unknown kind has a place in the timeline and is Played.
func (k Kind) Info() *KindInfo {
	for i := range Kinds {
		if Kinds[i].Kind == k {
			return &Kinds[i]
		}
	}
	return &unknownKind
}

var unknownKind = KindInfo{Place: PlaceTimeline, Push: PushNever, Traits: Played}

// Is says whether events of the kind have a trait.
func (k Kind) Is(t Trait) bool { return k.Info().Traits&t != 0 }

// KindsThatAre lists the kinds with a trait, in the table's order.
func KindsThatAre(t Trait) []Kind {
	var out []Kind
	for _, info := range Kinds {
		if info.Traits&t != 0 {
			out = append(out, info.Kind)
		}
	}
	return out
}

// KindSet is a set of kinds: a bit for each row of Kinds. The zero set stands for all kinds, also
// those that are not in the table. It means something within one process only.
type KindSet uint32

// SetOf is the set of some kinds, of those that are in the table.
func SetOf(kinds ...Kind) (set KindSet) {
	for _, k := range kinds {
		i := slices.IndexFunc(Kinds, func(info KindInfo) bool { return info.Kind == k })
		if i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

// ParseKinds reads "goal,card". Text that names anything else yields an error that lists the kinds
// there are.
func ParseKinds(text string) (set KindSet, err error) {
	for name := range strings.SplitSeq(text, ",") {
		one := SetOf(Kind(name))
		if one == 0 {
			names := make([]string, len(Kinds))
			for i, info := range Kinds {
				names[i] = string(info.Kind)
			}
			return 0, fmt.Errorf("there is no kind %.40q; want some of %s", name, strings.Join(names, ","))
		}
		set |= one
	}
	return set, nil
}

// Has says whether any of another set is in this one.
func (s KindSet) Has(o KindSet) bool { return s == 0 || s&o != 0 }

// List gives the kinds of the set, in the table's order.
func (s KindSet) List() (kinds []Kind) {
	for i := range Kinds {
		if s&(1<<i) != 0 {
			kinds = append(kinds, Kinds[i].Kind)
		}
	}
	return kinds
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

// The types of delay. The reducer shows what holds a match up in Snapshot.Delay; the announcement
// of an abandonment makes it Abandoned.
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
	Type DelayType `json:"type"`
	// "weather", "crowd", "fire", "object", "spectator", "referee", "injury"; empty if not told
	Reason string `json:"reason,omitempty"`
}

// Kick is the detail of KindShootoutKick.
type Kick struct {
	Scored bool `json:"scored"`
}

// VAR is the detail of KindVAR. All are words of ours.
type VAR struct {
	Subject string `json:"subject"` // "goal", "penalty", "red_card", "mistaken_identity", "other"

	// Outcome is "under_review"; the referee's last word on what was decided, "confirmed" or
	// "cancelled"; without such a word the decision, "awarded", "not_awarded", "upgraded"; or
	// "not_told", where no feed says what came of it.
	Outcome string `json:"outcome"`

	// Decision is what was confirmed, cancelled or is looked at: "awarded",
	// "not_awarded", "upgraded"; empty where it is not told, or stands in Outcome.
	// Without it a goal that is cancelled and one that is given after all would read
	// alike. Whether a goal counts its own event says.
	Decision string `json:"decision,omitempty"`
}

// Lineup is the detail of KindLineup: one team's players for a match.
type Lineup struct {
	Team      TeamID `json:"team"`
	Formation string `json:"formation,omitempty"` // "4231"
	// who leads the team in this match; nil where no feed of the match tells
	Coach *Coach `json:"coach,omitempty"`
	// those who start first, by formation place, then the bench by shirt
	Players []LineupPlayer `json:"players"`
}

// Coach is a team's head coach. The id is the provider's, of people who are not players.
type Coach struct {
	ID   int64  `json:"id,omitempty"`
	Name string `json:"name"`
}

// LineupPlayer is a player's place in a line-up.
type LineupPlayer struct {
	Player
	Shirt int `json:"shirt,omitempty"`
	// "goalkeeper", "defender", "midfielder", "striker"; empty for the bench where unknown
	Position string `json:"position,omitempty"`
	Place    int    `json:"place,omitempty"` // 1 to 11 in the formation; 0 on the bench
	Start    bool   `json:"start,omitempty"`
	Captain  bool   `json:"captain,omitempty"`
}

// Clip is the detail of KindClip: a video of an event, or of the match.
type Clip struct {
	Of string `json:"of,omitempty"` // id of the event it shows; empty for a summary
	// of the cut that Video or URL plays, by whoever cut it; a better cut has a higher one
	Version   int64  `json:"version,omitempty"`
	Title     string `json:"title,omitempty"`
	Account   string `json:"account,omitempty"` // at the player (Brightcove), that Video is in
	Video     string `json:"video,omitempty"`   // id at the player, to be resolved when it is watched
	URL       string `json:"url,omitempty"`     // where it can be played now, if there is no Video
	Thumbnail string `json:"thumbnail,omitempty"`
	Poster    string `json:"poster,omitempty"` // a picture as large as the video, for the player before it plays
	Seconds   int    `json:"seconds,omitempty"`
	Summary   bool   `json:"summary,omitempty"` // of the whole match; there is one at a time

	// Include and Exclude are the countries that may and may not see it, as two-letter codes in
	// upper case: with Include nobody else may. Whoever shows the clip keeps to them; the
	// rights are the provider's.
	Include []string `json:"include_countries,omitempty"`
	Exclude []string `json:"exclude_countries,omitempty"`
}

// PlaysIn says whether a clip may be seen in a country, which is a two-letter code; without one,
// whether it may be seen everywhere.
func (c Clip) PlaysIn(country string) bool {
	if country == "" {
		return len(c.Include) == 0 && len(c.Exclude) == 0
	}
	return (len(c.Include) == 0 || slices.Contains(c.Include, country)) && !slices.Contains(c.Exclude, country)
}
