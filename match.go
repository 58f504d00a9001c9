package goalcast

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Period is a part of a match, or a pause in it.
type Period string

// The periods in the order in which they come. FullTime90 is the pause between ninety
// minutes and extra time.
const (
	PreMatch        Period = "pre_match"
	FirstHalf       Period = "first_half"
	HalfTime        Period = "half_time"
	SecondHalf      Period = "second_half"
	FullTime90      Period = "full_time_90"
	ExtraFirstHalf  Period = "extra_first_half"
	ExtraHalfTime   Period = "extra_half_time"
	ExtraSecondHalf Period = "extra_second_half"
	ExtraFullTime   Period = "extra_full_time" // the pause before a shoot-out
	Shootout        Period = "shootout"
	FullTime        Period = "full_time"
)

var periods = []Period{PreMatch, FirstHalf, HalfTime, SecondHalf, FullTime90, ExtraFirstHalf, ExtraHalfTime,
	ExtraSecondHalf,
	ExtraFullTime, Shootout, FullTime}

// Order gives the period's place: 0 for PreMatch and for unknown or empty ones,
// up to 10 for FullTime.
func (p Period) Order() int { return max(0, slices.Index(periods, p)) }

// InPlay says whether the ball may roll in the period; false in pauses, before and after.
func (p Period) InPlay() bool {
	switch p {
	case FirstHalf, SecondHalf, ExtraFirstHalf, ExtraSecondHalf, Shootout:
		return true
	}
	return false
}

// Clocked says whether a clock runs in the period, so that what happens in it has a minute: not in
// pauses, before and after, nor in a shoot-out.
func (p Period) Clocked() bool {
	_, to := p.minutes()
	return to > 0
}

// minutes gives the minutes on the clock when the period starts and when its regular time is over;
// 0, 0 where no clock runs.
func (p Period) minutes() (from, to int) {
	switch p {
	case FirstHalf:
		return 0, 45
	case SecondHalf:
		return 45, 90
	case ExtraFirstHalf:
		return 90, 105
	case ExtraSecondHalf:
		return 105, 120
	}
	return 0, 0
}

// ClockText shows a minute as fans say it: 93 in the second half is "90+3", in the first half of
// extra time "93". Empty for minute 0 and where no clock runs.
func ClockText(p Period, minute int) string {
	_, to := p.minutes()
	switch {
	case minute <= 0 || to == 0:
		return ""
	case minute > to:
		return fmt.Sprintf("%d+%d", to, minute-to)
	}
	return fmt.Sprint(minute)
}

// Score counts goals.
type Score struct {
	Home int `json:"home"`
	Away int `json:"away"`
}

// MatchState says where a match stands, in one word.
type MatchState string

// The states of a match.
const (
	Scheduled MatchState = "scheduled"
	Live      MatchState = "live" // from kick-off to the end, pauses included
	Finished  MatchState = "finished"
	Postponed MatchState = "postponed" // it keeps its id and comes back with a new date
	Abandoned MatchState = "abandoned"
)

// Fixture is the detail of KindFixture: what is known of a match apart from what happens in it.
type Fixture struct {
	Competition Competition `json:"competition"`
	Season      string      `json:"season,omitempty"` // the provider's id: "2018" for 2018/19
	Matchday    int         `json:"matchday,omitempty"`
	Home        Team        `json:"home"`
	Away        Team        `json:"away"`
	Kickoff     time.Time   `json:"kickoff,omitzero"` // planned, UTC
	Venue       string      `json:"venue,omitempty"`
	City        string      `json:"city,omitempty"`

	// Halted is Postponed or Abandoned, or empty for a match that goes its way.
	Halted MatchState `json:"halted,omitempty"`
	Reason string     `json:"reason,omitempty"` // why it was halted, in the provider's words

	// Reported is the result as a fixture list (F1) or a ticker (F26) tells it. It counts only
	// while no feed of the match itself is known.
	Reported *Result `json:"reported,omitempty"`

	// Awarded is a result that was decided off the pitch: it is the score, whatever was played. nil
	// for a match whose goals count.
	Awarded *Score `json:"awarded,omitempty"`

	Officials []Official `json:"officials,omitempty"` // the referee first
}

// Official is a referee or one of those who help him. Role is a word of ours: "referee",
// "assistant", "fourth", "var", "avar"; or the provider's.
type Official struct {
	ID   int64  `json:"id,omitempty"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// Result is what a list says of a match.
type Result struct {
	Period   Period `json:"period"`
	Score    Score  `json:"score"`
	Shootout *Score `json:"shootout,omitempty"`
}

// Topics lists who follows the match: match, home, away, competition. Ids that are
// not known are left out.
func (f Fixture) Topics(id MatchID) []Topic {
	topics := []Topic{ForMatch(id)}
	for _, t := range []Topic{ForTeam(f.Home.ID), ForTeam(f.Away.ID), ForCompetition(f.Competition.ID)} {
		if t.ID > 0 {
			topics = append(topics, t)
		}
	}
	return topics
}

// Filter chooses the matches whose fixtures have the topic; it chooses all for a
// kind that has no list.
func (t Topic) Filter() MatchFilter {
	switch t.Kind {
	case TeamTopic:
		return MatchFilter{Team: TeamID(t.ID)}
	case CompetitionTopic:
		return MatchFilter{Competition: CompetitionID(t.ID)}
	}
	return MatchFilter{}
}

// Snapshot is a match as it stands: what the reducer made of all events up to Seq. Its JSON form is
// what REST serves and what viewers get when they join.
type Snapshot struct {
	ID  MatchID `json:"id"`
	Seq int64   `json:"seq"` // the highest Event.Seq in it
	Fixture
	FixtureRevision int `json:"fixture_revision,omitempty"`

	State    MatchState `json:"state"`
	Period   Period     `json:"period"`
	Started  time.Time  `json:"period_started,omitzero"` // when Period began, UTC, by the provider; zero if not known
	Score    Score      `json:"score"`
	Shootout *Score     `json:"shootout,omitempty"`
	HalfTime *Score     `json:"half_time,omitempty"` // once the first half is over

	// Delay is what holds the match up now: a late start, a suspension, a long stop. nil
	// while it goes its way.
	Delay *Delay `json:"delay,omitempty"`

	// Timeline holds the newest revision of every event but line-ups and the fixture, cancelled
	// ones too, in match order.
	Timeline []Event         `json:"timeline"`
	Lineups  []LineupInMatch `json:"lineups,omitempty"` // home first
	// Times.Published of the newest revision in it, else Times.Received
	Updated int64 `json:"updated,omitempty"`
}

// LineupInMatch is a line-up with the revision of the event that brought it.
type LineupInMatch struct {
	Lineup
	EventID  string `json:"event"`
	Revision int    `json:"revision"`
}

// Minute is the minute of play at a time, as fans say it and running on in added time; 0 where no
// clock runs or its start is unknown.
func (s Snapshot) Minute(now time.Time) int {
	from, to := s.Period.minutes()
	if to == 0 || s.Started.IsZero() || now.Before(s.Started) {
		return 0
	}
	return from + int(now.Sub(s.Started)/time.Minute) + 1
}

// Event returns the event of that id from the timeline, line-ups and fixture left out.
func (s Snapshot) Event(id string) (Event, bool) {
	i := slices.IndexFunc(s.Timeline, func(e Event) bool { return e.ID == id })
	if i < 0 {
		return Event{}, false
	}
	return s.Timeline[i], true
}

// Time is when a match is: its planned kick-off or, for one without, when it changed last.
func (s Snapshot) Time() time.Time {
	if s.Kickoff.IsZero() {
		return time.UnixMilli(s.Updated).UTC()
	}
	return s.Kickoff
}

// Place is where a match stands in a list by time: what comes after it can be asked for, whatever
// else was added or moved.
func (s Snapshot) Place() MatchPlace {
	return MatchPlace{Time: s.Time().Truncate(time.Millisecond), ID: s.ID}
}

// ByTime compares two matches by their time, then id.
func ByTime(a, b Snapshot) int { return a.Place().Compare(b.Place()) }

// MatchPlace is a place in a list of matches by time, then id.
type MatchPlace struct {
	Time time.Time
	ID   MatchID
}

// Compare orders places as lists do.
func (p MatchPlace) Compare(q MatchPlace) int {
	return cmp.Or(p.Time.Compare(q.Time), cmp.Compare(p.ID, q.ID))
}

// MatchFilter chooses matches; zero fields choose all.
type MatchFilter struct {
	From, To    time.Time  // planned kick-off: From <= kick-off < To
	Unplanned   bool       // also matches without a planned kick-off: they count as of when they changed last
	Live        bool       // also matches in play that changed after From, whenever they were planned
	State       MatchState // those that stand so
	After       MatchPlace // those that come after this place; zero: from the beginning
	Competition CompetitionID
	Team        TeamID // at home or away
	Limit       int    // at most so many, the earliest first; 0 is the store's limit
	MayLag      bool   // they may be as they were a moment ago: a replica of the database may answer
}

// Chooses says whether a filter chooses a match. It does not look at Limit and MayLag.
func (f MatchFilter) Chooses(s Snapshot) bool {
	at := s.Kickoff
	if f.Unplanned {
		at = s.Time()
	}
	within := !at.Before(f.From) && (f.To.IsZero() || at.Before(f.To)) ||
		f.Live && s.State == Live && !time.UnixMilli(s.Updated).Before(f.From)
	return within && s.ID != CanaryMatch && (f.State == "" || s.State == f.State) &&
		(f.Competition == 0 || s.Competition.ID == f.Competition) &&
		(f.Team == 0 || s.Home.ID == f.Team || s.Away.ID == f.Team) &&
		(f.After == MatchPlace{} || s.Place().Compare(f.After) > 0)
}
